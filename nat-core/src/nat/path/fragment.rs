//! Fragments: the first is translated like any packet, the others go its way.

use zerocopy::{FromBytes, IntoBytes};

use crate::fragments::{
    Egress, Extent, First, FragmentRoute, FragmentTable, Fragments, Key, Next, Stage,
};
use crate::packet::Datagram;
use crate::state::{Inside, Origin};
use crate::table::Width;
use crate::translate::{self, Ttl};
use crate::wire::ipv4;
use crate::{DropReason, Instant, Nat, Side, Verdict};

use super::inbound::inbound_summary;

impl<'t, W: Width> Nat<'t, W> {
    /// This NAT with memory for fragments, which it empties. Without it every fragment is dropped.
    #[must_use]
    pub fn with_fragments<const DATAGRAMS: usize, const HELD: usize>(
        self,
        memory: &'t mut Fragments<DATAGRAMS, HELD>,
    ) -> Self {
        Self {
            fragments: FragmentTable::new(memory),
            ..self
        }
    }

    /// The next fragment that need wait no longer, because its first has come: translated, at the
    /// start of `buffer`, with its verdict, which is `Forward`, `Fragment`, `Local` or `Drop`.
    /// `None` when there is no more.
    ///
    /// Call it after every [`Nat::process`] whose verdict was not `Drop`, once that is carried out,
    /// until it gives `None`. `buffer` must hold [`MAX_HELD_LEN`](crate::MAX_HELD_LEN) bytes; a
    /// fragment longer than `buffer` is lost.
    pub fn release(&mut self, buffer: &mut [u8], now: Instant) -> Option<Verdict> {
        if !self.fragments.holds_any() {
            return None;
        }
        self.advance(now, 0);
        let tick = self.tick();
        let (len, route) = self.fragments.release(buffer, tick)?;
        let verdict = buffer
            .get_mut(..len)
            .and_then(|packet| Datagram::parse(packet).ok())
            .map_or(Verdict::Drop(DropReason::Fragment), |datagram| {
                self.follow(datagram.ip, &route)
            });
        self.stats.count_released(&verdict);
        Some(verdict)
    }

    /// A fragment that is not its datagram's first: it follows the first, or waits for it.
    pub(crate) fn later_fragment(
        &mut self,
        datagram: Datagram<'_>,
        from: Side,
    ) -> Result<Verdict, Verdict> {
        if !datagram.is_translatable() {
            return Err(DropReason::UnknownProtocol.into());
        }
        check_geometry(&datagram)?;
        let tick = self.tick();
        let key = key(datagram.ip, from);
        let packet: [&[u8]; 3] = [datagram.ip.as_bytes(), datagram.options, datagram.payload];
        match self
            .fragments
            .next(&key, Extent::of(datagram.ip), &packet, tick)?
        {
            Next::Held => Ok(Verdict::Hold),
            Next::Follow(route) => Ok(self.follow(datagram.ip, &route)),
        }
    }

    /// Whether this, if it is a first fragment, may be looked at. Each is judged by itself,
    /// whatever is known of its key.
    pub(crate) fn check_first_fragment(
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

    /// Notes what became of the first fragment at the start of `packet`, for the others to follow.
    pub(crate) fn settle_first_fragment(
        &mut self,
        key: &Key,
        packet: &mut [u8],
        verdict: &Verdict,
        origin: Origin,
    ) {
        let tick = self.tick();
        let egress = match verdict {
            Verdict::Forward { .. } | Verdict::Fragment { .. } if origin == Origin::Router => {
                Egress::FromRouter
            }
            Verdict::Forward { to, .. } | Verdict::Fragment { to, .. } => Egress::across(*to),
            Verdict::Local {
                side: Side::Outside,
                ..
            } => Egress::Local,
            Verdict::Local {
                side: Side::Inside, ..
            } => return,
            Verdict::Drop(_) | Verdict::Hold | Verdict::Reject(_) => {
                return self.fragments.refuse(key, tick);
            }
        };
        let stage = if self.is_of_session(packet, key, egress) {
            Stage::InSession
        } else {
            Stage::Admitted
        };
        let Ok((ip, body)) = ipv4::Header::mut_from_prefix(packet) else {
            return;
        };
        let mut route = FragmentRoute {
            source: ip.source(),
            destination: ip.destination(),
            id: ip.id(),
            egress,
        };
        let first = First {
            route,
            stage,
            extent: Extent::of(ip),
            fingerprint: fingerprint(ip, body),
        };
        if let Some(id) = self
            .fragments
            .id_of_copy(key, &first, tick)
            .filter(|id| *id != route.id)
        {
            translate::rewrite_id(ip, id);
            route.id = id;
        }
        self.fragments.open(key, &First { route, ..first }, tick);
    }

    /// Whether the translated first fragment at the start of `packet` belongs to a session. What
    /// came from inside does.
    fn is_of_session(&self, packet: &mut [u8], key: &Key, egress: Egress) -> bool {
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
        let mapping = self.tables.mapping_of_inside(&self.inside_tuple(
            summary.proto,
            inside,
            summary.source,
        ));
        mapping.is_some_and(|mapping| {
            self.tables
                .live_session(mapping, summary.source, self.tick())
                .is_some()
        })
    }

    fn follow(&self, ip: &mut ipv4::Header, route: &FragmentRoute) -> Verdict {
        let len = ip.total_length();
        let (to, ttl) = match route.egress {
            Egress::Inside => (Side::Inside, Ttl::Decrement),
            Egress::Outside => (Side::Outside, Ttl::Decrement),
            Egress::FromRouter => (Side::Outside, Ttl::Keep),
            Egress::Local => {
                translate::rewrite_fragment(ip, route, Ttl::Keep);
                return Verdict::Local {
                    side: Side::Outside,
                    len: usize::from(len),
                };
            }
        };
        if ttl == Ttl::Decrement && ip.ttl() <= 1 {
            return Verdict::Drop(DropReason::TtlExpired);
        }
        if len > self.mtu(to) && ip.dont_fragment() {
            return Verdict::Drop(DropReason::PacketTooBig);
        }
        translate::rewrite_fragment(ip, route, ttl);
        self.forward_or_fragment(to, len)
    }

    /// The verdict on a packet that goes out by `to`: in fragments if it is larger than the link.
    pub(crate) fn forward_or_fragment(&self, to: Side, len: u16) -> Verdict {
        let mtu = self.mtu(to);
        if len > mtu {
            Verdict::Fragment {
                to,
                len: usize::from(len),
                mtu,
            }
        } else {
            Verdict::Forward {
                to,
                len: usize::from(len),
            }
        }
    }

    /// Gives a packet that may be fragmented, or is a fragment, an identification that no other
    /// inside host's has.
    pub(crate) fn renew_id(&mut self, ip: &mut ipv4::Header) {
        if !ip.is_atomic() {
            let id = self.ids.next(ip.destination(), ip.protocol());
            translate::rewrite_id(ip, id);
        }
    }

    fn mtu(&self, side: Side) -> u16 {
        match side {
            Side::Inside => self.config.inside_mtu,
            Side::Outside => self.config.outside_mtu,
        }
    }
}

/// Tells a copy of a first fragment from the first of another datagram: of its start, where the
/// checksum of the whole datagram is, and of its length (FNV-1a).
fn fingerprint(ip: &ipv4::Header, body: &[u8]) -> u32 {
    const START: usize = 64;
    let start = body
        .iter()
        .take(START)
        .copied()
        .chain(ip.total_length().to_be_bytes());
    start.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The key of a datagram of which this is the first fragment.
pub(crate) fn first_key(datagram: &Datagram<'_>, from: Side) -> Option<Key> {
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
    let ragged = ip.more_fragments() && !datagram.payload.len().is_multiple_of(8);
    let within_tcp_header = ip.protocol() == ipv4::TCP && ip.fragment_offset() == 1;
    if end > LARGEST || ragged || within_tcp_header || datagram.payload.is_empty() {
        return Err(DropReason::BadFragment);
    }
    Ok(())
}
