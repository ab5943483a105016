//! Checks of slots, indexes and lists, and copies of them. Each walks the whole table.

use core::hash::{Hash, Hasher};

use super::{Aging, Chain, ExpiryList, Index, LinkOf, MAX_PROBES, Slot, Slots};

/// What is wrong.
pub(crate) type Fault = &'static str;

/// `fault` unless `sound`.
pub(crate) fn ensure(sound: bool, fault: Fault) -> Result<(), Fault> {
    if sound { Ok(()) } else { Err(fault) }
}

impl<T: Slot> Slots<'_, T> {
    /// Checks that each slot is in use, or in the list of free slots (which is linked through the
    /// chain `C`), or was never in use.
    pub(crate) fn audit<C: Chain<Slot = T>>(&self) -> Result<(), Fault> {
        ensure(
            self.iter().count() == self.in_use,
            "the number of slots in use",
        )?;
        let (mut link, mut free) = (self.free, 0_usize);
        while !link.is_none() {
            let slot = self
                .get(link)
                .ok_or("the list of free slots leads nowhere")?;
            ensure(slot.is_free(), "a slot in use in the list of free slots")?;
            free = free.wrapping_add(1);
            ensure(free <= self.untouched, "the list of free slots has no end")?;
            link = C::next(slot);
        }
        ensure(
            self.in_use.wrapping_add(free) == self.untouched,
            "the number of free slots",
        )
    }

    /// Makes this table equal to `other`, which has as many slots.
    pub(crate) fn copy_from(&mut self, other: &Slots<'_, T>)
    where
        T: Clone,
    {
        // Slots that `other` has never used are free, but may be in use here.
        let free = T::FREE;
        let never_used = core::iter::repeat(&free);
        for (slot, source) in self
            .all_mut()
            .iter_mut()
            .zip(other.touched().iter().chain(never_used))
        {
            slot.clone_from(source);
        }
        (self.in_use, self.untouched, self.free) = (other.in_use, other.untouched, other.free);
    }

    /// Feeds `hasher` with all slots and with the order in which free ones are used, each slot as
    /// `canonical` gives it.
    pub(crate) fn hash<S: Hash>(&self, hasher: &mut impl Hasher, canonical: impl Fn(&T) -> S)
    where
        LinkOf<T>: Hash,
    {
        self.free.hash(hasher);
        hasher.write_usize(self.untouched);
        for slot in self.touched() {
            canonical(slot).hash(hasher);
        }
    }

    /// Whether the slot at `link` is in use.
    pub(crate) fn is_in_use(&self, link: LinkOf<T>) -> bool {
        link.position() < self.untouched && self.get(link).is_some_and(|slot| !slot.is_free())
    }
}

impl<C: Chain> Index<'_, C> {
    /// Checks that the index has `expected` slots, that all of them are in use, and that no chain
    /// is longer than [`MAX_PROBES`].
    pub(crate) fn audit(&self, slots: &Slots<'_, C::Slot>, expected: usize) -> Result<(), Fault> {
        let mut found = 0_usize;
        for head in self.buckets.iter() {
            let (mut link, mut length) = (*head, 0_usize);
            while !link.is_none() {
                ensure(slots.is_in_use(link), "a free slot in an index")?;
                length = length.wrapping_add(1);
                ensure(length <= MAX_PROBES, "a chain of an index is too long")?;
                link = slots
                    .get(link)
                    .map(C::next)
                    .ok_or("a chain of an index leads nowhere")?;
            }
            found = found.wrapping_add(length);
        }
        ensure(found == expected, "the number of slots in an index")
    }

    /// Makes this index equal to `other`, which has as many buckets.
    pub(crate) fn copy_from(&mut self, other: &Index<'_, C>) {
        for (bucket, source) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *bucket = *source;
        }
    }

    /// Feeds `hasher` with the heads of the chains.
    pub(crate) fn hash(&self, hasher: &mut impl Hasher)
    where
        LinkOf<C::Slot>: Hash,
    {
        self.buckets.hash(hasher);
    }

    /// Whether the slot at `link` is found by `hash`.
    pub(crate) fn has(&self, slots: &Slots<'_, C::Slot>, hash: u32, link: LinkOf<C::Slot>) -> bool {
        self.find(slots, hash, |other, _| other == link).is_some()
    }
}

/// Checks that `list` is linked both ways and in order of deadline, and that each of its slots
/// `belongs` to it. Returns its length.
pub(crate) fn audit_list<T: Aging>(
    list: &ExpiryList<T::Width>,
    slots: &Slots<'_, T>,
    belongs: impl Fn(&T) -> bool,
    deadline: impl Fn(&T) -> u32,
) -> Result<usize, Fault> {
    let (mut before, mut link, mut length) = (LinkOf::<T>::NONE, list.first(), 0_usize);
    while !link.is_none() {
        ensure(slots.is_in_use(link), "a free slot in a list")?;
        let slot = slots.get(link).ok_or("a list leads nowhere")?;
        ensure(belongs(slot), "a slot in a list of another class")?;
        let [earlier, later] = slot.both_neighbours();
        ensure(earlier == before, "a list is not linked both ways")?;
        if let Some(before) = slots.get(before) {
            let after = deadline(slot).wrapping_sub(deadline(before));
            ensure(
                after <= i32::MAX as u32,
                "a list is not in order of deadline",
            )?;
        }
        length = length.wrapping_add(1);
        ensure(length <= slots.capacity(), "a list has no end")?;
        (before, link) = (link, later);
    }
    ensure(before == list.last(), "the end of a list")?;
    Ok(length)
}
