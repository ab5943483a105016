//! Explicit dynamic mappings: external ports that inside hosts ask for, with PCP (RFC 6887),
//! NAT-PMP (RFC 6886) or UPnP IGD.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use crate::features::EXPLICIT_MAPPINGS;
use crate::{Instant, PortForward, Protocol};

/// How many explicit mappings one NAT can have; none without the feature `explicit-mappings`.
pub const MAX_EXPLICIT_MAPPINGS: usize = if EXPLICIT_MAPPINGS { 32 } else { 0 };

/// What an inside host asks for. [`MappingRequest::new`] asks for any external port.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MappingRequest {
    /// The protocol to forward.
    pub protocol: Protocol,
    /// The inside endpoint that packets are forwarded to. The caller checks that its host is the
    /// one that asks.
    pub inside: SocketAddrV4,
    /// The external port that the host would like best; `None` for any.
    pub suggested_port: Option<u16>,
    /// Whether no other external port will do.
    pub only_suggested: bool,
    /// How long the mapping lasts, 1 s to 12 days; other values are brought into this range.
    pub lifetime: Duration,
}

impl MappingRequest {
    /// Asks for any external port.
    pub const fn new(protocol: Protocol, inside: SocketAddrV4, lifetime: Duration) -> Self {
        Self {
            protocol,
            inside,
            suggested_port: None,
            only_suggested: false,
            lifetime,
        }
    }
}

/// An explicit mapping: until it ends, packets from any sender to the external port are forwarded
/// to the inside endpoint, and packets that this inside endpoint sends leave from the external
/// port. It needs no traffic to last.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ExplicitMapping {
    /// The protocol that is forwarded.
    pub protocol: Protocol,
    /// The inside endpoint.
    pub inside: SocketAddrV4,
    /// The external address; `None` for the primary one, whichever address that is. The mapping is
    /// inactive while this is not an external address of the NAT.
    pub external_address: Option<Ipv4Addr>,
    /// The external port.
    pub external_port: u16,
    /// When it ends, unless it is asked for again.
    pub ends_at: Instant,
}

impl ExplicitMapping {
    /// The port forward that does the same.
    pub(crate) const fn as_forward(&self) -> PortForward {
        let mut forward = PortForward::new(self.protocol, self.external_port, self.inside);
        forward.external_address = self.external_address;
        forward
    }
}

/// Why a host does not get the mapping that it asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MappingRequestError {
    /// The inside port is 0.
    PortZero,
    /// The inside address is not that of a host in the inside network, or is the router's own.
    NotInside,
    /// A port forward or a one-to-one translation has the inside endpoint.
    Static,
    /// There is no external address at present, or none that this host may have.
    NoExternalAddress,
    /// The suggested port belongs to another inside endpoint, or hosts may not ask for it.
    PortInUse,
    /// No port is free.
    NoPort,
    /// The host has as many explicit mappings as it may have, see
    /// [`Limits::explicit_mappings_per_host`](crate::Limits::explicit_mappings_per_host).
    HostLimit,
    /// There are [`MAX_EXPLICIT_MAPPINGS`] explicit mappings already.
    TooMany,
    /// External ports overlap, or each host has a block of them: there are no explicit mappings
    /// then.
    NotPossible,
}

impl core::fmt::Display for MappingRequestError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::PortZero => "port 0 cannot be mapped",
            Self::NotInside => "the inside address is not that of a host of the inside network",
            Self::Static => "a port forward or a one-to-one translation has the inside endpoint",
            Self::NoExternalAddress => "there is no external address for this host",
            Self::PortInUse => "the external port is not available",
            Self::NoPort => "no external port is free",
            Self::HostLimit => "the host has as many explicit mappings as it may have",
            Self::TooMany => "there are as many explicit mappings as there can be",
            Self::NotPossible => {
                "there are no explicit mappings beside overlapping ports or port blocks"
            }
        })
    }
}

impl core::error::Error for MappingRequestError {}
