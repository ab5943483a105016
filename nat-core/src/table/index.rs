//! A hash index: buckets of chained slots.

use core::marker::PhantomData;

use super::{Link, Slots};
use crate::table::Slot;

/// The longest chain. A table that is full has one slot a bucket on average; chains of 16 do not come about by chance,
/// and where one would, the insertion is refused, so that no look-up ever takes longer.
pub(crate) const MAX_PROBES: usize = 16;

/// A chain that runs through the slots.
pub(crate) trait Chain {
    type Slot: Slot;

    fn next(slot: &Self::Slot) -> Link;

    fn set_next(slot: &mut Self::Slot, next: Link);
}

/// The bucket is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct IndexFull;

pub(crate) struct Index<'t, C> {
    buckets: &'t mut [Link],
    chain: PhantomData<C>,
}

impl<'t, C: Chain> Index<'t, C> {
    /// Empties `buckets`.
    pub(crate) fn new(buckets: &'t mut [Link]) -> Self {
        let mut index = Self { buckets, chain: PhantomData };
        index.clear();
        index
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.fill(Link::NONE);
    }

    /// The slot with `hash` that `matches`.
    pub(crate) fn find(
        &self,
        slots: &Slots<'_, C::Slot>,
        hash: u32,
        mut matches: impl FnMut(Link, &C::Slot) -> bool,
    ) -> Option<Link> {
        let mut link = *self.buckets.get(self.bucket(hash))?;
        for _ in 0..MAX_PROBES {
            let slot = slots.get(link)?;
            if matches(link, slot) {
                return Some(link);
            }
            link = C::next(slot);
        }
        None
    }

    /// Whether a slot with `hash` can be inserted.
    pub(crate) fn check_room(&self, slots: &Slots<'_, C::Slot>, hash: u32) -> Result<(), IndexFull> {
        let mut probes = 0;
        self.find(slots, hash, |_, _| {
            probes += 1;
            false
        });
        if probes < MAX_PROBES { Ok(()) } else { Err(IndexFull) }
    }

    /// Chains the slot at `link` to the bucket of `hash`.
    pub(crate) fn insert(&mut self, slots: &mut Slots<'_, C::Slot>, hash: u32, link: Link) -> Result<(), IndexFull> {
        self.check_room(slots, hash)?;
        let bucket = self.bucket(hash);
        if let (Some(head), Some(slot)) = (self.buckets.get_mut(bucket), slots.get_mut(link)) {
            C::set_next(slot, *head);
            *head = link;
        }
        Ok(())
    }

    /// Takes the slot at `link` out of the bucket of `hash`, if it is there.
    pub(crate) fn remove(&mut self, slots: &mut Slots<'_, C::Slot>, hash: u32, link: Link) {
        let after = slots.get(link).map_or(Link::NONE, C::next);
        let bucket = self.bucket(hash);
        let Some(head) = self.buckets.get_mut(bucket) else {
            return;
        };
        if *head == link {
            *head = after;
            return;
        }
        let mut before = *head;
        for _ in 0..MAX_PROBES {
            let Some(slot) = slots.get_mut(before) else { return };
            if C::next(slot) == link {
                C::set_next(slot, after);
                return;
            }
            before = C::next(slot);
        }
    }

    fn bucket(&self, hash: u32) -> usize {
        // The high half of the hash scaled to the number of buckets, which is below 2^16.
        (((hash >> 16).wrapping_mul(self.buckets.len() as u32)) >> 16) as usize
    }
}
