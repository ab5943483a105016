//! Port forwards: static mappings that the outside may use first.

use core::net::Ipv4Addr;

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Protocol {
    /// TCP, RFC 9293.
    Tcp,
    /// UDP, RFC 768.
    Udp,
}

/// A static mapping: what arrives at `external_port` of the primary external address goes to the inside endpoint, from
/// whichever sender, and what that inside endpoint sends by itself leaves from `external_port`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PortForward {
    /// The protocol forwarded.
    pub protocol: Protocol,
    /// The port of the primary external address, not zero.
    pub external_port: u16,
    /// The inside host.
    pub inside_address: Ipv4Addr,
    /// The port of the inside host, not zero.
    pub inside_port: u16,
}

/// Why a port forward was refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ForwardError {
    /// A port is zero.
    PortZero,
    /// The inside address is not a host of the inside network, or is the router itself.
    NotInside,
    /// Another port forward has this external port.
    ExternalPortInUse,
    /// Another port forward has this inside endpoint.
    InsideEndpointInUse,
    /// The router keeps this external port for itself.
    PortReserved,
    /// The mapping, host or index capacity is used up.
    TableFull,
}

impl core::fmt::Display for ForwardError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::PortZero => "port 0 cannot be forwarded",
            Self::NotInside => "the target is not a host of the inside network",
            Self::ExternalPortInUse => "the external port is forwarded already",
            Self::InsideEndpointInUse => "the inside endpoint is the target of another port forward",
            Self::PortReserved => "the router keeps this external port for itself",
            Self::TableFull => "no room is left in the mapping or host table",
        })
    }
}

impl core::error::Error for ForwardError {}
