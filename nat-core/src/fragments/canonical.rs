//! Copies of the fragment table, and its canonical form.

use core::hash::{Hash as _, Hasher};

use super::{FragmentTable, WAIT_MILLIS, is_in_future};

impl FragmentTable<'_> {
    /// Makes this table equal to `other`, which has as much memory.
    pub(crate) fn copy_from(&mut self, other: &FragmentTable<'_>) {
        self.datagrams.copy_from(&other.datagrams);
        self.held.copy_from(&other.held);
        (self.refused, self.advanced) = (other.refused, other.advanced);
    }

    /// Feeds `hasher` with all that is not over at `now`.
    pub(crate) fn hash_canonical(&self, now: u32, hasher: &mut impl Hasher) {
        for position in 0..self.datagrams.slots.len() {
            self.datagrams.canonical(position, now).hash(hasher);
        }
        self.held.hash_canonical(now, hasher);
        let refused = (self.refused).filter(|(_, until)| is_in_future(*until, now, WAIT_MILLIS));
        refused
            .map(|(key, until)| (key, until.wrapping_sub(now)))
            .hash(hasher);
    }
}
