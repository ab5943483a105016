//! The rules: which external addresses, ports and rates are allowed.

mod explicit_mappings;
mod host_rate;
pub(crate) mod plain_ports;
mod pool;
pub(crate) mod port_forwards;
mod ports;
mod rate;
mod resets;

pub(crate) use pool::Pool;
pub(crate) use port_forwards::PortForwards;
pub(crate) use ports::PortPicker;
pub(crate) use rate::{ErrorLoad, RateBuckets, ReplyLimit, Urgency};
pub(crate) use resets::{Ends, ResetLimit};
