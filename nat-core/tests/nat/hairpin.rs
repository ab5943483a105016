//! From inside to an external address, and so back inside: RFC 4787 REQ-9, RFC 5382 REQ-8, RFC 5508
//! REQ-7.

use crate::world::*;
use nat_core::{DropReason, Filtering, Hairpinning, PortForward, Protocol, SessionState};

/// A world with a web server on [`H2`], reached through port 8080 of the primary external address.
fn with_server() -> World {
    let mut w = World::new();
    let forward = PortForward::new(Protocol::Tcp, 8080, at(H2, 80));
    w.nat
        .add_port_forward(forward)
        .expect("the port forward is accepted");
    w
}

/// U9, U9a: two hosts that know only each other's external endpoints talk, and see only those.
#[test]
fn hosts_reach_each_other_by_their_external_endpoints() {
    let mut w = World::new();
    let first = w.open_udp(at(H1, 5000), at(S1, 53));
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    for _ in 0..3 {
        let there = w.outbound(udp(at(H1, 5000), second)).forwarded();
        assert_eq!((there.source(), there.destination()), (first, at(H2, 7000)));
        let back = w.outbound(udp(at(H2, 7000), first)).forwarded();
        assert_eq!((back.source(), back.destination()), (second, at(H1, 5000)));
    }
}

/// U9a: the sender's mapping is made if there is none, and serves it outside too.
#[test]
fn a_hairpin_opens_a_mapping_like_any_other() {
    let mut w = World::new();
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    let seen = w.outbound(udp(at(H1, 5000), second)).forwarded().source();
    assert_eq!(w.open_udp(at(H1, 5000), at(S2, 53)), seen);
    let session = w.session(at(H1, 5000), second);
    assert_eq!(
        (session.external, session.state),
        (seen, SessionState::Active)
    );
}

/// RFC 5780 section 4.3: a client finds out whether its NAT hairpins by a packet to itself.
#[test]
fn a_host_reaches_itself() {
    let mut w = World::new();
    let first = w.open_udp(at(H1, 5000), at(S1, 53));
    let second = w.open_udp(at(H1, 5001), at(S1, 53));
    let to_other_socket = w.outbound(udp(at(H1, 5000), second)).forwarded();
    assert_eq!(
        (to_other_socket.source(), to_other_socket.destination()),
        (first, at(H1, 5001))
    );
    let to_itself = w.outbound(udp(at(H1, 5000), first)).forwarded();
    assert_eq!(
        (to_itself.source(), to_itself.destination()),
        (first, at(H1, 5000))
    );
}

/// C2 to C6 by hairpin: both ends change in one pass; the world recomputes the checksums.
#[test]
fn checksums_hold_when_both_ends_change() {
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..500 {
        let len = random.usize(..50);
        let payload = random_bytes(&mut random, len);
        w.outbound(udp(at(H1, 5000), second).payload(&payload))
            .forwarded();
        let unchecked = udp(at(H1, 5000), second)
            .payload(&payload)
            .checksum(Checksum::Zero);
        assert_eq!(w.outbound(unchecked).forwarded().checksum(), 0);
    }
}

/// T8, T8a: a whole connection to a forwarded port from inside, tracked at both of its ends.
#[test]
fn a_connection_through_a_forward_is_tracked_at_both_ends() {
    let mut w = with_server();
    let (client, server, public) = (at(H1, 5000), at(H2, 80), at(N, 8080));
    let syn = w.outbound(tcp(client, public, SYN).seq(100)).forwarded();
    assert_eq!(syn.destination(), server);
    let seen = syn.source();
    assert_eq!(w.session(client, public).state, SessionState::InsideSyn);
    let answer = w
        .outbound(tcp(server, seen, SYN | ACK).seq(900).ack(101))
        .forwarded();
    assert_eq!((answer.source(), answer.destination()), (public, client));
    assert_eq!(w.session(client, public).state, SessionState::Established);
    w.outbound(tcp(client, public, ACK).seq(101).ack(901).payload(b"GET /"))
        .forwarded();
    assert_eq!(w.session(server, seen).state, SessionState::Established);
    w.outbound(
        tcp(server, seen, ACK | PSH)
            .seq(901)
            .ack(106)
            .payload(b"200 OK"),
    )
    .forwarded();
    w.outbound(tcp(server, seen, FIN | ACK).seq(907).ack(106))
        .forwarded();
    assert_eq!(w.session(client, public).state, SessionState::OutsideFin);
    assert_eq!(w.session(server, seen).state, SessionState::InsideFin);
    w.outbound(tcp(client, public, FIN | ACK).seq(106).ack(908))
        .forwarded();
    assert_eq!(w.session(client, public).state, SessionState::Closing);
    assert_eq!(w.session(server, seen).state, SessionState::Closing);
    w.outbound(tcp(server, seen, ACK).seq(908).ack(107))
        .forwarded();
}

/// T8, T8a: the same between mappings of the hosts themselves, where no port is forwarded:
/// handshake, data, close.
#[test]
fn a_connection_between_mappings_is_tracked_at_both_ends() {
    let mut w = World::new();
    let (client, server) = (at(H1, 5000), at(H2, 7000));
    let public = w.open_tcp(server, at(S1, 80)).external;
    let syn = w.outbound(tcp(client, public, SYN).seq(100)).forwarded();
    let seen = syn.source();
    assert_eq!((*seen.ip(), syn.destination()), (N, server));
    let answer = w
        .outbound(tcp(server, seen, SYN | ACK).seq(900).ack(101))
        .forwarded();
    assert_eq!((answer.source(), answer.destination()), (public, client));
    w.outbound(tcp(client, public, ACK).seq(101).ack(901).payload(b"GET /"))
        .forwarded();
    for (inside, remote) in [(client, public), (server, seen)] {
        assert_eq!(w.session(inside, remote).state, SessionState::Established);
    }
    w.advance(secs(7439));
    w.outbound(
        tcp(server, seen, ACK | PSH)
            .seq(901)
            .ack(106)
            .payload(b"200 OK"),
    )
    .forwarded();
    w.outbound(tcp(server, seen, FIN | ACK).seq(907).ack(106))
        .forwarded();
    w.outbound(tcp(client, public, FIN | ACK).seq(106).ack(908))
        .forwarded();
    w.outbound(tcp(server, seen, ACK).seq(908).ack(107))
        .forwarded();
    for (inside, remote) in [(client, public), (server, seen)] {
        assert_eq!(w.session(inside, remote).state, SessionState::Closing);
    }
    w.advance(secs(241));
    assert!(w.sessions().is_empty());
}

/// T8, T2a: two hosts that open to each other at the same time, as peers do that know only their
/// external endpoints.
#[test]
fn a_simultaneous_open_works_by_hairpin() {
    let mut w = World::new();
    let (first, second) = (at(H1, 5000), at(H2, 7000));
    let [a, b] = [first, second].map(|host| w.open_tcp(host, at(S1, 3478)).external);
    assert_eq!(
        w.outbound(tcp(first, b, SYN).seq(100))
            .forwarded()
            .destination(),
        second
    );
    assert_eq!(
        w.outbound(tcp(second, a, SYN).seq(900))
            .forwarded()
            .destination(),
        first
    );
    w.outbound(tcp(first, b, SYN | ACK).seq(100).ack(901))
        .forwarded();
    w.outbound(tcp(second, a, SYN | ACK).seq(900).ack(101))
        .forwarded();
    w.outbound(tcp(first, b, ACK).seq(101).ack(901)).forwarded();
    w.outbound(tcp(second, a, ACK).seq(901).ack(101))
        .forwarded();
    for (inside, remote) in [(first, b), (second, a)] {
        assert_eq!(w.session(inside, remote).state, SessionState::Established);
    }
}

/// T8: a host that connects to its own external endpoint has one session, which is moved on from
/// both sides. After a RST and another SYN it ends like any other, and nothing of it is left over;
/// the world walks the tables after each packet.
#[test]
fn a_host_that_connects_to_itself_leaves_nothing_behind() {
    let mut w = World::new();
    let host = at(H1, 5000);
    let public = w
        .outbound(tcp(host, at(S1, 80), SYN).seq(1))
        .forwarded()
        .source();
    for round in 0..3 {
        let isn = 1000 + round * 100_000;
        w.outbound(tcp(host, public, SYN).seq(isn)).forwarded();
        assert_eq!(w.session(host, public).state, SessionState::InsideSyn);
        w.outbound(tcp(host, public, SYN | ACK).seq(isn).ack(isn + 1))
            .forwarded();
        assert_eq!(w.session(host, public).state, SessionState::Established);
        w.outbound(
            tcp(host, public, ACK)
                .seq(isn + 1)
                .ack(isn + 1)
                .payload(b"to myself"),
        )
        .forwarded();
        w.outbound(tcp(host, public, RST | ACK).seq(isn + 10).ack(isn + 10))
            .forwarded();
        assert_eq!(w.session(host, public).state, SessionState::Reset);
    }
    w.outbound(tcp(host, public, SYN).seq(900_000)).forwarded();
    w.advance(secs(241));
    assert_eq!(w.sessions(), []);
}

/// A7: whatever a host does to itself, its half-open connections end and others may open theirs.
#[test]
fn connections_of_a_host_to_itself_do_not_use_up_the_half_open_limit() {
    let mut w = World::with(|config| config.limits.half_open = Some(8));
    let host = at(H1, 5000);
    let public = w.outbound(tcp(host, at(S1, 80), SYN)).forwarded().source();
    for round in 0..50 {
        w.outbound(tcp(host, public, SYN).seq(round * 1000))
            .forwarded();
        w.outbound(
            tcp(host, public, RST | ACK)
                .seq(round * 1000 + 1)
                .ack(round * 1000 + 1),
        )
        .forwarded();
    }
    w.advance(secs(241));
    for port in 0..8 {
        w.outbound(tcp(at(H2, 6000 + port), at(S1, 80), SYN))
            .forwarded();
    }
}

/// T8: the sender's session is not made at the cost of the mapping that its packet goes to. Another
/// session of the host is evicted for it, and if there is none, it is refused.
#[test]
fn a_hairpinned_packet_does_not_end_the_mapping_it_goes_to() {
    let mut w = World::with(|config| config.limits.half_open_per_host = Some(2));
    let (caller, service) = (at(H1, 5000), at(H1, 5001));
    let public = (w.outbound(tcp(service, at(S1, 80), SYN)).forwarded()).source();
    w.outbound(tcp(at(H1, 5002), at(S1, 80), SYN)).forwarded();

    w.outbound(tcp(caller, public, SYN)).forwarded();
    assert_eq!(w.session(service, at(S1, 80)).external, public);
    assert_eq!(w.sessions().len(), 2, "the oldest but that was evicted");

    let mut w = World::with(|config| config.limits.half_open_per_host = Some(1));
    let public = (w.outbound(tcp(service, at(S1, 80), SYN)).forwarded()).source();
    let refused = w.outbound(tcp(caller, public, SYN));
    let _error = refused.rejected(DropReason::HalfOpenLimit);
    assert_eq!(w.session(service, at(S1, 80)).external, public);
}

/// A24: what a segment with a wrong checksum would do to the receiver's session counts as much as
/// what it would do to the sender's.
#[test]
fn a_hairpin_with_a_wrong_checksum_moves_no_session_of_its_receiver() {
    let mut w = with_server();
    let (client, server, public) = (at(H1, 5000), at(H2, 80), at(N, 8080));
    let seen = w
        .outbound(tcp(client, public, SYN).seq(100))
        .forwarded()
        .source();
    w.outbound(tcp(server, seen, SYN | ACK).seq(900).ack(101))
        .forwarded();
    let acknowledgment = tcp(client, public, ACK).seq(101).ack(901);
    let damaged = acknowledgment.clone().checksum(Checksum::OffBy(1));
    w.outbound(damaged).dropped(DropReason::BadChecksum);
    assert_eq!(w.session(server, seen).state, SessionState::OutsideSyn);
    w.outbound(acknowledgment).forwarded();
    assert_eq!(w.session(server, seen).state, SessionState::Established);
}

/// I7, I5c: an error about a hairpinned packet: both its ends, and both ends of what it quotes, are
/// translated, whatever it says, about UDP with and without checksum and about TCP. I6, U12: it
/// ends nothing.
#[test]
fn errors_come_back_by_hairpin() {
    let mut w = World::new();
    let server = w.open_udp(at(H2, 7000), at(S1, 53));
    let tcp_server = w.open_tcp(at(H2, 7000), at(S1, 80)).external;
    let options = [148, 4, 0, 0];
    let packets = [
        udp(at(H1, 5000), server),
        udp(at(H1, 5000), server).options(&options),
        udp(at(H1, 5000), server).checksum(Checksum::Zero),
        tcp(at(H1, 5000), tcp_server, SYN),
        tcp(at(H1, 5000), tcp_server, SYN).options(&options),
    ];
    for sent in packets {
        let own = Packet::parse(&sent.bytes());
        let arrived = w.outbound(&sent).forwarded();
        let before = w.sessions();
        for kind in [(3, 1), (3, 3), (3, 4), (11, 0), (12, 0)] {
            for len in [
                arrived.ip.header_len() + 8,
                arrived.ip.header_len() + 18,
                arrived.bytes().len(),
            ] {
                let quoted = &arrived.bytes()[..len.min(arrived.bytes().len())];
                let received = w
                    .outbound(icmp_error(H2, N, kind, quoted).rest([0, 0, 5, 0]))
                    .forwarded();
                assert_eq!(
                    (
                        *received.source().ip(),
                        *received.destination().ip(),
                        received.icmp_type()
                    ),
                    (N, H1, kind)
                );
                assert_eq!(received.icmp_rest(), [0, 0, 5, 0]);
                let quote = received.quote();
                assert_eq!(
                    (quote.source(), quote.destination()),
                    (own.source(), own.destination())
                );
                // Without the whole checksum of TCP in the quote there is nothing to translate it
                // by.
                let compared = if quote.body.len() >= 18 || own.ip.protocol.0 == 17 {
                    quote.body.len()
                } else {
                    8
                };
                assert_eq!(
                    quote.body[..compared],
                    own.body[..compared],
                    "as the host sent it"
                );
            }
        }
        assert_eq!(w.sessions(), before);
    }
}

/// A11, A12: an error that quotes no hairpinned packet goes nowhere.
#[test]
fn a_forged_error_does_not_come_back() {
    let mut w = World::new();
    let first = w.open_udp(at(H1, 5000), at(S1, 53));
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    for quoted in [
        udp(first, at(H2, 7000)),
        udp(second, at(H2, 7000)),
        udp(at(H1, 5000), at(H2, 7000)),
    ] {
        let outcome = w.outbound(icmp_error(H2, N, (3, 3), &quoted.bytes()));
        assert!(matches!(outcome, Outcome::Dropped(_)), "{outcome:?}");
    }
}

/// A23: a packet to an unused external port is dropped; it neither leaves nor gets an answer.
#[test]
fn an_external_port_without_a_mapping_leads_nowhere() {
    let mut w = World::new();
    w.outbound(udp(at(H1, 5000), at(N, 9)))
        .dropped(DropReason::NoMapping);
    w.outbound(tcp(at(H1, 5000), at(N, 80), SYN))
        .dropped(DropReason::NoMapping);
    assert_eq!(w.sessions(), []);
}

/// X12: queries to an external address are for the router, which does not answer there.
#[test]
fn queries_do_not_hairpin() {
    let mut w = World::new();
    let id = w.open_echo(H2, S1, 7);
    w.outbound(echo_request(H1, N, 7))
        .dropped(DropReason::Hairpin);
    w.outbound(echo_reply(H1, N, id))
        .dropped(DropReason::Hairpin);
    w.outbound(icmp(H1, N, 17, 0, [0; 4]))
        .refusal()
        .expect("a refusal");
}

/// A20, A23: one hop, and the answer to an expired packet goes to its sender.
#[test]
fn a_hairpin_costs_one_hop() {
    let mut w = World::new();
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    assert_eq!(
        w.outbound(udp(at(H1, 5000), second).ttl(2))
            .forwarded()
            .ttl(),
        1
    );
    let answer = w
        .outbound(udp(at(H1, 5000), second).ttl(1))
        .rejected(DropReason::TtlExpired);
    assert_eq!(*answer.source().ip(), ROUTER);
}

/// I-7.1.1: what counts is the MTU of the side that the packet leaves by.
#[test]
fn the_inside_mtu_applies() {
    let mut w = World::with(|config| (config.outside_mtu, config.inside_mtu) = (1280, 1400));
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    w.outbound(udp(at(H1, 5000), second).payload(&[7; 1372]))
        .forwarded();
    let answer = w
        .outbound(udp(at(H1, 5000), second).payload(&[7; 1373]))
        .rejected(DropReason::PacketTooBig);
    assert_eq!(
        (answer.icmp_type(), answer.icmp_rest()),
        ((3, 4), [0, 0, 5, 120])
    );
}

/// 7.1: the filter is for the outside; with the option it is for all.
#[test]
fn the_filter_applies_to_hairpins_only_when_asked_to() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
    ] {
        let mut w = World::with(|config| {
            config.filtering = filtering;
            config.hairpinning = Hairpinning::Filtered;
        });
        let first = w.open_udp(at(H1, 5000), at(S1, 53));
        let second = w.open_udp(at(H2, 7000), at(S1, 53));
        w.outbound(udp(at(H1, 5000), second))
            .dropped(DropReason::Filtered);
        w.outbound(udp(at(H2, 7000), at(N, first.port() ^ 1)))
            .dropped(DropReason::NoMapping);
    }
    let mut w = World::with(|config| config.hairpinning = Hairpinning::Filtered);
    let forward = PortForward::new(Protocol::Udp, 53, at(H2, 53));
    w.nat
        .add_port_forward(forward)
        .expect("the port forward is accepted");
    w.outbound(udp(at(H1, 5000), at(N, 53))).forwarded();
}

/// A3, A20: hairpins come from hosts of the inside network; a packet from outside cannot pass for
/// one.
#[test]
fn no_outside_packet_is_treated_as_a_hairpin() {
    let mut w = World::new();
    let first = w.open_udp(at(H1, 5000), at(S1, 53));
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    w.outbound(udp(at(H1, 5000), second)).forwarded();
    w.inbound(udp(first, second)).refusal().expect("a refusal");
    w.outbound(udp(first, second)).refusal().expect("a refusal");
    w.outbound(udp(at(S2, 9), second))
        .dropped(DropReason::SpoofedSource);
}

/// The router's own stack is not reached from inside by its external endpoints.
#[test]
fn the_routers_own_mappings_are_not_reached_by_hairpin() {
    let mut w = World::new();
    let of_router = w
        .router_sends(udp(at(N, 5353), at(S1, 53)))
        .forwarded()
        .source();
    assert!(matches!(
        w.outbound(udp(at(H1, 5000), of_router)),
        Outcome::Dropped(_)
    ));
}

/// G4, I8: sessions by hairpin count like others.
#[test]
fn hairpins_are_limited_like_other_sessions() {
    let mut w = World::with(|config| config.limits.sessions_per_host = Some(2));
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.outbound(udp(at(H1, 5000), second)).forwarded();
    w.outbound(udp(at(H1, 5001), second))
        .rejected(DropReason::HostLimit);
    w.outbound(udp(at(H1, 5000), second)).forwarded();
}

/// S4: a segment of a connection that is gone is answered with a RST, also by hairpin; the world
/// checks its numbers.
#[test]
fn a_segment_without_a_session_is_reset_by_hairpin() {
    let mut w = with_server();
    for to in [at(N, 8080), at(N, 8081)] {
        w.outbound(tcp(at(H1, 5000), to, ACK).seq(1).ack(2))
            .rejected(DropReason::NoSession);
        w.outbound(tcp(at(H1, 5000), to, ACK).seq(1).ack(2))
            .refusal()
            .expect("no second RST at once");
        assert!(
            matches!(
                w.outbound(tcp(at(H1, 5000), to, RST).seq(1)),
                Outcome::Dropped(_)
            ),
            "no RST about a RST"
        );
        assert!(matches!(
            w.outbound(tcp(at(H1, 5000), at(N, 8081), SYN)),
            Outcome::Dropped(_)
        ));
    }
    assert_eq!(
        (w.stats().resets_sent, w.stats().replies_rate_limited),
        (2, 2)
    );
    assert_eq!(w.sessions(), []);
}

/// A24: what would change state has a right checksum.
#[test]
fn a_hairpin_with_a_wrong_checksum_opens_nothing() {
    let mut w = with_server();
    let wrong = tcp(at(H1, 5000), at(N, 8080), SYN).checksum(Checksum::OffBy(1));
    w.outbound(wrong).dropped(DropReason::BadChecksum);
    assert_eq!(w.sessions(), []);
}

/// Several external addresses: each end is seen by its own.
#[test]
fn hairpins_work_between_external_addresses() {
    let mut w = World::with(|config| config.external_addresses.extend([N2, N3]));
    let hosts = [at(H1, 5000), at(H2, 5000), at(H3, 5000)];
    let externals = hosts.map(|host| w.open_udp(host, at(S1, 53)));
    for (from, seen) in hosts.into_iter().zip(externals) {
        for (to, external) in hosts.into_iter().zip(externals) {
            let packet = w.outbound(udp(from, external)).forwarded();
            assert_eq!((packet.source(), packet.destination()), (seen, to));
        }
    }
}

/// Section 5: a hairpinned packet counts once in and once out, both inside.
#[test]
fn a_hairpin_counts_once_in_and_once_out() {
    let mut w = World::new();
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    let before = w.stats().clone();
    w.outbound(udp(at(H1, 5000), second)).forwarded();
    let after = w.stats();
    assert_eq!(after.inside.packets_in, before.inside.packets_in + 1);
    assert_eq!(after.inside.packets_out, before.inside.packets_out + 1);
    assert_eq!(after.outside, before.outside);
    assert_eq!(after.forwarded, before.forwarded + 1);
}

/// Two endpoints that talk by hairpin only keep each other's mapping alive, and both end when they
/// fall silent.
#[test]
fn hairpin_sessions_are_refreshed_and_end() {
    let mut w = World::new();
    let first = w.open_udp(at(H1, 5000), at(S1, 53));
    let second = w.open_udp(at(H2, 7000), at(S1, 53));
    for _ in 0..5 {
        w.advance(secs(200));
        assert_eq!(
            w.outbound(udp(at(H1, 5000), second)).forwarded().source(),
            first
        );
        assert_eq!(
            w.outbound(udp(at(H2, 7000), first)).forwarded().source(),
            second
        );
    }
    assert_eq!(w.sessions().len(), 2);
    w.advance(secs(301));
    assert_eq!(w.sessions(), []);
    w.outbound(udp(at(H1, 5000), second))
        .dropped(DropReason::NoMapping);
}

/// With a port forward that moves to another address, hairpins find it there.
#[test]
fn a_hairpin_follows_the_primary_address() {
    let mut w = with_server();
    w.set_external_addresses(&[N2])
        .expect("the address can work");
    assert_eq!(
        w.outbound(tcp(at(H1, 5000), at(N2, 8080), SYN))
            .forwarded()
            .destination(),
        at(H2, 80)
    );
    // The old one is any other address of the outside now.
    assert_eq!(
        w.outbound(tcp(at(H1, 5000), at(N, 8080), SYN))
            .forwarded()
            .destination(),
        at(N, 8080)
    );
}

/// X10: errors of two hosts that go back by hairpin do not share an identification.
#[test]
fn identifications_of_hairpinned_errors_do_not_collide() {
    let mut w = World::new();
    let first = w.open_udp(at(H1, 5000), at(S1, 53));
    let ids = [H2, H3].map(|host| {
        let server = w.open_udp(at(host, 7000), at(S1, 53));
        let arrived = w.outbound(udp(at(H1, 5000), server)).forwarded().bytes();
        let error = icmp_error(host, *first.ip(), (3, 3), &arrived)
            .id(0x1234)
            .may_fragment();
        w.outbound(error).forwarded().ip.identification
    });
    assert_ne!(ids[0], ids[1]);
}
