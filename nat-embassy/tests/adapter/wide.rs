//! A router with more sessions than links of 16 bits can tell apart.

use core::net::Ipv4Addr;

use crate::world::frames::{Station, Udp, arp_request, ipv4_frame};
use crate::world::*;
use nat_embassy::WideState;
use static_cell::ConstStaticCell;

static STATE: ConstStaticCell<WideState<128, 70_000, 16>> = ConstStaticCell::new(WideState::wide());

/// What the inside host sends.
fn question(station: Station, port: u16, remote_port: u16) -> Vec<u8> {
    let udp = Udp {
        src: station.1,
        src_port: port,
        dst: SERVER,
        dst_port: remote_port,
        payload: Vec::new(),
    };
    ipv4_frame(ROUTER_LAN.0, station.0, &udp.build())
}

/// What comes back to the external port.
fn answer(remote_port: u16, external_port: u16) -> Vec<u8> {
    from_gateway(&Udp {
        src: SERVER,
        src_port: remote_port,
        dst: ROUTER_WAN.1,
        dst_port: external_port,
        payload: Vec::new(),
    })
}

/// The limit of one host is 65,535 sessions, so there are two.
#[test]
fn answers_find_their_way_back_over_66_000_sessions_at_once() {
    let mut w = World::of(
        STATE.take(),
        config(),
        ethernet_nic(ROUTER_LAN),
        ethernet_nic(ROUTER_WAN),
    );
    w.introduce();
    w.lan.arrive(arp_request(OTHER_HOST, ROUTER_LAN.1));
    w.run();
    w.lan.take_sent();

    let flows = || {
        let endpoints = [HOST, OTHER_HOST]
            .into_iter()
            .flat_map(|host| (5000..5033).map(move |port| (host, port)));
        endpoints
            .flat_map(|(host, port)| (1..=1000).map(move |remote_port| (host, port, remote_port)))
    };
    for (host, port, remote_port) in flows() {
        w.lan.arrive(question(host, port, remote_port));
    }
    w.run();
    let sent = check_all(&w.wan.take_sent());
    assert_eq!(sent.len(), 66_000);
    assert_eq!(w.control.with_nat(|nat| nat.sessions().count()), 66_000);

    for seen in &sent {
        let (external_port, remote_port) = seen.ports.expect("UDP");
        w.wan.arrive(answer(remote_port, external_port));
    }
    w.run();
    let answered = check_all(&w.lan.take_sent());
    let found: Vec<(Ipv4Addr, _)> = answered
        .iter()
        .map(|seen| (seen.dst, seen.ports.expect("UDP")))
        .collect();
    let expected: Vec<_> = flows()
        .map(|(host, port, remote_port)| (host.1, (remote_port, port)))
        .collect();
    assert!(found == expected, "an answer went astray");
}
