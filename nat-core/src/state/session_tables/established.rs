//! The fast path through the tables: from a packet to its mapping and its live session, each slot
//! borrowed once.
//!
//! What is found and what changes is what [`SessionTables::mapping_of_inside`] and its siblings
//! find, and what `progress` changes.

use crate::Side;
use crate::session_info::SessionState;
use crate::state::session::Progress;
use crate::state::{
    Endpoint, Inside, InsideTuple, Mapping, Origin, OutsideTuple, Proto, Segment, Session,
    TimeoutClass,
};
use crate::table::{SlotIndex, Width};

use super::SessionTables;

/// A mapping as the fast path found it.
// Copied, so that no mapping is borrowed while its session changes.
#[derive(Clone, Copy)]
pub(crate) struct FastMapping<W> {
    slot: SlotIndex<W>,
    /// Its session that was found last.
    recent: SlotIndex<W>,
    /// The number of its external address.
    pub(crate) external: u8,
    pub(crate) external_port: u16,
}

impl<W: Width> FastMapping<W> {
    #[inline(always)]
    fn new(slot: SlotIndex<W>, mapping: &Mapping<W>) -> Self {
        Self {
            slot,
            recent: mapping.recent,
            external: mapping.external,
            external_port: mapping.external_port,
        }
    }
}

/// A packet that can be applied to a session. A trait instead of a closure, because only a method
/// can be inlined for certain.
trait Apply<W> {
    fn apply_to(self, session: &mut Session<W>) -> Option<Progress>;
}

struct Datagram {
    from: Side,
    question: u32,
    now: u32,
    lifetime: u32,
}

impl<W: Width> Apply<W> for Datagram {
    #[inline(always)]
    fn apply_to(self, session: &mut Session<W>) -> Option<Progress> {
        session.apply_datagram((self.from, self.question), self.now, self.lifetime)
    }
}

struct PlainSegment<'s> {
    from: Side,
    segment: &'s Segment,
    now: u32,
    lifetime: u32,
}

impl<W: Width> Apply<W> for PlainSegment<'_> {
    #[inline(always)]
    fn apply_to(self, session: &mut Session<W>) -> Option<Progress> {
        session.apply_segment((self.from, self.segment), self.now, self.lifetime)
    }
}

impl<W: Width> SessionTables<'_, W> {
    /// The mapping of a translated packet from the inside endpoint `source` of a host.
    #[inline(always)]
    pub(crate) fn fast_outbound(
        &self,
        proto: Proto,
        source: Endpoint,
        remote: Endpoint,
    ) -> Option<FastMapping<W>> {
        if self.overlapping() {
            return self.fast_outbound_overlapping(proto, source, remote);
        }
        // The kind of a translated mapping is its protocol: see `InsideTuple::kind`.
        let hash = self.inside_endpoint_hash(source, proto as u8);
        let is_it = |_, mapping: &Mapping<W>| {
            mapping.inside_port == source.port
                && mapping.translates(proto)
                && self
                    .hosts
                    .get(mapping.host)
                    .is_some_and(|host| host.is(Origin::Host, source.address))
        };
        let (slot, mapping) = self
            .mappings_by_inside
            .find_slot(&self.mappings, hash, is_it)?;
        Some(FastMapping::new(slot, mapping))
    }

    /// The mapping of a packet from outside, and its inside endpoint if that is a host's.
    #[inline(always)]
    pub(crate) fn fast_inbound(&self, tuple: &OutsideTuple) -> Option<(FastMapping<W>, Endpoint)> {
        if self.overlapping() {
            return self.fast_inbound_overlapping(tuple);
        }
        let (external, port) = (tuple.external, tuple.external_port);
        let hash = self.external_endpoint_hash(tuple);
        let is_it = |_, mapping: &Mapping<W>| {
            mapping.external_port == port
                && mapping.external == external
                && mapping.is_proto(tuple.proto)
        };
        let (slot, mapping) = self
            .mappings_by_external
            .find_slot(&self.mappings, hash, is_it)?;
        let inside = self.host_endpoint(mapping)?;
        Some((FastMapping::new(slot, mapping), inside))
    }

    // Where ports overlap, the remote endpoint is part of the key. Out of line, so that it costs the
    // others nothing.

    #[inline(never)]
    fn fast_outbound_overlapping(
        &self,
        proto: Proto,
        source: Endpoint,
        remote: Endpoint,
    ) -> Option<FastMapping<W>> {
        let inside = Inside {
            origin: Origin::Host,
            endpoint: source,
        };
        let slot = self.mapping_of_inside(&InsideTuple {
            proto,
            inside,
            remote,
            untranslated: false,
        })?;
        Some(FastMapping::new(slot, self.mappings.get(slot)?))
    }

    #[inline(never)]
    fn fast_inbound_overlapping(&self, tuple: &OutsideTuple) -> Option<(FastMapping<W>, Endpoint)> {
        let slot = self.mapping_of_outside(tuple)?;
        let mapping = self.mappings.get(slot)?;
        Some((
            FastMapping::new(slot, mapping),
            self.host_endpoint(mapping)?,
        ))
    }

    /// The inside endpoint of a mapping, if it is not the router's own.
    #[inline(always)]
    fn host_endpoint(&self, mapping: &Mapping<W>) -> Option<Endpoint> {
        let host = self.hosts.get(mapping.host)?;
        (host.origin() == Origin::Host).then_some(Endpoint {
            address: host.address,
            port: mapping.inside_port,
        })
    }

    /// Applies a UDP datagram to the live session of `mapping` with `remote`. `None` if there is
    /// none: then nothing has changed.
    #[inline(always)]
    pub(crate) fn fast_datagram(
        &mut self,
        mapping: FastMapping<W>,
        remote: Endpoint,
        (from, question): (Side, u32),
        now: u32,
    ) -> Option<()> {
        // The class of a UDP session depends on the remote port only, so it is known before the
        // session.
        let class = TimeoutClass::of(Proto::Udp, SessionState::Active, remote.port);
        let datagram = Datagram {
            from,
            question,
            now,
            lifetime: self.lifetimes.of(class),
        };
        let (link, progress) = self.apply(mapping, remote, datagram)?;
        match progress {
            Progress::None => {}
            Progress::Restarted => self.move_to_end(link, class),
            Progress::Asked => self.ask_again(link, Proto::Udp, now, question),
            Progress::Answered => self.answer(link, Proto::Udp, now),
        }
        Some(())
    }

    /// Applies a segment without SYN, FIN or RST to the established TCP session of `mapping` with
    /// `remote`. `None` if there is none, or if the segment may change its state: then nothing has
    /// changed.
    #[inline(always)]
    pub(crate) fn fast_segment(
        &mut self,
        mapping: FastMapping<W>,
        remote: Endpoint,
        (from, segment): (Side, &Segment),
        now: u32,
    ) -> Option<()> {
        let segment = PlainSegment {
            from,
            segment,
            now,
            // `apply_segment` accepts sessions in no other class.
            lifetime: self.lifetimes.of(TimeoutClass::TcpEstablished),
        };
        let (link, progress) = self.apply(mapping, remote, segment)?;
        if progress == Progress::Restarted {
            self.move_to_end(link, TimeoutClass::TcpEstablished);
        }
        Some(())
    }

    /// Applies a packet to the session of `mapping` with `remote`. It mostly is the one that was
    /// found last: then no second hash is needed.
    #[inline(always)]
    fn apply(
        &mut self,
        mapping: FastMapping<W>,
        remote: Endpoint,
        packet: impl Apply<W>,
    ) -> Option<(SlotIndex<W>, Progress)> {
        // The session of the hint may have ended, and its slot may be another's: the key is
        // compared.
        if let Some(session) = self.sessions.get_mut(mapping.recent)
            && session.is_of(mapping.slot, remote)
        {
            return Some((mapping.recent, packet.apply_to(session)?));
        }
        let link = self.find_recent(mapping.slot, remote)?;
        Some((link, packet.apply_to(self.sessions.get_mut(link)?)?))
    }

    #[inline(never)]
    fn find_recent(&mut self, mapping: SlotIndex<W>, remote: Endpoint) -> Option<SlotIndex<W>> {
        let found = self.find_session(mapping, remote)?;
        self.mappings.get_mut(mapping)?.recent = found;
        Some(found)
    }

    /// Moves a session whose deadline has changed to the end of its expiry list.
    #[inline(never)]
    pub(super) fn move_to_end(&mut self, link: SlotIndex<W>, class: TimeoutClass) {
        if let Some(list) = self.expiry.get_mut(class as usize) {
            list.renew(&mut self.sessions, link);
        }
    }
}
