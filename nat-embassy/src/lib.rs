//! Binds the [`nat_core`] NAT engine to two `embassy-net` drivers: a board with two network
//! interfaces becomes a router.
//!
//! ```text
//!   embassy_net::Stack          embassy_net::Stack         the router's own: DHCP server, web page; DHCP client, DNS
//!          |                            |
//!      LanDevice                    WanDevice              virtual devices
//!          |                            |
//!          +---------- Runner ----------+                  ARP, next hop, waking; Nat judges every datagram
//!          |                            |
//!     lan: Driver                  wan: Driver             the two NICs, of any kind and make
//! ```
//!
//! 1. [`new`] takes both drivers and gives a [`Control`], a device for each side, and the
//!    [`Runner`].
//! 2. Spawn [`Runner::run`]. It is the only task that touches the drivers.
//! 3. Run a stack on each device: nothing else gives the router an address to be reached at.
//! 4. Tell the router its outside address: [`Control::follow`] takes it from the outside stack, be
//!    it leased or static.
//!
//! ```
//! use embassy_net_driver::Driver;
//! use nat_core::{Cidr, Seed};
//! use nat_embassy::{Config, State};
//! use static_cell::ConstStaticCell;
//!
//! static STATE: ConstStaticCell<State<256, 512>> = ConstStaticCell::new(State::new());
//!
//! # async fn run_stacks(_: impl Driver, _: impl Driver) -> embassy_net::Stack<'static> { unimplemented!() }
//! async fn route(inside: Cidr, entropy: [u8; 16], lan: impl Driver, wan: impl Driver) {
//!     let mut nat = nat_core::Config::new(inside);
//!     nat.dhcp_client = true;
//!     let (control, lan, wan, runner) =
//!         nat_embassy::new(STATE.take(), Config::new(nat), Seed::new(entropy), lan, wan).expect("a sound configuration");
//!     let outside_stack = run_stacks(lan, wan).await; // embassy_net::new for each, their runners spawned
//!     embassy_futures::join::join(runner.run(|| {}), control.follow(outside_stack)).await;
//! }
//! ```
//!
//! # What happens to a frame
//!
//! It is read once, translated where the driver has put it, and copied once, into the transmit
//! buffer of the other driver. Every frame that goes no further is counted, by [`FrameDrop`] here
//! and by [`nat_core::DropReason`] in the NAT. IPv6, frames of a VLAN and multicast are dropped; a
//! tag that only gives a priority (VLAN id 0) is ignored, and what leaves has none. What was sent
//! to every station but to one IP address is dropped too, and no ICMP error is sent about a frame
//! to every station (RFC 1122 sections 3.2.2 and 3.3.6).
//!
//! Fragments follow the first of their datagram without reassembly; 16 datagrams can be under way,
//! and 5 fragments can wait for their first, so a datagram of six fragments can come in reverse. A
//! datagram larger than the next link leaves in fragments, one such datagram at a time on each
//! side: what comes after it for that side waits.
//!
//! # A full or dead side
//!
//! While one driver has no room, the frames of the other wait in that other driver for up to 10 ms,
//! so that a burst survives until the transmit ring is emptied. After that they are read again, and
//! those that need the full driver are dropped until it has room: ARP, the local stacks and the
//! other direction go on. A driver whose link is down gets nothing, and is waited for not at all.
//! Some drivers hand up no frame while they have no room to answer it; such a driver, while full,
//! receives nothing either.
//!
//! # ARP
//!
//! The router answers for its inside address inside and for all its external addresses outside, and
//! announces them when they or the link change. As many neighbours are remembered inside as the NAT
//! has places for hosts, and 64 outside, at 26 bytes each. They are learned from ARP alone: what is
//! said to the router, and answers to what it asked. They are confirmed again after 60 s of use. A
//! neighbour is asked for three times, once a second. Meanwhile packets for it wait; on each side 4
//! can unless [`State`] has room for more, and the oldest makes room for the newest. When there is
//! no answer, the inside hosts that sent them are told, "host unreachable" (RFC 1812 section
//! 5.2.7.1).
//!
//! Neither floods nor scans take the place of a neighbour in use: for 60 s after a packet was sent
//! to it, none who only speaks to the router does. Those who are asked for have no place yet; at
//! most 16 are asked for at once, the gateway apart. Who answers can take the place of the
//! neighbour that was used longest ago, though of none that was used within the last second.
//!
//! ARP has no proof of who speaks, so who came first is believed. A station that claims the address
//! of a neighbour, when another station has confirmed within 120 s that it has it, counts as
//! [`FrameDrop::ArpConflict`]: the other is asked, at most once a second, and only when it has not
//! answered for 3 s the address goes to whoever answers for it next. A station that claims an
//! address of the router counts as [`FrameDrop::DuplicateAddress`]. The router never gives its
//! address up: it announces its addresses in return, at most every 10 s (RFC 5227 section 2.4 (c)).
//!
//! # What the application can ask of the links
//!
//! [`Control::probe`] asks by ARP whether an address is in use on a side, [`Control::conflict`]
//! waits for a station that claims an address of the router, and [`Control::send_frame`] sends a
//! frame of the application's own making. A DHCP server needs the first and the last, a DHCP client
//! the first two.
//!
//! # The stacks of the router
//!
//! The stack on the [`LanDevice`] talks to the LAN directly. That on the [`WanDevice`] is
//! translated like an inside host, so its ports never collide with theirs, and nothing from outside
//! reaches it but answers, and DHCP if [`nat_core::Config::dhcp_client`] is set. While there is no
//! outside configuration, nothing but DHCP and ARP leaves there. Its datagrams leave to the next
//! hop that the router knows, and its own ARP questions are answered by the router for
//! every address: so its configuration need not be that of the outside, as long as it lets it send.
//! What is said to the port of a DHCP client reaches it as a broadcast, whatever address it was
//! for. A DHCP client there that is refused again and again starts over at most every 4 s, then 8
//! s, and so on up to 64 s (RFC 2131 section 4.1).
//!
//! # Memory
//!
//! All of it is in [`State`], or in [`WideState`] for more than 65,535 mappings or sessions: the
//! tables, and about 61 KiB for queues, fragments, waiting packets, neighbours, and external ports
//! in quarantine. Of those, 64 can wait unless [`State`] has room for more; the next one then ends
//! the wait of the one that has waited longest.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

// The application's side.
mod config;
mod control;
mod state;
mod stats;

// The task: drivers on one side, the router on the other.
mod interface;
mod runner;

// The router, which knows no driver.
mod link;
mod router;
mod shared;

// What the router is made of.
mod addresses;
mod application;
mod clock;
mod conflicts;
mod deadline;
mod discovery;
mod fragment_tx;
mod medium;
mod neighbours;
mod probes;
mod stack_interface;
mod tx_frame;
mod waiting;

// Headers.
mod arp;
mod dhcp;
mod echo;
mod ethernet;
mod ipv4;

mod log;

use embassy_net_driver::Driver;
use nat_core::{ConfigError, Seed, Side, Width};

use interface::Interface;
use link::{Link, Nic};
use medium::Properties;
use probes::Probes;
use router::{Links, Router};
use shared::Shared;
use stack_interface::StackInterface;
use state::SideParts;

pub use config::{Config, Outside};
pub use conflicts::AddressConflict;
pub use control::{Control, Probing};
pub use runner::{HEARTBEAT_INTERVAL, Runner};
pub use stack_interface::{LanDevice, LocalDevice, MAX_FRAME_LEN, WanDevice};
pub use state::{State, WideState};
pub use stats::{FrameDrop, FrameStats, SideStats};

/// A router: its handle, a device for each of its own stacks, and the task that moves the frames.
pub type Parts<Lan, Wan, W = u16> = (
    Control<'static, W>,
    LanDevice<'static>,
    WanDevice<'static>,
    Runner<'static, Lan, Wan, W>,
);

/// Builds a router between the drivers `lan` and `wan`.
///
/// Spawn [`Runner::run`], run an `embassy_net::Stack` on each of the devices, and set the outside
/// address by [`Control::follow`] or [`Control::set_outside`] unless `config` has one. `seed` must
/// be fresh entropy at every boot.
///
/// The state is borrowed for ever, because it holds both the tables and the NAT that refers to
/// them.
///
/// # Errors
///
/// When the NAT refuses the configuration: the error names the field. When a driver reports a
/// maximum frame length that is too short for an IPv4 datagram of 68 bytes, the smallest MTU: the
/// error names `lan` or `wan`.
pub fn new<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
    W: Width,
    Lan: Driver,
    Wan: Driver,
>(
    state: &'static mut State<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, W>,
    config: Config,
    seed: Seed,
    lan: Lan,
    wan: Wan,
) -> Result<Parts<Lan, Wan, W>, ConfigError> {
    let (lan, wan) = (Interface::new(lan), Interface::new(wan));
    let (lan_properties, wan_properties) = (lan.properties(), wan.properties());
    let Config {
        nat: mut config,
        outside,
    } = config;
    limit_mtus(&mut config, &lan_properties, &wan_properties)?;
    // The NAT gets its external addresses with the outside configuration.
    let secondary = core::mem::take(&mut config.external_addresses);
    let (inside_mtu, outside_mtu) = (config.inside_mtu, config.outside_mtu);

    let (nat, memory) = state.split(config, seed)?;
    let probes = memory.probes.write(Probes::new());
    let shared = Shared::new(nat, secondary, outside, memory.frame, probes)?;
    let shared = &*memory.shared.write(shared);
    let (inside, lan_device) = link(Side::Inside, memory.lan, &lan_properties, inside_mtu);
    let (outside, wan_device) = link(Side::Outside, memory.wan, &wan_properties, outside_mtu);
    let links = Links {
        inside,
        outside,
        fragment_tx: memory.fragment_tx,
        lent: None,
    };
    let router = Router::new(shared, links, memory.reply);
    Ok((
        Control::new(shared),
        lan_device,
        wan_device.watched_by(&shared.outside_stack),
        Runner::new(lan, wan, router),
    ))
}

/// Lowers the MTUs of the configuration to those of the drivers.
fn limit_mtus(
    config: &mut nat_core::Config,
    lan: &Properties,
    wan: &Properties,
) -> Result<(), ConfigError> {
    check_driver("lan", lan)?;
    check_driver("wan", wan)?;
    config.inside_mtu = config.inside_mtu.min(lan.ip_mtu());
    config.outside_mtu = config.outside_mtu.min(wan.ip_mtu());
    Ok(())
}

/// Refuses a driver whose frames are too short for IPv4 (RFC 791 section 3.2), such as one that
/// does not know its limit yet.
fn check_driver(name: &'static str, properties: &Properties) -> Result<(), ConfigError> {
    const MIN_MTU: u16 = 68;
    if properties.ip_mtu() >= MIN_MTU {
        return Ok(());
    }
    Err(ConfigError::new(
        name,
        "the driver reports a max_transmission_unit without room for 68 bytes of IPv4",
    ))
}

/// Builds one side of the router, and the device for its stack.
fn link<'d>(
    side: Side,
    memory: SideParts<'d>,
    properties: &Properties,
    mtu: u16,
) -> (Link<'d>, LocalDevice<'d>) {
    let SideParts {
        channel,
        neighbours,
        waiting,
    } = memory;
    let (stack, device) = StackInterface::new(channel, properties, mtu);
    let nic = Nic::new(side, properties);
    (Link::new(nic, stack, neighbours, waiting), device)
}
