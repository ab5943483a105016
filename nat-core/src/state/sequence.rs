//! Which TCP segments are genuine, as far as a NAT can tell (RFC 5961, RFC 9293 section 3.4).
//!
//! An off-path attacker knows the endpoints but not the sequence numbers. So a RST or FIN counts
//! only if its sequence number is exactly the expected one. A segment updates the recorded numbers
//! only if it fits in both directions: it continues what its sender has sent, and it acknowledges
//! something close to what the other side has sent.

use crate::Side;
use crate::segment::Segment;

/// What is known of one sender.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Sender {
    /// The sequence number after what it has sent without a gap.
    next: u32,
    /// The highest acknowledgment number it has sent. As long as the other side has sent nothing,
    /// its own initial sequence number.
    acknowledged: u32,
}

/// What is known of both senders of a TCP session. Sessions without TCP use the same bytes for the
/// time at which the inside last sent, and its last question.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Sequences {
    inside: Sender,
    outside: Sender,
}

/// How far both numbers of a segment may be from the recorded ones, in bytes: 1/256 of the sequence
/// space. A blind forgery is within it once in 2^15 attempts.
const NEAR: u32 = 1 << 24;

/// How far one of the numbers may be from the recorded one if the other is exact, in bytes: the
/// largest window (RFC 7323 section 2.3). A blind forgery succeeds about as rarely as one of a RST
/// with the exact number.
const WINDOW: u32 = 1 << 30;

impl Sequences {
    pub(crate) const NONE: Self = Self {
        inside: Sender {
            next: 0,
            acknowledged: 0,
        },
        outside: Sender {
            next: 0,
            acknowledged: 0,
        },
    };

    /// After a SYN from inside that opens a session.
    pub(crate) fn from_syn(segment: &Segment) -> Self {
        Self::from_inside(segment.end(), segment.sequence)
    }

    /// Nothing is known of the outside yet. As its acknowledgment, the initial number of the inside
    /// is recorded.
    fn from_inside(next: u32, initial: u32) -> Self {
        Self {
            inside: Sender {
                next,
                acknowledged: 0,
            },
            outside: Sender {
                next: 0,
                acknowledged: initial,
            },
        }
    }

    /// After a SYN-ACK from inside. The SYN from outside that it answers was not recorded.
    pub(crate) fn from_syn_ack(segment: &Segment) -> Self {
        // A SYN-ACK has the ACK flag, so the number is there.
        let acknowledged = segment.acknowledgment.unwrap_or(0);
        let inside = Sender {
            next: segment.end(),
            acknowledged,
        };
        let outside = Sender {
            next: acknowledged,
            // The initial number: nothing that the inside has sent is acknowledged yet.
            acknowledged: segment.sequence,
        };
        Self { inside, outside }
    }

    /// Records the outside's SYN or SYN-ACK to a SYN from inside.
    pub(crate) fn learn_outside(&mut self, segment: &Segment) {
        self.outside.next = segment.end();
        if let Some(acknowledgment) = segment.acknowledgment {
            self.outside.acknowledged = acknowledgment;
        }
        self.inside.acknowledged = segment.sequence;
    }

    /// Whether a SYN or SYN-ACK from inside is a retransmission of the one that opened the session,
    /// which the outside has not acknowledged yet. Then it has the same initial number, though
    /// perhaps other data (RFC 7413 section 4.2.1).
    pub(crate) fn is_same_syn(&self, segment: &Segment) -> bool {
        // `from_inside` has put the initial number of the inside there.
        segment.sequence == self.outside.acknowledged
    }

    /// Records a retransmitted SYN or SYN-ACK. Data of an earlier transmission may still be
    /// acknowledged, so the end of the sent data never moves back.
    pub(crate) fn repeat_syn(&mut self, segment: &Segment) {
        self.inside.next = later(self.inside.next, segment.end());
        // A SYN-ACK shows which SYN of the outside it answers. That may be another one than before,
        // with more or less data.
        let other = |ack: &u32| self.knows_outside() && self.outside.next.wrapping_sub(*ack) > NEAR;
        if let Some(acknowledgment) = segment.acknowledgment.filter(other) {
            self.inside.acknowledged = acknowledgment;
            self.outside.next = acknowledgment;
        }
    }

    /// Whether the outside has sent a SYN, and a segment continues exactly after it.
    pub(crate) fn follows_outside_syn(&self, segment: &Segment) -> bool {
        self.knows_outside() && segment.sequence == self.outside.next
    }

    fn knows_outside(&self) -> bool {
        *self != Self::from_inside(self.inside.next, self.outside.acknowledged)
    }

    /// Whether a segment from outside acknowledges the inside's SYN, which was not acknowledged
    /// before.
    pub(crate) fn acknowledges_syn(&self, segment: &Segment) -> bool {
        self.acknowledges_up_to(self.inside.next, segment)
    }

    /// Whether a segment from outside acknowledges the inside's SYN-ACK, or the FIN after it if
    /// there was one.
    pub(crate) fn acknowledges_syn_ack(&self, with_fin: bool, segment: &Segment) -> bool {
        self.acknowledges_up_to(self.inside.next.wrapping_add(u32::from(with_fin)), segment)
    }

    fn acknowledges_up_to(&self, end: u32, segment: &Segment) -> bool {
        let initial = self.outside.acknowledged;
        // After the initial number and up to the end of what was sent (RFC 9293 section 3.4).
        // Both are distances from the initial number, so it does not matter where numbers wrap.
        let beyond = |acknowledgment: u32| acknowledgment.wrapping_sub(initial);
        segment
            .acknowledgment
            .is_some_and(|ack| 0 < beyond(ack) && beyond(ack) <= beyond(end))
    }

    /// Whether a RST from inside is at the end of what the inside has sent, none of which was
    /// acknowledged. A RST at the initial number is none of this connection: it answers an
    /// acknowledgment of something else (RFC 9293 section 3.10.7.3).
    pub(crate) fn is_at_end(&self, segment: &Segment) -> bool {
        segment.sequence == self.inside.next
    }

    /// Whether a RST is exactly at the next sequence number that its receiver expects, or that its
    /// sender would send (RFC 5961 section 3.2).
    pub(crate) fn is_exact_reset(&self, from: Side, segment: &Segment) -> bool {
        let (sender, receiver) = self.pair(from);
        segment.sequence == receiver.acknowledged || segment.sequence == sender.next
    }

    /// Whether a segment is where one after a FIN that does not count yet would be.
    pub(crate) fn is_one_beyond(&self, from: Side, segment: &Segment) -> bool {
        let (sender, _) = self.pair(from);
        segment.sequence == sender.next.wrapping_add(1)
    }

    /// Whether a FIN is at the end of what its sender has sent.
    pub(crate) fn is_exact_fin(&self, from: Side, segment: &Segment) -> bool {
        let (sender, _) = self.pair(from);
        // A FIN may bring data. One that ends before `next` wraps to a large distance and is
        // refused: data after it was seen, so it is not the end.
        let end_of_data = segment.end().wrapping_sub(1);
        self.follows(from, segment) && end_of_data.wrapping_sub(sender.next) < NEAR
    }

    /// Whether a segment fits the recorded numbers of both senders, and may update them.
    #[inline(always)]
    pub(crate) fn fits(&self, from: Side, segment: &Segment) -> bool {
        self.follows(from, segment) || self.skips_gap(from, segment)
    }

    /// Whether a segment continues what its sender has sent, and acknowledges what the other side
    /// may have sent.
    #[inline(always)]
    fn follows(&self, from: Side, segment: &Segment) -> bool {
        let (sender, _) = self.pair(from);
        // A segment after a gap is far "behind", modulo 2^32, and so does not follow.
        match sender.next.wrapping_sub(segment.sequence) {
            0 => {
                self.acknowledges_near(from, segment)
                    || self.acknowledges_outstanding(from, segment)
            }
            behind => behind <= NEAR && self.acknowledges_near(from, segment),
        }
    }

    /// Whether a segment is so far after a gap that the acknowledgment of the missing data would
    /// soon be too far from the recorded numbers. Then the recorded numbers skip the gap. In such a
    /// transfer the other direction is idle, so the acknowledgment must be exactly a recorded one.
    #[inline(never)]
    fn skips_gap(&self, from: Side, segment: &Segment) -> bool {
        let (sender, receiver) = self.pair(from);
        let ahead = segment.sequence.wrapping_sub(sender.next);
        // Before the outside has answered, the zeros recorded for it are no numbers.
        let known =
            |ack: u32| self.knows_outside() && (ack == receiver.next || ack == sender.acknowledged);
        // Below half of `NEAR` the acknowledgment is near enough to be accepted when it comes.
        NEAR / 2 < ahead && ahead <= WINDOW && segment.acknowledgment.is_some_and(known)
    }

    /// Whether a segment is after a gap in what its sender has sent, as when an earlier segment was
    /// lost before it reached the router.
    pub(crate) fn is_ahead(&self, from: Side, segment: &Segment) -> bool {
        let (sender, _) = self.pair(from);
        let ahead = segment.sequence.wrapping_sub(sender.next);
        0 < ahead && ahead <= NEAR && self.acknowledges_near(from, segment)
    }

    /// Whether a segment that fits acknowledges more than the other side was seen to send: the
    /// missing data has arrived.
    pub(crate) fn closes_gap(&self, from: Side, segment: &Segment) -> bool {
        let (_, receiver) = self.pair(from);
        segment
            .acknowledgment
            // A signed distance, as in `later`: right for numbers that are less than 2^31 apart.
            .is_some_and(|ack| (ack.wrapping_sub(receiver.next) as i32) > 0)
    }

    #[inline(always)]
    fn acknowledges_near(&self, from: Side, segment: &Segment) -> bool {
        let (_, receiver) = self.pair(from);
        // Shifted by `NEAR`, so that one comparison covers both directions, modulo 2^32.
        let distance = |ack: u32| ack.wrapping_sub(receiver.next).wrapping_add(NEAR);
        segment
            .acknowledgment
            .is_some_and(|ack| distance(ack) <= 2 * NEAR)
    }

    /// Whether a segment acknowledges only data that is under way, or repeats its last
    /// acknowledgment. With the largest windows, that can be far behind what was sent.
    fn acknowledges_outstanding(&self, from: Side, segment: &Segment) -> bool {
        let (sender, receiver) = self.pair(from);
        let outstanding = receiver.next.wrapping_sub(sender.acknowledged);
        let more = |ack: u32| ack.wrapping_sub(sender.acknowledged);
        // No more than a window can be under way. A larger distance means that numbers are stale.
        outstanding <= WINDOW
            && segment
                .acknowledgment
                .is_some_and(|ack| more(ack) <= outstanding)
    }

    /// Records the numbers of a segment that fits.
    #[inline(always)]
    pub(crate) fn advance(&mut self, from: Side, segment: &Segment) {
        let (sender, receiver) = match from {
            Side::Inside => (&mut self.inside, &mut self.outside),
            Side::Outside => (&mut self.outside, &mut self.inside),
        };
        // A retransmission ends earlier, and must not move the numbers back.
        sender.next = later(sender.next, segment.end());
        if let Some(acknowledgment) = segment.acknowledgment {
            sender.acknowledged = later(sender.acknowledged, acknowledgment);
            // A segment that was lost before it reached the router leaves a gap. The acknowledgment
            // of its retransmission closes the gap.
            receiver.next = later(receiver.next, acknowledgment);
        }
    }

    fn pair(&self, from: Side) -> (&Sender, &Sender) {
        match from {
            Side::Inside => (&self.inside, &self.outside),
            Side::Outside => (&self.outside, &self.inside),
        }
    }

    /// For a session without sequence numbers: when the inside last sent, in milliseconds, and its
    /// question, in the same 16 bytes.
    pub(crate) fn asked(millis: u32, question: u32) -> Self {
        Self {
            inside: Sender {
                next: millis,
                acknowledged: question,
            },
            ..Self::NONE
        }
    }

    pub(crate) fn when_last_sent(&self) -> u32 {
        self.inside.next
    }

    pub(crate) fn set_last_sent(&mut self, millis: u32) {
        self.inside.next = millis;
    }

    pub(crate) fn question(&self) -> u32 {
        self.inside.acknowledged
    }

    pub(crate) fn set_question(&mut self, question: u32) {
        self.inside.acknowledged = question;
    }
}

/// The later of two sequence numbers that are less than 2^31 apart (RFC 9293 section 3.4).
fn later(a: u32, b: u32) -> u32 {
    if (b.wrapping_sub(a) as i32) > 0 { b } else { a }
}
