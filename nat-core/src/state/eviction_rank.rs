//! Which sessions of a host may be evicted for another session of the same host, and in which
//! order.

use crate::session_info::SessionState;
use crate::table::{AgeList, Width};

use super::{ByRank, Proto, Session};

/// The kinds of sessions that may be evicted, in the order in which they are. A session of no such
/// kind is never evicted, above all one that both ends have agreed to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum EvictionRank {
    /// TCP after a valid RST.
    Reset,
    /// TCP with both FINs seen.
    Closing,
    /// A question that was answered: see [`Exchange::Answered`](super::Exchange).
    Answered,
    /// TCP opened from outside, and not acknowledged from there.
    OutsideSyn,
    /// TCP opened from inside, and not answered.
    InsideSyn,
}

impl EvictionRank {
    pub(crate) const COUNT: usize = 5;

    /// Every rank, in the order of eviction.
    // First what is over, last what the host itself has begun.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Reset,
        Self::Closing,
        Self::Answered,
        Self::OutsideSyn,
        Self::InsideSyn,
    ];

    /// The ranks of finished sessions.
    pub(crate) const FINISHED: &'static [Self] = &[Self::Reset, Self::Closing, Self::Answered];

    /// The ranks that may be evicted for a new session in `state`.
    pub(crate) fn evictable_for(state: SessionState) -> &'static [Self] {
        use EvictionRank::{Answered, Closing, OutsideSyn, Reset};
        match state {
            // A SYN from outside to a port forward makes the inside host open a session. Such SYNs
            // can be forged, so they must not evict connections that the host itself has begun.
            SessionState::OutsideSyn => &[Reset, Closing, Answered, OutsideSyn],
            _ => Self::ALL,
        }
    }

    pub(crate) fn of<W: Width>(session: &Session<W>, proto: Proto) -> Option<Self> {
        match (proto, session.state) {
            (Proto::Tcp, SessionState::Reset) => Some(Self::Reset),
            (Proto::Tcp, SessionState::Closing) => Some(Self::Closing),
            (Proto::Tcp, SessionState::OutsideSyn) => Some(Self::OutsideSyn),
            (Proto::Tcp, SessionState::InsideSyn) => Some(Self::InsideSyn),
            (Proto::Icmp | Proto::Udp, _) if session.is_answered() => Some(Self::Answered),
            _ => None,
        }
    }
}

/// The sessions of one host and rank.
pub(crate) type EvictionList<W> = AgeList<W, ByRank>;
