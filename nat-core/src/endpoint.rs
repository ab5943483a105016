//! The two ends of a session in terms of the translation: the protocol and the endpoints.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::port_forward::Protocol;
use crate::session_info::SessionProtocol;

/// The protocol of a mapping. Mappings and filters are separate for each protocol (RFC 7857
/// sections 5 and 6).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub(crate) enum Proto {
    Icmp,
    Tcp,
    Udp,
}

impl Proto {
    pub(crate) const COUNT: usize = 3;
}

impl From<Protocol> for Proto {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }
}

impl From<Proto> for SessionProtocol {
    fn from(proto: Proto) -> Self {
        match proto {
            Proto::Icmp => Self::Icmp,
            Proto::Tcp => Self::Tcp,
            Proto::Udp => Self::Udp,
        }
    }
}

/// An address with a port, or with the identifier of an ICMP query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) address: u32,
    pub(crate) port: u16,
}

impl From<Endpoint> for SocketAddrV4 {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(Ipv4Addr::from_bits(endpoint.address), endpoint.port)
    }
}
