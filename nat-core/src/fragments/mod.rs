//! Fragments without reassembly: the first fragment of a datagram decides the translation; later
//! fragments reuse it (RFC 4787 REQ-14).
//!
//! A first fragment has the ports, so it is translated like any packet. The addresses that it gets
//! are the *route* of its datagram. Fragments that arrive before their first are *held*, and leave
//! after it in the order in which they arrived. All memory is bounded, and fragments that strangers
//! can send give up their memory to those that belong to sessions: see `slot_choice` and
//! `HeldFragments::slot_for`.
//!
//! # Repeated identifications
//!
//! Senders reuse identifications, and some send all datagrams with zero (RFC 6864). So each first
//! fragment is processed by itself, even if its key has a route already:
//!
//! - If it is accepted, later fragments follow its route from then on. Fragments held for the key
//!   leave after it, except those that overlap it. Toward the outside it gets a fresh
//!   identification, unless it is a copy of the previous first fragment.
//! - If it is refused, nothing changes: an existing route stays, and held fragments keep waiting, at
//!   most for their 2 s. Otherwise a forged first fragment could displace the genuine one.
//!
//! An early fragment of the next datagram cannot be distinguished from a late one of the previous
//! datagram, here or by a receiver. It follows the route of the previous datagram if that still is
//! open. Two rules keep leftovers of one datagram out of the next where they can be recognized:
//! later fragments that arrive right after a refused first fragment are not held, and of held
//! fragments that overlap, the newest is kept.

#[cfg(feature = "audit")]
mod canonical;
mod datagrams;
mod held;
mod route;
mod slot_choice;

use datagrams::{DatagramSlot, Datagrams};
use held::{Held, HeldFragments};
pub(crate) use route::{Egress, Extent, First, FragmentRoute, Key, Stage};

use crate::DropReason;
use crate::features::FRAGMENTS;

/// The largest fragment that can be held until its first fragment arrives, in bytes.
pub const MAX_HELD_LEN: usize = 1500;

/// Memory for fragments: `DATAGRAMS` datagrams of which fragments are under way, and `HELD`
/// fragments that wait for their first fragment.
///
/// One source may use all of it while no other source needs it. When it is full, a source that has
/// more than half of it gives up some for another source. A datagram whose fragments all arrive
/// before its first needs a held slot for each of them.
///
/// New memory is all zeros. A datagram takes 36 bytes, a held fragment 1524. Pass it to
/// [`Nat::with_fragments`](crate::Nat::with_fragments).
pub struct Fragments<const DATAGRAMS: usize, const HELD: usize> {
    datagrams: [DatagramSlot; DATAGRAMS],
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
            datagrams: [const { DatagramSlot::FREE }; DATAGRAMS],
            held: [const { Held::FREE }; HELD],
        }
    }
}

/// What to do with a fragment that is not the first of its datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LaterFragment {
    /// Translate it as its first fragment was.
    Follow(FragmentRoute),
    /// Nothing more: a copy waits for its first fragment.
    Held,
}

/// For how long later fragments may follow a first fragment, in milliseconds, unless the slot is
/// needed for another datagram.
const OPEN_MILLIS: u32 = 15_000;

/// For how long a fragment waits for its first, in milliseconds. RFC 6146 section 4 FRAGMENT_MIN:
/// at least 2 s.
const WAIT_MILLIS: u32 = 2_000;

pub(crate) struct FragmentTable<'t> {
    datagrams: Datagrams<'t>,
    held: HeldFragments<'t>,
    /// The last first fragment that was refused while its key was unknown, and until when later
    /// fragments with this key are not held.
    refused: Option<(Key, u32)>,
    /// When [`Self::advance`] was last called.
    advanced: u32,
}

impl<'t> FragmentTable<'t> {
    /// A table without memory, which refuses every fragment.
    pub(crate) fn none() -> Self {
        Self {
            datagrams: Datagrams::new(&mut []),
            held: HeldFragments::new(&mut []),
            refused: None,
            advanced: 0,
        }
    }

    /// An empty table in `memory`, whose former content is lost.
    pub(crate) fn new<const DATAGRAMS: usize, const HELD: usize>(
        memory: &'t mut Fragments<DATAGRAMS, HELD>,
    ) -> Self {
        let Fragments { datagrams, held } = memory;
        let (datagrams, held) = (Datagrams::new(datagrams), HeldFragments::new(held));
        let mut table = Self {
            datagrams,
            held,
            refused: None,
            advanced: 0,
        };
        table.clear();
        table
    }

    /// Forgets what has expired, at least every 2^31 ms, so that nothing seems alive again when the
    /// 32-bit clock has wrapped. To be called when the clock has advanced by `elapsed` milliseconds
    /// to `now`, every few seconds and whenever it has jumped.
    pub(crate) fn advance(&mut self, elapsed: u64, now: u32) {
        if !FRAGMENTS {
            return;
        }
        const HIGHEST_BIT: u32 = 1 << 31;
        // No deadline is farther ahead than `OPEN_MILLIS`, so after that time nothing is alive.
        if elapsed >= u64::from(OPEN_MILLIS) {
            self.clear();
        } else if (now ^ self.advanced) & HIGHEST_BIT != 0 {
            self.forget_expired(now);
        }
        self.advanced = now;
    }

    /// Checks that there is memory for fragments at all.
    pub(crate) fn check_memory(&self) -> Result<(), DropReason> {
        if !FRAGMENTS || self.datagrams.is_without_memory() {
            Err(DropReason::Fragment)
        } else {
            Ok(())
        }
    }

    /// The translated identification of the datagram with `key`, if `first` is a copy of its first
    /// fragment. A copy gets the identification of the original, so that a receiver can combine it
    /// with the other fragments; any other first fragment gets a new one.
    pub(crate) fn id_of_copy(&self, key: &Key, first: &First, now: u32) -> Option<u16> {
        self.datagrams
            .find(key, now)
            .and_then(|position| self.datagrams.id_of_copy(position, first))
    }

    /// Records the route of a first fragment that was accepted, and makes the fragments ready that
    /// wait for it.
    pub(crate) fn open(&mut self, key: &Key, first: &First, now: u32) {
        // This one was accepted, as when a session has begun since.
        if self.refused.is_some_and(|(refused, _)| refused == *key) {
            self.refused = None;
        }
        let known = self.datagrams.find(key, now);
        let Some(position) = known.or_else(|| self.datagrams.slot_for_route(key, first, now))
        else {
            return;
        };
        // The slot may be that of another datagram, whose fragments then wait in vain.
        if known.is_none() {
            self.free(position);
        }
        self.held.make_ready(number(position), first, now);
        self.datagrams.open(position, key, first, now);
    }

    /// Records that a first fragment was refused. What is known of its key stays. If nothing is
    /// known, later fragments with this key are not held for a while.
    pub(crate) fn refuse(&mut self, key: &Key, now: u32) {
        if self.datagrams.find(key, now).is_none() {
            self.refused = Some((*key, now.wrapping_add(WAIT_MILLIS)));
        }
    }

    /// What to do with `packet`, a fragment that is not the first of its datagram. Stores a copy if
    /// it has to wait.
    pub(crate) fn process_later(
        &mut self,
        key: &Key,
        extent: Extent,
        packet: &[&[u8]],
        now: u32,
    ) -> Result<LaterFragment, DropReason> {
        if !FRAGMENTS {
            return Err(DropReason::Fragment);
        }
        let known = self.datagrams.find(key, now);
        if let Some(route) = known.and_then(|position| self.datagrams.route(position)) {
            return Ok(LaterFragment::Follow(route));
        }
        // Later fragments of a datagram whose first fragment was just refused are not worth
        // holding.
        let is_leftover = known.is_none() && self.was_refused(key, now);
        if length(packet) > MAX_HELD_LEN || is_leftover {
            return Err(DropReason::Fragment);
        }
        self.hold((key, known), extent, packet, now)?;
        Ok(LaterFragment::Held)
    }

    /// Stores a copy of `packet`, which waits for the first fragment of its datagram. `known` is the
    /// slot of the datagram if it has one.
    fn hold(
        &mut self,
        (key, known): (&Key, Option<usize>),
        extent: Extent,
        packet: &[&[u8]],
        now: u32,
    ) -> Result<(), DropReason> {
        // First, so that none is refused for lack of a slot that an expired one has.
        self.forget_expired(now);
        if let Some(position) = known {
            self.held.supersede(number(position), extent, packet);
        }
        // Both slots are found before either is taken: if one is lacking, the other stays as it is.
        let slot = self.held.slot_for(key.source).ok_or(DropReason::Fragment)?;
        let position = known
            .or_else(|| self.datagrams.slot_for_waiting(key, now))
            .ok_or(DropReason::Fragment)?;
        if known.is_none() {
            self.free(position);
        }
        self.free_held(slot);
        self.held.store(slot, number(position), packet, now);
        self.datagrams.wait(position, key, now);
        Ok(())
    }

    /// Whether any fragment is held.
    pub(crate) fn holds_any(&self) -> bool {
        FRAGMENTS && !self.held.is_empty()
    }

    /// Moves the oldest held fragment whose first was accepted to the start of `buffer`. Returns
    /// its length and its route.
    pub(crate) fn release(
        &mut self,
        buffer: &mut [u8],
        now: u32,
    ) -> Option<(usize, FragmentRoute)> {
        self.held.release(buffer, now)
    }

    /// Forgets all datagrams and held fragments.
    pub(crate) fn clear(&mut self) {
        if !FRAGMENTS {
            return;
        }
        self.datagrams.clear();
        self.held.clear();
        self.refused = None;
    }

    /// Forgets datagrams and held fragments whose time is over.
    fn forget_expired(&mut self, now: u32) {
        self.held.forget_expired(now);
        self.datagrams.forget_expired(now);
        self.refused = self
            .refused
            .filter(|(_, until)| is_in_future(*until, now, WAIT_MILLIS));
    }

    fn was_refused(&self, key: &Key, now: u32) -> bool {
        self.refused.is_some_and(|(refused, until)| {
            refused == *key && is_in_future(until, now, WAIT_MILLIS)
        })
    }

    /// Frees the slot of a datagram, and the slots of the fragments that wait for it.
    fn free(&mut self, position: usize) {
        self.held.forget(number(position));
        self.datagrams.free(position);
    }

    /// Frees the slot of a waiting fragment, and the slot of its datagram if no other fragment waits
    /// for that.
    fn free_held(&mut self, slot: usize) {
        let Some(datagram) = self.held.datagram_at(slot) else {
            return;
        };
        self.held.free_slot(slot);
        if !self.held.has_any_of(datagram) {
            self.datagrams.free(usize::from(datagram).saturating_sub(1));
        }
    }
}

/// The number of a datagram's slot, from 1.
fn number(position: usize) -> u16 {
    u16::try_from(position.saturating_add(1)).unwrap_or(0)
}

/// The length of a packet in parts.
fn length(packet: &[&[u8]]) -> usize {
    packet
        .iter()
        .fold(0, |len: usize, part| len.saturating_add(part.len()))
}

/// Whether `deadline`, which was set at most `longest` ahead, is still in the future.
fn is_in_future(deadline: u32, now: u32, longest: u32) -> bool {
    // The clock wraps. The distance to a time in the past is nearly 2^32, far above `longest`.
    (1..=longest).contains(&deadline.wrapping_sub(now))
}
