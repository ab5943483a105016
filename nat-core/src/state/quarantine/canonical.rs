//! Copies of the quarantine, and its canonical form.

use core::hash::{Hash, Hasher};

use crate::table::{Slot as _, Width};

use super::{Freed, QuarantineTable};

impl<W: Width + Hash> QuarantineTable<'_, W> {
    /// Makes this quarantine equal to `other`, which has as much memory and the same configuration.
    pub(crate) fn copy_from(&mut self, other: &QuarantineTable<'_, W>) {
        self.slots.copy_from(&other.slots);
        self.index.copy_from(&other.index);
        self.queue.clone_from(&other.queue);
        self.tcp_queue.clone_from(&other.tcp_queue);
        self.counts.clone_from(&other.counts);
    }

    /// Feeds `hasher` with every slot, link and list.
    pub(crate) fn hash_canonical(&self, now: u32, hasher: &mut impl Hasher) {
        self.slots.hash(hasher, |slot| relative(slot, now));
        self.index.hash(hasher);
        self.queue.list.hash(hasher);
        self.tcp_queue.list.hash(hasher);
    }
}

fn relative<W: Width>(freed: &Freed<W>, now: u32) -> Freed<W> {
    let mut freed = freed.clone();
    if !freed.is_free() {
        freed.deadline = freed.remaining(now);
    }
    freed
}
