//! Preserved port parity: RFC 4787 REQ-4, RFC 6056 section 4.

use std::collections::HashSet;

use crate::world::*;
use nat_core::{Config, DropReason, Nat, PortForward, PortRange, PortSet, Protocol, Seed, Tables};

fn range(first: u16, last: u16) -> PortRange {
    PortRange::new(first, last).expect("a range")
}

/// A world that preserves parity, with the external ports `first` to `last`.
fn parity(first: u16, last: u16) -> World {
    World::with(|config| {
        config.port_parity = true;
        config.ports = range(first, last);
    })
}

/// The external ports that UDP from the inside ports `from` gets, as long as there is one.
fn dynamic_ports(w: &mut World, from: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut port = |from| {
        let outcome = w.outbound(udp(at(H1, from), at(S1, 53)));
        outcome
            .is_forwarded()
            .then(|| outcome.forwarded().source().port())
    };
    from.map_while(&mut port).collect()
}

/// U4: RFC 4787 REQ-4: even from even, odd from odd, UDP and TCP, in both classes of ports.
#[test]
fn the_external_port_has_the_parity_of_the_inside_port() {
    let mut w = World::with(|config| config.port_parity = true);
    for from in (1..60)
        .chain(1000..1050)
        .chain(40_000..40_060)
        .chain([65_534, 65_535])
    {
        let external = w.open_udp(at(H1, from), at(S1, 53)).port();
        assert_eq!(external % 2, from % 2, "UDP from {from}");
        assert_eq!(external < 1024, from < 1024, "UDP from {from}");
        if from % 7 == 0 {
            let external = w
                .outbound(tcp(at(H1, from), at(S1, 80), SYN))
                .forwarded()
                .source()
                .port();
            assert_eq!(external % 2, from % 2, "TCP from {from}");
        }
    }
}

/// U4: it is an option, as RFC 7857 section 8 has it: by default any port may be given.
#[test]
fn parity_is_not_preserved_by_default() {
    let mut w = World::new();
    let ports = dynamic_ports(&mut w, (0..64).map(|i| 5000 + 2 * i));
    assert_eq!(ports.len(), 64);
    assert_eq!(
        ports
            .iter()
            .map(|port| port % 2)
            .collect::<HashSet<_>>()
            .len(),
        2
    );
}

/// U4: the identifier of an ICMP query is no port: all identifiers serve all.
#[test]
fn identifiers_have_no_parity() {
    let mut w = parity(30_000, 30_007);
    let ids: HashSet<_> = (0..8).map(|i| w.open_echo(H1, S1, 2 * i)).collect();
    assert_eq!(ids, (30_000..=30_007).collect());
}

/// R3: RFC 6056: random but for the lowest bit: spread evenly, in no order, and the whole range in
/// use.
#[test]
fn ports_of_a_parity_are_random() {
    let mut w = World::sized::<2048, 2048, 4>(|config| {
        config.port_parity = true;
        config.ports = range(32_768, 65_535);
    });
    let ports = dynamic_ports(&mut w, (0..2000).map(|i| 5001 + 2 * i));
    assert_eq!(ports.len(), 2000);
    let mut by_range = [0_u32; 16];
    ports
        .iter()
        .for_each(|port| by_range[usize::from((port - 32_768) / 2048)] += 1);
    let expected = 2000.0 / 16.0;
    let chi_square: f64 = by_range
        .iter()
        .map(|count| (f64::from(*count) - expected).powi(2) / expected)
        .sum();
    // 15 degrees of freedom: the mean is 15, the standard deviation 5.5.
    assert!(
        (2.0..40.0).contains(&chi_square),
        "chi-square: {chi_square}"
    );
    let rising = ports.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!(
        (900..1100).contains(&rising),
        "{rising} of 1999 steps go up"
    );
}

/// R3, R5: every port of the parity is found, up to the last, in ranges that begin and end with
/// either.
#[test]
fn the_last_free_port_of_a_parity_is_found() {
    for (first, last) in [
        (30_000, 30_063),
        (30_001, 30_063),
        (30_000, 30_062),
        (30_001, 30_064),
        (65_500, 65_535),
    ] {
        let mut w = parity(first, last);
        for bit in [0, 1] {
            let ports = dynamic_ports(&mut w, (0..100).map(|i| 5000 + 2 * i + bit));
            let found: HashSet<_> = ports.iter().copied().collect();
            assert_eq!(found.len(), ports.len());
            assert_eq!(
                found,
                (first..=last).filter(|port| port % 2 == bit).collect(),
                "{first} to {last}"
            );
            let answer = w
                .outbound(udp(at(H1, 6000 + bit), at(S1, 53)))
                .rejected(DropReason::PortsExhausted);
            assert_eq!(answer.icmp_type(), (3, 13));
        }
        assert_eq!(w.stats().gateway().error_port_allocation, 4);
    }
}

/// U4: a range of one port serves the inside ports of its parity; the others are refused, not given
/// what they must not have.
#[test]
fn a_range_without_a_port_of_the_parity_refuses() {
    for only in [1, 30_000, 30_001, 65_535] {
        let mut w = parity(only, only);
        w.outbound(udp(at(H1, 5001 - only % 2), at(S1, 53)))
            .rejected(DropReason::PortsExhausted);
        assert_eq!(w.open_udp(at(H1, 5000 + only % 2), at(S1, 53)).port(), only);
        assert_eq!(w.open_echo(H1, S1, 5001 - only % 2), only);
    }
}

/// U4, R2: reserved ports stay reserved, and the odd ones among them do not count for the even.
#[test]
fn reserved_ports_of_a_parity_are_left_out() {
    for (first, last) in [
        (30_010, 30_019),
        (30_011, 30_013),
        (30_012, 30_012),
        (29_000, 30_002),
        (30_062, 31_000),
    ] {
        let reserved = range(first, last);
        let mut w = World::with(|config| {
            config.port_parity = true;
            config.ports = range(30_000, 30_063);
            config.reserved_ports = Some(reserved);
        });
        for bit in [1, 0] {
            let found: HashSet<_> = dynamic_ports(&mut w, (0..40).map(|i| 5000 + 2 * i + bit))
                .into_iter()
                .collect();
            let expected =
                (30_000..=30_063).filter(|port| port % 2 == bit && !reserved.contains(*port));
            assert_eq!(found, expected.collect(), "{first} to {last}");
            w.outbound(udp(at(H1, 6000 + bit), at(S1, 53)))
                .rejected(DropReason::PortsExhausted);
        }
    }
}

/// U4: the port of the router's DHCP client, an even one, is missing among the even ports only, and
/// among those of UDP.
#[test]
fn the_dhcp_port_counts_among_the_even_ports() {
    let mut w = World::with(|config| {
        config.port_parity = true;
        config.dhcp_client = true;
        config.low_ports = range(66, 71);
        config.excluded_ports = PortSet::EMPTY;
    });
    let mut found = |bit: u16| {
        dynamic_ports(&mut w, (0..6).map(|i| 500 + 2 * i + bit))
            .into_iter()
            .collect::<HashSet<_>>()
    };
    assert_eq!(found(0), HashSet::from([66, 70]));
    assert_eq!(found(1), HashSet::from([67, 69, 71]));
    w.outbound(udp(at(H1, 600), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
    for from in [500, 502, 504] {
        w.outbound(tcp(at(H1, from), at(S1, 80), SYN)).forwarded();
    }
}

/// U4, G13: ports of ended mappings are free again, of either parity; ports forwarded are not
/// given.
#[test]
fn ports_of_a_parity_come_back() {
    let mut w = parity(30_000, 30_015);
    let forward = nat_core::PortForward::new(nat_core::Protocol::Udp, 30_004, at(H2, 9));
    w.nat.add_port_forward(forward).expect("a port forward");
    for round in 0..5 {
        assert_eq!(
            dynamic_ports(&mut w, (0..10).map(|i| 5000 + 100 * round + 2 * i)).len(),
            7,
            "round {round}"
        );
        assert_eq!(
            dynamic_ports(&mut w, (0..10).map(|i| 5001 + 100 * round + 2 * i)).len(),
            8,
            "round {round}"
        );
        w.advance(secs(301));
    }
}

/// R5: a search that must fail is not begun, where the ports of one parity are all taken: it draws
/// no random number, so what is drawn after it is the same with it and without.
#[test]
fn a_search_without_a_port_of_the_parity_is_not_begun() {
    let drawn_after = |refused: u16| {
        let mut w = parity(30_000, 30_063);
        assert_eq!(
            dynamic_ports(&mut w, (0..32).map(|i| 5000 + 2 * i)).len(),
            32
        );
        for i in 0..refused {
            w.outbound(udp(at(H1, 6000 + 2 * i), at(S1, 53)))
                .rejected(DropReason::PortsExhausted);
        }
        dynamic_ports(&mut w, (0..32).map(|i| 5001 + 2 * i))
    };
    assert_eq!(drawn_after(0), drawn_after(10));
}

/// R2: no mapping draws a port that networks filter, of either range; every other port is drawn,
/// and identifiers of ICMP queries are no ports.
#[test]
fn filtered_ports_are_not_drawn() {
    let filtered = PortSet::FILTERED;
    for (ports, from) in [
        (range(1, 200), 1),
        (range(1000, 1100), 2000),
        (range(1430, 1440), 2000),
    ] {
        let mut w = World::with(|config| (config.ports, config.low_ports) = (ports, ports));
        let expected: HashSet<_> = (ports.first()..=ports.last())
            .filter(|port| !filtered.contains(*port))
            .collect();
        let found: Vec<_> = dynamic_ports(&mut w, from..from + 300);
        assert_eq!(
            (found.len(), found.into_iter().collect()),
            (expected.len(), expected),
            "{ports:?}"
        );
        w.outbound(tcp(at(H2, from), at(S1, 53), SYN)).forwarded();
        w.clear();
        let queries = ports.last() - ports.first() + 1;
        let found: HashSet<_> = (0..queries).map(|id| w.open_echo(H1, S1, id)).collect();
        assert_eq!(found.len(), usize::from(queries), "identifiers");
    }
}

/// The excluded ports are those that are configured: none, or others.
#[test]
fn excluded_ports_can_be_chosen() {
    let some = |ports: &[(u16, u16)]| {
        let mut set = PortSet::EMPTY;
        ports
            .iter()
            .for_each(|(first, last)| set.insert(range(*first, *last)).expect("there is room"));
        set
    };
    for (excluded, left) in [
        (some(&[]), 5),
        (some(&[(137, 138)]), 3),
        (some(&[(130, 136), (139, 139)]), 2),
    ] {
        let mut w = World::with(|config| {
            config.ports = range(135, 139);
            config.excluded_ports = excluded.clone();
        });
        let found = dynamic_ports(&mut w, 5000..5100);
        assert_eq!(found.len(), left);
        assert!(found.iter().all(|port| !excluded.contains(*port)));
    }
}

/// Rules may give excluded ports, and those are neither counted among the ports to draw nor kept
/// waiting.
#[test]
fn rules_may_give_excluded_ports() {
    for dmz in [false, true] {
        let mut w = World::with(|config| {
            config.ports = range(5350, 5356);
            config.dmz_host = dmz.then_some(H1);
        });
        if !dmz {
            let forward = PortForward::new(Protocol::Udp, 5353, at(H1, 5353));
            w.nat
                .add_port_forward(forward)
                .expect("an excluded port may be forwarded");
        }
        assert_eq!(
            w.inbound(udp(at(S1, 9), at(N, 5353)))
                .forwarded()
                .destination(),
            at(H1, 5353)
        );
        assert_eq!(w.open_udp(at(H1, 5353), at(S1, 9)).port(), 5353);
        for round in 0..2 {
            let found: HashSet<_> = (0..5)
                .map(|i| w.open_udp(at(H2, 6000 + i), at(S1, 53)).port())
                .collect();
            assert_eq!(
                found,
                HashSet::from([5350, 5351, 5352, 5354, 5356]),
                "round {round}"
            );
            w.outbound(udp(at(H2, 7000), at(S1, 53)))
                .rejected(DropReason::PortsExhausted);
            w.clear();
            w.advance(secs(121));
        }
    }
}

/// Ports that are all excluded, or reserved, leave nothing to draw.
#[test]
fn a_range_that_is_excluded_is_refused() {
    for (reserved, excluded, field) in [
        (None, PortSet::FILTERED, "excluded_ports"),
        (Some(range(135, 139)), PortSet::EMPTY, "reserved_ports"),
        (Some(range(135, 139)), PortSet::FILTERED, "reserved_ports"),
    ] {
        let mut config = Config::new(inside());
        config.ports = range(135, 139);
        (config.reserved_ports, config.excluded_ports) = (reserved, excluded);
        let mut tables = Box::new(Tables::<8, 8>::new());
        let error = Nat::new(&mut tables, config, Seed::new([7; 16]))
            .err()
            .expect("no port is left");
        assert_eq!(
            (error.field, error.problem),
            (field, "leaves no port for mappings")
        );
    }
}
