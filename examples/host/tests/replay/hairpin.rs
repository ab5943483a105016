//! LAN hosts that reach each other through an external address.

use core::net::SocketAddrV4;
use core::time::Duration;

use crate::packet::{
    EXTERNAL, HOST, Kind, PEER, ROUTER_INSIDE, SERVER, Seen, ack, at, fragmentable, fragments_of,
    payload, reassembled, seen, syn, syn_ack, udp, udp_with,
};
use crate::run::{Outcome, Replay};

const T: Duration = Duration::from_micros(1_700_000_000_123_456);
const FORWARDS: &str = "--forward tcp:8080=192.168.77.10:80 --forward udp:8080=192.168.77.10:80";

fn host() -> SocketAddrV4 {
    at(HOST, 5000)
}

fn peer() -> SocketAddrV4 {
    at(PEER, 6000)
}

fn server() -> SocketAddrV4 {
    at(SERVER, 53)
}

/// A packet of one transport from one endpoint to another.
type Packet = fn(SocketAddrV4, SocketAddrV4) -> Vec<u8>;

/// Both hosts send `first` to the server. Returns that, and their external endpoints, which are the
/// same in every run because the seed is fixed.
fn both_known(first: Packet) -> (Replay, SocketAddrV4, SocketAddrV4) {
    let replay = || {
        Replay::new()
            .lan(T, &first(host(), server()))
            .lan(T, &first(peer(), server()))
    };
    let outcome = replay().run();
    let external = |i: usize| seen(&outcome.wan[i].1).from;
    (replay(), external(0), external(1))
}

/// The external endpoint of `peer` if its first packet is `packet` to the port forward.
fn external_of_peer(packet: Packet) -> SocketAddrV4 {
    let outcome = Replay::new()
        .lan(T, &packet(peer(), at(EXTERNAL, 8080)))
        .options(FORWARDS)
        .run();
    seen(&outcome.lan[0].1).from
}

/// The packets that left to the LAN, in order. Only the `first` packets may have left to the WAN.
#[track_caller]
fn turned_back(outcome: &Outcome, first: usize) -> Vec<Seen> {
    assert_eq!(outcome.wan.len(), first, "nothing leaves for the WAN");
    outcome.lan.iter().map(|(_, packet)| seen(packet)).collect()
}

fn arrives(from: SocketAddrV4, to: SocketAddrV4, kind: Kind) -> Seen {
    Seen {
        from,
        to,
        ttl: 63,
        kind,
    }
}

#[test]
fn datagrams_between_external_endpoints_come_back_inside() {
    let (replay, host_outside, peer_outside) = both_known(udp);
    let outcome = replay
        .lan(T, &udp(peer(), host_outside))
        .lan(T, &udp(host(), peer_outside))
        .run();
    assert_eq!(outcome.verdicts()[2..], ["forward lan"; 2]);
    let expected = [
        arrives(peer_outside, host(), Kind::Udp),
        arrives(host_outside, peer(), Kind::Udp),
    ];
    assert_eq!(turned_back(&outcome, 2), expected);
}

#[test]
fn connections_between_external_endpoints_open() {
    let (replay, host_outside, peer_outside) = both_known(syn);
    let outcome = replay
        .lan(T, &syn(peer(), host_outside))
        .lan(T, &syn_ack(host(), peer_outside))
        .lan(T, &ack(peer(), host_outside))
        .run();
    assert_eq!(outcome.verdicts()[2..], ["forward lan"; 3]);
    let expected = [
        arrives(peer_outside, host(), Kind::Syn),
        arrives(host_outside, peer(), Kind::Syn),
        arrives(peer_outside, host(), Kind::Ack),
    ];
    assert_eq!(turned_back(&outcome, 2), expected);
}

/// Independent of the filter: a port forward is open to all.
#[test]
fn connections_to_a_port_forward_open_from_inside() {
    let (forward, service, client) = (at(EXTERNAL, 8080), at(HOST, 80), external_of_peer(syn));
    for hairpin in ["unfiltered", "filtered"] {
        let outcome = Replay::new()
            .lan(T, &syn(peer(), forward))
            .lan(T, &syn_ack(service, client))
            .lan(T, &ack(peer(), forward))
            .options(&format!("{FORWARDS} --hairpin {hairpin}"))
            .run();
        assert_eq!(outcome.verdicts(), ["forward lan"; 3], "{hairpin}");
        let expected = [
            arrives(client, service, Kind::Syn),
            arrives(forward, peer(), Kind::Syn),
            arrives(client, service, Kind::Ack),
        ];
        assert_eq!(turned_back(&outcome, 0), expected, "{hairpin}");
    }
}

#[test]
fn datagrams_to_a_port_forward_are_answered_from_inside() {
    let (forward, service, client) = (at(EXTERNAL, 8080), at(HOST, 80), external_of_peer(udp));
    for hairpin in ["unfiltered", "filtered"] {
        let replay = Replay::new()
            .lan(T, &udp(peer(), forward))
            .lan(T, &udp(service, client));
        let outcome = replay
            .options(&format!("{FORWARDS} --hairpin {hairpin}"))
            .run();
        assert_eq!(outcome.verdicts(), ["forward lan"; 2], "{hairpin}");
        let expected = [
            arrives(client, service, Kind::Udp),
            arrives(forward, peer(), Kind::Udp),
        ];
        assert_eq!(turned_back(&outcome, 0), expected, "{hairpin}");
    }
}

#[test]
fn the_filter_applies_to_hairpins_only_if_configured() {
    for (options, expected) in [
        ("--hairpin unfiltered", ["forward lan"; 2]),
        ("--hairpin filtered", ["drop filtered"; 2]),
        (
            "--hairpin filtered --filtering address-dependent",
            ["drop filtered"; 2],
        ),
        (
            "--hairpin filtered --filtering endpoint-independent",
            ["forward lan"; 2],
        ),
    ] {
        for packet in [udp as Packet, syn] {
            let (replay, host_outside, peer_outside) = both_known(packet);
            let replay = replay
                .lan(T, &packet(peer(), host_outside))
                .lan(T, &packet(host(), peer_outside));
            let outcome = replay.options(options).run();
            assert_eq!(outcome.verdicts()[2..], expected, "{options}");
            assert_eq!(
                turned_back(&outcome, 2).len(),
                if expected[0] == "forward lan" { 2 } else { 0 },
                "{options}"
            );
        }
    }
}

#[test]
fn filtered_hairpinning_does_not_change_the_filter_for_the_outside() {
    let (replay, host_outside, _) = both_known(udp);
    let outcome = replay
        .wan(T, &udp(server(), host_outside))
        .options("--hairpin filtered")
        .run();
    assert_eq!(outcome.verdicts()[2..], ["forward lan"]);
}

#[test]
fn an_unused_external_port_has_no_hairpin() {
    let outcome = Replay::new()
        .lan(T, &udp(peer(), at(EXTERNAL, 9)))
        .lan(T, &syn(peer(), at(EXTERNAL, 9)))
        .run();
    assert_eq!(outcome.verdicts(), ["drop no-mapping"; 2]);
    assert!(turned_back(&outcome, 0).is_empty());
}

#[test]
fn fragments_hairpin_behind_their_first() {
    let (forward, service, client) = (at(EXTERNAL, 8080), at(HOST, 80), external_of_peer(udp));
    let sent = vec![0x5a; 4000];
    let pieces = fragments_of(&fragmentable(peer(), forward, 7, &sent), 1480);
    let [first, middle, last] = &pieces[..] else {
        panic!("{} fragments", pieces.len())
    };
    let outcome = Replay::new()
        .lan(T, last)
        .lan(T, middle)
        .lan(T, first)
        .options(FORWARDS)
        .run();
    assert_eq!(outcome.verdicts(), ["hold", "hold", "forward lan"]);
    assert!(outcome.wan.is_empty());
    let whole = reassembled(&outcome.lan);
    assert_eq!(seen(&whole), arrives(client, service, Kind::Udp));
    assert_eq!(payload(&whole), sent);
}

#[test]
fn the_mtu_of_the_lan_limits_hairpins() {
    let (forward, service, client) = (at(EXTERNAL, 8080), at(HOST, 80), external_of_peer(udp));
    let sent = vec![0x5a; 1400 - 28];
    let options = format!("{FORWARDS} --lan-mtu 1300 --wan-mtu 1500");
    let outcome = Replay::new()
        .lan(T, &fragmentable(peer(), forward, 7, &sent))
        .options(&options)
        .run();
    assert_eq!(outcome.verdicts(), ["forward lan"]);
    assert_eq!(
        outcome
            .lan
            .iter()
            .map(|(_, packet)| packet.len())
            .collect::<Vec<_>>(),
        [1300, 120]
    );
    let whole = reassembled(&outcome.lan);
    assert_eq!(seen(&whole), arrives(client, service, Kind::Udp));

    let outcome = Replay::new()
        .lan(T, &udp_with(peer(), forward, 64, &sent))
        .options(&options)
        .run();
    assert_eq!(outcome.verdicts(), ["reject lan packet-too-big"]);
    let answer = seen(&outcome.lan[0].1);
    assert_eq!(
        (answer.from, answer.kind),
        (at(ROUTER_INSIDE, 0), Kind::FragmentationNeeded(1300))
    );
}
