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

#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
        if self.take_due(now) {
            log_traffic(&self.traffic());
            log_tables(&self.table_use());
        }
    }

    /// Whether the statistics are due at `now`. If so, they are due next an interval later: lines
    /// that come late do not follow each other faster.
    fn take_due(&mut self, now: u64) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now.saturating_add(INTERVAL);
        }
        is_due
    }

    /// What was forwarded since the last call, and dropped since the start.
    fn traffic(&mut self) -> Traffic {
        let frames = self.control.stats();
        let (forwarded, drops) = self.control.with_nat(|nat| {
            let stats = nat.stats();
            (Forwarded::of(&stats), Drops::of(&stats, &frames))
        });
        let before = core::mem::replace(&mut self.reported, forwarded);
        Traffic {
            // The NAT's counters wrap, and their differences are right all the same.
            forwarded: Forwarded {
                out: forwarded.out.wrapping_sub(before.out),
                back: forwarded.back.wrapping_sub(before.back),
            },
            drops,
        }
    }

    fn table_use(&mut self) -> TableUse {
        let (sessions, hosts) = self.control.with_nat(|nat| count_sessions(nat));
        self.most_sessions = self.most_sessions.max(sessions);
        TableUse {
            sessions: (sessions, self.most_sessions),
            mappings: self.mappings.get(),
            hosts,
        }
    }
}

/// What one line is about.
#[derive(Debug, PartialEq)]
struct Traffic {
    forwarded: Forwarded,
    drops: Drops,
}

/// What the other line is about.
#[derive(Debug, PartialEq)]
struct TableUse {
    /// The sessions now, and the most at any line.
    sessions: (u32, u32),
    /// The mappings now, and the most at any time.
    mappings: (u32, u32),
    hosts: u32,
}

fn log_traffic(traffic: &Traffic) {
    let Traffic { forwarded, drops } = traffic;
    let [(one, ones), (two, twos), (three, threes)] = drops.most_frequent;
    info!(
        "10 s: {} packets out, {} in; dropped since the start {}: {} {}, {} {}, {} {}",
        forwarded.out, forwarded.back, drops.total, one, ones, two, twos, three, threes
    );
}

fn log_tables(table_use: &TableUse) {
    let (sessions, most_sessions) = table_use.sessions;
    let (mappings, most) = table_use.mappings;
    info!(
        "tables: {} sessions (most {}), {} mappings (most {}), {} hosts",
        sessions, most_sessions, mappings, most, table_use.hosts
    );
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
#[derive(Debug, PartialEq)]
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
    use core::net::Ipv4Addr;
    use std::boxed::Box;
    use std::vec::Vec;

    use embassy_net::{Ipv4Cidr, StaticConfigV4};
    use embassy_net_driver_channel as channel;
    use etherparse::PacketBuilder;
    use nat_core::{Instant, Side};

    use super::*;
    use crate::{Config, Memory};

    const ROUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
    const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
    const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 10);
    /// An address of no inside network.
    const STRANGER: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);

    fn device(last: u8) -> channel::Device<'static, 1514> {
        let state = Box::leak(Box::new(channel::State::<1514, 1, 1>::new()));
        let mac = channel::driver::HardwareAddress::Ethernet([0x02, 0, 0, 0, 0, last]);
        channel::new(state, mac).1
    }

    /// The statistics of a router with a static outside address, and its handle.
    fn router() -> (Control<'static>, Statistics<u16>) {
        let memory = Box::leak(Box::new(Memory::<8, 8, 8>::new()));
        let config = Config {
            dhcp_server: None,
            outside: Some(StaticConfigV4 {
                address: Ipv4Cidr::new(ROUTER, 24),
                gateway: None,
                dns_servers: Default::default(),
            }),
            ..Config::default()
        };
        let router = crate::new(memory, config, [7; 32], device(1), device(2))
            .expect("a sound configuration");
        let statistics = Statistics::new(router.control, router.services.mapping_count);
        (router.control, statistics)
    }

    /// A datagram that the NAT processes as if it came from `side`.
    fn process(control: Control<'_>, side: Side, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) {
        let mut packet = Vec::new();
        PacketBuilder::ipv4(from.0.octets(), to.0.octets(), 64)
            .udp(from.1, to.1)
            .write(&mut packet, b"?")
            .expect("a vector grows");
        let _ = control.with_nat(|nat| nat.process(&mut packet, side, Instant::from_secs(1)));
    }

    #[test]
    fn the_statistics_are_due_every_ten_seconds() {
        let (_, mut statistics) = router();
        let due: Vec<u64> = (0..45_000)
            .step_by(500)
            .filter(|now| statistics.take_due(*now))
            .collect();
        assert_eq!(due, [10_000, 20_000, 30_000, 40_000]);
        assert!(statistics.take_due(53_000), "late");
        assert!(!statistics.take_due(62_999));
        assert!(statistics.take_due(63_000));
    }

    #[test]
    fn packets_count_from_line_to_line_and_drops_from_the_start() {
        let (control, mut statistics) = router();
        process(control, Side::Inside, (HOST, 5000), (SERVER, 7));
        process(control, Side::Inside, (HOST, 5001), (SERVER, 7));
        process(control, Side::Inside, (STRANGER, 5002), (SERVER, 7));
        let external = control.with_nat(|nat| {
            let session = nat.sessions().next().expect("two sessions");
            session.external.port()
        });
        process(control, Side::Outside, (SERVER, 7), (ROUTER, external));
        let drops = || Drops {
            total: 1,
            most_frequent: [("spoofed-source", 1), ("-", 0), ("-", 0)],
        };
        for (out, back) in [(2, 1), (0, 0)] {
            let expected = Traffic {
                forwarded: Forwarded { out, back },
                drops: drops(),
            };
            assert_eq!(statistics.traffic(), expected);
        }
    }

    #[test]
    fn the_use_of_the_tables_has_the_most_besides() {
        let (control, mut statistics) = router();
        // A mapping that is gone when the first line is logged.
        process(control, Side::Inside, (HOST, 4999), (SERVER, 7));
        control.with_nat(|nat| nat.clear(Instant::from_secs(1)));
        process(control, Side::Inside, (HOST, 5000), (SERVER, 7));
        process(control, Side::Inside, (HOST, 5001), (SERVER, 7));
        let expected = |sessions, mappings, hosts| TableUse {
            sessions,
            mappings,
            hosts,
        };
        assert_eq!(statistics.table_use(), expected((2, 2), (2, 2), 1));
        control.with_nat(|nat| nat.clear(Instant::from_secs(1)));
        assert_eq!(statistics.table_use(), expected((0, 2), (0, 2), 0));
    }

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
