//! Mappings: which external endpoint an inside endpoint has.

use core::marker::PhantomData;

use crate::table::{Chain, Count, Slot, SlotIndex, Width};

use super::{Endpoint, ExternalPort, Origin, PortClass, Proto};

/// An inside endpoint, and whether it belongs to a host or to the router itself. The address alone
/// does not tell them apart: where the inside and outside networks overlap, a host may have the
/// external address of the router.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Inside {
    pub(crate) origin: Origin,
    pub(crate) endpoint: Endpoint,
}

/// A mapping. Its inside address is stored in its host.
#[cfg_attr(feature = "audit", derive(Clone, Hash))]
pub(crate) struct Mapping<W> {
    pub(crate) host: SlotIndex<W>,
    pub(crate) inside_port: u16,
    pub(crate) external_port: u16,
    /// A mapping exists as long as it has sessions.
    pub(crate) sessions: Count<W>,
    by_inside: SlotIndex<W>,
    by_external: SlotIndex<W>,
    /// The session that the fast path found last. Only a hint: it may have ended since.
    pub(super) recent: SlotIndex<W>,
    /// The number of the external address.
    pub(crate) external: u8,
    /// The protocol, the [`MappingKind`], and flags.
    kind: u8,
}

/// The two ends of a mapping as a value, for events when the mapping is created and deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MappingEnds {
    pub(crate) proto: Proto,
    pub(crate) inside: Endpoint,
    /// The number of the external address.
    pub(crate) external: u8,
    pub(crate) external_port: u16,
    pub(crate) kind: MappingKind,
    /// Whether the external endpoint is the inside endpoint.
    pub(crate) untranslated: bool,
}

impl MappingEnds {
    pub(crate) fn of<W: Width>(mapping: &Mapping<W>, inside: Endpoint) -> Self {
        let Mapping {
            external,
            external_port,
            ..
        } = *mapping;
        let (kind, untranslated) = (mapping.kind(), mapping.is_untranslated());
        Self {
            proto: mapping.proto(),
            inside,
            external,
            external_port,
            kind,
            untranslated,
        }
    }
}

// The bits of `Mapping::kind`. Only the first two are part of the key of a mapping.
const PROTO: u8 = 0x03;
const UNTRANSLATED: u8 = 0x04;
const KEPT_PORT: u8 = 0x08;
const KIND: u8 = 0xc0;

/// How a mapping got its external port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum MappingKind {
    /// A free port was chosen.
    Dynamic = 0x00,
    /// By one-to-one translation, or as the DMZ host: the inside port.
    Rule = 0x40,
    /// By a port forward or an explicit mapping, to which the port belongs.
    PortForward = 0x80,
    /// By an explicit mapping that has ended.
    Former = 0xc0,
}

impl MappingKind {
    /// Whether anyone outside may send to the mapping, because a rule says so.
    pub(crate) fn is_static(self) -> bool {
        matches!(self, Self::Rule | Self::PortForward)
    }
}

/// The two ends of a session as the inside sees them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InsideTuple {
    pub(crate) proto: Proto,
    pub(crate) inside: Inside,
    pub(crate) remote: Endpoint,
    /// Whether the remote endpoint is one that is reached without translation.
    pub(crate) untranslated: bool,
}

impl InsideTuple {
    /// The part of [`Mapping`]'s `kind` that identifies a mapping, also in its hash.
    pub(crate) fn kind(&self) -> u8 {
        self.proto as u8 | if self.untranslated { UNTRANSLATED } else { 0 }
    }
}

/// The two ends of a session as the outside sees them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutsideTuple {
    pub(crate) proto: Proto,
    /// The number of the external address.
    pub(crate) external: u8,
    pub(crate) external_port: u16,
    pub(crate) remote: Endpoint,
}

impl<W: Width> Mapping<W> {
    pub(crate) fn new(
        host: SlotIndex<W>,
        tuple: &InsideTuple,
        external: u8,
        external_port: u16,
    ) -> Self {
        let inside_port = tuple.inside.endpoint.port;
        Self {
            host,
            inside_port,
            external_port,
            external,
            kind: tuple.kind(),
            ..Self::FREE
        }
    }

    /// Whether this mapping is for sessions like `tuple`. The host is not compared.
    pub(crate) fn is_for(&self, tuple: &InsideTuple) -> bool {
        self.inside_port == tuple.inside.endpoint.port
            && self.kind & !(KIND | KEPT_PORT) == tuple.kind()
    }

    /// This mapping, with the way in which it got its external port.
    pub(crate) fn with_kind(self, kind: MappingKind) -> Self {
        Self {
            kind: self.kind | kind as u8,
            ..self
        }
    }

    pub(crate) fn set_kind(&mut self, kind: MappingKind) {
        self.kind = self.kind & !(KIND | KEPT_PORT) | kind as u8;
    }

    pub(crate) fn kind(&self) -> MappingKind {
        match self.kind & KIND {
            0x80 => MappingKind::PortForward,
            0x40 => MappingKind::Rule,
            0xc0 => MappingKind::Former,
            _ => MappingKind::Dynamic,
        }
    }

    /// Whether its external port was chosen from the free ones.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.kind() == MappingKind::Dynamic && !self.is_untranslated()
    }

    /// Whether its external port counts against its host's reservation of this protocol and class.
    pub(crate) fn has_reserved_port_of(&self, proto: Proto, class: PortClass) -> bool {
        self.has_reserved_port()
            && self.proto() == proto
            && PortClass::of(proto, self.inside_port) == class
    }

    /// Whether its external port counts against a reservation of its host.
    pub(crate) fn has_reserved_port(&self) -> bool {
        self.kind & KEPT_PORT != 0
    }

    pub(crate) fn set_reserved_port(&mut self) {
        self.kind |= KEPT_PORT;
    }

    #[inline(always)]
    pub(super) fn is_proto(&self, proto: Proto) -> bool {
        self.kind & PROTO == proto as u8
    }

    /// Whether it is a mapping of `proto` that translates.
    #[inline(always)]
    pub(super) fn translates(&self, proto: Proto) -> bool {
        self.kind & (PROTO | UNTRANSLATED) == proto as u8
    }

    pub(crate) fn proto(&self) -> Proto {
        match self.kind & PROTO {
            0 => Proto::Icmp,
            1 => Proto::Tcp,
            _ => Proto::Udp,
        }
    }

    /// Whether its external endpoint is the inside endpoint.
    pub(crate) fn is_untranslated(&self) -> bool {
        self.kind & UNTRANSLATED != 0
    }
}

impl<W: Width> From<&Mapping<W>> for ExternalPort {
    fn from(mapping: &Mapping<W>) -> Self {
        Self {
            proto: mapping.proto(),
            external: mapping.external,
            port: mapping.external_port,
        }
    }
}

impl<W: Width> Slot for Mapping<W> {
    type Width = W;

    const FREE: Self = Self {
        host: SlotIndex::NONE,
        inside_port: 0,
        external_port: 0,
        sessions: Count::ZERO,
        by_inside: SlotIndex::NONE,
        by_external: SlotIndex::NONE,
        recent: SlotIndex::NONE,
        external: 0,
        kind: 0,
    };

    fn is_free(&self) -> bool {
        self.host.is_none()
    }

    fn spare_link(&mut self) -> &mut SlotIndex<W> {
        &mut self.by_inside
    }
}

/// The index of mappings by inside endpoint.
pub(crate) struct ByInside<W>(PhantomData<W>);

impl<W: Width> Chain for ByInside<W> {
    type Slot = Mapping<W>;

    fn next(slot: &Mapping<W>) -> SlotIndex<W> {
        slot.by_inside
    }

    fn set_next(slot: &mut Mapping<W>, next: SlotIndex<W>) {
        slot.by_inside = next;
    }
}

/// The index of mappings by external endpoint.
pub(crate) struct ByExternal<W>(PhantomData<W>);

impl<W: Width> Chain for ByExternal<W> {
    type Slot = Mapping<W>;

    fn next(slot: &Mapping<W>) -> SlotIndex<W> {
        slot.by_external
    }

    fn set_next(slot: &mut Mapping<W>, next: SlotIndex<W>) {
        slot.by_external = next;
    }
}
