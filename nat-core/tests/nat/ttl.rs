//! Time to live, and the errors that the router says itself: RFC 5508 REQ-10, RFC 1812 sections
//! 4.3.2 and 5.3.1.

use crate::world::*;
use nat_core::{DropReason, Filtering, Nat, Reply, Side, Tables, Verdict};

fn openers() -> [Datagram; 3] {
    [
        udp(at(H1, 5000), at(S1, 53)),
        tcp(at(H1, 5000), at(S1, 80), SYN),
        echo_request(H1, S1, 7),
    ]
}

/// I10a: a packet from inside whose time is up is answered by the router, so that traceroute shows
/// it.
#[test]
fn time_exceeded_is_always_sent_inside() {
    for packet in openers() {
        for ttl in [0, 1] {
            let mut w = World::new();
            let sent = packet.clone().ttl(ttl).bytes();
            let answer = w.outbound(sent.clone()).rejected(DropReason::TtlExpired);
            assert_eq!(answer.icmp_type(), (11, 0));
            assert_eq!(answer.icmp_rest(), [0; 4], "unused");
            assert_eq!(*answer.source().ip(), ROUTER);
            assert_eq!(answer.payload(), sent, "quoted as the host sent it");
            assert_eq!(w.sessions(), []);
        }
    }
}

/// Each forwarding costs one, and the last hop before the end is still made.
#[test]
fn a_time_to_live_of_two_is_forwarded_with_one() {
    let mut w = World::new();
    for packet in openers() {
        assert_eq!(w.outbound(packet.clone().ttl(2)).forwarded().ttl(), 1);
        assert_eq!(w.outbound(packet.ttl(255)).forwarded().ttl(), 254);
    }
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    assert_eq!(
        w.inbound(udp(at(S1, 53), external).ttl(2))
            .forwarded()
            .ttl(),
        1
    );
}

/// I10a: outside, the error goes to the peer of a live session and quotes the packet as that sent
/// it.
#[test]
fn time_exceeded_is_sent_outside_about_a_live_session() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let id = w.open_echo(H1, S1, 7);
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    for packet in [
        udp(at(S1, 53), external),
        echo_reply(S1, N, id),
        connection.outside_sends(ACK),
    ] {
        let sent = packet.ttl(1).bytes();
        let answer = w.inbound(sent.clone()).rejected(DropReason::TtlExpired);
        assert_eq!(answer.icmp_type(), (11, 0));
        assert_eq!(*answer.source().ip(), N);
        assert_eq!(
            answer.payload(),
            sent,
            "still addressed to the external endpoint"
        );
    }
}

/// A1: nothing is said to the outside about a packet that no session knows.
#[test]
fn time_exceeded_is_not_sent_outside_without_a_session() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = World::with(|config| config.filtering = filtering);
        let external = w.open_udp(at(H1, 5000), at(S1, 53));
        for packet in [
            udp(at(S2, 53), external),
            udp(at(ATTACKER, 9), at(N, external.port() ^ 1)),
            tcp(at(S1, 80), at(N, 80), SYN),
            tcp(at(S1, 80), external, ACK),
            echo_request(S1, N, 7),
            echo_reply(S1, N, 7),
        ] {
            for ttl in [0, 1] {
                let outcome = w.inbound(packet.clone().ttl(ttl));
                assert!(
                    matches!(outcome, Outcome::Dropped(_)),
                    "{filtering:?}: {outcome:?}"
                );
            }
        }
    }
}

/// I10e: no error about an ICMP error.
#[test]
fn no_error_is_sent_about_an_icmp_error() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let left = w
        .outbound(udp(at(H1, 5000), at(S1, 53)))
        .forwarded()
        .bytes();
    let arrived = w.inbound(udp(at(S1, 53), external)).forwarded().bytes();
    for kind in [(3, 3), (3, 4), (11, 0), (12, 0)] {
        let out = w.outbound(icmp_error(H1, S1, kind, &arrived).ttl(1));
        assert!(matches!(out, Outcome::Dropped(_)), "{out:?}");
        let inward = w.inbound(icmp_error(TRANSIT, N, kind, &left).ttl(1));
        assert!(matches!(inward, Outcome::Dropped(_)), "{inward:?}");
    }
}

/// I10e: no error about a packet that fails validation, or that comes from no single host.
#[test]
fn no_error_is_sent_about_an_invalid_packet() {
    let mut w = World::new();
    let mut bad_header = udp(at(H1, 5000), at(S1, 53)).ttl(1).bytes();
    bad_header[11] ^= 1;
    w.outbound(bad_header)
        .dropped(DropReason::BadHeaderChecksum);
    for source in [
        "0.0.0.0",
        "192.168.1.255",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "198.51.100.10",
    ] {
        let source = source.parse().expect("an address");
        let outcome = w.outbound(udp(at(source, 5000), at(S2, 53)).ttl(1));
        assert!(
            matches!(outcome, Outcome::Dropped(_)),
            "{source}: {outcome:?}"
        );
    }
    let mut later_fragment = udp(at(H1, 5000), at(S1, 53)).ttl(1).may_fragment();
    later_fragment.ip.fragment_offset = 8.try_into().expect("13 bits");
    let outcome = w.outbound(later_fragment);
    assert!(
        matches!(outcome, Outcome::Held),
        "nothing is said: {outcome:?}"
    );
}

/// I10e: nor outside, though the filter lets everyone in: no header that is wrong, no source that
/// is no host, no destination that is many, no later fragment, whether the time to live is up or
/// the packet too big.
#[test]
fn no_error_is_sent_outside_about_an_invalid_packet() {
    let mut w = World::with(|config| {
        (config.filtering, config.inside_mtu) = (Filtering::EndpointIndependent, 100);
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let too_big = |packet: Datagram| packet.payload(&[7; 200]);
    for packet in [
        udp(at(S1, 53), external).ttl(1),
        too_big(udp(at(S1, 53), external)),
    ] {
        w.inbound(&packet).rejected(if packet.ip.time_to_live == 1 {
            DropReason::TtlExpired
        } else {
            DropReason::PacketTooBig
        });
        let mut bad_header = packet.bytes();
        bad_header[11] ^= 1;
        w.inbound(bad_header).dropped(DropReason::BadHeaderChecksum);
        let sources = [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "169.254.1.1",
            "192.168.1.10",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
        ];
        for source in sources.into_iter().chain(["255.255.255.255"]) {
            let mut spoofed = packet.clone();
            spoofed.ip.source = source
                .parse::<core::net::Ipv4Addr>()
                .expect("an address")
                .octets();
            assert!(
                matches!(w.inbound(spoofed), Outcome::Dropped(_)),
                "{source}"
            );
        }
        for destination in ["224.0.0.1", "255.255.255.255"] {
            let mut to_many = packet.clone();
            to_many.ip.destination = destination
                .parse::<core::net::Ipv4Addr>()
                .expect("an address")
                .octets();
            assert!(
                matches!(w.inbound(to_many), Outcome::Dropped(_)),
                "{destination}"
            );
        }
        let outcome = w.inbound(packet.fragment(800, false).body(&[7; 200]));
        assert!(
            matches!(outcome, Outcome::Dropped(_) | Outcome::Held),
            "a later fragment: {outcome:?}"
        );
    }
}

/// I10e: no error about a multicast or broadcast packet, whether its time to live is used up, it is
/// too big, or its session is refused.
#[test]
fn no_error_is_sent_about_a_multicast_or_broadcast_packet() {
    let mut w = World::sized::<1, 1, 4>(|config| config.outside_mtu = 100);
    w.open_udp(at(H2, 5000), at(S1, 53));
    for destination in [
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "192.168.1.255",
    ] {
        let destination = destination.parse().expect("an address");
        let packets = [
            udp(at(H1, 5000), at(destination, 53)),
            tcp(at(H1, 5000), at(destination, 80), ACK),
        ];
        for packet in packets.into_iter().flat_map(|packet| {
            [
                packet.clone(),
                packet.clone().ttl(1),
                packet.payload(&[7; 200]),
            ]
        }) {
            let outcome = w.outbound(packet);
            assert!(
                matches!(outcome, Outcome::Dropped(_) | Outcome::Local(..)),
                "{destination}: {outcome:?}"
            );
        }
    }
    w.outbound(udp(at(H1, 5000), at(S1, 53)))
        .rejected(DropReason::MappingTableFull);
}

/// RFC 1812 section 4.3.2.3: the quote is as long as 576 bytes of error allow.
#[test]
fn a_long_packet_is_quoted_as_far_as_an_error_reaches() {
    let mut w = World::new();
    for len in [0, 1, 8, 500, 519, 520, 521, 1400, 1472] {
        let sent = udp(at(H1, 5000), at(S1, 53))
            .payload(&vec![7; len])
            .ttl(1)
            .bytes();
        let answer = w.outbound(sent.clone()).rejected(DropReason::TtlExpired);
        let quoted = sent.len().min(Reply::MAX_LEN - 28);
        assert_eq!(answer.payload(), &sent[..quoted], "{len} bytes of payload");
    }
}

/// The quote holds the options of the packet it is about.
#[test]
fn a_packet_with_options_is_quoted_with_them() {
    let mut w = World::new();
    let sent = udp(at(H1, 5000), at(S1, 53))
        .options(&[148, 4, 0, 0, 1, 1, 1, 1])
        .ttl(1)
        .bytes();
    assert_eq!(
        w.outbound(sent.clone())
            .rejected(DropReason::TtlExpired)
            .payload(),
        sent
    );
}

/// I10d, RFC 1812 section 4.3.2.5: an error has the precedence "internetwork control", to either
/// side, whatever it says, and the type of service of the packet that caused it.
#[test]
fn an_error_has_precedence_and_copies_the_type_of_service() {
    let mut w = World::with(|config| config.limits.sessions_per_host = Some(1));
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for class in [0, 7, 10, 46, 48, 63] {
        // Congestion marks are not copied.
        let of_class = |packet: Datagram| packet.tos(class << 2 | 1);
        let answers = [
            w.outbound(of_class(udp(at(H1, 5000), at(S1, 53))).ttl(1))
                .rejected(DropReason::TtlExpired),
            w.inbound(of_class(udp(at(S1, 53), external)).ttl(1))
                .rejected(DropReason::TtlExpired),
            w.outbound(of_class(udp(at(H1, 5000), at(S1, 53))).payload(&[7; 1500]))
                .rejected(DropReason::PacketTooBig),
            w.outbound(of_class(udp(at(H1, 5000), at(S2, 53))))
                .rejected(DropReason::HostLimit),
        ];
        for answer in answers {
            assert_eq!(
                (answer.ip.dscp.value(), answer.ip.ecn.value()),
                (48 | class & 7, 0),
                "{answer:?}"
            );
        }
        w.advance(secs(10));
    }
}

/// I10f: a burst of at least ten, then the configured rate; what the limit swallows is a drop.
#[test]
fn errors_are_limited_to_bursts_and_a_rate() {
    let mut w = World::with(|config| {
        config.limits.icmp_error_burst = 10;
        config.limits.icmp_errors_per_second = 5;
    });
    let answers = |w: &mut World, tries: u32| {
        let mut answered = 0;
        for _ in 0..tries {
            match w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(1)) {
                Outcome::Rejected(DropReason::TtlExpired, _) => answered += 1,
                other => other.dropped(DropReason::TtlExpired),
            }
        }
        answered
    };
    assert_eq!(answers(&mut w, 30), 10, "the burst");
    w.advance(secs(1));
    assert_eq!(answers(&mut w, 30), 5, "a second later");
    w.advance(core::time::Duration::from_millis(200));
    assert_eq!(answers(&mut w, 30), 1, "a fifth of a second later");
    w.advance(secs(3600));
    assert_eq!(answers(&mut w, 30), 10, "never more than the burst");
}

/// I10f: one side's limit does not silence the other.
#[test]
fn each_side_has_its_own_limit() {
    let mut w = World::with(|config| config.limits.icmp_error_burst = 10);
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for _ in 0..30 {
        let _ = w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(1));
    }
    w.inbound(udp(at(S1, 53), external).ttl(1))
        .rejected(DropReason::TtlExpired);
}

/// I9: RFC 5508 REQ-9: the errors that the router says itself can be turned off; what they were
/// about is still dropped.
#[test]
fn errors_can_be_turned_off() {
    let mut w = World::with(|config| {
        (
            config.limits.icmp_error_burst,
            config.limits.icmp_errors_per_second,
        ) = (0, 0);
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(100));
    w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(1))
        .dropped(DropReason::TtlExpired);
    w.inbound(udp(at(S1, 53), external).ttl(1))
        .dropped(DropReason::TtlExpired);
    w.outbound(udp(at(H1, 5000), at(S1, 53)).payload(&[7; 1500]))
        .dropped(DropReason::PacketTooBig);
    assert_eq!(
        (w.stats().icmp_errors_sent, w.stats().replies_rate_limited),
        (0, 3)
    );
}

/// I9: RFC 5508 REQ-9: each side has a switch of its own. What an error would have been about is
/// dropped for the same reason, and errors of others pass as ever.
#[test]
fn errors_can_be_turned_off_for_each_side() {
    for (inside, outside) in [(true, true), (false, true), (true, false), (false, false)] {
        let mut w = World::with(|config| {
            (config.inside_icmp_errors, config.outside_icmp_errors) = (inside, outside);
            config.inside_mtu = 1000;
        });
        let external = w.open_udp(at(H1, 5000), at(S1, 53));
        let sent = w.outbound(udp(at(H1, 5000), at(S1, 53))).forwarded();
        let too_big = |packet: Datagram| packet.payload(&[7; 1500]);
        for (outcome, reason, on) in [
            (
                w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(1)),
                DropReason::TtlExpired,
                inside,
            ),
            (
                w.outbound(too_big(udp(at(H1, 5000), at(S1, 53)))),
                DropReason::PacketTooBig,
                inside,
            ),
            (
                w.inbound(udp(at(S1, 53), external).ttl(1)),
                DropReason::TtlExpired,
                outside,
            ),
            (
                w.inbound(too_big(udp(at(S1, 53), external))),
                DropReason::PacketTooBig,
                outside,
            ),
        ] {
            if on {
                outcome.rejected(reason);
            } else {
                outcome.dropped(reason);
            }
        }
        assert_eq!(w.stats().replies_rate_limited, 0, "none was due");
        w.inbound(icmp_error(TRANSIT, N, (11, 0), &sent.bytes()))
            .forwarded();
        w.outbound(tcp(at(H1, 5000), at(S1, 80), ACK))
            .rejected(DropReason::NoSession);
    }
}

/// I9: the switch also covers errors about missing addresses and full tables.
#[test]
fn the_errors_of_all_reasons_can_be_turned_off() {
    let mut w = World::sized::<4, 1, 4>(|config| config.inside_icmp_errors = false);
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.outbound(udp(at(H1, 5001), at(S1, 53)))
        .dropped(DropReason::SessionTableFull);
    w.set_external_addresses(&[])
        .expect("none is a number of addresses");
    w.outbound(udp(at(H1, 5000), at(S1, 53)))
        .dropped(DropReason::AddressMissing);
    assert_eq!(
        (w.stats().icmp_errors_sent, w.stats().replies_rate_limited),
        (0, 0)
    );
}

/// The default limits allow the bursts of a traceroute.
#[test]
fn the_default_burst_answers_a_traceroute() {
    let mut w = World::new();
    for probe in 0..10 {
        w.outbound(udp(at(H1, 5000), at(S1, 33434 + probe)).ttl(1))
            .rejected(DropReason::TtlExpired);
    }
}

/// A buffer that is too short is refused, and every length that suffices gives the same answer.
#[test]
fn an_answer_is_emitted_whole_or_not_at_all() {
    let mut tables = Tables::<4, 4>::new();
    let mut nat = Nat::new(&mut tables, config(), SEED).expect("the configuration can work");
    let mut packet = udp(at(H1, 5000), at(S1, 53)).ttl(1).bytes();
    let Verdict::Reject(reply) =
        nat.process(&mut packet, Side::Inside, nat_core::Instant::default())
    else {
        panic!("an answer is due");
    };
    let whole = 28 + packet.len();
    for len in 0..=Reply::MAX_LEN {
        let mut buffer = vec![0; len];
        let emitted = reply.emit(&packet, &mut buffer);
        if len < 28 + 28 {
            assert_eq!(emitted, None, "{len} bytes are too few");
        } else if let Some(emitted) = emitted {
            let answer = Packet::parse(&buffer[..emitted]);
            assert!(packet.starts_with(answer.payload()), "{len} bytes");
        }
        if len >= whole {
            assert_eq!(emitted, Some(whole), "{len} bytes suffice");
        }
    }
}
