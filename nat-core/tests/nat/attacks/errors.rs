//! A9 to A12: forged ICMP errors, which no router on the path has sent.

use nat_core::{DropReason, Side, Verdict};

use super::victim::{HOST, PORTS, SERVER, Victim, learns_nothing};
use crate::world::*;

const PROTOCOL_UNREACHABLE: (u8, u8) = (3, 2);
const PORT_UNREACHABLE: (u8, u8) = (3, 3);
const TOO_BIG: (u8, u8) = (3, 4);

/// A9: "protocol unreachable" and "port unreachable" about every port, quoting the connection as
/// far as an attacker can guess it. The one that fits is translated, as an error of a router on the
/// way would be, and ends nothing.
#[test]
fn a9_hard_errors_end_no_session() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let external = victim.connection.external;
    for kind in [PROTOCOL_UNREACHABLE, PORT_UNREACHABLE] {
        victim.under(&mut w, PORTS, |w, port| {
            let quote = tcp(at(N, port), SERVER, ACK).seq(u32::from(port)).bytes();
            let outcome = w.inbound(icmp_error(TRANSIT, N, kind, &quote[..28]));
            learns_nothing(&outcome);
            assert_eq!(outcome.is_forwarded(), port == external.port());
        });
    }
    let own = w.outbound(victim.connection.inside_sends(ACK)).forwarded();
    for kind in [3, 11, 12] {
        victim.under(&mut w, 0..16, |w, code| {
            learns_nothing(&w.inbound(icmp_error(TRANSIT, N, (kind, code), &own.bytes())));
        });
    }
}

/// A10: every path MTU there is. Those that no path can have are dropped; the others are the host's
/// to judge. The NAT takes none of them for itself: what the victim sends afterwards is as long as
/// before.
#[test]
fn a10_no_error_lowers_the_nats_own_mtu() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let own = w
        .outbound(victim.connection.inside_sends(ACK))
        .forwarded()
        .bytes();
    victim.under(&mut w, 0..=u16::MAX, |w, mtu| {
        let [high, low] = mtu.to_be_bytes();
        let outcome = w.inbound(icmp_error(TRANSIT, N, TOO_BIG, &own).rest([0, 0, high, low]));
        // Zero is how routers say it that are older than RFC 1191.
        assert_eq!(
            outcome.refusal(),
            (1..68).contains(&mtu).then_some(DropReason::BadQuote),
            "{mtu}"
        );
    });
    w.outbound(victim.connection.inside_sends(ACK).payload(&[7; 1460]))
        .forwarded();
}

/// A11: quotes with one wrong byte each, in every byte of their headers, or with a wrong length.
#[test]
fn a11_forged_quotes_lead_nowhere() {
    let mut w = World::with(|config| config.external_addresses.push(N2).expect("there is room"));
    let mut victim = Victim::open(&mut w);
    let own = w.outbound(victim.connection.inside_sends(ACK)).forwarded();
    let (external, quote) = (own.source(), own.bytes());
    let other = if *external.ip() == N { N2 } else { N };
    let lies: [(&str, Vec<u8>); 9] = [
        (
            "another external address",
            tcp(at(other, external.port()), SERVER, ACK).bytes(),
        ),
        ("an inside address", tcp(HOST, SERVER, ACK).bytes()),
        (
            "an outside address",
            tcp(at(S2, external.port()), SERVER, ACK).bytes(),
        ),
        ("another server", tcp(external, at(S2, 443), ACK).bytes()),
        (
            "another port of the server",
            tcp(external, at(S1, 444), ACK).bytes(),
        ),
        ("another protocol", udp(external, SERVER).bytes()),
        ("backwards", tcp(SERVER, external, ACK).bytes()),
        (
            "an error",
            icmp_error(*external.ip(), S1, PORT_UNREACHABLE, &quote).bytes(),
        ),
        (
            "a later fragment",
            tcp(external, SERVER, ACK)
                .may_fragment()
                .fragment(8, false)
                .body(&[0; 20])
                .bytes(),
        ),
    ];
    victim.under(&mut w, lies, |w, (name, lie)| {
        let outcome = w.inbound(icmp_error(TRANSIT, *external.ip(), PORT_UNREACHABLE, &lie));
        learns_nothing(&outcome);
        assert!(!outcome.is_forwarded(), "{name}");
    });
    victim.under(&mut w, 0..28, |w, len| {
        let outcome = w.inbound(icmp_error(
            TRANSIT,
            *external.ip(),
            PORT_UNREACHABLE,
            &quote[..len],
        ));
        assert!(
            matches!(outcome, Outcome::Dropped(_)),
            "{len} bytes of a quote: {outcome:?}"
        );
    });
    // The true quote, to the wrong address.
    w.inbound(icmp_error(TRANSIT, other, PORT_UNREACHABLE, &quote))
        .dropped(DropReason::BadQuote);
    for value in 0..=u8::MAX {
        victim.under(&mut w, 0..24, |w, index: usize| {
            let mut lie = quote.clone();
            lie[index] = value;
            if index != 10
                && index != 11
                && lie[0] & 15 >= 5
                && usize::from(lie[0] & 15) * 4 <= lie.len()
            {
                fix_header_checksum(&mut lie);
            }
            let error = icmp_error(TRANSIT, *external.ip(), PORT_UNREACHABLE, &lie);
            // Some hosts quote a length that is too short for the quoted header; it cannot be
            // summed.
            if index == 2 || index == 3 {
                let verdict = w.flood(error, Side::Outside);
                assert!(
                    !matches!(verdict, Verdict::Reject(_) | Verdict::Local { .. }),
                    "{verdict:?}"
                );
            } else {
                learns_nothing(&w.inbound(error));
            }
        });
    }
}

/// A12: errors about packets of the NAT itself, or about hairpinned packets, to make it answer or
/// lose state.
#[test]
fn a12_errors_about_the_nats_own_answers_are_dropped() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    // A RST and an error of its own, inside; and the only error it sends outside.
    let reset = w
        .outbound(tcp(at(H1, 1), SERVER, ACK).seq(1).ack(2))
        .rejected(DropReason::NoSession);
    let expired = w
        .outbound(udp(at(H1, 1), SERVER).ttl(1))
        .rejected(DropReason::TtlExpired);
    let outside = w
        .inbound(victim.connection.outside_sends(ACK).ttl(1))
        .rejected(DropReason::TtlExpired);
    let turned = w.outbound(udp(at(H1, 1), victim.external)).forwarded();
    let sessions = w.sessions();
    for kind in [
        PROTOCOL_UNREACHABLE,
        PORT_UNREACHABLE,
        TOO_BIG,
        (11, 0),
        (12, 0),
    ] {
        for own in [&reset, &expired] {
            let answer = w.outbound(icmp_error(H1, *own.source().ip(), kind, &own.bytes()));
            assert!(
                matches!(answer, Outcome::Dropped(_) | Outcome::Local(..)),
                "{answer:?}"
            );
        }
        learns_nothing(&w.inbound(icmp_error(S1, N, kind, &outside.bytes())));
        learns_nothing(&w.inbound(icmp_error(S1, N, kind, &turned.bytes())));
        learns_nothing(&w.inbound(icmp_error(S1, N, kind, &reset.bytes())));
    }
    assert_eq!(w.sessions(), sessions);
    victim.talk(&mut w);
}
