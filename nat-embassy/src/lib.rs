//! nat-core for embassy.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

// The application's side.
mod config;
mod control;
mod state;
mod stats;

// The way of a frame: out of a driver, through the NAT, into the other driver.
mod runner;
mod port;
mod router;
mod link;
mod resolve;
mod send;
mod outgoing;
mod local;

// What is known about neighbours, and waits for them.
mod neighbours;
mod waiting;

// Headers.
mod arp;
mod ethernet;
mod ipv4;

mod log;

use embassy_net_driver::Driver;
use nat_core::{ConfigError, Nat, Seed, Side};

pub use config::{Config, Outside};
pub use control::Control;
pub use local::{LanDevice, LocalDevice, MTU, WanDevice};
pub use runner::Runner;
pub use state::State;
pub use stats::{FrameDrop, FrameStats, SideStats};

use control::Shared;
use link::{Link, Nic, virtual_device};
use port::{Port, Properties};
use router::{Links, Router};

/// Builds a router between the drivers `lan` and `wan`.
///
/// Spawn [`Runner::run`], run an `embassy_net::Stack` on each of the devices, and let [`Control::follow`] or
/// [`Control::set_outside`] say what the outside address is, unless `config` does. `seed` is fresh entropy of every boot.
///
/// The state is borrowed for ever, because the NAT that it holds refers to the tables that it holds.
///
/// # Errors
///
/// When the NAT refuses the configuration: the error names the field.
pub fn new<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize, L: Driver, W: Driver>(
    state: &'static mut State<MAPPINGS, SESSIONS, HOSTS>,
    config: Config,
    seed: Seed,
    lan: L,
    wan: W,
) -> Result<(Control<'static>, LanDevice<'static>, WanDevice<'static>, Runner<'static, L, W>), ConfigError> {
    let Config { nat: mut config, outside } = config;
    let (lan, wan) = (Port::new(lan), Port::new(wan));
    let (lan_is, wan_is) = (lan.properties(), wan.properties());
    config.inside_mtu = config.inside_mtu.min(ip_mtu(&lan_is));
    config.outside_mtu = config.outside_mtu.min(ip_mtu(&wan_is));
    let further = core::mem::take(&mut config.external_addresses);
    let mtus = (config.inside_mtu, config.outside_mtu);
    let State { tables, shared, lan: lan_memory, wan: wan_memory, answer } = state;
    let shared = &*shared.write(Shared::new(Nat::new(tables, config, seed)?, further, outside)?);
    let (lan_stack, lan_device) = virtual_device(&mut lan_memory.channel, &lan_is, mtus.0);
    let (wan_stack, wan_device) = virtual_device(&mut wan_memory.channel, &wan_is, mtus.1);
    let links = Links {
        inside: Link::new(
            Nic::new(Side::Inside, &lan_is),
            lan_stack,
            &mut lan_memory.neighbours,
            &mut lan_memory.waiting,
        ),
        outside: Link::new(
            Nic::new(Side::Outside, &wan_is),
            wan_stack,
            &mut wan_memory.neighbours,
            &mut wan_memory.waiting,
        ),
    };
    let runner = Runner::new(lan, wan, Router::new(shared, links, answer));
    Ok((Control::new(shared), lan_device, wan_device, runner))
}

/// The longest datagram that a driver carries: its own limit counts the link header.
fn ip_mtu(properties: &Properties) -> u16 {
    let header = port::Medium::of(properties.address).header_len();
    u16::try_from(properties.max_frame.saturating_sub(header)).unwrap_or(u16::MAX)
}
