//! An embeddable NAT engine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

// A packet's journey: bytes, checked headers, what is remembered, what is allowed, the rewriting, the whole.
mod wire;
mod packet;
mod table;
mod state;
mod policy;
mod translate;
mod nat;

// What callers see of it.
mod config;
mod forward;
mod reply;
mod session_info;
mod stats;
mod time;
mod verdict;

pub use config::{
    Cidr, Config, ConfigError, Filtering, Limits, MAX_EXTERNAL_ADDRESSES, Mapping, PortRange, Seed, Timeouts,
};
pub use forward::{ForwardError, PortForward, Protocol};
pub use nat::Nat;
pub use reply::Reply;
pub use session_info::{SessionInfo, SessionProtocol, SessionState};
pub use state::Tables;
pub use stats::{GatewayMetrics, Stats, Traffic};
pub use time::Instant;
pub use verdict::{DropReason, Side, Verdict};
