//! Held fragments: copies of those that came before their first, until it is let through or their
//! time is up.

use zerocopy::FromBytes;

use super::routes::{First, FragmentRoute, is_ahead, majority};
use super::{MAX_HELD_LEN, WAIT_MILLIS};
use crate::wire::ipv4;

/// One held fragment. All zeros when free.
///
/// It waits while it has a datagram. Once its first was let through it is due and has the route
/// instead, so that nothing which happens to its datagram later, such as another first of the same
/// key, can change where it goes.
pub(super) struct Held {
    route: FragmentRoute,
    /// When it is forgotten, in milliseconds of the clock modulo 2^32.
    deadline: u32,
    arrival: u32,
    /// The number of its datagram, from one; zero when it is due, or free.
    datagram: u16,
    /// In bytes; zero in a free slot.
    len: u16,
    bytes: [u8; MAX_HELD_LEN],
}

const _: () = assert!(size_of::<Held>() == 1524);

impl Held {
    pub(super) const FREE: Self = Self {
        route: FragmentRoute::NONE,
        deadline: 0,
        arrival: 0,
        datagram: 0,
        len: 0,
        bytes: [0; MAX_HELD_LEN],
    };

    fn packet(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn source(&self) -> u32 {
        ipv4::Header::ref_from_prefix(self.packet()).map_or(0, |(ip, _)| ip.source())
    }

    fn extent(&self) -> Extent {
        ipv4::Header::ref_from_prefix(self.packet())
            .map_or(Extent { start: 0, end: 0 }, |(ip, _)| Extent::of(ip))
    }

    fn is_of(&self, datagram: u16) -> bool {
        self.len != 0 && self.datagram == datagram
    }
}

/// The bytes of the datagram's payload that a fragment has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Extent {
    start: usize,
    end: usize,
}

impl Extent {
    pub(crate) fn of(ip: &ipv4::Header) -> Self {
        let start = usize::from(ip.fragment_offset()).saturating_mul(8);
        let len = usize::from(ip.total_length()).saturating_sub(ip.header_length());
        Self {
            start,
            end: start.saturating_add(len),
        }
    }

    fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// All held fragments.
pub(super) struct HeldFragments<'t> {
    slots: &'t mut [Held],
    /// How many slots are in use, so that the packets of a router without held fragments need not
    /// look.
    used: usize,
    arrivals: u32,
}

impl<'t> HeldFragments<'t> {
    pub(super) fn new(slots: &'t mut [Held]) -> Self {
        Self {
            slots,
            used: 0,
            arrivals: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub(super) fn has_any_of(&self, datagram: u16) -> bool {
        self.slots.iter().any(|held| held.is_of(datagram))
    }

    /// A slot for a fragment from `source`: a free one; else, if another source has more than half
    /// of the slots, the one of its newest fragment that still waits. So one source may use all
    /// slots while nobody else needs them, and any that has at most half keeps what it has.
    pub(super) fn entry(&self, source: u32) -> Option<usize> {
        let free = self.slots.iter().position(|held| held.len == 0);
        free.or_else(|| {
            let most =
                majority(self.slots.iter().map(Held::source)).filter(|most| *most != source)?;
            let theirs = |(_, held): &(usize, &Held)| held.datagram != 0 && held.source() == most;
            let theirs = self.slots.iter().enumerate().filter(theirs);
            theirs
                .min_by_key(|(_, held)| self.age(held))
                .map(|(slot, _)| slot)
        })
    }

    /// The datagram of the fragment that waits in a slot.
    pub(super) fn datagram_at(&self, slot: usize) -> Option<u16> {
        self.slots
            .get(slot)
            .map(|held| held.datagram)
            .filter(|datagram| *datagram != 0)
    }

    /// Puts a copy of `packet` into a slot, whatever is there.
    pub(super) fn hold(&mut self, slot: usize, datagram: u16, packet: &[&[u8]], now: u32) {
        self.arrivals = self.arrivals.wrapping_add(1);
        let Some(held) = self.slots.get_mut(slot) else {
            return;
        };
        let mut len = 0_usize;
        for part in packet {
            let room = held
                .bytes
                .get_mut(len..)
                .and_then(|room| room.get_mut(..part.len()));
            let Some(room) = room else { return };
            room.copy_from_slice(part);
            len = len.saturating_add(part.len());
        }
        (held.datagram, held.len, held.route) = (datagram, len as u16, FragmentRoute::NONE);
        (held.deadline, held.arrival) = (now.wrapping_add(WAIT_MILLIS), self.arrivals);
        self.count();
    }

    /// Frees what waits for `datagram` where `packet` lies over it with other bytes: both cannot be
    /// of one datagram, and the older is the one that an earlier datagram of the same key left
    /// behind.
    pub(super) fn supersede(&mut self, datagram: u16, extent: Extent, packet: &[&[u8]]) {
        self.free(|held| {
            held.is_of(datagram)
                && held.extent().overlaps(extent)
                && !is_copy(held.packet(), packet)
        });
    }

    /// Lets go what has waited for `datagram`, whose first fragment was let through. What lies over
    /// the first was left behind by an earlier datagram of the same key, or wants to rewrite
    /// its headers (RFC 1858): it is freed.
    pub(super) fn let_go(&mut self, datagram: u16, first: &First, now: u32) {
        let over = |held: &Held| {
            held.extent().overlaps(first.extent) || !is_ahead(held.deadline, now, WAIT_MILLIS)
        };
        self.free(|held| held.is_of(datagram) && over(held));
        for held in self.slots.iter_mut().filter(|held| held.is_of(datagram)) {
            (held.datagram, held.route, held.deadline) =
                (0, first.route, now.wrapping_add(WAIT_MILLIS));
        }
    }

    /// Moves the fragment that has waited longest, of those that are due, to the start of `buffer`:
    /// its length and route.
    pub(super) fn release(
        &mut self,
        buffer: &mut [u8],
        now: u32,
    ) -> Option<(usize, FragmentRoute)> {
        let Self {
            slots,
            used,
            arrivals,
        } = self;
        let due = |held: &&mut Held| {
            held.len != 0 && held.datagram == 0 && is_ahead(held.deadline, now, WAIT_MILLIS)
        };
        let due = slots.iter_mut().filter(due);
        let held = due.max_by_key(|held| arrivals.wrapping_sub(held.arrival))?;
        let (len, route) = (usize::from(held.len), held.route);
        held.len = 0;
        *used = used.saturating_sub(1);
        buffer
            .get_mut(..len)?
            .copy_from_slice(held.bytes.get(..len)?);
        Some((len, route))
    }

    pub(super) fn free_slot(&mut self, slot: usize) {
        if let Some(held) = self.slots.get_mut(slot) {
            (held.datagram, held.len) = (0, 0);
        }
        self.count();
    }

    /// Frees what waits for a datagram.
    pub(super) fn forget(&mut self, datagram: u16) {
        self.free(|held| held.is_of(datagram));
    }

    pub(super) fn forget_expired(&mut self, now: u32) {
        self.free(|held| !is_ahead(held.deadline, now, WAIT_MILLIS));
    }

    pub(super) fn clear(&mut self) {
        self.free(|_| true);
    }

    fn free(&mut self, wanted: impl Fn(&Held) -> bool) {
        for held in self.slots.iter_mut().filter(|held| wanted(held)) {
            (held.datagram, held.len) = (0, 0);
        }
        self.count();
    }

    fn count(&mut self) {
        self.used = self.slots.iter().filter(|held| held.len != 0).count();
    }

    fn age(&self, held: &Held) -> u32 {
        self.arrivals.wrapping_sub(held.arrival)
    }
}

/// Whether `parts` are the bytes of a held fragment, behind its header: the time to live of a copy
/// may differ.
fn is_copy(held: &[u8], parts: &[&[u8]]) -> bool {
    let behind = |bytes: &[&[u8]]| bytes.iter().map(|part| part.len()).sum::<usize>();
    let Some((_, body)) = held.split_at_checked(size_of::<ipv4::Header>()) else {
        return false;
    };
    let Some((_, rest)) = parts.split_first() else {
        return false;
    };
    body.len() == behind(rest) && body.iter().eq(rest.iter().copied().flatten())
}
