//! What identifies a datagram, and what its first fragment decides for the others.

use crate::Side;
use crate::wire::ipv4;

/// What all fragments of one datagram have in common (RFC 791 section 3.2), and the side that they
/// come in from. With the side in it, a sender on one side cannot add fragments to a datagram of
/// the other.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Key {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) id: u16,
    pub(crate) protocol: u8,
    pub(crate) from: Side,
}

/// The header fields that the first fragment got by translation, and its egress. Later fragments
/// get the same.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct FragmentRoute {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) id: u16,
    pub(crate) egress: Egress,
}

impl FragmentRoute {
    /// All zeros, as in free slots.
    pub(super) const NONE: Self = Self {
        source: 0,
        destination: 0,
        id: 0,
        egress: Egress::Inside,
    };
}

/// Where the fragments of a datagram go.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Egress {
    /// Across the router, to the inside.
    Inside,
    /// Across the router, to the outside.
    Outside,
    /// To the outside, from the router's own outside stack.
    FromRouter,
    /// To the router's own outside stack.
    Local,
}

impl Egress {
    pub(crate) fn across(to: Side) -> Self {
        match to {
            Side::Inside => Self::Inside,
            Side::Outside => Self::Outside,
        }
    }
}

/// A first fragment that was accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    pub(crate) route: FragmentRoute,
    pub(crate) stage: Stage,
    pub(crate) extent: Extent,
    /// A hash of the start of its payload, which includes the checksum of the whole datagram.
    pub(crate) fingerprint: u32,
}

/// How far a datagram has come. Where all slots are in use, a datagram of a later stage takes the
/// slot of one of an earlier stage.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Stage {
    Free,
    /// No first fragment was accepted yet. Anyone can cause this, from any source address.
    Waiting,
    /// The first fragment was accepted by a port forward or an open filter, without a session.
    /// Strangers outside can cause this, from any source address.
    Admitted,
    /// The first fragment belongs to a session, or came from inside.
    InSession,
}

/// The part of a datagram's payload that a fragment carries, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Extent {
    start: usize,
    end: usize,
}

impl Extent {
    /// Overlaps no other.
    pub(super) const EMPTY: Self = Self { start: 0, end: 0 };

    pub(crate) fn of(ip: &ipv4::Header) -> Self {
        let start = usize::from(ip.fragment_offset()).saturating_mul(8);
        let len = usize::from(ip.total_length()).saturating_sub(ip.header_length());
        Self {
            start,
            end: start.saturating_add(len),
        }
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}
