//! What the log tells of the traffic.

use nat_core::{DropReason, Side, Width};
use nat_embassy::{Control, FrameDrop};

use crate::journal::Journal;
use crate::log::info;

/// How often the statistics are told, in milliseconds.
const INTERVAL: u64 = 10_000;

/// Tells the statistics when it is time.
pub(crate) struct Statistics<W: Width> {
    control: Control<'static, W>,
    journal: &'static Journal,
    due: u64,
    /// Packets forwarded as told last.
    told: Forwarded,
    /// The most sessions there were at any line.
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
    pub(crate) fn new(control: Control<'static, W>, journal: &'static Journal) -> Self {
        Self {
            control,
            journal,
            due: INTERVAL,
            told: Forwarded::default(),
            most_sessions: 0,
        }
    }

    /// Tells the statistics if they are due at `now`, in milliseconds since the start.
    pub(crate) fn tell(&mut self, now: u64) {
        if now < self.due {
            return;
        }
        self.due = now.saturating_add(INTERVAL);
        self.tell_traffic();
        self.tell_tables();
    }

    fn tell_traffic(&mut self) {
        let frames = self.control.stats();
        let (forwarded, dropped, top) = self.control.with_nat(|nat| {
            let stats = nat.stats();
            let forwarded = Forwarded {
                out: stats.outside.packets_out,
                back: stats.inside.packets_out,
            };
            let of_nat = |reason: &DropReason| {
                (
                    reason.as_str(),
                    stats.dropped(*reason) + stats.rejected(*reason),
                )
            };
            let sides = [Side::Inside, Side::Outside].map(|side| frames.side(side));
            let of_frames = |reason: &FrameDrop| {
                (
                    reason.as_str(),
                    sides.iter().map(|side| side.dropped(*reason)).sum(),
                )
            };
            let counts = DropReason::ALL
                .iter()
                .map(of_nat)
                .chain(FrameDrop::ALL.iter().map(of_frames));
            (
                forwarded,
                counts.clone().map(|(_, count)| count).sum::<u64>(),
                highest(counts),
            )
        });
        let Forwarded { out, back } = self.told;
        let (out, back) = (
            forwarded.out.wrapping_sub(out),
            forwarded.back.wrapping_sub(back),
        );
        self.told = forwarded;
        let [(one, ones), (two, twos), (three, threes)] = top;
        info!(
            "10 s: {} packets out, {} in; dropped since the start {}: {} {}, {} {}, {} {}",
            out, back, dropped, one, ones, two, twos, three, threes
        );
    }

    fn tell_tables(&mut self) {
        let (sessions, hosts) = self.control.with_nat(|nat| {
            // A bit for each host, by the last 8 bits of its address.
            let mut hosts = [0_u32; 8];
            let mut sessions = 0_u32;
            for session in nat.sessions() {
                sessions = sessions.saturating_add(1);
                let [.., last] = session.inside.ip().octets();
                if let Some(word) = hosts.get_mut(usize::from(last / 32)) {
                    *word |= 1 << (last % 32);
                }
            }
            (
                sessions,
                hosts.iter().map(|word| word.count_ones()).sum::<u32>(),
            )
        });
        self.most_sessions = self.most_sessions.max(sessions);
        let (mappings, most) = self.journal.mappings();
        let most_sessions = self.most_sessions;
        info!(
            "tables: {} sessions (most {}), {} mappings (most {}), {} hosts",
            sessions, most_sessions, mappings, most, hosts
        );
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
