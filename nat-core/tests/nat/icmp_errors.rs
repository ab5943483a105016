//! ICMP errors through the NAT: RFC 5508 sections 4 and 5, RFC 4787 REQ-12, RFC 5382 REQ-9 and 10.

use core::net::Ipv4Addr;

use crate::world::*;
use nat_core::{DropReason, Filtering, SessionState};

const PORT_UNREACHABLE: (u8, u8) = (3, 3);
const TOO_BIG: (u8, u8) = (3, 4);
const TIME_EXCEEDED: (u8, u8) = (11, 0);
/// A router of the inside network that is not the NAT.
const INSIDE_ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 254);

/// One packet of a live session in each direction, as its sender sent it and as its receiver got
/// it.
struct Exchange {
    name: &'static str,
    outgoing: Packet,
    left: Packet,
    incoming: Packet,
    arrived: Packet,
}

impl Exchange {
    #[track_caller]
    fn new(
        w: &mut World,
        name: &'static str,
        outgoing: Datagram,
        answer: impl Fn(&Packet) -> Datagram,
    ) -> Self {
        let outgoing = outgoing.bytes();
        let left = w.outbound(outgoing.clone()).forwarded();
        let incoming = answer(&left).bytes();
        let arrived = w.inbound(incoming.clone()).forwarded();
        Self {
            name,
            outgoing: Packet::parse(&outgoing),
            left,
            incoming: Packet::parse(&incoming),
            arrived,
        }
    }
}

/// Sessions of every kind, with and without options in the packets that are quoted.
fn exchanges(w: &mut World) -> Vec<Exchange> {
    let mut all = Vec::new();
    for options in [&[][..], &[148, 4, 0, 0], &[1; 40]] {
        let port = 5000 + options.len() as u16;
        let (host, server) = (at(H1, port), at(S1, 53));
        let udp_with = |checksum| udp(host, server).options(options).checksum(checksum);
        let reply = |left: &Packet, checksum| {
            udp(server, left.source())
                .options(options)
                .checksum(checksum)
        };
        all.push(Exchange::new(w, "UDP", udp_with(Checksum::Good), |left| {
            reply(left, Checksum::Good)
        }));
        all.push(Exchange::new(
            w,
            "UDP without checksum",
            udp_with(Checksum::Zero),
            |left| reply(left, Checksum::Zero),
        ));
        let connection = w.open_tcp(host, at(S1, 80));
        let request = connection
            .inside_sends(ACK | PSH)
            .payload(b"GET / HTTP/1.1\r\n\r\n")
            .options(options);
        let response = connection
            .outside_sends(ACK)
            .payload(b"HTTP/1.1 200 OK")
            .options(options);
        all.push(Exchange::new(w, "TCP", request, |_| response.clone()));
        let echo = echo_request(H1, S1, port).options(options);
        all.push(Exchange::new(w, "echo", echo, |left| {
            echo_reply(S1, N, left.query_id()).options(options)
        }));
        let timestamp = timestamp_request(H1, S1, port + 1).options(options);
        all.push(Exchange::new(w, "timestamp", timestamp, |left| {
            timestamp_reply(S1, N, left.query_id()).options(options)
        }));
    }
    all
}

/// How much of a packet errors quote: RFC 792's eight bytes, a TCP header up to its checksum, and
/// all of it.
fn quotes(packet: &Packet) -> Vec<Vec<u8>> {
    let (bytes, header) = (packet.bytes(), packet.ip.header_len());
    let lengths = [
        header + 8,
        header + 9,
        header + 17,
        header + 18,
        bytes.len() - 1,
        bytes.len(),
    ];
    lengths
        .iter()
        .map(|len| bytes[..(*len).min(bytes.len())].to_vec())
        .collect()
}

/// P4: a quote is what the one it goes to has sent, but for what routers on the way have changed.
#[track_caller]
fn assert_quotes(quote: &Quote, sent: &Packet, what: &str) {
    assert_eq!(
        (quote.source(), quote.destination()),
        (sent.source(), sent.destination()),
        "{what}"
    );
    let mut expected = sent.body[..quote.body.len()].to_vec();
    if sent.ip.protocol.0 == 6 && quote.body.len() < 18 {
        // Without the whole checksum in the quote there is nothing to translate.
        expected.truncate(16);
    }
    assert_eq!(
        quote.body[..expected.len()],
        expected,
        "{what}: quoted transport"
    );
    assert_eq!(quote.ip.options, sent.ip.options, "{what}");
}

/// I4a to I4c, I3b, U12a, U12b, T9: errors from outside, from whichever router, reach the host that
/// is quoted.
#[test]
fn errors_from_outside_are_translated_with_their_quote() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        for quote in quotes(&exchange.left) {
            // Routers on the way may have private addresses.
            for from in [
                S1,
                TRANSIT,
                Ipv4Addr::new(10, 1, 2, 3),
                Ipv4Addr::new(100, 64, 0, 1),
            ] {
                let what = format!(
                    "{}, {} bytes quoted, from {from}",
                    exchange.name,
                    quote.len()
                );
                let error = icmp_error(from, N, TIME_EXCEEDED, &quote).ttl(60);
                let inside = w.inbound(error).forwarded();
                assert_eq!(
                    (*inside.source().ip(), *inside.destination().ip()),
                    (from, H1),
                    "{what}"
                );
                assert_eq!(inside.icmp_type(), TIME_EXCEEDED, "{what}");
                assert_quotes(&inside.quote(), &exchange.outgoing, &what);
            }
        }
    }
}

/// I5, I5a, I5b: errors from inside leave with the external address, and quote what the server
/// sent.
#[test]
fn errors_from_inside_are_translated_with_their_quote() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        for quote in quotes(&exchange.arrived) {
            for from in [H1, INSIDE_ROUTER] {
                let what = format!(
                    "{}, {} bytes quoted, from {from}",
                    exchange.name,
                    quote.len()
                );
                let outside = w
                    .outbound(icmp_error(from, S1, PORT_UNREACHABLE, &quote))
                    .forwarded();
                // I5c: also an inside router's error comes from the external address.
                assert_eq!(
                    (*outside.source().ip(), *outside.destination().ip()),
                    (N, S1),
                    "{what}"
                );
                assert_eq!(outside.icmp_type(), PORT_UNREACHABLE, "{what}");
                assert_quotes(&outside.quote(), &exchange.incoming, &what);
            }
        }
    }
}

/// U12b, T9, I4b, I5b, I10a: all codes of Destination Unreachable and Time Exceeded, both ways,
/// about all protocols.
#[test]
fn all_codes_of_the_errors_that_matter_pass() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        for kind in (0..=15).map(|code| (3, code)).chain([(11, 0), (11, 1)]) {
            let mtu = if kind == TOO_BIG {
                [0, 0, 5, 0]
            } else {
                [0; 4]
            };
            let inward = w
                .inbound(icmp_error(TRANSIT, N, kind, &exchange.left.bytes()).rest(mtu))
                .forwarded();
            assert_eq!(
                (inward.icmp_type(), inward.icmp_rest()),
                (kind, mtu),
                "{}",
                exchange.name
            );
            let outward = w
                .outbound(icmp_error(H1, S1, kind, &exchange.arrived.bytes()).rest(mtu))
                .forwarded();
            assert_eq!(
                (outward.icmp_type(), outward.icmp_rest()),
                (kind, mtu),
                "{}",
                exchange.name
            );
        }
    }
}

/// P2, I4b, I-7.1.2: the MTU of "too big" passes as it is, 0 of old routers included, both ways,
/// about all protocols.
#[test]
fn the_path_mtu_of_an_error_is_kept() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        for mtu in [0_u16, 68, 576, 1280, 1492, 65535] {
            let [high, low] = mtu.to_be_bytes();
            let rest = [0, 0, high, low];
            let inward = icmp_error(TRANSIT, N, TOO_BIG, &exchange.left.bytes()).rest(rest);
            assert_eq!(
                w.inbound(inward).forwarded().icmp_rest(),
                rest,
                "{}",
                exchange.name
            );
            let outward = icmp_error(H1, S1, TOO_BIG, &exchange.arrived.bytes()).rest(rest);
            assert_eq!(
                w.outbound(outward).forwarded().icmp_rest(),
                rest,
                "{}",
                exchange.name
            );
        }
    }
}

/// I4b, I10b: the pointer of a Parameter Problem passes as it is, both ways.
#[test]
fn the_pointer_of_a_parameter_problem_is_kept() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        for (code, pointer) in [(0, [8, 0, 0, 0]), (0, [20, 0, 0, 0]), (2, [0; 4])] {
            let inward = icmp_error(TRANSIT, N, (12, code), &exchange.left.bytes()).rest(pointer);
            let inside = w.inbound(inward).forwarded();
            assert_eq!(
                (inside.icmp_type(), inside.icmp_rest()),
                ((12, code), pointer),
                "{}",
                exchange.name
            );
            let outward = icmp_error(H1, S1, (12, code), &exchange.arrived.bytes()).rest(pointer);
            let outside = w.outbound(outward).forwarded();
            assert_eq!(
                (outside.icmp_type(), outside.icmp_rest()),
                ((12, code), pointer),
                "{}",
                exchange.name
            );
        }
    }
}

/// A10: no path has an MTU of 1 to 67; such an error only wants to do harm.
#[test]
fn an_impossible_path_mtu_is_dropped() {
    let mut w = World::new();
    let exchange = &exchanges(&mut w)[0];
    for mtu in [1, 20, 67] {
        let error = icmp_error(TRANSIT, N, TOO_BIG, &exchange.left.bytes()).rest([0, 0, 0, mtu]);
        assert!(matches!(w.inbound(error), Outcome::Dropped(_)), "MTU {mtu}");
    }
}

/// I3: an error with a wrong ICMP checksum is dropped.
#[test]
fn an_error_with_a_wrong_checksum_is_dropped() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        let wrong = Checksum::OffBy(1);
        let inward =
            icmp_error(TRANSIT, N, PORT_UNREACHABLE, &exchange.left.bytes()).checksum(wrong);
        w.inbound(inward).dropped(DropReason::BadChecksum);
        let outward =
            icmp_error(H1, S1, PORT_UNREACHABLE, &exchange.arrived.bytes()).checksum(wrong);
        w.outbound(outward).dropped(DropReason::BadChecksum);
    }
}

/// I3a: an error that quotes a header with a wrong checksum is dropped.
#[test]
fn an_error_with_a_wrong_quoted_header_is_dropped() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        for bits in [0x01, 0x80] {
            let corrupt = |packet: &Packet| {
                let mut quote = packet.bytes();
                quote[field::HEADER_CHECKSUM.start] ^= bits;
                quote
            };
            let inward = icmp_error(TRANSIT, N, PORT_UNREACHABLE, &corrupt(&exchange.left));
            w.inbound(inward).dropped(DropReason::BadQuote);
            let outward = icmp_error(H1, S1, PORT_UNREACHABLE, &corrupt(&exchange.arrived));
            w.outbound(outward).dropped(DropReason::BadQuote);
        }
    }
}

/// I3c: the quoted transport checksum is not verified; as wrong as it was it stays: the world
/// compares.
#[test]
fn a_wrong_quoted_transport_checksum_is_forwarded() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        for packet in [&exchange.left, &exchange.arrived] {
            let mut quote = packet.bytes();
            let last = quote.len() - 1;
            quote[last] ^= 0x55;
            let outward = core::ptr::eq(packet, &raw const exchange.arrived);
            let outcome = if outward {
                w.outbound(icmp_error(H1, S1, PORT_UNREACHABLE, &quote))
            } else {
                w.inbound(icmp_error(TRANSIT, N, PORT_UNREACHABLE, &quote))
            };
            outcome.forwarded();
        }
    }
}

/// An extension structure (version 2) with one MPLS label stack object (RFC 4950).
const EXTENSION: [u8; 12] = [0x20, 0, 0xC1, 0x9A, 0, 8, 1, 1, 0x12, 0x34, 0x51, 0x40];

/// I3d, RFC 4884: extensions behind a padded quote pass as they are, both ways, in all errors that
/// may carry them.
#[test]
fn extensions_behind_the_quote_are_kept() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        for kind in [PORT_UNREACHABLE, TIME_EXCEEDED, (12, 0)] {
            for inward in [true, false] {
                let (quoted, own) = if inward {
                    (&exchange.left, &exchange.outgoing)
                } else {
                    (&exchange.arrived, &exchange.incoming)
                };
                let mut quote = quoted.bytes();
                quote.resize(128, 0);
                quote.extend(EXTENSION);
                let rest = [0, 32, 0, 0];
                let outcome = if inward {
                    w.inbound(icmp_error(TRANSIT, N, kind, &quote).rest(rest))
                } else {
                    w.outbound(icmp_error(H1, S1, kind, &quote).rest(rest))
                };
                let passed = outcome.forwarded();
                assert_eq!((passed.icmp_type(), passed.icmp_rest()), (kind, rest));
                let len = quoted.bytes().len();
                assert_eq!(
                    passed.payload()[len..],
                    quote[len..],
                    "{}: padding and extensions",
                    exchange.name
                );
                assert_quotes(&Packet::parse(&passed.payload()[..len]), own, exchange.name);
            }
        }
    }
}

/// I3d, RFC 4884 section 4.5: the quote may be cut where the extensions begin: they are no part of
/// the quoted packet, though its length reaches over them. The quoted checksum, which they are not
/// summed into, is that of the sender.
#[test]
fn extensions_behind_a_cut_quote_are_not_taken_for_its_packet() {
    // As RFC 4884 asks for, and less than that.
    for words in [7_u8, 9, 32, 64, 132] {
        let mut w = World::new();
        let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
        let sent = [
            connection.inside_sends(ACK | PSH).payload(&[0xA7; 1400]),
            udp(at(H1, 5000), at(S1, 53)).payload(&[0xA7; 1400]),
            udp(at(H1, 5000), at(S1, 53))
                .payload(&[0xA7; 1400])
                .checksum(Checksum::Zero),
            echo_request(H1, S1, 7).payload(&[0xA7; 1400]),
        ];
        for sent in sent {
            let own = Packet::parse(&sent.bytes());
            let mut quote = w.outbound(&sent).forwarded().bytes();
            let len = usize::from(words) * 4;
            quote.truncate(len);
            quote.extend(EXTENSION);
            let inside = w
                .inbound(icmp_error(TRANSIT, N, TIME_EXCEEDED, &quote).rest([0, words, 0, 0]))
                .forwarded();
            assert_eq!(inside.payload()[len..], EXTENSION);
            let received = inside.quote();
            assert_eq!(
                (received.source(), received.destination()),
                (own.source(), own.destination())
            );
            assert_eq!(
                received.body[..len - 20],
                own.body[..len - 20],
                "as the host sent it, its checksum too"
            );
        }
    }
}

/// I3d: some hosts and routers leave anything in the word that was unused before RFC 4884. A length
/// without an extension structure at that position counts as none, and all of the quote is
/// translated, its checksum too.
#[test]
fn a_length_without_an_extension_counts_as_none() {
    let mut w = World::new();
    for exchange in exchanges(&mut w) {
        for kind in [PORT_UNREACHABLE, TIME_EXCEEDED] {
            for rest in (0..=u8::MAX)
                .map(|words| [0xDE, words, 0xBE, 0xEF])
                .chain([[0, 0, 0x54, 0x93], [1, 0, 0, 0]])
            {
                let left = exchange.left.bytes();
                let received = w
                    .inbound(icmp_error(TRANSIT, N, kind, &left).rest(rest))
                    .forwarded();
                assert_eq!(received.icmp_rest(), rest, "as it came");
                assert_quotes(
                    &Packet::parse(received.payload()),
                    &exchange.outgoing,
                    exchange.name,
                );
                let arrived = exchange.arrived.bytes();
                let received = w
                    .outbound(icmp_error(H1, S1, kind, &arrived).rest(rest))
                    .forwarded();
                assert_quotes(
                    &Packet::parse(received.payload()),
                    &exchange.incoming,
                    exchange.name,
                );
            }
        }
    }
}

/// I4a, I5a: of a fragmented datagram the quote of the first fragment is matched by its ports; a
/// later fragment has none.
#[test]
fn an_error_about_a_first_fragment_is_translated() {
    let mut w = World::new();
    let fragments = udp(at(H1, 5000), at(S1, 53))
        .payload(&[7; 301])
        .may_fragment()
        .cut(&[104]);
    let left = [&fragments[0], &fragments[1]].map(|fragment| w.outbound(fragment).forwarded());
    let received = w
        .inbound(icmp_error(S1, N, (11, 1), &left[0].bytes()))
        .forwarded()
        .quote();
    assert_eq!(
        (received.source(), received.body),
        (at(H1, 5000), Packet::parse(&fragments[0].bytes()).body)
    );
    w.inbound(icmp_error(S1, N, (11, 1), &left[1].bytes()))
        .dropped(DropReason::BadQuote);
    let fragments = udp(at(S1, 53), left[0].source())
        .payload(&[7; 301])
        .may_fragment()
        .cut(&[104]);
    let arrived = [&fragments[0], &fragments[1]].map(|fragment| w.inbound(fragment).forwarded());
    let received = w
        .outbound(icmp_error(H1, S1, (11, 1), &arrived[0].bytes()))
        .forwarded()
        .quote();
    assert_eq!(
        (received.destination(), received.body),
        (left[0].source(), Packet::parse(&fragments[0].bytes()).body)
    );
    w.outbound(icmp_error(H1, S1, (11, 1), &arrived[1].bytes()))
        .dropped(DropReason::BadQuote);
}

/// I4, I5: an error about what no session knows is dropped, with a mapping or without.
#[test]
fn an_error_about_no_session_is_dropped() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = World::with(|config| config.filtering = filtering);
        let external = w.open_udp(at(H1, 5000), at(S1, 53));
        let no_session = [
            udp(external, at(S2, 53)),
            udp(at(N, external.port() ^ 1), at(S1, 53)),
            tcp(external, at(S1, 53), ACK),
            echo_request(N, S1, external.port()),
        ];
        for quoted in no_session {
            let reason = w
                .inbound(icmp_error(TRANSIT, N, PORT_UNREACHABLE, &quoted.bytes()))
                .refusal();
            assert!(
                matches!(reason, Some(DropReason::NoSession | DropReason::NoMapping)),
                "{reason:?}"
            );
        }
        let mut unknown = vec![
            udp(at(S2, 53), at(H1, 5001)),
            tcp(at(S2, 53), at(H1, 5000), ACK),
        ];
        if filtering != Filtering::EndpointIndependent {
            unknown.push(udp(at(S2, 53), at(H1, 5000)));
        }
        for quoted in unknown {
            let reason = w
                .outbound(icmp_error(H1, S2, PORT_UNREACHABLE, &quoted.bytes()))
                .refusal();
            assert!(
                matches!(reason, Some(DropReason::NoSession | DropReason::NoMapping)),
                "{reason:?}"
            );
        }
    }
}

/// I5: a host behind an open filter or a port forward says that its port is closed, before any
/// session has begun.
#[test]
fn a_closed_port_that_the_outside_may_reach_is_reported() {
    let mut w = World::with(|config| config.filtering = Filtering::EndpointIndependent);
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let arrived = w.inbound(udp(at(S2, 9), external)).forwarded().bytes();
    let left = w
        .outbound(icmp_error(H1, S2, PORT_UNREACHABLE, &arrived))
        .forwarded();
    assert_eq!(
        (*left.source().ip(), left.quote().destination()),
        (N, external)
    );
}

/// A11: quotes that are no packet, or not one that went from where the error goes.
#[test]
fn a_forged_quote_is_dropped() {
    let mut w = World::with(|config| config.external_addresses.push(N2).expect("there is room"));
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let other = if *external.ip() == N { N2 } else { N };
    let good = udp(external, at(S1, 53));
    let with_byte = |index: usize, value: u8| {
        let mut bytes = good.bytes();
        bytes[index] = value;
        if (20..=bytes.len()).contains(&field::header_len(&bytes)) {
            fix_header_checksum(&mut bytes);
        }
        bytes
    };
    let cases = [
        ("nothing", Vec::new()),
        ("half a header", good.bytes()[..10].to_vec()),
        ("a header alone", good.bytes()[..20].to_vec()),
        ("seven bytes of transport", good.bytes()[..27].to_vec()),
        (
            "seven bytes behind options",
            good.clone().options(&[1; 8]).bytes()[..35].to_vec(),
        ),
        ("version 6", with_byte(field::VERSION_AND_IHL, 0x65)),
        ("IHL 4", with_byte(field::VERSION_AND_IHL, 0x44)),
        (
            "IHL beyond the quote",
            with_byte(field::VERSION_AND_IHL, 0x4F),
        ),
        (
            "a total length below the header",
            with_byte(field::TOTAL_LENGTH.start + 1, 19),
        ),
        (
            "a total length below the transport header",
            with_byte(field::TOTAL_LENGTH.start + 1, 27),
        ),
        (
            "a later fragment",
            with_byte(field::FLAGS_AND_OFFSET.start + 1, 1),
        ),
        (
            "the other external address",
            udp(at(other, external.port()), at(S1, 53)).bytes(),
        ),
        ("an inside address", udp(at(H1, 5000), at(S1, 53)).bytes()),
        ("the other direction", udp(at(S1, 53), external).bytes()),
        (
            "an ICMP error",
            icmp_error(*external.ip(), S1, PORT_UNREACHABLE, &good.bytes()).bytes(),
        ),
    ];
    for (name, quote) in cases {
        let outcome = w.inbound(icmp_error(
            TRANSIT,
            *external.ip(),
            PORT_UNREACHABLE,
            &quote,
        ));
        let Outcome::Dropped(reason) = outcome else {
            panic!("{name}: {outcome:?}")
        };
        let short = quote.is_empty() && reason == DropReason::BadTransportLength;
        assert!(
            reason == DropReason::BadQuote || short,
            "{name}: {reason:?}"
        );
    }
    w.inbound(icmp_error(
        TRANSIT,
        *external.ip(),
        PORT_UNREACHABLE,
        &good.bytes(),
    ))
    .forwarded();
}

/// A11, from inside: an error leaves only toward the one whose packet it quotes.
#[test]
fn an_error_from_inside_goes_only_to_the_sender_of_what_it_quotes() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let arrived = w.inbound(udp(at(S1, 53), external)).forwarded().bytes();
    w.outbound(icmp_error(H1, S2, PORT_UNREACHABLE, &arrived))
        .dropped(DropReason::BadQuote);
    let own = udp(at(H1, 5000), at(S1, 53)).bytes();
    w.outbound(icmp_error(H1, S1, PORT_UNREACHABLE, &own))
        .dropped(DropReason::BadQuote);
}

/// A12, RFC 1122 section 3.2.2: no error about an error, whichever side sent it.
#[test]
fn an_error_about_the_nats_own_error_is_dropped() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let own = w
        .inbound(udp(at(S1, 53), external).ttl(1))
        .rejected(DropReason::TtlExpired);
    w.inbound(icmp_error(TRANSIT, N, PORT_UNREACHABLE, &own.bytes()))
        .dropped(DropReason::BadQuote);
}

/// Opens one session, with a packet each way.
type OpenExchange = fn(&mut World) -> Exchange;

fn udp_exchange(w: &mut World) -> Exchange {
    Exchange::new(w, "UDP", udp(at(H1, 5000), at(S1, 53)), |left| {
        udp(at(S1, 53), left.source())
    })
}

fn echo_exchange(w: &mut World) -> Exchange {
    Exchange::new(w, "echo", echo_request(H1, S1, 7), |left| {
        echo_reply(S1, N, left.query_id())
    })
}

fn tcp_exchange(w: &mut World) -> Exchange {
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    Exchange::new(w, "TCP", connection.inside_sends(ACK), |_| {
        connection.outside_sends(ACK)
    })
}

/// I6, X7.1: an error, from outside or inside, neither lengthens nor shortens the session that it
/// is about.
#[test]
fn errors_do_not_touch_the_timer() {
    let sessions: [(OpenExchange, u64); 3] = [
        (udp_exchange, 300),
        (echo_exchange, 60),
        (tcp_exchange, 7440),
    ];
    for (open, timeout) in sessions {
        for kind in [PORT_UNREACHABLE, TOO_BIG, TIME_EXCEEDED] {
            let mut w = World::new();
            let exchange = open(&mut w);
            w.advance(secs(timeout - 1));
            w.inbound(icmp_error(TRANSIT, N, kind, &exchange.left.bytes()))
                .forwarded();
            w.outbound(icmp_error(H1, S1, kind, &exchange.arrived.bytes()))
                .forwarded();
            assert_eq!(w.sessions()[0].expires_in, secs(1), "{}", exchange.name);
            w.advance(secs(2));
            w.inbound(exchange.incoming.bytes())
                .dropped(DropReason::NoMapping);
        }
    }
}

/// I6, T10: nor that of a connection that has not been answered yet, or that is closing.
#[test]
fn errors_do_not_touch_the_timer_of_a_connection_that_opens_or_closes() {
    for closing in [false, true] {
        let mut w = World::new();
        let mut connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
        if closing {
            w.inbound(connection.outside_sends(SYN | ACK)).forwarded();
            connection.outside_next += 1;
            w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
            connection.inside_next += 1;
            w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
        }
        let state = connection.state(&w);
        w.advance(secs(239));
        for code in [1, 3, 13] {
            let quoted =
                tcp(connection.external, connection.remote, SYN).seq(connection.inside_next - 1);
            w.inbound(icmp_error(TRANSIT, N, (3, code), &quoted.bytes()))
                .forwarded();
        }
        assert_eq!(
            w.session(connection.inside, connection.remote).expires_in,
            secs(1)
        );
        assert_eq!(connection.state(&w), state);
        w.advance(secs(2));
        assert!(!connection.is_alive(&w));
    }
}

/// X10: errors of two hosts that leave for one server do not share an identification.
#[test]
fn identifications_of_errors_do_not_collide() {
    let mut w = World::new();
    let ids = [H1, H2].map(|host| {
        let external = w.open_udp(at(host, 5000), at(S1, 53));
        let arrived = w.inbound(udp(at(S1, 53), external)).forwarded().bytes();
        let error = icmp_error(host, S1, PORT_UNREACHABLE, &arrived)
            .id(0x1234)
            .may_fragment();
        w.outbound(error).forwarded().ip.identification
    });
    assert_ne!(ids[0], ids[1]);
}

/// U12, T10, A9: no error of any type or code ends a session, whichever side it comes from.
#[test]
fn no_error_ends_a_session() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let id = w.open_echo(H1, S1, 7);
    let mut connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    let half_open = Connection::syn_sent(&mut w, at(H1, 5001), at(S1, 80));
    let before = w.sessions();
    for (kind, code) in [3, 4, 5, 11, 12]
        .into_iter()
        .flat_map(|kind| (0..=15).map(move |code| (kind, code)))
    {
        let error =
            |from, to, quoted: Datagram| icmp_error(from, to, (kind, code), &quoted.bytes());
        for quoted in [
            udp(external, at(S1, 53)),
            echo_request(N, S1, id),
            tcp(connection.external, connection.remote, ACK).seq(connection.inside_next),
            tcp(half_open.external, half_open.remote, SYN).seq(half_open.inside_next - 1),
        ] {
            let _ = w.inbound(error(TRANSIT, N, quoted.clone()));
            let _ = w.inbound(error(S1, N, quoted));
        }
        for quoted in [
            udp(at(S1, 53), at(H1, 5000)),
            echo_reply(S1, H1, 7),
            tcp(connection.remote, connection.inside, ACK).seq(connection.outside_next),
        ] {
            let _ = w.outbound(error(H1, S1, quoted));
        }
    }
    assert_eq!(w.sessions(), before);
    w.inbound(udp(at(S1, 53), external)).forwarded();
    w.inbound(echo_reply(S1, N, id)).forwarded();
    connection.send_from_outside(&mut w, b"still here");
    assert_eq!(half_open.state(&w), SessionState::InsideSyn);
    w.inbound(half_open.outside_sends(SYN | ACK)).forwarded();
    w.advance(secs(299));
    w.inbound(udp(at(S1, 53), external)).forwarded();
}

/// I10c: Source Quench is not passed on; a redirect from outside has no business inside.
#[test]
fn source_quench_and_redirect_are_not_forwarded() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let arrived = w.inbound(udp(at(S1, 53), external)).forwarded().bytes();
    let left = udp(external, at(S1, 53)).bytes();
    for kind in [4, 5] {
        w.inbound(icmp_error(TRANSIT, N, (kind, 0), &left))
            .dropped(DropReason::UnknownIcmpType);
        w.outbound(icmp_error(H1, S1, (kind, 0), &arrived))
            .dropped(DropReason::UnknownIcmpType);
    }
}

/// I-7.3: an error from inside that quotes a recorded or source route would reveal inside
/// addresses.
#[test]
fn a_quoted_route_does_not_leave() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.inbound(udp(at(S1, 53), external)).forwarded();
    for kind in [7, 131, 137] {
        let option = [kind, 7, 8, 192, 168, 1, 10, 0];
        for options in [
            &option[..],
            &[&[1, 1, 1, 1], &option[..]].concat(),
            &[&[148, 4, 0, 0], &option[..]].concat(),
        ] {
            let quoted = udp(at(S1, 53), at(H1, 5000)).options(options).bytes();
            let outcome = w.outbound(icmp_error(H1, S1, PORT_UNREACHABLE, &quoted));
            assert!(
                matches!(outcome, Outcome::Dropped(_)),
                "option {kind}: {outcome:?}"
            );
        }
    }
}

/// I-7.3: nor does an ICMP message with a source route in its own header, whether an error or a
/// query.
#[test]
fn icmp_with_a_source_route_does_not_leave() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.open_echo(H1, S1, 7);
    let arrived = w.inbound(udp(at(S1, 53), external)).forwarded().bytes();
    for kind in [7, 131, 137] {
        let options = [kind, 7, 8, 192, 168, 1, 10, 0];
        for message in [
            icmp_error(H1, S1, PORT_UNREACHABLE, &arrived),
            icmp_error(INSIDE_ROUTER, S1, TIME_EXCEEDED, &arrived),
            echo_request(H1, S1, 7),
            timestamp_request(H1, S1, 8),
        ] {
            let reason = if kind == 7 {
                DropReason::RecordRoute
            } else {
                DropReason::SourceRoute
            };
            w.outbound(message.options(&options)).dropped(reason);
        }
    }
}

/// Random cuts and corruptions of quotes: the world checks all that leaves.
#[test]
fn random_quotes_are_survived() {
    let mut random = fastrand::Rng::with_seed(4);
    let mut w = World::new();
    let exchanges = exchanges(&mut w);
    for _ in 0..3000 {
        let exchange = &exchanges[random.usize(..exchanges.len())];
        let inward = random.bool();
        let mut quote = if inward {
            exchange.left.bytes()
        } else {
            exchange.arrived.bytes()
        };
        for _ in 0..random.usize(..3) {
            let index = random.usize(..quote.len());
            quote[index] = random.u8(..);
        }
        let whole = (20..=quote.len()).contains(&field::header_len(&quote));
        if random.bool() && whole {
            fix_header_checksum(&mut quote);
        }
        quote.truncate(random.usize(..=quote.len()));
        let kind = [PORT_UNREACHABLE, TOO_BIG, TIME_EXCEEDED, (12, 0)][random.usize(..4)];
        let error = |from, to| icmp_error(from, to, kind, &quote);
        let _ = if inward {
            w.inbound(error(TRANSIT, N))
        } else {
            w.outbound(error(H1, S1))
        };
    }
}
