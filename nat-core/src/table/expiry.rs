//! Doubly linked lists of slots in order of age. Expiry lists are in order of deadline: all slots
//! of one list have the same timeout, so a refreshed slot moves to the end.

use core::marker::PhantomData;

use super::{LinkOf, Slot, SlotIndex, Slots, Width};

/// The order of expiry lists: by deadline.
#[derive(Clone, Copy, Hash)]
pub(crate) enum Expiry {}

/// A slot that can be in one list of each order.
pub(crate) trait Aging<Order = Expiry>: Slot {
    /// The neighbours in the list: the earlier one, and the later one.
    fn neighbours(&mut self) -> &mut [LinkOf<Self>; 2];

    /// The same, read-only.
    #[cfg(feature = "audit")]
    fn both_neighbours(&self) -> [LinkOf<Self>; 2];
}

// Constants, so that the compiler sees that each access is within the array.
const EARLIER: usize = 0;
const LATER: usize = 1;

#[cfg_attr(feature = "audit", derive(Clone, Hash))]
pub(crate) struct AgeList<W, Order = Expiry> {
    first: SlotIndex<W>,
    last: SlotIndex<W>,
    order: PhantomData<Order>,
}

pub(crate) type ExpiryList<W> = AgeList<W, Expiry>;

impl<W: Width, Order> AgeList<W, Order> {
    pub(crate) const EMPTY: Self = Self {
        first: SlotIndex::NONE,
        last: SlotIndex::NONE,
        order: PhantomData,
    };

    /// The oldest slot; in an expiry list, the one that expires first.
    pub(crate) fn first(&self) -> SlotIndex<W> {
        self.first
    }

    /// The youngest slot; in an expiry list, the one that expires last.
    #[cfg(feature = "audit")]
    pub(crate) fn last(&self) -> SlotIndex<W> {
        self.last
    }

    /// Appends the slot at `link`, which must be in no list of this order.
    pub(crate) fn push<T: Aging<Order> + Slot<Width = W>>(
        &mut self,
        slots: &mut Slots<'_, T>,
        link: SlotIndex<W>,
    ) {
        if let Some(slot) = slots.get_mut(link) {
            *slot.neighbours() = [self.last, SlotIndex::NONE];
        }
        match slots.get_mut(self.last) {
            Some(last) => last.neighbours()[LATER] = link,
            None => self.first = link,
        }
        self.last = link;
    }

    /// Moves the slot at `link`, which must be in this list, to its end.
    pub(crate) fn renew<T: Aging<Order> + Slot<Width = W>>(
        &mut self,
        slots: &mut Slots<'_, T>,
        link: SlotIndex<W>,
    ) {
        if link != self.last {
            self.remove(slots, link);
            self.push(slots, link);
        }
    }

    /// Removes the slot at `link`, which must be in this list.
    pub(crate) fn remove<T: Aging<Order> + Slot<Width = W>>(
        &mut self,
        slots: &mut Slots<'_, T>,
        link: SlotIndex<W>,
    ) {
        let Some(slot) = slots.get_mut(link) else {
            return;
        };
        // The neighbours are linked with each other; where one is missing, the list head takes its
        // place.
        let [earlier, later] = *slot.neighbours();
        match slots.get_mut(earlier) {
            Some(slot) => slot.neighbours()[LATER] = later,
            None => self.first = later,
        }
        match slots.get_mut(later) {
            Some(slot) => slot.neighbours()[EARLIER] = earlier,
            None => self.last = earlier,
        }
    }
}
