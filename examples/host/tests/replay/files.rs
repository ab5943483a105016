//! Files that are read and written, and those that are rejected.

use core::time::Duration;
use std::fs;

use pcap_file::DataLink;

use crate::packet::{HOST, SERVER, at, udp};
use crate::run::{Files, Replay};

/// Runs on a LAN capture of these bytes, which must be rejected in one line.
#[track_caller]
fn refused(bytes: &[u8]) -> String {
    let files = Files::new();
    fs::write(files.path("lan-in"), bytes).unwrap();
    let output = files.replay(&["lan-in", "json"], &[]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(
        message.contains(files.path("lan-in").to_str().unwrap()),
        "{message}"
    );
    message
}

/// A capture of two packets.
fn capture(datalink: DataLink) -> Vec<u8> {
    let files = Files::new();
    let mut replay = Replay::new();
    replay.datalink = datalink;
    let packet = udp(at(HOST, 5000), at(SERVER, 53));
    replay.write(
        &files.path("capture"),
        &[(Duration::ZERO, packet.clone()), (Duration::ZERO, packet)],
    );
    fs::read(files.path("capture")).unwrap()
}

#[test]
fn a_truncated_capture_is_rejected_with_the_offset_of_the_truncated_record() {
    let whole = capture(DataLink::RAW);
    let record = 16 + 20 + 8 + 7;
    assert_eq!(whole.len(), 24 + 2 * record);
    for (len, offset) in [
        (0, 0),
        (3, 0),
        (23, 0),
        (25, 24),
        (40, 24),
        (24 + record + 1, 24 + record),
        (whole.len() - 1, 24 + record),
    ] {
        let message = refused(&whole[..len]);
        assert!(message.contains("truncated"), "{len}: {message}");
        assert!(
            message
                .trim_end()
                .ends_with(&format!("byte offset {offset}")),
            "{len}: {message}"
        );
    }
}

#[test]
fn packets_before_the_truncated_record_are_processed_and_written() {
    let files = Files::new();
    let whole = capture(DataLink::RAW);
    fs::write(files.path("lan-in"), &whole[..whole.len() - 1]).unwrap();
    let output = files.replay(&["lan-in", "json"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        fs::read_to_string(files.path("json"))
            .unwrap()
            .lines()
            .count(),
        1
    );
}

#[test]
fn another_format_is_rejected_with_the_offset_of_its_first_difference() {
    let whole = capture(DataLink::RAW);
    let with = |offset: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[offset..offset + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (bytes, expected) in [
        (
            b"This is no capture, but long enough to be one.".to_vec(),
            "byte offset 0",
        ),
        (
            b"This is no capture, but long enough to be one.".to_vec(),
            "editcap -F pcap",
        ),
        ([&[0x1f, 0x8b][..], &whole].concat(), "gunzip"),
        (with(0, &[0x0a, 0x0d, 0x0d, 0x0a]), "no byte order"),
        (with(4, &[3, 0]), "version 3.4 at byte offset 4"),
        (
            capture(DataLink::USB_LINUX_MMAPPED),
            "link type 220 (USB_LINUX_MMAPPED) at byte offset 20",
        ),
        (with(24 + 4, &1_000_000_u32.to_le_bytes()), "byte offset 24"),
        (with(24 + 8, &u32::MAX.to_le_bytes()), "byte offset 24"),
    ] {
        let message = refused(&bytes);
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let files = Files::new();
    let output = files.replay(&["lan-in"], &[]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), message.lines().count()),
        (Some(2), 1),
        "{message}"
    );
    assert!(
        message.contains("cannot open") && message.contains("lan-in"),
        "{message}"
    );
}

#[test]
fn one_input_is_enough_and_every_output_is_optional() {
    let packet = udp(at(HOST, 5000), at(SERVER, 53));
    for inputs in [&["lan-in"][..], &["wan-in"], &["lan-in", "wan-in"]] {
        for outputs in [
            &[][..],
            &["lan-out"],
            &["wan-out"],
            &["json"],
            &["mapping-log"],
        ] {
            let files = Files::new();
            for input in inputs {
                Replay::new().write(&files.path(input), &[(Duration::ZERO, packet.clone())]);
            }
            let output = files.replay(&[inputs, outputs].concat(), &[]);
            assert!(
                output.status.success(),
                "{inputs:?} {outputs:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(outputs.iter().all(|output| files.path(output).exists()));
        }
    }
    let output = Files::new().replay(&["lan-out"], &[]);
    assert_eq!(output.status.code(), Some(2), "no input");
}

#[test]
fn an_empty_capture_gives_empty_captures() {
    let outcome = Replay::new().run();
    assert!(outcome.lan.is_empty() && outcome.wan.is_empty() && outcome.lines.is_empty());
}

#[test]
fn an_input_is_never_overwritten() {
    let files = Files::new();
    let whole = capture(DataLink::RAW);
    fs::write(files.path("lan-in"), &whole).unwrap();
    let same = files.path("lan-in").display().to_string();
    for option in ["--lan-out", "--wan-out", "--json", "--mapping-log"] {
        let output = files.replay(&["lan-in"], &[option.to_owned(), same.clone()]);
        assert_eq!(output.status.code(), Some(2), "{option}");
        assert_eq!(fs::read(files.path("lan-in")).unwrap(), whole, "{option}");
    }
}

/// A capture of a wire has frames of all kinds and both directions. Only packets that arrived at the
/// router are processed.
#[test]
fn of_ethernet_frames_only_those_that_arrive_at_the_router_are_processed() {
    let frame = |ethertype: u16, packet: &[u8]| {
        let header = [&[0x02; 12][..], &ethertype.to_be_bytes()].concat();
        [&header, packet].concat()
    };
    let ipv4 = |packet: &[u8]| frame(0x0800, packet);
    let (host, server) = (at(HOST, 5000), at(SERVER, 53));
    let router = at("192.168.77.1".parse().unwrap(), 53);
    let external = at("198.51.100.77".parse().unwrap(), 5000);
    let mut replay = Replay::new();
    replay.datalink = DataLink::ETHERNET;
    let outcome = replay
        .lan(Duration::from_secs(1), &frame(0x0806, &[0; 46]))
        .lan(Duration::from_secs(2), &ipv4(&udp(host, server)))
        .lan(Duration::from_secs(3), &ipv4(&udp(server, host)))
        .lan(Duration::from_secs(3), &ipv4(&udp(router, host)))
        .lan(Duration::from_secs(3), &[0x02; 13])
        .lan(Duration::from_secs(3), &ipv4(&[0x45; 19]))
        .wan(Duration::from_secs(4), &ipv4(&udp(external, server)))
        .wan(Duration::from_secs(5), &frame(0x86dd, &[0x60; 60]))
        .wan(Duration::from_secs(6), &ipv4(&udp(server, external)))
        .options("--forward udp:5000=192.168.77.10:5000")
        .run();
    assert_eq!(outcome.verdicts.len(), 2, "{:?}", outcome.lines);
    assert_eq!(outcome.verdicts(), ["forward wan", "forward lan"]);
    assert_eq!(
        outcome.wan[0].1.len(),
        udp(host, server).len(),
        "written without a link header"
    );
}
