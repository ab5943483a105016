//! The states of a TCP session: RFC 7857 section 2, RFC 6146 section 3.5.2. Pure: no packets, no clock.

use crate::session_info::SessionState;
use crate::{DropReason, Side};

use super::sequence::{Segment, Sequences};

/// What a segment means for the state. RST and FIN only once their sequence numbers have proved genuine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    Syn,
    SynAck,
    Fin,
    Reset,
    /// Anything else that belongs to the session.
    Traffic,
    /// Cannot be told from a forgery: passes, and changes nothing.
    Unproven,
}

/// What a segment is by its flags.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Syn,
    SynAck,
    Fin,
    Reset,
    Other,
}

/// What a segment does to a session: its state, its sequence numbers, its timer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Effect {
    pub(crate) state: SessionState,
    pub(crate) sequences: Sequences,
    /// Whether the timer of the state starts anew.
    pub(crate) refresh: bool,
}

/// What `segment` does to a session in `state`, or why it must not pass.
pub(crate) fn effect(
    state: SessionState,
    sequences: &Sequences,
    from: Side,
    kind: Kind,
    segment: &Segment,
) -> Result<Effect, DropReason> {
    let signal = prove(state, sequences, from, kind, segment)?;
    let next = next(state, from, signal);
    let mut sequences = *sequences;
    note(&mut sequences, state, from, signal, segment);
    let refresh = next != state || refreshes(state, from, signal);
    Ok(Effect { state: next, sequences, refresh })
}

/// The state after `signal`.
pub(crate) fn next(state: SessionState, from: Side, signal: Signal) -> SessionState {
    use SessionState::{Active, Closing, Established, InsideFin, InsideSyn, OutsideFin, OutsideSyn, Reset};
    use Side::{Inside, Outside};
    match (state, from, signal) {
        (Active, _, _) => Active,
        (_, _, Signal::Unproven) => state,

        (InsideSyn, Outside, Signal::Syn | Signal::SynAck) => Established,
        (OutsideSyn, Outside, Signal::Traffic) => Established,
        (OutsideSyn, Outside, Signal::Fin) => OutsideFin,
        (InsideSyn | OutsideSyn | Established | InsideFin | OutsideFin, _, Signal::Reset) => Reset,
        (InsideSyn | OutsideSyn, _, _) => state,

        (Established, Inside, Signal::Fin) => InsideFin,
        (Established, Outside, Signal::Fin) => OutsideFin,
        (InsideFin, Outside, Signal::Fin) | (OutsideFin, Inside, Signal::Fin) => Closing,
        (Established | InsideFin | OutsideFin, _, _) => state,

        // The ports are used again: RFC 9293 section 3.6.1 lets a new SYN end TIME-WAIT.
        (Closing | Reset, Inside, Signal::Syn) => InsideSyn,
        (Closing | Reset, Inside, Signal::SynAck) => OutsideSyn,
        (Closing, _, _) => Closing,

        // The RST was not the end after all: RFC 7857 section 2.2.
        (Reset, _, Signal::Traffic | Signal::Fin) => Established,
        (Reset, _, Signal::Reset | Signal::Syn | Signal::SynAck) => Reset,
    }
}

/// Whether traffic that leaves the state as it is starts its timer anew. Never what may be forged (RFC 7857 section 7),
/// and never in the states that only wait for their end.
fn refreshes(state: SessionState, from: Side, signal: Signal) -> bool {
    match state {
        SessionState::InsideSyn => from == Side::Inside && signal == Signal::Syn,
        SessionState::OutsideSyn => from == Side::Inside && signal == Signal::SynAck,
        SessionState::Established | SessionState::InsideFin | SessionState::OutsideFin => {
            matches!(signal, Signal::Traffic | Signal::Fin)
        }
        SessionState::Closing | SessionState::Reset => false,
        SessionState::Active => true,
    }
}

/// What a segment may be taken for, given the sequence numbers.
fn prove(
    state: SessionState,
    sequences: &Sequences,
    from: Side,
    kind: Kind,
    segment: &Segment,
) -> Result<Signal, DropReason> {
    if state == SessionState::InsideSyn && from == Side::Outside {
        return prove_answer(sequences, kind, segment);
    }
    // The outside proves with its first acknowledgment that it got the SYN-ACK, and is no spoofed address.
    let handshake = state != SessionState::OutsideSyn || from == Side::Inside || sequences.acknowledges_syn(segment);
    let proven = |genuine: bool, signal| if genuine { signal } else { Signal::Unproven };
    Ok(match kind {
        Kind::Syn => Signal::Syn,
        Kind::SynAck => Signal::SynAck,
        Kind::Fin => proven(handshake && sequences.is_exact_fin(from, segment), Signal::Fin),
        Kind::Reset => proven(sequences.is_exact_reset(from, segment), Signal::Reset),
        // What the inside sends keeps its session alive even where the numbers have lost their thread.
        Kind::Other if from == Side::Inside => Signal::Traffic,
        Kind::Other => proven(handshake && sequences.fits(from, segment), Signal::Traffic),
    })
}

/// The outside's answer to a SYN: its own SYN, a SYN-ACK or a RST that acknowledges ours; nothing else passes.
fn prove_answer(sequences: &Sequences, kind: Kind, segment: &Segment) -> Result<Signal, DropReason> {
    match kind {
        Kind::Syn => Ok(Signal::Syn),
        Kind::SynAck if sequences.acknowledges_syn(segment) => Ok(Signal::SynAck),
        Kind::Reset if sequences.acknowledges_syn(segment) => Ok(Signal::Reset),
        Kind::SynAck | Kind::Reset | Kind::Fin | Kind::Other => Err(DropReason::NoSession),
    }
}

fn note(sequences: &mut Sequences, state: SessionState, from: Side, signal: Signal, segment: &Segment) {
    let opening = matches!(state, SessionState::InsideSyn | SessionState::OutsideSyn);
    let reopens = opening || matches!(state, SessionState::Closing | SessionState::Reset);
    match (signal, from) {
        (Signal::Syn, Side::Inside) if reopens && state != SessionState::OutsideSyn => {
            *sequences = Sequences::from_syn(segment);
        }
        (Signal::SynAck, Side::Inside) if reopens && state != SessionState::InsideSyn => {
            *sequences = Sequences::from_syn_ack(segment);
        }
        (Signal::Syn | Signal::SynAck, Side::Outside) if state == SessionState::InsideSyn => {
            sequences.learn_outside(segment);
        }
        (Signal::Traffic | Signal::Fin, _) if sequences.fits(from, segment) => sequences.advance(from, segment),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SessionState::{Closing, Established, InsideFin, InsideSyn, OutsideFin, OutsideSyn, Reset};

    const SIGNALS: [Signal; 6] =
        [Signal::Syn, Signal::SynAck, Signal::Fin, Signal::Reset, Signal::Traffic, Signal::Unproven];

    /// Every state, side and signal. Columns: the six signals from inside, then from outside, in the order above.
    #[test]
    fn every_transition_is_that_of_rfc_7857() {
        let (is, os, e) = (InsideSyn, OutsideSyn, Established);
        let (fi, fo, c, r) = (InsideFin, OutsideFin, Closing, Reset);
        let table = [
            //   SYN SYN-ACK FIN RST traffic unproven
            (is, [is, is, is, r, is, is], [e, e, is, r, is, is]),
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
                    assert_eq!(next(state, from, signal), expected, "{state:?}, {signal:?} from {from:?}");
                }
            }
        }
    }

    const ISN: u32 = 0xffff_fff0; // so that sequence numbers wrap within each test
    const PEER_ISN: u32 = 5000;

    fn segment(sequence: u32, acknowledgment: u32, length: u32) -> Segment {
        Segment { sequence, acknowledgment: Some(acknowledgment), length }
    }

    fn step(from: Side, kind: Kind, segment: &Segment, session: &mut (SessionState, Sequences)) -> Effect {
        let effect = effect(session.0, &session.1, from, kind, segment).expect("the segment passes");
        *session = (effect.state, effect.sequences);
        effect
    }

    /// A session after the handshake: both have sent their SYN and nothing else.
    fn established() -> (SessionState, Sequences) {
        let syn = Segment { sequence: ISN, acknowledgment: None, length: 1 };
        let mut session = (InsideSyn, Sequences::from_syn(&syn));
        step(Side::Outside, Kind::SynAck, &segment(PEER_ISN, ISN.wrapping_add(1), 1), &mut session);
        step(Side::Inside, Kind::Other, &segment(ISN.wrapping_add(1), PEER_ISN + 1, 0), &mut session);
        assert_eq!(session.0, Established);
        session
    }

    /// RFC 5961 section 3.2: a RST counts only at the exact sequence number.
    #[test]
    fn only_the_exact_reset_counts() {
        let session = established();
        for offset in [1, 2, 1000, u32::MAX, 0x8000_0000] {
            let wrong = segment(PEER_ISN.wrapping_add(1).wrapping_add(offset), 0, 0);
            let mut tried = session;
            assert!(!step(Side::Outside, Kind::Reset, &wrong, &mut tried).refresh);
            assert_eq!(tried, session, "offset {offset}");
        }
        let mut tried = session;
        step(Side::Outside, Kind::Reset, &segment(PEER_ISN + 1, 0, 0), &mut tried);
        assert_eq!(tried.0, Reset);
    }

    /// A forged segment does not move the numbers, so that no RST can be made to fit.
    #[test]
    fn segments_that_do_not_follow_on_are_not_noted() {
        let session = established();
        for sequence in [PEER_ISN + 2, PEER_ISN.wrapping_sub(1 << 25), 0x9000_0000] {
            let mut tried = session;
            step(Side::Outside, Kind::Other, &segment(sequence, ISN.wrapping_add(1), 100), &mut tried);
            assert_eq!(tried, session, "sequence {sequence}");
        }
        for acknowledgment in [ISN.wrapping_add(1 << 25), ISN.wrapping_sub(1 << 25)] {
            let mut tried = session;
            step(Side::Outside, Kind::Other, &segment(PEER_ISN + 1, acknowledgment, 100), &mut tried);
            assert_eq!(tried, session, "acknowledgment {acknowledgment}");
        }
    }

    /// A segment lost on its way here leaves a gap, which the receiver's acknowledgment closes.
    #[test]
    fn a_gap_is_closed_by_the_acknowledgment() {
        let mut session = established();
        step(Side::Outside, Kind::Other, &segment(PEER_ISN + 101, ISN.wrapping_add(1), 100), &mut session);
        step(Side::Inside, Kind::Other, &segment(ISN.wrapping_add(1), PEER_ISN + 201, 0), &mut session);
        step(Side::Outside, Kind::Fin, &segment(PEER_ISN + 201, ISN.wrapping_add(1), 1), &mut session);
        assert_eq!(session.0, OutsideFin);
    }

    /// RFC 5961 section 3.2 for FIN: ahead of what its sender has sent, or behind it, it does not count.
    #[test]
    fn only_the_fin_at_the_end_counts() {
        let session = established();
        for sequence in [PEER_ISN, PEER_ISN + 2, PEER_ISN + 1 + (1 << 25)] {
            let mut tried = session;
            step(Side::Outside, Kind::Fin, &segment(sequence, ISN.wrapping_add(1), 1), &mut tried);
            assert_eq!(tried, session, "sequence {sequence}");
        }
        let mut tried = session;
        step(Side::Outside, Kind::Fin, &segment(PEER_ISN + 1, ISN.wrapping_add(1), 51), &mut tried);
        assert_eq!(tried.0, OutsideFin, "with 50 bytes of data");
    }
}
