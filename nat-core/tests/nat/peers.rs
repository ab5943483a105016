//! What other NATs for small devices get wrong, one test for each defect that applies here.

use core::net::Ipv4Addr;
use std::collections::HashSet;

use crate::world::*;
use nat_core::{
    DropReason, Filtering, PortForward, PortForwardError, PortRange, Protocol, SessionState, Side,
};

fn web_server() -> PortForward {
    PortForward::new(Protocol::Tcp, 8080, at(H1, 80))
}

/// lwIP (Espressif) 1: a second destination overwrote the first, whose replies were lost.
#[test]
fn replies_of_the_first_server_still_arrive_after_a_second_was_asked() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.open_udp(at(H1, 5000), at(S2, 53));
    for server in [S1, S2] {
        assert_eq!(
            w.inbound(udp(at(server, 53), external))
                .forwarded()
                .destination(),
            at(H1, 5000)
        );
    }
}

/// lwIP 2: an entry that was used again kept the FIN and RST flags of its last connection.
#[test]
fn a_connection_on_used_ports_starts_afresh() {
    let mut w = World::new();
    let mut old = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.outbound(old.inside_sends(FIN | ACK)).forwarded();
    old.inside_next += 1;
    w.inbound(old.outside_sends(FIN | ACK)).forwarded();
    let new = w.open_tcp(at(H1, 5000), at(S1, 80));
    assert_eq!(new.state(&w), SessionState::Established);
    let other = w.open_tcp(at(H1, 5000), at(S2, 80));
    assert_eq!(other.state(&w), SessionState::Established);
    assert_eq!(w.stats().resets_sent, 0);
}

/// lwIP 2: and making room for the new connection sent RSTs to its own destination.
#[test]
fn a_new_connection_resets_no_other() {
    let mut w = World::sized::<4, 4, 2>(|_| ());
    for port in 5000..5004 {
        w.open_tcp(at(H1, port), at(S1, 80));
    }
    w.outbound(tcp(at(H1, 6000), at(S2, 80), SYN))
        .rejected(DropReason::MappingTableFull);
    for port in 5000..5004 {
        assert_eq!(
            w.session(at(H1, port), at(S1, 80)).state,
            SessionState::Established
        );
    }
    assert_eq!(w.stats().resets_sent, 0);
}

/// lwIP 3: adding a port forward again made duplicates until the table was full.
#[test]
fn adding_a_forward_again_takes_no_slot() {
    let mut w = World::sized::<2, 4, 2>(|_| ());
    w.nat.add_port_forward(web_server()).expect("there is room");
    for _ in 0..100 {
        assert_eq!(
            w.nat.add_port_forward(web_server()),
            Err(PortForwardError::ExternalPortInUse)
        );
    }
    w.open_udp(at(H1, 5000), at(S1, 53));
}

/// lwIP 4: the check for ports of the router's own sockets compared them in the wrong byte order.
#[test]
fn ports_of_the_router_are_not_given_to_hosts() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(0x1234, 0x1235).expect("two ports"));
    let of_router = w
        .router_sends(udp(at(N, 0x1234), at(S1, 53)))
        .forwarded()
        .source();
    let of_host = w.open_udp(at(H1, 0x1234), at(S1, 53));
    assert_ne!(of_router, of_host);
}

/// lwIP 4: of UDP only the listeners of TCP were asked.
#[test]
fn forwarded_ports_are_not_given_to_hosts_of_their_protocol() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(0x1234, 0x1235).expect("two ports"));
    for (protocol, external_port) in [(Protocol::Udp, 0x1234), (Protocol::Tcp, 0x1235)] {
        let mut service = web_server();
        (
            service.protocol,
            service.external_port,
            service.inside_address,
        ) = (protocol, external_port, H2);
        w.nat
            .add_port_forward(service)
            .expect("the port forward is accepted");
    }
    assert_eq!(w.open_udp(at(H1, 0x1234), at(S1, 53)).port(), 0x1235);
    assert_eq!(
        w.open_tcp(at(H1, 0x1235), at(S1, 80)).external.port(),
        0x1234
    );
}

/// lwIP 5: later fragments were rewritten where a first one has its ports.
#[test]
fn later_fragments_are_not_rewritten() {
    let mut w = World::new();
    // The later one begins where the first has its ports: with those of this very session.
    let ports: Vec<u8> = [5000_u16, 53]
        .iter()
        .flat_map(|port| port.to_be_bytes())
        .collect();
    let fragments = udp(at(H1, 5000), at(S1, 53))
        .payload(&ports.repeat(50))
        .may_fragment()
        .cut(&[104]);
    let payload = |packet: &[u8]| packet[field::PAYLOAD].to_vec();
    w.outbound(&fragments[0]).forwarded();
    let followed = w.outbound(&fragments[1]).forwarded();
    assert_eq!(payload(&followed.bytes()), payload(&fragments[1].bytes()));
}

/// lwIP 5: a transport header was read and written though the packet ended before it.
#[test]
fn a_packet_without_its_transport_header_is_not_rewritten() {
    let mut w = World::new();
    for (protocol, header) in [(1, 8), (6, 20), (17, 8)] {
        for len in 0..header {
            let fragment = raw(H1, S1, protocol, &vec![0x45; len]).may_fragment();
            w.outbound(&fragment)
                .dropped(DropReason::BadTransportLength);
            if len % 8 == 0 && len > 0 {
                w.outbound(fragment.fragment(0, true))
                    .dropped(DropReason::BadTransportLength);
            }
        }
    }
}

/// lwIP 6: without errors a route could not be traced through the NAT.
#[test]
fn a_traced_route_shows_its_hops() {
    let mut w = World::new();
    let probe = |port, ttl| udp(at(H1, 5000), at(S1, port)).ttl(ttl);
    let first = w.outbound(probe(33434, 1)).rejected(DropReason::TtlExpired);
    assert_eq!((*first.source().ip(), first.icmp_type()), (ROUTER, (11, 0)));
    let left = w.outbound(probe(33435, 2)).forwarded().bytes();
    let second = w
        .inbound(icmp_error(TRANSIT, N, (11, 0), &left[..28]))
        .forwarded();
    assert_eq!(
        (*second.source().ip(), second.quote().destination().port()),
        (TRANSIT, 33435)
    );
    let left = w.outbound(probe(33436, 3)).forwarded().bytes();
    let last = w.inbound(icmp_error(S1, N, (3, 3), &left)).forwarded();
    assert_eq!(
        (*last.source().ip(), last.quote().source()),
        (S1, at(H1, 5000))
    );
}

/// lwIP 6: ICMP errors were not translated, and GRE, ESP and other ICMP left with inside addresses.
#[test]
fn path_mtu_discovery_works_and_nothing_leaks() {
    let mut w = World::new();
    let left = w
        .outbound(udp(at(H1, 5000), at(S1, 53)).payload(&[7; 1472]))
        .forwarded()
        .bytes();
    let too_big = icmp_error(TRANSIT, N, (3, 4), &left[..28]).rest([0, 0, 5, 0]);
    assert_eq!(
        w.inbound(too_big).forwarded().quote().source(),
        at(H1, 5000)
    );
    for protocol in [47, 50, 51] {
        w.outbound(raw(H1, S1, protocol, &[0; 40]))
            .rejected(DropReason::UnknownProtocol);
    }
    w.outbound(icmp(H1, S1, 17, 0, [0, 7, 0, 1]))
        .dropped(DropReason::UnknownIcmpType);
}

/// lwIP 7: UDP sessions ended after 2 s, and privileged source ports were dropped.
#[test]
fn time_and_key_exchange_work() {
    let mut w = World::new();
    for port in [123, 500] {
        let external = w.open_udp(at(H1, port), at(S1, port));
        w.advance(secs(64));
        assert_eq!(
            w.inbound(udp(at(S1, port), external))
                .forwarded()
                .destination(),
            at(H1, port)
        );
    }
}

/// lwIP 8: replies through a port forward left from the address that was external when it was made.
#[test]
fn a_forward_answers_from_the_address_of_today() {
    let mut w = World::with(|config| config.external_addresses.clear());
    w.nat
        .add_port_forward(web_server())
        .expect("the port forward is accepted");
    for address in [N, N2] {
        w.set_external_addresses(&[address])
            .expect("the address can work");
        w.inbound(tcp(at(S1, 9), at(address, 8080), SYN).seq(10))
            .forwarded();
        let answer = w
            .outbound(tcp(at(H1, 80), at(S1, 9), SYN | ACK).ack(11))
            .forwarded();
        assert_eq!(answer.source(), at(address, 8080));
    }
}

/// lwIP 9: a sequence number half the space behind was taken for a newer one.
#[test]
fn a_reset_from_half_the_sequence_space_behind_is_not_believed() {
    let mut w = World::new();
    let (inside, remote) = (at(H1, 5000), at(S1, 80));
    let external = w
        .outbound(tcp(inside, remote, SYN).seq(1))
        .forwarded()
        .source();
    w.inbound(tcp(remote, external, SYN | ACK).seq(0x8000_000F).ack(2))
        .forwarded();
    w.outbound(tcp(inside, remote, ACK).seq(2).ack(0x8000_0010))
        .forwarded();
    // An old segment does not set tracking back, so the RST behind it is not exact.
    w.inbound(tcp(remote, external, ACK).seq(0x10).ack(2))
        .forwarded();
    let _ = w.inbound(tcp(remote, external, RST).seq(0x10));
    assert_eq!(w.session(inside, remote).state, SessionState::Established);
    w.inbound(tcp(remote, external, RST).seq(0x8000_0010))
        .forwarded();
    assert_eq!(w.session(inside, remote).state, SessionState::Reset);
}

/// lwIP 10: a wrong address could not be refused, and tore the table down.
#[test]
fn a_wrong_address_is_refused_and_ends_nothing() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    assert!(w.set_external_addresses(&[Ipv4Addr::BROADCAST]).is_err());
    w.inbound(udp(at(S1, 53), external)).forwarded();
}

/// lwIP 10: what one address needed no more was taken from another that still used it.
#[test]
fn taking_one_address_away_leaves_the_sessions_of_another() {
    let mut w = World::with(|config| config.external_addresses.push(N2).expect("there is room"));
    let hosts = [H1, H2, H3].map(|host| (at(host, 5000), w.open_udp(at(host, 5000), at(S1, 53))));
    let (kept, external) = hosts[0];
    w.set_external_addresses(&[*external.ip()])
        .expect("the address can work");
    assert_eq!(
        w.inbound(udp(at(S1, 53), external))
            .forwarded()
            .destination(),
        kept
    );
    let living = hosts
        .iter()
        .filter(|(_, other)| other.ip() == external.ip())
        .count();
    assert_eq!(w.sessions().len(), living);
}

/// NuttX: without a limit and with 24 h for every SYN, a port scan from inside ate all memory.
#[test]
fn a_scan_from_inside_ends_by_itself() {
    let mut w = World::sized::<64, 64, 4>(|config| config.limits.sessions_per_host = Some(32));
    for port in 1..200 {
        let _ = w.outbound(tcp(at(H1, 5000), at(S1, port), SYN));
    }
    assert_eq!(w.sessions().len(), 32);
    w.open_tcp(at(H2, 5000), at(S1, 80));
    w.advance(secs(241));
    w.open_tcp(at(H1, 5000), at(S1, 80));
}

/// NuttX: what may come from any address was looked for in the wrong bucket of the table.
#[test]
fn an_endpoint_open_to_all_is_found_from_everywhere() {
    let mut w = World::with(|config| config.filtering = Filtering::EndpointIndependent);
    w.nat
        .add_port_forward(web_server())
        .expect("the port forward is accepted");
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for last in 1..=254 {
        let remote = at(Ipv4Addr::new(198, 51, 100, last), u16::from(last) + 1024);
        assert_eq!(
            w.inbound(udp(remote, external)).forwarded().destination(),
            at(H1, 5000)
        );
        assert_eq!(
            w.inbound(tcp(remote, at(N, 8080), SYN))
                .forwarded()
                .destination(),
            at(H1, 80)
        );
    }
}

/// NetX Duo: ICMP errors were dropped both ways.
#[test]
fn errors_pass_both_ways() {
    let mut w = World::new();
    let left = w.outbound(udp(at(H1, 5000), at(S1, 53))).forwarded();
    let arrived = w.inbound(udp(at(S1, 53), left.source())).forwarded();
    let inward = w
        .inbound(icmp_error(TRANSIT, N, (3, 1), &left.bytes()))
        .forwarded();
    assert_eq!(
        (*inward.destination().ip(), inward.quote().source()),
        (H1, at(H1, 5000))
    );
    let outward = w
        .outbound(icmp_error(H1, S1, (3, 3), &arrived.bytes()))
        .forwarded();
    assert_eq!(
        (*outward.source().ip(), outward.quote().destination()),
        (N, left.source())
    );
}

/// NetX Duo: there was one NAT for the whole program.
#[test]
fn a_program_may_have_several_nats() {
    let [mut a, mut b] = [N, N2].map(|address| {
        World::with(|config| {
            config.external_addresses.clear();
            config
                .external_addresses
                .push(address)
                .expect("there is room");
        })
    });
    let externals = [&mut a, &mut b].map(|w| w.open_udp(at(H1, 5000), at(S1, 53)));
    assert_eq!(externals.map(|external| *external.ip()), [N, N2]);
    a.clear();
    assert_eq!(
        b.inbound(udp(at(S1, 53), externals[1]))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
}

/// NetX Duo: the TTL was not touched, options were cut off.
#[test]
fn the_time_to_live_falls_and_options_stay() {
    let mut w = World::new();
    let left = w
        .outbound(
            udp(at(H1, 5000), at(S1, 53))
                .ttl(9)
                .options(&[148, 4, 0, 0]),
        )
        .forwarded();
    assert_eq!(
        (left.ttl(), left.ip.options.as_slice()),
        (8, &[148, 4, 0, 0][..])
    );
}

/// Zephyr: two hosts with one source port to one peer collided, and all replies went to the first.
#[test]
fn two_hosts_with_one_source_port_to_one_server_both_get_their_replies() {
    let mut w = World::new();
    let externals = [H1, H2].map(|host| (host, w.open_udp(at(host, 5000), at(S1, 53))));
    for (host, external) in externals {
        assert_eq!(
            w.inbound(udp(at(S1, 53), external))
                .forwarded()
                .destination(),
            at(host, 5000)
        );
    }
}

/// Zephyr: a UDP checksum of zero was damaged.
#[test]
fn a_datagram_without_checksum_stays_without() {
    let mut w = World::new();
    assert_eq!(
        w.outbound(udp(at(H1, 5000), at(S1, 53)).checksum(Checksum::Zero))
            .forwarded()
            .checksum(),
        0
    );
}

/// Zephyr: a packet whose TTL had run out went on untranslated.
#[test]
fn an_expired_packet_goes_no_further() {
    let mut w = World::new();
    for ttl in [0, 1] {
        w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(ttl))
            .rejected(DropReason::TtlExpired);
    }
    assert_eq!(w.stats().outside.packets_out, 0);
}

/// Zephyr: with NAT the router's own ping got no reply any more.
#[test]
fn the_routers_own_ping_gets_its_reply() {
    let mut w = World::new();
    w.outbound(echo_request(H1, ROUTER, 7)).local(Side::Inside);
    let id = w
        .router_sends(echo_request(N, S1, 7))
        .forwarded()
        .query_id();
    w.open_echo(H1, S1, 7);
    assert_eq!(
        w.inbound(echo_reply(S1, N, id))
            .local(Side::Outside)
            .query_id(),
        7
    );
}

/// RT-Thread: all flows shared one external port, and two pings were all that could be in flight.
#[test]
fn many_flows_and_pings_run_at_once() {
    let mut w = World::new();
    let ports: HashSet<_> = (0..50)
        .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port())
        .collect();
    assert_eq!(ports.len(), 50);
    let ids: Vec<_> = (0..50).map(|i| w.open_echo(H1, S1, i)).collect();
    for (i, id) in (0..50).zip(ids) {
        assert_eq!(w.inbound(echo_reply(S1, N, id)).forwarded().query_id(), i);
    }
}

/// RT-Thread: ending everything went through the table of pings by the length of another.
#[test]
fn clearing_ends_pings_like_other_sessions() {
    let mut w = World::new();
    for id in 0..50 {
        w.open_echo(H1, S1, id);
    }
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.clear();
    assert_eq!(w.sessions(), []);
    let id = w.open_echo(H1, S1, 7);
    assert_eq!(w.inbound(echo_reply(S1, N, id)).forwarded().query_id(), 7);
}

/// Contiki-NG: whether a port was in use was checked against the first entry only.
#[test]
fn a_port_in_use_by_any_mapping_is_not_given_again() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(12000, 12031).expect("32 ports"));
    let ports: HashSet<_> = (0..32)
        .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port())
        .collect();
    assert_eq!(ports.len(), 32);
}
