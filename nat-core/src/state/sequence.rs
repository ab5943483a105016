//! Which TCP segments are genuine, as far as a NAT can tell (standards RFC 5961, RFC 9293 section
//! 3.4).
//!
//! An off-path attacker knows the endpoints but not the sequence numbers. So a RST or FIN counts
//! only at the exact sequence number, and what moves these numbers must itself fit both directions:
//! the segment follows on what its sender has sent, and it acknowledges something near what the
//! other side has sent.

use crate::Side;

/// A segment, as far as sequence numbers go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Segment {
    pub(crate) sequence: u32,
    /// The acknowledgment number, if the segment has one.
    pub(crate) acknowledgment: Option<u32>,
    /// The sequence space it takes: data, SYN and FIN.
    pub(crate) length: u32,
}

/// What is known of one sender.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Sender {
    /// The end of what it has sent without a gap.
    next: u32,
    /// The highest acknowledgment it has sent; its own initial number while there is none from the
    /// other side.
    acknowledged: u32,
}

/// What is known of both senders of a session. Without sequence numbers it is when the inside last
/// sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sequences {
    inside: Sender,
    outside: Sender,
}

/// How far both numbers of a segment may be from what is known, in bytes: 1/256 of the sequence
/// space, so that a blind forgery comes so near once in 2^15.
const NEAR: u32 = 1 << 24;

/// How far one of them may be where the other is right to the byte: the largest window (RFC 7323
/// section 2.3). A blind forgery has that about as rarely as it has the number of a RST that
/// counts.
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

    /// Nothing is known of the outside, and it has acknowledged nothing but what comes before the
    /// SYN.
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

    /// After a SYN-ACK from inside to a SYN from outside of which nothing was kept.
    pub(crate) fn from_syn_ack(segment: &Segment) -> Self {
        let acknowledged = segment.acknowledgment.unwrap_or(0);
        let inside = Sender {
            next: segment.end(),
            acknowledged,
        };
        let outside = Sender {
            next: acknowledged,
            acknowledged: segment.sequence,
        };
        Self { inside, outside }
    }

    /// The outside's SYN or SYN-ACK to a SYN from inside.
    pub(crate) fn learn_outside(&mut self, segment: &Segment) {
        self.outside.next = segment.end();
        if let Some(acknowledgment) = segment.acknowledgment {
            self.outside.acknowledged = acknowledgment;
        }
        self.inside.acknowledged = segment.sequence;
    }

    /// Whether a SYN or SYN-ACK from inside repeats the one that opened the session, which the
    /// outside has not acknowledged yet: it has the same initial number, whatever data it
    /// carries (RFC 7413 section 4.2.1).
    pub(crate) fn is_same_syn(&self, segment: &Segment) -> bool {
        segment.sequence == self.outside.acknowledged
    }

    /// Takes note of such a SYN or SYN-ACK. What was sent with an earlier one may still be
    /// acknowledged, so the end stays where it is farther.
    pub(crate) fn repeat_syn(&mut self, segment: &Segment) {
        self.inside.next = later(self.inside.next, segment.end());
        // A SYN-ACK says which SYN of the outside it answers: the latest, or again one that may
        // have had more data.
        let other = |ack: &u32| self.knows_outside() && self.outside.next.wrapping_sub(*ack) > NEAR;
        if let Some(acknowledgment) = segment.acknowledgment.filter(other) {
            self.inside.acknowledged = acknowledgment;
            self.outside.next = acknowledgment;
        }
    }

    /// Whether a segment follows exactly on the SYN that the outside has sent, if it has sent one.
    pub(crate) fn follows_outside_syn(&self, segment: &Segment) -> bool {
        self.knows_outside() && segment.sequence == self.outside.next
    }

    fn knows_outside(&self) -> bool {
        *self != Self::from_inside(self.inside.next, self.outside.acknowledged)
    }

    /// Whether a segment from outside acknowledges the inside's SYN, which nothing has acknowledged
    /// yet.
    pub(crate) fn acknowledges_syn(&self, segment: &Segment) -> bool {
        self.acknowledges_up_to(self.inside.next, segment)
    }

    /// The same of the inside's SYN-ACK, and of the FIN that has followed it if one has.
    pub(crate) fn acknowledges_syn_ack(&self, with_fin: bool, segment: &Segment) -> bool {
        self.acknowledges_up_to(self.inside.next.wrapping_add(u32::from(with_fin)), segment)
    }

    fn acknowledges_up_to(&self, end: u32, segment: &Segment) -> bool {
        let initial = self.outside.acknowledged;
        let beyond = |acknowledgment: u32| acknowledgment.wrapping_sub(initial);
        segment
            .acknowledgment
            .is_some_and(|ack| 0 < beyond(ack) && beyond(ack) <= beyond(end))
    }

    /// Whether a RST from inside stands at the end of what the inside has sent, of which the
    /// outside has acknowledged nothing. One at its initial number answers an acknowledgment of
    /// something else (RFC 9293 section 3.10.7.3).
    pub(crate) fn is_at_end(&self, segment: &Segment) -> bool {
        segment.sequence == self.inside.next
    }

    /// Whether a RST stands exactly where the receiver, or its own sender, has got to (RFC 5961
    /// section 3.2).
    pub(crate) fn is_exact_reset(&self, from: Side, segment: &Segment) -> bool {
        let (sender, receiver) = self.pair(from);
        segment.sequence == receiver.acknowledged || segment.sequence == sender.next
    }

    /// Whether a segment stands where one does that follows a FIN not yet counted.
    pub(crate) fn is_one_beyond(&self, from: Side, segment: &Segment) -> bool {
        let (sender, _) = self.pair(from);
        segment.sequence == sender.next.wrapping_add(1)
    }

    /// Whether a FIN comes at the end of what its sender has sent.
    pub(crate) fn is_exact_fin(&self, from: Side, segment: &Segment) -> bool {
        let (sender, _) = self.pair(from);
        let end_of_data = segment.end().wrapping_sub(1);
        self.follows(from, segment) && end_of_data.wrapping_sub(sender.next) < NEAR
    }

    /// Whether a segment fits what is known of both senders, and may move it on.
    pub(crate) fn fits(&self, from: Side, segment: &Segment) -> bool {
        self.follows(from, segment) || self.skips_gap(from, segment)
    }

    /// Whether a segment follows on what its sender has sent, and acknowledges what the other side
    /// may have sent.
    fn follows(&self, from: Side, segment: &Segment) -> bool {
        let (sender, _) = self.pair(from);
        match sender.next.wrapping_sub(segment.sequence) {
            0 => {
                self.acknowledges_near(from, segment)
                    || self.acknowledges_outstanding(from, segment)
            }
            behind => behind <= NEAR && self.acknowledges_near(from, segment),
        }
    }

    /// Whether a segment comes so far after a gap that the acknowledgment which closes it would
    /// soon be near nothing known: then what is known moves on without what was lost. The other
    /// direction rests, so the acknowledgment is a known one.
    fn skips_gap(&self, from: Side, segment: &Segment) -> bool {
        let (sender, receiver) = self.pair(from);
        let ahead = segment.sequence.wrapping_sub(sender.next);
        let known =
            |ack: u32| self.knows_outside() && (ack == receiver.next || ack == sender.acknowledged);
        NEAR / 2 < ahead && ahead <= WINDOW && segment.acknowledgment.is_some_and(known)
    }

    /// Whether a segment comes after a gap in what its sender has sent, as when one before it was
    /// lost on its way here.
    pub(crate) fn is_ahead(&self, from: Side, segment: &Segment) -> bool {
        let (sender, _) = self.pair(from);
        let ahead = segment.sequence.wrapping_sub(sender.next);
        0 < ahead && ahead <= NEAR && self.acknowledges_near(from, segment)
    }

    /// Whether a segment that fits acknowledges more than the other side was seen to send: what was
    /// lost has arrived.
    pub(crate) fn closes_gap(&self, from: Side, segment: &Segment) -> bool {
        let (_, receiver) = self.pair(from);
        segment
            .acknowledgment
            .is_some_and(|ack| (ack.wrapping_sub(receiver.next) as i32) > 0)
    }

    fn acknowledges_near(&self, from: Side, segment: &Segment) -> bool {
        let (_, receiver) = self.pair(from);
        let distance = |ack: u32| ack.wrapping_sub(receiver.next).wrapping_add(NEAR);
        segment
            .acknowledgment
            .is_some_and(|ack| distance(ack) <= 2 * NEAR)
    }

    /// Whether a segment acknowledges nothing but what is under way, or again what it has: with a
    /// window as wide as the largest that is far behind what was sent.
    fn acknowledges_outstanding(&self, from: Side, segment: &Segment) -> bool {
        let (sender, receiver) = self.pair(from);
        let outstanding = receiver.next.wrapping_sub(sender.acknowledged);
        let more = |ack: u32| ack.wrapping_sub(sender.acknowledged);
        outstanding <= WINDOW
            && segment
                .acknowledgment
                .is_some_and(|ack| more(ack) <= outstanding)
    }

    /// Takes note of a segment that fits.
    pub(crate) fn advance(&mut self, from: Side, segment: &Segment) {
        let (sender, receiver) = match from {
            Side::Inside => (&mut self.inside, &mut self.outside),
            Side::Outside => (&mut self.outside, &mut self.inside),
        };
        sender.next = later(sender.next, segment.end());
        if let Some(acknowledgment) = segment.acknowledgment {
            sender.acknowledged = later(sender.acknowledged, acknowledgment);
            // A segment lost before it came here leaves a gap; the acknowledgment of what filled it
            // closes it.
            receiver.next = later(receiver.next, acknowledgment);
        }
    }

    fn pair(&self, from: Side) -> (&Sender, &Sender) {
        match from {
            Side::Inside => (&self.inside, &self.outside),
            Side::Outside => (&self.outside, &self.inside),
        }
    }

    /// The same 16 bytes for a session that has no sequence numbers: the moment the inside last
    /// sent, in milliseconds, and what it asked.
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

impl Segment {
    fn end(&self) -> u32 {
        self.sequence.wrapping_add(self.length)
    }
}

/// The later of two sequence numbers less than 2^31 apart (RFC 9293 section 3.4).
fn later(a: u32, b: u32) -> u32 {
    if (b.wrapping_sub(a) as i32) > 0 { b } else { a }
}
