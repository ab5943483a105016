//! A fixed number of slots, some of which are in use.

use super::{SlotIndex, Width};

/// The content of a slot.
pub(crate) trait Slot: Sized {
    /// The width of the slot indexes in it.
    type Width: Width;

    /// A slot that is not in use: all zeros.
    const FREE: Self;

    fn is_free(&self) -> bool;

    /// A slot index in this slot that the table may use for its list of free slots while the slot
    /// is free.
    fn spare_link(&mut self) -> &mut LinkOf<Self>;
}

/// A slot index that refers to slots of type `T`, stored in another slot or a list head.
pub(crate) type LinkOf<T> = SlotIndex<<T as Slot>::Width>;

/// The slots of a table, and which of them are free.
pub(crate) struct Slots<'t, T: Slot> {
    slots: &'t mut [T],
    pub(super) in_use: usize,
    /// No slot from this position on has been in use since the table was emptied.
    pub(super) untouched: usize,
    /// The head of the list of slots that were in use and are free again.
    pub(super) free: LinkOf<T>,
}

impl<'t, T: Slot> Slots<'t, T> {
    /// Empties `slots`.
    pub(crate) fn new(slots: &'t mut [T]) -> Self {
        for slot in slots.iter_mut() {
            *slot = T::FREE;
        }
        Self {
            slots,
            in_use: 0,
            untouched: 0,
            free: SlotIndex::NONE,
        }
    }

    /// The free slot that the next insertion will use.
    pub(crate) fn next_free(&self) -> Option<LinkOf<T>> {
        // Slots that were used before are preferred, so `untouched` grows only when it must.
        let link = if self.free.is_none() {
            SlotIndex::at(self.untouched)
        } else {
            self.free
        };
        // Where all are in use, the position is beyond the end.
        self.slots.get(link.position()).map(|_| link)
    }

    /// Puts `value` into a free slot. `None` if there is none.
    pub(crate) fn insert(&mut self, value: T) -> Option<LinkOf<T>> {
        let link = self.next_free()?;
        let slot = self.slots.get_mut(link.position())?;
        if self.free.is_none() {
            // `next_free` found a slot at this position, so it stays within the table.
            self.untouched = self.untouched.wrapping_add(1);
        } else {
            self.free = *slot.spare_link();
        }
        *slot = value;
        self.in_use = self.in_use.wrapping_add(1);
        Some(link)
    }

    /// Frees the slot at `link`, which must be in use and in no index or list.
    pub(crate) fn remove(&mut self, link: LinkOf<T>) {
        let free = self.free;
        if let Some(slot) = self.slots.get_mut(link.position()) {
            // The slot becomes the head of the list of free slots.
            *slot = T::FREE;
            *slot.spare_link() = free;
            self.free = link;
            // Only a slot in use is removed, so there is at least one.
            self.in_use = self.in_use.wrapping_sub(1);
        }
    }

    pub(crate) fn get(&self, link: LinkOf<T>) -> Option<&T> {
        self.slots.get(link.position())
    }

    pub(crate) fn get_mut(&mut self, link: LinkOf<T>) -> Option<&mut T> {
        self.slots.get_mut(link.position())
    }

    /// All slots that have been in use since the table was emptied, the free ones included.
    #[cfg(feature = "audit")]
    pub(super) fn touched(&self) -> &[T] {
        self.slots.get(..self.untouched).unwrap_or_default()
    }

    #[cfg(feature = "audit")]
    pub(super) fn all_mut(&mut self) -> &mut [T] {
        self.slots
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many slots are in use.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use
    }

    /// How many slots are free.
    pub(crate) fn free_slots(&self) -> usize {
        self.slots.len().saturating_sub(self.in_use)
    }

    /// The slots in use. Walks the whole table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LinkOf<T>, &T)> {
        // Beyond it all slots are free, so a young table is walked in less time.
        let touched = self.slots.iter().take(self.untouched);
        touched
            .enumerate()
            .filter(|(_, slot)| !slot.is_free())
            .map(|(position, slot)| (SlotIndex::at(position), slot))
    }

    /// The first slot in use at or after `cursor`, and the cursor to go on with: walks the table
    /// while it changes.
    pub(crate) fn next_in_use(&self, cursor: usize) -> Option<(usize, LinkOf<T>)> {
        let (position, _) = self
            .slots
            .iter()
            .enumerate()
            .take(self.untouched)
            .skip(cursor)
            .find(|(_, slot)| !slot.is_free())?;
        Some((position.wrapping_add(1), SlotIndex::at(position)))
    }
}
