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
