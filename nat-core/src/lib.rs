//! A NAT engine for small routers: one IPv4 datagram in, one verdict out, in fixed memory.
//!
//! Hosts inside reach the outside through one external address, or a few. The engine replaces the
//! source of each packet that leaves, and a table remembers which inside endpoint has which
//! external port. Answers are translated back and forwarded inside. Other packets from outside are
//! dropped, unless a port forward or an open filter lets them in. No allocation, no unsafe code, no
//! panic, bounded work for each packet.
//!
//! The engine does no input or output and never reads a clock. The caller passes in packets and the
//! time, and carries out the verdicts. `nat-embassy` does that for two embassy network drivers.
//!
//! # Contract
//!
//! > **Every packet gets exactly one verdict. A packet that is not forwarded does not change the
//! > tables, except that expired sessions end. It changes only counters and limits on replies.**
//!
//! - *Only packets from inside create sessions.* A packet from outside never does, even to a port
//!   forward: it passes or is dropped, and the session begins when the inside answers.
//! - *Every packet that leaves is translated*, unless its destination is configured as
//!   untranslated. A packet that cannot be translated is dropped.
//!
//! # Use
//!
//! 1. Place [`Tables`] in permanent memory, usually a `static` (`ConstStaticCell` of the crate
//!    `static_cell` 2.1 hands it out); anything that outlives the [`Nat`] will do. Build a [`Nat`]
//!    from them, a [`Config`] and a [`Seed`] with fresh entropy.
//! 2. Take a datagram from one [`Side`] and pass it to [`Nat::process`] with the time.
//! 3. Carry out the [`Verdict`]: send the packet, hand it to the router's own stack, answer with
//!    [`Reply::emit`], or discard it. Then carry out the verdicts on the fragments that have waited
//!    for it, from [`Nat::release`]: any but `Hold` and `Reject`.
//! 4. When [`Nat::poll_timeout`] is due, call [`Nat::handle_timeout`] before the next packet, so
//!    that expired sessions free their slots.
//! 5. If the router has a stack of its own outside, pass what that sends to [`Nat::process_local`],
//!    so that its ports never collide with those of hosts. Without a stack, discard `Local`.
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
//!         let (mut fragmenter, mut fragment) = (Fragmenter::new(&buffer[..len], mtu), [0; 1500]);
//!         while let Some(len) = fragmenter.emit(&mut fragment) {
//!             send(to, &fragment[..len]);
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
//!     // 4. Sessions whose time is up end.
//!     if nat.poll_timeout().is_some_and(|due| due <= now()) {
//!         nat.handle_timeout(now());
//!     }
//!     carry_out(nat.process(packet, from, now()), packet, from);
//!     // Fragments that have waited for this packet follow it. Their verdicts are carried out in the same way.
//!     let mut waiting = [0; MAX_HELD_LEN];
//!     while let Some(verdict) = nat.release(&mut waiting, now()) {
//!         carry_out(verdict, &waiting, from);
//!     }
//! }
//! # // Both fragments have left, each in smaller ones: all 2,960 bytes, from one address, with one identification.
//! # SENT.with_borrow(|sent| {
//! #     assert_eq!(sent.len(), 6);
//! #     assert!(sent.iter().all(|fragment| fragment.len() <= 600 && fragment[4..6] == sent[0][4..6]));
//! #     assert!(sent.iter().all(|fragment| fragment[12..16] == [198, 51, 100, 77]));
//! #     assert_eq!(sent.iter().map(|fragment| fragment.len() - 20).sum::<usize>(), 2960);
//! # });
//! # assert_eq!((nat.stats().held, nat.stats().released), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # Glossary
//!
//! Where RFC 4787 or RFC 6146 defines a word, it has that meaning.
//!
//! | Word | Meaning |
//! |---|---|
//! | side | Inside or outside. The *router* is between them, with a stack of its own on each side. |
//! | endpoint | An address with a port, or with the identifier of an ICMP query. |
//! | mapping | An inside endpoint and its external endpoint. *Dynamic* if the external port was chosen among the free ones; *static* if the configuration gives the external endpoint. |
//! | port forward | A static mapping that is configured for certain ports. |
//! | one-to-one translation | Static mappings for all ports of one host, which has an external address for itself. |
//! | DMZ host | The inside host that gets packets to TCP and UDP ports of the primary external address that no mapping or port forward uses. |
//! | session | A mapping and a remote endpoint that communicates through it, with its state and timer. What others call a flow. A mapping lives as long as it has sessions. |
//! | permission | With address-dependent filtering: a remote address may send from any port, as long as a session with it lives. |
//! | filter | The rule on packets from outside that match no session of the mapping (RFC 4787 section 5). |
//! | hairpin | A packet from inside to an external address, which is sent back inside. |
//! | untranslated | Of a packet: to a network that is configured to see inside addresses. |
//! | quota | What is reserved of the tables, or of the ports, for each host that has not used its share. |
//! | block | A range of external ports for the dynamic mappings of one host. |
//! | quarantine | After its mapping has ended, an external port waits before another mapping gets it. |
//! | drain | An external address that is taken away gets no new mappings, and its sessions go on until they end. |
//! | slot | The memory of one entry in a table. |
//! | evict | To end a session before its time, because another one of the same host needs its slot or port. Also of a held fragment, a waiting packet or an ARP entry: to discard it for another. |
//! | verdict | What the caller does with a packet. |
//! | view | A read-only reference to all that decisions are made on. |
//! | reservation | The decision that a new session can be made, before it is. |
//! | commit | To change the tables as decided. A commit cannot fail. |
//! | fast path | The shortcut for unfragmented packets of live sessions that change only a timer and TCP sequence numbers. |
//! | slow path | The full processing of every other packet. |
//!
//! # The path of a packet
//!
//! ```text
//!              packet, side, time
//!                      |
//!            end sessions that are due                      clock
//!                      |
//!      +---------------+----------------+
//!      | fast path                      | slow path
//!      | parse the plainest headers     | parse and check all headers        packet, wire
//!      |                                | route: local, in, out, hairpin     path/route
//!      |                                | fragment: follow, hold, or first   path/fragment
//!      |                                |
//!      | view: look up the session      | view: look up, or ask the filter   view
//!      | decide: effect on it           | decide: effect, or a reservation   effect, admit
//!      | commit                         | commit, or refuse and reply        commit, answers
//!      |                                |
//!      | translate                      | translate                          translate
//!      +---------------+----------------+
//!                      |
//!                   verdict
//! ```
//!
//! Both paths use the same rules of the view. A decision is held together with the exclusive borrow
//! of the engine until it is committed, so the tables cannot change in between.
//!
//! # Layers
//!
//! A module imports only modules of lower lines. `.ci/circles` checks it.
//!
//! ```text
//!   nat          looks up, decides, commits
//!   translate    the only writer of packet bytes
//!   policy       what is allowed: external addresses, ports, port forwards, rates
//!   state        hosts, mappings, sessions           fragments    routes, held fragments
//!                                                    packet       checked headers
//!   config       what the caller configures
//!   endpoint     protocols and endpoints
//!   table        slots, indexes, expiry lists        wire         header fields, checksums
//! ```
//!
//! `wire` and `table` know nothing of each other. `state` knows nothing of packets: `segment` has
//! what it needs of a TCP header. The types that `nat` returns are outside these layers: `verdict`
//! and `reply`, `event`, `stats`, `drop_reason`.
//!
//! # When the tables are full
//!
//! A new session is refused and counted. The inside host gets an ICMP error, "administratively
//! prohibited" (RFC 5508 REQ-8) or as [`ExhaustionError`] says, within the limit on errors, and the
//! application an event through its [`EventHook`].
//!
//! Before that, a session of the same host that is finished or half open is evicted, in the order
//! that [`Limits`] describes. Where less than an eighth of a table is free, a host's session that
//! finished a while ago (a TCP connection 4 s, an answered question 30 s) is evicted for the host's
//! next one even if slots are free: so a host that has no session to give up gets a slot too (RFC
//! 5382 section 5).
//!
//! No established connection is ever evicted, and no session of another host. [`Limits`] limits
//! what one host may use, to half of the tables unless configured otherwise, and reserves some for
//! each host that has nothing yet.
//!
//! # Cargo features
//!
//! On by default, so that a small program can leave them out. What needs one that is off is refused,
//! as said here:
//!
//! | feature | what is missing without it |
//! |---|---|
//! | `events` | Events: the [`EventHook`] is never called. |
//! | `fast-path` | The fast path: every packet takes the slow path, which is two to three times the work, for a new session half as much again. It saves 12 KiB of flash. |
//! | `fragments` | Fragments: each is dropped as [`DropReason::Fragment`], also with memory for them. |
//! | `hairpinning` | Packets from inside to an external address: they are dropped as [`DropReason::Hairpin`], but for pings to the router. |
//! | `overlapping` | [`Mapping::AddressAndPortDependent`]: the configuration is refused. |
//! | `quarantine` | The quarantine of ports: a port is free as soon as its mapping has ended, also with memory for it. |
//! | `rules` | One-to-one translation and the DMZ host: the configuration is refused. Port forwards: there is no room for one. |
//!
//! Off by default: `explicit-mappings`, for [`Nat::request_mapping`]; `defmt` and `log`, for
//! messages about rare events; `sixteen-addresses`, for 16
//! external addresses instead of 8; and `audit`, for tests.
#![cfg_attr(docsrs, doc = "\n# Features\n")]
#![cfg_attr(docsrs, doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]
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

// The layers.
mod endpoint;
mod features;
mod fragments;
mod identification;
mod nat;
mod packet;
mod policy;
mod segment;
mod state;
mod table;
mod translate;
mod wire;

// What callers use.
mod config;
mod drop_reason;
mod event;
mod explicit_mapping;
mod fragmenter;
mod log;
mod port_forward;
mod reply;
mod session_info;
mod side;
mod stats;
mod time;
mod verdict;

pub use config::{
    Cidr, Config, ConfigError, ExhaustionError, Filtering, Hairpinning, InsideResets, Limits,
    MAX_EXTERNAL_ADDRESSES, MAX_PORT_RANGES, MAX_UNTRANSLATED, Mapping, ParseCidrError, PortRange,
    PortSet, PortSetFull, QuarantineConfig, Rate, Seed, Timeouts, Untranslated,
};
pub use drop_reason::DropReason;
pub use event::{Event, EventHook, ExplicitMappingEvent, MappingEvent, PortBlock, Refusal};
pub use explicit_mapping::{
    ExplicitMapping, MAX_EXPLICIT_MAPPINGS, MappingRequest, MappingRequestError,
};
pub use fragmenter::Fragmenter;
pub use fragments::{Fragments, MAX_HELD_LEN};
pub use nat::Nat;
pub use port_forward::{MAX_PORT_FORWARDS, OneToOne, PortForward, PortForwardError, Protocol};
pub use reply::Reply;
pub use session_info::{SessionInfo, SessionProtocol, SessionState};
pub use side::Side;
pub use state::{Quarantine, Tables, WideQuarantine, WideTables};
pub use stats::{GatewayMetrics, Stats, Traffic};
pub use table::Width;
pub use time::Instant;
pub use verdict::Verdict;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
