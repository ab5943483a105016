//! What became of a packet, and what a step did.

use nat_core::{DropReason, Side, Verdict};

use super::packet::Headers;

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Forwarded(Headers),
    Dropped(DropReason),
    Rejected(DropReason, ()),
    Held,
    Local,
}

/// What a step did, for the report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    Out,
    In,
    Hairpin,
    Dropped,
    Answered,
    Held,
    Local,
    /// Time passed, or the application changed something.
    Changed,
}

/// What a step did, with how many sessions began and ended, and how many held fragments left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) effect: Effect,
    pub(crate) opened: usize,
    pub(crate) ended: usize,
    pub(crate) released: usize,
}

impl Outcome {
    pub(crate) fn of(verdict: &Verdict, from: Side, buffer: &[u8]) -> Self {
        match verdict {
            Verdict::Drop(reason) => Self::Dropped(*reason),
            Verdict::Reject(reply) => Self::Rejected(reply.reason(), ()),
            Verdict::Hold => Self::Held,
            Verdict::Local { .. } => Self::Local,
            Verdict::Forward { len, .. } | Verdict::Fragment { len, .. } => {
                Headers::of(&buffer[..*len], from).map_or(Self::Local, Self::Forwarded)
            }
        }
    }
}

impl Effect {
    pub(crate) fn of(verdict: &Verdict, from: Side) -> Self {
        match verdict {
            Verdict::Drop(_) => Self::Dropped,
            Verdict::Reject(_) => Self::Answered,
            Verdict::Hold => Self::Held,
            Verdict::Local { .. } => Self::Local,
            Verdict::Forward { to, .. } | Verdict::Fragment { to, .. } => match (from, to) {
                (_, Side::Outside) => Self::Out,
                (Side::Inside, Side::Inside) => Self::Hairpin,
                (Side::Outside, Side::Inside) => Self::In,
            },
        }
    }
}
