//! Slot indexes: the positions of slots, as wide as the tables need.

/// The width of the slot indexes in [`Tables`](crate::Tables): [`u16`], or [`u32`] for more than
/// 65,535 entries of a kind.
pub trait Width: Copy + core::fmt::Debug + Eq + sealed::Number + 'static {}

impl Width for u16 {}
impl Width for u32 {}

pub(super) use sealed::Number;

mod sealed {
    /// A number that slot indexes and counts are made of. As an index, zero means "no slot".
    pub trait Number {
        const ZERO: Self;
        /// How many slots can be distinguished.
        const MAX_SLOTS: usize;

        /// Zero if `number` is too large.
        fn from_usize(number: usize) -> Self;
        fn to_usize(self) -> usize;
        /// Scales `hash` to the range below `count`, which is at most `MAX_SLOTS`.
        fn scale(hash: u32, count: usize) -> usize;
    }

    impl Number for u16 {
        const ZERO: Self = 0;
        const MAX_SLOTS: usize = Self::MAX as usize;

        fn from_usize(number: usize) -> Self {
            Self::try_from(number).unwrap_or(0)
        }

        fn to_usize(self) -> usize {
            usize::from(self)
        }

        fn scale(hash: u32, count: usize) -> usize {
            // A 64-bit product would be a library call on a Cortex-M0+.
            // Both factors have 16 bits, so nothing wraps.
            ((hash >> 16).wrapping_mul(count as u32) >> 16) as usize
        }
    }

    impl Number for u32 {
        const ZERO: Self = 0;
        /// About a million, so that no computation with a slot index can overflow.
        const MAX_SLOTS: usize = 1 << 20;

        fn from_usize(number: usize) -> Self {
            Self::try_from(number).unwrap_or(0)
        }

        fn to_usize(self) -> usize {
            self as usize
        }

        fn scale(hash: u32, count: usize) -> usize {
            // 32 bits by at most 21, so nothing wraps.
            (u64::from(hash).wrapping_mul(count as u64) >> 32) as usize
        }
    }
}

/// The index of a slot. Zero means "no slot", so all-zero memory is an empty table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SlotIndex<W>(W);

impl<W: Width> SlotIndex<W> {
    pub(crate) const NONE: Self = Self(W::ZERO);

    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// A number that identifies the slot.
    pub(crate) fn number(self) -> u32 {
        self.0.to_usize() as u32
    }

    pub(super) fn at(position: usize) -> Self {
        // A position that the width cannot hold becomes "no slot".
        Self(W::from_usize(position.wrapping_add(1)))
    }

    pub(super) fn position(self) -> usize {
        // "No slot" becomes a position beyond the end of every slice.
        self.0.to_usize().wrapping_sub(1)
    }
}

/// A number of slots.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Count<W>(W);

impl<W: Width> Count<W> {
    pub(crate) const ZERO: Self = Self(W::ZERO);

    pub(crate) fn get(self) -> usize {
        self.0.to_usize()
    }

    /// Adds one. The type can count all slots, so this cannot overflow.
    pub(crate) fn increment(&mut self) {
        self.0 = W::from_usize(self.get().wrapping_add(1));
    }

    pub(crate) fn decrement(&mut self) {
        self.0 = W::from_usize(self.get().saturating_sub(1));
    }
}
