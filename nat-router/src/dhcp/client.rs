//! The DHCP client outside (RFC 2131). No published `no_std` crate behaves as a client must on real
//! networks.
//!
//! smoltcp's client accepts one router, has no minimum for T1, no backoff and no probe, and any NAK
//! ends its lease. edge-dhcp 0.8 and dhcproto 0.15 write and read messages, and leave states and
//! timers to the caller. leasehund 0.8 is a server with a client that never renews. mozim 0.3 and
//! toe-beans 0.11 need an operating system.
//!
//! [`machine`] is the client without sockets and clocks. [`mod@run`] connects it to the router's
//! stack outside.

mod handle;
mod lease;
mod machine;
mod options;
mod reply;
mod request;
mod run;
mod timers;

#[cfg(test)]
mod tests;

pub use handle::DhcpClient;
pub use lease::{Lease, MAX_DNS_SERVERS};

pub(crate) use handle::Shared;
pub(crate) use machine::Client;
pub(crate) use request::MAX_HOST_NAME;
pub(crate) use run::{Memory, run, stack_config};
