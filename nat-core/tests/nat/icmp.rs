//! ICMP queries: RFC 5508 section 3.

use crate::world::*;
use nat_core::{DropReason, SessionProtocol, SessionState};

/// I1: an echo request leaves with an identifier of the NAT's, and the reply comes back with the
/// host's.
#[test]
fn echo_goes_out_and_comes_back() {
    let mut w = World::new();
    let left = w.outbound(echo_request(H1, S1, 7)).forwarded();
    assert_eq!((left.source().ip(), left.icmp_type()), (&N, (8, 0)));
    let reply = w.inbound(echo_reply(S1, N, left.query_id())).forwarded();
    assert_eq!(
        (reply.destination(), reply.payload()),
        (at(H1, 7), &b"are you there?"[..])
    );
    let session = w.session(at(H1, 7), at(S1, 0));
    assert_eq!(
        (session.protocol, session.state),
        (SessionProtocol::Icmp, SessionState::Active)
    );
    assert_eq!(session.external, at(N, left.query_id()));
}

/// I1: timestamps are translated like echoes.
#[test]
fn timestamps_go_out_and_come_back() {
    let mut w = World::new();
    let left = w.outbound(timestamp_request(H1, S1, 7)).forwarded();
    assert_eq!(left.icmp_type(), (13, 0));
    assert_eq!(
        w.inbound(timestamp_reply(S1, N, left.query_id()))
            .forwarded()
            .destination(),
        at(H1, 7)
    );
}

/// I1: every sequence number of one ping is one session.
#[test]
fn a_ping_is_one_session() {
    let mut w = World::new();
    let id = w.open_echo(H1, S1, 7);
    for sequence in 2..50 {
        let left = w
            .outbound(echo_request(H1, S1, 7).rest([0, 7, 0, sequence]))
            .forwarded();
        assert_eq!(left.query_id(), id);
        let [high, low] = id.to_be_bytes();
        let reply = w
            .inbound(echo_reply(S1, N, id).rest([high, low, 0, sequence]))
            .forwarded();
        assert_eq!(reply.icmp_rest(), [0, 7, 0, sequence]);
    }
    assert_eq!(w.sessions().len(), 1);
}

/// I1: identifiers of all values are translated, 0 among them.
#[test]
fn every_identifier_is_translated() {
    let mut w = World::new();
    for id in [0, 1, 1023, 1024, 0x8000, 0xFFFF] {
        let external = w.open_echo(H1, S1, id);
        assert_eq!(
            w.inbound(echo_reply(S1, N, external))
                .forwarded()
                .query_id(),
            id
        );
    }
}

/// R1: an identifier is as hard to guess as a port.
#[test]
fn identifiers_are_not_preserved() {
    let mut w = World::new();
    let preserved = (5000..5100)
        .filter(|id| w.open_echo(H1, S1, *id) == *id)
        .count();
    assert!(
        preserved < 5,
        "{preserved} of 100 identifiers were preserved"
    );
}

/// An unsolicited reply, and one from inside, open no session.
#[test]
fn replies_open_no_session() {
    let mut w = World::new();
    for reply in [echo_reply(H1, S1, 7), timestamp_reply(H1, S1, 7)] {
        assert!(w.outbound(reply).refusal().is_some());
    }
    for reply in [echo_reply(S1, N, 7), timestamp_reply(S1, N, 7)] {
        w.inbound(reply).dropped(DropReason::NoMapping);
    }
    assert_eq!(w.sessions(), []);
}

/// Requests from outside are unsolicited, also for an identifier that is mapped.
#[test]
fn requests_from_outside_are_dropped() {
    let mut w = World::new();
    let id = w.open_echo(H1, S1, 7);
    for request in [
        echo_request(S1, N, id),
        timestamp_request(S1, N, id),
        echo_request(S2, N, 99),
    ] {
        assert!(matches!(w.inbound(request), Outcome::Dropped(_)));
    }
}

/// I2, I2a: a query's session lives its minute from the last request.
#[test]
fn requests_refresh_a_query() {
    let mut w = World::new();
    let id = w.open_echo(H1, S1, 7);
    w.advance(secs(50));
    assert_eq!(w.open_echo(H1, S1, 7), id);
    w.advance(secs(59));
    w.inbound(echo_reply(S1, N, id)).forwarded();
    w.advance(secs(121));
    w.inbound(echo_reply(S1, N, id))
        .dropped(DropReason::NoMapping);
}

/// A query code that is not 0 is not one of those we know.
#[test]
fn a_query_with_a_code_never_comes_in_by_itself() {
    let mut w = World::new();
    w.inbound(icmp(S1, N, 0, 1, [0, 7, 0, 1]))
        .refusal()
        .expect("a refusal");
    w.inbound(icmp(S1, N, 8, 1, [0, 7, 0, 1]))
        .refusal()
        .expect("a refusal");
}
