//! What the tasks of the forwarder have in common.

use core::cell::RefCell;
use core::net::{Ipv4Addr, SocketAddrV4};

use embassy_net::{IpEndpoint, Stack};
use embassy_time::Instant;

use super::forwarder::Forwarder;

/// What the tasks of the forwarder share.
pub(super) struct Shared<'a> {
    pub(super) inside: Stack<'a>,
    pub(super) outside: Stack<'a>,
    /// The router's address inside.
    pub(super) router: Ipv4Addr,
    pub(super) forwarder: RefCell<Forwarder<'a>>,
}

#[allow(
    irrefutable_let_patterns,
    reason = "where IPv4 is the only protocol of embassy-net"
)]
pub(super) fn v4(endpoint: IpEndpoint) -> Option<SocketAddrV4> {
    let embassy_net::IpAddress::Ipv4(address) = endpoint.addr else {
        return None;
    };
    Some(SocketAddrV4::new(address, endpoint.port))
}

/// The time since the start.
pub(super) fn millis() -> u64 {
    Instant::now().as_millis()
}
