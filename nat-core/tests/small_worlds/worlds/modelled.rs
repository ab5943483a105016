//! What the naive model expects of a packet, and what it learns from what became of it.

use core::hash::{Hash, Hasher};
use core::net::SocketAddrV4;

use nat_core::{DropReason, Side};

use super::action::Sending;
use super::naive::{Expected, Naive, Pair};
use super::numbers::{ConnectionNumbers, Numbers, SegmentNumbers};
use super::packet::{Packet, Segment};
use super::what::What;
use super::world::Outcome;

#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) naive: Naive,
    numbers: ConnectionNumbers,
}

/// A packet and what the model expects to become of it.
pub(crate) struct Prediction {
    pub(crate) packet: Packet,
    expected: Expected,
    from: Side,
    what: What,
    /// The session that it belongs to, or begins.
    pair: Option<Pair>,
    /// The receiver's session of a packet that comes back inside.
    receiver: Option<Pair>,
    /// The numbers before.
    numbers: Option<Numbers>,
    repeats_fin: bool,
}

impl Model {
    pub(crate) fn new(naive: Naive) -> Self {
        Self {
            naive,
            numbers: ConnectionNumbers::default(),
        }
    }

    pub(crate) fn hash_canonical(&self, hasher: &mut impl Hasher) {
        self.naive.hash_canonical(hasher);
        self.numbers.hash(hasher);
    }

    pub(crate) fn predict(&mut self, sending: &Sending, what: What) -> Prediction {
        let Sending {
            from,
            source,
            destination,
            ..
        } = *sending;
        let pair = match from {
            Side::Inside => Some(Pair {
                protocol: what.protocol() as u8,
                inside: source,
                remote: destination,
            }),
            Side::Outside => self.naive.pair_at(what.protocol(), destination, source),
        };
        let numbers = pair.and_then(|pair| self.numbers.of(&pair));
        let packet = sending.packet();
        let packet = packet.unwrap_or_else(|| self.segment(sending, what, pair));
        let repeats_fin = match (from, pair) {
            (Side::Inside, Some(pair)) => what == What::Fin && self.naive.has_early_fin(&pair),
            _ => false,
        };
        let (expected, receiver) = match (from, pair) {
            (Side::Inside, Some(pair)) if self.naive.is_external(*destination.ip()) => {
                self.expect_hairpin(&pair, what)
            }
            (Side::Inside, Some(pair)) => (self.naive.send_out(&pair, what), None),
            _ => {
                let expected = self.naive.send_in(pair.as_ref(), *destination.ip(), what);
                (expected, None)
            }
        };
        Prediction {
            packet,
            expected,
            from,
            what,
            pair,
            receiver,
            numbers,
            repeats_fin,
        }
    }

    /// A hairpinned packet is one that leaves, and one that comes in from the sender's external
    /// endpoint. The filter does not apply to it.
    fn expect_hairpin(&mut self, pair: &Pair, what: What) -> (Expected, Option<Pair>) {
        let sender = self.naive.external_of_inside(pair);
        let remote = sender.unwrap_or(pair.inside);
        let Some(receiver) = self.naive.pair_at(what.protocol(), pair.remote, remote) else {
            return (Expected::Dropped(DropReason::NoMapping), None);
        };
        self.naive.received = Some(receiver);
        let receiver = Some(receiver).filter(|receiver| self.naive.state(receiver).is_some());
        (self.naive.send_out(pair, what), receiver)
    }

    /// The segment that an honest end sends now.
    fn segment(&mut self, sending: &Sending, what: What, pair: Option<Pair>) -> Packet {
        let Sending {
            from,
            source,
            destination,
            ..
        } = *sending;
        let nobodys = Pair {
            protocol: what.protocol() as u8,
            inside: SocketAddrV4::new([192, 168, 1, 10].into(), 1),
            remote: source,
        };
        let SegmentNumbers {
            flags,
            sequence,
            acknowledgment,
        } = (self.numbers).segment(&self.naive, &pair.unwrap_or(nobodys), from, what);
        let segment = Segment {
            flags,
            sequence,
            acknowledgment,
            data: 0,
        };
        Packet::tcp(source, destination, segment)
    }

    /// Says how the outcome differs, and learns from it.
    pub(crate) fn conclude(
        &mut self,
        prediction: &Prediction,
        outcome: &Outcome,
    ) -> Result<(), String> {
        if let Some(difference) = prediction.expected.differs(outcome) {
            return Err(difference);
        }
        match prediction.from {
            Side::Inside => self.learn_outbound(prediction, outcome)?,
            Side::Outside => {
                if let (Some(pair), Outcome::Forwarded(headers)) = (prediction.pair, outcome) {
                    if headers.destination != pair.inside {
                        return Err(format!("it went to {}", headers.destination));
                    }
                    (self.numbers).count_fin(&self.naive, &pair, Side::Outside, prediction.what);
                }
            }
        }
        self.naive.received = None;
        self.forget_ended();
        Ok(())
    }

    fn learn_outbound(&mut self, prediction: &Prediction, outcome: &Outcome) -> Result<(), String> {
        let Some(pair) = prediction.pair else {
            return Ok(());
        };
        let Outcome::Forwarded(headers) = outcome else {
            if let (Expected::Reset { .. }, Outcome::Rejected(..)) = (&prediction.expected, outcome)
            {
                self.naive.note_reset(&pair);
            }
            self.numbers.restore(&pair, prediction.numbers);
            return Ok(());
        };
        if let Expected::Opens { state, .. } = prediction.expected {
            self.naive
                .open(&pair, (state, prediction.what), headers.source);
        }
        self.naive.learn(&pair, headers.source)?;
        if !prediction.repeats_fin {
            (self.numbers).count_fin(&self.naive, &pair, Side::Inside, prediction.what);
        }
        if let Some(receiver) = prediction.receiver
            && self.naive.state(&receiver).is_some()
        {
            let at = *pair.remote.ip();
            let _forwarded = self.naive.send_in(Some(&receiver), at, prediction.what);
        }
        Ok(())
    }

    /// The next connection of two endpoints begins with the numbers that their first one had: the
    /// engine remembers nothing of an ended one, and so the states stay few.
    pub(crate) fn forget_ended(&mut self) {
        let naive = &self.naive;
        self.numbers.keep(|pair| naive.state(pair).is_some());
    }
}
