//! Pings to the router's own addresses, which its stacks answer: RFC 5508 REQ-10a, and section 5
//! for gateways that do not.

use core::net::Ipv4Addr;

use crate::world::*;
use nat_core::{DropReason, Filtering, Side};

const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 255);

/// A world whose external addresses answer pings.
fn answering() -> World {
    World::with(|config| {
        config.outside_ping = true;
        config
            .external_addresses
            .push(N2)
            .expect("there is room for two");
    })
}

/// I10a: a ping to the router's address inside is for its inside stack, as it came.
#[test]
fn the_inside_address_answers_ping_by_default() {
    let mut w = World::new();
    for to in [ROUTER, ALL_HOSTS, Ipv4Addr::BROADCAST] {
        let ping = echo_request(H1, to, 7);
        assert_eq!(w.outbound(&ping).local(Side::Inside).bytes(), ping.bytes());
    }
    assert_eq!(w.sessions(), []);
}

/// AWS, I10a: if configured, the router drops pings from inside, whole or in fragments, and nothing
/// else.
#[test]
fn the_inside_address_need_not_answer_ping() {
    let mut w = World::with(|config| config.inside_ping = false);
    for to in [ROUTER, ALL_HOSTS, Ipv4Addr::BROADCAST] {
        w.outbound(echo_request(H1, to, 7))
            .dropped(DropReason::EchoRefused);
        let fragments = echo_request(H1, to, 7)
            .payload(&[7; 100])
            .may_fragment()
            .cut(&[8, 48]);
        w.outbound(&fragments[0]).dropped(DropReason::EchoRefused);
    }
    assert_eq!(w.stats().dropped(DropReason::EchoRefused), 6);
    for packet in [
        echo_reply(H1, ROUTER, 7),
        timestamp_request(H1, ROUTER, 7),
        udp(at(H1, 5000), at(ROUTER, 53)),
        // What would be the type of an ICMP message is the start of a port here.
        udp(at(H1, 0x0800), at(ROUTER, 53)),
        tcp(at(H1, 5000), at(ROUTER, 80), SYN),
    ] {
        w.outbound(&packet).local(Side::Inside);
    }
    // Nor is what a later fragment begins with the type of its message.
    let fragments = echo_reply(H1, ROUTER, 7)
        .payload(&[8; 100])
        .may_fragment()
        .cut(&[48]);
    for fragment in &fragments {
        w.outbound(fragment).local(Side::Inside);
    }
    let id = w.open_echo(H1, S1, 7);
    w.inbound(echo_reply(S1, N, id)).forwarded();
}

/// AWS, A1: an external address answers no ping unless configured.
#[test]
fn an_external_address_does_not_answer_ping_by_default() {
    let mut w = World::new();
    let id = w.open_echo(H1, S1, 7);
    for asked in [id, 7, 99] {
        w.inbound(echo_request(S1, N, asked))
            .dropped(DropReason::EchoRefused);
        w.router_sends(echo_reply(N, S1, asked))
            .dropped(DropReason::NoSession);
    }
    assert_eq!(w.stats().replies_rate_limited, 0);
}

/// I10a: if configured, it does: the outside stack gets the ping unchanged, the answer leaves
/// unchanged, and no state remains.
#[test]
fn an_external_address_may_answer_ping() {
    let mut w = answering();
    for (from, to) in [(S1, N), (S2, N2), (ATTACKER, N)] {
        let ping = echo_request(from, to, 7).ttl(1);
        assert_eq!(w.inbound(&ping).local(Side::Outside).bytes(), ping.bytes());
        let answer = echo_reply(to, from, 7).ttl(1);
        assert_eq!(w.router_sends(&answer).forwarded().bytes(), answer.bytes());
    }
    assert_eq!(w.sessions(), []);
    assert_eq!(
        (
            w.stats().local,
            w.stats().outside.packets_out,
            w.stats().mappings_created
        ),
        (3, 3, 0)
    );
}

/// RFC 1122 section 3.2.2.6: only a ping that is sound is answered; and only from where an answer
/// can go.
#[test]
fn a_ping_that_cannot_be_verified_is_not_answered() {
    let mut w = answering();
    w.inbound(echo_request(S1, N, 7).checksum(Checksum::OffBy(1)))
        .dropped(DropReason::BadChecksum);
    let fragments = echo_request(S1, N, 7)
        .payload(&[7; 100])
        .may_fragment()
        .cut(&[48]);
    w.inbound(&fragments[0]).dropped(DropReason::EchoRefused);
    w.inbound(&fragments[1]).dropped(DropReason::Fragment);
    for from in [
        N,
        N2,
        H1,
        ROUTER,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::UNSPECIFIED,
    ] {
        let outcome = w.inbound(echo_request(from, N, 7));
        assert!(
            matches!(
                outcome,
                Outcome::Dropped(DropReason::Martian | DropReason::Land)
            ),
            "{from}: {outcome:?}"
        );
    }
    for to in [N3, H1, ROUTER, Ipv4Addr::BROADCAST] {
        let outcome = w.inbound(echo_request(S1, to, 7));
        assert!(matches!(outcome, Outcome::Dropped(_)), "{to}: {outcome:?}");
    }
    assert_eq!(w.stats().local, 0);
}

/// I10f: a flood of pings is answered at the rate of errors, and leaves the errors theirs.
#[test]
fn pings_from_outside_are_limited() {
    let mut w = World::with(|config| {
        config.outside_ping = true;
        config.limits.icmp_error_burst = 10;
        config.limits.icmp_errors_per_second = 5;
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let answered = |w: &mut World| {
        let mut answered = 0;
        for _ in 0..30 {
            match w.inbound(echo_request(ATTACKER, N, 7)) {
                Outcome::Local(Side::Outside, _) => answered += 1,
                other => other.dropped(DropReason::EchoRefused),
            }
        }
        answered
    };
    assert_eq!(answered(&mut w), 10, "the burst");
    w.inbound(udp(at(S1, 53), external).ttl(1))
        .rejected(DropReason::TtlExpired);
    w.advance(secs(1));
    assert_eq!(answered(&mut w), 5, "a second later");
    assert_eq!(w.stats().replies_rate_limited, 20 + 25);
}

/// Pings of hosts, and of the router itself, whose identifier is that of a stranger's ping: each
/// gets its own answer.
#[test]
fn pings_from_outside_do_not_meet_echo_sessions() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w =
            World::with(|config| (config.outside_ping, config.filtering) = (true, filtering));
        let of_host = w.open_echo(H1, S1, 7);
        let of_router = w
            .router_sends(echo_request(N, S1, 7))
            .forwarded()
            .query_id();
        let before = w.sessions();
        for id in [of_host, of_router, 7] {
            assert_eq!(
                w.inbound(echo_request(S1, N, id))
                    .local(Side::Outside)
                    .query_id(),
                id
            );
            assert_eq!(
                w.router_sends(echo_reply(N, S1, id)).forwarded().query_id(),
                id
            );
        }
        assert_eq!(w.sessions(), before);
        assert_eq!(
            w.inbound(echo_reply(S1, N, of_host))
                .forwarded()
                .destination(),
            at(H1, 7)
        );
        assert_eq!(
            w.inbound(echo_reply(S1, N, of_router))
                .local(Side::Outside)
                .query_id(),
            7
        );
    }
}

/// A1: the switch opens the router to pings, and to nothing else.
#[test]
fn nothing_but_pings_comes_in() {
    let mut w = answering();
    w.inbound(timestamp_request(S1, N, 7))
        .dropped(DropReason::NoSession);
    w.inbound(echo_reply(S1, N, 7))
        .dropped(DropReason::NoMapping);
    w.inbound(icmp(S1, N, 17, 0, [0; 4]))
        .dropped(DropReason::UnknownIcmpType);
    w.inbound(udp(at(S1, 7), at(N, 7)))
        .dropped(DropReason::NoMapping);
    w.inbound(tcp(at(S1, 7), at(N, 7), SYN))
        .dropped(DropReason::NoMapping);
    assert_eq!(w.stats().local, 0);
}

/// A18: of what the router's stack sends without a session nothing leaves but answers to pings,
/// from an external address to the outside.
#[test]
fn nothing_but_answers_to_pings_goes_out() {
    let mut w = answering();
    w.router_sends(timestamp_reply(N, S1, 7))
        .dropped(DropReason::NoSession);
    for from in [
        ROUTER,
        H1,
        N3,
        S2,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::UNSPECIFIED,
    ] {
        w.router_sends(echo_reply(from, S1, 7))
            .dropped(DropReason::SpoofedSource);
    }
    for to in [
        H1,
        N,
        N2,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(224, 0, 0, 1),
    ] {
        let outcome = w.router_sends(echo_reply(N, to, 7));
        assert!(
            matches!(outcome, Outcome::Dropped(_)),
            "to {to}: {outcome:?}"
        );
    }
    let fragments = echo_reply(N, S1, 7)
        .payload(&[7; 100])
        .may_fragment()
        .cut(&[48]);
    w.router_sends(&fragments[0]).dropped(DropReason::NoSession);
    w.outbound(echo_reply(H1, S1, 7))
        .dropped(DropReason::NoSession);
    assert_eq!(w.stats().forwarded, 0);
}

/// X12: pings of hosts inside to an external address are the router's as those from outside are,
/// and by the same limit.
#[test]
fn an_external_address_answers_hosts_inside_as_it_does_others() {
    let mut w = World::new();
    w.outbound(echo_request(H1, N, 7))
        .dropped(DropReason::Hairpin);
    let mut w = answering();
    for to in [N, N2] {
        let ping = echo_request(H1, to, 7);
        assert_eq!(w.outbound(&ping).local(Side::Outside).bytes(), ping.bytes());
        assert_eq!(
            w.outbound(echo_request(H1, to, 7).ttl(1))
                .local(Side::Outside)
                .bytes()[field::TTL],
            1,
            "no hop is needed"
        );
        w.outbound(echo_reply(H1, to, 7))
            .dropped(DropReason::Hairpin);
        w.outbound(echo_request(H1, to, 7).checksum(Checksum::OffBy(1)))
            .dropped(DropReason::BadChecksum);
    }
    assert_eq!(w.sessions(), []);
    let outcomes: Vec<_> = (0..100)
        .map(|_| w.outbound(echo_request(H2, N, 7)))
        .collect();
    let answered = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Local(Side::Outside, _)))
        .count();
    assert_eq!(answered, 20, "the burst");
}

/// X10, I-7.1.1: an answer leaves under the rules of the link: numbered apart from what hosts send,
/// and no larger.
#[test]
fn answers_to_pings_keep_to_the_link() {
    let mut w = World::with(|config| (config.outside_ping, config.outside_mtu) = (true, 576));
    let answer = |len: usize| echo_reply(N, S1, 7).payload(&vec![7; len - 28]);
    w.router_sends(answer(576)).forwarded();
    w.router_sends(answer(577))
        .dropped(DropReason::PacketTooBig);
    assert_eq!(
        w.router_sends(answer(1000).may_fragment())
            .fragmented()
            .len(),
        2
    );
    let host = w
        .outbound(echo_request(H1, S1, 7).may_fragment())
        .forwarded();
    let router = w
        .router_sends(answer(100).id(host.ip.identification).may_fragment())
        .forwarded();
    assert_ne!(host.ip.identification, router.ip.identification);
}
