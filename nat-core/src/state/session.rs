//! Sessions: a mapping and a remote endpoint that talks through it.

mod permission;

use core::marker::PhantomData;

use crate::Side;
use crate::session_info::SessionState;
use crate::table::{Aging, Chain, Expiry, Slot, SlotIndex, Width};

use super::tcp::{EarlyFins, Tcp};
use super::timeout_class::DNS;
use super::{Endpoint, Proto, Segment, Sequences};

pub(crate) use permission::{Permission, PermissionMut};

/// A slot of the session table: a session, or an address permission (see [`Permission`]).
#[cfg_attr(feature = "audit", derive(Clone, Hash))]
pub(crate) struct Session<W> {
    pub(crate) remote_address: u32,
    /// Of a session, when it expires, in milliseconds of the clock modulo 2^32. Of a permission,
    /// how many sessions refer to it.
    deadline_or_references: u32,
    /// Of a TCP session, its sequence numbers. Of any other, what [`Exchange`] needs.
    sequences: Sequences,
    /// The state of the token bucket for the ICMP errors that the router sends outside about this
    /// session, see [`ReplyLimit`](crate::policy::ReplyLimit).
    pub(crate) errors: u32,
    pub(crate) mapping: SlotIndex<W>,
    pub(crate) remote_port: u16,
    by_remote: SlotIndex<W>,
    /// The neighbours in the expiry list of its timeout class.
    neighbours: [SlotIndex<W>; 2],
    /// The neighbours in the eviction list of its host and rank.
    in_rank: [SlotIndex<W>; 2],
    pub(crate) state: SessionState,
    /// Which kind of slot this is, and whether a session [`PERMITS`]. Also, of a TCP session, its
    /// early FINs; of any other session, its [`Exchange`].
    flags: u8,
}

const EARLY_FINS: u8 = 0x03;
const ASKED: u8 = 0x04;
const ANSWERED: u8 = 0x08;
/// Marks a session that holds a reference to the permission of its remote address. Never changes.
const PERMITS: u8 = 0x10;
/// Marks a permission, which has no other flag.
const PERMISSION: u8 = 0x80;

/// The progress of a session without TCP.
///
/// Most UDP and ICMP sessions are one question and its answer. Such a session may be evicted once
/// it was answered; any other is treated like an established connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Exchange {
    /// The inside has sent one question, perhaps repeated it, and waits for the answer.
    Asked = ASKED,
    /// The question was answered, and the inside has sent nothing since.
    Answered = ANSWERED,
    /// The session is more than one question and its answer.
    Continuing = 0,
}

/// What a packet has left to do in the tables after it was applied to its session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    None,
    /// The deadline has changed: the session belongs at the end of its expiry list.
    Restarted,
    /// The inside has sent a question that changes the exchange.
    Asked,
    /// The outside has answered the question.
    Answered,
}

impl<W: Width> Session<W> {
    pub(crate) fn new(mapping: SlotIndex<W>, remote: Endpoint, begin: &Tcp) -> Self {
        let mut session = Self {
            mapping,
            remote_address: remote.address,
            remote_port: remote.port,
            ..Self::FREE
        };
        session.set_tcp(begin);
        // After `set_tcp`, which sets the same flags. A session without TCP begins with a question.
        if begin.state == SessionState::Active {
            session.set_exchange(Exchange::Asked);
        }
        session
    }

    /// The slot of a [`Permission`], which is indexed under `remote`.
    fn permission(mapping: SlotIndex<W>, remote: Endpoint, references: u32) -> Self {
        Self {
            mapping,
            remote_address: remote.address,
            remote_port: remote.port,
            deadline_or_references: references,
            flags: PERMISSION,
            ..Self::FREE
        }
    }

    /// Whether this slot is a [`Permission`] instead of a session.
    #[inline(always)]
    pub(crate) fn is_permission(&self) -> bool {
        self.flags == PERMISSION
    }

    /// When the session expires, in milliseconds of the clock modulo 2^32. The slot must
    /// not be a permission, which has no deadline.
    #[inline(always)]
    pub(crate) fn deadline(&self) -> u32 {
        self.deadline_or_references
    }

    #[inline(always)]
    pub(crate) fn set_deadline(&mut self, deadline: u32) {
        self.deadline_or_references = deadline;
    }

    /// The time until the session expires, in milliseconds; `None` if it has expired at `now`.
    #[inline(always)]
    pub(crate) fn remaining(&self, now: u32) -> Option<u32> {
        let left = self.deadline().wrapping_sub(now);
        // Deadlines are less than 2^31 ms ahead, so a larger distance is a deadline in the past.
        (left != 0 && left <= i32::MAX as u32).then_some(left)
    }

    /// The TCP state and what belongs to it. Without TCP: [`SessionState::Active`], and when the
    /// inside last sent.
    pub(crate) fn tcp(&self) -> Tcp {
        let early_fins = EarlyFins::from_bits(self.flags & EARLY_FINS);
        Tcp {
            state: self.state,
            sequences: self.sequences,
            early_fins,
        }
    }

    pub(crate) fn set_tcp(&mut self, tcp: &Tcp) {
        let Tcp {
            state,
            sequences,
            early_fins,
        } = *tcp;
        (self.state, self.sequences) = (state, sequences);
        self.set_progress(early_fins.bits());
    }

    /// Of a session without TCP: when the inside last sent, in milliseconds of the clock modulo
    /// 2^32.
    pub(crate) fn when_last_sent(&self) -> u32 {
        self.sequences.when_last_sent()
    }

    pub(crate) fn set_last_sent(&mut self, now: u32) {
        self.sequences.set_last_sent(now);
    }

    /// Of a session without TCP: whether its exchange changes when the inside sends `question`.
    #[inline(always)]
    pub(crate) fn question_changes_exchange(&self, question: u32) -> bool {
        let repeated = self.sequences.question() == question && question != 0;
        self.flags & (ASKED | ANSWERED) != 0 && (self.flags & ANSWERED != 0 || !repeated)
    }

    /// Of a session without TCP: whether its question waits for an answer.
    #[inline(always)]
    pub(crate) fn awaits_answer(&self) -> bool {
        self.flags & ASKED != 0
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.flags & ANSWERED != 0
    }

    pub(crate) fn set_exchange(&mut self, exchange: Exchange) {
        // Without TCP there are no early FINs.
        self.set_progress(exchange as u8);
    }

    /// Replaces the flags of the protocol.
    fn set_progress(&mut self, flags: u8) {
        self.flags = self.flags & PERMITS | flags;
    }

    /// Notes that the session holds a reference to the permission of its remote address, until it
    /// ends.
    pub(super) fn hold_permission(&mut self) {
        self.flags |= PERMITS;
    }

    pub(super) fn holds_permission(&self) -> bool {
        self.flags & PERMITS != 0
    }

    /// Moves the exchange on after the inside has sent again. Each query to a DNS server, and each
    /// ICMP query, is an exchange of its own.
    pub(crate) fn ask_again(&mut self, proto: Proto, question: u32) {
        let independent = proto == Proto::Icmp || self.remote_port == DNS;
        let repeated = question == self.sequences.question() && question != 0;
        self.set_exchange(if independent || repeated {
            Exchange::Asked
        } else {
            Exchange::Continuing
        });
        self.sequences.set_question(question);
    }

    /// Whether this is the session of `mapping` with `remote`.
    #[inline(always)]
    pub(super) fn is_of(&self, mapping: SlotIndex<W>, remote: Endpoint) -> bool {
        self.remote_address == remote.address
            && self.mapping == mapping
            && self.remote_port == remote.port
            && !self.is_permission()
    }

    /// Of a session without TCP: whether a packet from outside restarts its timer. Packets from
    /// outside alone keep no session alive (RFC 4787 REQ-6).
    #[inline(always)]
    pub(crate) fn is_refreshed_from_outside(&self, now: u32, lifetime: u32) -> bool {
        // Packets from outside prolong the session to at most twice its lifetime after that, which
        // is below 2^31 ms. So the difference of a live session does not wrap.
        now.wrapping_sub(self.when_last_sent()) < lifetime
    }

    /// Applies a UDP datagram to a live session of this `lifetime`. `None` if it has expired.
    #[inline(always)]
    pub(super) fn apply_datagram(
        &mut self,
        (from, question): (Side, u32),
        now: u32,
        lifetime: u32,
    ) -> Option<Progress> {
        // Before any change: the slow path ends an expired session.
        self.remaining(now)?;
        match from {
            Side::Inside => {
                self.set_last_sent(now);
                if self.question_changes_exchange(question) {
                    return Some(Progress::Asked);
                }
            }
            Side::Outside => {
                if !self.is_refreshed_from_outside(now, lifetime) {
                    return Some(Progress::None);
                }
                if self.awaits_answer() {
                    return Some(Progress::Answered);
                }
            }
        }
        Some(self.restart_timer(now, lifetime))
    }

    /// Applies a segment without SYN, FIN or RST to a live TCP session of this `lifetime`. `None` if
    /// it has expired, or if the segment may change its state: then nothing has changed.
    ///
    /// In an established session without early FINs, [`Tcp::step`] finds only this for such a
    /// segment: its numbers are recorded if they fit, and the timer restarts if they do or if the
    /// inside has sent it.
    #[inline(always)]
    pub(super) fn apply_segment(
        &mut self,
        (from, segment): (Side, &Segment),
        now: u32,
        lifetime: u32,
    ) -> Option<Progress> {
        self.remaining(now)?;
        // With an early FIN, a mere acknowledgment may change the state.
        if self.state != SessionState::Established || self.flags & EARLY_FINS != 0 {
            return None;
        }
        if self.sequences.fits(from, segment) {
            self.sequences.advance(from, segment);
        } else if from == Side::Outside {
            return Some(Progress::None);
        }
        Some(self.restart_timer(now, lifetime))
    }

    #[inline(always)]
    fn restart_timer(&mut self, now: u32, lifetime: u32) -> Progress {
        let deadline = now.wrapping_add(lifetime);
        // Of several packets in one millisecond, only the first moves the session in its list.
        if deadline == self.deadline() {
            return Progress::None;
        }
        self.set_deadline(deadline);
        Progress::Restarted
    }

    /// The next younger session in the eviction list of its host and rank.
    pub(crate) fn later_in_rank(&self) -> SlotIndex<W> {
        let [_, later] = self.in_rank;
        later
    }

    pub(crate) fn remote(&self) -> Endpoint {
        Endpoint {
            address: self.remote_address,
            port: self.remote_port,
        }
    }
}

impl<W: Width> Slot for Session<W> {
    type Width = W;

    const FREE: Self = Self {
        remote_address: 0,
        deadline_or_references: 0,
        sequences: Sequences::NONE,
        errors: 0,
        mapping: SlotIndex::NONE,
        remote_port: 0,
        by_remote: SlotIndex::NONE,
        neighbours: [SlotIndex::NONE; 2],
        in_rank: [SlotIndex::NONE; 2],
        state: SessionState::Active,
        flags: 0,
    };

    fn is_free(&self) -> bool {
        self.mapping.is_none()
    }

    fn spare_link(&mut self) -> &mut SlotIndex<W> {
        &mut self.by_remote
    }
}

impl<W: Width> Aging<Expiry> for Session<W> {
    fn neighbours(&mut self) -> &mut [SlotIndex<W>; 2] {
        &mut self.neighbours
    }

    #[cfg(feature = "audit")]
    fn both_neighbours(&self) -> [SlotIndex<W>; 2] {
        self.neighbours
    }
}

impl<W: Width> Aging<ByRank> for Session<W> {
    fn neighbours(&mut self) -> &mut [SlotIndex<W>; 2] {
        &mut self.in_rank
    }

    #[cfg(feature = "audit")]
    fn both_neighbours(&self) -> [SlotIndex<W>; 2] {
        self.in_rank
    }
}

/// The order of eviction lists: by the time at which a session got its rank.
#[derive(Clone, Copy, Hash)]
pub(crate) enum ByRank {}

/// The index of sessions and permissions by mapping and remote endpoint.
pub(crate) struct ByRemote<W>(PhantomData<W>);

impl<W: Width> Chain for ByRemote<W> {
    type Slot = Session<W>;

    fn next(slot: &Session<W>) -> SlotIndex<W> {
        slot.by_remote
    }

    fn set_next(slot: &mut Session<W>, next: SlotIndex<W>) {
        slot.by_remote = next;
    }
}
