//! Fixed memory: slots, hash indexes over them, and lists in order of age. Does not depend on
//! packets.
//!
//! Entries are referred to by [`SlotIndex`], the position of their slot. Nothing moves and nothing
//! is allocated.

#[cfg(feature = "audit")]
pub(crate) mod audit;
mod expiry;
mod hash;
mod index;
mod slot_index;
mod slots;

pub(crate) use expiry::{AgeList, Aging, Expiry, ExpiryList};
pub(crate) use hash::HashKey;
pub(crate) use index::{Chain, Index, IndexFull, MAX_PROBES, Place, Vacancy};
pub use slot_index::Width;
pub(crate) use slot_index::{Count, SlotIndex};
pub(crate) use slots::{LinkOf, Slot, Slots};
