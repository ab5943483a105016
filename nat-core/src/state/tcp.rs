//! The states of a TCP session: RFC 7857 section 2, RFC 6146 section 3.5.2. Pure functions, without
//! packets or a clock.

pub(crate) use crate::segment::Kind;
use crate::session_info::SessionState;
use crate::{DropReason, Side};

use super::{Segment, Sequences};

/// What a segment means for the state. A RST or FIN is one only if its sequence number is valid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    Syn,
    SynAck,
    Fin,
    Reset,
    /// Any other segment that belongs to the session.
    Traffic,
    /// A segment that may be forged. It is forwarded, and changes nothing.
    Unproven,
}

/// What is known of a TCP session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tcp {
    pub(crate) state: SessionState,
    pub(crate) sequences: Sequences,
    /// The sides whose FIN arrived after a gap in their data. Such a FIN counts once the other side
    /// has acknowledged the missing data.
    pub(crate) early_fins: EarlyFins,
}

/// A set of sides.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct EarlyFins(u8);

impl EarlyFins {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    fn bit(side: Side) -> u8 {
        match side {
            // Both bits are kept in `EARLY_FINS` of the flags of a session.
            Side::Inside => 1,
            Side::Outside => 2,
        }
    }

    fn with(self, side: Side) -> Self {
        Self(self.0 | Self::bit(side))
    }

    fn without(self, side: Side) -> Self {
        Self(self.0 & !Self::bit(side))
    }

    fn contains(self, side: Side) -> bool {
        self.0 & Self::bit(side) != 0
    }
}

impl Tcp {
    pub(crate) fn new(state: SessionState, sequences: Sequences) -> Self {
        Self {
            state,
            sequences,
            early_fins: EarlyFins::NONE,
        }
    }

    /// What `segment` does to the session, or why it must be dropped. Changes nothing yet.
    pub(crate) fn step(
        &self,
        from: Side,
        kind: Kind,
        segment: &Segment,
    ) -> Result<Step, DropReason> {
        let signal = prove(self, from, kind, segment)?;
        let (mut state, mut early_fins) = (next(self.state, from, signal), self.early_fins);
        let other = from.opposite();
        let acknowledges =
            matches!(signal, Signal::Traffic | Signal::Fin) && self.early_fins.contains(other);
        // What was missing before the early FIN of the other side has arrived, so that FIN counts.
        if acknowledges && self.sequences.closes_gap(from, segment) {
            state = next(state, other, Signal::Fin);
            early_fins = early_fins.without(other);
        }
        // By the flags: the signal of a FIN after a gap is `Unproven`.
        if kind == Kind::Fin && is_early_fin(self, from, segment) {
            early_fins = early_fins.with(from);
        }
        // A new state has a timeout of its own, which begins now.
        let refresh = state != self.state || refreshes(self.state, from, signal);
        Ok(Step {
            state,
            early_fins,
            refresh,
            note: note(self, from, signal, segment),
        })
    }

    /// Applies `step`, which was computed for `segment`.
    pub(crate) fn take(&mut self, step: &Step, from: Side, segment: &Segment) {
        (self.state, self.early_fins) = (step.state, step.early_fins);
        match step.note {
            Note::Nothing => {}
            Note::Repeat => self.sequences.repeat_syn(segment),
            // A new connection of these ports: nothing of the old one counts, nor its early FINs.
            Note::Syn => *self = Self::new(step.state, Sequences::from_syn(segment)),
            Note::SynAck => *self = Self::new(step.state, Sequences::from_syn_ack(segment)),
            Note::Outside => self.sequences.learn_outside(segment),
            Note::Advance => self.sequences.advance(from, segment),
        }
    }
}

/// What a segment does to a session.
#[derive(Debug)]
pub(crate) struct Step {
    /// The state after it.
    pub(crate) state: SessionState,
    /// Whether it restarts the timer of that state.
    pub(crate) refresh: bool,
    early_fins: EarlyFins,
    note: Note,
}

/// What is recorded of the sequence numbers of a segment.
#[derive(Clone, Copy, Debug)]
enum Note {
    Nothing,
    /// Its numbers are those of the SYN or SYN-ACK that opened the session: a retransmission.
    Repeat,
    /// The segment is the first SYN from inside.
    Syn,
    /// The segment is the first SYN-ACK from inside.
    SynAck,
    /// The segment is the first from outside.
    Outside,
    /// The segment continues the numbers that are known.
    Advance,
}

/// The state after `signal`.
pub(crate) fn next(state: SessionState, from: Side, signal: Signal) -> SessionState {
    use SessionState::{
        Active, Closing, Established, InsideFin, InsideSyn, OutsideFin, OutsideSyn, Reset,
    };
    use Side::{Inside, Outside};
    match (state, from, signal) {
        (Active, _, _) => Active,
        (_, _, Signal::Unproven) => state,

        (InsideSyn, Outside, Signal::SynAck | Signal::Traffic) => Established,
        (InsideSyn, Outside, Signal::Fin) => OutsideFin,
        (OutsideSyn, Outside, Signal::Traffic) => Established,
        (OutsideSyn, Outside, Signal::Fin) => OutsideFin,
        (InsideSyn | OutsideSyn | Established | InsideFin | OutsideFin, _, Signal::Reset) => Reset,
        // A FIN from inside does not count before the handshake is finished: see `is_genuine_fin`.
        (InsideSyn | OutsideSyn, _, _) => state,

        (Established, Inside, Signal::Fin) => InsideFin,
        (Established, Outside, Signal::Fin) => OutsideFin,
        (InsideFin, Outside, Signal::Fin) | (OutsideFin, Inside, Signal::Fin) => Closing,
        // A SYN is an old duplicate or forged. Its receiver answers it with a challenge ACK, and
        // the connection goes on (RFC 5961 section 4).
        (Established | InsideFin | OutsideFin, _, _) => state,

        // The ports are reused: RFC 9293 section 3.6.1 permits a new SYN to end TIME-WAIT.
        (Closing | Reset, Inside, Signal::Syn) => InsideSyn,
        (Closing | Reset, Inside, Signal::SynAck) => OutsideSyn,
        (Closing, _, _) => Closing,

        // Traffic after the RST shows that the connection goes on: RFC 7857 section 2.2.
        (Reset, _, Signal::Traffic | Signal::Fin) => Established,
        (Reset, _, Signal::Reset | Signal::Syn | Signal::SynAck) => Reset,
    }
}

/// Whether a segment that leaves the state unchanged restarts its timer. A segment that may be
/// forged never does (RFC 7857 section 7), nor does any segment in a state that waits for its end.
fn refreshes(state: SessionState, from: Side, signal: Signal) -> bool {
    match state {
        SessionState::InsideSyn => from == Side::Inside && signal == Signal::Syn,
        // The SYN that is answered may be spoofed, so repeating the answer must not prolong the
        // session.
        SessionState::OutsideSyn => false,
        SessionState::Established | SessionState::InsideFin | SessionState::OutsideFin => {
            matches!(signal, Signal::Traffic | Signal::Fin)
        }
        SessionState::Closing | SessionState::Reset => false,
        SessionState::Active => true,
    }
}

/// What a segment means, given its sequence numbers. An error means that it must be dropped.
fn prove(tcp: &Tcp, from: Side, kind: Kind, segment: &Segment) -> Result<Signal, DropReason> {
    if tcp.state == SessionState::InsideSyn && from == Side::Outside {
        return prove_answer(&tcp.sequences, kind, segment);
    }
    // A SYN needs no proof: here, one from outside changes nothing, and the inside is trusted.
    let (is_genuine, signal) = match kind {
        Kind::Syn => (true, Signal::Syn),
        Kind::SynAck => (true, Signal::SynAck),
        Kind::Fin => (is_genuine_fin(tcp, from, segment), Signal::Fin),
        Kind::Reset => (is_genuine_reset(tcp, from, segment), Signal::Reset),
        Kind::Other => (is_genuine_traffic(tcp, from, segment), Signal::Traffic),
    };
    Ok(if is_genuine { signal } else { Signal::Unproven })
}

/// Whether the handshake is not finished yet.
fn is_opening(state: SessionState) -> bool {
    matches!(state, SessionState::InsideSyn | SessionState::OutsideSyn)
}

/// Whether the handshake is finished, or this segment finishes it. The first acknowledgment from
/// outside proves that the sender got the SYN-ACK, so its address is not spoofed.
fn is_handshake_done(tcp: &Tcp, from: Side, segment: &Segment) -> bool {
    // In `OutsideSyn`, `next` does not count a FIN from inside yet, but its receiver acknowledges
    // it.
    let with_fin = tcp.early_fins.contains(Side::Inside);
    !is_opening(tcp.state)
        || from == Side::Inside
        || tcp.sequences.acknowledges_syn_ack(with_fin, segment)
}

fn is_genuine_fin(tcp: &Tcp, from: Side, segment: &Segment) -> bool {
    // Before the handshake is finished, a FIN from inside waits for the acknowledgment that
    // finishes it: see `is_early_fin`.
    let is_early = is_opening(tcp.state) && from == Side::Inside;
    !is_early && is_handshake_done(tcp, from, segment) && tcp.sequences.is_exact_fin(from, segment)
}

fn is_genuine_reset(tcp: &Tcp, from: Side, segment: &Segment) -> bool {
    let Tcp {
        state,
        sequences,
        early_fins,
    } = tcp;
    let is_opening = is_opening(*state);
    // A sender that has sent a FIN counts it, though it does not count here yet.
    let is_after_fin =
        is_opening && early_fins.contains(from) && sequences.is_one_beyond(from, segment);
    let is_exact = match from {
        Side::Inside if is_opening => sequences.is_at_end(segment),
        Side::Inside | Side::Outside => sequences.is_exact_reset(from, segment),
    };
    is_after_fin || is_exact
}

fn is_genuine_traffic(tcp: &Tcp, from: Side, segment: &Segment) -> bool {
    // Traffic from inside keeps its session alive even if the recorded sequence numbers are no
    // longer right, for example after lost segments.
    from == Side::Inside
        || is_handshake_done(tcp, from, segment) && tcp.sequences.fits(from, segment)
}

/// The meaning of the outside's answer to a SYN: its own SYN, and segments that acknowledge the
/// inside's SYN.
///
/// A segment that acknowledges something else is from an earlier connection of these ports, or
/// forged. It changes nothing, but it is forwarded: the inside replies with a RST, which ends a
/// connection that only the outside still knows (RFC 9293 sections 3.5 and 3.5.1, RFC 5961 section
/// 4). A RST that does not answer the SYN is dropped, as its receiver would drop it too (RFC 9293
/// section 3.10.7.3).
fn prove_answer(
    sequences: &Sequences,
    kind: Kind,
    segment: &Segment,
) -> Result<Signal, DropReason> {
    let acknowledges = sequences.acknowledges_syn(segment);
    let follows = acknowledges && sequences.follows_outside_syn(segment);
    match kind {
        Kind::Syn => Ok(Signal::Syn),
        Kind::SynAck if acknowledges => Ok(Signal::SynAck),
        Kind::Reset if acknowledges => Ok(Signal::Reset),
        // A simultaneous open: the other side has got our SYN-ACK.
        Kind::Fin if follows => Ok(Signal::Fin),
        Kind::Other if follows => Ok(Signal::Traffic),
        Kind::SynAck | Kind::Fin | Kind::Other if segment.acknowledgment.is_some() => {
            Ok(Signal::Unproven)
        }
        Kind::SynAck | Kind::Reset | Kind::Fin | Kind::Other => Err(DropReason::NoSession),
    }
}

/// Whether a FIN that does not count yet has to be remembered.
fn is_early_fin(tcp: &Tcp, from: Side, segment: &Segment) -> bool {
    match tcp.state {
        SessionState::Established | SessionState::InsideFin | SessionState::OutsideFin => {
            tcp.sequences.is_ahead(from, segment)
        }
        SessionState::OutsideSyn => {
            from == Side::Inside && tcp.sequences.is_exact_fin(from, segment)
        }
        SessionState::Active
        | SessionState::InsideSyn
        | SessionState::Closing
        | SessionState::Reset => false,
    }
}

/// What to record of the sequence numbers of a segment.
fn note(tcp: &Tcp, from: Side, signal: Signal, segment: &Segment) -> Note {
    let Tcp {
        state, sequences, ..
    } = tcp;
    let opening = is_opening(*state);
    let reopens = opening || matches!(state, SessionState::Closing | SessionState::Reset);
    match (signal, from) {
        (Signal::Syn | Signal::SynAck, Side::Inside)
            if opening && sequences.is_same_syn(segment) =>
        {
            Note::Repeat
        }
        // A SYN does not replace the numbers of a SYN-ACK that waits for its answer, nor a SYN-ACK
        // those of a SYN: only a segment with the same initial number counts there.
        (Signal::Syn, Side::Inside) if reopens && *state != SessionState::OutsideSyn => Note::Syn,
        (Signal::SynAck, Side::Inside) if reopens && *state != SessionState::InsideSyn => {
            Note::SynAck
        }
        (Signal::Syn | Signal::SynAck, Side::Outside) if *state == SessionState::InsideSyn => {
            Note::Outside
        }
        (Signal::Traffic | Signal::Fin, _) if sequences.fits(from, segment) => Note::Advance,
        // A valid RST after an early FIN proves that FIN.
        (Signal::Reset, _) if sequences.is_one_beyond(from, segment) => Note::Advance,
        _ => Note::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SessionState::{Closing, Established, InsideFin, InsideSyn, OutsideFin, OutsideSyn, Reset};

    const SIGNALS: [Signal; 6] = [
        Signal::Syn,
        Signal::SynAck,
        Signal::Fin,
        Signal::Reset,
        Signal::Traffic,
        Signal::Unproven,
    ];

    /// Every state, side and signal. Columns: the six signals from inside, then from outside, in
    /// the order above.
    #[test]
    fn every_transition_is_that_of_rfc_7857() {
        let (is, os, e) = (InsideSyn, OutsideSyn, Established);
        let (fi, fo, c, r) = (InsideFin, OutsideFin, Closing, Reset);
        let table = [
            //   SYN SYN-ACK FIN RST traffic unproven
            (is, [is, is, is, r, is, is], [is, e, fo, r, e, is]),
            (os, [os, os, os, r, os, os], [os, os, fo, r, e, os]),
            (e, [e, e, fi, r, e, e], [e, e, fo, r, e, e]),
            (fi, [fi, fi, fi, r, fi, fi], [fi, fi, c, r, fi, fi]),
            (fo, [fo, fo, c, r, fo, fo], [fo, fo, fo, r, fo, fo]),
            (c, [is, os, c, c, c, c], [c, c, c, c, c, c]),
            (r, [is, os, e, r, e, r], [r, r, e, r, e, r]),
        ];
        for (state, inside, outside) in table {
            for (from, expected) in [(Side::Inside, inside), (Side::Outside, outside)] {
                for (signal, expected) in SIGNALS.into_iter().zip(expected) {
                    assert_eq!(
                        next(state, from, signal),
                        expected,
                        "{state:?}, {signal:?} from {from:?}"
                    );
                }
            }
        }
    }

    const ISN: u32 = 0xffff_fff0; // so that sequence numbers wrap within each test
    const PEER_ISN: u32 = 5000;

    fn segment(sequence: u32, acknowledgment: u32, length: u32) -> Segment {
        Segment {
            sequence,
            acknowledgment: Some(acknowledgment),
            length,
        }
    }

    /// Applies `segment` to `session`. Returns whether its timer restarts.
    fn step(from: Side, kind: Kind, segment: &Segment, session: &mut Tcp) -> bool {
        let step = session
            .step(from, kind, segment)
            .expect("the segment passes");
        session.take(&step, from, segment);
        step.refresh
    }

    const SYN: Segment = Segment {
        sequence: ISN,
        acknowledgment: None,
        length: 1,
    };

    /// A session after the handshake: both sides have sent their SYN and nothing else.
    fn established() -> Tcp {
        let mut session = Tcp::new(InsideSyn, Sequences::from_syn(&SYN));
        step(
            Side::Outside,
            Kind::SynAck,
            &segment(PEER_ISN, ISN.wrapping_add(1), 1),
            &mut session,
        );
        step(
            Side::Inside,
            Kind::Other,
            &segment(ISN.wrapping_add(1), PEER_ISN + 1, 0),
            &mut session,
        );
        assert_eq!(session.state, Established);
        session
    }

    /// RFC 5961 section 3.2: a RST counts only with the exact sequence number.
    #[test]
    fn only_the_exact_reset_counts() {
        let session = established();
        for offset in [1, 2, 1000, u32::MAX, 0x8000_0000] {
            let wrong = segment(PEER_ISN.wrapping_add(1).wrapping_add(offset), 0, 0);
            let mut tried = session;
            assert!(!step(Side::Outside, Kind::Reset, &wrong, &mut tried));
            assert_eq!(tried, session, "offset {offset}");
        }
        let mut tried = session;
        step(
            Side::Outside,
            Kind::Reset,
            &segment(PEER_ISN + 1, 0, 0),
            &mut tried,
        );
        assert_eq!(tried.state, Reset);
    }

    /// A forged segment does not change the recorded numbers, so it cannot make a forged RST valid.
    #[test]
    fn segments_that_do_not_follow_on_are_not_noted() {
        let session = established();
        for sequence in [PEER_ISN + 2, PEER_ISN.wrapping_sub(1 << 25), 0x9000_0000] {
            let mut tried = session;
            step(
                Side::Outside,
                Kind::Other,
                &segment(sequence, ISN.wrapping_add(1), 100),
                &mut tried,
            );
            assert_eq!(tried, session, "sequence {sequence}");
        }
        for acknowledgment in [ISN.wrapping_add(1 << 25), ISN.wrapping_sub(1 << 25)] {
            let mut tried = session;
            step(
                Side::Outside,
                Kind::Other,
                &segment(PEER_ISN + 1, acknowledgment, 100),
                &mut tried,
            );
            assert_eq!(tried, session, "acknowledgment {acknowledgment}");
        }
    }

    /// A segment that is lost before it reaches the router leaves a gap, which the receiver's
    /// acknowledgment closes.
    #[test]
    fn a_gap_is_closed_by_the_acknowledgment() {
        let mut session = established();
        step(
            Side::Outside,
            Kind::Other,
            &segment(PEER_ISN + 101, ISN.wrapping_add(1), 100),
            &mut session,
        );
        step(
            Side::Inside,
            Kind::Other,
            &segment(ISN.wrapping_add(1), PEER_ISN + 201, 0),
            &mut session,
        );
        step(
            Side::Outside,
            Kind::Fin,
            &segment(PEER_ISN + 201, ISN.wrapping_add(1), 1),
            &mut session,
        );
        assert_eq!(session.state, OutsideFin);
    }

    /// RFC 7323 section 2.3: nearly 2^30 bytes may be under way behind a lost segment.
    #[test]
    fn a_gap_of_the_largest_window_is_closed() {
        const WINDOW: u32 = 0xffff << 14;
        let mut session = established();
        let end = (1..WINDOW / 0xffff).fold(PEER_ISN + 1, |front, _| {
            let sequence = front.wrapping_add(0xffff);
            step(
                Side::Outside,
                Kind::Other,
                &segment(sequence, ISN.wrapping_add(1), 0xffff),
                &mut session,
            );
            sequence
        });
        let end = end.wrapping_add(0xffff);
        step(
            Side::Outside,
            Kind::Fin,
            &segment(end, ISN.wrapping_add(1), 1),
            &mut session,
        );
        step(
            Side::Outside,
            Kind::Other,
            &segment(PEER_ISN + 1, ISN.wrapping_add(1), 0xffff),
            &mut session,
        );
        step(
            Side::Inside,
            Kind::Other,
            &segment(ISN.wrapping_add(1), end.wrapping_add(1), 0),
            &mut session,
        );
        assert_eq!(session.state, OutsideFin);
        step(
            Side::Inside,
            Kind::Fin,
            &segment(ISN.wrapping_add(1), end.wrapping_add(1), 1),
            &mut session,
        );
        assert_eq!(session.state, Closing);
    }

    /// Before the outside has sent anything, no gap in the inside's numbers is skipped, because
    /// nothing is known of the outside's numbers.
    #[test]
    fn nothing_is_skipped_before_the_answer() {
        let mut session = Tcp::new(InsideSyn, Sequences::from_syn(&SYN));
        let before = session;
        step(
            Side::Inside,
            Kind::Other,
            &segment(ISN.wrapping_add(1 << 24), 0, 100),
            &mut session,
        );
        assert_eq!(session, before);
    }

    /// RFC 5961 section 3.2 for FIN: one ahead of or behind what its sender has sent does not
    /// count.
    #[test]
    fn only_the_fin_at_the_end_counts() {
        let session = established();
        for sequence in [PEER_ISN, PEER_ISN + 2, PEER_ISN + 1 + (1 << 25)] {
            let mut tried = session;
            step(
                Side::Outside,
                Kind::Fin,
                &segment(sequence, ISN.wrapping_add(1), 1),
                &mut tried,
            );
            let Tcp {
                state,
                sequences,
                early_fins: _,
            } = tried;
            assert_eq!(
                (state, sequences),
                (session.state, session.sequences),
                "sequence {sequence}"
            );
        }
        let mut tried = session;
        step(
            Side::Outside,
            Kind::Fin,
            &segment(PEER_ISN + 1, ISN.wrapping_add(1), 51),
            &mut tried,
        );
        assert_eq!(tried.state, OutsideFin, "with 50 bytes of data");
    }

    /// A FIN that overtakes a segment counts once the missing segment was acknowledged.
    #[test]
    fn a_fin_ahead_of_a_gap_counts_when_the_gap_is_closed() {
        let mut session = established();
        step(
            Side::Outside,
            Kind::Fin,
            &segment(PEER_ISN + 101, ISN.wrapping_add(1), 1),
            &mut session,
        );
        assert_eq!(session.state, Established);
        step(
            Side::Outside,
            Kind::Other,
            &segment(PEER_ISN + 1, ISN.wrapping_add(1), 100),
            &mut session,
        );
        assert_eq!(session.state, Established);
        step(
            Side::Inside,
            Kind::Other,
            &segment(ISN.wrapping_add(1), PEER_ISN + 102, 0),
            &mut session,
        );
        assert_eq!(session.state, OutsideFin);
        step(
            Side::Inside,
            Kind::Fin,
            &segment(ISN.wrapping_add(1), PEER_ISN + 102, 1),
            &mut session,
        );
        assert_eq!(session.state, Closing);
    }

    /// A forged SYN during the handshake has no effect: the genuine answer still decides.
    #[test]
    fn a_forged_syn_does_not_take_the_place_of_the_answer() {
        let mut session = Tcp::new(InsideSyn, Sequences::from_syn(&SYN));
        let forged = Segment {
            sequence: 77,
            acknowledgment: None,
            length: 1,
        };
        step(Side::Outside, Kind::Syn, &forged, &mut session);
        assert_eq!(session.state, InsideSyn);
        step(
            Side::Outside,
            Kind::SynAck,
            &segment(PEER_ISN, ISN.wrapping_add(1), 1),
            &mut session,
        );
        assert_eq!(
            session,
            Tcp {
                state: Established,
                ..session
            }
        );
        step(Side::Outside, Kind::Reset, &segment(78, 0, 0), &mut session);
        assert_eq!(
            session.state, Established,
            "the forger's number is forgotten"
        );
        step(
            Side::Outside,
            Kind::Reset,
            &segment(PEER_ISN + 1, 0, 0),
            &mut session,
        );
        assert_eq!(session.state, Reset);
    }

    /// RFC 9293 figure 8, with the inside's SYN lost: the outside answers the SYN-ACK with an ACK.
    #[test]
    fn a_simultaneous_open_ends_with_any_acknowledgment() {
        let mut session = Tcp::new(InsideSyn, Sequences::from_syn(&SYN));
        let peer = Segment {
            sequence: PEER_ISN,
            acknowledgment: None,
            length: 1,
        };
        step(Side::Outside, Kind::Syn, &peer, &mut session);
        step(
            Side::Inside,
            Kind::SynAck,
            &segment(ISN, PEER_ISN + 1, 1),
            &mut session,
        );
        assert_eq!(session.state, InsideSyn);
        step(
            Side::Outside,
            Kind::Other,
            &segment(PEER_ISN + 1, ISN.wrapping_add(1), 0),
            &mut session,
        );
        assert_eq!(session.state, Established);
    }

    /// A server that closes at once, before its SYN-ACK was acknowledged.
    #[test]
    fn a_fin_before_the_end_of_the_handshake_is_remembered() {
        let syn_ack = segment(ISN, PEER_ISN + 1, 1);
        let mut session = Tcp::new(OutsideSyn, Sequences::from_syn_ack(&syn_ack));
        step(
            Side::Inside,
            Kind::Fin,
            &segment(ISN.wrapping_add(1), PEER_ISN + 1, 1),
            &mut session,
        );
        assert_eq!(session.state, OutsideSyn);
        step(
            Side::Outside,
            Kind::Other,
            &segment(PEER_ISN + 1, ISN.wrapping_add(1), 0),
            &mut session,
        );
        assert_eq!(session.state, Established);
        step(
            Side::Outside,
            Kind::Other,
            &segment(PEER_ISN + 1, ISN.wrapping_add(2), 0),
            &mut session,
        );
        assert_eq!(session.state, InsideFin);
    }
}
