//! How inside endpoints get external endpoints: RFC 4787 section 4, RFC 5382, RFC 5508 section 3,
//! RFC 6056, RFC 6888.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use crate::world::*;
use nat_core::{DropReason, Filtering, Instant, Nat, PortRange, Seed, Side, Tables, Verdict};

/// U1, T1, I1a: one external endpoint for whatever an inside endpoint talks to.
#[test]
fn a_mapping_serves_every_remote_endpoint() {
    let mut w = World::new();
    let remotes = [at(S1, 53), at(S1, 54), at(S2, 99)];
    let external = w.open_udp(at(H1, 5000), remotes[0]);
    let tcp_external = w
        .outbound(tcp(at(H1, 5000), remotes[0], SYN))
        .forwarded()
        .source();
    for remote in remotes {
        assert_eq!(w.open_udp(at(H1, 5000), remote), external);
        assert_eq!(
            w.outbound(tcp(at(H1, 5000), remote, SYN))
                .forwarded()
                .source(),
            tcp_external
        );
    }
    let id = w.open_echo(H1, S1, 7);
    assert_eq!(w.open_echo(H1, S2, 7), id);
}

/// U3, T7, I1a: the same source port of several hosts never shares an external port, and replies
/// find their host.
#[test]
fn hosts_with_one_source_port_get_different_external_endpoints() {
    let mut w = World::new();
    let hosts = [H1, H2, H3];
    let externals = hosts.map(|host| w.open_udp(at(host, 5000), at(S1, 53)));
    assert_eq!(HashSet::from(externals).len(), 3);
    for (host, external) in hosts.into_iter().zip(externals) {
        assert_eq!(
            w.inbound(udp(at(S1, 53), external))
                .forwarded()
                .destination(),
            at(host, 5000)
        );
    }
    let connections = hosts.map(|host| w.open_tcp(at(host, 5000), at(S1, 80)));
    assert_eq!(
        connections
            .each_ref()
            .map(|c| c.external)
            .into_iter()
            .collect::<HashSet<_>>()
            .len(),
        3
    );
    for connection in connections {
        let reply = w
            .inbound(connection.outside_sends(ACK).payload(b"200 OK"))
            .forwarded();
        assert_eq!(reply.destination(), connection.inside);
    }
    let ids = hosts.map(|host| w.open_echo(host, S1, 7));
    assert_eq!(HashSet::from(ids).len(), 3);
    for (host, id) in hosts.into_iter().zip(ids) {
        assert_eq!(
            w.inbound(echo_reply(S1, N, id)).forwarded().destination(),
            at(host, 7)
        );
    }
}

/// U3a: inside ports below 1024 leave from ports below 1024, the others from 1024 up.
#[test]
fn the_external_port_is_of_the_inside_ports_range_class() {
    let mut w = World::new();
    for port in [1, 53, 123, 500, 1023] {
        assert!(
            (1..=1023).contains(&w.open_udp(at(H1, port), at(S1, 53)).port()),
            "from {port}"
        );
        let syn = w.outbound(tcp(at(H1, port), at(S1, 80), SYN)).forwarded();
        assert!((1..=1023).contains(&syn.source().port()), "from {port}");
    }
    for port in [1024, 5000, 49152, 65535] {
        assert!(
            w.open_udp(at(H1, port), at(S1, 53)).port() >= 1024,
            "from {port}"
        );
        assert!(
            w.outbound(tcp(at(H1, port), at(S1, 80), SYN))
                .forwarded()
                .source()
                .port()
                >= 1024,
            "from {port}"
        );
    }
}

/// U2, G2: all that one host sends leaves from one address of the pool, whichever the protocol.
#[test]
fn a_host_keeps_one_external_address_for_all_protocols() {
    let mut w = World::with(|config| {
        config.external_addresses.extend([N2, N3]);
    });
    for host in [H1, H2, H3] {
        let address = *w.open_udp(at(host, 5000), at(S1, 53)).ip();
        for port in 6000..6010 {
            assert_eq!(*w.open_udp(at(host, port), at(S2, 53)).ip(), address);
            assert_eq!(
                *w.open_tcp(at(host, port), at(S1, 80)).external.ip(),
                address
            );
        }
        assert_eq!(
            *w.outbound(echo_request(host, S1, 1))
                .forwarded()
                .source()
                .ip(),
            address
        );
    }
}

/// X4: a host whose address has no port left is refused, UDP and TCP; it does not move to another
/// address.
#[test]
fn a_host_is_not_moved_to_another_address_when_its_own_has_no_port_left() {
    let mut w = World::with(|config| {
        config.external_addresses.push(N2).expect("there is room");
        config.ports = PortRange::new(2000, 2003).expect("four ports");
    });
    let addresses: HashSet<_> = (0..4)
        .map(|i| *w.open_udp(at(H1, 5000 + i), at(S1, 53)).ip())
        .collect();
    assert_eq!(addresses.len(), 1);
    w.outbound(udp(at(H1, 5004), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
    // The other protocols too, whose ports are their own, on the same address.
    for i in 0..4 {
        assert!(addresses.contains(w.open_tcp(at(H1, 5000 + i), at(S1, 80)).external.ip()));
    }
    w.outbound(tcp(at(H1, 5004), at(S1, 80), SYN))
        .rejected(DropReason::PortsExhausted);
}

/// R5: the search ends, and finds the one port that is free; when none is left it says so and
/// counts it.
#[test]
fn the_last_free_port_is_found() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(30000, 30063).expect("64 ports"));
    let ports: HashSet<_> = (0..64)
        .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port())
        .collect();
    assert_eq!(ports, (30000..=30063).collect());
    let errors = w.stats().gateway().error_port_allocation;
    let answer = w
        .outbound(udp(at(H1, 6000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
    assert_eq!(answer.icmp_type(), (3, 13));
    assert_eq!(w.stats().gateway().error_port_allocation, errors + 1);
    // Another protocol has ports of its own, and mappings that exist serve new remote endpoints.
    w.open_tcp(at(H1, 6000), at(S1, 80));
    assert!(ports.contains(&w.open_udp(at(H1, 5000), at(S2, 53)).port()));
}

/// Ports of mappings that have ended are free again, every one of them.
#[test]
fn ended_mappings_give_their_ports_back() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(30000, 30063).expect("64 ports"));
    for round in 0..5 {
        let open = |i: u16| {
            w.open_udp(at(H1, 5000 + 100 * round + i), at(S1, 53))
                .port()
        };
        assert_eq!(
            (0..64).map(open).collect::<HashSet<_>>().len(),
            64,
            "round {round}"
        );
        w.advance(secs(300 + 120 + 1));
    }
}

/// R2: ports that the router keeps for itself are never given away, however scarce ports are.
#[test]
fn reserved_ports_are_never_given_to_a_mapping() {
    let reserved = PortRange::new(30010, 30019).expect("ten ports");
    let mut w = World::with(|config| {
        config.ports = PortRange::new(30000, 30063).expect("64 ports");
        config.reserved_ports = Some(reserved);
    });
    let ports: HashSet<_> = (0..54)
        .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port())
        .collect();
    assert_eq!(ports.len(), 54);
    assert!(ports.iter().all(|port| !reserved.contains(*port)));
    w.outbound(udp(at(H1, 6000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
}

/// Ends what is due by `now`.
fn end_all(nat: &mut Nat<'_>, now: Instant) {
    while nat.poll_timeout().is_some_and(|due| due <= now) {
        nat.handle_timeout(now);
    }
}

/// The ports that 10 000 new mappings of the NAT with `seed` get, whose mappings end now and then.
fn allocations(seed: Seed, opener: fn(u16) -> Datagram) -> Vec<u16> {
    let mut tables = Box::new(Tables::<1024, 1024>::new());
    let mut nat = Nat::new(&mut tables, config(), seed).expect("the configuration can work");
    let mut now = Instant::from_secs(1);
    let mut ports = Vec::new();
    for i in 0..10_000_u16 {
        if i % 500 == 0 {
            now = now.saturating_add(secs(1000));
            end_all(&mut nat, now);
        }
        let mut packet = opener(i).bytes();
        let verdict = nat.process(&mut packet, Side::Inside, now);
        assert!(
            matches!(
                verdict,
                Verdict::Forward {
                    to: Side::Outside,
                    ..
                }
            ),
            "{verdict:?}"
        );
        let left = Packet::parse(&packet);
        ports.push(left.source().port());
    }
    ports
}

/// How far the high bytes of `values` are from evenly spread over `bytes`.
fn chi_square(values: impl Iterator<Item = u16>, bytes: core::ops::RangeInclusive<u8>) -> f64 {
    let mut counts = [0_u32; 256];
    values.for_each(|value| counts[usize::from(value >> 8)] += 1);
    let expected = f64::from(counts.iter().sum::<u32>()) / bytes.len() as f64;
    let deviation = |byte: u8| (f64::from(counts[usize::from(byte)]) - expected).powi(2) / expected;
    bytes.map(deviation).sum()
}

/// R1, R2, R4: ports and identifiers are spread evenly over their whole range, do not follow from
/// those before, and depend on the secret.
#[test]
fn external_ports_cannot_be_predicted() {
    let openers: [fn(u16) -> Datagram; 3] = [
        |i| udp(at(H1, 2000 + i), at(S1, 53)),
        |i| tcp(at(H1, 2000 + i), at(S1, 80), SYN),
        |i| echo_request(H1, S1, 2000 + i),
    ];
    for opener in openers {
        let ports = allocations(SEED, opener);
        assert!(ports.iter().all(|port| *port >= 1024));
        // 251 degrees of freedom: the mean is 251, the standard deviation 22. Of the steps between
        // ports it is 255.
        let spread = chi_square(ports.iter().copied(), 4..=255);
        assert!(
            (120.0..385.0).contains(&spread),
            "chi-square of the high byte: {spread}"
        );
        let steps: Vec<_> = ports
            .windows(2)
            .map(|pair| pair[1].wrapping_sub(pair[0]))
            .collect();
        let spread = chi_square(steps.iter().copied(), 0..=255);
        assert!(
            (120.0..390.0).contains(&spread),
            "chi-square of the high byte of the steps: {spread}"
        );

        let mut counts = HashMap::new();
        steps
            .iter()
            .for_each(|step| *counts.entry(*step).or_insert(0) += 1);
        let commonest = counts.values().max().copied().unwrap_or(0);
        assert!(
            commonest < 10,
            "one step between successive ports was taken {commonest} times in 10 000"
        );

        let preserved = ports
            .iter()
            .enumerate()
            .filter(|(i, port)| 2000 + *i as u16 == **port)
            .count();
        assert!(preserved < 10, "{preserved} of 10 000 ports were preserved");

        let others = allocations(Seed::new(*b"a test's other.."), opener);
        let same = ports.iter().zip(&others).filter(|(a, b)| a == b).count();
        assert!(
            same < 10,
            "{same} of 10 000 ports are the same with another secret"
        );
    }
}

/// R1: a port is drawn for every mapping: an endpoint whose mapping has ended does not get its old
/// one again.
#[test]
fn every_mapping_gets_a_port_of_its_own() {
    let mut w = World::new();
    let draw = |w: &mut World| {
        let port = w.open_udp(at(H1, 5000), at(S1, 53)).port();
        w.advance(secs(300 + 120 + 1));
        port
    };
    let ports: HashSet<_> = (0..50).map(|_| draw(&mut w)).collect();
    assert!(
        ports.len() > 45,
        "{} different ports in 50 mappings",
        ports.len()
    );
}

/// R5: the one port that is free among all 64,512 is found.
#[test]
fn the_last_free_port_of_the_whole_range_is_found() {
    static TABLES: Mutex<Tables<65_535, 65_535>> = Mutex::new(Tables::new());
    let mut tables = TABLES.lock().expect("no test has panicked with it");
    let mut config = config();
    config.excluded_ports = nat_core::PortSet::EMPTY;
    let mut nat = Nat::new(&mut tables, config, SEED).expect("the configuration can work");
    let mut ports = HashSet::new();
    let mut open = |host: Ipv4Addr, port: u16| {
        let mut packet = udp(at(host, port), at(S1, 53)).bytes();
        let verdict = nat.process(&mut packet, Side::Inside, Instant::from_secs(1));
        matches!(verdict, Verdict::Forward { .. }).then(|| Packet::parse(&packet).source().port())
    };
    for port in 1024..=u16::MAX {
        let external = open(H1, port).unwrap_or_else(|| panic!("no port for {port}"));
        assert!(external >= 1024 && ports.insert(external), "{external}");
    }
    assert_eq!(ports.len(), 64_512);
    assert_eq!(open(H2, 5000), None);
}

/// U7: an external address within the inside network works; the side decides which address is
/// meant.
#[test]
fn an_external_address_may_lie_in_the_inside_network() {
    let external = Ipv4Addr::new(192, 168, 1, 200);
    let mut w = World::with(|config| {
        config.external_addresses.clear();
        config
            .external_addresses
            .push(external)
            .expect("there is room");
    });
    for host in [H1, external] {
        let from = w.open_udp(at(host, 5000), at(S1, 53));
        assert_eq!(*from.ip(), external);
        assert_eq!(
            w.inbound(udp(at(S1, 53), from)).forwarded().destination(),
            at(host, 5000)
        );
        let connection = w.open_tcp(at(host, 5000), at(S1, 80));
        let data = w
            .inbound(connection.outside_sends(ACK).payload(b"200 OK"))
            .forwarded();
        assert_eq!(
            (*connection.external.ip(), data.destination()),
            (external, at(host, 5000))
        );
        let id = w.outbound(echo_request(host, S1, 7)).forwarded().query_id();
        assert_eq!(
            w.inbound(echo_reply(S1, external, id))
                .forwarded()
                .destination(),
            at(host, 7)
        );
        let error = icmp_error(TRANSIT, external, (11, 0), &udp(from, at(S1, 53)).bytes());
        assert_eq!(*w.inbound(error).forwarded().destination().ip(), host);
    }
}

/// U-port0: port 0 never gets a mapping.
#[test]
fn port_zero_is_dropped() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.outbound(udp(at(H1, 0), at(S1, 53)))
        .dropped(DropReason::PortZero);
    w.outbound(udp(at(H1, 5000), at(S1, 0)))
        .dropped(DropReason::PortZero);
    w.outbound(tcp(at(H1, 0), at(S1, 80), SYN))
        .dropped(DropReason::PortZero);
    w.outbound(tcp(at(H1, 5000), at(S1, 0), SYN))
        .dropped(DropReason::PortZero);
    w.inbound(udp(at(S1, 0), external))
        .dropped(DropReason::PortZero);
    w.inbound(udp(at(S1, 53), at(N, 0)))
        .dropped(DropReason::PortZero);
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    for flags in [SYN, ACK] {
        w.inbound(tcp(at(S1, 0), connection.external, flags))
            .dropped(DropReason::PortZero);
        w.inbound(tcp(at(S1, 80), at(N, 0), flags))
            .dropped(DropReason::PortZero);
    }
}

/// U10, T6, A4: what looks like SIP, RTSP, TFTP, H.323, FTP or DCC passes untouched, both ways, and
/// opens nothing.
#[test]
fn payloads_are_not_read() {
    let payloads: [(u16, &[u8]); 7] = [
        (5060, b"REGISTER sip:198.51.100.10 SIP/2.0\r\nContact: <sip:x@192.168.1.10:5060>\r\n\r\n"),
        (5060, b"INVITE sip:y@198.51.100.10 SIP/2.0\r\n\r\nc=IN IP4 192.168.1.10\r\nm=audio 49170 RTP/AVP 0\r\n"),
        (554, b"SETUP rtsp://198.51.100.10/a RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=4588-4589\r\n\r\n"),
        (69, b"\x00\x01file\x00octet\x00"),
        (1720, b"\x03\x00\x00\x20\x08\x02\x00\x01\x05\x05\x00\x7E\xC0\xA8\x01\x0A\x13\xC4\xC0\xA8\x01\x0A\x13\xC4"),
        (21, b"PORT 192,168,1,10,19,136\r\n"),
        (6667, b"PRIVMSG x :\x01DCC SEND f 3232235786 5000 1\x01\r\n"),
    ];
    for (port, payload) in payloads {
        let mut w = World::new();
        let (inside, remote) = (at(H1, port), at(S1, port));
        let left = w.outbound(udp(inside, remote).payload(payload)).forwarded();
        assert_eq!(left.payload(), payload);
        assert_eq!(
            w.inbound(udp(remote, left.source()).payload(payload))
                .forwarded()
                .payload(),
            payload
        );
        let connection = w.open_tcp(inside, remote);
        let left = w
            .outbound(connection.inside_sends(ACK | PSH).payload(payload))
            .forwarded();
        assert_eq!(left.payload(), payload);
        let arrived = w
            .inbound(connection.outside_sends(ACK | PSH).payload(payload))
            .forwarded();
        assert_eq!(arrived.payload(), payload);
        assert_eq!((w.sessions().len(), w.stats().mappings_created), (2, 2));
        // What these would have asked for stays closed.
        for named in [5000, 5060, 4588, 4589, 49170] {
            for external in [
                at(N, named),
                at(*left.source().ip(), left.source().port() ^ 1),
            ] {
                w.inbound(udp(remote, external))
                    .dropped(DropReason::NoMapping);
                w.inbound(tcp(at(S1, 20), external, SYN))
                    .dropped(DropReason::NoMapping);
            }
        }
    }
}

/// U11, T1: what a mapping is does not change with load.
#[test]
fn mappings_stay_endpoint_independent_when_the_tables_are_almost_full() {
    let mut w = World::sized::<16, 32, 4>(|_| ());
    let externals: Vec<_> = (0..15)
        .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)))
        .collect();
    for (i, external) in externals.iter().enumerate() {
        assert_eq!(w.open_udp(at(H1, 5000 + i as u16), at(S2, 99)), *external);
    }
}

/// U11: nor where hosts use the same port, and so cannot all have it outside.
#[test]
fn mappings_stay_endpoint_independent_after_a_collision() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(5000, 5007).expect("eight ports"));
    let hosts: Vec<_> = (10..18)
        .map(|host| at(Ipv4Addr::new(192, 168, 1, host), 5000))
        .collect();
    let externals: Vec<_> = hosts
        .iter()
        .map(|host| w.open_udp(*host, at(S1, 53)))
        .collect();
    assert_eq!(externals.iter().collect::<HashSet<_>>().len(), 8);
    for (host, external) in hosts.iter().zip(&externals) {
        for remote in [at(S1, 53), at(S1, 54), at(S2, 99)] {
            assert_eq!(w.open_udp(*host, remote), *external);
        }
        w.inbound(udp(at(S2, 53), *external))
            .dropped(DropReason::Filtered);
    }
}

/// U11: RFC 4787 REQ-11: neither mapping nor filter changes with the number of mappings that came
/// before.
#[test]
fn nothing_changes_after_many_allocations() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut config = config();
        config.filtering = filtering;
        let mut tables = Box::new(Tables::<1024, 4096>::new());
        let mut nat = Nat::new(&mut tables, config, SEED).expect("the configuration can work");
        let mut now = Instant::from_secs(1);
        let mut leaves_from = |nat: &mut Nat<'_>, from: SocketAddrV4, to: SocketAddrV4| {
            if from.port().is_multiple_of(500) {
                now = now.saturating_add(secs(1000));
                end_all(nat, now);
            }
            let mut packet = udp(from, to).bytes();
            let verdict = nat.process(&mut packet, Side::Inside, now);
            assert!(
                matches!(
                    verdict,
                    Verdict::Forward {
                        to: Side::Outside,
                        ..
                    }
                ),
                "{verdict:?}"
            );
            (Packet::parse(&packet).source(), now)
        };
        for port in 1..=65_535 {
            let (external, _) = leaves_from(&mut nat, at(H1, port), at(S1, 53));
            if port <= 65_000 || port.is_multiple_of(500) {
                continue;
            }
            let (again, now) = leaves_from(&mut nat, at(H1, port), at(S2, 99));
            assert_eq!(again, external);
            for (sender, admitted) in [
                (at(S1, 53), true),
                (at(S1, 54), filtering != Filtering::AddressAndPortDependent),
                (
                    at(ATTACKER, 53),
                    filtering == Filtering::EndpointIndependent,
                ),
            ] {
                let verdict = nat.process(&mut udp(sender, external).bytes(), Side::Outside, now);
                assert_eq!(
                    matches!(verdict, Verdict::Forward { .. }),
                    admitted,
                    "{filtering:?}, {sender}"
                );
            }
        }
    }
}

/// G3: RFC 6888 REQ-3: the external addresses may be of several networks, private ones too, and all
/// are used.
#[test]
fn external_addresses_may_be_of_any_networks() {
    let pool: [Ipv4Addr; 8] = [
        N,
        Ipv4Addr::new(203, 0, 113, 200),
        Ipv4Addr::new(198, 51, 100, 77),
        Ipv4Addr::new(192, 0, 2, 9),
        Ipv4Addr::new(10, 0, 0, 5),
        Ipv4Addr::new(172, 16, 3, 4),
        Ipv4Addr::new(100, 64, 0, 1),
        Ipv4Addr::new(192, 168, 2, 2),
    ];
    let mut w = World::sized::<256, 512, 250>(|config| {
        config.external_addresses.clear();
        config.external_addresses.extend(pool);
    });
    let mut used = HashSet::new();
    for host in 2..200 {
        let inside = at(Ipv4Addr::new(192, 168, 1, host), 5000);
        let external = w.open_udp(inside, at(S1, 53));
        assert_eq!(
            w.inbound(udp(at(S1, 53), external))
                .forwarded()
                .destination(),
            inside
        );
        used.insert(*external.ip());
    }
    assert_eq!(used, HashSet::from(pool));
}

/// Cloud NAT gateways give ports from 1024 up only, which RFC 4787 REQ-3a advises against: a choice
/// of configuration.
#[test]
fn low_inside_ports_leave_from_high_ones_when_so_configured() {
    let mut w = World::with(|config| config.low_ports = config.ports);
    for port in [1, 53, 123, 500, 1023, 1024] {
        assert!(
            w.open_udp(at(H1, port), at(S1, 53)).port() >= 1024,
            "from {port}"
        );
        assert!(
            w.open_tcp(at(H1, port), at(S1, 80)).external.port() >= 1024,
            "from {port}"
        );
    }
}
