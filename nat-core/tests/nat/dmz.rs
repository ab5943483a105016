//! The DMZ host: the inside host that gets packets for which there is no other mapping.

use core::net::Ipv4Addr;

use crate::world::*;
use nat_core::{
    Config, DropReason, Filtering, Mapping, Nat, OneToOne, PortForward, PortRange, Protocol,
    SessionState, Tables, Timeouts,
};

use Protocol::{Tcp, Udp};

/// The DMZ host of every world here.
const D: Ipv4Addr = H3;

fn dmz() -> World {
    World::with(|config| config.dmz_host = Some(D))
}

fn dmz_with(change: impl FnOnce(&mut Config)) -> World {
    World::with(|config| {
        config.dmz_host = Some(D);
        change(config);
    })
}

/// Finds the port by which `from` leaves.
fn port_of(w: &mut World, from: Ipv4Addr) -> u16 {
    w.open_udp(at(from, 6000), at(S1, 53)).port()
}

/// What arrives at any port goes to the same port of the DMZ host, and the answer leaves from
/// there.
#[test]
fn unsolicited_packets_arrive_with_their_port_and_answers_leave_from_it() {
    let mut w = dmz();
    for port in [1, 53, 80, 1023, 1024, 5000, 65535] {
        let arrived = w.inbound(udp(at(S1, 40000), at(N, port))).forwarded();
        assert_eq!(
            (arrived.source(), arrived.destination()),
            (at(S1, 40000), at(D, port))
        );
        assert!(
            w.sessions()
                .iter()
                .all(|session| session.inside != at(D, port)),
            "a session begins with the answer"
        );
        assert_eq!(
            w.outbound(udp(at(D, port), at(S1, 40000)))
                .forwarded()
                .source(),
            at(N, port)
        );
        assert_eq!(
            Connection::accept(&mut w, at(N, port), at(S2, 40000)).inside,
            at(D, port)
        );
    }
    assert!(w.sessions().iter().all(|session| session.is_static));
}

/// The DMZ host refuses a connection with its own RST, which leaves from the port.
#[test]
fn the_dmz_host_may_refuse() {
    let mut w = dmz();
    w.inbound(tcp(at(S1, 9), at(N, 81), SYN).seq(10))
        .forwarded();
    let refusal = w
        .outbound(tcp(at(D, 81), at(S1, 9), RST | ACK).seq(0).ack(11))
        .forwarded();
    assert_eq!(refusal.source(), at(N, 81));
    assert_eq!(w.sessions(), []);
}

/// I5: its errors about unsolicited datagrams leave with the ends that the sender knows.
#[test]
fn errors_about_unsolicited_datagrams_leave_translated() {
    let mut w = dmz();
    let sent = udp(at(S1, 9), at(N, 33434));
    let arrived = w.inbound(&sent).forwarded();
    let error = w
        .outbound(icmp_error(D, S1, (3, 3), &arrived.bytes()))
        .forwarded();
    assert_eq!(*error.source().ip(), N);
    assert_eq!(
        error.quote().body,
        Packet::parse(&sent.bytes()).body,
        "as it was sent"
    );
    // Not about what the port of another has brought.
    let taken = port_of(&mut w, H1);
    let forged = udp(at(S1, 9), at(D, taken)).bytes();
    w.outbound(icmp_error(D, S1, (3, 3), &forged))
        .dropped(DropReason::NoSession);
}

/// The identifier of a ping is no port: none comes in by itself.
#[test]
fn pings_do_not_reach_the_dmz_host() {
    let mut w = dmz();
    w.inbound(echo_request(S1, N, 7))
        .dropped(DropReason::EchoRefused);
    w.inbound(echo_reply(S1, N, 7))
        .dropped(DropReason::NoMapping);
    let id = w.open_echo(D, S1, 7);
    assert_eq!(w.inbound(echo_reply(S1, N, id)).forwarded().query_id(), 7);
}

/// Segments and protocols that begin nothing do not reach it either.
#[test]
fn what_begins_nothing_does_not_reach_the_dmz_host() {
    let mut w = dmz();
    for flags in [ACK, SYN | ACK, FIN | ACK, RST, RST | ACK] {
        w.inbound(tcp(at(S1, 9), at(N, 80), flags))
            .dropped(DropReason::NoSession);
    }
    w.inbound(raw(S1, N, 47, &[0; 20]))
        .dropped(DropReason::UnknownProtocol);
    w.inbound(icmp_error(
        S1,
        N,
        (3, 3),
        &udp(at(N, 5000), at(S1, 53)).bytes(),
    ))
    .dropped(DropReason::NoSession);
}

/// A port with a living mapping is that mapping's, filter included.
#[test]
fn the_ports_of_other_hosts_are_theirs() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = dmz_with(|config| config.filtering = filtering);
        let port = port_of(&mut w, H1);
        assert_eq!(
            w.inbound(udp(at(S1, 53), at(N, port)))
                .forwarded()
                .destination(),
            at(H1, 6000)
        );
        let stranger = w.inbound(udp(at(ATTACKER, 53), at(N, port)));
        if filtering == Filtering::EndpointIndependent {
            assert_eq!(stranger.forwarded().destination(), at(H1, 6000));
        } else {
            stranger.dropped(DropReason::Filtered);
        }
        assert_eq!(
            w.inbound(udp(at(ATTACKER, 53), at(N, port ^ 1)))
                .forwarded()
                .destination(),
            at(D, port ^ 1)
        );
        w.outbound(udp(at(D, port ^ 1), at(ATTACKER, 53)))
            .forwarded();
        // What the DMZ host has answered is open to all, and leaves no trace.
        assert_eq!(
            w.inbound(udp(at(S2, 9), at(N, port ^ 1)))
                .forwarded()
                .destination(),
            at(D, port ^ 1)
        );
        w.advance(secs(1000));
        assert_eq!(
            w.inbound(udp(at(ATTACKER, 53), at(N, port)))
                .forwarded()
                .destination(),
            at(D, port)
        );
    }
}

/// Sessions of the DMZ host keep their port where it is free, and have another where not.
#[test]
fn the_dmz_host_keeps_its_ports_where_they_are_free() {
    let mut w = dmz();
    let taken = port_of(&mut w, H1);
    assert_eq!(w.open_udp(at(D, taken ^ 1), at(S1, 53)), at(N, taken ^ 1));
    assert_eq!(w.open_tcp(at(D, 22), at(S1, 80)).external, at(N, 22));
    let other = w.open_udp(at(D, taken), at(S1, 53));
    assert_ne!(other.port(), taken);
    assert!(!w.session(at(D, taken), at(S1, 53)).is_static);
    assert_eq!(
        w.inbound(udp(at(S1, 53), other)).forwarded().destination(),
        at(D, taken)
    );
    assert_eq!(
        w.inbound(udp(at(S1, 53), at(N, taken)))
            .forwarded()
            .destination(),
        at(H1, 6000)
    );
}

/// U1: an endpoint of the DMZ host that talks from another port has one external endpoint. What it
/// could answer from that one only does not arrive.
#[test]
fn what_could_not_be_answered_does_not_arrive() {
    let mut w = dmz();
    let taken = port_of(&mut w, H1);
    w.advance(secs(200));
    let other = w.open_udp(at(D, taken), at(S1, 53));
    w.advance(secs(200));
    assert_eq!(w.sessions().len(), 1, "the other host's has ended");
    w.inbound(udp(at(S2, 9), at(N, taken)))
        .dropped(DropReason::NoMapping);
    assert_eq!(
        w.inbound(udp(at(S1, 53), other)).forwarded().destination(),
        at(D, taken)
    );
    w.advance(secs(1000));
    w.inbound(udp(at(S2, 9), at(N, taken))).forwarded();
    assert_eq!(
        w.outbound(udp(at(D, taken), at(S2, 9)))
            .forwarded()
            .source(),
        at(N, taken)
    );
}

/// A port forward comes first, before and after its target has answered, and the DMZ host never
/// takes its port.
#[test]
fn the_dmz_host_takes_no_forwarded_port() {
    let mut w = dmz();
    w.nat
        .add_port_forward(PortForward::new(Udp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
    w.nat
        .add_port_forward(PortForward::new(Tcp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
    assert_ne!(w.open_udp(at(D, 8080), at(S1, 53)).port(), 8080);
    assert_ne!(w.open_tcp(at(D, 8080), at(S1, 80)).external.port(), 8080);
    assert_eq!(
        w.inbound(udp(at(S1, 53), at(N, 8080)))
            .forwarded()
            .destination(),
        at(H1, 80)
    );
    assert_eq!(
        w.outbound(udp(at(H1, 80), at(S1, 53))).forwarded().source(),
        at(N, 8080)
    );
    assert_eq!(
        Connection::accept(&mut w, at(N, 8080), at(S2, 9)).inside,
        at(H1, 80)
    );
}

/// A port forward to the DMZ host is one endpoint of its, not two.
#[test]
fn a_forwarded_endpoint_of_the_dmz_host_has_that_port_only() {
    let mut w = dmz();
    w.nat
        .add_port_forward(PortForward::new(Tcp, 8080, at(D, 80)))
        .expect("the port forward is accepted");
    w.inbound(tcp(at(S2, 9), at(N, 80), SYN))
        .dropped(DropReason::NoMapping);
    assert_eq!(
        Connection::accept(&mut w, at(N, 8080), at(S1, 9)).inside,
        at(D, 80)
    );
    w.inbound(tcp(at(S2, 9), at(N, 80), SYN))
        .dropped(DropReason::NoMapping);
    assert_eq!(
        Connection::accept(&mut w, at(N, 81), at(S1, 9)).inside,
        at(D, 81)
    );
}

/// A forward that is added takes its port from the DMZ host, and one that is removed gives it back.
#[test]
fn forwards_come_and_go_beside_the_dmz_host() {
    let mut w = dmz();
    let forward = PortForward::new(Tcp, 80, at(H1, 80));
    assert_eq!(
        Connection::accept(&mut w, at(N, 80), at(S1, 9)).inside,
        at(D, 80)
    );
    assert_eq!(
        Connection::accept(&mut w, at(N, 81), at(S1, 9)).inside,
        at(D, 81)
    );
    w.nat
        .add_port_forward(forward)
        .expect("the port forward is accepted");
    assert_eq!(w.sessions().len(), 1, "the session on port 81 goes on");
    assert_eq!(
        Connection::accept(&mut w, at(N, 80), at(S1, 9)).inside,
        at(H1, 80)
    );
    assert!(w.remove_port_forward(&forward));
    assert_eq!(
        Connection::accept(&mut w, at(N, 80), at(S1, 9)).inside,
        at(D, 80)
    );
}

/// The ports that the router keeps, and those that it uses, are not the DMZ host's.
#[test]
fn the_routers_ports_are_not_the_dmz_hosts() {
    let mut w = dmz_with(|config| {
        config.reserved_ports = PortRange::new(6000, 6009);
        config.dhcp_client = true;
    });
    for port in [6000, 6009] {
        w.inbound(udp(at(S1, 9), at(N, port)))
            .dropped(DropReason::NoMapping);
        w.inbound(tcp(at(S1, 9), at(N, port), SYN))
            .dropped(DropReason::NoMapping);
        assert_ne!(w.open_udp(at(D, port), at(S1, 53)).port(), port);
    }
    w.inbound(udp(at(S1, 9), at(N, 68)))
        .local(nat_core::Side::Outside);
    assert_ne!(w.open_udp(at(D, 68), at(S1, 53)).port(), 68);
    assert_eq!(
        w.inbound(tcp(at(S1, 9), at(N, 68), SYN))
            .forwarded()
            .destination(),
        at(D, 68)
    );
    let of_router = w
        .router_sends(udp(at(N, 5353), at(S1, 53)))
        .forwarded()
        .source();
    w.inbound(udp(at(S1, 53), of_router))
        .local(nat_core::Side::Outside);
    w.inbound(udp(at(S2, 53), of_router))
        .dropped(DropReason::Filtered);
}

/// It gets packets to the primary address, whichever that is, and to no other.
#[test]
fn the_dmz_host_is_behind_the_primary_address_only() {
    let mut w = dmz_with(|config| config.external_addresses.push(N2).expect("there is room"));
    w.inbound(udp(at(S1, 9), at(N2, 80)))
        .dropped(DropReason::NoMapping);
    w.inbound(udp(at(S1, 9), at(N, 80))).forwarded();
    w.set_external_addresses(&[N2, N])
        .expect("the addresses can work");
    w.inbound(udp(at(S1, 9), at(N, 80)))
        .dropped(DropReason::NoMapping);
    assert_eq!(
        w.inbound(udp(at(S1, 9), at(N2, 80)))
            .forwarded()
            .destination(),
        at(D, 80)
    );
    assert_eq!(
        w.outbound(udp(at(D, 80), at(S1, 9))).forwarded().source(),
        at(N2, 80)
    );
}

/// U2: all its mappings are on that address, ports or not.
#[test]
fn the_dmz_host_has_one_address() {
    for i in 0..16 {
        let mut w = dmz_with(|config| config.external_addresses.extend([N2, N3]));
        for other in 0..i {
            w.open_udp(at(H1, 6000 + other), at(S1, 53));
        }
        assert_eq!(
            *w.outbound(echo_request(D, S1, 7 + i))
                .forwarded()
                .source()
                .ip(),
            N
        );
        assert_eq!(w.open_udp(at(D, 5000), at(S1, 53)), at(N, 5000));
    }
}

/// On an address with one-to-one translation there is nothing for the DMZ host, because all of its
/// ports belong to that host.
#[test]
fn a_one_to_one_host_comes_before_the_dmz_host() {
    let rule = OneToOne {
        external: N,
        inside: H1,
    };
    let mut w = dmz_with(|config| {
        config.external_addresses.push(N2).expect("there is room");
        config.one_to_one.push(rule).expect("there is room");
    });
    assert_eq!(
        w.inbound(udp(at(S1, 9), at(N, 80)))
            .forwarded()
            .destination(),
        at(H1, 80)
    );
    assert_eq!(*w.open_udp(at(D, 80), at(S1, 9)).ip(), N2);
    assert_eq!(
        w.inbound(udp(at(S2, 9), at(N, 80)))
            .forwarded()
            .destination(),
        at(H1, 80)
    );
    assert_eq!(
        w.outbound(udp(at(H1, 80), at(S2, 9))).forwarded().source(),
        at(N, 80)
    );
}

/// Inside hosts reach it by hairpin, as the outside does.
#[test]
fn the_dmz_host_is_reached_by_hairpin() {
    let mut w = dmz();
    let syn = w
        .outbound(tcp(at(H1, 5000), at(N, 80), SYN).seq(10))
        .forwarded();
    assert_eq!(syn.destination(), at(D, 80));
    let answer = w
        .outbound(tcp(at(D, 80), syn.source(), SYN | ACK).seq(90).ack(11))
        .forwarded();
    assert_eq!(
        (answer.source(), answer.destination()),
        (at(N, 80), at(H1, 5000))
    );
    assert_eq!(
        w.session(at(H1, 5000), at(N, 80)).state,
        SessionState::Established
    );
}

/// With ports that overlap, a port is another's only toward the remote endpoint that it talks to.
#[test]
fn the_dmz_host_works_with_overlapping_ports() {
    let mut w = dmz_with(|config| config.mapping = Mapping::AddressAndPortDependent);
    let port = port_of(&mut w, H1);
    assert_eq!(
        w.inbound(udp(at(S1, 53), at(N, port)))
            .forwarded()
            .destination(),
        at(H1, 6000)
    );
    assert_eq!(
        w.inbound(udp(at(S2, 53), at(N, port)))
            .forwarded()
            .destination(),
        at(D, port)
    );
    assert_eq!(
        w.outbound(udp(at(D, port), at(S2, 53)))
            .forwarded()
            .source(),
        at(N, port)
    );
    assert_ne!(w.open_udp(at(D, port), at(S1, 53)).port(), port);
    assert_eq!(
        w.inbound(udp(at(S1, 53), at(N, port)))
            .forwarded()
            .destination(),
        at(H1, 6000)
    );
}

/// Packets from outside to it do not fill the tables.
#[test]
fn unsolicited_packets_to_the_dmz_host_leave_no_trace() {
    let mut w = World::sized::<2, 2, 1>(|config| config.dmz_host = Some(D));
    for port in 1..500 {
        w.inbound(udp(at(ATTACKER, port), at(N, port))).forwarded();
        w.inbound(tcp(at(ATTACKER, port), at(N, port), SYN))
            .forwarded();
    }
    assert_eq!(
        (
            w.sessions(),
            w.stats().sessions_created,
            w.stats().mappings_created
        ),
        (vec![], 0, 0)
    );
}

/// Only a host of the inside network can be the DMZ host.
#[test]
fn an_impossible_dmz_host_is_refused() {
    for wrong in [
        ROUTER,
        S1,
        N,
        Ipv4Addr::new(192, 168, 1, 0),
        Ipv4Addr::new(192, 168, 1, 255),
    ] {
        let mut config = config();
        config.dmz_host = Some(wrong);
        let mut tables = Tables::<4, 4, 4>::new();
        let error = Nat::new(&mut tables, config, SEED)
            .map(drop)
            .expect_err("no inside host");
        assert_eq!(error.field, "dmz_host", "{wrong}");
    }
}

/// A session that began while its mapping was open to all gives its remote address no permission.
/// So its end takes none away from a later session with the same address (RFC 4787 REQ-8).
#[test]
fn the_end_of_an_older_session_takes_no_permission_away() {
    let mut w = dmz_with(|config| config.filtering = Filtering::AddressDependent);
    let inside = at(D, 5000);
    w.open_udp(inside, at(S1, 1000));
    // The mapping drains now: the DMZ host is that of the new primary address.
    w.set_external_addresses(&[N2, N]).expect("two addresses");
    w.advance(Timeouts::RFC.udp / 2);
    w.open_udp(inside, at(S1, 2000));
    w.inbound(udp(at(S1, 3000), at(N, 5000))).forwarded();
    w.advance(Timeouts::RFC.udp / 2);
    assert_eq!(w.sessions().len(), 1, "the older session has ended");
    w.inbound(udp(at(S1, 3000), at(N, 5000))).forwarded();
    w.inbound(udp(at(S2, 3000), at(N, 5000)))
        .dropped(DropReason::Filtered);
}
