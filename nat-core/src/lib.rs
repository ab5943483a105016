//! A NAT engine for small routers: one IPv4 datagram in, one verdict out, in fixed memory.
//!
//! Hosts inside reach the outside through one external address, or a few. The source of what leaves is replaced; a table
//! remembers which inside endpoint has which external port; answers are rewritten and handed back; whatever the outside
//! starts by itself is dropped. No allocation, no unsafe code, no panic, bounded work for each packet.
//!
//! The engine does no input or output and never reads a clock: the caller brings packets and time, and carries the
//! verdicts out. `nat-embassy` does that for two embassy network drivers.
//!
//! # The law
//!
//! > **Every packet gets exactly one verdict, and a packet that is not forwarded leaves the tables as they were, counters
//! > aside.**
//!
//! Two more follow from how it is built. *Only packets from inside make state*: what the outside sends, even to a port
//! forward, passes or is dropped without a trace, and a session begins when the inside answers. And *nothing leaves
//! untranslated*: a packet that cannot be translated is dropped.
//!
//! # The loop
//!
//! 1. Put [`Tables`] where they live, usually a `static`, and make a [`Nat`] of them, of a [`Config`] and of a [`Seed`]
//!    with fresh entropy.
//! 2. Take a datagram from one [`Side`] and give it to [`Nat::process`] with the time.
//! 3. Carry out the [`Verdict`]: send it on, hand it to the router's own stack, answer with [`Reply::emit`], or discard it.
//!    Then send on the fragments that have waited for it: [`Nat::release`].
//! 4. When [`Nat::poll_timeout`] is due, and before the next packet is judged, call [`Nat::handle_timeout`], so that
//!    sessions which have ended make room.
//!
//! ```
//! use core::net::Ipv4Addr;
//! use nat_core::{Cidr, Config, Fragments, Instant, Nat, Pieces, Reply, Seed, Side, Tables, Verdict};
//!
//! # fn receive() -> Option<(Side, &'static mut [u8])> { None }
//! # fn now() -> Instant { Instant::from_millis(0) }
//! # fn send(_: Side, _: &[u8]) {}
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
//! # let fragments: &'static mut Fragments<8, 4> = Box::leak(Box::new(Fragments::new()));
//! let mut nat = Nat::new(tables, config, Seed::new(entropy()))?.with_fragments(fragments);
//!
//! // 2. Every datagram of either side.
//! while let Some((from, packet)) = receive() {
//!     // 4. Sessions whose time is up make room.
//!     if nat.poll_timeout().is_some_and(|due| due <= now()) {
//!         nat.handle_timeout(now());
//!     }
//!     // 3. Exactly one verdict.
//!     match nat.process(packet, from, now()) {
//!         Verdict::Forward { to, len } => send(to, &packet[..len]),
//!         Verdict::Fragment { to, len, mtu } => {
//!             let (mut pieces, mut piece) = (Pieces::new(&packet[..len], mtu), [0; 1500]);
//!             while let Some(len) = pieces.emit(&mut piece) {
//!                 send(to, &piece[..len]);
//!             }
//!         }
//!         Verdict::Local { side, len } => local(side, &packet[..len]),
//!         Verdict::Reject(reply) => {
//!             let mut answer = [0; Reply::MAX_LEN];
//!             if let Some(len) = reply.emit(packet, &mut answer) {
//!                 send(from, &answer[..len]);
//!             }
//!         }
//!         Verdict::Drop(_) | Verdict::Hold => {}
//!     }
//!     // Fragments that have waited for this packet follow it; their verdicts are carried out like the others.
//!     let mut waiting = [0; 1500];
//!     while let Some(Verdict::Forward { to, len }) = nat.release(&mut waiting, now()) {
//!         send(to, &waiting[..len]);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Words
//!
//! As RFC 4787 and RFC 6146 have them. An *endpoint* is an address with a port, or with the identifier of an ICMP query.
//! A *mapping* is an inside endpoint and the external endpoint that it has. A *session* is a mapping and a remote
//! endpoint that talks through it, with its state and timer. A *port forward* is a mapping that is configured. The
//! *sides* are inside and outside. A *verdict* is what happens to a packet.
//!
//! # Layers
//!
//! Dependencies point down only: `nat` orchestrates; `translate` alone writes packet bytes; `policy` says what is allowed;
//! `state` remembers, in the fixed tables of `table`; `packet` and `wire` see headers. `wire` knows nothing of tables, and
//! `table` nothing of packets.
//!
//! # When the tables are full
//!
//! A new session is refused and counted: the inside host is told by ICMP "administratively prohibited" (RFC 5508 REQ-8),
//! or as [`ExhaustionError`] says, within the limit on errors, and the application by its [`EventHook`]. No mapping is
//! ever evicted to make room, and no session but an answer to a SYN from outside that nobody has acknowledged. What one
//! host may use up is limited by [`Limits`], to half of the tables unless configured otherwise, and some is kept for each
//! host that has nothing yet.
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

// A packet's journey: bytes, checked headers, what is remembered, what is allowed, the rewriting, the whole.
mod wire;
mod packet;
mod table;
mod state;
mod policy;
mod fragments;
mod identification;
mod translate;
mod nat;

// What callers see of it.
mod config;
mod event;
mod forward;
mod log;
mod pieces;
mod reply;
mod session_info;
mod stats;
mod time;
mod verdict;

pub use config::{
    Cidr, Config, ConfigError, ExhaustionError, Filtering, Hairpinning, Limits, MAX_EXTERNAL_ADDRESSES,
    MAX_UNTRANSLATED, Mapping, ParseCidrError, PortRange, QuarantineConfig, Rate, Seed, Timeouts, Untranslated,
};
pub use event::{Event, EventHook, MappingEvent, PortBlock, Refusal};
pub use forward::{ForwardError, MAX_PORT_FORWARDS, OneToOne, PortForward, Protocol};
pub use fragments::{Fragments, MAX_HELD_LEN};
pub use nat::Nat;
pub use pieces::Pieces;
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
