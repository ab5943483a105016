//! A bound within which no limit of hosts or tables matters, so that most sessions begin without a
//! look at each.

use crate::config::Limits;

/// What is enough for any new session to lack nothing, and for nothing to be evicted for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ease {
    /// A host with fewer sessions has reached no limit: it has no more mappings than sessions, nor
    /// more half-open sessions.
    sessions: usize,
    /// With as many free slots in both tables, they are not nearly full, and no host has to leave
    /// slots to others.
    free: usize,
    /// With fewer half-open sessions of all hosts, there is room for another.
    half_open: usize,
}

impl Ease {
    /// For tables with this capacity of mappings and sessions, of which so many are `reserved`.
    pub(super) fn new(
        limits: &Limits,
        (mappings, sessions): (usize, usize),
        reserved: usize,
    ) -> Self {
        let smaller = mappings.min(sessions);
        let or_part = |limit: Option<u16>, part: usize| limit.map_or(part, usize::from);
        let half_open = or_part(limits.half_open, smaller / 2);
        // The parts are rounded down where the limits round up, and `smaller` stands for either
        // table: the bound may be too low, never too high.
        let least = [
            or_part(limits.sessions_per_host, sessions / 2),
            or_part(limits.mappings_per_host, mappings / 2),
            or_part(limits.half_open_per_host, smaller / 4),
            or_part(limits.sessions_per_mapping, usize::MAX),
            or_part(limits.tcp_mappings_per_host, usize::MAX),
            or_part(limits.udp_mappings_per_host, usize::MAX),
            or_part(limits.icmp_mappings_per_host, usize::MAX),
        ];
        Self {
            sessions: least.into_iter().fold(usize::MAX, usize::min),
            // A session may take two slots, and so may those for which slots are reserved.
            free: reserved
                .saturating_mul(2)
                .saturating_add(2)
                .max(mappings.max(sessions) / 8),
            // The limit for connections opened from outside, which is the stricter one.
            half_open: half_open.saturating_sub(half_open / 4),
        }
    }

    /// Whether a host with so many `sessions` may have another one, where the fuller table has so
    /// many `free` slots and all hosts have so many `half_open` sessions. A no says nothing.
    #[inline(always)]
    pub(super) fn allows(&self, sessions: usize, free: usize, half_open: usize) -> bool {
        sessions < self.sessions && free >= self.free && half_open < self.half_open
    }
}
