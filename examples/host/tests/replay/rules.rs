//! `--dmz-host`, `--one-to-one`, `--untranslated`, and `--forward` with ranges and addresses.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use crate::packet::{EXTERNAL, HOST, Kind, PEER, SERVER, at, ping, pong, seen, syn, udp};
use crate::run::{Outcome, Replay};

const T: Duration = Duration::from_secs(1_700_000_000);
const FURTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 78);
const OTHER_NETWORK: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);

/// Source and destination of packets that left to the LAN.
fn arrived(outcome: &Outcome) -> Vec<(SocketAddrV4, SocketAddrV4)> {
    outcome
        .lan
        .iter()
        .map(|(_, packet)| seen(packet))
        .map(|seen| (seen.from, seen.to))
        .collect()
}

/// Source and destination of packets that left to the WAN.
fn left(outcome: &Outcome) -> Vec<(SocketAddrV4, SocketAddrV4)> {
    outcome
        .wan
        .iter()
        .map(|(_, packet)| seen(packet))
        .map(|seen| (seen.from, seen.to))
        .collect()
}

#[test]
fn the_dmz_host_gets_all_other_unsolicited_packets() {
    let client = at(SERVER, 40_000);
    let packets = || {
        let replay = Replay::new()
            .wan(T, &syn(client, at(EXTERNAL, 80)))
            .wan(T, &udp(client, at(EXTERNAL, 7)));
        replay.wan(T, &syn(client, at(EXTERNAL, 8080)))
    };
    assert_eq!(packets().run().verdicts(), ["drop no-mapping"; 3]);
    let outcome = packets()
        .options("--dmz-host 192.168.77.10 --forward tcp:8080=192.168.77.11:80")
        .run();
    assert_eq!(outcome.verdicts(), ["forward lan"; 3]);
    assert_eq!(
        arrived(&outcome),
        [
            (client, at(HOST, 80)),
            (client, at(HOST, 7)),
            (client, at(PEER, 80))
        ]
    );
}

/// RFC 2663 section 4.1.1: both ways with the port unchanged, pings included; the primary address
/// stays as it was.
#[test]
fn an_address_is_mapped_to_one_host() {
    let client = at(SERVER, 40_000);
    let outcome = Replay::new()
        .lan(T, &syn(at(HOST, 5000), at(SERVER, 80)))
        .wan(T, &syn(client, at(FURTHER, 22)))
        .wan(T, &ping(client, FURTHER))
        .wan(T, &syn(client, at(EXTERNAL, 22)))
        .options("--wan-address 198.51.100.78 --one-to-one 198.51.100.78=192.168.77.10")
        .run();
    assert_eq!(
        outcome.verdicts(),
        [
            "forward wan",
            "forward lan",
            "forward lan",
            "drop no-mapping"
        ]
    );
    assert_eq!(left(&outcome), [(at(FURTHER, 5000), at(SERVER, 80))]);
    assert_eq!(
        arrived(&outcome),
        [(client, at(HOST, 22)), (client, at(HOST, 0))]
    );
    assert_eq!(seen(&outcome.lan[1].1).kind, Kind::Ping);
}

/// RFC 6888 REQ-6: packets and answers are not translated; unsolicited packets from there are dropped.
#[test]
fn untranslated_destinations_see_addresses_of_the_lan() {
    let (host, server) = (at(HOST, 5000), at(OTHER_NETWORK, 80));
    let echo = at(HOST, 77);
    let outcome = Replay::new()
        .lan(T, &udp(host, server))
        .lan(T, &ping(echo, OTHER_NETWORK))
        .lan(T, &udp(host, at(SERVER, 80)))
        .wan(T, &udp(server, host))
        .wan(T, &pong(OTHER_NETWORK, echo))
        .wan(T, &udp(at(OTHER_NETWORK, 81), host))
        .wan(T, &udp(server, at(PEER, 5000)))
        .options("--untranslated 10.0.0.0/8")
        .run();
    assert_eq!(
        outcome.verdicts()[..5],
        [
            "forward wan",
            "forward wan",
            "forward wan",
            "forward lan",
            "forward lan"
        ]
    );
    assert!(
        outcome.verdicts()[5..]
            .iter()
            .all(|verdict| verdict.starts_with("drop ")),
        "{:?}",
        outcome.verdicts()
    );
    let left = left(&outcome);
    assert_eq!(left[..2], [(host, server), (echo, at(OTHER_NETWORK, 0))]);
    assert_eq!(*left[2].0.ip(), EXTERNAL, "others are translated");
    assert_eq!(
        arrived(&outcome),
        [(server, host), (at(OTHER_NETWORK, 0), echo)]
    );
}

#[test]
fn untranslated_destinations_may_be_some_ports_only() {
    let packets = [79, 80, 443, 444].map(|port| udp(at(HOST, 5000), at(OTHER_NETWORK, port)));
    let replay = packets
        .iter()
        .fold(Replay::new(), |replay, packet| replay.lan(T, packet));
    let outcome = replay
        .lan(T, &ping(at(HOST, 77), OTHER_NETWORK))
        .options("--untranslated 10.0.0.0/8:80-443")
        .run();
    let sources: Vec<Ipv4Addr> = left(&outcome).iter().map(|(from, _)| *from.ip()).collect();
    assert_eq!(sources, [EXTERNAL, HOST, HOST, EXTERNAL, EXTERNAL]);
}

#[test]
fn forwards_may_have_a_range_and_a_secondary_address() {
    let client = at(SERVER, 40_000);
    let packets = [
        (FURTHER, 5003),
        (FURTHER, 5009),
        (FURTHER, 5010),
        (EXTERNAL, 5003),
    ];
    let replay = packets
        .into_iter()
        .fold(Replay::new(), |replay, (address, port)| {
            replay.wan(T, &udp(client, at(address, port)))
        });
    let options =
        "--wan-address 198.51.100.78 --forward udp:198.51.100.78:5000-5009=192.168.77.10:6000";
    let outcome = replay.options(options).run();
    assert_eq!(
        outcome.verdicts(),
        [
            "forward lan",
            "forward lan",
            "drop no-mapping",
            "drop no-mapping"
        ]
    );
    assert_eq!(
        arrived(&outcome),
        [(client, at(HOST, 6003)), (client, at(HOST, 6009))]
    );
}
