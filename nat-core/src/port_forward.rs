//! Port forwards and one-to-one translation: what the outside may use first.

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

/// Port forwards that one NAT can have. Each may be of a whole range of ports.
pub const MAX_PORT_FORWARDS: usize = 32;

/// A static mapping: what arrives at an external port goes to the inside endpoint, from whichever
/// sender, and what that inside endpoint sends by itself leaves from the external port.
///
/// [`PortForward::new`] makes one of one port on the primary external address; then set the fields
/// that differ.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PortForward {
    /// The protocol forwarded.
    pub protocol: Protocol,
    /// The external address; `None` for the primary one, whichever that is. While this is no
    /// external address of the NAT, the forward rests.
    pub external_address: Option<Ipv4Addr>,
    /// The first external port, not zero.
    pub external_port: u16,
    /// How many ports are forwarded, each to the inside port that is as far from the first; at
    /// least 1.
    pub ports: u16,
    /// The inside host.
    pub inside_address: Ipv4Addr,
    /// The first port of the inside host, not zero.
    pub inside_port: u16,
}

impl PortForward {
    /// What arrives at `external_port` of the primary external address goes to `inside`.
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

/// One-to-one translation (static NAT, RFC 2663 section 4.1.1): an external address that stands for
/// one inside host. What arrives there goes to the host with its port unchanged, from whichever
/// sender, pings included; what the host sends leaves from there with its port unchanged.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OneToOne {
    /// The external address, which no other host gets. While this is no external address of the
    /// NAT, the rule rests.
    pub external: Ipv4Addr,
    /// The inside host.
    pub inside: Ipv4Addr,
}

/// Why a port forward was refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PortForwardError {
    /// A port is zero.
    PortZero,
    /// No port is forwarded, or the range goes beyond port 65535.
    PortRange,
    /// The inside address is not a host of the inside network, or is the router itself.
    NotInside,
    /// Another port forward has an external port of this one.
    ExternalPortInUse,
    /// Another port forward has an inside endpoint of this one.
    InsideEndpointInUse,
    /// The router keeps an external port of this forward for itself.
    PortReserved,
    /// There are [`MAX_PORT_FORWARDS`] already.
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
