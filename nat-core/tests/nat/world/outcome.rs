//! What became of a packet, after it was processed.

use nat_core::{DropReason, Side};

use super::Packet;

#[derive(Debug)]
#[must_use = "a test says what it expects of each packet"]
pub(crate) enum Outcome {
    Dropped(DropReason),
    Forwarded(Packet),
    /// Forwarded in pieces: the datagram, and the pieces in the order in which they leave.
    Fragmented(Packet, Vec<Packet>),
    Held,
    Local(Side, Packet),
    /// The reason and the answer.
    Rejected(DropReason, Packet),
}

impl Outcome {
    #[track_caller]
    pub(crate) fn forwarded(self) -> Packet {
        match self {
            Self::Forwarded(packet) => packet,
            other => panic!("expected Forward, got {other:?}"),
        }
    }

    /// The pieces of a packet that was too large for the link.
    #[track_caller]
    pub(crate) fn fragmented(self) -> Vec<Packet> {
        match self {
            Self::Fragmented(_, pieces) => pieces,
            other => panic!("expected Fragment, got {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn held(self) {
        assert!(matches!(self, Self::Held), "expected Hold, got {self:?}");
    }

    #[track_caller]
    pub(crate) fn dropped(self, expected: DropReason) {
        match self {
            Self::Dropped(reason) => assert_eq!(reason, expected, "dropped for another reason"),
            other => panic!("expected Drop({expected:?}), got {other:?}"),
        }
    }

    /// The answer to a packet that was rejected.
    #[track_caller]
    pub(crate) fn rejected(self, expected: DropReason) -> Packet {
        match self {
            Self::Rejected(reason, answer) => {
                assert_eq!(reason, expected, "rejected for another reason");
                answer
            }
            other => panic!("expected Reject({expected:?}), got {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn local(self, expected: Side) -> Packet {
        match self {
            Self::Local(side, packet) => {
                assert_eq!(side, expected, "for the stack of the other side");
                packet
            }
            other => panic!("expected Local {{ {expected:?} }}, got {other:?}"),
        }
    }

    pub(crate) fn is_forwarded(&self) -> bool {
        matches!(self, Self::Forwarded(_) | Self::Fragmented(..))
    }

    /// The reason of a packet that was not let through, answered or not.
    pub(crate) fn refusal(&self) -> Option<DropReason> {
        match self {
            Self::Dropped(reason) | Self::Rejected(reason, _) => Some(*reason),
            Self::Forwarded(_) | Self::Fragmented(..) | Self::Held | Self::Local(..) => None,
        }
    }
}
