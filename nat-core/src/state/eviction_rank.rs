//! Which sessions of a host may end to make room for another of the same host, and in which order.

use crate::session_info::SessionState;
use crate::table::{AgeList, Width};

use super::{Proto, Session};

/// The kinds of sessions that may end to make room, in the order in which they do. A session of no
/// such kind, above all one that both ends have agreed to, is never ended for another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum EvictionRank {
    /// TCP after a RST that has proved genuine.
    Reset,
    /// TCP with both FINs seen.
    Closing,
    /// A question that was answered: see [`Exchange::Answered`](super::Exchange).
    Answered,
    /// TCP opened from outside, and not acknowledged.
    OutsideSyn,
    /// TCP opened from inside, and not answered.
    InsideSyn,
}

impl EvictionRank {
    pub(crate) const COUNT: usize = 5;

    /// What is done.
    pub(crate) const FINISHED: &'static [Self] = &[Self::Reset, Self::Closing, Self::Answered];

    /// What a new session in `state` may take the place of. Whoever sends SYNs to a port forward
    /// from outside has the host answer them, and so may not displace what the host has begun
    /// itself.
    pub(crate) fn evictable_for(state: SessionState) -> &'static [Self] {
        use EvictionRank::{Answered, Closing, InsideSyn, OutsideSyn, Reset};
        match state {
            SessionState::OutsideSyn => &[Reset, Closing, Answered, OutsideSyn],
            _ => &[Reset, Closing, Answered, OutsideSyn, InsideSyn],
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

/// The order of the lists of sessions that may make room: by when they came to be so.
#[derive(Clone, Copy)]
pub(crate) enum ByRank {}

/// The sessions of one host and rank.
pub(crate) type EvictionList<W> = AgeList<W, ByRank>;
