//! Port forwards and one-to-one translations: the inside endpoints that packets from any sender
//! outside may reach.

use core::net::{Ipv4Addr, SocketAddrV4};

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Protocol {
    /// TCP, RFC 9293.
    Tcp,
    /// UDP, RFC 768.
    Udp,
}

/// How many port forwards one NAT can have. Each may forward a whole range of ports.
pub const MAX_PORT_FORWARDS: usize = 32;

/// A static mapping. Packets from any sender to an external port are forwarded to the inside
/// endpoint, and packets that this inside endpoint sends leave from the external port.
///
/// [`PortForward::new`] forwards one port of the primary external address; set the fields that
/// should differ.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PortForward {
    /// The protocol that is forwarded.
    pub protocol: Protocol,
    /// The external address; `None` for the primary one, whichever address that is. The forward is
    /// inactive while this is not an external address of the NAT.
    pub external_address: Option<Ipv4Addr>,
    /// The first external port, not 0.
    pub external_port: u16,
    /// How many ports are forwarded, at least 1. The n-th external port is forwarded to the n-th
    /// inside port.
    pub ports: u16,
    /// The inside host.
    pub inside_address: Ipv4Addr,
    /// The first inside port, not 0.
    pub inside_port: u16,
}

impl PortForward {
    /// Forwards `external_port` of the primary external address to `inside`.
    pub const fn new(protocol: Protocol, external_port: u16, inside: SocketAddrV4) -> Self {
        let (inside_address, inside_port) = (*inside.ip(), inside.port());
        Self {
            protocol,
            external_address: None,
            external_port,
            ports: 1,
            inside_address,
            inside_port,
        }
    }
}

/// One-to-one translation (static NAT, RFC 2663 section 4.1.1): an external address that belongs to
/// one inside host. Packets from any sender to the address, pings included, are forwarded to the
/// host with their destination port unchanged. Packets from the host leave from the address with
/// their source port unchanged.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OneToOne {
    /// The external address, which no other host gets. The rule is inactive while this is not an
    /// external address of the NAT.
    pub external: Ipv4Addr,
    /// The inside host.
    pub inside: Ipv4Addr,
}

/// Why a port forward was rejected.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PortForwardError {
    /// A port is 0.
    PortZero,
    /// The forward has no port, or its ports go beyond 65535.
    PortRange,
    /// The inside address is not that of a host in the inside network, or is the router's own.
    NotInside,
    /// Another port forward has one of the external ports.
    ExternalPortInUse,
    /// Another port forward has one of the inside endpoints.
    InsideEndpointInUse,
    /// The router reserves one of the external ports for itself, see
    /// [`Config::reserved_ports`](crate::Config::reserved_ports).
    PortReserved,
    /// There are [`MAX_PORT_FORWARDS`] port forwards already.
    TooMany,
}

impl core::fmt::Display for PortForwardError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::PortZero => "port 0 cannot be forwarded",
            Self::PortRange => "the range of ports is empty or goes beyond port 65535",
            Self::NotInside => "the target is not a host of the inside network",
            Self::ExternalPortInUse => "the external port is forwarded already",
            Self::InsideEndpointInUse => {
                "the inside endpoint is the target of another port forward"
            }
            Self::PortReserved => "the router keeps this external port for itself",
            Self::TooMany => "there are as many port forwards as there can be",
        })
    }
}

impl core::error::Error for PortForwardError {}
