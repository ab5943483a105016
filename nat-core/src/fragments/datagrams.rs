//! The table of datagrams of which fragments are under way: of each its key, and the route once its
//! first fragment was accepted.
//!
//! The table is a plain array of the size that the caller chose, and is searched from end to end.
//! Only fragments cause a search.

use crate::Side;

use super::{Egress, First, FragmentRoute, Key, OPEN_MILLIS, Stage, WAIT_MILLIS, is_in_future};

/// The slot of one datagram. All zeros when free. The fields of the route are not in a struct of
/// their own, so that a slot takes 36 bytes.
#[cfg_attr(feature = "audit", derive(Clone, Hash))]
pub(super) struct DatagramSlot {
    key: Key,
    /// When the datagram is forgotten, in milliseconds of the clock modulo 2^32.
    deadline: u32,
    /// The number of the fragment that was recorded here last. It orders slots where many fragments
    /// arrive within a millisecond.
    arrival: u32,
    fingerprint: u32,
    source: u32,
    destination: u32,
    id: u16,
    egress: Egress,
    pub(super) stage: Stage,
}

const _: () = assert!(size_of::<DatagramSlot>() == 36);

// `DatagramSlot::FREE` is all zeros because of these.
const _: () =
    assert!(Side::Inside as u8 == 0 && Egress::Inside as u8 == 0 && Stage::Free as u8 == 0);

impl DatagramSlot {
    pub(super) const FREE: Self = Self {
        key: Key {
            source: 0,
            destination: 0,
            id: 0,
            protocol: 0,
            from: Side::Inside,
        },
        deadline: 0,
        arrival: 0,
        fingerprint: 0,
        source: 0,
        destination: 0,
        id: 0,
        egress: Egress::Inside,
        stage: Stage::Free,
    };

    fn route(&self) -> FragmentRoute {
        let Self {
            source,
            destination,
            id,
            egress,
            ..
        } = *self;
        FragmentRoute {
            source,
            destination,
            id,
            egress,
        }
    }

    /// The address whose quota of slots this one counts against.
    pub(super) fn owner(&self) -> u32 {
        match self.stage {
            Stage::Free | Stage::Waiting => self.key.source,
            Stage::Admitted | Stage::InSession => owner(&self.key, &self.route()),
        }
    }

    pub(super) fn is_alive(&self, now: u32) -> bool {
        self.stage != Stage::Free && is_in_future(self.deadline, now, OPEN_MILLIS)
    }

    /// Whether more fragments of the datagram must be expected. Once its route has been open for as
    /// long as a fragment would wait for its first, most likely all fragments have arrived.
    pub(super) fn is_needed(&self, now: u32) -> bool {
        const SPARE_MILLIS: u32 = OPEN_MILLIS - WAIT_MILLIS;
        let is_recent = self.deadline.wrapping_sub(now) > SPARE_MILLIS;
        self.is_alive(now) && (is_recent || self.stage == Stage::Waiting)
    }
}

/// The address whose quota of slots a route counts against: that of the inside end, which a
/// stranger outside cannot choose freely.
pub(super) fn owner(key: &Key, route: &FragmentRoute) -> u32 {
    match key.from {
        Side::Inside => key.source,
        Side::Outside => route.destination,
    }
}

/// All datagrams of which fragments are under way.
pub(super) struct Datagrams<'t> {
    pub(super) slots: &'t mut [DatagramSlot],
    arrivals: u32,
}

impl<'t> Datagrams<'t> {
    pub(super) fn new(slots: &'t mut [DatagramSlot]) -> Self {
        Self { slots, arrivals: 0 }
    }

    pub(super) fn is_without_memory(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn find(&self, key: &Key, now: u32) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.key == *key && slot.is_alive(now))
    }

    /// The route of a datagram whose first fragment was accepted.
    pub(super) fn route(&self, position: usize) -> Option<FragmentRoute> {
        let slot = self.slots.get(position)?;
        match slot.stage {
            Stage::Free | Stage::Waiting => None,
            Stage::Admitted | Stage::InSession => Some(slot.route()),
        }
    }

    /// Records that a fragment waits for its first, and restarts the time for which it waits.
    pub(super) fn wait(&mut self, position: usize, key: &Key, now: u32) {
        let deadline = now.wrapping_add(WAIT_MILLIS);
        self.put(
            position,
            key,
            (Stage::Waiting, FragmentRoute::NONE),
            deadline,
        );
    }

    /// Records the route of a datagram. It replaces the route of an earlier datagram with the same
    /// key.
    pub(super) fn open(&mut self, position: usize, key: &Key, first: &First, now: u32) {
        let deadline = now.wrapping_add(OPEN_MILLIS);
        self.put(position, key, (first.stage, first.route), deadline);
        if let Some(slot) = self.slots.get_mut(position) {
            slot.fingerprint = first.fingerprint;
        }
    }

    /// The translated identification of the datagram at `position`, if `first` is a copy of its
    /// first fragment.
    pub(super) fn id_of_copy(&self, position: usize, first: &First) -> Option<u16> {
        let route = self.route(position)?;
        let slot = self.slots.get(position)?;
        // Each first fragment gets a new identification, so identifications are not compared.
        let same_route = FragmentRoute {
            id: route.id,
            ..first.route
        } == route;
        (same_route && slot.fingerprint == first.fingerprint).then_some(route.id)
    }

    fn put(
        &mut self,
        position: usize,
        key: &Key,
        (stage, route): (Stage, FragmentRoute),
        deadline: u32,
    ) {
        self.arrivals = self.arrivals.wrapping_add(1);
        let FragmentRoute {
            source,
            destination,
            id,
            egress,
        } = route;
        if let Some(slot) = self.slots.get_mut(position) {
            *slot = DatagramSlot {
                key: *key,
                deadline,
                arrival: self.arrivals,
                // A waiting datagram has none, and `open` sets it.
                fingerprint: 0,
                source,
                destination,
                id,
                egress,
                stage,
            };
        }
    }

    pub(super) fn free(&mut self, position: usize) {
        if let Some(slot) = self.slots.get_mut(position) {
            *slot = DatagramSlot::FREE;
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill_with(|| DatagramSlot::FREE);
    }

    pub(super) fn forget_expired(&mut self, now: u32) {
        for slot in self.slots.iter_mut() {
            if !slot.is_alive(now) {
                *slot = DatagramSlot::FREE;
            }
        }
    }

    /// How many fragments were recorded after the last one of this slot. Fewer than 2^32 arrive
    /// before the slot expires.
    pub(super) fn age(&self, slot: &DatagramSlot) -> u32 {
        self.arrivals.wrapping_sub(slot.arrival)
    }
}

#[cfg(feature = "audit")]
impl Datagrams<'_> {
    /// Makes this table equal to `other`, which has as many slots.
    pub(super) fn copy_from(&mut self, other: &Datagrams<'_>) {
        for (slot, source) in self.slots.iter_mut().zip(other.slots.iter()) {
            slot.clone_from(source);
        }
        self.arrivals = other.arrivals;
    }

    /// The slot at `position` with times relative to `now`, and without the identification that the
    /// router has drawn; a free slot if its time is over.
    pub(super) fn canonical(&self, position: usize, now: u32) -> DatagramSlot {
        let alive = self.slots.get(position).filter(|slot| slot.is_alive(now));
        let Some(slot) = alive else {
            return DatagramSlot::FREE;
        };
        let later = self
            .slots
            .iter()
            .filter(|other| other.is_alive(now) && self.age(other) < self.age(slot));
        DatagramSlot {
            deadline: slot.deadline.wrapping_sub(now),
            arrival: later.count() as u32,
            id: 0,
            ..slot.clone()
        }
    }
}
