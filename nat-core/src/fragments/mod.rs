//! Fragments without reassembly: the first fragment of a datagram decides the translation, later
//! ones follow its route (RFC 4787 REQ-14).
//!
//! A first fragment has the ports, so it is translated like any packet; what became of its
//! addresses is its datagram's route. Fragments that come before their first are held, and follow
//! it in order of arrival. Everything is bounded, and what strangers can cause makes room for what
//! belongs to sessions: see `Routes::place` and `HeldFragments::place`.
//!
//! # When an identification comes again
//!
//! Senders repeat identifications, some send all datagrams with zero (RFC 6864). So a first
//! fragment is always judged by itself. If it is let through, later fragments follow its route from
//! then on, and those that are held for the key are let go by it, but for such as lie over it.
//! Toward the outside it has a fresh identification, unless it is a copy of the first fragment
//! before. If it is refused it changes nothing: a route stays, and what is held goes on waiting, at
//! most for its 2 s; for who forges a first fragment must not take the place of the genuine one.
//!
//! What cannot be told apart, here or by a receiver, is an early fragment of the next datagram: it
//! follows the route of the one before if that is still open. Two rules keep remains away from
//! later datagrams where it can be told: later fragments that come right behind a first that was
//! refused are not held, and of held ones that overlap the newest counts.

mod held;
mod routes;

pub(crate) use held::Extent;
use held::{Held, HeldFragments};
pub(crate) use routes::{Egress, First, FragmentRoute, Key, Stage};
use routes::{Routes, Tracked, is_ahead};

use crate::DropReason;

/// The largest fragment that can be held until its first comes, in bytes.
pub const MAX_HELD_LEN: usize = 1500;

/// Memory for fragments: `DATAGRAMS` datagrams under way at once, and `HELD` fragments that wait
/// for their first.
///
/// One source may use all of it while nobody else needs it; where it is full, who has more than
/// half makes room. A datagram whose fragments all come before its first needs a place for each of
/// them.
///
/// All zeros when new. A datagram takes 36 bytes, a held fragment 1524. Hand it to
/// [`Nat::with_fragments`](crate::Nat::with_fragments).
pub struct Fragments<const DATAGRAMS: usize, const HELD: usize> {
    datagrams: [Tracked; DATAGRAMS],
    held: [Held; HELD],
}

impl<const DATAGRAMS: usize, const HELD: usize> Fragments<DATAGRAMS, HELD> {
    /// Empty memory.
    #[expect(
        clippy::new_without_default,
        reason = "a default would be built on the stack, where it may not fit"
    )]
    pub const fn new() -> Self {
        const {
            assert!(
                DATAGRAMS < u16::MAX as usize,
                "DATAGRAMS must be below 65,535"
            );
        };
        Self {
            datagrams: [const { Tracked::FREE }; DATAGRAMS],
            held: [const { Held::FREE }; HELD],
        }
    }
}

/// What to do with a fragment that is not its datagram's first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LaterFragment {
    Follow(FragmentRoute),
    Held,
}

/// How long the others may follow a first fragment, in milliseconds, where there is room.
const OPEN_MILLIS: u32 = 15_000;

/// How long a fragment waits for its first, in milliseconds. RFC 6146 section 4 FRAGMENT_MIN: at
/// least 2 s.
const WAIT_MILLIS: u32 = 2_000;

pub(crate) struct FragmentTable<'t> {
    routes: Routes<'t>,
    held: HeldFragments<'t>,
    /// The last first fragment that was refused while its key was unknown, and until when its
    /// followers are not held.
    refused: Option<(Key, u32)>,
    /// When [`Self::advance`] was called last.
    advanced: u32,
}

impl<'t> FragmentTable<'t> {
    /// A table without memory: every fragment is refused.
    pub(crate) fn none() -> Self {
        Self {
            routes: Routes::new(&mut []),
            held: HeldFragments::new(&mut []),
            refused: None,
            advanced: 0,
        }
    }

    /// Empties `memory`.
    pub(crate) fn new<const DATAGRAMS: usize, const HELD: usize>(
        memory: &'t mut Fragments<DATAGRAMS, HELD>,
    ) -> Self {
        let Fragments { datagrams, held } = memory;
        let (routes, held) = (Routes::new(datagrams), HeldFragments::new(held));
        let mut table = Self {
            routes,
            held,
            refused: None,
            advanced: 0,
        };
        table.clear();
        table
    }

    /// Forgets what was alive `elapsed` milliseconds ago and is not any more, at least every 2^31
    /// ms, so that nothing comes to life again when the clock has gone round. To be called when
    /// the clock has gone on to `now`, every few seconds and whenever it has jumped.
    pub(crate) fn advance(&mut self, elapsed: u64, now: u32) {
        const HALF: u32 = 1 << 31;
        if elapsed >= u64::from(OPEN_MILLIS) {
            self.clear();
        } else if (now ^ self.advanced) & HALF != 0 {
            self.forget_expired(now);
        }
        self.advanced = now;
    }

    /// Whether fragments are let through at all.
    pub(crate) fn check_memory(&self) -> Result<(), DropReason> {
        if self.routes.is_without_memory() {
            Err(DropReason::Fragment)
        } else {
            Ok(())
        }
    }

    /// The identification that the others of its datagram have left with, if `first` came before
    /// with the same start: a copy joins them, and nothing else does.
    pub(crate) fn id_of_copy(&self, key: &Key, first: &First, now: u32) -> Option<u16> {
        self.routes
            .find(key, now)
            .and_then(|position| self.routes.id_of_copy(position, first))
    }

    /// Notes the route of a first fragment that was let through, and lets go what has waited for
    /// it.
    pub(crate) fn open(&mut self, key: &Key, first: &First, now: u32) {
        if self.refused.is_some_and(|(refused, _)| refused == *key) {
            self.refused = None;
        }
        let known = self.routes.find(key, now);
        let Some(position) = known.or_else(|| self.routes.place_open(key, first, now)) else {
            return;
        };
        if known.is_none() {
            self.free(position);
        }
        self.held.let_go(number(position), first, now);
        self.routes.open(position, key, first, now);
    }

    /// A first fragment was refused: what is known of its key stays. Where nothing is, what follows
    /// it is not worth holding.
    pub(crate) fn refuse(&mut self, key: &Key, now: u32) {
        if self.routes.find(key, now).is_none() {
            self.refused = Some((*key, now.wrapping_add(WAIT_MILLIS)));
        }
    }

    /// What to do with `packet`, a fragment that is not its datagram's first. Keeps a copy of one
    /// that must wait.
    pub(crate) fn process_later(
        &mut self,
        key: &Key,
        extent: Extent,
        packet: &[&[u8]],
        now: u32,
    ) -> Result<LaterFragment, DropReason> {
        let known = self.routes.find(key, now);
        if let Some(route) = known.and_then(|position| self.routes.route(position)) {
            return Ok(LaterFragment::Follow(route));
        }
        let len = packet
            .iter()
            .fold(0, |len: usize, part| len.saturating_add(part.len()));
        if len > MAX_HELD_LEN || known.is_none() && self.was_refused(key, now) {
            return Err(DropReason::Fragment);
        }
        self.forget_expired(now);
        if let Some(position) = known {
            self.held.supersede(number(position), extent, packet);
        }
        let slot = self.held.entry(key.source).ok_or(DropReason::Fragment)?;
        let position = known
            .or_else(|| self.routes.place_waiting(key, now))
            .ok_or(DropReason::Fragment)?;
        if known.is_none() {
            self.free(position);
        }
        self.give_up(slot);
        self.held.hold(slot, number(position), packet, now);
        self.routes.wait(position, key, now);
        Ok(LaterFragment::Held)
    }

    /// Whether any fragment is held.
    pub(crate) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// Moves the fragment that has waited longest, of those whose first was let through, to the
    /// start of `buffer`: its length, and its route.
    pub(crate) fn release(
        &mut self,
        buffer: &mut [u8],
        now: u32,
    ) -> Option<(usize, FragmentRoute)> {
        self.held.release(buffer, now)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.routes.clear();
        self.held.clear();
        self.refused = None;
    }

    /// Forgets datagrams and held fragments whose time is up.
    fn forget_expired(&mut self, now: u32) {
        self.held.forget_expired(now);
        self.routes.forget_expired(now);
        self.refused = self
            .refused
            .filter(|(_, until)| is_ahead(*until, now, WAIT_MILLIS));
    }

    fn was_refused(&self, key: &Key, now: u32) -> bool {
        self.refused
            .is_some_and(|(refused, until)| refused == *key && is_ahead(until, now, WAIT_MILLIS))
    }

    /// Frees the place of a datagram, and those of what waits for it.
    fn free(&mut self, position: usize) {
        self.held.forget(number(position));
        self.routes.free(position);
    }

    /// Frees a place for a held fragment, and that of its datagram if nothing else waits for it.
    fn give_up(&mut self, slot: usize) {
        let Some(datagram) = self.held.datagram_at(slot) else {
            return;
        };
        self.held.free_slot(slot);
        if !self.held.has_any_of(datagram) {
            self.routes.free(usize::from(datagram).saturating_sub(1));
        }
    }
}

/// The number of a datagram's place, from one.
fn number(position: usize) -> u16 {
    u16::try_from(position.saturating_add(1)).unwrap_or(0)
}
