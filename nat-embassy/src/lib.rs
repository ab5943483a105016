//! Binds the [`nat_core`] NAT engine to two `embassy-net` drivers: a board with two network
//! interfaces becomes a router.
//!
//! ```text
//!   embassy_net::Stack     embassy_net::Stack      the router's own: DHCP server; DHCP client, DNS
//!          |                       |
//!      LanDevice               WanDevice           virtual devices
//!          |                       |
//!          +-------- Runner -------+               ARP, next hop; the NAT processes each datagram
//!          |                       |
//!     lan: Driver             wan: Driver          the two NICs, of any kind
//! ```
//!
//! 1. [`new`] takes both drivers and returns a [`Control`], a device for each side, and the
//!    [`Runner`].
//! 2. Spawn [`Runner::run`]. It is the only task that uses the drivers.
//! 3. Run a stack on each device. Without it, the router has no address of its own on that side.
//! 4. Set the outside address: [`Control::follow`] takes it from the outside stack, whether it is
//!    leased or static.
//!
//! ```
//! use embassy_net_driver::Driver;
//! use nat_core::{Cidr, Seed};
//! use nat_embassy::{Config, State};
//! use static_cell::ConstStaticCell;
//!
//! static STATE: ConstStaticCell<State<256, 512>> = ConstStaticCell::new(State::new());
//!
//! # async fn run_stacks(_: impl Driver, _: impl Driver) -> embassy_net::Stack<'static> {
//! #     unimplemented!()
//! # }
//! async fn route(inside: Cidr, entropy: [u8; 16], lan: impl Driver, wan: impl Driver) {
//!     let mut nat = nat_core::Config::new(inside);
//!     nat.dhcp_client = true;
//!     let (control, lan, wan, runner) =
//!         nat_embassy::new(STATE.take(), Config::new(nat), Seed::new(entropy), lan, wan)
//!             .expect("a sound configuration");
//!     let outside_stack = run_stacks(lan, wan).await; // embassy_net::new for each device
//!     let run = runner.run(|| { /* feed the watchdog */ });
//!     embassy_futures::join::join(run, control.follow(outside_stack)).await;
//! }
//! ```
//!
//! # The path of a frame
//!
//! ```text
//!   lan: Driver                                                           wan: Driver
//!       | RxToken                                                     TxToken ^
//!   interface                                                             interface
//!       |                                                                     ^
//!   runner: step::forward                                       step::forward | TxFrame
//!       |                                                                     |
//!       v                                                                     |
//!   router -----> link::nic ----------> router::datagram ---------------> link::egress
//!                 what it carries       nat.process, and its verdict      next hop, ARP cache
//!                     |                     |
//!                     v                     v
//!                 link::arp             link::to_stack -----> LanDevice or WanDevice
//! ```
//!
//! `runner` moves frames between the drivers and the router. `interface` is a driver's handle, and
//! knows no router; `router` and its two `link`s, one for each side, know no driver. What they
//! share with the [`Control`]s, the NAT included, is in `shared`. A frame sent because of a
//! received one is a `TxFrame`; frames that the router makes by itself, such as ARP queries and
//! fragments, are queued and sent at the start of the next round.
//!
//! A frame is received once, translated in the driver's buffer, and copied once, into the transmit
//! buffer of the other driver. Every frame that goes no further is counted: by [`FrameDrop`] here,
//! by [`nat_core::DropReason`] in the NAT. IPv6, VLAN and multicast frames are dropped. A tag that
//! only gives a priority (VLAN id 0) is removed. A broadcast frame with the IP address of one host
//! is dropped, too, and no ICMP error is sent about a broadcast frame (RFC 1122 sections 3.2.2 and
//! 3.3.6).
//!
//! Fragments are translated without reassembly: the first fragment of a datagram decides the
//! translation of the others. This works for 16 datagrams at a time. Five fragments can be buffered
//! until their first one arrives, so a datagram of six fragments may come in reverse order. A
//! datagram that exceeds the next link's MTU leaves in fragments. Each side sends one such datagram
//! at a time, and other frames for that side wait meanwhile.
//!
//! # A full or dead side
//!
//! While one driver is full, the frames of the other wait in that other driver for up to 10 ms, so
//! that a burst survives until the transmit ring is emptied. After that they are received again,
//! and those that need the full driver are dropped until it can transmit; ARP, the local stacks and
//! the other direction continue. A driver whose link is down gets nothing, and is not waited for.
//! Some drivers deliver no received frame unless they can also transmit a reply; such a driver,
//! while full, receives nothing either.
//!
//! # Wake-ups
//!
//! The router, its stacks and the application run on one executor, and share nothing with
//! interrupts or threads: what they share is in cells, so [`Control`], the devices and the
//! [`Runner`] are not `Send`, and the compiler refuses to spread them. A driver's interrupt wakes a
//! task and touches nothing here. So nothing is concurrent, and what varies is only when a task is
//! polled: early, late, once for many wake-ups, or for nothing.
//!
//! No wake-up is lost, because a pass leaves nothing undone unless something will wake the task:
//!
//! - The waker is registered at the start of the pass, before the router looks at what the
//!   application changed. Each call of a [`Control`] that leaves work for the router wakes it.
//! - A driver that returns no token, and a stack without a frame, have registered the waker, as
//!   their traits require.
//! - A driver that was not asked for frames, because the driver that they would leave by is full:
//!   the full one has registered the waker, and the pass asks to be repeated after 10 ms.
//! - A source that had no frame is not asked again in the same pass, unless a queued frame has left
//!   meanwhile: that may have been what held the source up.
//! - Frames that the router has queued leave when their driver returns a token. What becomes due
//!   later is part of the time that the pass returns.
//! - After its last round, or when a stack's queue is full, the pass wakes its own task.
//!
//! A test polls the tasks in every such way, with drivers that change, fill up and refuse: after all
//! that was woken has been polled, one more poll of each task moves no frame
//! (`tests/adapter/adversary`).
//!
//! ```compile_fail
//! fn is_send<T: Send>() {}
//! is_send::<nat_embassy::Control<'static>>();
//! ```
//!
//! ```compile_fail
//! fn is_send<T: Send>() {}
//! is_send::<nat_embassy::LocalDevice<'static>>();
//! ```
//!
//! # ARP
//!
//! The router answers for its inside address inside and for all its external addresses outside. It
//! announces them when they or the link change. The ARP cache has as many entries inside as the NAT
//! has for hosts, and 64 outside, at 26 bytes each. Neighbours are learned from ARP only: from
//! packets to the router, and answers to its queries. A neighbour in use is queried again when its
//! last answer is 60 s old. An unknown neighbour is queried three times, once a second. Meanwhile
//! packets for it wait. On each side 4 packets can wait unless [`State`] has memory for more; a new
//! packet evicts the oldest. If there is no answer, the inside hosts that sent the packets get an
//! ICMP error, "host unreachable" (RFC 1812 section 5.2.7.1).
//!
//! Neither floods nor scans evict a neighbour in use. For 60 s after a packet was sent to it, a
//! neighbour keeps its entry against stations that only send ARP packets to the router. Neighbours
//! being queried have no entry yet; at most 16 are queried at a time, not counting the gateway. A
//! neighbour that answers may take the entry of the least recently used one, but not of one that
//! was used within the last second.
//!
//! ARP has no authentication, so the router believes the first station that claims an address. If
//! another station claims it within 120 s after the known station last answered, this counts as
//! [`FrameDrop::ArpConflict`]. The known station is then queried, at most once a second. Only if it
//! does not answer for 3 s, the address goes to the station that answers next. A station that
//! claims an address of the router counts as [`FrameDrop::DuplicateAddress`]. The router never
//! gives up its address: it announces its addresses in return, at most every 10 s (RFC 5227 section
//! 2.4 (c)).
//!
//! # Link services for the application
//!
//! [`Control::probe`] finds out by ARP whether an address is in use on a side,
//! [`Control::conflict`] waits for a station that claims an address of the router, and
//! [`Control::send_frame`] sends a frame that the application has made. A DHCP server needs the
//! first and the last, a DHCP client the first two.
//!
//! # The stacks of the router
//!
//! The stack on the [`LanDevice`] talks to the LAN directly. The NAT translates the packets of the
//! stack on the [`WanDevice`] like those of an inside host, so its ports never collide with the
//! hosts' ports. From outside it receives only replies, and DHCP if
//! [`nat_core::Config::dhcp_client`] is set. While there is no outside configuration, it can send
//! only DHCP and ARP. Its datagrams leave to the next hop that the router knows, and the router
//! answers its ARP queries for every address. So the stack's configuration may differ from that of
//! the outside, as long as it lets the stack send.
//!
//! A datagram to the port of a DHCP client reaches the outside stack as a broadcast, whatever its
//! destination address. A DHCP client there that is refused again and again starts over at most
//! every 4 s, then 8 s, and so on up to 64 s (RFC 2131 section 4.1).
//!
//! # Memory
//!
//! All memory is in [`State`], or in [`WideState`] for more than 65,535 mappings or sessions: the
//! tables, and about 51 KiB for queues, fragments, waiting packets, ARP caches, and external ports
//! in quarantine. The quarantine holds 64 ports unless [`State`] has memory for more. When it is
//! full, the port that entered it first leaves early.
#![cfg_attr(docsrs, doc = "\n# Features\n")]
#![cfg_attr(docsrs, doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]
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
use router::{Links, Router};
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
/// The capabilities of the drivers are read here, once, as by embassy-net. Their link state and
/// hardware address are read in each pass.
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

    let memory = state.split(config, secondary, seed)?;
    memory.shared.start(outside)?;
    let (control, router, lan_device, wan_device) = assemble(
        memory,
        (&lan_properties, inside_mtu),
        (&wan_properties, outside_mtu),
    );
    Ok((
        control,
        lan_device,
        wan_device,
        Runner::new(lan, wan, router),
    ))
}

/// Builds the router between its two sides, each with its driver's properties and its MTU, its
/// handle, and the devices for its stacks.
fn assemble<'d, W: Width>(
    memory: state::Memory<'d, W>,
    (lan, inside_mtu): (&Properties, u16),
    (wan, outside_mtu): (&Properties, u16),
) -> (Control<'d, W>, Router<'d, W>, LanDevice<'d>, WanDevice<'d>) {
    let shared = &*memory.shared;
    let (inside, lan_device) = link(Side::Inside, memory.lan, lan, inside_mtu);
    let (outside, wan_device) = link(Side::Outside, memory.wan, wan, outside_mtu);
    let links = Links {
        inside,
        outside,
        fragment_tx: memory.fragment_tx,
        lent: None,
        may_have_queued: true,
    };
    (
        Control::new(shared),
        Router::new(shared, links, memory.reply),
        lan_device,
        wan_device.watched_by(&shared.outside_stack),
    )
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

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
