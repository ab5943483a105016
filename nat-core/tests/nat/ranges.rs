//! Port forwards of ranges, and on addresses other than the primary one.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::world::*;
use nat_core::{Config, DropReason, Filtering, PortForward, PortForwardError, PortRange, Protocol};

use Protocol::{Tcp, Udp};

/// `ports` ports from `external_port` of the primary address on, to those of `to` and above.
fn range(protocol: Protocol, external_port: u16, to: SocketAddrV4, ports: u16) -> PortForward {
    let mut forward = PortForward::new(protocol, external_port, to);
    forward.ports = ports;
    forward
}

/// One port of `external`.
fn on(protocol: Protocol, external: SocketAddrV4, to: SocketAddrV4) -> PortForward {
    let mut forward = PortForward::new(protocol, external.port(), to);
    forward.external_address = Some(*external.ip());
    forward
}

#[track_caller]
fn add(w: &mut World, forwards: impl IntoIterator<Item = PortForward>) {
    for forward in forwards {
        w.nat
            .add_port_forward(forward)
            .unwrap_or_else(|error| panic!("{forward:?}: {error}"));
    }
}

fn ports(first: u16, last: u16) -> PortRange {
    PortRange::new(first, last).expect("a range")
}

fn two_addresses(config: &mut Config) {
    config.external_addresses.push(N2).expect("there is room");
}

fn move_to(w: &mut World, addresses: &[Ipv4Addr]) {
    w.set_external_addresses(addresses)
        .expect("the addresses can work");
}

/// Each external port leads to the inside port that is as far from the first, and back.
#[test]
fn a_range_maps_port_by_port_in_both_directions() {
    let mut w = World::new();
    add(
        &mut w,
        [
            range(Udp, 5000, at(H1, 7000), 10),
            range(Tcp, 5000, at(H2, 80), 10),
        ],
    );
    for i in 0..10 {
        let client = at(S1, 40000 + i);
        assert_eq!(
            w.inbound(udp(client, at(N, 5000 + i)))
                .forwarded()
                .destination(),
            at(H1, 7000 + i)
        );
        assert_eq!(
            w.outbound(udp(at(H1, 7000 + i), client))
                .forwarded()
                .source(),
            at(N, 5000 + i)
        );
        assert_eq!(w.open_udp(at(H1, 7000 + i), at(S2, 53)), at(N, 5000 + i));
        let connection = Connection::accept(&mut w, at(N, 5000 + i), client);
        assert_eq!(connection.inside, at(H2, 80 + i));
        assert_eq!(
            w.open_tcp(at(H2, 80 + i), at(S2, 443)).external,
            at(N, 5000 + i)
        );
    }
    assert!(w.sessions().iter().all(|session| session.is_static));
}

/// Ports beyond either end of a range stay closed, and inside ports beyond it leave from no port of
/// the range.
#[test]
fn a_range_ends_at_its_ends() {
    let mut w = World::with(|config| config.ports = ports(4990, 5020));
    add(&mut w, [range(Udp, 5000, at(H1, 7000), 10)]);
    for beyond in [4999, 5010, 7000, 7009] {
        w.inbound(udp(at(S1, 53), at(N, beyond)))
            .dropped(DropReason::NoMapping);
    }
    for beyond in [6999, 7010, 5000, 5009] {
        let external = w.open_udp(at(H1, beyond), at(S1, 53));
        assert!(
            !(5000..5010).contains(&external.port()),
            "{beyond} left from {external}"
        );
        assert!(!w.session(at(H1, beyond), at(S1, 53)).is_static);
    }
    w.inbound(tcp(at(S1, 9), at(N, 5000), SYN))
        .dropped(DropReason::NoMapping);
}

/// A range may be all the ports there are; then no other host has any.
#[test]
fn a_range_may_be_all_ports() {
    let mut w = World::new();
    add(&mut w, [range(Udp, 1, at(H1, 1), 65535)]);
    for port in [1, 2, 1023, 1024, 65534, 65535] {
        assert_eq!(
            w.inbound(udp(at(S1, 53), at(N, port)))
                .forwarded()
                .destination(),
            at(H1, port)
        );
        assert_eq!(w.open_udp(at(H1, port), at(S1, 53)), at(N, port));
    }
    for port in [53, 5000] {
        w.outbound(udp(at(H2, port), at(S1, 53)))
            .rejected(DropReason::PortsExhausted);
    }
    w.open_tcp(at(H2, 5000), at(S1, 80));
}

/// A range that cannot be has its error, up to the last port that can.
#[test]
fn ranges_that_cannot_be_are_refused() {
    let mut w = World::new();
    let cases = [
        (
            range(Udp, 5000, at(H1, 7000), 0),
            PortForwardError::PortRange,
        ),
        (
            range(Udp, 65530, at(H1, 7000), 7),
            PortForwardError::PortRange,
        ),
        (
            range(Udp, 5000, at(H1, 65530), 7),
            PortForwardError::PortRange,
        ),
        (range(Udp, 2, at(H1, 1), 65535), PortForwardError::PortRange),
        (range(Udp, 0, at(H1, 7000), 5), PortForwardError::PortZero),
        (range(Udp, 5000, at(H1, 0), 5), PortForwardError::PortZero),
    ];
    for (wrong, error) in cases {
        assert_eq!(w.nat.add_port_forward(wrong), Err(error), "{wrong:?}");
        assert_eq!(w.nat.port_forwards().count(), 0);
    }
    add(
        &mut w,
        [
            range(Udp, 65530, at(H1, 7000), 6),
            range(Tcp, 5000, at(H1, 65530), 6),
        ],
    );
    assert_eq!(
        w.inbound(udp(at(S1, 53), at(N, 65535)))
            .forwarded()
            .destination(),
        at(H1, 7005)
    );
    assert_eq!(
        w.inbound(tcp(at(S1, 9), at(N, 5005), SYN))
            .forwarded()
            .destination(),
        at(H1, 65535)
    );
}

/// No port is in two ranges, neither outside nor inside, and none is one that the router keeps.
#[test]
fn overlapping_ranges_are_refused() {
    let mut w = World::with(|config| {
        config.reserved_ports = Some(ports(6000, 6009));
        config.dhcp_client = true;
    });
    add(&mut w, [range(Udp, 5000, at(H1, 7000), 10)]);
    let cases = [
        (
            range(Udp, 5009, at(H2, 7000), 1),
            PortForwardError::ExternalPortInUse,
        ),
        (
            range(Udp, 4991, at(H2, 7000), 10),
            PortForwardError::ExternalPortInUse,
        ),
        (
            range(Udp, 5003, at(H2, 7000), 2),
            PortForwardError::ExternalPortInUse,
        ),
        (
            range(Udp, 4000, at(H2, 7000), 2000),
            PortForwardError::ExternalPortInUse,
        ),
        (
            range(Udp, 3000, at(H1, 7009), 10),
            PortForwardError::InsideEndpointInUse,
        ),
        (
            range(Udp, 3000, at(H1, 6991), 10),
            PortForwardError::InsideEndpointInUse,
        ),
        (
            range(Udp, 5991, at(H2, 7000), 10),
            PortForwardError::PortReserved,
        ),
        (
            range(Tcp, 6009, at(H2, 7000), 10),
            PortForwardError::PortReserved,
        ),
        (
            range(Udp, 60, at(H2, 7000), 9),
            PortForwardError::PortReserved,
        ),
        (
            range(Udp, 68, at(H2, 7000), 9),
            PortForwardError::PortReserved,
        ),
    ];
    for (wrong, error) in cases {
        assert_eq!(w.nat.add_port_forward(wrong), Err(error), "{wrong:?}");
        assert_eq!(w.nat.port_forwards().count(), 1);
    }
    let next_to_them = [
        range(Udp, 4990, at(H1, 6990), 10),
        range(Udp, 5010, at(H1, 7010), 990 - 10 + 10),
        range(Tcp, 5000, at(H1, 7000), 10),
        range(Udp, 60, at(H2, 7000), 8),
        range(Udp, 69, at(H2, 7008), 8),
        range(Tcp, 60, at(H2, 7000), 20),
    ];
    add(&mut w, next_to_them);
}

/// The primary address is the same whether a forward names it or not.
#[test]
fn a_named_primary_address_is_the_primary_address() {
    let mut w = World::with(two_addresses);
    add(
        &mut w,
        [
            range(Tcp, 8080, at(H1, 80), 2),
            on(Tcp, at(N, 9090), at(H2, 90)),
        ],
    );
    let named = w.nat.add_port_forward(on(Tcp, at(N, 8081), at(H2, 80)));
    assert_eq!(named, Err(PortForwardError::ExternalPortInUse));
    let unnamed = w.nat.add_port_forward(range(Tcp, 9089, at(H3, 80), 2));
    assert_eq!(unnamed, Err(PortForwardError::ExternalPortInUse));
    add(&mut w, [on(Tcp, at(N2, 8081), at(H2, 80))]);
}

/// A forward on an address is on that alone, in both directions.
#[test]
fn a_forward_is_on_the_address_that_it_names() {
    let mut w = World::with(two_addresses);
    add(
        &mut w,
        [
            on(Tcp, at(N2, 8080), at(H1, 80)),
            on(Tcp, at(N, 8080), at(H2, 80)),
        ],
    );
    for (public, server) in [(at(N2, 8080), at(H1, 80)), (at(N, 8080), at(H2, 80))] {
        assert_eq!(
            Connection::accept(&mut w, public, at(S1, 40000)).inside,
            server
        );
        assert_eq!(w.open_tcp(server, at(S2, 443)).external, public);
        let hairpin = w.outbound(tcp(at(H3, 5000), public, SYN)).forwarded();
        assert_eq!(hairpin.destination(), server);
    }
    add(&mut w, [on(Udp, at(N2, 53), at(H1, 53))]);
    w.inbound(udp(at(S1, 9), at(N, 53)))
        .dropped(DropReason::NoMapping);
}

/// A forward rests while its address is not the NAT's, and its endpoint is an ordinary one.
#[test]
fn a_forward_waits_for_the_address_that_it_names() {
    let mut w = World::new();
    add(&mut w, [on(Udp, at(N2, 4500), at(H1, 5000))]);
    for _ in 0..2 {
        w.inbound(udp(at(S1, 53), at(N2, 4500)))
            .dropped(DropReason::NotForUs);
        let ordinary = w.open_udp(at(H1, 5000), at(S1, 53));
        assert_eq!(
            (
                *ordinary.ip(),
                w.session(at(H1, 5000), at(S1, 53)).is_static
            ),
            (N, false)
        );
        move_to(&mut w, &[N, N2]);
        assert_eq!(
            w.inbound(udp(at(S1, 53), at(N2, 4500)))
                .forwarded()
                .destination(),
            at(H1, 5000)
        );
        assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), at(N2, 4500));
        assert!(w.session(at(H1, 5000), at(S1, 53)).is_static);
        assert_eq!(w.sessions().len(), 1, "not from two endpoints at once");
        move_to(&mut w, &[N]);
        assert_eq!(w.sessions(), [], "its peers know no other address");
    }
}

/// A forward that rests leaves the sessions of its endpoint alone, whatever else is configured
/// meanwhile.
#[test]
fn a_resting_forward_ends_no_sessions() {
    let mut w = World::new();
    add(&mut w, [on(Udp, at(N2, 4500), at(H1, 5000))]);
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    add(&mut w, [range(Tcp, 8080, at(H2, 80), 1)]);
    assert_eq!(
        w.inbound(udp(at(S1, 53), external))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
    move_to(&mut w, &[N, N3]);
    assert_eq!(
        w.inbound(udp(at(S1, 53), external))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
}

/// Where a change of the primary address makes two forwards meet, one of them has the port, in both
/// directions.
#[test]
fn forwards_that_come_to_meet_do_not_share_a_port() {
    for order in [[0, 1], [1, 0]] {
        let mut w = World::with(two_addresses);
        let both = [
            range(Udp, 8080, at(H1, 80), 1),
            on(Udp, at(N2, 8080), at(H2, 80)),
        ];
        add(&mut w, order.map(|index| both[index]));
        move_to(&mut w, &[N2, N]);
        let served = w
            .inbound(udp(at(S1, 9), at(N2, 8080)))
            .forwarded()
            .destination();
        let other = if served == at(H1, 80) {
            at(H2, 80)
        } else {
            at(H1, 80)
        };
        assert_ne!(w.open_udp(other, at(S1, 9)).port(), 8080);
        assert_eq!(w.open_udp(served, at(S1, 9)), at(N2, 8080));
        assert_eq!(
            w.inbound(udp(at(S1, 9), at(N2, 8080)))
                .forwarded()
                .destination(),
            served
        );
    }
}

/// R2, A18: as many dynamic mappings as there are ports that no rule has, whether or not the ports
/// of rules are in use.
#[test]
fn kept_ports_are_counted_exactly() {
    for in_use in [0, 2, 3] {
        let mut w = World::with(|config| config.ports = ports(30000, 30009));
        // Three of the ten, and one of a range that begins before them.
        let forwards = [
            range(Udp, 30002, at(H2, 80), 3),
            range(Udp, 29990, at(H3, 90), 11),
        ];
        add(&mut w, forwards);
        for i in 0..in_use {
            assert_eq!(w.open_udp(at(H2, 80 + i), at(S1, 53)), at(N, 30002 + i));
        }
        let mut taken: Vec<_> = (0..6)
            .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port())
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, [30001, 30005, 30006, 30007, 30008, 30009]);
        w.outbound(udp(at(H1, 6000), at(S1, 53)))
            .rejected(DropReason::PortsExhausted);
        // TCP has ports of its own, and a removed forward gives its ports back.
        w.open_tcp(at(H1, 6000), at(S1, 80));
        assert!(w.remove_port_forward(&forwards[0]));
        let mut freed: Vec<_> = (0..3)
            .map(|i| w.open_udp(at(H1, 6000 + i), at(S1, 53)).port())
            .collect();
        freed.sort_unstable();
        assert_eq!(freed, [30002, 30003, 30004]);
        w.outbound(udp(at(H1, 6003), at(S1, 53)))
            .rejected(DropReason::PortsExhausted);
    }
}

/// A range that is added ends the mappings on its ports and those of its inside endpoints, and no
/// others.
#[test]
fn a_new_range_takes_its_ports_over() {
    let mut w = World::with(|config| config.ports = ports(30000, 30007));
    for i in 0..8 {
        w.open_udp(at(H1, 5000 + i), at(S1, 53));
    }
    add(&mut w, [range(Udp, 30002, at(H2, 80), 3)]);
    let left: Vec<_> = w
        .sessions()
        .iter()
        .map(|session| session.external.port())
        .collect();
    assert_eq!(left.len(), 5, "{left:?}");
    assert!(
        left.iter().all(|port| !(30002..30005).contains(port)),
        "{left:?}"
    );
    assert_eq!(
        w.inbound(udp(at(S1, 53), at(N, 30003)))
            .forwarded()
            .destination(),
        at(H2, 81)
    );
    w.outbound(udp(at(H3, 5000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
}

/// A range that is removed ends the sessions of all its ports, and no others.
#[test]
fn a_removed_range_closes_all_its_ports() {
    let mut w = World::new();
    let gone = range(Udp, 5000, at(H1, 7000), 10);
    add(
        &mut w,
        [
            gone,
            range(Udp, 5010, at(H1, 7010), 1),
            range(Tcp, 5000, at(H1, 7000), 10),
        ],
    );
    for i in 0..11 {
        w.open_udp(at(H1, 7000 + i), at(S1, 53));
    }
    w.open_tcp(at(H1, 7000), at(S1, 80));
    assert!(
        !w.remove_port_forward(&range(Udp, 5000, at(H1, 7000), 9)),
        "that is another"
    );
    assert!(w.remove_port_forward(&gone));
    assert_eq!(w.sessions().len(), 2);
    for i in 0..10 {
        w.inbound(udp(at(S1, 53), at(N, 5000 + i)))
            .dropped(DropReason::NoMapping);
    }
    w.inbound(udp(at(S1, 53), at(N, 5010))).forwarded();
}

/// I5, T4: a host may refuse what a forward has brought; its error leaves as the sender knows the
/// ends.
#[test]
fn errors_about_what_a_range_has_brought_leave_translated() {
    let mut w = World::new();
    add(&mut w, [range(Udp, 5000, at(H1, 7000), 10)]);
    let arrived = w.inbound(udp(at(S1, 9), at(N, 5009))).forwarded();
    let error = w
        .outbound(icmp_error(H1, S1, (3, 3), &arrived.bytes()))
        .forwarded();
    assert_eq!(*error.source().ip(), N);
    assert_eq!(
        (error.quote().source(), error.quote().destination()),
        (at(S1, 9), at(N, 5009))
    );
    let beyond = udp(at(S1, 9), at(H1, 7010)).bytes();
    w.outbound(icmp_error(H1, S1, (3, 3), &beyond))
        .dropped(DropReason::NoSession);
}

/// U8: what the filter says of other mappings does not count for a forwarded port, which is open to
/// all.
#[test]
fn forwarded_ports_are_open_whatever_the_filter() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = World::with(|config| config.filtering = filtering);
        add(&mut w, [range(Udp, 5000, at(H1, 7000), 10)]);
        w.open_udp(at(H1, 7004), at(S1, 53));
        assert_eq!(
            w.inbound(udp(at(ATTACKER, 9), at(N, 5004)))
                .forwarded()
                .destination(),
            at(H1, 7004)
        );
        assert_eq!(w.sessions().len(), 1, "and what comes in leaves no trace");
    }
}
