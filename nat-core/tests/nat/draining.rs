//! Taking an external address away while its sessions go on.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use crate::world::*;
use nat_core::{
    Config, DropReason, Instant, Mapping, OneToOne, PortForward, PortRange, Protocol, Timeouts,
};

/// How long AWS drains.
const LONGEST: Duration = secs(350);

/// A world with the external addresses [`N`] and [`N2`], whose primary is about to go.
fn world() -> World {
    with(|_| ())
}

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(|config| {
        config.external_addresses.push(N2).expect("there is room");
        config.timeouts.udp = secs(3600);
        change(config);
    })
}

#[track_caller]
fn drain(w: &mut World, address: Ipv4Addr) -> Instant {
    assert!(w.drain_address(address, LONGEST));
    w.now().saturating_add(LONGEST)
}

/// Opens sessions of `host` until one leaves from `address`: its inside and its external endpoint.
#[track_caller]
fn on(w: &mut World, address: Ipv4Addr) -> (SocketAddrV4, SocketAddrV4) {
    for host in 20..100 {
        let inside = at(Ipv4Addr::new(192, 168, 1, host), 5000);
        let external = w.open_udp(inside, at(S1, 53));
        if *external.ip() == address {
            return (inside, external);
        }
        w.clear();
    }
    panic!("no host gets {address}");
}

fn draining(w: &World) -> Vec<Ipv4Addr> {
    w.nat.draining_addresses().collect()
}

/// AWS-removing-an-address: no new mapping gets the address, and the sessions that there are go on
/// in both directions.
#[test]
fn old_sessions_go_on_and_new_ones_go_elsewhere() {
    let mut w = world();
    let (inside, external) = on(&mut w, N);
    let connection = w.open_tcp(at(*inside.ip(), 6000), at(S1, 80));
    drain(&mut w, N);
    assert_eq!(
        (w.nat.external_addresses(), draining(&w)),
        (&[N2][..], vec![N])
    );
    for step in [0, 100, 100, 100, 49] {
        w.advance(secs(step));
        assert_eq!(w.open_udp(inside, at(S1, 53)), external);
        assert_eq!(
            w.inbound(udp(at(S1, 53), external))
                .forwarded()
                .destination(),
            inside
        );
        w.outbound(connection.inside_sends(ACK)).forwarded();
        w.inbound(connection.outside_sends(ACK)).forwarded();
        let error = icmp_error(TRANSIT, N, (11, 0), &udp(external, at(S1, 53)).bytes());
        assert_eq!(
            *w.inbound(error).forwarded().destination().ip(),
            *inside.ip()
        );
        assert_eq!(
            *w.open_udp(at(*inside.ip(), 7000 + step as u16), at(S1, 53))
                .ip(),
            N2
        );
        assert_eq!(*w.open_udp(at(H2, 7000), at(S1, 53)).ip(), N2);
    }
}

/// AWS-removing-an-address, 350 s: then its sessions are gone, whether or not `handle_timeout` was
/// called.
#[test]
fn at_the_end_its_sessions_are_gone() {
    for in_time in [true, false] {
        let mut w = world();
        let (inside, external) = on(&mut w, N);
        let connection = w.open_tcp(at(*inside.ip(), 6000), at(S1, 80));
        drain(&mut w, N);
        let wait: fn(&mut World, Duration) = if in_time { World::advance } else { World::jump };
        wait(&mut w, LONGEST - Duration::from_millis(1));
        w.inbound(udp(at(S1, 53), external)).forwarded();
        w.outbound(udp(inside, at(S1, 53))).forwarded();
        wait(&mut w, Duration::from_millis(1));
        w.inbound(udp(at(S1, 53), external))
            .dropped(DropReason::NotForUs);
        w.inbound(connection.outside_sends(ACK))
            .dropped(DropReason::NotForUs);
        assert!(
            w.sessions()
                .iter()
                .all(|session| !session.external.ip().is_unspecified()),
            "{:?}",
            w.sessions()
        );
        let outcome = w.outbound(connection.inside_sends(ACK));
        if in_time {
            outcome.rejected(DropReason::NoSession);
            assert_eq!(w.sessions(), []);
            assert_eq!(*w.open_udp(inside, at(S1, 53)).ip(), N2);
        } else {
            assert_eq!(outcome.refusal(), Some(DropReason::AddressMissing));
            for remote in [at(S1, 53), at(S2, 53)] {
                assert_eq!(
                    w.outbound(udp(inside, remote)).refusal(),
                    Some(DropReason::AddressMissing)
                );
            }
        }
    }
}

/// A session of an old mapping with a new peer ends with the address as well, and is not begun when
/// that is gone.
#[test]
fn a_mapping_of_the_address_serves_new_peers_until_the_end() {
    let mut w = world();
    let (inside, external) = on(&mut w, N);
    drain(&mut w, N);
    w.advance(secs(300));
    assert_eq!(
        w.open_udp(inside, at(S2, 53)),
        external,
        "U1: one external endpoint"
    );
    w.jump(secs(50));
    let created = w.stats().sessions_created;
    assert!(
        w.outbound(udp(inside, at(ATTACKER, 53)))
            .refusal()
            .is_some()
    );
    assert_eq!(w.stats().sessions_created, created);
    w.advance(secs(0));
    assert_eq!(w.sessions(), []);
}

/// The engine asks to be woken when the address is to go.
#[test]
fn the_end_is_a_deadline() {
    let mut w = world();
    on(&mut w, N);
    let end = drain(&mut w, N);
    assert_eq!(w.nat.poll_timeout(), Some(end));
    w.advance(LONGEST - Duration::from_millis(1));
    assert_eq!((w.nat.poll_timeout(), draining(&w)), (Some(end), vec![N]));
    w.advance(Duration::from_millis(1));
    assert_eq!(
        (w.nat.poll_timeout(), draining(&w), w.sessions()),
        (None, vec![], vec![])
    );
}

/// An address goes as soon as its last session has ended.
#[test]
fn an_unused_address_goes_early() {
    let mut w = with(|config| config.timeouts.udp = secs(120));
    on(&mut w, N);
    drain(&mut w, N);
    w.advance(secs(119));
    assert_eq!(draining(&w), [N]);
    w.advance(secs(1));
    assert!(draining(&w).is_empty());
    w.inbound(udp(at(S1, 53), at(N, 5000)))
        .dropped(DropReason::NotForUs);
    // An address that is not in use is not drained.
    assert!(w.drain_address(N2, LONGEST));
    w.advance(secs(0));
    assert_eq!((draining(&w), w.nat.poll_timeout()), (vec![], None));
}

/// What is no external address, or drains already, cannot begin to.
#[test]
fn only_an_external_address_drains() {
    let mut w = world();
    on(&mut w, N);
    assert!(!w.drain_address(N3, LONGEST));
    let end = drain(&mut w, N);
    w.advance(secs(100));
    assert!(!w.drain_address(N, LONGEST), "no second term");
    assert_eq!(w.nat.poll_timeout(), Some(end));
}

/// U2: a host goes over to another address with all that is new.
#[test]
fn paired_hosts_move_to_one_other_address() {
    let mut w = with(|config| config.external_addresses.push(N3).expect("there is room"));
    let (inside, _) = on(&mut w, N);
    drain(&mut w, N);
    let host = *inside.ip();
    let new = *w.open_udp(at(host, 6000), at(S1, 53)).ip();
    assert_ne!(new, N);
    for i in 0..20 {
        assert_eq!(*w.open_udp(at(host, 6001 + i), at(S1, 53)).ip(), new);
        assert_eq!(
            *w.outbound(echo_request(host, S1, i))
                .forwarded()
                .source()
                .ip(),
            new
        );
    }
    w.advance(LONGEST);
    assert_eq!(*w.open_udp(inside, at(S1, 53)).ip(), new);
}

/// The next address becomes the primary one, and forwards of the primary address move there. A
/// living endpoint of one keeps what it has until its sessions end; what it could not answer does
/// not arrive.
#[test]
fn forwards_move_to_the_next_primary_address() {
    let mut w = world();
    for forward in [
        PortForward::new(Protocol::Udp, 53, at(H1, 53)),
        PortForward::new(Protocol::Tcp, 8080, at(H2, 80)),
    ] {
        w.nat
            .add_port_forward(forward)
            .expect("the port forward is accepted");
    }
    let old = Connection::accept(&mut w, at(N, 8080), at(S1, 9));
    drain(&mut w, N);
    assert_eq!(
        w.inbound(udp(at(S1, 9), at(N2, 53)))
            .forwarded()
            .destination(),
        at(H1, 53)
    );
    assert_eq!(
        w.outbound(udp(at(H1, 53), at(S1, 9))).forwarded().source(),
        at(N2, 53)
    );
    w.inbound(udp(at(S1, 9), at(N, 53)))
        .dropped(DropReason::NoMapping);
    w.inbound(old.outside_sends(ACK)).forwarded();
    w.outbound(old.inside_sends(ACK)).forwarded();
    w.inbound(tcp(at(S2, 9), at(N, 8080), SYN))
        .dropped(DropReason::Filtered);
    w.inbound(tcp(at(S2, 9), at(N2, 8080), SYN))
        .dropped(DropReason::NoMapping);
    w.advance(LONGEST);
    assert!(!old.is_alive(&w));
    assert_eq!(
        Connection::accept(&mut w, at(N2, 8080), at(S2, 9)).inside,
        at(H2, 80)
    );
}

/// With a mapping for each remote endpoint, as cloud gateways have, forwards serve new peers at
/// once.
#[test]
fn forwards_serve_new_peers_at_once_where_ports_overlap() {
    let mut w = with(|config| config.mapping = Mapping::AddressAndPortDependent);
    w.nat
        .add_port_forward(PortForward::new(Protocol::Tcp, 8080, at(H2, 80)))
        .expect("the port forward is accepted");
    let old = Connection::accept(&mut w, at(N, 8080), at(S1, 9));
    drain(&mut w, N);
    w.inbound(old.outside_sends(ACK)).forwarded();
    assert_eq!(
        Connection::accept(&mut w, at(N2, 8080), at(S2, 9)).inside,
        at(H2, 80)
    );
    w.inbound(tcp(at(S2, 9), at(N, 8080), SYN))
        .dropped(DropReason::NoMapping);
}

/// A forward whose port on the next primary address is in use takes it over, as when it is added.
#[test]
fn a_forward_takes_its_port_on_the_next_primary_address() {
    let mut w = with(|config| config.ports = PortRange::new(30000, 30000).expect("a port"));
    w.nat
        .add_port_forward(PortForward::new(Protocol::Udp, 30000, at(H1, 80)))
        .expect("the port forward is accepted");
    // A host draws its address, and the only port of the other one is the forward's.
    let opened = (0..100).find_map(|_| match w.outbound(udp(at(H2, 5000), at(S1, 53))) {
        Outcome::Forwarded(packet) => Some(packet.source()),
        _ => None,
    });
    assert_eq!(opened, Some(at(N2, 30000)));
    drain(&mut w, N);
    assert_eq!(
        w.inbound(udp(at(S1, 53), at(N2, 30000)))
            .forwarded()
            .destination(),
        at(H1, 80)
    );
    w.outbound(udp(at(H2, 5000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
}

/// A forward that names the address rests with it: peers that it has go on, others do not get in.
#[test]
fn a_forward_on_the_address_rests() {
    let mut w = world();
    let mut forward = PortForward::new(Protocol::Udp, 4500, at(H1, 5000));
    forward.external_address = Some(N);
    w.nat
        .add_port_forward(forward)
        .expect("the port forward is accepted");
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), at(N, 4500));
    drain(&mut w, N);
    w.inbound(udp(at(S1, 53), at(N, 4500))).forwarded();
    w.inbound(udp(at(S2, 53), at(N, 4500)))
        .dropped(DropReason::Filtered);
    w.advance(LONGEST);
    assert_eq!(*w.open_udp(at(H1, 5000), at(S1, 53)).ip(), N2);
    w.set_external_addresses(&[N2, N])
        .expect("the addresses can work");
    assert_eq!(
        w.inbound(udp(at(S2, 53), at(N, 4500)))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
}

/// What else is configured meanwhile ends no session of the address.
#[test]
fn other_changes_leave_its_sessions_alone() {
    let mut w = world();
    w.nat
        .add_port_forward(PortForward::new(Protocol::Udp, 53, at(H1, 53)))
        .expect("the port forward is accepted");
    assert_eq!(w.open_udp(at(H1, 53), at(S1, 53)), at(N, 53));
    drain(&mut w, N);
    w.nat
        .add_port_forward(PortForward::new(Protocol::Tcp, 8080, at(H2, 80)))
        .expect("the port forward is accepted");
    assert!(w.remove_port_forward(&PortForward::new(Protocol::Tcp, 8080, at(H2, 80))));
    w.inbound(udp(at(S1, 53), at(N, 53))).forwarded();
    assert_eq!(w.open_udp(at(H1, 53), at(S1, 53)), at(N, 53));
}

/// An address of one host drains like others: pings stop, and what is new leaves from a shared
/// address.
#[test]
fn a_one_to_one_address_drains() {
    let mut w = with(|config| {
        config.one_to_one.extend([OneToOne {
            external: N2,
            inside: H2,
        }]);
    });
    let old = Connection::accept(&mut w, at(N2, 80), at(S1, 9));
    w.inbound(echo_request(S1, N2, 7)).forwarded();
    drain(&mut w, N2);
    w.outbound(old.inside_sends(ACK)).forwarded();
    w.inbound(old.outside_sends(ACK)).forwarded();
    w.inbound(tcp(at(S2, 9), at(N2, 80), SYN))
        .dropped(DropReason::Filtered);
    w.inbound(tcp(at(S2, 9), at(N2, 81), SYN))
        .dropped(DropReason::NoMapping);
    w.inbound(echo_request(S1, N2, 8))
        .dropped(DropReason::NoSession);
    assert_eq!(
        *w.outbound(echo_reply(H2, S1, 7)).forwarded().source().ip(),
        N2,
        "to what had come before"
    );
    assert_eq!(*w.open_udp(at(H2, 5000), at(S1, 53)).ip(), N);
    w.nat
        .add_port_forward(PortForward::new(Protocol::Tcp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
    assert_eq!(w.sessions().len(), 2, "nothing that goes on has ended");
    w.advance(LONGEST);
    w.outbound(echo_reply(H2, S1, 7))
        .dropped(DropReason::NoSession);
}

/// Without another address nothing new leaves; what there is goes on.
#[test]
fn the_last_address_drains() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    drain(&mut w, N);
    assert!(w.nat.external_addresses().is_empty());
    w.inbound(udp(at(S1, 53), external)).forwarded();
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), external);
    w.outbound(udp(at(H2, 5000), at(S1, 53)))
        .rejected(DropReason::AddressMissing);
    assert_eq!(
        w.stats().gateway().error_port_allocation,
        0,
        "no port was asked for"
    );
    w.advance(LONGEST);
    w.outbound(udp(at(H1, 5000), at(S1, 53)))
        .rejected(DropReason::AddressMissing);
}

/// Setting the addresses during a drain ends it: at once, or by taking the address back.
#[test]
fn setting_the_addresses_ends_a_drain() {
    let mut w = world();
    let (inside, external) = on(&mut w, N);
    drain(&mut w, N);
    w.set_external_addresses(&[N2, N])
        .expect("the addresses can work");
    assert_eq!(
        (draining(&w), w.nat.external_addresses()),
        (vec![], &[N2, N][..])
    );
    w.advance(LONGEST + LONGEST);
    assert_eq!(
        w.inbound(udp(at(S1, 53), external))
            .forwarded()
            .destination(),
        inside
    );
    drain(&mut w, N);
    w.set_external_addresses(&[N2, N3])
        .expect("the addresses can work");
    assert_eq!((draining(&w), w.sessions()), (vec![], vec![]));
    w.inbound(udp(at(S1, 53), external))
        .dropped(DropReason::NotForUs);
}

/// A6: an address that comes after one that went has nothing of it, neither its peers nor its
/// ports.
#[test]
fn a_new_address_inherits_nothing() {
    for handled in [true, false] {
        let mut w = with(|config| config.ports = PortRange::new(30000, 30003).expect("four ports"));
        let (inside, external) = on(&mut w, N);
        for i in 0..3 {
            w.open_udp(at(*inside.ip(), 6000 + i), at(S1, 53));
        }
        drain(&mut w, N);
        let wait: fn(&mut World, Duration) = if handled { World::advance } else { World::jump };
        wait(&mut w, LONGEST);
        w.inbound(udp(at(S1, 53), external))
            .dropped(DropReason::NotForUs);
        w.set_external_addresses(&[N3])
            .expect("the address can work");
        assert_eq!(w.sessions(), []);
        for port in 30000..30004 {
            w.inbound(udp(at(S1, 53), at(N3, port)))
                .dropped(DropReason::NoMapping);
        }
        for i in 0..4 {
            assert_eq!(*w.open_udp(at(H2, 5000 + i), at(S2, 53)).ip(), N3);
        }
        w.inbound(udp(at(S1, 53), at(N3, external.port())))
            .dropped(DropReason::Filtered);
    }
}

/// Two addresses drain at once, each for its own time.
#[test]
fn several_addresses_drain_at_once() {
    let mut w = with(|config| config.external_addresses.push(N3).expect("there is room"));
    let (_, first) = on(&mut w, N);
    let kept: Vec<_> = (20..60)
        .map(|host| at(Ipv4Addr::new(192, 168, 1, host), 5000))
        .take(15)
        .collect();
    let second = kept
        .iter()
        .map(|inside| w.open_udp(*inside, at(S1, 53)))
        .find(|external| *external.ip() == N2);
    let second = second.expect("one of so many hosts gets it");
    assert!(w.drain_address(N2, secs(100)));
    drain(&mut w, N);
    assert_eq!(draining(&w), [N2, N]);
    w.advance(secs(99));
    w.inbound(udp(at(S1, 53), second)).forwarded();
    w.advance(secs(1));
    w.inbound(udp(at(S1, 53), second))
        .dropped(DropReason::NotForUs);
    w.inbound(udp(at(S1, 53), first)).forwarded();
    w.advance(secs(250));
    w.inbound(udp(at(S1, 53), first))
        .dropped(DropReason::NotForUs);
}

/// Fragments of a datagram that leaves from the address stop with it.
#[test]
fn no_fragment_leaves_from_an_address_that_is_gone() {
    let mut w = world();
    let (inside, _) = on(&mut w, N);
    drain(&mut w, N);
    w.advance(LONGEST - secs(1));
    let pieces = udp(inside, at(S1, 53))
        .payload(&[0x5A; 400])
        .may_fragment()
        .cut(&[104, 96]);
    w.outbound(&pieces[0]).forwarded();
    w.outbound(&pieces[1]).forwarded();
    w.advance(secs(1));
    let outcome = w.outbound(&pieces[2]);
    assert!(!outcome.is_forwarded(), "{outcome:?}");
}

/// Hairpins through the address go on as long as their sessions do.
#[test]
fn hairpins_go_on() {
    let mut w = world();
    let (inside, external) = on(&mut w, N);
    w.outbound(udp(at(H1, 6000), external)).forwarded();
    drain(&mut w, N);
    assert_eq!(
        w.outbound(udp(at(H1, 6000), external))
            .forwarded()
            .destination(),
        inside
    );
    w.advance(LONGEST);
    let outcome = w.outbound(udp(at(H1, 6000), external));
    assert!(
        outcome.refusal().is_some() || outcome.forwarded().destination() == external,
        "not back inside"
    );
}

/// The router's own stack goes over to another address as well.
#[test]
fn the_routers_sessions_go_on() {
    let mut w = world();
    let external = w
        .router_sends(udp(at(N, 5353), at(S1, 53)))
        .forwarded()
        .source();
    drain(&mut w, N);
    assert_eq!(
        w.router_sends(udp(at(N, 5353), at(S1, 53)))
            .forwarded()
            .source(),
        external
    );
    w.inbound(udp(at(S1, 53), external))
        .local(nat_core::Side::Outside);
    assert_eq!(
        *w.router_sends(udp(at(N, 5354), at(S1, 53)))
            .forwarded()
            .source()
            .ip(),
        N2
    );
    w.advance(LONGEST);
    w.router_sends(udp(at(N, 5353), at(S1, 53)))
        .dropped(DropReason::SpoofedSource);
}

/// A drain of no time at all, and one without end.
#[test]
fn any_time_will_do() {
    let mut w = with(|config| config.timeouts = Timeouts::GATEWAY);
    let (_, external) = on(&mut w, N);
    assert!(w.drain_address(N, Duration::ZERO));
    w.inbound(udp(at(S1, 53), external))
        .dropped(DropReason::NotForUs);
    w.advance(secs(0));
    assert_eq!((draining(&w), w.sessions()), (vec![], vec![]));
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    assert!(w.drain_address(N2, Duration::MAX));
    w.advance(secs(349));
    w.inbound(udp(at(S1, 53), external)).forwarded();
    w.advance(secs(350));
    assert_eq!((draining(&w), w.sessions()), (vec![], vec![]));
}

/// U2: a host that has moved on, and whose next address is taken away, stays with the address of
/// its live session when that address comes back. The address that gets the number of the lost one
/// is not its address.
#[test]
fn a_host_stays_with_the_address_of_its_living_session() {
    let mut w = with(|config| config.mapping = Mapping::AddressAndPortDependent);
    on(&mut w, N);
    let first = w.sessions()[0];
    let host = *first.inside.ip();
    drain(&mut w, N);
    assert_eq!(*w.open_udp(at(host, 5000), at(S2, 53)).ip(), N2);
    w.set_external_addresses(&[N]).expect("an address");
    w.set_external_addresses(&[N3, N]).expect("addresses");
    assert_eq!(w.sessions(), [first]);
    for port in 6000..6010 {
        assert_eq!(*w.open_udp(at(host, port), at(S2, 53)).ip(), N);
    }
}

/// U2: a host that has living sessions on an address that is taken back, and on the one that it had
/// moved to, draws from either of them and no third; and where the sessions of one end first, it
/// stays with the other.
#[test]
fn a_host_stays_with_its_living_sessions_when_a_drain_is_taken_back() {
    for stays in [N, N2] {
        let mut w = with(|config| config.external_addresses.push(N3).expect("there is room"));
        let (inside, _) = on(&mut w, N);
        drain(&mut w, N);
        let moved = at(*inside.ip(), 6000);
        w.set_external_addresses(&[N, N2]).expect("addresses");
        assert!(w.drain_address(N, LONGEST));
        assert_eq!(*w.open_udp(moved, at(S1, 53)).ip(), N2);
        w.set_external_addresses(&[N, N2, N3]).expect("addresses");
        for port in 7000..7020 {
            assert_ne!(*w.open_udp(at(*inside.ip(), port), at(S1, 53)).ip(), N3);
        }
        // Only one of the sessions goes on.
        let alive = if stays == N { inside } else { moved };
        for _ in 0..3 {
            w.advance(secs(1800));
            assert_eq!(*w.open_udp(alive, at(S1, 53)).ip(), stays);
        }
        assert_eq!(w.sessions().len(), 1);
        for port in 8000..8020 {
            assert_eq!(*w.open_udp(at(*inside.ip(), port), at(S1, 53)).ip(), stays);
            assert_eq!(
                *w.outbound(echo_request(*inside.ip(), S1, port))
                    .forwarded()
                    .source()
                    .ip(),
                stays
            );
        }
    }
}
