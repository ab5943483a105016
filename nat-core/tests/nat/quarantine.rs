//! External ports wait before another mapping gets them: RFC 6888 REQ-8.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::world::*;
use nat_core::{
    Config, DropReason, Filtering, Instant, Nat, PortForward, PortRange, Protocol, Tables,
    Timeouts, WideQuarantine, WideTables,
};

const P: u16 = 30_000;
const MILLISECOND: Duration = Duration::from_millis(1);

/// A world with as many external ports as `ports` says, from [`P`] up, and room for all of them in
/// quarantine.
fn world(ports: u16, change: impl FnOnce(&mut Config)) -> World {
    World::quarantining::<64>(|config| {
        config.ports = PortRange::new(P, P + ports - 1).expect("some ports");
        change(config);
    })
}

fn forward(external_port: u16) -> PortForward {
    PortForward::new(Protocol::Udp, external_port, at(H3, 9000))
}

/// The external port that UDP from `inside` leaves by, or why there is none.
#[track_caller]
fn udp_port(w: &mut World, inside: SocketAddrV4) -> Result<u16, DropReason> {
    let outcome = w.outbound(udp(inside, at(S1, 53)));
    outcome
        .refusal()
        .map_or_else(|| Ok(outcome.forwarded().source().port()), Err)
}

const WAITS: Result<u16, DropReason> = Err(DropReason::PortsExhausted);

/// G8: UDP: freed at 300 s, not given before 420 s, and given then.
#[test]
fn a_freed_udp_port_waits_120_s() {
    let mut w = world(1, |_| ());
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(300));
    assert_eq!(w.sessions(), []);
    let answer = w
        .outbound(udp(at(H2, 5000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
    assert_eq!(answer.icmp_type(), (3, 13));
    assert_eq!(
        udp_port(&mut w, at(H1, 5000)),
        WAITS,
        "nor does its old owner get it"
    );
    w.advance(secs(120) - MILLISECOND);
    assert_eq!(udp_port(&mut w, at(H2, 5000)), WAITS);
    w.advance(MILLISECOND);
    assert_eq!(udp_port(&mut w, at(H2, 5000)), Ok(P));
}

/// G8: the same for identifiers of ICMP queries, freed after 60 s.
#[test]
fn a_freed_identifier_waits_120_s() {
    let mut w = world(1, |_| ());
    w.open_echo(H1, S1, 7);
    w.advance(secs(60 + 120) - MILLISECOND);
    w.outbound(echo_request(H2, S1, 7))
        .rejected(DropReason::PortsExhausted);
    w.advance(MILLISECOND);
    assert_eq!(w.open_echo(H2, S1, 7), P);
}

/// G8: TCP is tracked to its end, so by default its ports are free at once: the exception of REQ-8.
#[test]
fn a_freed_tcp_port_is_free_at_once_by_default() {
    let mut w = world(1, |_| ());
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN)).forwarded();
    w.advance(secs(240) - MILLISECOND);
    w.outbound(tcp(at(H2, 5000), at(S1, 80), SYN))
        .rejected(DropReason::PortsExhausted);
    w.advance(MILLISECOND);
    w.outbound(tcp(at(H2, 5000), at(S1, 80), SYN)).forwarded();
}

/// G8: both delays can be set, each without effect on the other, and switched off.
#[test]
fn the_delays_are_configurable() {
    for (udp_delay, tcp_delay) in [(0, 0), (1, 0), (0, 1), (7, 500), (500, 7)] {
        let mut w = world(1, |config| {
            config.quarantine.delay = secs(udp_delay);
            config.quarantine.tcp_delay = secs(tcp_delay);
            config.timeouts.udp = secs(10);
            config.timeouts.tcp_partially_open = secs(10);
        });
        w.outbound(udp(at(H1, 5000), at(S1, 53))).forwarded();
        w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN)).forwarded();
        w.advance(secs(10));
        let protocols = [
            udp(at(H2, 5000), at(S1, 53)),
            tcp(at(H2, 5000), at(S1, 80), SYN),
        ];
        let mut delays = [udp_delay, tcp_delay]
            .into_iter()
            .zip(protocols)
            .collect::<Vec<_>>();
        delays.sort_by_key(|(delay, _)| *delay);
        let mut passed = Duration::ZERO;
        for (delay, packet) in delays {
            if secs(delay) > passed {
                w.advance(secs(delay) - passed - MILLISECOND);
                w.outbound(packet.clone())
                    .rejected(DropReason::PortsExhausted);
                w.advance(MILLISECOND);
                passed = secs(delay);
            }
            w.outbound(packet).forwarded();
        }
    }
}

/// G8: without memory no port waits.
#[test]
fn without_memory_there_is_no_quarantine() {
    let mut w = World::with(|config| config.ports = PortRange::new(P, P).expect("a port"));
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(300));
    assert_eq!(udp_port(&mut w, at(H2, 5000)), Ok(P));
    assert_eq!(w.stats().ports_released_early, 0);
}

/// A28: through a filter that is open to everyone, packets of an old peer reach no host until the
/// time is over.
#[test]
fn packets_of_old_peers_reach_no_host() {
    let mut w = world(2, |config| {
        config.filtering = Filtering::EndpointIndependent;
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.inbound(udp(at(S2, 7), external)).forwarded();
    w.advance(secs(300));
    // Other hosts take what there is, and that is not this port.
    w.open_udp(at(H2, 5000), at(S1, 53));
    assert_eq!(udp_port(&mut w, at(H3, 5000)), WAITS);
    for _ in 0..119 {
        w.inbound(udp(at(S1, 53), external))
            .dropped(DropReason::NoMapping);
        w.inbound(udp(at(S2, 7), external))
            .dropped(DropReason::NoMapping);
        w.advance(secs(1));
    }
    w.advance(secs(1));
    assert_eq!(w.open_udp(at(H3, 5000), at(S1, 53)), external);
    assert_eq!(
        w.inbound(udp(at(S2, 7), external))
            .forwarded()
            .destination(),
        at(H3, 5000)
    );
}

/// G8, G13: while a port outside quarantine is free, it is found, and the session is not refused.
#[test]
fn free_ports_are_found_among_those_that_wait() {
    let mut w = world(48, |_| ());
    let waiting: HashSet<_> = (0..40)
        .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port())
        .collect();
    w.advance(secs(300));
    let found: HashSet<_> = (0..8)
        .map(|i| w.open_udp(at(H2, 5000 + i), at(S1, 53)).port())
        .collect();
    assert_eq!(found.len(), 8);
    assert!(found.is_disjoint(&waiting));
    assert_eq!(udp_port(&mut w, at(H2, 6000)), WAITS);
    // Other protocols have ports of their own, none of which waits.
    w.outbound(tcp(at(H2, 6000), at(S1, 80), SYN)).forwarded();
    w.open_echo(H2, S1, 7);
    w.advance(secs(120));
    let found: HashSet<_> = (0..40)
        .map(|i| w.open_udp(at(H2, 6000 + i), at(S1, 53)).port())
        .collect();
    assert_eq!(found, waiting);
}

/// G8: with parity preserved, even ports that wait are missing among the even ones only.
#[test]
fn ports_wait_within_their_parity() {
    let mut w = world(8, |config| config.port_parity = true);
    for i in 0..4 {
        w.open_udp(at(H1, 5000 + 2 * i), at(S1, 53));
    }
    w.advance(secs(300));
    assert_eq!(udp_port(&mut w, at(H2, 5000)), WAITS);
    for i in 0..4 {
        w.open_udp(at(H2, 5001 + 2 * i), at(S1, 53));
    }
    w.advance(secs(120));
    for i in 0..4 {
        w.open_udp(at(H2, 5000 + 2 * i), at(S1, 53));
    }
}

/// G8: waits that are over count no more, also where many of them are over at once and only packets
/// move the clock.
#[test]
fn expired_quarantine_refuses_no_session() {
    let mut w = World::quarantining::<128>(|config| {
        config.ports = PortRange::new(P, P).expect("one port");
        config.low_ports = PortRange::new(1, 100).expect("a hundred ports");
        config.excluded_ports = nat_core::PortSet::EMPTY;
    });
    for i in 1..=100 {
        w.open_udp(at(H1, i), at(S1, 53));
    }
    w.advance(secs(241));
    w.open_echo(H1, S1, 7);
    w.advance(secs(60));
    assert_eq!((w.sessions().len(), w.stats().ports_released_early), (0, 0));
    for _ in 0..4 {
        w.jump(secs(29) + MILLISECOND * 500);
        w.outbound(echo_request(H2, S1, 7))
            .rejected(DropReason::PortsExhausted);
    }
    // All 101 waits are over now, more than one packet ends on its way.
    w.jump(secs(2));
    w.outbound(echo_request(H2, S1, 7)).forwarded();
    for i in 1..=100 {
        w.open_udp(at(H2, i), at(S1, 53));
    }
}

/// G8, R5: a search that must fail is not begun: it draws no random number, so what is drawn after
/// it is the same.
#[test]
fn no_search_is_begun_while_all_free_ports_wait() {
    let drawn_after = |refused: u16| {
        let mut w = world(40, |_| ());
        for i in 0..40 {
            w.open_udp(at(H1, 5000 + i), at(S1, 53));
        }
        w.advance(secs(300));
        for i in 0..refused {
            assert_eq!(udp_port(&mut w, at(H2, 5000 + i)), WAITS);
        }
        w.advance(secs(120));
        (0..40)
            .map(|i| w.open_udp(at(H2, 6000 + i), at(S1, 53)).port())
            .collect::<Vec<_>>()
    };
    assert_eq!(drawn_after(0), drawn_after(10));
}

/// G8: the engine asks for no timeout at the end of a wait.
#[test]
fn a_wait_has_no_deadline() {
    let mut w = world(1, |_| ());
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(300));
    assert_eq!(udp_port(&mut w, at(H2, 5000)), WAITS);
    assert_eq!(w.nat.poll_timeout(), None);
    w.jump(secs(120));
    assert_eq!(udp_port(&mut w, at(H2, 5000)), Ok(P));
}

/// G8: RFC 6888 REQ-8: the number of ports in quarantine is bounded, by the memory: the one that
/// has waited longest goes.
#[test]
fn when_the_memory_is_full_the_port_that_waits_longest_is_let_go() {
    let mut w = World::quarantining::<3>(|config| {
        config.ports = PortRange::new(P, P + 7).expect("eight ports");
        config.quarantine.tcp_delay = secs(100);
    });
    let mut ports = Vec::new();
    for i in 0..8 {
        ports.push(w.open_udp(at(H1, 5000 + i), at(S1, 53)).port());
        w.advance(secs(1));
    }
    w.advance(secs(292));
    assert_eq!(w.stats().ports_released_early, 0);
    for gone in 1..8 {
        assert_eq!(w.sessions().len(), 8 - gone);
        assert_eq!(
            w.stats().ports_released_early,
            (gone as u64).saturating_sub(3)
        );
        w.advance(secs(1));
    }
    let free: HashSet<_> = (0..5)
        .map(|i| w.open_udp(at(H2, 5000 + i), at(S1, 53)).port())
        .collect();
    assert_eq!(free, ports[..5].iter().copied().collect());
    assert_eq!(udp_port(&mut w, at(H2, 6000)), WAITS);
}

/// G8: the port that was freed first is let go first, whichever of the protocols' delays is longer.
#[test]
fn protocols_share_the_memory_fairly() {
    for (delay, tcp_delay) in [(500, 1000), (1000, 500)] {
        let mut w = World::quarantining::<2>(|config| {
            config.ports = PortRange::new(P, P + 1).expect("two ports");
            config.low_ports = PortRange::new(1, 1).expect("one port");
            config.quarantine.delay = secs(delay);
            config.quarantine.tcp_delay = secs(tcp_delay);
            config.timeouts.udp = secs(10);
        });
        let connection = |from| tcp(at(from, 500), at(S1, 80), SYN);
        w.outbound(connection(H1)).forwarded();
        w.advance(secs(240));
        w.open_udp(at(H1, 5000), at(S1, 53));
        w.advance(secs(10));
        w.open_udp(at(H1, 5001), at(S1, 53));
        w.advance(secs(10) - MILLISECOND);
        w.outbound(connection(H2))
            .rejected(DropReason::PortsExhausted);
        assert_eq!(w.stats().ports_released_early, 0);
        w.advance(MILLISECOND);
        assert_eq!(w.stats().ports_released_early, 1);
        assert_eq!(udp_port(&mut w, at(H2, 5000)), WAITS);
        w.outbound(connection(H2)).forwarded();
    }
}

/// G8: slots of expired entries count as free: no entry is released early because of them.
#[test]
fn expired_entries_free_their_slots() {
    let mut w = World::quarantining::<2>(|config| {
        config.ports = PortRange::new(P, P + 3).expect("four ports");
    });
    for i in 0..4 {
        w.open_udp(at(H1, 5000 + i), at(S1, 53));
        w.advance(secs(100 * u64::from(i % 2)));
    }
    // The first two wait until 420 s; the others are freed at 500 s, without a packet in between.
    w.advance(secs(100));
    w.jump(secs(200));
    let free: HashSet<_> = (0..2)
        .map(|i| udp_port(&mut w, at(H2, 5000 + i)).expect("a free port"))
        .collect();
    assert_eq!((free.len(), udp_port(&mut w, at(H2, 6000))), (2, WAITS));
    assert_eq!(w.stats().ports_released_early, 0);
}

/// G8: so it is where more of them are over than one packet ends.
#[test]
fn many_expired_entries_free_their_slots() {
    let mut w = World::quarantining::<128>(|config| {
        config.ports = PortRange::new(P, P + 299).expect("300 ports");
    });
    for i in 0..128 {
        w.open_udp(at(H1, 5000 + i), at(S1, 53));
    }
    w.advance(secs(300));
    for i in 0..100 {
        w.open_udp(at(H2, 5000 + i), at(S1, 53));
    }
    for step in [30, 30, 30, 29, 2] {
        w.jump(secs(step));
        w.inbound(udp(at(ATTACKER, 7), at(N, 1)))
            .dropped(DropReason::NoMapping);
    }
    w.clear();
    assert_eq!(w.stats().ports_released_early, 0);
}

/// G8: the port of a session that is found dead before its turn has come waits too.
#[test]
fn a_port_waits_whose_session_was_found_dead() {
    let mut w = world(64, |_| ());
    // More sessions than one packet ends; those of ICMP are found last, for they are the least
    // overdue.
    for i in 0..64 {
        w.open_udp(at(H1, 5000 + i), at(S1, 53));
    }
    w.advance(MILLISECOND);
    w.advance(secs(240));
    for i in 0..64 {
        w.open_echo(H1, S1, i);
    }
    w.advance(secs(59));
    w.jump(secs(2));
    w.outbound(echo_request(H1, S1, 63))
        .rejected(DropReason::PortsExhausted);
}

/// G8, 0.3: the low 32 bits of the clock wrap while a port waits.
#[test]
fn waits_survive_the_turn_of_the_clock() {
    for before in [1, 59, 119, 120, 121] {
        let start = Instant::from_millis((1 << 32) - 300_000 - before * 1000);
        let mut w = world(1, |_| ()).starting_at(start);
        w.open_udp(at(H1, 5000), at(S1, 53));
        w.advance(secs(300));
        for _ in 0..120 {
            assert_eq!(
                udp_port(&mut w, at(H2, 5000)),
                WAITS,
                "freed {before} s before the turn"
            );
            w.advance(secs(1));
        }
        assert_eq!(
            udp_port(&mut w, at(H2, 5000)),
            Ok(P),
            "freed {before} s before the turn"
        );
    }
}

/// G8, 0.3: after a jump of the clock, by any time, a wait is over if its time is, and not
/// otherwise.
#[test]
fn waits_are_over_after_a_jump() {
    let turn = Duration::from_millis(1 << 32);
    for jump in [
        secs(1),
        secs(3600),
        Timeouts::MAX - MILLISECOND,
        Timeouts::MAX,
        turn / 2,
        turn - secs(1),
        turn,
        turn * 9,
    ] {
        let mut w = world(1, |config| config.quarantine.delay = Timeouts::MAX);
        w.open_udp(at(H1, 5000), at(S1, 53));
        w.advance(secs(300));
        w.jump(jump);
        assert_eq!(
            udp_port(&mut w, at(H2, 5000)).is_ok(),
            jump >= Timeouts::MAX,
            "after {jump:?}"
        );
    }
}

/// G8, 0.3: so it does when a few packets come between long jumps.
#[test]
fn waits_that_are_over_do_not_come_back_between_jumps() {
    let mut w = World::quarantining::<256>(|config| {
        config.ports = PortRange::new(P, P + 249).expect("250 ports");
    });
    for i in 0..250 {
        w.open_udp(at(H1, 5000 + i), at(S1, 53));
    }
    w.advance(secs(300));
    for days in [11, 11, 4] {
        w.jump(secs(days * 24 * 3600));
        w.inbound(udp(at(ATTACKER, 7), at(N, 1)))
            .dropped(DropReason::NoMapping);
    }
    for i in 0..250 {
        w.open_udp(at(H2, 5000 + i), at(S1, 53));
    }
}

/// G8, 0.3: a wait that is over stays over, however long packets come after it and no mapping is
/// made.
#[test]
fn a_wait_that_is_over_does_not_come_back() {
    let mut w = world(1, |_| ());
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(300));
    let end = w
        .now()
        .saturating_add(Duration::from_millis((1 << 31) + 200_000));
    while w.now() < end {
        w.jump(secs(32));
        w.inbound(udp(at(ATTACKER, 7), at(N, 1)))
            .dropped(DropReason::NoMapping);
    }
    assert_eq!(udp_port(&mut w, at(H2, 5000)), Ok(P));
}

/// G8: if no call was made when a mapping expired, its port waits from the next call on.
#[test]
fn a_port_waits_from_when_its_end_was_noticed() {
    for late in [
        secs(301),
        secs(1000),
        secs(50 * 24 * 3600),
        Duration::from_millis(1 << 33),
    ] {
        let mut w = world(1, |_| ());
        w.open_udp(at(H1, 5000), at(S1, 53));
        w.jump(late);
        assert_eq!(udp_port(&mut w, at(H2, 5000)), WAITS, "{late:?}");
        w.jump(secs(120) - MILLISECOND);
        assert_eq!(udp_port(&mut w, at(H2, 5000)), WAITS, "{late:?}");
        w.jump(MILLISECOND);
        assert_eq!(udp_port(&mut w, at(H2, 5000)), Ok(P), "{late:?}");
    }
}

/// Has host after host, up from 192.168.1.`first`, open UDP until every port of every address is in
/// use: which they are.
fn use_up(w: &mut World, first: u8) -> BTreeSet<SocketAddrV4> {
    let hosts = (first..first + 40).map(|i| Ipv4Addr::new(192, 168, 1, i));
    let external = hosts.filter_map(|host| {
        let outcome = w.outbound(udp(at(host, 5000), at(S1, 53)));
        outcome.is_forwarded().then(|| outcome.forwarded().source())
    });
    external.collect()
}

/// G8: ports of an address that stays wait on, whatever its place in the list; at one that is new
/// none waits.
#[test]
fn the_quarantine_follows_its_address() {
    let pools: [(&[Ipv4Addr], &[Ipv4Addr]); 7] = [
        (&[N2], &[]),
        (&[N, N2], &[]),
        (&[N2, N], &[]),
        (&[N3], &[N3]),
        (&[N3, N2], &[N3]),
        (&[N2, N3], &[N3]),
        (&[N, N3, N2], &[N3]),
    ];
    for (addresses, free) in pools {
        let mut w = world(2, |config| {
            config.external_addresses.push(N2).expect("there is room");
        });
        assert_eq!(use_up(&mut w, 10).len(), 4);
        w.advance(secs(300));
        w.set_external_addresses(addresses)
            .expect("usable addresses");
        let given = use_up(&mut w, 60);
        let expected = free
            .iter()
            .flat_map(|address| [at(*address, P), at(*address, P + 1)]);
        assert_eq!(given, expected.collect(), "{addresses:?}");
        w.advance(secs(420));
        assert_eq!(
            use_up(&mut w, 110).len(),
            2 * addresses.len(),
            "{addresses:?}"
        );
    }
}

/// G8: ports of an address that was lost do not wait when it comes back.
#[test]
fn the_quarantine_of_a_lost_address_is_forgotten() {
    let mut w = world(2, |_| ());
    assert_eq!(use_up(&mut w, 10).len(), 2);
    w.advance(secs(300));
    assert_eq!(use_up(&mut w, 60).len(), 0);
    w.set_external_addresses(&[]).expect("no address at all");
    w.set_external_addresses(&[N]).expect("a usable address");
    assert_eq!(use_up(&mut w, 60).len(), 2);
}

/// G8: a port forward may have a port that waits; and the port waits again when the forward is
/// removed.
#[test]
fn a_port_forward_may_have_a_port_that_waits() {
    let mut w = world(3, |_| ());
    let ports = [5000, 5001].map(|from| w.open_udp(at(H1, from), at(S1, 53)).port());
    w.advance(secs(300));
    w.nat
        .add_port_forward(forward(ports[0]))
        .expect("a port forward");
    assert_eq!(
        w.inbound(udp(at(S2, 7), at(N, ports[0])))
            .forwarded()
            .destination(),
        at(H3, 9000)
    );
    let third = udp_port(&mut w, at(H1, 5002))
        .expect("a port that is neither in use nor waits: nothing counts twice");
    assert!(!ports.contains(&third));
    w.advance(secs(120));
    assert_eq!(udp_port(&mut w, at(H2, 5000)), Ok(ports[1]));
    assert!(w.remove_port_forward(&forward(ports[0])));
    assert_eq!(udp_port(&mut w, at(H2, 5001)), WAITS);
    w.inbound(udp(at(S2, 7), at(N, ports[0])))
        .dropped(DropReason::NoMapping);
    w.advance(secs(120));
    assert_eq!(udp_port(&mut w, at(H2, 5001)), Ok(ports[0]));
}

/// G8: what a port forward has put an end to waits as well, unless the forward has its port.
#[test]
fn mappings_that_a_port_forward_ends_give_their_ports_back_after_the_wait() {
    let mut w = world(3, |_| ());
    let ports = [5000, 5001].map(|from| w.open_udp(at(H1, from), at(S1, 53)).port());
    let of_target = w.open_udp(at(H3, 9000), at(S1, 53)).port();
    w.nat
        .add_port_forward(forward(ports[0]))
        .expect("a port forward");
    assert_eq!(w.sessions().len(), 1);
    assert_eq!(udp_port(&mut w, at(H2, 5000)), WAITS);
    w.advance(secs(120));
    assert_eq!(udp_port(&mut w, at(H2, 5000)), Ok(of_target));
    assert_eq!(udp_port(&mut w, at(H2, 5001)), WAITS, "the third is in use");
}

/// G8: a port forward that moves to another address ends the wait of its port there, and the port
/// counts once.
#[test]
fn a_port_forward_that_moves_ends_the_wait_of_its_port() {
    let mut w = world(1, |config| {
        config.external_addresses.push(N2).expect("there is room");
        config.low_ports =
            PortRange::new(P, P + 1).expect("two ports, one of them for high inside ports too");
    });
    w.nat
        .add_port_forward(forward(P))
        .expect("a port forward on the primary address");
    assert_eq!(use_up(&mut w, 10), BTreeSet::from([at(N2, P)]));
    w.advance(secs(300));
    w.set_external_addresses(&[N2]).expect("a usable address");
    assert_eq!(udp_port(&mut w, at(H2, 500)), Ok(P + 1));
    assert!(w.remove_port_forward(&forward(P)));
    assert_eq!(udp_port(&mut w, at(H2, 5000)), WAITS);
    w.advance(secs(120));
    assert_eq!(udp_port(&mut w, at(H2, 5000)), Ok(P));
}

/// G8: `clear` frees ports like any other end.
#[test]
fn ports_wait_after_clear() {
    let mut w = world(4, |_| ());
    for i in 0..4 {
        w.open_udp(at(H1, 5000 + i), at(S1, 53));
    }
    w.clear();
    assert_eq!(udp_port(&mut w, at(H2, 5000)), WAITS);
    w.advance(secs(120));
    for i in 0..4 {
        w.open_udp(at(H2, 5000 + i), at(S1, 53));
    }
}

/// G8: at every step of a long random run, a port is given exactly if one is free whose wait is
/// over.
#[test]
fn exactly_the_ports_whose_wait_is_over_are_given() {
    const PORTS: u16 = 6;
    let mut random = fastrand::Rng::with_seed(8);
    let mut w = world(PORTS, |config| {
        config.timeouts.udp = secs(30);
        config.limits.icmp_error_burst = u16::MAX;
        config.limits.icmp_errors_per_second = u16::MAX;
    });
    // When each port was or will be freed.
    let mut freed = BTreeMap::<u16, Instant>::new();
    let (mut refused, mut opened) = (0, 0);
    for i in 0..3000_u16 {
        w.advance(Duration::from_millis(random.u64(0..60_000)));
        let now = w.now();
        let waits = |freed: &Instant| freed.saturating_add(secs(120)) > now;
        let free = (P..P + PORTS).any(|port| !freed.get(&port).is_some_and(waits));
        match udp_port(&mut w, at(H1, 1024 + i)) {
            Ok(port) => {
                assert!(
                    !freed.get(&port).is_some_and(waits),
                    "{port} was freed at {:?}, {now:?}",
                    freed.get(&port)
                );
                freed.insert(port, now.saturating_add(secs(30)));
                opened += 1;
            }
            Err(reason) => {
                assert_eq!(
                    (reason, free),
                    (DropReason::PortsExhausted, false),
                    "{freed:?}, {now:?}"
                );
                refused += 1;
            }
        }
    }
    assert!(
        refused > 300 && opened > 300,
        "{refused} refused, {opened} opened"
    );
}

/// G8: RFC 6888 REQ-8 after a restart, where configured: no new mapping until the delay has passed
/// since the first packet.
#[test]
fn after_a_start_no_mapping_is_made_for_the_delay() {
    let mut w = World::with(|config| config.quarantine.after_start = true);
    w.nat
        .add_port_forward(forward(9000))
        .expect("a port forward");
    w.advance(secs(500));
    // The first packet, of whatever kind.
    w.inbound(udp(at(ATTACKER, 7), at(N, 1)))
        .dropped(DropReason::NoMapping);
    w.advance(secs(60));
    let answer = w
        .outbound(udp(at(H1, 5000), at(S1, 53)))
        .rejected(DropReason::Quarantine);
    assert_eq!(answer.icmp_type(), (3, 13));
    w.outbound(echo_request(H1, S1, 7))
        .rejected(DropReason::Quarantine);
    w.router_sends(udp(at(N, 5000), at(S1, 53)))
        .dropped(DropReason::Quarantine);
    assert_eq!(w.stats().gateway().error_port_allocation, 3);
    // Port forwards are no new mappings, and TCP is excepted, as ever by default.
    w.inbound(udp(at(S2, 7), at(N, 9000))).forwarded();
    w.outbound(udp(at(H3, 9000), at(S2, 7))).forwarded();
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN)).forwarded();
    w.advance(secs(60) - MILLISECOND);
    w.outbound(udp(at(H1, 5000), at(S1, 53)))
        .rejected(DropReason::Quarantine);
    w.advance(MILLISECOND);
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.open_echo(H1, S1, 7);
    w.router_sends(udp(at(N, 5000), at(S1, 53))).forwarded();
}

/// G8: TCP waits after a start as long as its own delay says; and there is no wait unless it is
/// configured.
#[test]
fn the_wait_after_a_start_is_an_option_for_each_protocol() {
    let mut w = World::with(|config| {
        config.quarantine.after_start = true;
        config.quarantine.delay = Duration::ZERO;
        config.quarantine.tcp_delay = secs(30);
    });
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN))
        .rejected(DropReason::Quarantine);
    w.advance(secs(30));
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN)).forwarded();
    let mut w = world(1, |_| ());
    w.open_udp(at(H1, 5000), at(S1, 53));
}

/// G8: delays that deadlines cannot hold are refused.
#[test]
fn delays_are_at_most_12_days() {
    fn field(change: impl FnOnce(&mut Config)) -> Option<&'static str> {
        let mut config = config();
        change(&mut config);
        let mut tables = Box::new(Tables::<4, 4, 4>::new());
        Nat::new(&mut tables, config, SEED)
            .err()
            .map(|error| error.field)
    }
    let most = Timeouts::MAX;
    assert_eq!(field(|config| config.quarantine.delay = most), None);
    assert_eq!(field(|config| config.quarantine.tcp_delay = most), None);
    assert_eq!(
        field(|config| config.quarantine.delay = most + MILLISECOND),
        Some("quarantine")
    );
    assert_eq!(
        field(|config| config.quarantine.tcp_delay = most + MILLISECOND),
        Some("quarantine")
    );
}

/// G8: wide tables have a quarantine as wide.
#[test]
fn wide_tables_have_a_wide_quarantine() {
    let mut tables = Box::new(WideTables::<16, 16, 4>::wide());
    let mut memory = Box::new(WideQuarantine::<16>::wide());
    let mut config = config();
    config.ports = PortRange::new(P, P).expect("a port");
    let mut nat = Nat::new(&mut tables, config, SEED)
        .expect("the configuration can work")
        .with_quarantine(&mut memory);
    let mut send = |from: Ipv4Addr, now: u64| {
        let mut packet = udp(at(from, 5000), at(S1, 53)).bytes();
        let verdict = nat.process(&mut packet, nat_core::Side::Inside, Instant::from_secs(now));
        matches!(verdict, nat_core::Verdict::Forward { .. })
    };
    assert!(send(H1, 1));
    assert!(!send(H2, 301), "the port is freed now");
    assert!(!send(H2, 420));
    assert!(send(H2, 421));
}
