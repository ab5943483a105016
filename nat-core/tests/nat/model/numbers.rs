//! The sequence numbers that the ends of each connection use.

use std::collections::BTreeMap;

use nat_core::{SessionState, Side};

use super::{ACK, FIN, Naive, Pair, RST, SYN, What};

/// What the ends of each connection send next.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct ConnectionNumbers(BTreeMap<Pair, Numbers>);

/// What each end of a connection sends next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Numbers {
    inside: u32,
    outside: u32,
    /// Whether the inside's FIN went out before the handshake was over.
    early_fin: bool,
}

impl Numbers {
    const FIRST: Self = Self {
        inside: 1000,
        outside: 2_000_000_000,
        early_fin: false,
    };
}

/// The flags and numbers of a segment.
pub(crate) struct SegmentNumbers {
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: u32,
}

impl ConnectionNumbers {
    /// The numbers of one connection, to be restored with [`Self::restore`].
    pub(crate) fn of(&self, pair: &Pair) -> Option<Numbers> {
        self.0.get(pair).copied()
    }

    /// The other end has not seen a segment that was refused, and goes on as before.
    pub(crate) fn restore(&mut self, pair: &Pair, numbers: Option<Numbers>) {
        if let Some(numbers) = numbers {
            self.0.insert(*pair, numbers);
        }
    }

    /// Forgets the numbers of all connections but those that `lives` names.
    #[allow(dead_code, reason = "elsewhere each connection has numbers of its own")]
    pub(crate) fn keep(&mut self, lives: impl Fn(&Pair) -> bool) {
        self.0.retain(|pair, _| lives(pair));
    }

    /// The segment that an honest end would send, or a forger who does not know the numbers.
    pub(crate) fn segment(
        &mut self,
        model: &Naive,
        pair: &Pair,
        from: Side,
        what: What,
    ) -> SegmentNumbers {
        let state = model.state(pair);
        let repeats_fin = from == Side::Inside && model.has_early_fin(pair);
        let numbers = self.0.entry(*pair).or_insert(Numbers::FIRST);
        if opens(state, from, what) {
            // A new connection has numbers of its own, far from the last.
            numbers.inside = numbers.inside.wrapping_add(0x3000_0000);
            numbers.outside = numbers.outside.wrapping_add(0x5000_0000);
            numbers.early_fin = false;
        }
        let (own, other) = match from {
            Side::Inside => (numbers.inside, numbers.outside),
            Side::Outside => (numbers.outside, numbers.inside),
        };
        let first = opens(state, from, what)
            || (from == Side::Outside && state == Some(SessionState::InsideSyn));
        let (flags, sequence) = match what {
            What::Syn => (SYN, if first { own } else { own.wrapping_sub(1) }),
            What::SynAck => (SYN | ACK, if first { own } else { own.wrapping_sub(1) }),
            What::Ack => (ACK, own),
            // Until it is acknowledged, the FIN comes again in its place.
            What::Fin if repeats_fin => (FIN | ACK, own.wrapping_sub(1)),
            What::Fin => (FIN | ACK, own),
            What::FarFin => (FIN | ACK, own.wrapping_add(0x2000_0000)),
            What::Reset => (RST | ACK, own),
            What::FarReset => (RST | ACK, own.wrapping_add(0x2000_0000)),
            What::Udp | What::OtherUdp | What::Echo => unreachable!("not a segment"),
        };
        if from == Side::Inside && what == What::SynAck {
            numbers.early_fin = false;
        }
        numbers.count_opening(state, from, what);
        SegmentNumbers {
            flags,
            sequence,
            acknowledgment: other,
        }
    }

    /// A FIN takes one number of its sender, once it can have any effect.
    pub(crate) fn count_fin(&mut self, model: &Naive, pair: &Pair, from: Side, what: What) {
        if !model.is_answered(pair) {
            return;
        }
        let early = from == Side::Inside && model.state(pair) == Some(SessionState::OutsideSyn);
        if let (Some(numbers), What::Fin) = (self.0.get_mut(pair), what) {
            match from {
                // Before the handshake is over, only the first can be the stream's end.
                Side::Inside if early && numbers.early_fin => {}
                Side::Inside => {
                    numbers.inside = numbers.inside.wrapping_add(1);
                    numbers.early_fin = early;
                }
                Side::Outside => numbers.outside = numbers.outside.wrapping_add(1),
            }
        }
    }
}

impl Numbers {
    /// A SYN takes one number of its sender.
    fn count_opening(&mut self, state: Option<SessionState>, from: Side, what: What) {
        let answers = from == Side::Outside
            && state == Some(SessionState::InsideSyn)
            && matches!(what, What::Syn | What::SynAck);
        if opens(state, from, what) {
            self.inside = self.inside.wrapping_add(1);
        } else if answers {
            self.outside = self.outside.wrapping_add(1);
        }
    }
}

/// Whether a segment from inside begins a connection.
fn opens(state: Option<SessionState>, from: Side, what: What) -> bool {
    from == Side::Inside
        && matches!(what, What::Syn | What::SynAck)
        && matches!(
            state,
            None | Some(SessionState::Closing | SessionState::Reset)
        )
}
