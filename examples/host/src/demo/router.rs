//! The router under demonstration: nat-embassy between two wires, with the router's own stacks on both sides.

use core::net::Ipv4Addr;

use anyhow::Context;
use embassy_executor::Spawner;
use embassy_net::{Config, DhcpConfig, Ipv4Cidr, Stack, StaticConfigV4};
use embassy_time::{Duration, Timer};
use nat_core::{Cidr, Seed, SessionInfo, Stats};
use nat_embassy::{Control, LanDevice, Runner, State, WanDevice};
use static_cell::ConstStaticCell;

use super::addresses::{PREFIX_LEN, ROUTER, ROUTER_WAN_MAC};
use super::host::new_stack;
use super::step::say;
use super::wire::{Port, Wire};
use crate::report;

/// As large as on a board with 64 KiB to spare.
type Memory = State<512, 1024, 16>;

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

/// How often the router is asked whether it knows its new address.
const MOMENT: Duration = Duration::from_micros(200);

/// The router, running.
pub(super) struct Router {
    /// The router's own stack outside: it has the lease.
    pub(super) outside: Stack<'static>,
    control: Control<'static>,
}

impl Router {
    /// Plugs a router into both wires and starts it, with its stacks.
    pub(super) fn start(spawner: Spawner, lan: &Wire, wan: &Wire) -> anyhow::Result<Self> {
        let memory = MEMORY.try_take().context("the demo runs once in a process")?;
        let mut entropy = [0; 16];
        getrandom::fill(&mut entropy).context("no entropy")?;
        let ports = (lan.plug(ROUTER.mac), wan.plug(ROUTER_WAN_MAC));
        let config = nat_embassy::Config::new(nat_config());
        let (control, lan_device, wan_device, runner) =
            nat_embassy::new(memory, config, Seed::new(entropy), ports.0, ports.1)?;
        let outside = start_stacks(spawner, lan_device, wan_device);
        spawner.spawn(run_router(runner).expect(ONCE));
        spawner.spawn(follow(control, outside).expect(ONCE));
        Ok(Self { outside, control })
    }

    /// The address that the LAN hosts have outside; unspecified when there is none.
    pub(super) fn external(&self) -> Ipv4Addr {
        self.control.with_nat(|nat| nat.external_addresses().first().copied()).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// Waits until the LAN hosts have the address `address` outside.
    pub(super) async fn wait_external(&self, address: Ipv4Addr) {
        while self.external() != address {
            Timer::after(MOMENT).await;
        }
    }

    /// The NAT's counters.
    pub(super) fn stats(&self) -> Stats {
        self.control.with_nat(|nat| nat.stats().clone())
    }

    /// The NAT's sessions.
    pub(super) fn sessions(&self) -> Vec<SessionInfo> {
        self.control.with_nat(|nat| nat.sessions().collect())
    }

    /// Prints the sessions and the counters.
    pub(super) fn print_tables(&self) {
        let sessions = report::sessions(self.sessions().into_iter());
        say(format_args!("\n{sessions}\n\n{}", report::counters(&self.stats())));
    }
}

const ONCE: &str = "each task of the router is started once";

fn nat_config() -> nat_core::Config {
    let mut config = nat_core::Config::new(Cidr::new(ROUTER.address, PREFIX_LEN).expect("a prefix of at most 32"));
    config.dhcp_client = true;
    config
}

/// Starts the router's own stacks: one with its address on the LAN, and a DHCP client on the WAN, which is returned.
fn start_stacks(spawner: Spawner, lan: LanDevice<'static>, wan: WanDevice<'static>) -> Stack<'static> {
    let address = Ipv4Cidr::new(ROUTER.address, PREFIX_LEN);
    let fixed = StaticConfigV4 { address, gateway: None, dns_servers: [].into_iter().collect() };
    let (_, inside) = new_stack(lan, Config::ipv4_static(fixed));
    let (outside, outside_runner) = new_stack(wan, Config::dhcpv4(DhcpConfig::default()));
    spawner.spawn(run_inside(inside).expect(ONCE));
    spawner.spawn(run_outside(outside_runner).expect(ONCE));
    outside
}

#[embassy_executor::task]
async fn run_router(runner: Runner<'static, Port, Port>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn run_inside(mut runner: embassy_net::Runner<'static, LanDevice<'static>>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn run_outside(mut runner: embassy_net::Runner<'static, WanDevice<'static>>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn follow(control: Control<'static>, outside: Stack<'static>) -> ! {
    control.follow(outside).await
}
