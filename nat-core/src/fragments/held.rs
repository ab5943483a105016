//! Held fragments: copies of fragments that arrived before their first fragment. They are kept until
//! that is accepted, or until their time is over.

#[cfg(feature = "audit")]
use core::hash::{Hash as _, Hasher};

use zerocopy::FromBytes;

use super::slot_choice::majority;
use super::{Extent, First, FragmentRoute, MAX_HELD_LEN, WAIT_MILLIS, is_in_future};
use crate::wire::ipv4;

/// One held fragment. All zeros when free.
///
/// A fragment *waits* as long as it has a datagram. Once its first fragment was accepted it is
/// *ready*: it has the route instead of the datagram. Then nothing that happens to the datagram
/// later, such as another first fragment with the same key, changes where it goes.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(super) struct Held {
    route: FragmentRoute,
    /// When it is forgotten, in milliseconds of the clock modulo 2^32.
    deadline: u32,
    arrival: u32,
    /// The number of its datagram, from 1; 0 when it is ready, or free.
    datagram: u16,
    /// In bytes; 0 in a free slot.
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
        ipv4::Header::ref_from_prefix(self.packet()).map_or(Extent::EMPTY, |(ip, _)| Extent::of(ip))
    }

    fn is_free(&self) -> bool {
        self.len == 0
    }

    fn waits_for(&self, datagram: u16) -> bool {
        !self.is_free() && self.datagram == datagram
    }

    fn is_waiting(&self) -> bool {
        self.datagram != 0
    }

    fn is_ready(&self, now: u32) -> bool {
        !self.is_free() && !self.is_waiting() && !self.has_expired(now)
    }

    fn has_expired(&self, now: u32) -> bool {
        !is_in_future(self.deadline, now, WAIT_MILLIS)
    }

    fn free(&mut self) {
        (self.datagram, self.len) = (0, 0);
    }

    /// Copies `parts` one after the other. Returns their length, or `None` if they do not fit.
    fn copy(&mut self, parts: &[&[u8]]) -> Option<u16> {
        let mut len = 0_usize;
        for part in parts {
            let target = self.bytes.get_mut(len..)?.get_mut(..part.len())?;
            target.copy_from_slice(part);
            len = len.saturating_add(part.len());
        }
        u16::try_from(len).ok()
    }
}

/// All held fragments.
pub(super) struct HeldFragments<'t> {
    slots: &'t mut [Held],
    /// How many slots are in use: as long as none is, packets do not pay for a search.
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
        self.slots.iter().any(|held| held.waits_for(datagram))
    }

    /// A slot for a fragment from `source`: a free one; else, if another source has more than half
    /// of the slots, the slot of its newest waiting fragment.
    ///
    /// So one source may use all slots while no other source needs them, and a source that has at
    /// most half of the slots loses none.
    pub(super) fn slot_for(&self, source: u32) -> Option<usize> {
        self.slots
            .iter()
            .position(Held::is_free)
            .or_else(|| self.slot_of_majority(source))
    }

    fn slot_of_majority(&self, source: u32) -> Option<usize> {
        let most = majority(self.slots.iter().map(Held::source))?;
        if most == source {
            return None;
        }
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, held)| held.is_waiting() && held.source() == most)
            // The newest: so a flood replaces its own fragments, and the older ones keep their
            // time.
            .min_by_key(|(_, held)| self.age(held))
            .map(|(slot, _)| slot)
    }

    /// The datagram of the fragment that waits in a slot.
    pub(super) fn datagram_at(&self, slot: usize) -> Option<u16> {
        let held = self.slots.get(slot)?;
        held.is_waiting().then_some(held.datagram)
    }

    /// Stores a copy of `packet`, which waits for `datagram`, in a slot, whatever was there.
    pub(super) fn store(&mut self, slot: usize, datagram: u16, packet: &[&[u8]], now: u32) {
        self.arrivals = self.arrivals.wrapping_add(1);
        let Some(held) = self.slots.get_mut(slot) else {
            return;
        };
        let Some(len) = held.copy(packet) else { return };
        (held.datagram, held.len, held.route) = (datagram, len, FragmentRoute::NONE);
        (held.deadline, held.arrival) = (now.wrapping_add(WAIT_MILLIS), self.arrivals);
        self.count();
    }

    /// Frees fragments of `datagram` that overlap `packet` with other bytes. They cannot all belong
    /// to one datagram, and the older ones are from an earlier datagram with the same key.
    pub(super) fn supersede(&mut self, datagram: u16, extent: Extent, packet: &[&[u8]]) {
        self.free_if(|held| {
            held.waits_for(datagram)
                && held.extent().overlaps(extent)
                && !is_copy(held.packet(), packet)
        });
    }

    /// Makes the fragments ready that wait for `datagram`, whose first fragment was accepted.
    /// Fragments that overlap the first are freed: they are from an earlier datagram with the same
    /// key, or an attempt to overwrite its headers (RFC 1858).
    pub(super) fn make_ready(&mut self, datagram: u16, first: &First, now: u32) {
        self.free_if(|held| {
            held.waits_for(datagram)
                && (held.extent().overlaps(first.extent) || held.has_expired(now))
        });
        // From now on they are ready, and get another `WAIT_MILLIS` to be released.
        for held in self.slots.iter_mut() {
            if held.waits_for(datagram) {
                (held.datagram, held.route) = (0, first.route);
                held.deadline = now.wrapping_add(WAIT_MILLIS);
            }
        }
    }

    /// Moves the oldest ready fragment to the start of `buffer`. Returns its length and route.
    pub(super) fn release(
        &mut self,
        buffer: &mut [u8],
        now: u32,
    ) -> Option<(usize, FragmentRoute)> {
        let arrivals = self.arrivals;
        let held = self
            .slots
            .iter_mut()
            .filter(|held| held.is_ready(now))
            .max_by_key(|held| arrivals.wrapping_sub(held.arrival))?;
        let (len, route) = (usize::from(held.len), held.route);
        // The slot is freed even if `buffer` is too small. Otherwise this fragment would block all
        // later ones.
        held.len = 0;
        self.used = self.used.saturating_sub(1);
        let bytes = held.bytes.get(..len)?;
        buffer.get_mut(..len)?.copy_from_slice(bytes);
        Some((len, route))
    }

    pub(super) fn free_slot(&mut self, slot: usize) {
        if let Some(held) = self.slots.get_mut(slot) {
            held.free();
        }
        self.count();
    }

    /// Frees the fragments that wait for a datagram.
    pub(super) fn forget(&mut self, datagram: u16) {
        self.free_if(|held| held.waits_for(datagram));
    }

    pub(super) fn forget_expired(&mut self, now: u32) {
        self.free_if(|held| held.has_expired(now));
    }

    pub(super) fn clear(&mut self) {
        self.free_if(|_| true);
    }

    fn free_if(&mut self, condition: impl Fn(&Held) -> bool) {
        for held in self.slots.iter_mut() {
            if condition(held) {
                held.free();
            }
        }
        self.count();
    }

    fn count(&mut self) {
        self.used = self.slots.iter().filter(|held| !held.is_free()).count();
    }

    fn age(&self, held: &Held) -> u32 {
        self.arrivals.wrapping_sub(held.arrival)
    }
}

#[cfg(feature = "audit")]
impl HeldFragments<'_> {
    /// Makes this table equal to `other`, which has as many slots.
    pub(super) fn copy_from(&mut self, other: &HeldFragments<'_>) {
        for (slot, source) in self.slots.iter_mut().zip(other.slots.iter()) {
            slot.clone_from(source);
        }
        (self.used, self.arrivals) = (other.used, other.arrivals);
    }

    /// Feeds `hasher` with the fragments whose time is not over, with times relative to `now` and
    /// without the identifications that the router has drawn.
    pub(super) fn hash_canonical(&self, now: u32, hasher: &mut impl Hasher) {
        let kept = |held: &&Held| !held.is_free() && !held.has_expired(now);
        for held in self.slots.iter() {
            let Some(held) = Some(held).filter(kept) else {
                hasher.write_u16(0);
                continue;
            };
            let later = self
                .slots
                .iter()
                .filter(kept)
                .filter(|other| self.age(other) < self.age(held));
            hasher.write_usize(later.count());
            hasher.write_u32(held.deadline.wrapping_sub(now));
            (
                held.datagram,
                FragmentRoute {
                    id: 0,
                    ..held.route
                },
                held.packet(),
            )
                .hash(hasher);
        }
    }
}

/// Whether `parts` are a copy of a held fragment. The headers are not compared, because the time to
/// live of a copy may differ.
fn is_copy(held: &[u8], parts: &[&[u8]]) -> bool {
    let Some((_, body)) = held.split_at_checked(size_of::<ipv4::Header>()) else {
        return false;
    };
    let Some((_, parts)) = parts.split_first() else {
        return false;
    };
    let mut rest = body;
    for part in parts {
        let Some((own, behind)) = rest.split_at_checked(part.len()) else {
            return false;
        };
        if !are_equal(own, part) {
            return false;
        }
        rest = behind;
    }
    rest.is_empty()
}

/// Whether two slices are equal, compared by words: a stranger can have 1,500 bytes compared for
/// each fragment, which takes several times as long byte by byte.
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    let (words, rest) = one.as_chunks::<4>();
    let (other_words, other_rest) = other.as_chunks::<4>();
    let mut pairs = words.iter().zip(other_words);
    one.len() == other.len()
        && pairs.all(|(word, other)| u32::from_ne_bytes(*word) == u32::from_ne_bytes(*other))
        && rest == other_rest
}
