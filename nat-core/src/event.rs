//! Events as they happen, for a log of the application's (RFC 6888 section 4).

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::{DropReason, Instant, PortRange, SessionProtocol};

/// Takes note of events: the application's log. See
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
///                 format!("{} ms: {inside} has {external} no more", at.as_millis())
///             }
///             other => format!("{other:?}"),
///         };
///         let _ = self.0.send(line);
///     }
/// }
/// ```
pub trait EventHook {
    /// Takes note of `event`, which has just happened.
    ///
    /// Called from inside the engine, so the packet that is judged waits for it: hand the event on,
    /// and do slow work elsewhere.
    fn on_event(&mut self, event: &Event);
}

/// What an [`EventHook`] is told of. None of it says whom a host talks to (RFC 6888 REQ-12).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event {
    /// An inside endpoint has got an external endpoint.
    MappingCreated(MappingEvent),
    /// An external endpoint is free again.
    MappingDeleted(MappingEvent),
    /// There was no room for the session of a packet from inside (RFC 6888 REQ-11c).
    SessionRefused(Refusal),
    /// A host has got a block of external ports, where
    /// [`Config::port_blocks`](crate::Config::port_blocks) is set (RFC 6888 REQ-14): right
    /// before the first of its mappings on an external address.
    ///
    /// A log of blocks alone says whose a port is or was at any time, and may leave out the events
    /// of mappings. But those ports that rules give are in no block, whatever is told of the
    /// block around them: port forwards, and one-to-one translation.
    BlockAssigned(PortBlock),
    /// A block is free again: its host has lost its last mapping, or the external address is gone.
    BlockReleased(PortBlock),
}

impl Event {
    /// When it happened.
    pub const fn at(&self) -> Instant {
        match self {
            Self::MappingCreated(mapping) | Self::MappingDeleted(mapping) => mapping.at,
            Self::SessionRefused(refusal) => refusal.at,
            Self::BlockAssigned(block) | Self::BlockReleased(block) => block.at,
        }
    }
}

/// A mapping that begins or ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct MappingEvent {
    /// The time of the call that made or deleted it; for
    /// [`Nat::add_port_forward`](crate::Nat::add_port_forward), which has none, the latest that the
    /// engine has been given.
    ///
    /// A mapping whose time is up is not used any more, but deleted by the next call only: this
    /// may be later than the end of its timer, unless
    /// [`Nat::handle_timeout`](crate::Nat::handle_timeout) is called in time.
    pub at: Instant,
    /// What it is for.
    pub protocol: SessionProtocol,
    /// The inside endpoint; for ICMP the port is the inside host's query identifier.
    pub inside: SocketAddrV4,
    /// The external endpoint that it had; for ICMP the port is the external query identifier.
    pub external: SocketAddrV4,
    /// Whether it is open to all: by a port forward, one-to-one translation, or as the DMZ host.
    pub port_forward: bool,
}

/// A block of external ports that a host gets or loses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct PortBlock {
    /// The time of the call that made the host's first mapping or ended its last, as that of a
    /// [`MappingEvent`].
    pub at: Instant,
    /// The inside host; an external address for the router itself.
    pub inside: Ipv4Addr,
    /// The external address.
    pub external: Ipv4Addr,
    /// The ports of UDP and TCP, and the identifiers of ICMP queries.
    pub ports: PortRange,
}

/// A session that could not be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Refusal {
    /// The time of the packet.
    pub at: Instant,
    /// What was used up: ports, a table, or the host's share. The verdict on the packet has the
    /// same reason.
    pub reason: DropReason,
    /// What the packet speaks.
    pub protocol: SessionProtocol,
    /// The inside host.
    pub inside: Ipv4Addr,
}
