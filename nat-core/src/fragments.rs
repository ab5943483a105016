//! Fragments without reassembly: the first of a datagram shows the way, the others follow it (RFC 4787 REQ-14).
//!
//! A first fragment has the ports, so it is translated like any packet; what became of its addresses is remembered for
//! those that have none. Fragments that come before their first wait, and follow it in order of arrival. Everything is
//! bounded, and what strangers can fill (the fragments without a first) makes room for what belongs to sessions.

use crate::{DropReason, Side};

/// The largest fragment that can wait for its first, in bytes.
pub const MAX_HELD_LEN: usize = 1500;

/// Memory for fragments: `DATAGRAMS` datagrams under way at once, and `HELD` fragments that wait for their first.
///
/// All zeros when new. A datagram takes 32 bytes, a waiting fragment 1508. Hand it to
/// [`Nat::with_fragments`](crate::Nat::with_fragments).
pub struct Fragments<const DATAGRAMS: usize, const HELD: usize> {
    datagrams: [Tracked; DATAGRAMS],
    held: [Held; HELD],
}

const _: () = assert!(size_of::<Tracked>() == 32 && size_of::<Held>() == 1508);

// What makes `Tracked::FREE` all zeros.
const _: () = assert!(Side::Inside as u8 == 0 && Exit::Inside as u8 == 0 && Stage::Free as u8 == 0);

impl<const DATAGRAMS: usize, const HELD: usize> Fragments<DATAGRAMS, HELD> {
    /// Empty memory.
    #[expect(clippy::new_without_default, reason = "a default would be built on the stack, where it may not fit")]
    pub const fn new() -> Self {
        const { assert!(DATAGRAMS < u16::MAX as usize, "DATAGRAMS must be below 65,535") };
        Self { datagrams: [const { Tracked::FREE }; DATAGRAMS], held: [const { Held::FREE }; HELD] }
    }
}

/// What the fragments of one datagram have in common (RFC 791 section 3.2), and the side they come in by, so that one
/// side cannot add to datagrams of the other.
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
pub(crate) struct Way {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) id: u16,
    pub(crate) exit: Exit,
}

/// Where the fragments of a datagram go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// Across the router, to the inside.
    Inside,
    /// Across the router, to the outside.
    Outside,
    /// To the outside, from the router's own outside stack.
    FromRouter,
    /// To the router's own outside stack.
    Local,
}

impl Exit {
    pub(crate) fn across(to: Side) -> Self {
        match to {
            Side::Inside => Self::Inside,
            Side::Outside => Self::Outside,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    Free,
    /// The first fragment has not come.
    Waiting,
    Open(Way),
}

/// All zeros when free, so the way stands beside the stage: the enum of both would have another number for free.
struct Tracked {
    key: Key,
    /// When it is forgotten, in milliseconds of the clock modulo 2^32.
    deadline: u32,
    /// The number of the fragment that brought it here, of all that were noted: many may come within a millisecond.
    arrival: u32,
    source: u32,
    destination: u32,
    id: u16,
    exit: Exit,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Free,
    Waiting,
    Open,
}

impl Tracked {
    const FREE: Self =
        Self::new(Key { source: 0, destination: 0, id: 0, protocol: 0, from: Side::Inside }, 0, Progress::Free);

    /// Something not yet put in its place.
    const fn new(key: Key, deadline: u32, progress: Progress) -> Self {
        let nowhere = Way { source: 0, destination: 0, id: 0, exit: Exit::Inside };
        let (stage, Way { source, destination, id, exit }) = match progress {
            Progress::Free => (Stage::Free, nowhere),
            Progress::Waiting => (Stage::Waiting, nowhere),
            Progress::Open(way) => (Stage::Open, way),
        };
        Self { key, deadline, arrival: 0, source, destination, id, exit, stage }
    }

    fn progress(&self) -> Progress {
        let Self { source, destination, id, exit, .. } = *self;
        match self.stage {
            Stage::Free => Progress::Free,
            Stage::Waiting => Progress::Waiting,
            Stage::Open => Progress::Open(Way { source, destination, id, exit }),
        }
    }
}

struct Held {
    /// The position of its datagram, from one; zero in a free slot.
    datagram: u16,
    len: u16,
    arrival: u32,
    bytes: [u8; MAX_HELD_LEN],
}

impl Held {
    const FREE: Self = Self { datagram: 0, len: 0, arrival: 0, bytes: [0; MAX_HELD_LEN] };
}

/// What to do with a fragment that is not its datagram's first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    Follow(Way),
    Held,
}

/// How long the others may follow a first fragment, in milliseconds, where there is room.
const OPEN_MILLIS: u32 = 15_000;

/// How long a fragment waits for its first, in milliseconds. RFC 6146 section 4 FRAGMENT_MIN: at least 2 s.
const WAIT_MILLIS: u32 = 2_000;

pub(crate) struct FragmentTable<'t> {
    datagrams: &'t mut [Tracked],
    held: &'t mut [Held],
    /// How many fragments wait.
    waiting: usize,
    arrivals: u32,
    /// When [`Self::advance`] was called last.
    advanced: u32,
}

impl<'t> FragmentTable<'t> {
    /// A table without room: every fragment is refused.
    pub(crate) fn none() -> Self {
        Self { datagrams: &mut [], held: &mut [], waiting: 0, arrivals: 0, advanced: 0 }
    }

    /// Empties `memory`.
    pub(crate) fn new<const DATAGRAMS: usize, const HELD: usize>(memory: &'t mut Fragments<DATAGRAMS, HELD>) -> Self {
        let Fragments { datagrams, held } = memory;
        let mut table = Self { datagrams, held, waiting: 0, arrivals: 0, advanced: 0 };
        table.clear();
        table
    }

    /// Forgets what was alive `elapsed` milliseconds ago and is not any more, at least every 2^31 ms, so that nothing comes
    /// to life again when the clock has gone round. To be called when the clock has gone on to `now`, every few seconds and
    /// whenever it has jumped.
    pub(crate) fn advance(&mut self, elapsed: u64, now: u32) {
        const HALF: u32 = 1 << 31;
        if elapsed >= u64::from(OPEN_MILLIS) {
            self.clear();
        } else if (now ^ self.advanced) & HALF != 0 {
            self.forget_expired(now);
        }
        self.advanced = now;
    }

    /// Whether a first fragment may be looked at: it is the only one of its datagram.
    pub(crate) fn check_first(&self, key: &Key, now: u32) -> Result<(), DropReason> {
        match self.find(key, now).map(|position| self.progress(position)) {
            Some(Progress::Open(_)) => Err(DropReason::BadFragment),
            Some(Progress::Waiting | Progress::Free) => Ok(()),
            None if self.datagrams.is_empty() => Err(DropReason::Fragment),
            None => Ok(()),
        }
    }

    /// Remembers what became of a first fragment, and releases what has waited for it.
    pub(crate) fn open(&mut self, key: &Key, way: Way, now: u32) {
        let Some(position) = self.find(key, now).or_else(|| self.find_room(key, now)) else { return };
        self.put(position, Tracked::new(*key, now.wrapping_add(OPEN_MILLIS), Progress::Open(way)));
    }

    /// Forgets what has waited for a first fragment that was refused.
    pub(crate) fn refuse(&mut self, key: &Key, now: u32) {
        if let Some(position) = self.find(key, now)
            && self.progress(position) == Progress::Waiting
        {
            self.forget(position);
        }
    }

    /// What to do with `packet`, a fragment that is not its datagram's first. Keeps a copy of one that must wait.
    pub(crate) fn next(&mut self, key: &Key, packet: &[&[u8]], now: u32) -> Result<Next, DropReason> {
        let known = self.find(key, now);
        match known.map(|position| self.progress(position)) {
            Some(Progress::Open(way)) => return Ok(Next::Follow(way)),
            Some(Progress::Waiting | Progress::Free) | None => {}
        }
        self.forget_expired(now);
        let slot = self.held.iter().position(|held| held.datagram == 0).ok_or(DropReason::Fragment)?;
        let position = known.or_else(|| self.find_free(key, now)).ok_or(DropReason::Fragment)?;
        self.check_share(key, now)?;
        self.hold(slot, position, packet)?;
        if known.is_none() {
            let deadline = now.wrapping_add(WAIT_MILLIS);
            self.put(position, Tracked::new(*key, deadline, Progress::Waiting));
        }
        Ok(Next::Held)
    }

    /// Whether any fragment waits.
    pub(crate) fn holds_any(&self) -> bool {
        self.waiting > 0
    }

    /// Moves the fragment that has waited longest, of those whose first has come, to the start of `buffer`: its length,
    /// and its way.
    pub(crate) fn release(&mut self, buffer: &mut [u8], now: u32) -> Option<(usize, Way)> {
        let Self { datagrams, held, waiting, arrivals, .. } = self;
        let way = |held: &Held| {
            let tracked = datagrams.get(usize::from(held.datagram).wrapping_sub(1))?;
            match tracked.progress() {
                Progress::Open(way) if alive(tracked, now) => Some(way),
                Progress::Open(_) | Progress::Waiting | Progress::Free => None,
            }
        };
        let due = held.iter_mut().filter_map(|held| way(held).map(|way| (held, way)));
        let (held, way) = due.max_by_key(|(held, _)| arrivals.wrapping_sub(held.arrival))?;
        held.datagram = 0;
        *waiting = waiting.saturating_sub(1);
        let len = usize::from(held.len);
        buffer.get_mut(..len)?.copy_from_slice(held.bytes.get(..len)?);
        Some((len, way))
    }

    fn hold(&mut self, slot: usize, position: usize, packet: &[&[u8]]) -> Result<(), DropReason> {
        let held = self.held.get_mut(slot).ok_or(DropReason::Fragment)?;
        let mut len = 0_usize;
        for part in packet {
            let room = held.bytes.get_mut(len..).and_then(|room| room.split_at_mut_checked(part.len()));
            room.ok_or(DropReason::Fragment)?.0.copy_from_slice(part);
            len = len.saturating_add(part.len());
        }
        (held.datagram, held.len) = (number(position), len as u16);
        self.waiting = self.waiting.saturating_add(1);
        self.arrivals = self.arrivals.wrapping_add(1);
        held.arrival = self.arrivals;
        Ok(())
    }

    /// Keeps half of the room for waiting fragments from any single source.
    fn check_share(&self, key: &Key, now: u32) -> Result<(), DropReason> {
        let of_source = |held: &&Held| {
            let position = usize::from(held.datagram).wrapping_sub(1);
            self.datagrams.get(position).is_some_and(|tracked| tracked.key.source == key.source && alive(tracked, now))
        };
        let used = self.held.iter().filter(of_source).count();
        if used < self.held.len().div_ceil(2) { Ok(()) } else { Err(DropReason::Fragment) }
    }

    fn find(&self, key: &Key, now: u32) -> Option<usize> {
        self.datagrams.iter().position(|tracked| tracked.key == *key && alive(tracked, now))
    }

    /// A place for a datagram of which nothing has come yet, if its source has not half of them already: a free one, or
    /// the oldest of those that can be spared.
    fn find_free(&mut self, key: &Key, now: u32) -> Option<usize> {
        if self.share_is_used(key, now) {
            return None;
        }
        let spare = |(_, tracked): &(usize, &Tracked)| !is_needed(tracked, now);
        let spare = self.datagrams.iter().enumerate().filter(spare);
        let (position, _) = spare.max_by_key(|(_, tracked)| (!alive(tracked, now), self.age(tracked)))?;
        self.forget(position);
        Some(position)
    }

    /// A place for a first fragment. Where there is none free, the oldest datagram goes: of the same source if that has
    /// its share, else one that waits for its first, else any.
    fn find_room(&mut self, key: &Key, now: u32) -> Option<usize> {
        if let Some(position) = self.find_free(key, now) {
            return Some(position);
        }
        let share_is_used = self.share_is_used(key, now);
        let rank = |tracked: &Tracked| match tracked.progress() {
            _ if share_is_used && tracked.key.source != key.source => 0,
            Progress::Waiting | Progress::Free => 2,
            Progress::Open(_) => 1,
        };
        let oldest = |(_, tracked): &(usize, &Tracked)| (rank(tracked), self.age(tracked));
        let (position, _) = self.datagrams.iter().enumerate().max_by_key(oldest)?;
        self.forget(position);
        Some(position)
    }

    /// How many fragments were noted after the one that brought this here. No more than 2^32 come within its time.
    fn age(&self, tracked: &Tracked) -> u32 {
        self.arrivals.wrapping_sub(tracked.arrival)
    }

    /// Whether half of the datagrams under way are of this source.
    fn share_is_used(&self, key: &Key, now: u32) -> bool {
        let of_source = |tracked: &&Tracked| is_needed(tracked, now) && tracked.key.source == key.source;
        self.datagrams.iter().filter(of_source).count() >= self.datagrams.len().div_ceil(2)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.datagrams.fill_with(|| Tracked::FREE);
        for held in &mut *self.held {
            held.datagram = 0;
        }
        self.waiting = 0;
    }

    /// Forgets datagrams whose time is up, and what waits for them.
    fn forget_expired(&mut self, now: u32) {
        for held in &mut *self.held {
            let tracked = self.datagrams.get(usize::from(held.datagram).wrapping_sub(1));
            if !tracked.is_some_and(|tracked| alive(tracked, now)) {
                held.datagram = 0;
            }
        }
        self.count_waiting();
        for tracked in self.datagrams.iter_mut().filter(|tracked| !alive(tracked, now)) {
            *tracked = Tracked::FREE;
        }
    }

    fn forget(&mut self, position: usize) {
        self.forget_held(number(position));
        if let Some(slot) = self.datagrams.get_mut(position) {
            *slot = Tracked::FREE;
        }
    }

    fn forget_held(&mut self, datagram: u16) {
        for held in self.held.iter_mut().filter(|held| held.datagram == datagram) {
            held.datagram = 0;
        }
        self.count_waiting();
    }

    fn count_waiting(&mut self) {
        self.waiting = self.held.iter().filter(|held| held.datagram != 0).count();
    }

    fn progress(&self, position: usize) -> Progress {
        self.datagrams.get(position).map_or(Progress::Free, Tracked::progress)
    }

    fn put(&mut self, position: usize, tracked: Tracked) {
        self.arrivals = self.arrivals.wrapping_add(1);
        if let Some(slot) = self.datagrams.get_mut(position) {
            *slot = Tracked { arrival: self.arrivals, ..tracked };
        }
    }
}

fn alive(tracked: &Tracked, now: u32) -> bool {
    let left = tracked.deadline.wrapping_sub(now);
    tracked.stage != Stage::Free && left != 0 && left <= OPEN_MILLIS
}

/// Whether more of the datagram must be expected. Once its first has gone ahead for as long as a fragment would wait for
/// it, most likely all of it has come.
fn is_needed(tracked: &Tracked, now: u32) -> bool {
    const SPARE_MILLIS: u32 = OPEN_MILLIS - WAIT_MILLIS;
    let fresh = tracked.deadline.wrapping_sub(now) > SPARE_MILLIS;
    alive(tracked, now) && (fresh || tracked.stage == Stage::Waiting)
}

/// The position of a datagram, from one.
fn number(position: usize) -> u16 {
    u16::try_from(position.saturating_add(1)).unwrap_or(0)
}
