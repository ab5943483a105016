//! The log lines about the traffic.

use nat_core::{DropReason, Nat, Stats, Width};
use nat_embassy::{Control, FrameDrop, FrameStats};

use crate::events::MappingCount;
use crate::log::info;

/// How often the statistics are logged, in milliseconds.
const INTERVAL: u64 = 10_000;

/// Logs the statistics at intervals.
pub(crate) struct Statistics<W: Width> {
    control: Control<'static, W>,
    mappings: &'static MappingCount,
    due: u64,
    /// The packets forwarded before the last line.
    reported: Forwarded,
    /// The most sessions at any line.
    most_sessions: u32,
}

#[derive(Clone, Copy, Default)]
struct Forwarded {
    out: u64,
    back: u64,
}

/// A reason and how often it applied.
type Count = (&'static str, u64);

impl<W: Width> Statistics<W> {
    pub(crate) fn new(control: Control<'static, W>, mappings: &'static MappingCount) -> Self {
        Self {
            control,
            mappings,
            due: INTERVAL,
            reported: Forwarded::default(),
            most_sessions: 0,
        }
    }

    /// Logs the statistics if they are due at `now`, in milliseconds since the start.
    pub(crate) fn log_if_due(&mut self, now: u64) {
        if now < self.due {
            return;
        }
        self.due = now.saturating_add(INTERVAL);
        self.log_traffic();
        self.log_tables();
    }

    fn log_traffic(&mut self) {
        let frames = self.control.stats();
        let (forwarded, drops) = self.control.with_nat(|nat| {
            let stats = nat.stats();
            (Forwarded::of(&stats), Drops::of(&stats, &frames))
        });
        let out = forwarded.out.wrapping_sub(self.reported.out);
        let back = forwarded.back.wrapping_sub(self.reported.back);
        self.reported = forwarded;
        let [(one, ones), (two, twos), (three, threes)] = drops.most_frequent;
        info!(
            "10 s: {} packets out, {} in; dropped since the start {}: {} {}, {} {}, {} {}",
            out, back, drops.total, one, ones, two, twos, three, threes
        );
    }

    fn log_tables(&mut self) {
        let (sessions, hosts) = self.control.with_nat(|nat| count_sessions(nat));
        self.most_sessions = self.most_sessions.max(sessions);
        let (mappings, most) = self.mappings.get();
        let most_sessions = self.most_sessions;
        info!(
            "tables: {} sessions (most {}), {} mappings (most {}), {} hosts",
            sessions, most_sessions, mappings, most, hosts
        );
    }
}

/// The number of sessions, and of the hosts that have one. Hosts whose addresses have the same last
/// 8 bits count as one.
fn count_sessions<W: Width>(nat: &Nat<'_, W>) -> (u32, u32) {
    // A bit for each host.
    let mut hosts = [0_u32; 8];
    let mut sessions = 0_u32;
    for session in nat.sessions() {
        sessions = sessions.saturating_add(1);
        let [.., last] = session.inside.ip().octets();
        if let Some(word) = hosts.get_mut(usize::from(last / 32)) {
            *word |= 1 << (last % 32);
        }
    }
    (sessions, hosts.iter().map(|word| word.count_ones()).sum())
}

impl Forwarded {
    const fn of(stats: &Stats) -> Self {
        Self {
            out: stats.outside.packets_out,
            back: stats.inside.packets_out,
        }
    }
}

/// The drops since the start, of the NAT and of the adapter.
struct Drops {
    total: u64,
    most_frequent: [Count; 3],
}

impl Drops {
    fn of(stats: &Stats, frames: &FrameStats) -> Self {
        let by_nat = DropReason::ALL.iter().map(|reason| {
            let count = stats.dropped(*reason) + stats.rejected(*reason);
            (reason.as_str(), count)
        });
        let by_adapter = FrameDrop::ALL.iter().map(|reason| {
            let count = frames.inside.dropped(*reason) + frames.outside.dropped(*reason);
            (reason.as_str(), count)
        });
        let counts = by_nat.chain(by_adapter);
        Self {
            total: counts.clone().map(|(_, count)| count).sum(),
            most_frequent: highest(counts),
        }
    }
}

/// The three highest counts, the highest first.
fn highest(counts: impl Iterator<Item = Count>) -> [Count; 3] {
    let [mut one, mut two, mut three] = [("-", 0); 3];
    for count in counts {
        if count.1 > one.1 {
            (one, two, three) = (count, one, two);
        } else if count.1 > two.1 {
            (two, three) = (count, two);
        } else if count.1 > three.1 {
            three = count;
        }
    }
    [one, two, three]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_highest_counts_come_in_order() {
        let counts = [("a", 1), ("b", 5), ("c", 0), ("d", 3), ("e", 5), ("f", 4)];
        assert_eq!(highest(counts.into_iter()), [("b", 5), ("e", 5), ("f", 4)]);
        assert_eq!(
            highest([("a", 0), ("b", 2)].into_iter()),
            [("b", 2), ("-", 0), ("-", 0)]
        );
    }
}
