//! pcapng captures.

use core::time::Duration;
use std::fs;

use crate::packet::{HOST, SERVER, at, udp};
use crate::run::{Files, Outcome};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAMES: u32 = 4;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const PROCESSES: u32 = 0x8000_0001;

const ETHERNET: u16 = 1;
const RAW: u16 = 101;
const SECONDS: u64 = 1_700_000_000;

/// A file under construction, one block after another.
struct File {
    big_endian: bool,
    bytes: Vec<u8>,
}

impl File {
    fn new(big_endian: bool) -> Self {
        Self {
            big_endian,
            bytes: Vec::new(),
        }
        .section()
    }

    fn u16(&self, number: u16) -> [u8; 2] {
        if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    fn u32(&self, number: u32) -> [u8; 4] {
        if self.big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    fn block(mut self, block_type: u32, body: &[u8]) -> Self {
        let body = padded(body);
        let len = self.u32(12 + body.len() as u32);
        let block = [&self.u32(block_type)[..], &len, &body, &len].concat();
        self.bytes.extend(block);
        self
    }

    fn section(self) -> Self {
        let body = [
            &self.u32(0x1a2b_3c4d)[..],
            &self.u16(1),
            &self.u16(0),
            &[0xff; 8],
        ]
        .concat();
        self.block(SECTION, &body)
    }

    /// Options are pairs of a code and a value.
    fn interface(self, link_type: u16, options: &[(u16, &[u8])]) -> Self {
        let mut body = [&self.u16(link_type)[..], &[0; 2], &self.u32(0)].concat();
        for (code, value) in options {
            body.extend(
                [
                    &self.u16(*code)[..],
                    &self.u16(value.len() as u16),
                    &padded(value),
                ]
                .concat(),
            );
        }
        self.block(INTERFACE, &body)
    }

    fn packet(self, interface: u32, ticks: u64, data: &[u8]) -> Self {
        self.packet_of(interface, ticks, data, data.len() as u32)
    }

    fn packet_of(self, interface: u32, ticks: u64, data: &[u8], original: u32) -> Self {
        let numbers = [
            interface,
            (ticks >> 32) as u32,
            ticks as u32,
            data.len() as u32,
            original,
        ];
        let body = [&numbers.map(|number| self.u32(number)).concat()[..], data].concat();
        self.block(PACKET, &body)
    }

    #[track_caller]
    fn outcome(&self) -> Outcome {
        let files = Files::new();
        fs::write(files.path("lan-in"), &self.bytes).unwrap();
        files.outcome(&["lan-in", "lan-out", "wan-out", "json"], &[])
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn query() -> Vec<u8> {
    udp(at(HOST, 5000), at(SERVER, 53))
}

fn frame() -> Vec<u8> {
    [&[2; 12][..], &[0x08, 0x00], &query()].concat()
}

/// The times at which packets left.
fn times(outcome: &Outcome) -> Vec<Duration> {
    outcome.wan.iter().map(|(time, _)| *time).collect()
}

#[test]
fn every_interface_has_its_own_link_type_and_clock() {
    let expected = Duration::from_micros(SECONDS * 1_000_000 + 500_000);
    for big_endian in [false, true] {
        let offset = if big_endian {
            1000_i64.to_be_bytes()
        } else {
            1000_i64.to_le_bytes()
        };
        let file = File::new(big_endian)
            .interface(ETHERNET, &[])
            .interface(RAW, &[(9, &[9])])
            .interface(RAW, &[(9, &[0x81])])
            .interface(RAW, &[(9, &[3]), (14, &offset)])
            .packet(0, SECONDS * 1_000_000 + 500_000, &frame())
            .packet(1, SECONDS * 1_000_000_000 + 500_000_000, &query())
            .packet(2, SECONDS * 2 + 1, &query())
            .packet(3, (SECONDS - 1000) * 1_000 + 500, &query());
        let outcome = file.outcome();
        assert_eq!(
            outcome.verdicts(),
            ["forward wan"; 4],
            "{}",
            outcome.summary
        );
        assert_eq!(times(&outcome), [expected; 4]);
    }
}

#[test]
fn sections_may_have_other_interfaces_and_another_byte_order() {
    let mut file =
        File::new(false)
            .interface(ETHERNET, &[])
            .packet(0, SECONDS * 1_000_000, &frame());
    file.big_endian = true;
    let file = file
        .section()
        .interface(RAW, &[(9, &[0])])
        .packet(0, SECONDS, &query());
    let outcome = file.outcome();
    assert_eq!(outcome.verdicts(), ["forward wan"; 2]);
    assert_eq!(times(&outcome), [Duration::from_secs(SECONDS); 2]);
}

/// They have neither a time nor a captured length.
#[test]
fn simple_and_old_packet_blocks_are_read() {
    let file = File::new(false).interface(RAW, &[]);
    let simple = [&(query().len() as u32).to_le_bytes()[..], &query()].concat();
    let len = query().len() as u32;
    let ticks = SECONDS * 1_000_000;
    let numbers = [0, (ticks >> 32) as u32, ticks as u32, len, len]
        .map(u32::to_le_bytes)
        .concat();
    let outcome = file
        .block(OLD_PACKET, &[&numbers, &query()[..]].concat())
        .block(SIMPLE_PACKET, &simple)
        .outcome();
    assert_eq!(outcome.verdicts(), ["forward wan"; 2]);
    assert_eq!(times(&outcome), [Duration::from_secs(SECONDS); 2]);
}

#[test]
fn other_blocks_are_skipped_whatever_they_contain() {
    let file = File::new(false)
        .block(NAMES, &[0xff; 8])
        .interface(RAW, &[])
        .block(STATISTICS, &[0xff; 40])
        .block(PROCESSES, &[])
        .block(0x0bad_cafe, &[1; 100])
        .packet(0, 1, &query());
    assert_eq!(file.outcome().verdicts(), ["forward wan"]);
}

#[test]
fn a_block_that_is_malformed_is_counted_and_what_follows_is_read() {
    let mut longer = query();
    longer.truncate(8);
    let false_len = [0_u32, 0, 1, 5000, 5000].map(u32::to_le_bytes).concat();
    let file = File::new(false)
        .interface(RAW, &[])
        .block(PACKET, &[&false_len[..], &longer].concat())
        .block(PACKET, &[0; 4])
        .packet(7, 1, &query())
        .packet(0, u64::MAX, &query())
        .packet(0, 1, &query());
    let outcome = file.outcome();
    assert_eq!(outcome.verdicts(), ["forward wan"]);
    assert!(
        outcome
            .summary
            .contains("5 records, 1 processed; skipped: 2 malformed blocks"),
        "{}",
        outcome.summary
    );
    assert!(
        outcome
            .summary
            .contains("1 packets of a time outside 1970 to 2106"),
        "{}",
        outcome.summary
    );
    assert!(
        outcome
            .summary
            .contains("1 packets of an interface that is not described"),
        "{}",
        outcome.summary
    );
}

#[test]
fn truncated_packets_are_counted() {
    let file =
        File::new(false)
            .interface(RAW, &[])
            .packet_of(0, 1, &query()[..28], query().len() as u32);
    let outcome = file.outcome();
    assert_eq!(outcome.verdicts(), ["drop truncated"]);
    assert!(
        outcome
            .summary
            .contains("1 records, 0 processed, 1 truncated"),
        "{}",
        outcome.summary
    );
}

#[test]
fn interfaces_of_unsupported_link_types_do_not_stop_the_others() {
    let both = File::new(false)
        .interface(220, &[])
        .interface(RAW, &[])
        .packet(0, 1, &query())
        .packet(1, 1, &query());
    let outcome = both.outcome();
    assert_eq!(outcome.verdicts(), ["forward wan"]);
    let expected = "skipped: 1 of unsupported link type 220 (USB_LINUX_MMAPPED)";
    assert!(outcome.summary.contains(expected), "{}", outcome.summary);

    let message = refused(
        &File::new(false)
            .interface(220, &[])
            .packet(0, 1, &query())
            .bytes,
    );
    assert!(
        message.contains("1 of unsupported link type 220 (USB_LINUX_MMAPPED)"),
        "{message}"
    );
}

#[track_caller]
fn refused(bytes: &[u8]) -> String {
    let files = Files::new();
    fs::write(files.path("lan-in"), bytes).unwrap();
    let output = files.replay(&["lan-in"], &[]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), message.lines().count()),
        (Some(2), 1),
        "{message}"
    );
    message
}

#[test]
fn a_damaged_file_is_refused_with_the_offset_of_the_block() {
    let start = File::new(false)
        .interface(RAW, &[])
        .packet(0, 1, &query())
        .bytes;
    let offset = start.len();
    let whole = File {
        big_endian: false,
        bytes: start,
    }
    .packet(0, 1, &query())
    .bytes;
    let with = |at: usize, number: u32| {
        let mut changed = whole.clone();
        changed[at..at + 4].copy_from_slice(&number.to_le_bytes());
        changed
    };
    for (bytes, expected) in [
        (
            whole[..whole.len() - 1].to_vec(),
            "truncated: the file ends within the block",
        ),
        (with(offset + 4, 8), "its length is 8"),
        (with(offset + 4, 13), "its length is 13"),
        (with(offset + 4, 0xffff_fff0), "its length is 4294967280"),
        (
            with(offset + 4, 0x00ff_fff0),
            "truncated: the file ends within the block",
        ),
        (with(whole.len() - 4, 16), "and 16 at its end"),
    ] {
        let message = refused(&bytes);
        assert!(
            message.contains(expected) && message.contains(&format!("byte offset {offset}")),
            "{message}"
        );
    }
}
