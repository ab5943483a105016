//! A fixed number of slots, of which some are in use.

/// The position of a slot. Zero is nowhere, so memory of all zeros is an empty table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Link(u16);

impl Link {
    pub(crate) const NONE: Self = Self(0);

    /// The most slots that links can tell apart.
    pub(crate) const MAX_SLOTS: usize = u16::MAX as usize;

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// A number that is the slot's own.
    pub(crate) const fn number(self) -> u16 {
        self.0
    }

    fn at(position: usize) -> Self {
        Self(u16::try_from(position.wrapping_add(1)).unwrap_or(0))
    }

    fn position(self) -> usize {
        // Nowhere becomes a position beyond every slice.
        usize::from(self.0).wrapping_sub(1)
    }
}

/// What stands in a slot.
pub(crate) trait Slot: Sized {
    /// A slot that is not in use: all zeros.
    const FREE: Self;

    fn is_free(&self) -> bool;

    /// A link that the table may use while the slot is free.
    fn spare_link(&mut self) -> &mut Link;
}

/// The slots, and which of them are free.
pub(crate) struct Slots<'t, T> {
    slots: &'t mut [T],
    in_use: usize,
    /// Slots from here on have never been in use since the table was emptied.
    untouched: usize,
    /// The first of the slots that were in use and are free again.
    free: Link,
}

impl<'t, T: Slot> Slots<'t, T> {
    /// Empties `slots`.
    pub(crate) fn new(slots: &'t mut [T]) -> Self {
        for slot in slots.iter_mut() {
            *slot = T::FREE;
        }
        Self { slots, in_use: 0, untouched: 0, free: Link::NONE }
    }

    /// The free slot that the next insertion takes.
    pub(crate) fn next_link(&self) -> Option<Link> {
        let link = if self.free.is_none() { Link::at(self.untouched) } else { self.free };
        self.slots.get(link.position()).map(|_| link)
    }

    /// Puts `value` into a free slot, if there is one.
    pub(crate) fn insert(&mut self, value: T) -> Option<Link> {
        let link = self.next_link()?;
        let slot = self.slots.get_mut(link.position())?;
        if self.free.is_none() {
            self.untouched = self.untouched.wrapping_add(1);
        } else {
            self.free = *slot.spare_link();
        }
        *slot = value;
        self.in_use = self.in_use.wrapping_add(1);
        Some(link)
    }

    /// Frees the slot at `link`, which is in use and which no index or list has any more.
    pub(crate) fn remove(&mut self, link: Link) {
        let free = self.free;
        if let Some(slot) = self.slots.get_mut(link.position()) {
            *slot = T::FREE;
            *slot.spare_link() = free;
            self.free = link;
            self.in_use = self.in_use.wrapping_sub(1);
        }
    }

    pub(crate) fn get(&self, link: Link) -> Option<&T> {
        self.slots.get(link.position())
    }

    pub(crate) fn get_mut(&mut self, link: Link) -> Option<&mut T> {
        self.slots.get_mut(link.position())
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many more values fit.
    pub(crate) fn room(&self) -> usize {
        self.slots.len().saturating_sub(self.in_use)
    }

    /// The slots in use. Walks the whole table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Link, &T)> {
        let touched = self.slots.iter().take(self.untouched);
        touched.enumerate().filter(|(_, slot)| !slot.is_free()).map(|(position, slot)| (Link::at(position), slot))
    }

    /// The link of the slot in use at or after `cursor` in table order, to walk the table while it changes.
    pub(crate) fn next_in_use(&self, cursor: usize) -> Option<(usize, Link)> {
        let (position, _) =
            self.slots.iter().enumerate().take(self.untouched).skip(cursor).find(|(_, slot)| !slot.is_free())?;
        Some((position.wrapping_add(1), Link::at(position)))
    }
}
