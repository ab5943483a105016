//! A hash index: buckets of chained slots.

use core::marker::PhantomData;

use super::slot_index::Number;
use super::{LinkOf, Slot, SlotIndex, Slots};

/// The longest chain. A full table has one slot per bucket on average, and chains of 16 do not
/// occur by chance. An insertion that would make a longer chain fails, so no look-up ever takes
/// longer.
pub(crate) const MAX_PROBES: usize = 16;

/// How slots are chained within a bucket: through a slot index in each slot.
pub(crate) trait Chain {
    type Slot: Slot;

    fn next(slot: &Self::Slot) -> LinkOf<Self::Slot>;

    fn set_next(slot: &mut Self::Slot, next: LinkOf<Self::Slot>);
}

/// The bucket is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct IndexFull;

/// A bucket with room for a slot. It has room until a slot is added to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vacancy {
    bucket: usize,
}

/// Where a slot with a certain key is, or could be.
pub(crate) enum Place<T: Slot> {
    Taken(LinkOf<T>),
    Vacant(Vacancy),
    Full,
}

/// Finds slots by the hash of their key.
pub(crate) struct Index<'t, C: Chain> {
    pub(super) buckets: &'t mut [LinkOf<C::Slot>],
    chain: PhantomData<C>,
    /// How many slots were examined.
    #[cfg(test)]
    probes: core::cell::Cell<usize>,
}

impl<'t, C: Chain> Index<'t, C> {
    /// Empties `buckets`.
    pub(crate) fn new(buckets: &'t mut [LinkOf<C::Slot>]) -> Self {
        let mut index = Self {
            buckets,
            chain: PhantomData,
            #[cfg(test)]
            probes: core::cell::Cell::new(0),
        };
        index.clear();
        index
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.fill(SlotIndex::NONE);
    }

    /// The slot in the bucket of `hash` for which `matches` is true.
    pub(crate) fn find(
        &self,
        slots: &Slots<'_, C::Slot>,
        hash: u32,
        matches: impl FnMut(LinkOf<C::Slot>, &C::Slot) -> bool,
    ) -> Option<LinkOf<C::Slot>> {
        let (link, _) = self.find_slot(slots, hash, matches)?;
        Some(link)
    }

    /// The same, with what is in the slot, so that it need not be looked up again.
    #[inline(always)]
    pub(crate) fn find_slot<'s>(
        &self,
        slots: &'s Slots<'_, C::Slot>,
        hash: u32,
        mut matches: impl FnMut(LinkOf<C::Slot>, &C::Slot) -> bool,
    ) -> Option<(LinkOf<C::Slot>, &'s C::Slot)> {
        let mut link = *self.buckets.get(self.bucket(hash))?;
        for _ in 0..MAX_PROBES {
            let slot = slots.get(link)?;
            #[cfg(test)]
            self.probes.set(self.probes.get() + 1);
            if matches(link, slot) {
                return Some((link, slot));
            }
            link = C::next(slot);
        }
        None
    }

    /// Whether two hashes have the same bucket.
    pub(crate) fn share_bucket(&self, hash: u32, other: u32) -> bool {
        self.bucket(hash) == self.bucket(other)
    }

    /// The slot in the bucket of `hash` for which `matches` is true, or the room for one.
    #[inline(always)]
    pub(crate) fn place(
        &self,
        slots: &Slots<'_, C::Slot>,
        hash: u32,
        mut matches: impl FnMut(LinkOf<C::Slot>, &C::Slot) -> bool,
    ) -> Place<C::Slot> {
        let bucket = self.bucket(hash);
        // There may be no bucket at all, as without memory for the quarantine.
        let mut link = self.buckets.get(bucket).copied().unwrap_or(SlotIndex::NONE);
        for _ in 0..MAX_PROBES {
            let Some(slot) = slots.get(link) else {
                return Place::Vacant(Vacancy { bucket });
            };
            #[cfg(test)]
            self.probes.set(self.probes.get() + 1);
            if matches(link, slot) {
                return Place::Taken(link);
            }
            link = C::next(slot);
        }
        Place::Full
    }

    /// The room in the bucket of `hash` for `count` more slots.
    pub(crate) fn vacancy(
        &self,
        slots: &Slots<'_, C::Slot>,
        hash: u32,
        count: usize,
    ) -> Result<Vacancy, IndexFull> {
        // Counts the whole chain: nothing matches.
        let mut probes = 0_usize;
        self.place(slots, hash, |_, _| {
            probes = probes.saturating_add(1);
            false
        });
        if count <= MAX_PROBES.saturating_sub(probes) {
            let bucket = self.bucket(hash);
            Ok(Vacancy { bucket })
        } else {
            Err(IndexFull)
        }
    }

    /// Adds the slot at `link` to the bucket of `hash`.
    pub(crate) fn insert(
        &mut self,
        slots: &mut Slots<'_, C::Slot>,
        hash: u32,
        link: LinkOf<C::Slot>,
    ) -> Result<(), IndexFull> {
        let vacancy = self.vacancy(slots, hash, 1)?;
        if let Some(slot) = slots.get_mut(link) {
            self.insert_at(slot, vacancy, link);
        }
        Ok(())
    }

    /// Adds the slot that is at `link`, or will be, where there is room.
    #[inline(always)]
    pub(crate) fn insert_at(
        &mut self,
        slot: &mut C::Slot,
        vacancy: Vacancy,
        link: LinkOf<C::Slot>,
    ) {
        if let Some(head) = self.buckets.get_mut(vacancy.bucket) {
            // At the head, so that no chain is walked.
            C::set_next(slot, *head);
            *head = link;
        }
    }

    /// Removes the slot at `link` from the bucket of `hash`, if it is there.
    pub(crate) fn remove(
        &mut self,
        slots: &mut Slots<'_, C::Slot>,
        hash: u32,
        link: LinkOf<C::Slot>,
    ) {
        let after = slots.get(link).map_or(SlotIndex::NONE, C::next);
        let bucket = self.bucket(hash);
        let Some(head) = self.buckets.get_mut(bucket) else {
            return;
        };
        if *head == link {
            *head = after;
            return;
        }
        // A slot knows only the next one, so the chain is followed up to the one before.
        let mut before = *head;
        for _ in 0..MAX_PROBES {
            let Some(slot) = slots.get_mut(before) else {
                return;
            };
            if C::next(slot) == link {
                C::set_next(slot, after);
                return;
            }
            before = C::next(slot);
        }
    }

    /// How many slots were examined since the last call.
    #[cfg(test)]
    pub(crate) fn take_probes(&self) -> usize {
        self.probes.take()
    }

    fn bucket(&self, hash: u32) -> usize {
        <C::Slot as Slot>::Width::scale(hash, self.buckets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Number {
        value: u32,
        next: SlotIndex<u16>,
    }

    impl Slot for Number {
        type Width = u16;

        const FREE: Self = Self {
            value: 0,
            next: SlotIndex::NONE,
        };

        fn is_free(&self) -> bool {
            self.value == 0
        }

        fn spare_link(&mut self) -> &mut SlotIndex<u16> {
            &mut self.next
        }
    }

    struct ByValue;

    impl Chain for ByValue {
        type Slot = Number;

        fn next(slot: &Number) -> SlotIndex<u16> {
            slot.next
        }

        fn set_next(slot: &mut Number, next: SlotIndex<u16>) {
            slot.next = next;
        }
    }

    /// Slots with the same hash share a bucket. Up to the bound they are found; beyond it they are
    /// refused; and a removal makes room again.
    #[test]
    fn a_bucket_holds_as_many_as_may_be_probed() {
        let mut slots = [const { Number::FREE }; 40];
        let mut buckets = [SlotIndex::NONE; 40];
        let (mut slots, mut index) = (Slots::new(&mut slots), Index::<ByValue>::new(&mut buckets));
        const HASH: u32 = 0x1234_5678;
        let links: [SlotIndex<u16>; MAX_PROBES] = core::array::from_fn(|i| {
            let link = slots
                .insert(Number {
                    value: i as u32 + 1,
                    next: SlotIndex::NONE,
                })
                .expect("a slot");
            index
                .insert(&mut slots, HASH, link)
                .expect("room in the bucket");
            link
        });
        let extra = slots
            .insert(Number {
                value: 99,
                next: SlotIndex::NONE,
            })
            .expect("a slot");
        index.take_probes();
        assert_eq!(index.insert(&mut slots, HASH, extra), Err(IndexFull));
        assert_eq!(
            index.take_probes(),
            MAX_PROBES,
            "a refusal looks at one bucket and no further"
        );
        let find = |slots: &Slots<'_, Number>, index: &Index<'_, ByValue>, value| {
            index.find(slots, HASH, |_, slot| slot.value == value)
        };
        for (i, link) in links.iter().enumerate() {
            assert_eq!(find(&slots, &index, i as u32 + 1), Some(*link));
        }
        for link in links.iter().skip(5).step_by(2) {
            index.remove(&mut slots, HASH, *link);
            slots.remove(*link);
        }
        index.insert(&mut slots, HASH, extra).expect("room again");
        assert_eq!(find(&slots, &index, 99), Some(extra));
        assert_eq!(find(&slots, &index, 6), None);
        assert_eq!(find(&slots, &index, 5), Some(links[4]));
    }
}
