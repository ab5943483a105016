//! Fragments: the first is translated like any packet, and the others follow its route.

use zerocopy::{FromBytes, IntoBytes};

use crate::features::FRAGMENTS;
use crate::fragments::{
    Egress, Extent, First, FragmentRoute, FragmentTable, Fragments, Key, LaterFragment, Stage,
};
use crate::packet::Datagram;
use crate::state::{Inside, Origin};
use crate::table::Width;
use crate::translate::{self, Ttl};
use crate::wire::ipv4;
use crate::{DropReason, Instant, Nat, Side, Verdict};

use super::inbound::inbound_summary;
use crate::nat::hop::Hop;
use crate::nat::view::View;

impl<'t, W: Width> Nat<'t, W> {
    /// This NAT with memory for fragments, which it empties. Without it every fragment is dropped.
    #[must_use]
    pub fn with_fragments<const DATAGRAMS: usize, const HELD: usize>(
        mut self,
        memory: &'t mut Fragments<DATAGRAMS, HELD>,
    ) -> Self {
        self.set_fragments(memory);
        self
    }

    /// The same for a NAT in its place. To be called before the first packet.
    pub fn set_fragments<const DATAGRAMS: usize, const HELD: usize>(
        &mut self,
        memory: &'t mut Fragments<DATAGRAMS, HELD>,
    ) {
        self.fragments = FragmentTable::new(memory);
    }

    /// Takes a fragment that waits no longer because its first fragment has come. Writes it,
    /// translated, to the start of `buffer` and returns its verdict: `Forward`, `Fragment`, `Local`
    /// or `Drop`. `None` when there is no more.
    ///
    /// Call it after every [`Nat::process`] whose verdict was not `Drop`, once that is carried out,
    /// until it returns `None`. `buffer` must hold [`MAX_HELD_LEN`](crate::MAX_HELD_LEN) bytes; a
    /// fragment longer than `buffer` is lost.
    pub fn release(&mut self, buffer: &mut [u8], now: Instant) -> Option<Verdict> {
        if !self.fragments.holds_any() {
            return None;
        }
        // With the limit zero: the packet before has ended its share of the overdue sessions.
        self.advance(now, 0);
        let tick = self.state.clock.tick();
        let (len, route) = self.fragments.release(buffer, tick)?;
        let packet = buffer.get_mut(..len).unwrap_or_default();
        let verdict = match Datagram::parse(packet) {
            Ok(datagram) => self.view().follow(datagram.ip, &route),
            Err(_) => Verdict::Drop(DropReason::Fragment),
        };
        self.record.stats.count_released(&verdict);
        Some(verdict)
    }

    /// A fragment that is not its datagram's first: it follows the first, or waits for it.
    pub(super) fn later_fragment(
        &mut self,
        datagram: Datagram<'_>,
        from: Side,
    ) -> Result<Verdict, Verdict> {
        if !datagram.is_translatable() {
            return Err(DropReason::UnknownProtocol.into());
        }
        check_geometry(&datagram)?;
        let tick = self.state.clock.tick();
        let key = key(datagram.ip, from);
        let extent = Extent::of(datagram.ip);
        // In its parts, so that nothing is copied unless the fragment is held.
        let packet: [&[u8]; 3] = [datagram.ip.as_bytes(), datagram.options, datagram.payload];
        match self.fragments.process_later(&key, extent, &packet, tick)? {
            LaterFragment::Held => Ok(Verdict::Hold),
            LaterFragment::Follow(route) => Ok(self.view().follow(datagram.ip, &route)),
        }
    }

    /// Refuses a first fragment that is malformed, or for whose followers there is no memory.
    /// Whatever is known of its key, each is processed by itself.
    pub(super) fn check_first_fragment(
        &self,
        datagram: &Datagram<'_>,
        from: Side,
    ) -> Result<(), DropReason> {
        if first_key(datagram, from).is_none() {
            return Ok(());
        }
        check_geometry(datagram)?;
        self.fragments.check_memory()
    }

    /// Notes the verdict on the first fragment at the start of `packet`, for the others to follow.
    pub(super) fn settle_first_fragment(
        &mut self,
        key: &Key,
        packet: &mut [u8],
        verdict: &Verdict,
        origin: Origin,
    ) {
        if !FRAGMENTS {
            return;
        }
        match verdict {
            Verdict::Forward { to, .. } | Verdict::Fragment { to, .. } => {
                let egress = match origin {
                    Origin::Host => Egress::across(*to),
                    Origin::Router => Egress::FromRouter,
                };
                self.open_route(key, packet, egress);
            }
            Verdict::Local {
                side: Side::Outside,
                ..
            } => self.open_route(key, packet, Egress::Local),
            // Fragments to the inside stack are not translated: each goes there by its address.
            Verdict::Local {
                side: Side::Inside, ..
            } => {}
            Verdict::Drop(_) | Verdict::Hold | Verdict::Reject(_) => {
                self.fragments.refuse(key, self.state.clock.tick());
            }
        }
    }

    /// Opens the route of the translated first fragment at the start of `packet`.
    fn open_route(&mut self, key: &Key, packet: &mut [u8], egress: Egress) {
        let tick = self.state.clock.tick();
        let stage = if self.view().is_of_session(packet, key, egress) {
            Stage::InSession
        } else {
            Stage::Admitted
        };
        // Cannot fail: the packet was parsed before it was translated.
        let Ok((ip, body)) = ipv4::Header::mut_from_prefix(packet) else {
            return;
        };
        let mut first = First {
            route: FragmentRoute {
                source: ip.source(),
                destination: ip.destination(),
                id: ip.id(),
                egress,
            },
            stage,
            extent: Extent::of(ip),
            fingerprint: fingerprint(ip, body),
        };
        // A copy of the first fragment leaves with the identification that its datagram has already.
        if let Some(id) = self.fragments.id_of_copy(key, &first, tick)
            && id != first.route.id
        {
            translate::rewrite_id(ip, id);
            first.route.id = id;
        }
        self.fragments.open(key, &first, tick);
    }
}

impl<W: Width> View<'_, W> {
    /// Whether the translated first fragment at the start of `packet` belongs to a session. What
    /// came from inside does.
    fn is_of_session(self, packet: &mut [u8], key: &Key, egress: Egress) -> bool {
        if key.from == Side::Inside {
            return true;
        }
        let origin = if egress == Egress::Local {
            Origin::Router
        } else {
            Origin::Host
        };
        let Ok((ip, transport)) = Datagram::parse(packet).and_then(Datagram::transport) else {
            return false;
        };
        let summary = inbound_summary(&transport, ip);
        let inside = Inside {
            origin,
            endpoint: summary.destination,
        };
        let tuple = self.inside_tuple(summary.proto, inside, summary.source);
        let mapping = self.tables.mapping_of_inside(&tuple);
        mapping.is_some_and(|mapping| self.live_session(mapping, summary.source).is_some())
    }

    /// Translates a later fragment like its first.
    fn follow(self, ip: &mut ipv4::Header, route: &FragmentRoute) -> Verdict {
        let (to, ttl) = match route.egress {
            Egress::Inside => (Side::Inside, Ttl::Decrement),
            Egress::Outside => (Side::Outside, Ttl::Decrement),
            Egress::FromRouter => (Side::Outside, Ttl::Keep),
            Egress::Local => {
                translate::rewrite_fragment(ip, route, Ttl::Keep);
                return Verdict::Local {
                    side: Side::Outside,
                    len: usize::from(ip.total_length()),
                };
            }
        };
        // No ICMP error answers a later fragment (RFC 1812 section 4.3.2.7).
        if let Err(failure) = Hop::of(ip).check(ttl, self.mtu(to)) {
            return Verdict::Drop(failure.reason());
        }
        translate::rewrite_fragment(ip, route, ttl);
        self.forward(to, ip)
    }
}

/// Distinguishes a copy of a first fragment from the first of another datagram: a hash (FNV-1a) of
/// its length and of its start, which has the checksum of the whole datagram.
fn fingerprint(ip: &ipv4::Header, body: &[u8]) -> u32 {
    const START: usize = 64;
    let start = body
        .iter()
        .take(START)
        .copied()
        .chain(ip.total_length().to_be_bytes());
    // FNV-1a multiplies modulo 2^32.
    start.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The key of a datagram of which this is the first fragment.
pub(super) fn first_key(datagram: &Datagram<'_>, from: Side) -> Option<Key> {
    let first = datagram.ip.is_fragment() && datagram.ip.fragment_offset() == 0;
    first.then(|| key(datagram.ip, from))
}

fn key(ip: &ipv4::Header, from: Side) -> Key {
    Key {
        source: ip.source(),
        destination: ip.destination(),
        id: ip.id(),
        protocol: ip.protocol(),
        from,
    }
}

/// Refuses fragments that fit no datagram, and those that could change the header that the first
/// has shown (RFC 1858, RFC 3128).
fn check_geometry(datagram: &Datagram<'_>) -> Result<(), DropReason> {
    const LARGEST: usize = u16::MAX as usize;
    let ip = &datagram.ip;
    let start = usize::from(ip.fragment_offset()) * 8;
    let end = start
        .saturating_add(datagram.payload.len())
        .saturating_add(ip.header_length());
    // Offsets count units of 8 bytes, so all but the last fragment must end at one (RFC 791 section
    // 3.2).
    let ragged = ip.more_fragments() && !datagram.payload.len().is_multiple_of(8);
    // At 8 bytes it could replace the flags, by which the first fragment was decided on.
    let within_tcp_header = ip.protocol() == ipv4::TCP && ip.fragment_offset() == 1;
    if end > LARGEST || ragged || within_tcp_header || datagram.payload.is_empty() {
        return Err(DropReason::BadFragment);
    }
    Ok(())
}
