//! An embeddable NAT engine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod config;
mod forward;
mod nat;
mod reply;
mod session_info;
mod stats;
mod time;
mod verdict;

pub use config::{
    Cidr, Config, ConfigError, Filtering, Limits, MAX_EXTERNAL_ADDRESSES, Mapping, PortRange, Seed, Timeouts,
};
pub use forward::{ForwardError, PortForward, Protocol};
pub use nat::{Nat, Tables};
pub use reply::Reply;
pub use session_info::{SessionInfo, SessionProtocol, SessionState};
pub use stats::{GatewayMetrics, Stats, Traffic};
pub use time::Instant;
pub use verdict::{DropReason, Side, Verdict};
