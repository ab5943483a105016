//! What look-ups cost under attack: the slots that one packet makes the engine look at, counted
//! (A29).

extern crate std;

use std::boxed::Box;
use std::vec::Vec;

use core::net::Ipv4Addr;

use etherparse::PacketBuilder;

use crate::config::Limits;
use crate::state::{Endpoint, Inside, InsideTuple, Origin, Proto};
use crate::table::MAX_PROBES;
use crate::{Cidr, Config, DropReason, Instant, Nat, PortRange, Seed, Side, Tables, Verdict};

const MAPPINGS: usize = 512;
const SESSIONS: usize = 1024;
const EXTERNAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// How often a packet that opens a session has the bucket searched that an attacker has filled: to
/// find the session or mapping, on both ways through the engine, to check that it may be, and to
/// make it.
const SEARCHES: usize = 6;

/// The ends of the session with a number.
type Pattern = fn(u32) -> (Endpoint, Endpoint);

fn nat(seed: u8, change: impl FnOnce(&mut Config)) -> Nat<'static> {
    let mut config =
        Config::new(Cidr::new(Ipv4Addr::new(192, 168, 1, 1), 24).expect("a prefix length"));
    config
        .external_addresses
        .push(EXTERNAL)
        .expect("room for one");
    config.limits = Limits {
        sessions_per_host: Some(u16::MAX),
        mappings_per_host: Some(u16::MAX),
        ..Limits::DEFAULT
    };
    config.limits.reserved_per_host = Some(0);
    change(&mut config);
    let tables = Box::leak(Box::new(Tables::<MAPPINGS, SESSIONS, 16>::new()));
    Nat::new(tables, config, Seed::new([seed; 16])).expect("a sound configuration")
}

fn host(number: u32) -> u32 {
    u32::from_be_bytes([192, 168, 1, 10]) + number
}

fn inside(address: u32, port: u16) -> InsideTuple {
    let inside = Inside {
        origin: Origin::Host,
        endpoint: Endpoint { address, port },
    };
    let remote = Endpoint {
        address: 0x0808_0808,
        port: 53,
    };
    InsideTuple {
        proto: Proto::Udp,
        inside,
        remote,
        untranslated: false,
    }
}

fn remotes() -> impl Iterator<Item = Endpoint> {
    (0..4_000_000_u32).map(|i| Endpoint {
        address: 0x0808_0000 + i / 60_000,
        port: 1 + (i % 60_000) as u16,
    })
}

/// Sends a UDP datagram from inside. Its verdict, and how many slots were looked at.
fn send(nat: &mut Nat<'_>, from: Endpoint, to: Endpoint) -> (Verdict, usize) {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.address.to_be_bytes(), to.address.to_be_bytes(), 64);
    builder
        .udp(from.port, to.port)
        .write(&mut packet, b"A29")
        .expect("a vector grows");
    nat.state.tables.take_probes();
    let verdict = nat.process(&mut packet, Side::Inside, Instant::from_secs(1));
    (verdict, nat.state.tables.take_probes())
}

fn reason(verdict: &Verdict) -> Option<DropReason> {
    match verdict {
        Verdict::Drop(reason) => Some(*reason),
        Verdict::Reject(reply) => Some(reply.reason()),
        Verdict::Forward { .. }
        | Verdict::Fragment { .. }
        | Verdict::Hold
        | Verdict::Local { .. } => None,
    }
}

/// A29, with the secret: an inside host that knows it picks remote endpoints which share a bucket.
/// As many are had as a bucket holds; the others are refused, counted and no dearer than those; and
/// whatever is not in the bucket goes on.
#[test]
fn a_flood_of_chosen_keys_meets_the_bound() {
    let mut nat = nat(1, |_| ());
    let from = Endpoint {
        address: host(0),
        port: 5000,
    };
    let remotes: Vec<_> = remotes().collect();
    assert_eq!(reason(&send(&mut nat, from, remotes[0]).0), None);
    let mapping = nat
        .state
        .tables
        .mapping_of_inside(&inside(from.address, from.port))
        .expect("the mapping");
    let colliding = |remote: &&Endpoint| {
        nat.state
            .tables
            .remotes_collide(mapping, [remotes[0], **remote])
    };
    let chosen: Vec<_> = remotes
        .iter()
        .filter(colliding)
        .take(2000)
        .copied()
        .collect();
    assert_eq!(chosen.len(), 2000, "the attacker has as many as it likes");
    let (mut had, mut worst) = (0, 0);
    for remote in &chosen {
        let (verdict, probes) = send(&mut nat, from, *remote);
        worst = worst.max(probes);
        match reason(&verdict) {
            None => had += 1,
            refused => assert_eq!(refused, Some(DropReason::IndexFull)),
        }
    }
    assert_eq!(had, MAX_PROBES);
    assert!(
        worst <= SEARCHES * MAX_PROBES,
        "{worst} slots for one packet"
    );
    let refused = nat.record.stats.rejected(DropReason::IndexFull)
        + nat.record.stats.dropped(DropReason::IndexFull);
    assert_eq!(refused, 2000 - MAX_PROBES as u64);
    let other = remotes.iter().find(|remote| {
        !nat.state
            .tables
            .remotes_collide(mapping, [remotes[0], **remote])
    });
    assert_eq!(
        reason(&send(&mut nat, from, *other.expect("another bucket")).0),
        None
    );
}

/// A29, with the secret: the same with ports and addresses of hosts, whose mappings share a bucket.
#[test]
fn a_flood_of_chosen_inside_endpoints_meets_the_bound() {
    let mut nat = nat(2, |_| ());
    let all =
        (0..8).flat_map(|number| (1024..=u16::MAX).map(move |port| inside(host(number), port)));
    let all: Vec<_> = all.collect();
    let chosen: Vec<_> = all
        .iter()
        .filter(|tuple| nat.state.tables.insides_collide([&all[0], tuple]))
        .collect();
    assert!(chosen.len() > 500, "{} collide", chosen.len());
    let sent: Vec<_> = chosen
        .iter()
        .map(|tuple| send(&mut nat, tuple.inside.endpoint, tuple.remote))
        .collect();
    assert_eq!(
        sent.iter()
            .filter(|(verdict, _)| reason(verdict).is_none())
            .count(),
        MAX_PROBES
    );
    let worst = sent.iter().map(|(_, probes)| *probes).max().unwrap_or(0);
    assert!(
        worst <= SEARCHES * MAX_PROBES,
        "{worst} slots for one packet"
    );
}

/// A29, without the secret: keys in order, in steps of the table, with equal halves, for 300
/// secrets, until the table is full. No bucket is ever full, and no packet costs more than four
/// full buckets.
#[test]
fn keys_chosen_without_the_secret_stay_far_from_the_bound() {
    let patterns: [(&str, Pattern); 4] = [
        ("in order", |i| {
            (
                Endpoint {
                    address: host(0),
                    port: 5000,
                },
                Endpoint {
                    address: 0x0808_0808 + i,
                    port: 53,
                },
            )
        }),
        ("in steps", |i| {
            (
                Endpoint {
                    address: host(0),
                    port: 5000,
                },
                Endpoint {
                    address: 0x0808_0000 + i * 1024,
                    port: 53,
                },
            )
        }),
        ("equal halves", |i| {
            let (address, port) = (
                0x0801_0801 + (i % 200) * 0x0001_0001,
                2000 + (i / 200) as u16,
            );
            (
                Endpoint {
                    address: host(0),
                    port: 5000,
                },
                Endpoint { address, port },
            )
        }),
        ("ports of hosts", |i| {
            let from = Endpoint {
                address: host(i % 8),
                port: 1024 + (i / 16) as u16,
            };
            (
                from,
                Endpoint {
                    address: 0x0808_0808,
                    port: 53 + (i / 8 % 2) as u16,
                },
            )
        }),
    ];
    let mut worst = 0;
    for seed in 1..=75 {
        for (name, pattern) in patterns {
            let mut nat = nat(seed, |_| ());
            for number in 0..SESSIONS as u32 {
                let (from, to) = pattern(number);
                let (verdict, probes) = send(&mut nat, from, to);
                assert_eq!(reason(&verdict), None, "{name}, {number}, seed {seed}");
                worst = worst.max(probes);
            }
        }
    }
    assert!(worst <= 4 * MAX_PROBES, "{worst} slots for one packet");
}

/// R5: the search for a port has an end: the range, and a few random draws. A refusal because of
/// exhausted ports looks at none, except where each host has a block of ports: there it looks at
/// the block.
#[test]
fn the_search_for_a_port_is_bounded_by_the_range_or_the_block() {
    const PORTS: u16 = 256;
    let range = PortRange::new(30_000, 30_000 + PORTS - 1).expect("a range");
    for blocks in [None, Some(PORTS)] {
        let mut nat = nat(3, |config| {
            (config.ports, config.port_blocks) = (range, blocks);
        });
        let to = Endpoint {
            address: 0x0808_0808,
            port: 53,
        };
        let mut fill = |port: u16| {
            send(
                &mut nat,
                Endpoint {
                    address: host(0),
                    port,
                },
                to,
            )
        };
        let had: Vec<_> = (0..PORTS).map(|port| fill(5000 + port)).collect();
        assert!(
            had.iter().all(|(verdict, _)| reason(verdict).is_none()),
            "the last free port is found"
        );
        let (verdict, refusal) = fill(6000);
        assert_eq!(reason(&verdict), Some(DropReason::PortsExhausted));
        // Each port that is taken is found taken by its own mapping, in a chain of one or two.
        let tried = usize::from(PORTS) + 8;
        let dearest = had.iter().map(|(_, probes)| *probes).max().unwrap_or(0);
        assert!(
            dearest <= tried * 2 + SEARCHES * MAX_PROBES,
            "{dearest} slots"
        );
        let most = if blocks.is_some() { tried * 2 } else { 0 };
        assert!(
            refusal <= most + SEARCHES * MAX_PROBES,
            "{refusal} slots for a refusal"
        );
    }
}

/// R5: with a table as full as it can be and the default range, a port is found among the first few
/// that are chosen at random: no inside host makes a search long by asking for many.
#[test]
fn a_full_table_leaves_the_search_for_a_port_short() {
    let mut nat = nat(4, |_| ());
    let to = Endpoint {
        address: 0x0808_0808,
        port: 53,
    };
    let costs = (0..MAPPINGS as u16).map(|i| {
        send(
            &mut nat,
            Endpoint {
                address: host(0),
                port: 2000 + i,
            },
            to,
        )
        .1
    });
    assert!(costs.max().unwrap_or(0) <= 4 * MAX_PROBES);
}
