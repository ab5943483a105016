//! A block of external ports for each host, so that logs stay small: RFC 6888 REQ-14, RFC 7422.
//!
//! The world checks in every test, after each step, that the reported blocks agree with the ports
//! in use.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::HashSet;

use crate::strength;
use crate::world::*;
use nat_core::{
    Cidr, Config, DropReason, Event, Mapping, Nat, OneToOne, PortForward, PortRange, Protocol,
    Tables, Untranslated,
};

const FIRST: u16 = 30_000;

fn range(first: u16, last: u16) -> PortRange {
    PortRange::new(first, last).expect("a range")
}

/// External ports 30000 to 30099 in blocks of `size`.
fn blocks(config: &mut Config, size: u16) {
    (config.ports, config.port_blocks) = (range(FIRST, FIRST + 99), Some(size));
}

fn world(size: u16) -> World {
    World::with(|config| blocks(config, size))
}

/// The ports of the block with a number.
fn block(number: u16, size: u16) -> HashSet<u16> {
    (FIRST + number * size..FIRST + (number + 1) * size).collect()
}

/// The external ports that UDP of a host gets, from the inside port `from` up, as long as there is
/// one.
fn dynamic_ports(w: &mut World, host: Ipv4Addr, from: u16) -> HashSet<u16> {
    let mut port = |from| {
        let outcome = w.outbound(udp(at(host, from), at(S1, 53)));
        outcome
            .is_forwarded()
            .then(|| outcome.forwarded().source().port())
    };
    (from..from + 200).map_while(&mut port).collect()
}

/// `+` for a block that is assigned, `-` for one released; the inside and external address, and the
/// first and last port.
type Line = (char, Ipv4Addr, Ipv4Addr, u16, u16);

/// The events about blocks.
fn reported(w: &mut World) -> Vec<Line> {
    let line = |event| match event {
        Event::BlockAssigned(b) => {
            Some(('+', b.inside, b.external, b.ports.first(), b.ports.last()))
        }
        Event::BlockReleased(b) => {
            Some(('-', b.inside, b.external, b.ports.first(), b.ports.last()))
        }
        _ => None,
    };
    w.events().into_iter().filter_map(line).collect()
}

/// G14: RFC 6888 REQ-14: each host has a block of its own, side by side from the first port up, and
/// all ports of it; the router itself has one like a host.
#[test]
fn hosts_have_disjoint_blocks() {
    let mut w = world(20);
    for (number, host) in [H1, H2, H3].into_iter().enumerate() {
        assert_eq!(
            dynamic_ports(&mut w, host, 5000),
            block(number as u16, 20),
            "{host}"
        );
    }
    let mut of_router = HashSet::new();
    for port in 5000..5020 {
        of_router.insert(
            w.router_sends(udp(at(N, port), at(S1, 53)))
                .forwarded()
                .source()
                .port(),
        );
    }
    assert_eq!(of_router, block(3, 20));
    w.router_sends(udp(at(N, 6000), at(S1, 53)))
        .dropped(DropReason::PortsExhausted);
}

/// G14: RFC 6888 REQ-14: UDP, TCP and ICMP queries of a host are in its one block, whatever the
/// class of the inside port.
#[test]
fn all_protocols_of_a_host_are_in_its_block() {
    let mut w = world(10);
    w.open_udp(at(H2, 5000), at(S1, 53));
    let own = block(1, 10);
    for port in [1, 80, 1023, 1024, 40_000, 65_535] {
        assert!(
            own.contains(&w.open_udp(at(H1, port), at(S1, 53)).port()),
            "UDP from {port}"
        );
        assert!(
            own.contains(&w.open_tcp(at(H1, port), at(S1, 80)).external.port()),
            "TCP from {port}"
        );
        assert!(own.contains(&w.open_echo(H1, S1, port)), "query {port}");
    }
    assert_eq!(
        reported(&mut w),
        [
            ('+', H2, N, FIRST, FIRST + 9),
            ('+', H1, N, FIRST + 10, FIRST + 19)
        ]
    );
}

/// G14, G13: the last free port of a block is found, by each protocol; then the host is refused,
/// and others are not.
#[test]
fn a_block_is_used_up_to_its_last_port() {
    for size in [1, 2, 7, 50] {
        let mut w = world(size);
        assert_eq!(dynamic_ports(&mut w, H1, 5000), block(0, size));
        let answer = w
            .outbound(udp(at(H1, 9000), at(S1, 53)))
            .rejected(DropReason::PortsExhausted);
        assert_eq!(answer.icmp_type(), (3, 13));
        let ids: HashSet<_> = (0..size).map(|id| w.open_echo(H1, S1, id)).collect();
        assert_eq!(ids, block(0, size));
        w.outbound(echo_request(H1, S1, 9000))
            .rejected(DropReason::PortsExhausted);
        for port in 0..size {
            Connection::open(&mut w, at(H1, 5000 + port), at(S1, 80));
        }
        w.outbound(tcp(at(H1, 9000), at(S1, 80), SYN))
            .rejected(DropReason::PortsExhausted);
        assert_eq!(
            dynamic_ports(&mut w, H2, 5000),
            block(1, size),
            "others are not affected"
        );
        w.advance(secs(7440));
        assert_eq!(
            dynamic_ports(&mut w, H1, 5000).len(),
            usize::from(size),
            "its ports come back"
        );
    }
}

/// G14, G13: the last free port of a block is found whatever the order in which the others were
/// drawn.
#[test]
fn the_last_port_of_a_block_is_found() {
    let mut w = world(7);
    for round in 0..500 {
        assert_eq!(
            dynamic_ports(&mut w, H1, 5000),
            block(0, 7),
            "round {round}"
        );
        w.advance(secs(1));
        w.clear();
    }
}

/// G14: a host whose block would go beyond the range is refused because no ports are left, and
/// takes no slot in the table. When a host has gone, the next host gets its block.
#[test]
fn a_freed_block_is_given_again() {
    let mut w = world(40);
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(100));
    w.open_udp(at(H2, 5000), at(S1, 53));
    w.outbound(udp(at(H3, 5000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
    assert_eq!(w.stats().gateway().error_port_allocation, 1);
    w.advance(secs(200));
    assert_eq!(dynamic_ports(&mut w, H3, 5000), block(0, 40));
    let (first, second) = ((N, FIRST, FIRST + 39), (N, FIRST + 40, FIRST + 79));
    let line = |sign, host, (external, first, last)| (sign, host, external, first, last);
    let expected = [
        line('+', H1, first),
        line('+', H2, second),
        line('-', H1, first),
        line('+', H3, first),
    ];
    assert_eq!(reported(&mut w), expected);
}

/// G14: a host that does not fit into the host table gets that reason, not that of exhausted ports.
#[test]
fn a_full_host_table_is_no_want_of_ports() {
    let mut w = World::sized::<8, 8, 1>(|config| blocks(config, 20));
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.outbound(udp(at(H2, 5000), at(S1, 53)))
        .rejected(DropReason::HostTableFull);
    assert_eq!(w.stats().gateway().error_port_allocation, 0);
}

/// G14, R1: within the block ports are random: spread evenly, in no order.
#[test]
fn ports_of_a_block_are_random() {
    let mut w = World::sized::<2048, 2048, 4>(|config| config.port_blocks = Some(16_384));
    let first = 1024;
    let ports: Vec<_> = (0..1600)
        .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port())
        .collect();
    let mut by_part = [0_u32; 16];
    ports
        .iter()
        .for_each(|port| by_part[usize::from((port - first) / 1024)] += 1);
    let chi_square: f64 = by_part
        .iter()
        .map(|count| (f64::from(*count) - 100.0).powi(2) / 100.0)
        .sum();
    // 15 degrees of freedom: the mean is 15, the standard deviation 5.5.
    assert!(
        (2.0..40.0).contains(&chi_square),
        "chi-square: {chi_square}"
    );
    let rising = ports.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((700..900).contains(&rising), "{rising} of 1599 steps go up");
}

/// G14, U4: parity is preserved within the block; identifiers of queries have none.
#[test]
fn parity_is_preserved_within_a_block() {
    let mut w = World::with(|config| {
        blocks(config, 9);
        config.port_parity = true;
    });
    w.open_udp(at(H2, 5000), at(S1, 53));
    for bit in [0, 1] {
        let mut found = HashSet::new();
        let expected: HashSet<_> = block(1, 9)
            .into_iter()
            .filter(|port| port % 2 == bit)
            .collect();
        for i in 0..expected.len() as u16 {
            found.insert(w.open_udp(at(H1, 5000 + 2 * i + bit), at(S1, 53)).port());
        }
        assert_eq!(found, expected);
        w.outbound(udp(at(H1, 6000 + bit), at(S1, 53)))
            .rejected(DropReason::PortsExhausted);
    }
    let ids: HashSet<_> = (0..9).map(|i| w.open_echo(H1, S1, 2 * i)).collect();
    assert_eq!(ids, block(1, 9));
}

/// G14, R2: ports of a block that a port forward has, or that the router keeps for itself, are not
/// the host's.
#[test]
fn forwarded_and_reserved_ports_of_a_block_are_left_out() {
    let mut w = World::with(|config| {
        blocks(config, 20);
        config.reserved_ports = Some(range(FIRST + 15, FIRST + 24));
    });
    w.nat
        .add_port_forward(PortForward::new(Protocol::Udp, FIRST + 3, at(H3, 53)))
        .expect("a port forward");
    let mut expected = block(0, 20);
    expected.retain(|port| *port < FIRST + 15 && *port != FIRST + 3);
    assert_eq!(dynamic_ports(&mut w, H1, 5000), expected);
    assert_eq!(
        dynamic_ports(&mut w, H2, 5000),
        block(1, 20)
            .into_iter()
            .filter(|port| *port >= FIRST + 25)
            .collect()
    );
    assert_eq!(
        (0..20)
            .map(|id| w.open_echo(H1, S1, id))
            .collect::<HashSet<_>>(),
        block(0, 20)
    );
}

/// G14, G8: a port that waits is not given to the next host of the block, and is as soon as the
/// wait is over.
#[test]
fn ports_of_a_block_wait_in_quarantine() {
    let mut w = World::quarantining::<64>(|config| {
        blocks(config, 8);
        config.timeouts.udp = secs(10);
    });
    assert_eq!(dynamic_ports(&mut w, H1, 5000), block(0, 8));
    w.advance(secs(10));
    w.outbound(udp(at(H2, 5000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
    w.advance(secs(119));
    w.outbound(udp(at(H2, 5000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
    w.advance(secs(1));
    assert_eq!(dynamic_ports(&mut w, H2, 5000), block(0, 8));
}

/// G14, X3: where external ports overlap, a host has those of its block toward each destination.
#[test]
fn ports_of_a_block_overlap_toward_different_destinations() {
    let mut w = World::with(|config| {
        blocks(config, 2);
        config.mapping = Mapping::AddressAndPortDependent;
    });
    for (number, host) in [H1, H2].into_iter().enumerate() {
        for remote in [at(S1, 80), at(S1, 81), at(S2, 80)] {
            let ports: HashSet<_> = (0..2)
                .map(|i| w.open_udp(at(host, 5000 + i), remote).port())
                .collect();
            assert_eq!(ports, block(number as u16, 2), "{host} to {remote}");
            w.outbound(udp(at(host, 5002), remote))
                .rejected(DropReason::PortsExhausted);
        }
    }
}

/// G14: hosts that meet through the external address do so with ports of their blocks.
#[test]
fn hairpins_leave_from_the_block() {
    let mut w = world(10);
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let packet = w.outbound(udp(at(H2, 5000), external)).forwarded();
    assert_eq!(packet.destination(), at(H1, 5000));
    assert!(block(1, 10).contains(&packet.source().port()));
}

/// G14: RFC 6888 REQ-14: a log of blocks needs two lines a host, however many mappings it has:
/// right before its first mapping, and right after its last.
#[test]
fn a_log_of_blocks_has_two_lines_for_a_host() {
    let mut w = world(20);
    let begin = w.now();
    for port in 5000..5015 {
        w.open_udp(at(H1, port), at(S1, 53));
        w.open_udp(at(H1, port), at(S2, 53));
    }
    let events = w.events();
    let [Event::BlockAssigned(assigned), Event::MappingCreated(_), ..] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (assigned.at, assigned.inside, assigned.external),
        (begin, H1, N)
    );
    assert_eq!(assigned.ports, range(FIRST, FIRST + 19));
    assert_eq!(events.len(), 16, "15 mappings and a block");
    w.advance(secs(250));
    w.open_udp(at(H1, 5003), at(S1, 53));
    w.advance(secs(299));
    assert_eq!(reported(&mut w), [], "it has a mapping left");
    w.advance(secs(1));
    let events = w.events();
    let [Event::MappingDeleted(_), Event::BlockReleased(released)] = events[..] else {
        panic!("{events:?}")
    };
    let mut expected = assigned;
    expected.at = w.now();
    assert_eq!(released, expected);
}

/// G14: there are no block events without blocks, nor for hosts whose ports all come from rules, or
/// that are not translated. The ports of rules are as configured, outside of any block.
#[test]
fn ports_that_rules_give_are_in_no_block() {
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    assert_eq!(reported(&mut w), []);
    let mut w = World::with(|config| {
        blocks(config, 20);
        config.external_addresses.push(N2).expect("there is room");
        config
            .one_to_one
            .push(OneToOne {
                external: N2,
                inside: H2,
            })
            .expect("there is room");
        let network = Cidr::new(S2, 32).expect("a network");
        config
            .untranslated
            .push(Untranslated {
                network,
                ports: None,
            })
            .expect("there is room");
    });
    w.nat
        .add_port_forward(PortForward::new(Protocol::Udp, 40_000, at(H1, 53)))
        .expect("a port forward");
    assert_eq!(w.open_udp(at(H1, 53), at(S1, 99)), at(N, 40_000));
    assert_eq!(w.open_udp(at(H2, 7), at(S1, 53)), at(N2, 7));
    assert_eq!(w.open_udp(at(H3, 5000), at(S2, 53)), at(H3, 5000));
    assert_eq!(reported(&mut w), []);
    // The block is that of the place which the host has had since then.
    assert_eq!(dynamic_ports(&mut w, H3, 6000), block(2, 20));
    assert_eq!(reported(&mut w), [('+', H3, N, FIRST + 40, FIRST + 59)]);
}

/// A world with blocks of 20 ports on N and N2, in which H1 has a mapping on the first that is
/// given here.
fn on_two_addresses() -> (World, SocketAddrV4) {
    let mut w = World::with(|config| {
        blocks(config, 20);
        config.external_addresses.push(N2).expect("there is room");
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    (w, external)
}

/// G14: while an address drains, a host may have its block on two; the old one is released when the
/// address is gone, not before, and the other stays.
#[test]
fn a_block_is_released_when_its_address_has_drained() {
    let (mut w, external) = on_two_addresses();
    let (old, new) = (*external.ip(), if *external.ip() == N { N2 } else { N });
    assert!(w.drain_address(old, secs(100)));
    assert_eq!(*w.open_udp(at(H1, 5001), at(S1, 53)).ip(), new);
    let line = |sign, address| (sign, H1, address, FIRST, FIRST + 19);
    assert_eq!(reported(&mut w), [line('+', old), line('+', new)]);
    w.advance(secs(99));
    assert_eq!(reported(&mut w), []);
    w.inbound(udp(at(S1, 53), external)).forwarded();
    w.advance(secs(1));
    assert_eq!(reported(&mut w), [line('-', old)]);
    w.advance(secs(200));
    assert_eq!(reported(&mut w), [line('-', new)]);
}

/// G14: an address that is no longer used is removed before its time, and the blocks on it too.
#[test]
fn a_block_on_an_unused_address_is_released_with_it() {
    let (mut w, external) = on_two_addresses();
    let old = *external.ip();
    w.drain_address(old, secs(1000));
    w.advance(secs(200));
    w.open_udp(at(H1, 5001), at(S1, 53));
    w.events();
    w.advance(secs(100));
    assert_eq!(reported(&mut w), [('-', H1, old, FIRST, FIRST + 19)]);
}

/// G14: when the addresses are replaced, blocks on those that go are released with the old address,
/// even if the host stays; on a new address, even one with the same position in the list, a new
/// block is assigned.
#[test]
fn blocks_follow_a_change_of_addresses() {
    let (mut w, external) = on_two_addresses();
    let (old, other) = (*external.ip(), if *external.ip() == N { N2 } else { N });
    w.drain_address(old, secs(1000));
    w.open_udp(at(H1, 5001), at(S1, 53));
    w.events();
    w.set_external_addresses(&[other, N3]).expect("addresses");
    let line = |sign, address| (sign, H1, address, FIRST, FIRST + 19);
    assert_eq!(reported(&mut w), [line('-', old)]);
    w.set_external_addresses(&[N3]).expect("addresses");
    assert_eq!(reported(&mut w), [line('-', other)]);
    assert_eq!(*w.open_udp(at(H1, 5001), at(S1, 53)).ip(), N3);
    assert_eq!(reported(&mut w), [line('+', N3)]);
    w.clear();
    assert_eq!(reported(&mut w), [line('-', N3)]);
}

fn random_operation(w: &mut World, random: &mut fastrand::Rng) {
    let host = Ipv4Addr::from_bits(H1.to_bits() + random.u32(..5));
    let (inside, remote) = (
        at(host, 1021 + random.u16(..6)),
        at([S1, S2][random.usize(..2)], 80 + random.u16(..2)),
    );
    let external = at([N, N2][random.usize(..2)], FIRST + random.u16(..16));
    let flags = [SYN, ACK, RST | ACK, FIN | ACK][random.usize(..4)];
    let _ = match random.u8(..40) {
        0..16 => w.outbound(udp(inside, remote)),
        16..18 => w.outbound(udp(inside, external)),
        18..22 => w.outbound(echo_request(host, S1, inside.port())),
        22..26 => w.outbound(tcp(inside, remote, flags)),
        26..28 => w.router_sends(udp(at(*external.ip(), inside.port()), remote)),
        28..30 => w.inbound(udp(remote, external)),
        30..33 => return w.advance(secs(random.u64(..250))),
        33..35 => return w.jump(secs(random.u64(..60))),
        _ => return random_change(w, random, inside),
    };
}

/// What the application may change. Some of it is refused.
fn random_change(w: &mut World, random: &mut fastrand::Rng, inside: SocketAddrV4) {
    match random.u8(..12) {
        0..3 => {
            let forward = PortForward::new(Protocol::Udp, FIRST + random.u16(..16), inside);
            let _ = w.nat.add_port_forward(forward);
        }
        3..6 => {
            let forward = w.nat.port_forwards().next();
            forward.map(|forward| w.remove_port_forward(&forward));
        }
        6..8 => {
            let addresses: [&[Ipv4Addr]; 5] = [&[N], &[N2, N], &[N, N2, N3], &[N3, N2], &[]];
            w.set_external_addresses(addresses[random.usize(..5)])
                .expect("addresses");
        }
        8..11 => {
            w.drain_address([N, N2, N3][random.usize(..3)], secs(random.u64(..400)));
        }
        _ => w.clear(),
    }
}

fn random_config(config: &mut Config, seed: u64) {
    (config.ports, config.port_blocks) = (range(FIRST, FIRST + 16), Some(4));
    config.external_addresses.extend([N2, N3]);
    config.port_parity = seed.is_multiple_of(2);
    if seed.is_multiple_of(3) {
        config.mapping = Mapping::AddressAndPortDependent;
    }
    if seed.is_multiple_of(5) {
        config
            .one_to_one
            .push(OneToOne {
                external: N3,
                inside: H3,
            })
            .expect("there is room");
    }
}

/// G14: RFC 6888 REQ-14: the block events alone say at any time which host has a port. The world
/// compares them with the sessions after each step.
#[test]
fn whose_a_port_is_follows_from_the_blocks_alone() {
    let (mut assigned, mut released, mut created, mut exhausted) = (0, 0, 0, 0);
    let runs = strength::runs(100);
    for seed in 0..runs {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut w = World::sized::<20, 30, 5>(|config| random_config(config, seed));
        for _ in 0..400 {
            random_operation(&mut w, &mut random);
            for event in w.events() {
                match event {
                    Event::BlockAssigned(_) => assigned += 1,
                    Event::BlockReleased(_) => released += 1,
                    Event::MappingCreated(_) => created += 1,
                    Event::SessionRefused(refusal)
                        if refusal.reason == DropReason::PortsExhausted =>
                    {
                        exhausted += 1;
                    }
                    _ => {}
                }
            }
        }
    }
    let counts = format!(
        "{assigned} assigned, {released} released, {created} mappings, {exhausted} refused"
    );
    assert!(
        assigned > 20 * runs && released > 20 * runs && created > 2 * assigned && exhausted > runs,
        "{counts}"
    );
}

/// G14: sizes that cannot work are refused, and the DMZ host, whose ports no block could hold.
#[test]
fn blocks_that_cannot_work_are_refused() {
    let error = |change: &dyn Fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        let mut tables = Tables::<1, 1, 1>::new();
        Nat::new(&mut tables, config, SEED)
            .err()
            .map(|error| error.field)
    };
    for size in [1, 50, 100] {
        assert_eq!(error(&|config| blocks(config, size)), None, "{size}");
    }
    for size in [0, 101, u16::MAX] {
        assert_eq!(
            error(&|config| blocks(config, size)),
            Some("port_blocks"),
            "{size}"
        );
    }
    let dmz = |config: &mut Config| {
        blocks(config, 20);
        config.dmz_host = Some(H1);
    };
    assert_eq!(error(&dmz), Some("port_blocks"));
}
