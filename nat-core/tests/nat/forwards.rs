//! Port forwards: static mappings on the primary external address.

use core::net::SocketAddrV4;

use crate::world::*;
use nat_core::{
    DropReason, MAX_PORT_FORWARDS, PortForward, PortForwardError, PortRange, Protocol, SessionState,
};

use Protocol::{Tcp, Udp};

const fn forward(protocol: Protocol, external_port: u16, to: SocketAddrV4) -> PortForward {
    PortForward::new(protocol, external_port, to)
}

fn with(forwards: impl IntoIterator<Item = PortForward>) -> World {
    let mut w = World::new();
    for forward in forwards {
        w.nat
            .add_port_forward(forward)
            .expect("the port forward is accepted");
    }
    w
}

/// What arrives at the forwarded port goes to the inside endpoint, from whichever sender, and
/// answers go back.
#[test]
fn the_outside_reaches_a_forwarded_endpoint() {
    let mut w = with([
        forward(Tcp, 8080, at(H1, 80)),
        forward(Udp, 53, at(H2, 5353)),
    ]);
    for client in [at(S1, 40000), at(S2, 40000), at(S2, 40001)] {
        let syn = w.inbound(tcp(client, at(N, 8080), SYN).seq(10)).forwarded();
        assert_eq!(syn.destination(), at(H1, 80));
        assert!(
            w.sessions().iter().all(|session| session.remote != client),
            "a session begins with the answer"
        );
        let answer = w
            .outbound(tcp(at(H1, 80), client, SYN | ACK).seq(90).ack(11))
            .forwarded();
        assert_eq!(answer.source(), at(N, 8080));
        assert_eq!(
            w.session(at(H1, 80), client).state,
            SessionState::OutsideSyn
        );
        w.inbound(tcp(client, at(N, 8080), ACK).seq(11).ack(91))
            .forwarded();
        assert_eq!(
            w.session(at(H1, 80), client).state,
            SessionState::Established
        );
        assert_eq!(
            w.inbound(udp(client, at(N, 53))).forwarded().destination(),
            at(H2, 5353)
        );
        assert_eq!(
            w.outbound(udp(at(H2, 5353), client)).forwarded().source(),
            at(N, 53)
        );
    }
    assert!(w.sessions().iter().all(|session| session.is_static));
}

/// The forward is of one protocol and one port; all else stays closed.
#[test]
fn nothing_else_is_opened_by_a_forward() {
    let mut w = with([forward(Tcp, 8080, at(H1, 80))]);
    w.inbound(udp(at(S1, 9), at(N, 8080)))
        .dropped(DropReason::NoMapping);
    w.inbound(tcp(at(S1, 9), at(N, 8081), SYN))
        .dropped(DropReason::NoMapping);
    w.inbound(tcp(at(S1, 9), at(N, 80), SYN))
        .dropped(DropReason::NoMapping);
    for flags in [ACK, SYN | ACK, FIN | ACK, RST] {
        assert!(
            matches!(
                w.inbound(tcp(at(S1, 9), at(N, 8080), flags)),
                Outcome::Dropped(_)
            ),
            "flags {flags:#04x}"
        );
    }
}

/// NP9: what the inside endpoint sends by itself leaves from the forwarded port.
#[test]
fn the_inside_endpoint_sends_from_its_forwarded_port() {
    let mut w = with([
        forward(Udp, 4500, at(H1, 5000)),
        forward(Tcp, 4501, at(H1, 5000)),
    ]);
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), at(N, 4500));
    assert_eq!(w.open_tcp(at(H1, 5000), at(S1, 80)).external, at(N, 4501));
    // Only that endpoint does.
    assert_ne!(w.open_udp(at(H1, 5001), at(S1, 53)).port(), 4500);
    assert_ne!(w.open_udp(at(H2, 5000), at(S1, 53)).port(), 4500);
}

/// No dynamic mapping takes a forwarded port, though it is the only one left.
#[test]
fn dynamic_mappings_never_take_a_forwarded_port() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(30000, 30007).expect("eight ports"));
    w.nat
        .add_port_forward(forward(Udp, 30003, at(H2, 80)))
        .expect("the port forward is accepted");
    for i in 0..7 {
        assert_ne!(w.open_udp(at(H1, 5000 + i), at(S1, 53)).port(), 30003);
    }
    w.outbound(udp(at(H1, 6000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
    assert_eq!(
        w.inbound(udp(at(S1, 53), at(N, 30003)))
            .forwarded()
            .destination(),
        at(H2, 80)
    );
}

/// Each mistake has its error, and changes nothing.
#[test]
fn impossible_forwards_are_refused() {
    let mut w = World::with(|config| {
        config.reserved_ports = Some(PortRange::new(60000, 60009).expect("ten ports"));
    });
    w.nat
        .add_port_forward(forward(Tcp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
    let network = "192.168.1.0".parse().expect("an address");
    let broadcast = "192.168.1.255".parse().expect("an address");
    let cases = [
        (forward(Tcp, 0, at(H1, 81)), PortForwardError::PortZero),
        (forward(Tcp, 81, at(H1, 0)), PortForwardError::PortZero),
        (forward(Tcp, 81, at(S1, 81)), PortForwardError::NotInside),
        (forward(Tcp, 81, at(N, 81)), PortForwardError::NotInside),
        (
            forward(Tcp, 81, at(ROUTER, 81)),
            PortForwardError::NotInside,
        ),
        (
            forward(Tcp, 81, at(network, 81)),
            PortForwardError::NotInside,
        ),
        (
            forward(Tcp, 81, at(broadcast, 81)),
            PortForwardError::NotInside,
        ),
        (
            forward(Tcp, 8080, at(H2, 81)),
            PortForwardError::ExternalPortInUse,
        ),
        (
            forward(Tcp, 8080, at(H1, 80)),
            PortForwardError::ExternalPortInUse,
        ),
        (
            forward(Tcp, 81, at(H1, 80)),
            PortForwardError::InsideEndpointInUse,
        ),
        (
            forward(Tcp, 60000, at(H1, 81)),
            PortForwardError::PortReserved,
        ),
        (
            forward(Tcp, 60009, at(H1, 81)),
            PortForwardError::PortReserved,
        ),
    ];
    for (wrong, error) in cases {
        assert_eq!(w.nat.add_port_forward(wrong), Err(error), "{wrong:?}");
        assert_eq!(w.nat.port_forwards().count(), 1, "{wrong:?}");
    }
    // The other protocol is another forward.
    w.nat
        .add_port_forward(forward(Udp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
}

/// As many forwards as there can be are accepted, and one more has its error.
#[test]
fn the_number_of_forwards_is_limited() {
    let mut w = World::sized::<4, 8, 2>(|_| ());
    for i in 0..MAX_PORT_FORWARDS as u16 {
        w.nat
            .add_port_forward(forward(Tcp, 8080 + i, at(H1, 80 + i)))
            .expect("there is room");
    }
    assert_eq!(
        w.nat.add_port_forward(forward(Tcp, 9000, at(H2, 90))),
        Err(PortForwardError::TooMany)
    );
    assert!(w.remove_port_forward(&forward(Tcp, 8080, at(H1, 80))));
    w.nat
        .add_port_forward(forward(Tcp, 9000, at(H2, 90)))
        .expect("there is room again");
}

/// A forward takes no slot in the tables before its target has answered.
#[test]
fn a_forward_takes_no_place_until_it_is_used() {
    let mut w = World::sized::<1, 1, 1>(|_| ());
    w.nat
        .add_port_forward(forward(Udp, 53, at(H1, 53)))
        .expect("the port forward is accepted");
    w.inbound(udp(at(S1, 9), at(N, 53))).forwarded();
    w.open_udp(at(H2, 5000), at(S1, 53));
    w.inbound(udp(at(S1, 9), at(N, 53))).forwarded();
    w.outbound(udp(at(H1, 53), at(S1, 9)))
        .rejected(DropReason::MappingTableFull);
}

/// A removed forward ends with its sessions, and its port is closed.
#[test]
fn removing_a_forward_ends_its_sessions() {
    let mut w = with([
        forward(Udp, 53, at(H1, 5353)),
        forward(Udp, 54, at(H1, 5354)),
    ]);
    for (external, inside) in [(53, 5353), (54, 5354)] {
        w.inbound(udp(at(S1, 9), at(N, external))).forwarded();
        assert_eq!(w.open_udp(at(H1, inside), at(S1, 9)), at(N, external));
    }
    let first = forward(Udp, 53, at(H1, 5353));
    assert!(w.remove_port_forward(&first));
    assert!(!w.remove_port_forward(&first), "it is gone");
    assert!(
        !w.remove_port_forward(&forward(Tcp, 54, at(H1, 5354))),
        "there is none of that protocol"
    );
    assert_eq!(w.sessions().len(), 1);
    w.inbound(udp(at(S1, 9), at(N, 53)))
        .dropped(DropReason::NoMapping);
    w.inbound(udp(at(S1, 9), at(N, 54))).forwarded();
    // The endpoint is an ordinary one now.
    w.open_udp(at(H1, 5353), at(S1, 53));
}

/// A forward outlives its sessions.
#[test]
fn a_forward_stays_when_its_sessions_end() {
    let mut w = with([forward(Udp, 4500, at(H1, 5000))]);
    for _ in 0..3 {
        w.inbound(udp(at(S1, 9), at(N, 4500))).forwarded();
        w.outbound(udp(at(H1, 5000), at(S1, 9))).forwarded();
        w.advance(secs(1000));
        assert_eq!(w.sessions(), []);
    }
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), at(N, 4500));
}

/// The list of forwards is what was added.
#[test]
fn forwards_are_listed() {
    let both = [
        forward(Tcp, 8080, at(H1, 80)),
        forward(Udp, 8080, at(H1, 80)),
    ];
    let w = with(both);
    let listed: Vec<_> = w.nat.port_forwards().collect();
    assert_eq!(listed.len(), 2);
    assert!(both.iter().all(|forward| listed.contains(forward)));
}

/// Forwards are on the primary external address, whatever that is at the time.
#[test]
fn forwards_follow_the_primary_address() {
    let mut w = with([
        forward(Tcp, 8080, at(H1, 80)),
        forward(Udp, 4500, at(H1, 5000)),
    ]);
    w.inbound(tcp(at(S1, 9), at(N, 8080), SYN).seq(10))
        .forwarded();
    w.outbound(tcp(at(H1, 80), at(S1, 9), SYN | ACK).ack(11))
        .forwarded();
    w.set_external_addresses(&[N2, N])
        .expect("the addresses can work");
    assert_eq!(
        w.inbound(tcp(at(S2, 9), at(N2, 8080), SYN))
            .forwarded()
            .destination(),
        at(H1, 80)
    );
    assert_eq!(w.open_udp(at(H1, 5000), at(S2, 53)), at(N2, 4500));
    assert!(
        w.inbound(tcp(at(S2, 9), at(N, 8080), SYN))
            .refusal()
            .is_some(),
        "no longer the primary address"
    );
}

/// A forward may be set up before there is an address.
#[test]
fn a_forward_waits_for_an_address() {
    let mut w = World::with(|config| config.external_addresses.clear());
    w.nat
        .add_port_forward(forward(Tcp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
    w.inbound(tcp(at(S1, 9), at(N, 8080), SYN))
        .dropped(DropReason::NotForUs);
    w.set_external_addresses(&[N])
        .expect("the address can work");
    assert_eq!(
        w.inbound(tcp(at(S1, 9), at(N, 8080), SYN))
            .forwarded()
            .destination(),
        at(H1, 80)
    );
}

/// A forward to an endpoint, or of a port, that is in use by a mapping takes over, or is refused;
/// never both.
#[test]
fn a_forward_and_a_living_mapping_do_not_share_a_port() {
    let mut w = World::with(|config| config.ports = PortRange::new(30000, 30000).expect("a port"));
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), at(N, 30000));
    let taken = w.nat.add_port_forward(forward(Udp, 30000, at(H2, 80)));
    let inside = w
        .inbound(udp(at(S1, 53), at(N, 30000)))
        .forwarded()
        .destination();
    match taken {
        Ok(()) => assert_eq!(inside, at(H2, 80)),
        Err(_) => assert_eq!(inside, at(H1, 5000)),
    }
}

/// U1: an endpoint that gets a forward while it talks has one external endpoint, not two.
#[test]
fn an_endpoint_with_a_new_forward_has_one_external_endpoint() {
    let mut w = World::new();
    let before = w.open_udp(at(H1, 5000), at(S1, 53));
    let outcome = w.nat.add_port_forward(forward(Udp, 4500, at(H1, 5000)));
    let expected = if outcome.is_ok() { at(N, 4500) } else { before };
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), expected);
    assert_eq!(w.open_udp(at(H1, 5000), at(S2, 53)), expected);
}

/// A forwarded connection ends and is opened again like any other.
#[test]
fn a_forwarded_connection_is_tracked_to_its_end() {
    let mut w = with([forward(Tcp, 8080, at(H1, 80))]);
    let client = at(S1, 40000);
    for isn in [100, 500_000] {
        w.inbound(tcp(client, at(N, 8080), SYN).seq(isn))
            .forwarded();
        w.outbound(tcp(at(H1, 80), client, SYN | ACK).seq(isn).ack(isn + 1))
            .forwarded();
        w.inbound(tcp(client, at(N, 8080), ACK).seq(isn + 1).ack(isn + 1))
            .forwarded();
        w.inbound(
            tcp(client, at(N, 8080), FIN | ACK)
                .seq(isn + 1)
                .ack(isn + 1),
        )
        .forwarded();
        w.outbound(tcp(at(H1, 80), client, FIN | ACK).seq(isn + 1).ack(isn + 2))
            .forwarded();
        assert_eq!(w.session(at(H1, 80), client).state, SessionState::Closing);
        w.inbound(tcp(client, at(N, 8080), ACK).seq(isn + 2).ack(isn + 2))
            .forwarded();
    }
}

/// The closed port of a forwarded host answers with its own RST, which is translated.
#[test]
fn a_forwarded_host_may_refuse() {
    let mut w = with([forward(Tcp, 8080, at(H1, 80))]);
    w.inbound(tcp(at(S1, 9), at(N, 8080), SYN).seq(10))
        .forwarded();
    let refusal = w
        .outbound(tcp(at(H1, 80), at(S1, 9), RST | ACK).seq(0).ack(11))
        .forwarded();
    assert_eq!(refusal.source(), at(N, 8080));
}

/// Two forwards of ports 40000 to 40044, one on the primary address and one on another that becomes
/// the primary.
fn meeting() -> (World, [PortForward; 2]) {
    let mut w = World::with(|config| {
        config.external_addresses.push(N2).expect("there is room");
        config.ports = PortRange::new(40_000, 40_099).expect("a range");
    });
    let primary = PortForward {
        ports: 45,
        ..forward(Udp, 40_000, at(H1, 5000))
    };
    let named = PortForward {
        external_address: Some(N2),
        ports: 45,
        ..forward(Udp, 40_000, at(H2, 6000))
    };
    for forward in [primary, named] {
        w.nat.add_port_forward(forward).expect("they do not meet");
    }
    assert_eq!(w.nat.inactive_port_forwards().count(), 0);
    w.set_external_addresses(&[N2]).expect("an address");
    (w, [primary, named])
}

/// Forwards that come to share ports keep them once: the later one rests, and all other ports are
/// there to be drawn.
#[test]
fn forwards_that_come_to_share_a_port_keep_it_once() {
    let (mut w, [_, named]) = meeting();
    assert!(w.nat.inactive_port_forwards().eq([named]));
    assert_eq!(
        w.inbound(udp(at(S1, 7), at(N2, 40_000)))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
    // What the resting one is for draws a port like any other.
    assert!(w.open_udp(at(H2, 6000), at(S1, 9)).port() >= 40_045);
    for port in 1..55 {
        w.open_udp(at(H3, 2000 + port), at(S1, 9));
    }
    w.outbound(udp(at(H3, 3000), at(S1, 9)))
        .rejected(DropReason::PortsExhausted);
}

/// A forward that rests takes effect when the one before it goes, or when its address is no longer
/// the primary; its target never has two external endpoints, and no port is lost.
#[test]
fn a_resting_forward_takes_effect_when_the_other_goes() {
    for removed in [true, false] {
        let (mut w, [primary, named]) = meeting();
        w.open_udp(at(H2, 6000), at(S1, 9));
        if removed {
            assert!(w.remove_port_forward(&primary));
        } else {
            w.set_external_addresses(&[N, N2]).expect("addresses");
        }
        assert_eq!(w.nat.inactive_port_forwards().count(), 0);
        assert_eq!(w.open_udp(at(H2, 6000), at(S1, 9)), at(N2, 40_000));
        assert_eq!(
            w.inbound(udp(at(S1, 7), at(N2, 40_001)))
                .forwarded()
                .destination(),
            at(H2, 6001)
        );
        assert!(w.remove_port_forward(&named));
        w.clear();
        w.set_external_addresses(&[N2]).expect("an address");
        w.advance(secs(121));
        let left = if removed { 100 } else { 55 };
        for port in 0..left {
            w.open_udp(at(H3, 2000 + port), at(S1, 9));
        }
        w.outbound(udp(at(H3, 3000), at(S1, 9)))
            .rejected(DropReason::PortsExhausted);
    }
}

/// A mapping that has drawn the very port which a forward gives its endpoint later is not counted
/// beside the forward.
#[test]
fn a_dynamic_port_that_gets_a_forward_is_counted_once() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(40_000, 40_000).expect("a port"));
    let resting = PortForward {
        external_address: Some(N2),
        ..forward(Udp, 40_000, at(H1, 5000))
    };
    w.nat.add_port_forward(resting).expect("it rests");
    assert_eq!(w.nat.inactive_port_forwards().count(), 1);
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 9)), at(N, 40_000));
    assert!(w.sessions().iter().all(|session| !session.is_static));
    assert!(w.remove_port_forward(&resting));
    w.nat
        .add_port_forward(forward(Udp, 40_000, at(H1, 5000)))
        .expect("a forward");
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 9)), at(N, 40_000));
    assert!(w.sessions().iter().all(|session| session.is_static));
}
