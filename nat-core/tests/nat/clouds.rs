//! `Config::azure` and `Config::gcp`: what these clouds' NAT gateways document. docs/operators.md has
//! the sources.

use crate::world::*;
use nat_core::{
    Config, DropReason, MAX_EXTERNAL_ADDRESSES, Mapping, PortRange, PortSet, SessionState, Timeouts,
};

fn world(profile: fn(nat_core::Cidr) -> Config, change: impl FnOnce(&mut Config)) -> World {
    World::with(|config| {
        *config = profile(inside());
        config
            .external_addresses
            .push(N)
            .expect("there is room for one");
        change(config);
    })
}

/// With one external port, so that two connections to one destination need the same.
fn one_port(config: &mut Config) {
    let port = PortRange::new(5000, 5000).expect("a port");
    (config.ports, config.low_ports) = (port, port);
}

/// The profiles differ from the default in what the clouds do otherwise.
#[test]
fn the_profiles_are_the_default_but_for_what_the_clouds_do_otherwise() {
    let (azure, gcp) = (Config::azure(inside()), Config::gcp(inside()));
    let mut expected = Config::new(inside());
    expected.mapping = Mapping::AddressAndPortDependent;
    expected.low_ports = PortRange::new(1024, 65535).expect("ports");
    expected.excluded_ports = PortSet::EMPTY;
    expected.inside_ping = false;
    expected.timeouts = Timeouts::AZURE;
    assert_eq!(format!("{azure:?}"), format!("{expected:?}"));
    expected.timeouts = Timeouts::GCP;
    expected.port_blocks = Some(64);
    assert_eq!(format!("{gcp:?}"), format!("{expected:?}"));
}

/// Each profile, with its timeouts for UDP, an open connection and ICMP in seconds.
#[test]
fn idle_sessions_end_when_the_clouds_say() {
    type Profile = fn(nat_core::Cidr) -> Config;
    let profiles: [(Profile, [u64; 3]); 2] = [
        (Config::azure, [240, 240, 60]),
        (Config::gcp, [30, 1200, 30]),
    ];
    for (profile, [of_udp, of_tcp, of_icmp]) in profiles {
        for (early, alive) in [(1, true), (0, false)] {
            let mut w = world(profile, |_| ());
            let external = w.open_udp(at(H1, 5000), at(S1, 7));
            w.advance(secs(of_udp - early));
            let answer = w.inbound(udp(at(S1, 7), external));
            assert_eq!(answer.is_forwarded(), alive, "UDP, {early} s early");

            let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
            w.advance(secs(of_tcp - early));
            let segment = w.inbound(connection.outside_sends(ACK));
            assert_eq!(segment.is_forwarded(), alive, "TCP, {early} s early");

            let id = w.open_echo(H1, S2, 7);
            w.advance(secs(of_icmp - early));
            let reply = w.inbound(echo_reply(S2, N, id));
            assert_eq!(reply.is_forwarded(), alive, "ICMP, {early} s early");
        }
    }
}

/// Azure: a port is held for its destination, 65 s after a close by FINs, 16 s after a RST, 30 s after
/// an opening without an answer. Google: 30 s each. To another destination it is free at once.
#[test]
fn a_port_is_held_for_its_destination_by_kind_of_close() {
    #[derive(Clone, Copy, Debug)]
    enum Close {
        Fin,
        Reset,
        HalfOpen,
    }
    type Profile = fn(nat_core::Cidr) -> Config;
    let azure: Profile = Config::azure;
    // One port is no block of 64.
    let gcp: Profile = |inside| {
        let mut config = Config::gcp(inside);
        config.port_blocks = None;
        config
    };
    let kinds = [
        (azure, Close::Fin, 65),
        (azure, Close::Reset, 16),
        (azure, Close::HalfOpen, 30),
        (gcp, Close::Fin, 30),
        (gcp, Close::Reset, 30),
        (gcp, Close::HalfOpen, 30),
    ];
    for (profile, close, held) in kinds {
        let mut w = world(profile, one_port);
        match close {
            Close::HalfOpen => {
                Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
            }
            Close::Fin => {
                let mut connection = w.open_tcp(at(H1, 5000), at(S1, 80));
                w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
                connection.inside_next += 1;
                w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
                assert_eq!(connection.state(&w), SessionState::Closing);
            }
            Close::Reset => {
                let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
                w.outbound(connection.inside_sends(RST)).forwarded();
                assert_eq!(connection.state(&w), SessionState::Reset);
            }
        }
        let syn = |to| tcp(at(H2, 6000), at(to, 80), SYN);
        w.outbound(syn(S2)).forwarded();
        w.advance(secs(held - 1));
        w.outbound(syn(S1)).rejected(DropReason::PortsExhausted);
        w.advance(secs(1));
        let what = format!("{close:?} after {held} s");
        assert!(w.outbound(syn(S1)).is_forwarded(), "{what}");
    }
}

/// Google: 64 ports for each machine, so 64 connections to one destination. Another destination, another
/// protocol and another machine have their own.
#[test]
fn a_host_has_sixty_four_sessions_to_each_destination() {
    let mut w = world(Config::gcp, |config| {
        config.limits.sessions_per_host = Some(u16::MAX);
        config.limits.mappings_per_host = Some(u16::MAX);
        config.limits.reserved_per_host = Some(0);
    });
    let mut ports: Vec<_> = (0..64)
        .map(|n| w.open_udp(at(H1, 5000 + n), at(S1, 7)).port())
        .collect();
    ports.sort_unstable();
    assert_eq!(ports[63] - ports[0], 63, "one block: {ports:?}");
    w.outbound(udp(at(H1, 6000), at(S1, 7)))
        .rejected(DropReason::PortsExhausted);
    w.open_udp(at(H1, 6000), at(S2, 7));
    w.open_tcp(at(H1, 6000), at(S1, 7));
    let other = w.open_udp(at(H2, 6000), at(S1, 7)).port();
    assert!(!ports.contains(&other), "a block of its own");
}

/// As many addresses as the feature `sixteen-addresses` says, all in use.
#[test]
fn a_gateway_uses_all_its_addresses() {
    let mut w = world(Config::azure, |_| ());
    let addresses: Vec<_> = (1..=MAX_EXTERNAL_ADDRESSES as u8 + 1)
        .map(|i| core::net::Ipv4Addr::new(203, 0, 113, i))
        .collect();
    let (most, one_more) = (&addresses[..MAX_EXTERNAL_ADDRESSES], &addresses[..]);
    w.set_external_addresses(one_more)
        .expect_err("one too many");
    w.set_external_addresses(most)
        .expect("as many as there can be");
    let mut used: Vec<_> = (0..200)
        .map(|n| {
            let host = core::net::Ipv4Addr::new(192, 168, 1, 10 + n % 15);
            *w.open_udp(at(host, 5000 + u16::from(n)), at(S1, 7)).ip()
        })
        .collect();
    used.sort_unstable();
    used.dedup();
    assert!(used.len() > MAX_EXTERNAL_ADDRESSES / 2, "{used:?}");
    assert!(used.iter().all(|address| most.contains(address)));
}
