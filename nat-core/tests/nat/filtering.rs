//! Who may send to an external endpoint: RFC 4787 section 5, RFC 5382 section 4.3, RFC 7857
//! sections 5 to 6.

use core::net::SocketAddrV4;

use crate::world::*;
use nat_core::{DropReason, Filtering, SessionState};

use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};

fn filtering(filtering: Filtering) -> World {
    World::with(|config| config.filtering = filtering)
}

/// Each filter, a sender, and whether it may send to an endpoint that has talked to port 80 of
/// [`S1`] only.
const CASES: [(Filtering, SocketAddrV4, bool); 9] = [
    (AddressAndPortDependent, at(S1, 80), true),
    (AddressAndPortDependent, at(S1, 81), false),
    (AddressAndPortDependent, at(S2, 80), false),
    (AddressDependent, at(S1, 80), true),
    (AddressDependent, at(S1, 81), true),
    (AddressDependent, at(S2, 80), false),
    (EndpointIndependent, at(S1, 80), true),
    (EndpointIndependent, at(S1, 81), true),
    (EndpointIndependent, at(S2, 9), true),
];

/// U8: the three filters for UDP.
#[test]
fn udp_is_filtered_as_configured() {
    for (filter, sender, admitted) in CASES {
        let mut w = filtering(filter);
        let external = w.open_udp(at(H1, 5000), at(S1, 80));
        let outcome = w.inbound(udp(sender, external));
        if admitted {
            assert_eq!(
                outcome.forwarded().destination(),
                at(H1, 5000),
                "{filter:?}, {sender}"
            );
        } else {
            outcome.dropped(DropReason::Filtered);
        }
    }
}

/// T3: the three filters for TCP connections opened from outside.
#[test]
fn tcp_is_filtered_as_configured() {
    for (filter, sender, admitted) in CASES {
        let mut w = filtering(filter);
        let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
        if sender == at(S1, 80) {
            continue;
        }
        let outcome = w.inbound(tcp(sender, external, SYN));
        if admitted {
            assert_eq!(
                outcome.forwarded().destination(),
                at(H1, 5000),
                "{filter:?}, {sender}"
            );
            assert_eq!(
                w.sessions().len(),
                1,
                "{filter:?}, {sender}: a session begins when the inside answers"
            );
        } else {
            outcome.dropped(DropReason::Filtered);
        }
    }
}

/// T3b: RFC 5382 REQ-3b: TCP is filtered as its own setting says, and UDP as the common one: every
/// combination.
#[test]
fn tcp_is_filtered_independently_of_udp() {
    let filters = [
        AddressAndPortDependent,
        AddressDependent,
        EndpointIndependent,
    ];
    for (udp_filter, tcp_filter) in filters
        .into_iter()
        .flat_map(|udp| filters.map(|tcp| (udp, tcp)))
    {
        for (sender, unasked) in [
            (at(S1, 81), AddressDependent),
            (at(S2, 80), EndpointIndependent),
        ] {
            let mut w = World::with(|config| {
                config.filtering = udp_filter;
                config.tcp_filtering = Some(tcp_filter);
            });
            let admits = |filter| filter == EndpointIndependent || filter == unasked;
            let external = w.open_udp(at(H1, 5000), at(S1, 80));
            let came = w.inbound(udp(sender, external)).refusal();
            assert_eq!(
                came,
                (!admits(udp_filter)).then_some(DropReason::Filtered),
                "UDP {udp_filter:?}, {tcp_filter:?}"
            );
            let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
            let came = w.inbound(tcp(sender, external, SYN)).refusal();
            assert_eq!(
                came,
                (!admits(tcp_filter)).then_some(DropReason::Filtered),
                "{udp_filter:?}, TCP {tcp_filter:?}"
            );
        }
    }
}

/// T3b: what the filter of one protocol remembers of remote addresses takes room for that protocol
/// only.
#[test]
fn only_the_protocol_that_is_filtered_by_address_takes_sessions_for_it() {
    for (udp_filter, tcp_filter) in [
        (AddressDependent, AddressAndPortDependent),
        (AddressAndPortDependent, AddressDependent),
    ] {
        let mut w = World::sized::<4, 3, 4>(|config| {
            config.filtering = udp_filter;
            config.tcp_filtering = Some(tcp_filter);
        });
        w.open_udp(at(H1, 5000), at(S1, 80));
        Connection::open(&mut w, at(H1, 5000), at(S1, 80));
        assert_eq!(
            w.outbound(udp(at(H1, 5000), at(S1, 81))).refusal(),
            Some(DropReason::SessionTableFull)
        );
    }
}

/// T3: a connection opened from outside becomes established like any other.
#[test]
fn a_connection_from_outside_through_an_open_filter_is_tracked() {
    let mut w = filtering(EndpointIndependent);
    let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
    w.inbound(tcp(at(S2, 7), external, SYN).seq(70)).forwarded();
    w.outbound(tcp(at(H1, 5000), at(S2, 7), SYN | ACK).seq(90).ack(71))
        .forwarded();
    assert_eq!(
        w.session(at(H1, 5000), at(S2, 7)).state,
        SessionState::OutsideSyn,
        "ACK flags of both sides are due"
    );
    w.inbound(tcp(at(S2, 7), external, ACK).seq(71).ack(91))
        .forwarded();
    assert_eq!(
        w.session(at(H1, 5000), at(S2, 7)).state,
        SessionState::Established
    );
    w.advance(secs(7439));
    w.inbound(tcp(at(S2, 7), external, RST).seq(71)).forwarded();
    assert_eq!(
        w.session(at(H1, 5000), at(S2, 7)).state,
        SessionState::Reset
    );
}

/// T-OOW, T5: a sender that has not seen the SYN-ACK cannot acknowledge it: its segments do not
/// establish, end or reset the session of a spoofed SYN.
#[test]
fn a_connection_from_outside_is_established_by_the_true_acknowledgment_only() {
    for (flags, seq, ack) in [
        (ACK, 71, 90),
        (ACK, 71, 5000),
        (FIN | ACK, 71, 5000),
        (ACK | PSH, 71, 89),
        (RST, 75, 0),
    ] {
        let mut w = filtering(EndpointIndependent);
        let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
        w.inbound(tcp(at(S2, 7), external, SYN).seq(70)).forwarded();
        w.outbound(tcp(at(H1, 5000), at(S2, 7), SYN | ACK).seq(90).ack(71))
            .forwarded();
        let _ = w.inbound(tcp(at(S2, 7), external, flags).seq(seq).ack(ack));
        let state = w.session(at(H1, 5000), at(S2, 7)).state;
        assert_eq!(
            state,
            SessionState::OutsideSyn,
            "flags {flags:#04x}, acknowledging {ack}"
        );
        w.inbound(tcp(at(S2, 7), external, ACK).seq(71).ack(91))
            .forwarded();
        assert_eq!(
            w.session(at(H1, 5000), at(S2, 7)).state,
            SessionState::Established
        );
    }
}

/// T3: the filter is not dependent on connections: once both ends have closed, a SYN from the same
/// endpoint comes in while the mapping lives, and one from another does not.
#[test]
fn a_peer_may_connect_again_while_the_mapping_lives() {
    for (filter, sender, admitted) in CASES {
        let mut w = filtering(filter);
        let mut connection = w.open_tcp(at(H1, 5000), at(S1, 80));
        w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
        connection.inside_next += 1;
        w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
        w.advance(secs(200));
        let outcome = w.inbound(tcp(sender, connection.external, SYN).seq(70));
        assert_eq!(
            outcome.is_forwarded(),
            admitted,
            "{filter:?}, {sender}: {outcome:?}"
        );
        if !admitted {
            continue;
        }
        w.outbound(tcp(at(H1, 5000), sender, SYN | ACK).seq(90).ack(71))
            .forwarded();
        w.inbound(tcp(sender, connection.external, ACK).seq(71).ack(91))
            .forwarded();
        assert_eq!(
            w.session(at(H1, 5000), sender).state,
            SessionState::Established,
            "{filter:?}, {sender}"
        );
        w.advance(secs(41));
        w.inbound(tcp(sender, connection.external, ACK).seq(71).ack(91))
            .forwarded();
    }
}

/// A26, RFC 2663 section 2.6: only a SYN opens a TCP session, also where the filter lets everyone
/// in.
#[test]
fn only_a_syn_from_outside_opens_a_tcp_session() {
    let mut w = filtering(EndpointIndependent);
    let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
    for flags in [ACK, SYN | ACK, FIN | ACK, RST, RST | ACK] {
        assert!(
            !w.inbound(tcp(at(S2, 7), external, flags)).is_forwarded(),
            "flags {flags:#04x}"
        );
    }
}

/// X5, X6: mappings and filters are per protocol.
#[test]
fn a_mapping_of_one_protocol_admits_no_other() {
    for filter in [
        AddressAndPortDependent,
        AddressDependent,
        EndpointIndependent,
    ] {
        let mut w = filtering(filter);
        let external = w.open_udp(at(H1, 5000), at(S1, 80));
        w.inbound(tcp(at(S1, 80), external, SYN))
            .dropped(DropReason::NoMapping);
        w.inbound(echo_reply(S1, N, external.port()))
            .dropped(DropReason::NoMapping);
        let mut w = filtering(filter);
        let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
        w.inbound(udp(at(S1, 80), external))
            .dropped(DropReason::NoMapping);
    }
}

/// U8 for ICMP queries: a reply from another host than the one asked is filtered as configured.
#[test]
fn replies_to_icmp_queries_are_filtered_by_address() {
    for filter in [AddressAndPortDependent, AddressDependent] {
        let mut w = filtering(filter);
        let id = w.open_echo(H1, S1, 7);
        w.inbound(echo_reply(S2, N, id))
            .dropped(DropReason::Filtered);
        assert_eq!(
            w.inbound(echo_reply(S1, N, id)).forwarded().destination(),
            at(H1, 7)
        );
    }
}

/// T4, T4a, A8: unsolicited packets from outside are dropped silently and leave no state, and cause
/// no error later.
#[test]
fn unsolicited_packets_are_dropped_silently() {
    let mut w = World::new();
    for port in [1, 22, 80, 1024, 5000, 65535] {
        w.inbound(udp(at(ATTACKER, 7), at(N, port)))
            .dropped(DropReason::NoMapping);
        for flags in [SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK] {
            w.inbound(tcp(at(ATTACKER, 7), at(N, port), flags))
                .dropped(DropReason::NoMapping);
        }
        w.inbound(echo_reply(ATTACKER, N, port))
            .dropped(DropReason::NoMapping);
        let quoted = udp(at(N, port), at(ATTACKER, 7)).bytes();
        let others = [
            echo_request(ATTACKER, N, port),
            timestamp_request(ATTACKER, N, port),
            icmp_error(ATTACKER, N, (3, 3), &quoted),
            udp(at(ATTACKER, 7), at(N, port))
                .payload(&[7; 200])
                .may_fragment()
                .cut(&[96])
                .remove(0),
            tcp(at(ATTACKER, 7), at(N, port), SYN).payload(b"early"),
        ];
        for packet in others {
            assert!(matches!(w.inbound(packet), Outcome::Dropped(_)));
        }
    }
    assert_eq!((w.sessions(), w.nat.poll_timeout()), (Vec::new(), None));
}

/// A1, AWS: the external address does not answer ping.
#[test]
fn the_external_address_does_not_answer_ping() {
    let mut w = World::new();
    let id = w.open_echo(H1, S1, 7);
    for asked in [id, 99] {
        assert!(w.inbound(echo_request(S1, N, asked)).refusal().is_some());
    }
    assert_eq!(w.stats().rejected_total(), 0);
}

/// X7, A27: packets that the filter refuses do not keep a mapping alive.
#[test]
fn filtered_packets_do_not_refresh() {
    for filter in [AddressAndPortDependent, AddressDependent] {
        let mut w = filtering(filter);
        let external = w.open_udp(at(H1, 5000), at(S1, 80));
        for _ in 0..2 {
            w.advance(secs(100));
            w.inbound(udp(at(S2, 80), external))
                .dropped(DropReason::Filtered);
        }
        w.advance(secs(99));
        w.inbound(udp(at(S2, 80), external))
            .dropped(DropReason::Filtered);
        w.advance(secs(2));
        w.inbound(udp(at(S1, 80), external))
            .dropped(DropReason::NoMapping);
    }
}

/// X7 for TCP.
#[test]
fn filtered_segments_do_not_refresh() {
    let mut w = World::new();
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    for _ in 0..74 {
        w.advance(secs(100));
        w.inbound(tcp(at(S2, 80), connection.external, SYN))
            .dropped(DropReason::Filtered);
    }
    w.advance(secs(41));
    w.inbound(connection.outside_sends(ACK))
        .dropped(DropReason::NoMapping);
}

/// U6a, A27: the outside alone cannot keep a session alive for ever.
#[test]
fn inbound_traffic_without_an_answer_does_not_keep_a_session() {
    for filter in [
        AddressAndPortDependent,
        AddressDependent,
        EndpointIndependent,
    ] {
        let mut w = filtering(filter);
        let external = w.open_udp(at(H1, 5000), at(S1, 80));
        for _ in 0..14 {
            w.advance(secs(50));
            let _ = w.inbound(udp(at(S1, 80), external));
        }
        w.inbound(udp(at(S1, 80), external))
            .dropped(DropReason::NoMapping);
    }
}

/// A27: nor with a different sender each time, where the filter admits every sender.
#[test]
fn strangers_do_not_keep_a_mapping_alive() {
    let mut w = filtering(EndpointIndependent);
    let external = w.open_udp(at(H1, 5000), at(S1, 80));
    for i in 0..14 {
        w.advance(secs(50));
        let _ = w.inbound(udp(at(ATTACKER, 1000 + i), external));
    }
    w.inbound(udp(at(ATTACKER, 2000), external))
        .dropped(DropReason::NoMapping);
}

/// U8: the address of one more remote host is admitted once the inside endpoint has sent to it.
#[test]
fn each_remote_address_is_admitted_by_its_own_outbound_packet() {
    let mut w = filtering(AddressDependent);
    let external = w.open_udp(at(H1, 5000), at(S1, 80));
    w.inbound(udp(at(S2, 1), external))
        .dropped(DropReason::Filtered);
    w.open_udp(at(H1, 5000), at(S2, 99));
    w.inbound(udp(at(S2, 1), external)).forwarded();
    // Another inside endpoint is not opened by it.
    let other = w.open_udp(at(H2, 5000), at(S1, 80));
    w.inbound(udp(at(S2, 1), other))
        .dropped(DropReason::Filtered);
}

/// A21 of RFC 4787 section 8: the filter's memory of an address ends with the outbound traffic to
/// it.
#[test]
fn an_address_is_forgotten_when_its_sessions_have_ended() {
    let mut w = filtering(AddressDependent);
    let external = w.open_udp(at(H1, 5000), at(S1, 80));
    w.advance(secs(200));
    w.open_udp(at(H1, 5000), at(S2, 80));
    w.advance(secs(101));
    w.inbound(udp(at(S1, 80), external))
        .dropped(DropReason::Filtered);
    w.inbound(udp(at(S2, 80), external)).forwarded();
}

/// U11: RFC 4787 REQ-11: a filter is the same when the tables can take only one session more.
#[test]
fn filters_stay_what_they_are_when_the_tables_are_almost_full() {
    for (filter, sender, admitted) in CASES {
        let mut w = World::sized::<16, 32, 4>(|config| config.filtering = filter);
        let externals: Vec<_> = (0..15)
            .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 80)))
            .collect();
        for external in externals {
            let outcome = w.inbound(udp(sender, external));
            assert_eq!(
                outcome.is_forwarded(),
                admitted,
                "{filter:?}, {sender} to {external}: {outcome:?}"
            );
        }
    }
}

/// U11: filter and hairpinning stay what they are while expired sessions of others wait for their
/// end.
#[test]
fn the_filter_does_not_shut_while_sessions_wait_for_their_end() {
    for by_hairpin in [true, false] {
        let mut w = World::with(|config| {
            if !by_hairpin {
                config.filtering = Filtering::EndpointIndependent;
            }
        });
        for i in 0..20 {
            w.open_udp(at(H1, 5000 + i), at(S1, 53));
        }
        w.advance(secs(290));
        let external = w.open_udp(at(H2, 5000), at(S1, 53));
        w.jump(secs(10));
        let outcome = if by_hairpin {
            w.outbound(udp(at(H3, 5000), external))
        } else {
            w.inbound(udp(at(S2, 9), external))
        };
        assert_eq!(outcome.forwarded().destination(), at(H2, 5000));
    }
}
