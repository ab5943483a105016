//! Truncated records, and old or patched forms of pcap.

use core::ops::Range;
use core::time::Duration;
use std::fs;

use pcap_file::DataLink;

use crate::packet::{HOST, SERVER, at, udp};
use crate::run::{Files, Outcome, Replay};

const T: Duration = Duration::from_secs(1_700_000_000);
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// Where a record has the length of its data.
const CAPTURED_LEN: Range<usize> = 8..12;

fn query() -> Vec<u8> {
    udp(at(HOST, 5000), at(SERVER, 53))
}

/// A little-endian file header and a record header of these lengths, before `data`.
fn file(magic: [u8; 4], minor: u16, captured: u32, original: u32, data: &[u8]) -> Vec<u8> {
    let header = [
        &magic[..],
        &2_u16.to_le_bytes(),
        &minor.to_le_bytes(),
        &[0; 8],
        &[0xff, 0xff, 0, 0],
        &[101, 0, 0, 0],
    ];
    let times = [1_700_000_000_u32.to_le_bytes(), 0_u32.to_le_bytes()];
    let lengths = [captured.to_le_bytes(), original.to_le_bytes()];
    // The longer header continues with the interface and other fields.
    let more: &[u8] = if magic == MODIFIED { &[0; 8] } else { &[] };
    [
        &header.concat()[..],
        &times.concat(),
        &lengths.concat(),
        more,
        data,
    ]
    .concat()
}

const MICROSECONDS: [u8; 4] = [0xd4, 0xc3, 0xb2, 0xa1];
const MODIFIED: [u8; 4] = [0x34, 0xcd, 0xb2, 0xa1];

#[track_caller]
fn run(bytes: &[u8]) -> Outcome {
    let files = Files::new();
    fs::write(files.path("lan-in"), bytes).unwrap();
    files.outcome(&["lan-in", "lan-out", "wan-out", "json"], &[])
}

#[test]
fn a_packet_whose_end_was_not_captured_is_counted_and_never_forwarded() {
    let query = query();
    for captured in [20, 28, query.len() - 1] {
        let bytes = file(
            MICROSECONDS,
            4,
            captured as u32,
            query.len() as u32,
            &query[..captured],
        );
        let outcome = run(&bytes);
        assert_eq!(outcome.verdicts(), ["drop truncated"], "{captured}");
        assert!(outcome.wan.is_empty() && outcome.lan.is_empty());
        let expected = "lan-in: 1 records, 0 processed, 1 truncated in the capture and dropped";
        assert!(outcome.summary.contains(expected), "{}", outcome.summary);
        assert!(outcome.summary.contains("lan-in=0"), "{}", outcome.summary);
    }
}

/// Missing padding or a missing frame check sequence does not matter.
#[test]
fn a_truncated_frame_with_a_whole_packet_is_processed() {
    let query = query();
    let bytes = file(
        MICROSECONDS,
        4,
        query.len() as u32,
        query.len() as u32 + 30,
        &query,
    );
    assert_eq!(run(&bytes).verdicts(), ["forward wan"]);
}

/// A packet whose length field is greater than the frame on the wire is malformed, not truncated.
#[test]
fn the_engine_drops_a_packet_with_a_false_length() {
    let query = &query()[..30];
    let bytes = file(MICROSECONDS, 4, 30, 30, query);
    assert_eq!(run(&bytes).verdicts(), ["drop bad-total-length"]);
}

#[test]
fn lengths_of_old_files_are_swapped() {
    let query = query();
    let (len, more) = (query.len() as u32, query.len() as u32 + 30);
    for (minor, first, second) in [
        (2, more, len),
        (3, more, len),
        (3, len, more),
        (4, len, more),
    ] {
        assert_eq!(
            run(&file(MICROSECONDS, minor, first, second, &query)).verdicts(),
            ["forward wan"],
            "{minor}"
        );
    }
}

#[test]
fn records_of_patched_kernels_have_a_longer_header() {
    let query = query();
    let bytes = file(MODIFIED, 4, query.len() as u32, query.len() as u32, &query);
    assert_eq!(run(&bytes).verdicts(), ["forward wan"]);
}

#[test]
fn packets_before_a_damaged_record_are_processed_and_reported() {
    let files = Files::new();
    let mut replay = Replay::new();
    replay.datalink = DataLink::RAW;
    replay.write(&files.path("lan-in"), &[(T, query()), (T, query())]);
    let whole = fs::read(files.path("lan-in")).unwrap();
    let second = FILE_HEADER + RECORD_HEADER + query().len();
    let mut damaged = whole.clone();
    damaged[second..][CAPTURED_LEN].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    for (bytes, expected) in [
        (&whole[..whole.len() - 1], "truncated"),
        (&damaged, "2147483647 bytes are no packet"),
    ] {
        fs::write(files.path("lan-in"), bytes).unwrap();
        let output = files.replay(&["lan-in", "wan-out", "json"], &[]);
        let (summary, message) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert_eq!(
            (output.status.code(), message.lines().count()),
            (Some(2), 1),
            "{message}"
        );
        assert!(
            message.contains(expected) && message.contains(&format!("byte offset {second}")),
            "{message}"
        );
        assert!(
            summary.contains("lan-in: 1 records, 1 processed") && summary.contains("forwarded=1"),
            "{summary}"
        );
        assert_eq!(
            fs::read_to_string(files.path("json"))
                .unwrap()
                .lines()
                .count(),
            1
        );
    }
}
