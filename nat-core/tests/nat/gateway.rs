//! `Config::gateway`: what cloud NAT gateways document, standards section 5.

use crate::world::*;
use nat_core::{Config, DropReason, Mapping, PortRange, Side, Timeouts};

/// A world as `Config::gateway` has it, with [`N`] as its external address.
fn gateway() -> World {
    World::with(|config| {
        *config = Config::gateway(inside());
        config
            .external_addresses
            .push(N)
            .expect("there is room for one");
    })
}

/// The profile is made before any code runs, and differs from the default in what gateways do
/// otherwise.
#[test]
fn the_profile_is_the_default_but_for_what_gateways_do_otherwise() {
    const PROFILE: Config = Config::gateway(match nat_core::Cidr::new(ROUTER, 24) {
        Some(inside) => inside,
        None => panic!("24 is a prefix length"),
    });
    let mut expected = Config::new(inside());
    expected.mapping = Mapping::AddressAndPortDependent;
    expected.timeouts = Timeouts::GATEWAY;
    expected.low_ports = PortRange::new(1024, 65535).expect("ports");
    expected.mss_clamp = true;
    expected.inside_ping = false;
    assert_eq!(format!("{PROFILE:?}"), format!("{expected:?}"));
}

/// TCP, UDP and ICMP only: no IPsec, no GRE.
#[test]
fn other_protocols_do_not_pass_a_gateway() {
    let mut w = gateway();
    for protocol in [47, 50, 51, 132] {
        w.outbound(raw(H1, S1, protocol, &[7; 40]))
            .rejected(DropReason::UnknownProtocol);
        w.inbound(raw(S1, N, protocol, &[7; 40]))
            .dropped(DropReason::UnknownProtocol);
    }
}

/// Connections begin inside.
#[test]
fn nothing_begins_outside_a_gateway() {
    let mut w = gateway();
    let external = w.open_udp(at(H1, 5000), at(S1, 80));
    for to in [external, at(N, 22), at(N, 443)] {
        assert!(
            matches!(w.inbound(udp(at(S2, 80), to)), Outcome::Dropped(_)),
            "{to}"
        );
        assert!(
            matches!(w.inbound(tcp(at(S2, 80), to, SYN)), Outcome::Dropped(_)),
            "{to}"
        );
    }
    w.inbound(udp(at(S1, 80), external)).forwarded();
}

/// Neither address answers ping, from either side; pings through the gateway work.
#[test]
fn a_gateway_answers_no_ping() {
    let mut w = gateway();
    w.inbound(echo_request(S1, N, 7))
        .dropped(DropReason::EchoRefused);
    w.outbound(echo_request(H1, ROUTER, 7))
        .dropped(DropReason::EchoRefused);
    w.outbound(echo_request(H1, N, 7))
        .dropped(DropReason::Hairpin);
    assert_eq!((w.stats().local, w.stats().rejected_total()), (0, 0));
    let id = w.open_echo(H1, S1, 7);
    w.inbound(echo_reply(S1, N, id)).forwarded();
}

/// External ports are 1024 to 65535, whatever the inside port; all of them are used.
#[test]
fn a_gateway_uses_high_ports_only() {
    let mut w = gateway();
    let mut ports: Vec<_> = (1..=120)
        .map(|port| w.open_udp(at(H1, port * 9), at(S1, 80)).port())
        .collect();
    ports.sort_unstable();
    assert!(ports[0] >= 1024);
    assert!(ports[0] < 10_000 && ports[119] > 56_000, "{ports:?}");
}

/// Up to eight addresses, private ones too, without the feature for more.
#[test]
fn a_gateway_has_up_to_eight_addresses() {
    let mut w = gateway();
    let addresses: Vec<_> = (1..=9)
        .map(|i| core::net::Ipv4Addr::new(10, 9, 8, i))
        .collect();
    #[cfg(not(feature = "sixteen-addresses"))]
    assert_eq!(nat_core::MAX_EXTERNAL_ADDRESSES, 8);
    #[cfg(not(feature = "sixteen-addresses"))]
    w.set_external_addresses(&addresses).expect_err("nine");
    w.set_external_addresses(&addresses[..8]).expect("eight");
    assert!(addresses[..8].contains(w.open_udp(at(H1, 5000), at(S1, 80)).ip()));
}

/// 350 s without traffic for every protocol; then a RST to the inside host that goes on, and
/// nothing to the outside.
#[test]
fn a_gateway_forgets_what_is_idle_for_350_seconds() {
    for (idle, alive) in [(349, true), (351, false)] {
        let mut w = gateway();
        let datagrams =
            [53, 80].map(|port| udp(at(S1, port), w.open_udp(at(H1, 5000), at(S1, port))));
        let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
        let id = w.open_echo(H1, S1, 7);
        w.advance(secs(idle));
        for packet in datagrams
            .iter()
            .chain([&connection.outside_sends(ACK), &echo_reply(S1, N, id)])
        {
            assert_eq!(w.inbound(packet).is_forwarded(), alive, "after {idle} s");
        }
        if !alive {
            let reset = w
                .outbound(connection.inside_sends(ACK))
                .rejected(DropReason::NoSession);
            assert_eq!(reset.tcp_flags(), RST);
            assert_eq!(w.stats().gateway().idle_timeout_count, 1);
        }
    }
}

/// Fragments pass: those of UDP as at a gateway, those of TCP and ICMP too.
#[test]
fn fragments_pass_a_gateway() {
    let mut w = gateway();
    for datagram in [
        udp(at(H1, 5000), at(S1, 80)),
        tcp(at(H1, 5000), at(S1, 80), SYN),
        echo_request(H1, S1, 7),
    ] {
        for fragment in datagram.payload(&[7; 300]).may_fragment().cut(&[104, 96]) {
            w.outbound(fragment).forwarded();
        }
    }
}

/// The MSS is clamped to what the links carry.
#[test]
fn a_gateway_clamps_the_mss() {
    let mut w = gateway();
    w.nat.set_mtu(Side::Outside, 1400).expect("an MTU");
    let syn = tcp(at(H1, 5000), at(S1, 80), SYN).tcp_options(&[2, 4, 0x05, 0xB4]);
    assert_eq!(
        w.outbound(syn).forwarded().tcp().options.as_slice(),
        [2, 4, 0x05, 0x50],
        "1360"
    );
}

/// The inside address shows as a hop, with an error about what is too large for the way on.
#[test]
fn a_gateway_is_a_hop() {
    let mut w = gateway();
    let answer = w
        .outbound(udp(at(H1, 5000), at(S1, 33434)).ttl(1))
        .rejected(DropReason::TtlExpired);
    assert_eq!(
        (answer.icmp_type(), *answer.source().ip()),
        ((11, 0), ROUTER)
    );
    let answer = w
        .outbound(udp(at(H1, 5000), at(S1, 80)).payload(&[7; 1500]))
        .rejected(DropReason::PacketTooBig);
    assert_eq!(
        (answer.icmp_type(), *answer.source().ip()),
        ((3, 4), ROUTER)
    );
}

/// A new connection that gets no port fails, and is counted.
#[test]
fn a_gateway_counts_what_gets_no_port() {
    let mut w = World::with(|config| {
        *config = Config::gateway(inside());
        config
            .external_addresses
            .push(N)
            .expect("there is room for one");
        config.ports = PortRange::new(2000, 2001).expect("two ports");
    });
    for port in [5000, 5001] {
        w.open_udp(at(H1, port), at(S1, 80));
    }
    w.outbound(udp(at(H1, 5002), at(S1, 80)))
        .rejected(DropReason::PortsExhausted);
    assert_eq!(w.stats().gateway().error_port_allocation, 1);
}
