//! A NAT engine for small routers: one IPv4 datagram in, one verdict out, in fixed memory.
//!
//! Hosts inside reach the outside through one external address, or a few. The source of what leaves
//! is replaced; a table remembers which inside endpoint has which external port; answers are
//! rewritten and handed back; whatever the outside starts by itself is dropped. No allocation, no
//! unsafe code, no panic, bounded work for each packet.
//!
//! The engine does no input or output and never reads a clock: the caller brings packets and time,
//! and carries the verdicts out. `nat-embassy` does that for two embassy network drivers.
//!
//! # The law
//!
//! > **Every packet gets exactly one verdict, and a packet that is not forwarded leaves the tables
//! > as they were, counters
//! > aside.**
//!
//! Two more follow from how it is built. *Only packets from inside make state*: what the outside
//! sends, even to a port forward, passes or is dropped without a trace, and a session begins when
//! the inside answers. And *nothing leaves untranslated*: a packet that cannot be translated is
//! dropped.
//!
//! # The loop
//!
//! 1. Put [`Tables`] where they live, usually a `static`, and make a [`Nat`] of them, of a
//!    [`Config`] and of a [`Seed`] with fresh entropy.
//! 2. Take a datagram from one [`Side`] and give it to [`Nat::process`] with the time.
//! 3. Carry out the [`Verdict`]: send it on, hand it to the router's own stack, answer with
//!    [`Reply::emit`], or discard it. Then carry out those of the fragments that have waited for
//!    it, which can be any but `Hold` and `Reject`: [`Nat::release`].
//! 4. When [`Nat::poll_timeout`] is due, and before the next packet is judged, call
//!    [`Nat::handle_timeout`], so that sessions which have ended make room.
//!
//! ```
//! use core::net::Ipv4Addr;
//! use nat_core::{Cidr, Config, Fragments, Instant, MAX_HELD_LEN, Nat, Fragmenter, Reply, Seed, Side, Tables, Verdict};
//!
//! # use std::cell::{Cell, RefCell};
//! # // A datagram of 2,960 bytes in two fragments, the last one first, to a link of 600 bytes.
//! # thread_local! {
//! #     static RECEIVED: Cell<usize> = const { Cell::new(0) };
//! #     static SENT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
//! # }
//! # fn receive() -> Option<(Side, &'static mut [u8])> {
//! #     let number = RECEIVED.replace(RECEIVED.get() + 1);
//! #     let [flags, offset] = [[0x00_u8, 185], [0x20, 0]].get(number).copied()?;
//! #     let mut packet = vec![0x45, 0, 0x05, 0xDC, 0, 9, flags, offset, 64, 17, 0, 0, 192, 168, 77, 10, 203, 0, 113, 5];
//! #     let sum: u32 = packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
//! #     packet[10..12].copy_from_slice(&(!((sum >> 16) + sum) as u16).to_be_bytes());
//! #     let udp = [0x13, 0x88, 0, 53, 0x0B, 0x90, 0, 0]; // without a checksum
//! #     packet.extend(udp.into_iter().chain(std::iter::repeat(7)).take(1480));
//! #     Some((Side::Inside, packet.leak()))
//! # }
//! # fn now() -> Instant { Instant::from_millis(0) }
//! # fn send(_: Side, packet: &[u8]) { SENT.with_borrow_mut(|sent| sent.push(packet.to_vec())) }
//! # fn local(_: Side, _: &[u8]) {}
//! # fn entropy() -> [u8; 16] { [7; 16] }
//! # fn main() -> Result<(), nat_core::ConfigError> {
//! // 1. Memory for 128 mappings and 256 sessions, the router's address inside, and an external address.
//! # let tables: &'static mut Tables<128, 256> = Box::leak(Box::new(Tables::new()));
//! # const _: &str = stringify! {
//! static TABLES: ConstStaticCell<Tables<128, 256>> = ConstStaticCell::new(Tables::new());
//! let tables = TABLES.take();
//! # };
//! let mut config = Config::new(Cidr::new(Ipv4Addr::new(192, 168, 77, 1), 24).unwrap());
//! config.external_addresses.push(Ipv4Addr::new(198, 51, 100, 77)).unwrap();
//! config.outside_mtu = 600;
//! # let fragments: &'static mut Fragments<8, 4> = Box::leak(Box::new(Fragments::new()));
//! let mut nat = Nat::new(tables, config, Seed::new(entropy()))?.with_fragments(fragments);
//!
//! // 3. The one verdict on the packet in `buffer`, which came in on side `from`.
//! let carry_out = |verdict: Verdict, buffer: &[u8], from: Side| match verdict {
//!     Verdict::Forward { to, len, .. } => send(to, &buffer[..len]),
//!     Verdict::Fragment { to, len, mtu, .. } => {
//!         let (mut pieces, mut piece) = (Fragmenter::new(&buffer[..len], mtu), [0; 1500]);
//!         while let Some(len) = pieces.emit(&mut piece) {
//!             send(to, &piece[..len]);
//!         }
//!     }
//!     Verdict::Local { side, len } => local(side, &buffer[..len]),
//!     Verdict::Reject(reply) => {
//!         let mut answer = [0; Reply::MAX_LEN];
//!         if let Some(len) = reply.emit(buffer, &mut answer) {
//!             send(from, &answer[..len]);
//!         }
//!     }
//!     Verdict::Drop(_) | Verdict::Hold => {}
//! };
//!
//! // 2. Every datagram of either side.
//! while let Some((from, packet)) = receive() {
//!     // 4. Sessions whose time is up make room.
//!     if nat.poll_timeout().is_some_and(|due| due <= now()) {
//!         nat.handle_timeout(now());
//!     }
//!     carry_out(nat.process(packet, from, now()), packet, from);
//!     // Fragments that have waited for this packet follow it; their verdicts are carried out like the others.
//!     let mut waiting = [0; MAX_HELD_LEN];
//!     while let Some(verdict) = nat.release(&mut waiting, now()) {
//!         carry_out(verdict, &waiting, from);
//!     }
//! }
//! # // Both fragments have left, each in pieces: all 2,960 bytes, from one address and with one identification.
//! # SENT.with_borrow(|sent| {
//! #     assert_eq!(sent.len(), 6);
//! #     assert!(sent.iter().all(|piece| piece.len() <= 600 && piece[4..6] == sent[0][4..6]));
//! #     assert!(sent.iter().all(|piece| piece[12..16] == [198, 51, 100, 77]));
//! #     assert_eq!(sent.iter().map(|piece| piece.len() - 20).sum::<usize>(), 2960);
//! # });
//! # assert_eq!((nat.stats().held, nat.stats().released), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # Words
//!
//! As RFC 4787 and RFC 6146 have them. An *endpoint* is an address with a port, or with the
//! identifier of an ICMP query. A *mapping* is an inside endpoint and the external endpoint that it
//! has. A *session* is a mapping and a remote endpoint that talks through it, with its state and
//! timer. A *port forward* is a mapping that is configured. The *sides* are inside and outside. A
//! *verdict* is what happens to a packet.
//!
//! # Layers
//!
//! Dependencies point down only: `nat` orchestrates; `translate` alone writes packet bytes;
//! `policy` says what is allowed; `state` remembers, in the fixed tables of `table`; `packet` and
//! `wire` see headers. `wire` knows nothing of tables, and `table` nothing of packets.
//!
//! # When the tables are full
//!
//! A new session is refused and counted: the inside host is told by ICMP "administratively
//! prohibited" (RFC 5508 REQ-8), or as [`ExhaustionError`] says, within the limit on errors, and
//! the application by its [`EventHook`]. Before that, a session of the same host that is done or
//! half open ends to make room, in the order that [`Limits`] tells. Where less than an eighth of a
//! table is free, a host's session that has been done for a while (a TCP connection 4 s, an
//! answered question 30 s) makes room for its next one although there is room, so that a host with
//! nothing to give up finds a place too (RFC 5382 section 5). No established connection is ever
//! evicted, and nothing of another host. What one host may use up is limited by [`Limits`], to half
//! of the tables unless configured otherwise, and some is kept for each host that has nothing yet.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

// A packet's journey: bytes, checked headers, what is remembered, what is allowed, the rewriting,
// the whole.
mod fragments;
mod identification;
mod nat;
mod packet;
mod policy;
mod state;
mod table;
mod translate;
mod wire;

// What callers see of it.
mod config;
mod event;
mod fragmenter;
mod log;
mod port_forward;
mod reply;
mod session_info;
mod stats;
mod time;
mod verdict;

pub use config::{
    Cidr, Config, ConfigError, ExhaustionError, Filtering, Hairpinning, InsideResets, Limits,
    MAX_EXTERNAL_ADDRESSES, MAX_PORT_RANGES, MAX_UNTRANSLATED, Mapping, ParseCidrError, PortRange,
    PortSet, PortSetFull, QuarantineConfig, Rate, Seed, Timeouts, Untranslated,
};
pub use event::{Event, EventHook, MappingEvent, PortBlock, Refusal};
pub use fragmenter::Fragmenter;
pub use fragments::{Fragments, MAX_HELD_LEN};
pub use nat::Nat;
pub use port_forward::{MAX_PORT_FORWARDS, OneToOne, PortForward, PortForwardError, Protocol};
pub use reply::Reply;
pub use session_info::{SessionInfo, SessionProtocol, SessionState};
pub use state::{Quarantine, Tables, WideQuarantine, WideTables};
pub use stats::{GatewayMetrics, Stats, Traffic};
pub use table::Width;
pub use time::Instant;
pub use verdict::{DropReason, Side, Verdict};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
