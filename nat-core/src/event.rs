//! Events for the application's log (RFC 6888 section 4).

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::{DropReason, ExplicitMapping, Instant, PortRange, SessionProtocol};

/// Receives events as they happen, for the application's log. See
/// [`Nat::set_event_hook`](crate::Nat::set_event_hook).
///
/// ```
/// use std::sync::mpsc;
///
/// use nat_core::{Event, EventHook, MappingEvent};
///
/// struct Log(mpsc::Sender<String>);
///
/// impl EventHook for Log {
///     fn on_event(&mut self, event: &Event) {
///         let line = match event {
///             Event::MappingCreated(MappingEvent { at, inside, external, .. }) => {
///                 format!("{} ms: {inside} has {external}", at.as_millis())
///             }
///             Event::MappingDeleted(MappingEvent { at, inside, external, .. }) => {
///                 format!("{} ms: {inside} no longer has {external}", at.as_millis())
///             }
///             other => format!("{other:?}"),
///         };
///         let _ = self.0.send(line);
///     }
/// }
/// ```
pub trait EventHook {
    /// Receives `event`, which has just happened.
    ///
    /// The NAT calls this while it processes a packet, and the packet waits. Pass the event on and
    /// do slow work elsewhere.
    fn on_event(&mut self, event: &Event);
}

/// What an [`EventHook`] receives. No event reveals which remote endpoints a host talks to (RFC
/// 6888 REQ-12).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event {
    /// An inside endpoint has got an external endpoint. A mapping whose external port becomes that
    /// of an explicit mapping, or is so no longer, is reported as deleted and as created again.
    MappingCreated(MappingEvent),
    /// An external endpoint is free again.
    MappingDeleted(MappingEvent),
    /// A session opened from inside was refused for lack of resources (RFC 6888 REQ-11c).
    SessionRefused(Refusal),
    /// A host has got a block of external ports (RFC 6888 REQ-14), where
    /// [`Config::port_blocks`](crate::Config::port_blocks) is set. Sent before the event of the
    /// host's first mapping on an external address.
    ///
    /// A log of block events alone identifies the host behind a port at any time, so the
    /// application can ignore the events of mappings. The exceptions are ports of port forwards and
    /// one-to-one translations, which belong to no block even if a block encloses them.
    BlockAssigned(PortBlock),
    /// A block is free again: the last mapping of its host has ended, or the external address was
    /// removed.
    BlockReleased(PortBlock),
    /// A host has got an explicit mapping, or has it for longer.
    ExplicitMappingGranted(ExplicitMappingEvent),
    /// An explicit mapping has ended: its time is over, its host has given it up, or a port forward
    /// has taken its place.
    ExplicitMappingEnded(ExplicitMappingEvent),
}

impl Event {
    /// When it happened.
    pub const fn at(&self) -> Instant {
        match self {
            Self::MappingCreated(mapping) | Self::MappingDeleted(mapping) => mapping.at,
            Self::SessionRefused(refusal) => refusal.at,
            Self::BlockAssigned(block) | Self::BlockReleased(block) => block.at,
            Self::ExplicitMappingGranted(explicit) | Self::ExplicitMappingEnded(explicit) => {
                explicit.at
            }
        }
    }
}

/// A mapping that was created or deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct MappingEvent {
    /// The time of the call that created or deleted the mapping.
    /// [`Nat::add_port_forward`](crate::Nat::add_port_forward) takes no time; for it, the latest
    /// time passed to the NAT.
    ///
    /// An expired mapping is no longer used, but is deleted only by the next call. So this may be
    /// later than the end of its timeout, unless
    /// [`Nat::handle_timeout`](crate::Nat::handle_timeout) is called in time.
    pub at: Instant,
    /// The protocol of the mapping.
    pub protocol: SessionProtocol,
    /// The inside endpoint; for ICMP the port is the inside host's query identifier.
    pub inside: SocketAddrV4,
    /// The external endpoint; for ICMP the port is the external query identifier.
    pub external: SocketAddrV4,
    /// Whether anyone outside may send to the mapping, because it belongs to a port forward, a
    /// one-to-one translation or the DMZ host.
    pub is_static: bool,
}

/// An explicit mapping that has begun or ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ExplicitMappingEvent {
    /// The time of the call that began or ended it.
    pub at: Instant,
    /// The mapping.
    pub mapping: ExplicitMapping,
}

/// A block of external ports that a host gets or gives up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct PortBlock {
    /// The time of the call that created the host's first mapping or ended its last, see
    /// [`MappingEvent::at`].
    pub at: Instant,
    /// The inside host. For the router itself, an external address.
    pub inside: Ipv4Addr,
    /// The external address.
    pub external: Ipv4Addr,
    /// The UDP and TCP ports, and the ICMP query identifiers.
    pub ports: PortRange,
}

/// A session that was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Refusal {
    /// The time of the packet.
    pub at: Instant,
    /// What was used up: ports, a table, or a limit of the host. The verdict on the packet has the
    /// same reason.
    pub reason: DropReason,
    /// The protocol of the packet.
    pub protocol: SessionProtocol,
    /// The inside host.
    pub inside: Ipv4Addr,
}
