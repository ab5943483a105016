//! Link types: the headers before the IPv4 packets of a capture.

use core::time::Duration;

use etherparse::PacketBuilder;
use pcap_file::DataLink;

use crate::packet::{HOST, SERVER, at, udp};
use crate::run::{Files, Replay};

const T: Duration = Duration::from_secs(1_700_000_000);
const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

fn query() -> Vec<u8> {
    udp(at(HOST, 5000), at(SERVER, 53))
}

/// A capture of this link type with one record: `header`, a query and padding. The query must leave.
#[track_caller]
fn assert_found(link_type: u32, header: &[u8], name: &str) {
    let mut replay = Replay::new();
    replay.datalink = DataLink::from(link_type);
    let record = [header, &query(), &[0xee; 7]].concat();
    let outcome = replay.lan(T, &record).run();
    assert_eq!(
        outcome.verdicts(),
        ["forward wan"],
        "{name}: {}",
        outcome.summary
    );
    assert_eq!(
        outcome.wan[0].1.len(),
        query().len(),
        "{name}: nothing that follows the packet leaves with it"
    );
}

fn ethernet(rest: &[u8]) -> Vec<u8> {
    [&MACS, rest].concat()
}

#[test]
fn packets_are_found_behind_ethernet_and_its_tags() {
    for (rest, name) in [
        (&[0x08, 0x00][..], "no tag"),
        (&[0x81, 0x00, 0x00, 0x07, 0x08, 0x00], "802.1Q"),
        (&[0x81, 0x00, 0xe0, 0x00, 0x08, 0x00], "a priority tag"),
        (&[0x88, 0xa8, 0x00, 0x07, 0x08, 0x00], "802.1ad"),
        (
            &[0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0x00, 0x08, 0x08, 0x00],
            "stacked",
        ),
        (
            &[
                0x81, 0, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 0x81, 0, 0, 4, 0x08, 0x00,
            ],
            "stacked four times",
        ),
        (&[0x91, 0x00, 0x00, 0x07, 0x08, 0x00], "before 802.1ad"),
        (
            &[0x88, 0x47, 0x00, 0x01, 0x00, 64, 0x00, 0x02, 0x01, 64],
            "two MPLS labels",
        ),
        (
            &[0x88, 0x64, 0x11, 0x00, 0x00, 0x01, 0x00, 0xff, 0x00, 0x21],
            "a PPPoE session",
        ),
        (
            &[0x00, 0xff, 0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00],
            "802.3 with SNAP",
        ),
        (
            &[
                0x81, 0x00, 0x00, 0x07, 0x00, 0xff, 0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00,
            ],
            "802.1Q, 802.3 with SNAP",
        ),
    ] {
        assert_found(1, &ethernet(rest), name);
    }
}

#[test]
fn packets_are_found_behind_the_headers_of_operating_systems() {
    let sll = [
        &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..],
        &[0x08, 0x00],
    ]
    .concat();
    let sll_tagged = [&sll[..14], &[0x81, 0x00, 0x00, 0x07, 0x08, 0x00]].concat();
    let sll_ppp = [&[0, 4, 2, 0, 0, 0][..], &[0; 8], &[0x08, 0x00]].concat();
    let sll2 = [
        &[0x08, 0x00, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6][..],
        &[2, 0, 0, 0, 0, 1, 0, 0],
    ]
    .concat();
    let nflog = [
        &[2, 0, 0, 5][..],
        &[
            8, 0, 1, 0, 0, 0, 0, 0, 5, 0, 10, 0, b'x', 0, 0, 0, 46, 0, 9, 0,
        ],
    ]
    .concat();
    let pktap = [
        &108_u32.to_le_bytes()[..],
        &1_u32.to_le_bytes(),
        &1_u32.to_le_bytes(),
        &[0; 96],
    ]
    .concat();
    for (link_type, header, name) in [
        (0, &[2, 0, 0, 0][..], "NULL, little-endian"),
        (0, &[0, 0, 0, 2], "NULL, big-endian"),
        (108, &[0, 0, 0, 2], "LOOP"),
        (12, &[], "RAW of BSD"),
        (14, &[], "RAW of OpenBSD"),
        (101, &[], "RAW"),
        (228, &[], "IPV4"),
        (113, &sll, "SLL"),
        (113, &sll_tagged, "SLL, 802.1Q"),
        (113, &sll_ppp, "SLL of an interface without addresses"),
        (276, &sll2, "SLL2"),
        (109, &[[2, 0, 0, 0], [0; 4], [0; 4]].concat(), "ENC"),
        (117, &[&[61, 2][..], &[0; 62]].concat(), "PFLOG"),
        (239, &nflog, "NFLOG"),
        (192, &[0, 0, 8, 0, 101, 0, 0, 0], "PPI of RAW"),
        (
            258,
            &[&pktap[..], &ethernet(&[0x08, 0x00])].concat(),
            "PKTAP of Ethernet",
        ),
    ] {
        assert_found(link_type, header, name);
    }
}

#[test]
fn packets_are_found_behind_the_headers_of_point_to_point_links() {
    let token_ring = [
        &[0x10, 0x40][..],
        &[2, 0, 0, 0, 0, 1, 0x82, 0, 0, 0, 0, 2],
        &[0x06, 0x30, 1, 2, 3, 4],
    ]
    .concat();
    let snap = [0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00];
    for (link_type, header, name) in [
        (9, &[0x00, 0x21][..], "PPP"),
        (9, &[0x21], "PPP with a protocol of one byte"),
        (9, &[0xff, 0x03, 0x00, 0x21], "PPP with address and control"),
        (50, &[0xff, 0x03, 0x21], "PPP in HDLC"),
        (50, &[0x0f, 0x00, 0x08, 0x00], "Cisco HDLC as PPP"),
        (
            51,
            &[0x11, 0x00, 0x00, 0x01, 0x00, 0xff, 0x00, 0x21],
            "PPPoE",
        ),
        (104, &[0x0f, 0x00, 0x08, 0x00], "Cisco HDLC"),
        (
            166,
            &[0x00, 0xff, 0x03, 0x00, 0x21],
            "PPP with the direction, of pppd",
        ),
        (
            204,
            &[0x01, 0xff, 0x03, 0x00, 0x21],
            "PPP with the direction",
        ),
        (
            205,
            &[0x01, 0x0f, 0x00, 0x08, 0x00],
            "Cisco HDLC with the direction",
        ),
        (107, &[0x18, 0x41, 0x03, 0xcc], "frame relay"),
        (
            107,
            &[0x18, 0x41, 0x03, 0x00, 0x80, 0, 0, 0, 0x08, 0x00],
            "frame relay with SNAP",
        ),
        (107, &[0x18, 0x41, 0x08, 0x00], "frame relay of Cisco"),
        (100, &snap, "ATM"),
        (123, &[&[2, 0, 0, 5][..], &snap].concat(), "ATM of SunOS"),
        (10, &[&[0x50][..], &MACS, &snap].concat(), "FDDI"),
        (
            6,
            &[&token_ring[..], &snap].concat(),
            "token ring with a route",
        ),
        (138, &[&[0; 16][..], &[0x08, 0x00]].concat(), "FireWire"),
    ] {
        assert_found(link_type, header, name);
    }
}

#[test]
fn packets_are_found_in_wireless_frames_that_are_not_encrypted() {
    let snap = [0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00];
    let header = |control: u8, flags: u8, rest: &[u8]| {
        [&[control, flags, 0, 0][..], &[2; 20], rest].concat()
    };
    let plain = [header(0x08, 0x01, &[]), snap.to_vec()].concat();
    let quality = [header(0x88, 0x02, &[0, 0]), snap.to_vec()].concat();
    let padded = [header(0x88, 0x02, &[0, 0, 0, 0]), snap.to_vec()].concat();
    let bridged = [header(0x08, 0x03, &[2; 6]), snap.to_vec()].concat();
    let radiotap = [0, 0, 8, 0, 0, 0, 0, 0];
    let radiotap_padded = [&[0, 0, 17, 0, 3, 0, 0, 0][..], &[0; 8], &[0x20]].concat();
    for (link_type, frame, name) in [
        (105, plain.clone(), "plain"),
        (105, quality, "with a quality of service"),
        (105, bridged, "between access points"),
        (127, [&radiotap[..], &plain].concat(), "radiotap"),
        (
            127,
            [radiotap_padded, padded].concat(),
            "radiotap with padding",
        ),
        (119, [&[0; 144][..], &plain].concat(), "Prism"),
        (
            163,
            [
                &[0x80, 0x21, 0x10, 0x01, 0, 0, 0, 12, 0, 0, 0, 0][..],
                &plain,
            ]
            .concat(),
            "AVS",
        ),
    ] {
        assert_found(link_type, &frame, name);
    }
}

/// The upper half of the field may have the length of the frame check sequence.
#[test]
fn frame_check_sequences_are_not_part_of_packets() {
    assert_found(0x4400_0001, &ethernet(&[0x08, 0x00]), "four bytes");
}

/// Frames built by etherparse are read correctly.
#[test]
fn frames_built_by_etherparse_are_read() {
    let builder = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let (from, to) = (HOST.octets(), SERVER.octets());
    let mut single = Vec::new();
    let tagged = builder()
        .single_vlan(7.try_into().unwrap())
        .ipv4(from, to, 64)
        .udp(5000, 53);
    tagged.write(&mut single, b"payload").unwrap();
    let mut double = Vec::new();
    let tagged = builder()
        .double_vlan(7.try_into().unwrap(), 8.try_into().unwrap())
        .ipv4(from, to, 64)
        .udp(5000, 53);
    tagged.write(&mut double, b"payload").unwrap();
    let mut replay = Replay::new();
    replay.datalink = DataLink::ETHERNET;
    let outcome = replay.lan(T, &single).lan(T, &double).run();
    assert_eq!(outcome.verdicts(), ["forward wan"; 2]);
    assert_eq!(
        outcome
            .wan
            .iter()
            .map(|(_, packet)| packet.len())
            .collect::<Vec<_>>(),
        [query().len(); 2]
    );
}

#[test]
fn records_without_ipv4_are_counted_by_kind() {
    let mut replay = Replay::new();
    replay.datalink = DataLink::ETHERNET;
    let outcome = replay
        .lan(T, &ethernet(&[&[0x08, 0x06][..], &[0; 28]].concat()))
        .lan(
            T,
            &ethernet(&[&[0x81, 0x00, 0x00, 0x07, 0x86, 0xdd][..], &[0x60; 40]].concat()),
        )
        .lan(T, &ethernet(&[&[0x86, 0xdd][..], &[0x60; 40]].concat()))
        .lan(T, &ethernet(&[0x88, 0xcc, 0, 0]))
        .lan(T, &ethernet(&[0x00, 0x26, 0x42, 0x42, 0x03, 0, 0]))
        .lan(T, &MACS)
        .lan(T, &ethernet(&[&[0x08, 0x00][..], &query()].concat()))
        .run();
    assert_eq!(outcome.verdicts(), ["forward wan"]);
    let expected = "lan-in: 7 records, 1 processed; skipped: 1 ARP, 2 IPv6, 1 EtherType 0x88cc, 1 LLC 0x42, \
                    1 shorter than their link header";
    assert!(outcome.summary.contains(expected), "{}", outcome.summary);
}

#[test]
fn a_capture_without_ipv4_says_so() {
    let mut replay = Replay::new();
    replay.datalink = DataLink::ETHERNET;
    let outcome = replay
        .lan(T, &ethernet(&[&[0x86, 0xdd][..], &[0x60; 40]].concat()))
        .run();
    assert!(
        outcome
            .summary
            .contains("lan-in: no IPv4: 1 records, 0 processed; skipped: 1 IPv6"),
        "{}",
        outcome.summary
    );
    assert!(
        outcome.summary.contains("wan-in: 0 records, 0 processed"),
        "{}",
        outcome.summary
    );
}

#[test]
fn an_unsupported_link_type_is_named() {
    for (link_type, name) in [
        (195, "195 (IEEE802_15_4_WITHFCS)"),
        (147, "147 (USER0)"),
        (999, "999 (of no known name)"),
    ] {
        let files = Files::new();
        let mut replay = Replay::new();
        replay.datalink = DataLink::from(link_type);
        replay.write(&files.path("lan-in"), &[(T, query())]);
        let output = files.replay(&["lan-in"], &[]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), message.lines().count()),
            (Some(2), 1),
            "{message}"
        );
        assert!(
            message.contains(&format!(
                "link type {name} at byte offset 20 is not supported"
            )),
            "{message}"
        );
    }
}
