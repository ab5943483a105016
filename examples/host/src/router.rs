//! The router on two TAP devices.

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

/// How long the lease may take to be given back at the end.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(500);

/// Routes until SIGINT or SIGTERM, then prints the counters; they are also printed at SIGUSR1, and
/// at intervals if asked for.
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

/// Refuses what the engine would refuse, before a device is touched.
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
        // Not before all that can be refused has been: a refusal is one line.
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
        spawn(&executor, tell_of_leases(dhcp_client));
    }
    if let Some(seconds) = options.stats_every {
        spawn(&executor, say_counters_every(seconds, control));
    }
    let signals =
        Signals::new([Signal::Int, Signal::Term, Signal::Usr1]).context("cannot catch signals")?;
    say(&format!("tables: {}", options.nat.capacity()?));
    say(&ready(options));
    async_io::block_on(executor.run(async {
        until_the_end(signals, control).await;
        // Not where the message cannot leave.
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
        dns_servers: Default::default(),
    });
    config.dhcp_server = options.dhcp_server()?;
    Ok(config)
}

/// Opens the TAP device `name` for an interface that has the MAC address `mac`, or by default that
/// of its name.
fn open_tap(name: &str, mac: Option<MacAddress>, options: &RouterOptions) -> Result<Device> {
    let device = tap::open(name).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => " (it takes root, or the capability CAP_NET_ADMIN)",
            io::ErrorKind::InvalidInput => {
                " (is there a device of that name which is no TAP device?)"
            }
            _ => "",
        };
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

/// Waits for a signal to end, and says the counters at those that ask for them.
async fn until_the_end(mut signals: Signals, control: Control<'_, impl Width>) {
    while let Some(Ok(Signal::Usr1)) = signals.next().await {
        say(&summary(control));
    }
}

async fn say_counters_every(seconds: u32, control: Control<'_, impl Width>) {
    let mut ticker = Ticker::every(Duration::from_secs(seconds.into()));
    loop {
        ticker.next().await;
        say(&summary(control));
    }
}

/// Says each lease, and each change of it other than of its end.
async fn tell_of_leases(client: DhcpClient) {
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
        let (counters, gateway) = (report::counters(stats), report::gateway(stats));
        format!(
            "{counters}\n\n{frames}\n\n{gateway}\n\n{}",
            report::stats_line(stats)
        )
    })
}

/// Writes to standard output at once. That nobody reads there is no reason to stop routing.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
