//! Which slot of the table a datagram gets, and which datagram gives up its slot where all are
//! needed.

use super::datagrams::{DatagramSlot, Datagrams, owner};
use super::{First, Key, Stage};

impl Datagrams<'_> {
    /// A slot for a datagram without an accepted first fragment. See [`Self::slot_for`].
    pub(super) fn slot_for_waiting(&self, key: &Key, now: u32) -> Option<usize> {
        self.slot_for(Stage::Waiting, key.source, now)
    }

    /// A slot for a datagram whose first fragment was accepted. See [`Self::slot_for`].
    pub(super) fn slot_for_route(&self, key: &Key, first: &First, now: u32) -> Option<usize> {
        self.slot_for(first.stage, owner(key, &first.route), now)
    }

    /// A free slot; else the slot of the oldest datagram that most likely is complete; else one that
    /// another datagram has to give up, which the caller frees. Quotas apply only in the last case.
    fn slot_for(&self, stage: Stage, owner: u32, now: u32) -> Option<usize> {
        self.spare_slot(now)
            .or_else(|| self.slot_to_take(stage, owner))
    }

    fn spare_slot(&self, now: u32) -> Option<usize> {
        let spare = self.slots.iter().enumerate();
        spare
            .filter(|(_, slot)| !slot.is_needed(now))
            // Free and expired slots first, so that a datagram that is only likely to be complete
            // stays.
            .max_by_key(|(_, slot)| (!slot.is_alive(now), self.age(slot)))
            .map(|(position, _)| position)
    }

    /// Which datagram gives up its slot to one of `stage` and `owner`. What strangers can cause
    /// never takes the slot of a route that belongs to a session, as long as that is needed.
    fn slot_to_take(&self, stage: Stage, owner: u32) -> Option<usize> {
        let half = self.half();
        // An owner that has half of the slots with routes of this stage gives up its own oldest.
        if stage != Stage::Waiting && self.count(stage, Some(owner)) >= half {
            return self.oldest(stage, Some(owner));
        }
        // Routes without a session that have more than half of the slots give up their oldest.
        if self.count(Stage::Admitted, None) > half {
            return self.oldest(Stage::Admitted, None);
        }
        match stage {
            Stage::Free => None,
            Stage::Waiting => self.take_for_waiting(owner),
            Stage::Admitted => self.take_for_admitted(),
            Stage::InSession => self.take_for_session(),
        }
    }

    /// A waiting datagram takes the newest waiting slot of another source that has more than half
    /// of all slots; the older ones keep the time that they have. Else, while less than half of the
    /// slots wait, it takes the oldest slot of a session, whose datagram most likely is complete.
    fn take_for_waiting(&self, owner: u32) -> Option<usize> {
        if let Some(most) = self.majority_owner()
            && most != owner
            && let Some(newest) = self.newest(Stage::Waiting, most)
        {
            return Some(newest);
        }
        if self.count(Stage::Waiting, None) < self.half() {
            self.oldest(Stage::InSession, None)
        } else {
            None
        }
    }

    /// A route without a session takes the oldest slot of its own stage, else of a waiting datagram.
    fn take_for_admitted(&self) -> Option<usize> {
        self.oldest(Stage::Admitted, None)
            .or_else(|| self.oldest(Stage::Waiting, None))
    }

    /// A route of a session takes the oldest slot of a waiting datagram, else of a route without a
    /// session, else of an owner that has more than half of all slots, else of any session.
    fn take_for_session(&self) -> Option<usize> {
        let of_most = || self.oldest(Stage::InSession, Some(self.majority_owner()?));
        self.oldest(Stage::Waiting, None)
            .or_else(|| self.oldest(Stage::Admitted, None))
            .or_else(of_most)
            .or_else(|| self.oldest(Stage::InSession, None))
    }

    fn half(&self) -> usize {
        self.slots.len().div_ceil(2)
    }

    /// The owner of more than half of all slots.
    fn majority_owner(&self) -> Option<u32> {
        majority(self.slots.iter().map(DatagramSlot::owner))
    }

    /// How many datagrams there are of this stage, and of `owner` if given.
    fn count(&self, stage: Stage, owner: Option<u32>) -> usize {
        self.matching(stage, owner).count()
    }

    /// The oldest datagram of this stage, and of `owner` if given.
    fn oldest(&self, stage: Stage, owner: Option<u32>) -> Option<usize> {
        self.matching(stage, owner)
            .max_by_key(|(_, slot)| self.age(slot))
            .map(|(position, _)| position)
    }

    /// The newest datagram of this stage and owner.
    fn newest(&self, stage: Stage, owner: u32) -> Option<usize> {
        self.matching(stage, Some(owner))
            .min_by_key(|(_, slot)| self.age(slot))
            .map(|(position, _)| position)
    }

    fn matching(
        &self,
        stage: Stage,
        owner: Option<u32>,
    ) -> impl Iterator<Item = (usize, &DatagramSlot)> {
        self.slots.iter().enumerate().filter(move |(_, slot)| {
            slot.stage == stage && owner.is_none_or(|owner| slot.owner() == owner)
        })
    }
}

/// The owner that occurs in more than half of `owners`, if any does. This is Boyer and Moore's
/// majority vote: the first walk finds the only possible candidate, the second one counts it.
pub(super) fn majority(owners: impl Iterator<Item = u32> + Clone) -> Option<u32> {
    let (mut candidate, mut lead) = (None, 0_usize);
    for owner in owners.clone() {
        if candidate == Some(owner) {
            lead = lead.saturating_add(1);
        } else if lead == 0 {
            (candidate, lead) = (Some(owner), 1);
        } else {
            lead = lead.saturating_sub(1);
        }
    }
    let candidate = candidate?;
    let occurrences = owners.clone().filter(|owner| *owner == candidate).count();
    (occurrences > owners.count() / 2).then_some(candidate)
}
