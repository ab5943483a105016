//! `router`: routes between two TAP devices.

mod mac;
mod recorder;
mod stderr_log;
mod tap;

use core::future::Future;
use std::io::{self, Write};

use anyhow::{Context, Result};
use async_executor::LocalExecutor;
use async_signal::{Signal, Signals};
use embassy_net::{Ipv4Cidr, StaticConfigV4};
use embassy_time::{Duration, Ticker, with_timeout};
use futures_lite::StreamExt;
use log::{info, warn};
use nat_core::{Config, Nat, Quarantine, Seed, Tables, Width};
use nat_embassy::Control;
use nat_router::{ConfigError, DhcpClient, Entropy, Memory, NoLed, Router};
use static_cell::StaticCell;

use crate::cli::{MacAddress, RouterOptions, refusal};
use crate::engine::{self, FREED, MemoryTask, TablesTask, WAITING};
use crate::report;
use recorder::Recorder;
use tap::Tap;
use tun_rs::SyncDevice;

static RECORDER: StaticCell<Recorder> = StaticCell::new();

/// How long to wait at the end until the lease is released.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(500);

/// Routes until SIGINT or SIGTERM, then prints the counters. They are also printed at SIGUSR1, and at
/// intervals with `--stats-every`.
pub(crate) fn run(options: &RouterOptions) -> Result<()> {
    let (capacity, config) = (options.nat.capacity()?, router_config(options)?);
    let seed = options.nat.seed().map_or_else(random_seed, Ok)?;
    engine::with_tables(
        capacity,
        Check {
            options,
            config: config.nat.clone(),
            seed,
        },
    )?;
    engine::with_memory(
        capacity,
        Route {
            options,
            config,
            seed,
        },
    )
}

/// Reports errors of the configuration before a device is touched.
struct Check<'a> {
    options: &'a RouterOptions,
    config: Config,
    seed: Seed,
}

impl TablesTask for Check<'_> {
    fn run<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize, W: Width>(
        self,
        tables: &mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        _: &mut Quarantine<FREED, W>,
    ) -> Result<()> {
        self.options
            .nat
            .add_forwards(&mut Nat::new(tables, self.config, self.seed).map_err(refusal)?)
    }
}

struct Route<'a> {
    options: &'a RouterOptions,
    config: nat_router::Config,
    seed: Seed,
}

impl MemoryTask for Route<'_> {
    fn run<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize, W: Width>(
        self,
        memory: &'static mut Memory<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, W>,
    ) -> Result<()> {
        let Self {
            options,
            config,
            seed,
        } = self;
        // After all checks, so that an error is one line without log messages.
        stderr_log::start(options.verbose);
        let recorder = options
            .mapping_log
            .as_deref()
            .map(Recorder::append)
            .transpose()?;
        let (lan, wan) = (
            open_tap(&options.lan.name, options.lan_mac, options)?,
            open_tap(&options.wan.name, options.wan_mac, options)?,
        );
        let router = nat_router::new(memory, config, entropy(seed)?, lan, wan).map_err(
            |error| match error {
                ConfigError::Nat(error) => refusal(error),
                other => anyhow::Error::new(other),
            },
        )?;
        if let Some(recorder) = recorder {
            router.control.set_event_hook(RECORDER.init(recorder));
        }
        route(router, options)
    }
}

type Device = Tap<SyncDevice>;

fn route<W: Width>(router: Router<Device, Device, W>, options: &RouterOptions) -> Result<()> {
    let Router {
        runner,
        services,
        control,
        dhcp_client,
        ..
    } = router;
    control.with_nat(|nat| options.nat.add_forwards(nat))?;

    let executor = LocalExecutor::new();
    // No watchdog, and no LED.
    spawn(&executor, runner.run(|| {}));
    spawn(&executor, services.run(NoLed));
    if options.wan.address.is_none() {
        spawn(&executor, print_leases(dhcp_client));
    }
    if let Some(seconds) = options.stats_every {
        spawn(&executor, print_counters_every(seconds, control));
    }
    let signals =
        Signals::new([Signal::Int, Signal::Term, Signal::Usr1]).context("cannot catch signals")?;
    say(&format!("tables: {}", options.nat.capacity()?));
    say(&ready(options));
    async_io::block_on(executor.run(async {
        until_end_signal(signals, control).await;
        // The timeout is for a link that is down.
        let _ = with_timeout(RELEASE_TIMEOUT, dhcp_client.release()).await;
    }));
    say(&summary(control));
    Ok(())
}

fn router_config(options: &RouterOptions) -> Result<nat_router::Config> {
    let mut config = nat_router::Config::new(options.lan.address);
    config.nat = options.config()?;
    config.outside = options.wan.address.map(|address| StaticConfigV4 {
        address: Ipv4Cidr::new(address.address(), address.prefix_len()),
        gateway: options.gateway,
        dns_servers: options.dns_server.iter().copied().collect(),
    });
    config.dhcp_server = options.dhcp_server()?;
    config.port_control = options.port_control;
    config.dns_forwarder = options.dns_forwarder();
    Ok(config)
}

/// Opens the TAP device `name` for an interface with the MAC address `mac`, by default the one
/// derived from the name.
fn open_tap(name: &str, mac: Option<MacAddress>, options: &RouterOptions) -> Result<Device> {
    let device = tap::open(name).map_err(|error| {
        let hint = hint(error.kind());
        anyhow::Error::new(error).context(format!("cannot open the TAP device {name}{hint}"))
    })?;
    if let Err(error) = tap::lengthen_queue(&device, options.tap_queue) {
        warn!(
            "{name}: cannot set the transmit queue to {} frames: {error}",
            options.tap_queue
        );
    }
    let mac = mac.map_or_else(|| mac::of_device(name), |MacAddress(address)| address);
    info!(
        "{name}: MAC address {}",
        mac.map(|byte| format!("{byte:02x}")).join(":")
    );
    Tap::new(device, mac).with_context(|| format!("cannot use the TAP device {name}"))
}

fn hint(error: io::ErrorKind) -> &'static str {
    match error {
        io::ErrorKind::PermissionDenied => " (root or CAP_NET_ADMIN is needed)",
        io::ErrorKind::InvalidInput => " (is there another kind of device with that name?)",
        _ => "",
    }
}

fn random_seed() -> Result<Seed> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("no random numbers")?;
    Ok(Seed::new(bytes))
}

fn entropy(nat: Seed) -> Result<Entropy> {
    let stack = || getrandom::u64().context("no random numbers");
    Ok(Entropy {
        nat,
        stacks: [stack()?, stack()?],
    })
}

fn spawn<'e, T: 'e>(executor: &LocalExecutor<'e>, task: impl Future<Output = T> + 'e) {
    executor.spawn(task).detach();
}

/// Waits for SIGINT or SIGTERM, and prints the counters at SIGUSR1.
async fn until_end_signal(mut signals: Signals, control: Control<'_, impl Width>) {
    while let Some(Ok(Signal::Usr1)) = signals.next().await {
        say(&summary(control));
    }
}

async fn print_counters_every(seconds: u32, control: Control<'_, impl Width>) {
    let mut ticker = Ticker::every(Duration::from_secs(seconds.into()));
    loop {
        ticker.next().await;
        say(&summary(control));
    }
}

/// Prints each new lease, each change of its address or gateway, and its loss.
async fn print_leases(client: DhcpClient) {
    let mut seen = 0;
    loop {
        client.changed(&mut seen).await;
        match client.lease() {
            Some(lease) => {
                let gateway = lease
                    .gateway
                    .map_or_else(|| "none".to_owned(), |gateway| gateway.to_string());
                say(&format!("lease: {}, gateway {gateway}", lease.address));
            }
            None => say("lease: lost"),
        }
    }
}

fn ready(options: &RouterOptions) -> String {
    let wan = options
        .wan
        .address
        .map_or_else(|| "dhcp".to_owned(), |address| address.to_string());
    let gateway = options
        .gateway
        .map_or_else(String::new, |gateway| format!(" via {gateway}"));
    format!(
        "ready: {} {} -> {} {wan}{gateway}",
        options.lan.name, options.lan.address, options.wan.name
    )
}

fn summary(control: Control<'_, impl Width>) -> String {
    let frames = report::frames(&control.stats());
    control.with_nat(|nat| {
        let stats = nat.stats();
        let (counters, gateway) = (report::counters(&stats), report::gateway(&stats));
        format!(
            "{counters}\n\n{frames}\n\n{gateway}\n\n{}",
            report::stats_line(&stats)
        )
    })
}

/// Writes to standard output at once. If it is closed, routing goes on.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
