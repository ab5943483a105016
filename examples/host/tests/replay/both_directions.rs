//! `--capture`: one capture of both directions.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use std::process::Command;

use etherparse::icmpv4::TimeExceededCode;
use etherparse::{Icmpv4Type, PacketBuilder};
use pcap_file::DataLink;

use crate::packet::{
    EXTERNAL, HOST, IPV4_PAYLOAD, Kind, PEER, ROUTER_INSIDE, SERVER, ack, at, fragmentable,
    fragments_of, ping, pong, quoted, reassembled, seen, syn, syn_ack, udp,
};
use crate::run::{Files, Outcome, Replay};

const LAN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x10];
const OTHER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x01];

/// Runs on one capture of these records, a millisecond apart.
#[track_caller]
fn run(datalink: DataLink, records: &[Vec<u8>], options: &str) -> Outcome {
    let files = Files::new();
    let mut replay = Replay::new();
    replay.datalink = datalink;
    let times = (1..).map(Duration::from_millis);
    let records: Vec<_> = times.zip(records.iter().cloned()).collect();
    replay.write(&files.path("capture"), &records);
    let options: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    files.outcome(&["capture", "lan-out", "wan-out", "json"], &options)
}

fn frame(from: [u8; 6], to: [u8; 6], packet: &[u8]) -> Vec<u8> {
    [&to[..], &from, &[0x08, 0x00], packet].concat()
}

fn host() -> SocketAddrV4 {
    at(HOST, 5000)
}

fn server() -> SocketAddrV4 {
    at(SERVER, 80)
}

/// The external port of the host. It is the same in every run, because the seed is fixed.
fn external() -> SocketAddrV4 {
    seen(&run(DataLink::RAW, &[syn(host(), server())], "").wan[0].1).from
}

#[test]
fn both_directions_are_distinguished_by_address() {
    let records = [
        syn(host(), server()),
        syn_ack(server(), external()),
        ack(host(), server()),
    ];
    let outcome = run(DataLink::RAW, &records, "");
    assert_eq!(
        outcome.verdicts(),
        ["forward wan", "forward lan", "forward wan"]
    );
    assert!(
        outcome.lines[1].contains(r#""from":"wan""#),
        "{}",
        outcome.lines[1]
    );
    assert!(
        outcome
            .summary
            .contains("capture: 3 records, 3 processed\n"),
        "{}",
        outcome.summary
    );
}

/// The answer's destination is the host: the captured router has translated it.
#[test]
fn answers_in_a_capture_taken_inside_are_processed_as_arriving_at_the_router() {
    let records = [
        syn(host(), server()),
        syn_ack(server(), host()),
        ack(host(), server()),
    ];
    let outcome = run(DataLink::RAW, &records, "");
    assert_eq!(
        outcome.verdicts(),
        ["forward wan", "forward lan", "forward wan"]
    );
    let answer = seen(&outcome.lan[0].1);
    assert_eq!(
        (answer.from, answer.to, answer.kind),
        (server(), host(), Kind::Syn)
    );

    let records = [udp(host(), at(SERVER, 53)), udp(at(SERVER, 53), host())];
    let outcome = run(DataLink::RAW, &records, "--profile gateway");
    assert_eq!(outcome.verdicts(), ["forward wan", "forward lan"]);
    assert_eq!(seen(&outcome.lan[0].1).to, host());
}

#[test]
fn unsolicited_packets_are_still_not_forwarded() {
    let records = [syn(server(), host()), udp(at(SERVER, 53), at(PEER, 6000))];
    assert_eq!(
        run(DataLink::RAW, &records, "").verdicts(),
        ["drop no-mapping"; 2]
    );
}

/// Without a mapping, the destination port stays, and the port forward has the same port.
#[test]
fn a_port_forward_is_reached_in_a_capture_taken_inside() {
    let records = [
        syn(server(), at(HOST, 8080)),
        syn_ack(at(HOST, 8080), server()),
    ];
    let outcome = run(
        DataLink::RAW,
        &records,
        "--forward tcp:8080=192.168.77.10:8080",
    );
    assert_eq!(outcome.verdicts(), ["forward lan", "forward wan"]);
}

/// Each destination sees a different port.
#[test]
fn answers_find_the_mapping_of_their_own_destination() {
    let other = at(Ipv4Addr::new(203, 0, 113, 6), 80);
    let records = [
        udp(host(), server()),
        udp(host(), other),
        udp(server(), host()),
        udp(other, host()),
    ];
    let outcome = run(DataLink::RAW, &records, "--profile gateway");
    assert_eq!(
        outcome.verdicts(),
        ["forward wan", "forward wan", "forward lan", "forward lan"]
    );
}

#[test]
fn fragments_and_pings_of_a_capture_taken_inside_are_forwarded() {
    let whole = fragmentable(at(SERVER, 53), host(), 7, &[0x5a; 3000]);
    let mut records = vec![udp(host(), at(SERVER, 53))];
    records.extend(fragments_of(&whole, 1480));
    let outcome = run(DataLink::RAW, &records, "");
    assert_eq!(
        outcome.verdicts()[1..],
        ["forward lan", "forward lan", "forward lan"]
    );
    assert_eq!(seen(&reassembled(&outcome.lan)).to, host());

    let outcome = run(
        DataLink::RAW,
        &[ping(at(HOST, 9), SERVER), pong(SERVER, at(HOST, 9))],
        "",
    );
    assert_eq!(outcome.verdicts(), ["forward wan", "forward lan"]);
}

/// The error quotes the packet as the host has sent it.
#[test]
fn errors_of_a_capture_taken_inside_are_forwarded() {
    let hop = Ipv4Addr::new(203, 0, 113, 1);
    for query in [
        udp(host(), server()),
        syn(host(), server()),
        ping(at(HOST, 9), SERVER),
    ] {
        let mut error = Vec::new();
        let builder = PacketBuilder::ipv4(hop.octets(), HOST.octets(), 64);
        let expired = Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit);
        builder.icmpv4(expired).write(&mut error, &query).unwrap();
        let outcome = run(DataLink::RAW, &[query.clone(), error.clone()], "");
        assert_eq!(outcome.verdicts(), ["forward wan", "forward lan"]);
        let arrived = &outcome.lan[0].1;
        assert_eq!(
            (seen(arrived).kind, quoted(arrived)),
            (Kind::TimeExceeded, (HOST, SERVER))
        );
        assert_eq!(
            arrived[IPV4_PAYLOAD], error[IPV4_PAYLOAD],
            "as the host would have got it"
        );
    }
}

/// A capture of all interfaces of a router contains each packet twice.
#[test]
fn packets_that_the_router_sent_are_skipped() {
    let external = external();
    let records = [
        syn(host(), server()),
        syn(external, server()),
        syn_ack(server(), external),
        syn_ack(server(), host()),
        udp(at(ROUTER_INSIDE, 53), host()),
    ];
    let outcome = run(DataLink::RAW, &records, "");
    assert_eq!(outcome.verdicts(), ["forward wan", "forward lan"]);
    assert!(
        outcome
            .summary
            .contains("5 records, 2 processed; skipped: 3 sent by the router"),
        "{}",
        outcome.summary
    );
}

#[test]
fn packets_of_neither_side_are_counted_and_reported() {
    let elsewhere = at(Ipv4Addr::new(10, 9, 8, 7), 1);
    let records = [
        udp(elsewhere, server()),
        udp(host(), at(PEER, 6000)),
        udp(host(), server()),
    ];
    let outcome = run(DataLink::RAW, &records, "");
    assert_eq!(outcome.verdicts(), ["forward wan"]);
    let expected = "3 records, 1 processed; skipped: 1 between hosts of the LAN, 1 of neither side (check --lan and --lan-mac)";
    assert!(outcome.summary.contains(expected), "{}", outcome.summary);
}

#[test]
fn both_directions_are_distinguished_by_mac_address() {
    let records = [
        frame(LAN_MAC, OTHER_MAC, &syn(host(), server())),
        frame(OTHER_MAC, LAN_MAC, &syn_ack(server(), host())),
        frame(OTHER_MAC, OTHER_MAC, &udp(at(PEER, 6000), server())),
    ];
    let outcome = run(DataLink::ETHERNET, &records, "--lan-mac 02:00:00:00:00:10");
    assert_eq!(outcome.verdicts(), ["forward wan", "forward lan"]);
    assert!(
        outcome.summary.contains("skipped: 1 of neither side"),
        "{}",
        outcome.summary
    );
}

/// Runs on one capture at a host, with these options alone.
#[track_caller]
fn alone(options: &str) -> (Option<i32>, String) {
    let files = Files::new();
    let mut replay = Replay::new();
    replay.datalink = DataLink::ETHERNET;
    let records = [
        frame(LAN_MAC, OTHER_MAC, &syn(host(), server())),
        frame(OTHER_MAC, LAN_MAC, &syn_ack(server(), host())),
    ];
    let records: Vec<_> = (1..).map(Duration::from_secs).zip(records).collect();
    replay.write(&files.path("capture"), &records);
    let mut command = Command::new(env!("CARGO_BIN_EXE_nat-host"));
    command
        .arg("replay")
        .arg("--capture")
        .arg(files.path("capture"))
        .args(options.split_whitespace());
    let output = command.output().unwrap();
    let output_text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8(output_text).unwrap(),
    )
}

#[test]
fn the_lan_may_be_a_network_or_a_host_or_be_found_by_its_mac_address() {
    for options in [
        "--lan 192.168.77.0/24",
        "--lan 192.168.0.0/16",
        "--lan 192.168.77.10/32",
        "--lan 192.168.77.10/31",
        "--lan 192.168.77.1/24",
        "--lan-mac 02-00-00-00-00-10",
        "--lan-mac 02:00:00:00:00:10 --lan 192.168.77.0/24 --wan 203.0.113.200/24",
    ] {
        let (status, output_text) = alone(options);
        assert!(
            status == Some(0) && output_text.contains("forwarded=2"),
            "{options}: {output_text}"
        );
    }
    for (options, expected) in [
        ("", "--lan <ADDRESS/LEN>"),
        ("--lan-mac 02:00:00:00:00:99", "add --lan"),
        ("--lan 192.168.77.0/24 --lan-in x", "cannot be used with"),
        ("--lan 192.168.77.0", "prefix length is missing"),
    ] {
        let (status, output_text) = alone(options);
        assert!(
            status == Some(2) && output_text.contains(expected),
            "{options}: {output_text}"
        );
    }
    assert_eq!(
        EXTERNAL,
        Ipv4Addr::new(198, 51, 100, 77),
        "the default of --wan"
    );
}
