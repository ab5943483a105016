//! What other NATs for small devices get wrong, one test for each defect that applies here.

mod world;

use std::collections::HashSet;

use nat_core::{DropReason, ForwardError, PortForward, PortRange, Protocol, SessionState, Side};
use world::*;

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
        assert_eq!(w.inbound(udp(at(server, 53), external)).forwarded().destination(), at(H1, 5000));
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

/// lwIP 3: adding a port forward again made duplicates until the table was full.
#[test]
fn adding_a_forward_again_takes_no_room() {
    let mut w = World::sized::<2, 4, 2>(|_| ());
    w.nat.add_forward(web_server()).expect("there is room");
    for _ in 0..100 {
        assert_eq!(w.nat.add_forward(web_server()), Err(ForwardError::ExternalPortInUse));
    }
    w.open_udp(at(H1, 5000), at(S1, 53));
}

/// lwIP 4: the check for ports of the router's own sockets compared them in the wrong byte order.
#[test]
fn ports_of_the_router_are_not_given_to_hosts() {
    let mut w = World::with(|config| config.ports = PortRange::new(0x1234, 0x1235).expect("two ports"));
    let of_router = w.router_sends(udp(at(N, 0x1234), at(S1, 53))).forwarded().source();
    let of_host = w.open_udp(at(H1, 0x1234), at(S1, 53));
    assert_ne!(of_router, of_host);
}

/// lwIP 5: later fragments were rewritten where a first one has its ports.
#[test]
fn later_fragments_are_not_rewritten() {
    let mut w = World::new();
    // The later one begins where the first has its ports: with those of this very session.
    let ports: Vec<u8> = [5000_u16, 53].iter().flat_map(|port| port.to_be_bytes()).collect();
    let fragments = udp(at(H1, 5000), at(S1, 53)).payload(&ports.repeat(50)).may_fragment().cut(&[104]);
    let payload = |packet: &[u8]| packet[20..].to_vec();
    w.outbound(&fragments[0]).forwarded();
    let followed = w.outbound(&fragments[1]).forwarded();
    assert_eq!(payload(&followed.bytes()), payload(&fragments[1].bytes()));
}

/// lwIP 6: ICMP errors were not translated, and GRE, ESP and other ICMP left with inside addresses.
#[test]
fn path_mtu_discovery_works_and_nothing_leaks() {
    let mut w = World::new();
    let left = w.outbound(udp(at(H1, 5000), at(S1, 53)).payload(&[7; 1472])).forwarded().bytes();
    let too_big = icmp_error(TRANSIT, N, (3, 4), &left[..28]).rest([0, 0, 5, 0]);
    assert_eq!(w.inbound(too_big).forwarded().quote().source(), at(H1, 5000));
    for protocol in [47, 50, 51] {
        w.outbound(raw(H1, S1, protocol, &[0; 40])).dropped(DropReason::UnknownProtocol);
    }
    w.outbound(icmp(H1, S1, 17, 0, [0, 7, 0, 1])).dropped(DropReason::UnknownIcmpType);
}

/// lwIP 7: UDP sessions ended after 2 s, and privileged source ports were dropped.
#[test]
fn time_and_key_exchange_work() {
    let mut w = World::new();
    for port in [123, 500] {
        let external = w.open_udp(at(H1, port), at(S1, port));
        w.advance(secs(64));
        assert_eq!(w.inbound(udp(at(S1, port), external)).forwarded().destination(), at(H1, port));
    }
}

/// lwIP 8: replies through a port forward left from the address that was external when it was made.
#[test]
fn a_forward_answers_from_the_address_of_today() {
    let mut w = World::with(|config| config.external_addresses.clear());
    w.nat.add_forward(web_server()).expect("the port forward is accepted");
    for address in [N, N2] {
        w.nat.set_external_addresses(&[address]).expect("the address can work");
        w.inbound(tcp(at(S1, 9), at(address, 8080), SYN).seq(10)).forwarded();
        let answer = w.outbound(tcp(at(H1, 80), at(S1, 9), SYN | ACK).ack(11)).forwarded();
        assert_eq!(answer.source(), at(address, 8080));
    }
}

/// lwIP 9: a sequence number half the space behind was taken for a newer one.
#[test]
fn a_reset_from_half_the_sequence_space_behind_is_not_believed() {
    let mut w = World::new();
    let (inside, remote) = (at(H1, 5000), at(S1, 80));
    let external = w.outbound(tcp(inside, remote, SYN).seq(1)).forwarded().source();
    w.inbound(tcp(remote, external, SYN | ACK).seq(0x8000_000F).ack(2)).forwarded();
    w.outbound(tcp(inside, remote, ACK).seq(2).ack(0x8000_0010)).forwarded();
    // An old segment does not set tracking back, so the RST behind it is not exact.
    w.inbound(tcp(remote, external, ACK).seq(0x10).ack(2)).forwarded();
    let _ = w.inbound(tcp(remote, external, RST).seq(0x10));
    assert_eq!(w.session(inside, remote).state, SessionState::Established);
    w.inbound(tcp(remote, external, RST).seq(0x8000_0010)).forwarded();
    assert_eq!(w.session(inside, remote).state, SessionState::Reset);
}

/// lwIP 10: a wrong address could not be refused, and tore the table down.
#[test]
fn a_wrong_address_is_refused_and_ends_nothing() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    assert!(w.nat.set_external_addresses(&[core::net::Ipv4Addr::BROADCAST]).is_err());
    w.inbound(udp(at(S1, 53), external)).forwarded();
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

/// NetX Duo: errors were dropped both ways, the TTL was not touched, options were cut off.
#[test]
fn the_time_to_live_falls_and_options_stay() {
    let mut w = World::new();
    let left = w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(9).options(&[148, 4, 0, 0])).forwarded();
    assert_eq!((left.ttl(), left.ip.options.as_slice()), (8, &[148, 4, 0, 0][..]));
}

/// Zephyr: two hosts with one source port to one peer collided, and all replies went to the first.
#[test]
fn two_hosts_with_one_source_port_to_one_server_both_get_their_replies() {
    let mut w = World::new();
    let externals = [H1, H2].map(|host| (host, w.open_udp(at(host, 5000), at(S1, 53))));
    for (host, external) in externals {
        assert_eq!(w.inbound(udp(at(S1, 53), external)).forwarded().destination(), at(host, 5000));
    }
}

/// Zephyr: a UDP checksum of zero was damaged.
#[test]
fn a_datagram_without_checksum_stays_without() {
    let mut w = World::new();
    assert_eq!(w.outbound(udp(at(H1, 5000), at(S1, 53)).checksum(Checksum::Zero)).forwarded().checksum(), 0);
}

/// Zephyr: a packet whose TTL had run out went on untranslated.
#[test]
fn an_expired_packet_goes_no_further() {
    let mut w = World::new();
    for ttl in [0, 1] {
        w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(ttl)).rejected(DropReason::TtlExpired);
    }
    assert_eq!(w.stats().outside.packets_out, 0);
}

/// Zephyr: with NAT the router's own ping got no reply any more.
#[test]
fn the_routers_own_ping_gets_its_reply() {
    let mut w = World::new();
    w.outbound(echo_request(H1, ROUTER, 7)).local(Side::Inside);
    let id = w.router_sends(echo_request(N, S1, 7)).forwarded().query_id();
    w.open_echo(H1, S1, 7);
    assert_eq!(w.inbound(echo_reply(S1, N, id)).local(Side::Outside).query_id(), 7);
}

/// RT-Thread: all flows shared one external port, and two pings were all that could be in flight.
#[test]
fn many_flows_and_pings_run_at_once() {
    let mut w = World::new();
    let ports: HashSet<_> = (0..50).map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port()).collect();
    assert_eq!(ports.len(), 50);
    let ids: Vec<_> = (0..50).map(|i| w.open_echo(H1, S1, i)).collect();
    for (i, id) in (0..50).zip(ids) {
        assert_eq!(w.inbound(echo_reply(S1, N, id)).forwarded().query_id(), i);
    }
}

/// Contiki-NG: whether a port was in use was checked against the first entry only.
#[test]
fn a_port_in_use_by_any_mapping_is_not_given_again() {
    let mut w = World::with(|config| config.ports = PortRange::new(10000, 10031).expect("32 ports"));
    let ports: HashSet<_> = (0..32).map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port()).collect();
    assert_eq!(ports.len(), 32);
}
