//! The datagrams under way: of each its key, and once its first fragment was let through, its
//! route.
//!
//! Every walk is over a fixed array of the size that the caller chose, and only fragments cause
//! one.

use crate::Side;

use super::{Extent, OPEN_MILLIS, WAIT_MILLIS};

/// What the fragments of one datagram have in common (RFC 791 section 3.2), and the side they come
/// in by, so that one side cannot add to datagrams of the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Key {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) id: u16,
    pub(crate) protocol: u8,
    pub(crate) from: Side,
}

/// What the first fragment became, and the others become.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FragmentRoute {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) id: u16,
    pub(crate) egress: Egress,
}

impl FragmentRoute {
    /// All zeros, as free slots have it.
    pub(super) const NONE: Self = Self {
        source: 0,
        destination: 0,
        id: 0,
        egress: Egress::Inside,
    };
}

/// Where the fragments of a datagram go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Egress {
    /// Across the router, to the inside.
    Inside,
    /// Across the router, to the outside.
    Outside,
    /// To the outside, from the router's own outside stack.
    FromRouter,
    /// To the router's own outside stack.
    Local,
}

impl Egress {
    pub(crate) fn across(to: Side) -> Self {
        match to {
            Side::Inside => Self::Inside,
            Side::Outside => Self::Outside,
        }
    }
}

/// A first fragment that was let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    pub(crate) route: FragmentRoute,
    pub(crate) stage: Stage,
    pub(crate) extent: Extent,
    /// Of its start, which has the checksum of the whole datagram.
    pub(crate) fingerprint: u32,
}

/// How far a datagram has come, and so its claim to a slot: that of a later stage is the better
/// one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    Free,
    /// The first fragment has not been let through yet. Anybody can cause this, from any source
    /// address.
    Waiting,
    /// The first fragment was let through by a port forward or an open filter, without a session. A
    /// stranger can cause this, from any source address.
    Admitted,
    /// The first fragment belongs to a session, or came from inside.
    InSession,
}

/// One datagram. All zeros when free; its route is flat, so that a slot takes 36 bytes.
pub(super) struct Tracked {
    key: Key,
    /// When it is forgotten, in milliseconds of the clock modulo 2^32.
    deadline: u32,
    /// The number of the fragment that brought it here, of all that were noted: many may come
    /// within a millisecond.
    arrival: u32,
    fingerprint: u32,
    source: u32,
    destination: u32,
    id: u16,
    egress: Egress,
    stage: Stage,
}

const _: () = assert!(size_of::<Tracked>() == 36);

// What makes `Tracked::FREE` all zeros.
const _: () =
    assert!(Side::Inside as u8 == 0 && Egress::Inside as u8 == 0 && Stage::Free as u8 == 0);

impl Tracked {
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

    fn owner(&self) -> u32 {
        match self.stage {
            Stage::Free | Stage::Waiting => self.key.source,
            Stage::Admitted | Stage::InSession => owner(&self.key, &self.route()),
        }
    }

    fn is_alive(&self, now: u32) -> bool {
        self.stage != Stage::Free && is_ahead(self.deadline, now, OPEN_MILLIS)
    }

    /// Whether more of the datagram must be expected. Once its first fragment has passed for as
    /// long as a fragment would wait for it, most likely all of it has come.
    fn is_needed(&self, now: u32) -> bool {
        const SPARE_MILLIS: u32 = OPEN_MILLIS - WAIT_MILLIS;
        let fresh = self.deadline.wrapping_sub(now) > SPARE_MILLIS;
        self.is_alive(now) && (fresh || self.stage == Stage::Waiting)
    }
}

/// The address whose share of the slots a route counts to: that of the inside end, which a stranger
/// cannot choose freely.
fn owner(key: &Key, route: &FragmentRoute) -> u32 {
    match key.from {
        Side::Inside => key.source,
        Side::Outside => route.destination,
    }
}

/// All datagrams under way.
pub(super) struct Routes<'t> {
    slots: &'t mut [Tracked],
    arrivals: u32,
}

impl<'t> Routes<'t> {
    pub(super) fn new(slots: &'t mut [Tracked]) -> Self {
        Self { slots, arrivals: 0 }
    }

    pub(super) fn is_without_memory(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn find(&self, key: &Key, now: u32) -> Option<usize> {
        self.slots
            .iter()
            .position(|tracked| tracked.key == *key && tracked.is_alive(now))
    }

    /// The route of a datagram whose first fragment was let through.
    pub(super) fn route(&self, position: usize) -> Option<FragmentRoute> {
        let tracked = self.slots.get(position)?;
        matches!(tracked.stage, Stage::Admitted | Stage::InSession).then(|| tracked.route())
    }

    /// Begins or prolongs the wait for a first fragment.
    pub(super) fn wait(&mut self, position: usize, key: &Key, now: u32) {
        self.put(
            position,
            key,
            (Stage::Waiting, FragmentRoute::NONE),
            now.wrapping_add(WAIT_MILLIS),
        );
    }

    /// Notes the route of a datagram; a route that it had before is no longer followed.
    pub(super) fn open(&mut self, position: usize, key: &Key, first: &First, now: u32) {
        self.put(
            position,
            key,
            (first.stage, first.route),
            now.wrapping_add(OPEN_MILLIS),
        );
        if let Some(slot) = self.slots.get_mut(position) {
            slot.fingerprint = first.fingerprint;
        }
    }

    /// The identification of the datagram at `position`, if `first` is its first fragment come
    /// twice.
    pub(super) fn id_of_copy(&self, position: usize, first: &First) -> Option<u16> {
        let route = self.route(position)?;
        let same = self
            .slots
            .get(position)
            .is_some_and(|tracked| tracked.fingerprint == first.fingerprint);
        (same
            && route
                == FragmentRoute {
                    id: route.id,
                    ..first.route
                })
        .then_some(route.id)
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
            *slot = Tracked {
                key: *key,
                deadline,
                arrival: self.arrivals,
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
            *slot = Tracked::FREE;
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill_with(|| Tracked::FREE);
    }

    pub(super) fn forget_expired(&mut self, now: u32) {
        for tracked in self
            .slots
            .iter_mut()
            .filter(|tracked| !tracked.is_alive(now))
        {
            *tracked = Tracked::FREE;
        }
    }

    /// A slot for a datagram that still waits for its first fragment. See [`Self::place`].
    pub(super) fn place_waiting(&self, key: &Key, now: u32) -> Option<usize> {
        self.entry(Stage::Waiting, key.source, now)
    }

    /// A slot for a datagram whose first fragment was let through. See [`Self::place`].
    pub(super) fn place_open(&self, key: &Key, first: &First, now: u32) -> Option<usize> {
        self.entry(first.stage, owner(key, &first.route), now)
    }

    /// A free slot; else that of the oldest datagram that can be spared; else the one to take from
    /// another datagram, which [`Self::free`] must end first. Quotas bind only where nothing is
    /// free.
    fn entry(&self, stage: Stage, owner: u32, now: u32) -> Option<usize> {
        let spare = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, tracked)| !tracked.is_needed(now));
        let spare = spare.max_by_key(|(_, tracked)| (!tracked.is_alive(now), self.age(tracked)));
        spare
            .map(|(position, _)| position)
            .or_else(|| self.take_from(stage, owner))
    }

    /// Which datagram gives up its slot where all are needed. What strangers can cause never takes
    /// the place of a route that belongs to a session:
    ///
    /// 1. An owner of half of the slots with routes of this stage gives up its own oldest.
    /// 2. Routes without a session that fill more than half of the slots give up their oldest.
    /// 3. A datagram that waits takes the newest waiting place of another source that has more than
    ///    half; the older ones keep the time they were promised. Else, while less than half of the
    ///    slots wait, it takes the oldest place of a session, whose datagram most likely has
    ///    passed.
    /// 4. A route without a session takes the oldest place of such, or else of one that waits.
    /// 5. A route of a session takes the oldest place of one that waits, without a session, or of
    ///    an owner of more than half of the slots, in this order; or else the oldest.
    fn take_from(&self, stage: Stage, owner: u32) -> Option<usize> {
        let half = self.slots.len().div_ceil(2);
        let own = |tracked: &Tracked| tracked.stage == stage && tracked.owner() == owner;
        if stage != Stage::Waiting && self.count(own) >= half {
            return self.oldest(own);
        }
        let of = |wanted: Stage| move |tracked: &Tracked| tracked.stage == wanted;
        if self.count(of(Stage::Admitted)) > half {
            return self.oldest(of(Stage::Admitted));
        }
        let most = majority(self.slots.iter().map(Tracked::owner));
        let of_most = |wanted: Stage| {
            move |tracked: &Tracked| tracked.stage == wanted && Some(tracked.owner()) == most
        };
        match stage {
            Stage::Free => None,
            Stage::Waiting => {
                let few = self.count(of(Stage::Waiting)) < half;
                let theirs = if most == Some(owner) {
                    None
                } else {
                    self.newest(of_most(Stage::Waiting))
                };
                theirs.or_else(|| self.oldest(of(Stage::InSession)).filter(|_| few))
            }
            Stage::Admitted => self
                .oldest(of(Stage::Admitted))
                .or_else(|| self.oldest(of(Stage::Waiting))),
            Stage::InSession => self
                .oldest(of(Stage::Waiting))
                .or_else(|| self.oldest(of(Stage::Admitted)))
                .or_else(|| self.oldest(of_most(Stage::InSession)))
                .or_else(|| self.oldest(of(Stage::InSession))),
        }
    }

    fn count(&self, wanted: impl Fn(&Tracked) -> bool) -> usize {
        self.slots.iter().filter(|tracked| wanted(tracked)).count()
    }

    fn oldest(&self, wanted: impl Fn(&Tracked) -> bool) -> Option<usize> {
        let wanted = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, tracked)| wanted(tracked));
        wanted
            .max_by_key(|(_, tracked)| self.age(tracked))
            .map(|(position, _)| position)
    }

    fn newest(&self, wanted: impl Fn(&Tracked) -> bool) -> Option<usize> {
        let wanted = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, tracked)| wanted(tracked));
        wanted
            .min_by_key(|(_, tracked)| self.age(tracked))
            .map(|(position, _)| position)
    }

    /// How many fragments were noted after the one that brought this here. No more than 2^32 come
    /// within its time.
    fn age(&self, tracked: &Tracked) -> u32 {
        self.arrivals.wrapping_sub(tracked.arrival)
    }
}

/// Whether `deadline`, set at most `longest` ahead, is still to come.
pub(super) fn is_ahead(deadline: u32, now: u32, longest: u32) -> bool {
    (1..=longest).contains(&deadline.wrapping_sub(now))
}

/// Which of `owners` holds more than half of the places, if any does (Boyer and Moore's majority
/// vote: two walks).
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
    let of_candidate = owners
        .clone()
        .filter(|owner| Some(*owner) == candidate)
        .count();
    candidate.filter(|_| of_candidate > owners.count() / 2)
}
