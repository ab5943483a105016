//! The demo's router: nat-embassy between two wires, with the router's own stacks on both sides.

use core::net::Ipv4Addr;

use anyhow::Context;
use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::{Duration, Timer};
use nat_core::{Cidr, SessionInfo, Stats};
use nat_embassy::Control;
use nat_router::{Config, Memory, NoLed, Runner, Services};
use static_cell::ConstStaticCell;

use super::addresses::{PREFIX_LEN, ROUTER, ROUTER_WAN_MAC};
use super::step::say;
use super::wire::{Port, Wire};
use crate::report;

/// Sized for a board with 64 KiB of free RAM.
static MEMORY: ConstStaticCell<Memory<512, 1024, 16>> = ConstStaticCell::new(Memory::new());

/// How often to poll for the router's new address.
const MOMENT: Duration = Duration::from_micros(200);

/// The running router.
pub(super) struct Router {
    /// The router's own stack outside, which holds the lease.
    pub(super) outside: Stack<'static>,
    control: Control<'static>,
}

impl Router {
    /// Connects a router to both wires and starts it, with its stacks.
    pub(super) fn start(spawner: Spawner, lan: &Wire, wan: &Wire) -> anyhow::Result<Self> {
        let memory = MEMORY
            .try_take()
            .context("the demo runs once in a process")?;
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).context("no entropy")?;
        let ports = (lan.plug(ROUTER.mac), wan.plug(ROUTER_WAN_MAC));
        let router = nat_router::new(memory, config(), entropy, ports.0, ports.1)?;
        spawner.spawn(forward(router.runner).expect(ONCE));
        spawner.spawn(serve(router.services).expect(ONCE));
        Ok(Self {
            outside: router.outside,
            control: router.control,
        })
    }

    /// The external address; unspecified if there is none.
    pub(super) fn external(&self) -> Ipv4Addr {
        self.control
            .with_nat(|nat| nat.external_addresses().first().copied())
            .unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// Waits until `address` is the external address.
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
        say(format_args!(
            "\n{sessions}\n\n{}",
            report::counters(&self.stats())
        ));
    }
}

const ONCE: &str = "each task of the router is started once";

/// The defaults without a DHCP server, because the hosts have static addresses.
fn config() -> Config {
    let mut config =
        Config::new(Cidr::new(ROUTER.address, PREFIX_LEN).expect("a prefix of at most 32"));
    config.dhcp_server = None;
    config
}

#[embassy_executor::task]
async fn forward(runner: Runner<'static, Port, Port>) -> ! {
    runner.run(|| {}).await
}

#[embassy_executor::task]
async fn serve(services: Services) -> ! {
    services.run(NoLed).await
}
