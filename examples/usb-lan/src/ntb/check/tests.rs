//! Blocks as hosts send them, and blocks that lie.

use std::vec;
use std::vec::Vec;

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use super::*;

/// A block with its table behind the header, as Linux, Windows and macOS build it, and `frames`
/// aligned to four bytes.
fn block(frames: &[&[u8]]) -> Vec<u8> {
    let mut at = HEADER + TABLE_HEAD + ENTRY * (frames.len() + 1);
    let mut entries = Vec::new();
    let mut data = Vec::new();
    for frame in frames {
        entries.extend(
            [
                (at as u16).to_le_bytes(),
                (frame.len() as u16).to_le_bytes(),
            ]
            .concat(),
        );
        let padded = frame.len().next_multiple_of(4);
        data.extend_from_slice(frame);
        data.resize(data.len() + padded - frame.len(), 0);
        at += padded;
    }
    entries.extend([0; ENTRY]);
    let table_length = (TABLE_HEAD + entries.len()) as u16;
    [
        b"NCMH".as_slice(),
        &12u16.to_le_bytes(),
        &7u16.to_le_bytes(),
        &(at as u16).to_le_bytes(),
        &12u16.to_le_bytes(),
        b"NCM0",
        &table_length.to_le_bytes(),
        &[0, 0],
        &entries,
        &data,
    ]
    .concat()
}

fn set(block: &mut [u8], at: usize, value: u16) {
    block[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn frames(block: &[u8]) -> Vec<&[u8]> {
    let places = places(block).expect("a sound block");
    places.iter().map(|place| &block[place.range()]).collect()
}

const BLOCK_LENGTH: usize = 8;
const FIRST_TABLE: usize = 10;
const TABLE_LENGTH: usize = 16;
const NEXT_TABLE: usize = 18;
const FIRST_AT: usize = 20;
const FIRST_LEN: usize = 22;

#[test]
fn one_and_several_datagrams_are_found() {
    assert_eq!(frames(&block(&[&[1; 60]])), [[1; 60]]);
    let sent: [&[u8]; 3] = [&[1; 42], &[2; 61], &[3; 1514]];
    assert_eq!(frames(&block(&sent)), sent);
}

#[test]
fn a_block_without_datagrams_is_sound() {
    let mut empty = block(&[&[1; 60]]);
    set(&mut empty, FIRST_AT, 0);
    assert_eq!(frames(&empty), Vec::<&[u8]>::new());
}

#[test]
fn an_empty_entry_ends_the_table() {
    let mut sent = block(&[&[1; 60], &[2; 60], &[3; 60]]);
    set(&mut sent, FIRST_AT + ENTRY, 0);
    assert_eq!(frames(&sent), [[1; 60]]);
    let mut sent = block(&[&[1; 60], &[2; 60], &[3; 60]]);
    set(&mut sent, FIRST_LEN + ENTRY, 0);
    assert_eq!(frames(&sent), [[1; 60]]);
}

#[test]
fn a_table_without_an_empty_entry_ends_with_its_length() {
    let mut sent = block(&[&[1; 60], &[2; 60], &[3; 60]]);
    set(&mut sent, TABLE_LENGTH, 16);
    assert_eq!(frames(&sent), [[1; 60], [2; 60]]);
}

#[test]
fn a_length_of_0_means_that_the_transfer_ends_the_block() {
    let mut sent = block(&[&[1; 60]]);
    set(&mut sent, BLOCK_LENGTH, 0);
    assert_eq!(frames(&sent), [[1; 60]]);
}

#[test]
fn what_follows_the_block_is_ignored() {
    let mut sent = block(&[&[1; 60]]);
    sent.resize(2048, 9);
    assert_eq!(frames(&sent), [[1; 60]]);
    let length = sent.len() as u16;
    set(&mut sent, FIRST_LEN, length - 28);
    assert_eq!(places(&sent), Err(Refusal::DatagramPlace));
}

#[test]
fn tables_that_follow_each_other_are_all_read() {
    let mut sent = block(&[&[1; 60]]);
    let at = sent.len();
    sent.extend(b"NCM0\x10\0\0\0\x1c\0\x0e\0\0\0\0\0");
    let length = sent.len() as u16;
    set(&mut sent, BLOCK_LENGTH, length);
    set(&mut sent, NEXT_TABLE, at as u16);
    assert_eq!(frames(&sent), [&[1; 60][..], &[1; 14]]);
}

#[test]
fn a_table_after_the_datagrams_is_read() {
    let mut sent = block(&[&[1; 60]]);
    let table = sent[12..28].to_vec();
    sent[12..28].fill(0);
    let at = sent.len();
    sent.extend(table);
    let length = sent.len() as u16;
    set(&mut sent, BLOCK_LENGTH, length);
    set(&mut sent, FIRST_TABLE, at as u16);
    assert_eq!(frames(&sent), [[1; 60]]);
}

#[test]
fn datagrams_may_be_as_many_as_the_host_was_told_and_no_more() {
    let frame: &[u8] = &[1; 42];
    assert_eq!(frames(&block(&[frame; MOST_DATAGRAMS])).len(), 40);
    assert_eq!(
        places(&block(&[frame; MOST_DATAGRAMS + 1])),
        Err(Refusal::TooMany)
    );
}

#[test]
fn each_lie_about_a_length_or_place_is_refused() {
    let sound = block(&[&[1; 60], &[2; 60]]);
    let end = sound.len() as u16;
    let lies = [
        (0, 0x434f, Refusal::BlockSignature),
        (4, 0, Refusal::HeaderLength),
        (4, 16, Refusal::HeaderLength),
        (BLOCK_LENGTH, end + 1, Refusal::Truncated),
        (BLOCK_LENGTH, 2048, Refusal::Truncated),
        (BLOCK_LENGTH, 2049, Refusal::TooLong),
        (BLOCK_LENGTH, u16::MAX, Refusal::TooLong),
        (BLOCK_LENGTH, 1, Refusal::TablePlace),
        (BLOCK_LENGTH, end - 1, Refusal::DatagramPlace),
        (FIRST_TABLE, 0, Refusal::TablePlace),
        (FIRST_TABLE, 11, Refusal::TablePlace),
        (FIRST_TABLE, 13, Refusal::TableSignature),
        (FIRST_TABLE, end - 7, Refusal::TablePlace),
        (FIRST_TABLE, end, Refusal::TablePlace),
        (FIRST_TABLE, u16::MAX, Refusal::TablePlace),
        (TABLE_LENGTH, 0, Refusal::TableLength),
        (TABLE_LENGTH, 12, Refusal::TableLength),
        (TABLE_LENGTH, 18, Refusal::TableLength),
        (TABLE_LENGTH, end, Refusal::TablePlace),
        (TABLE_LENGTH, 0xfffc, Refusal::TablePlace),
        (NEXT_TABLE, 12, Refusal::TableOrder),
        (NEXT_TABLE, 4, Refusal::TableOrder),
        (NEXT_TABLE, 40, Refusal::TableSignature),
        (NEXT_TABLE, u16::MAX, Refusal::TablePlace),
        (FIRST_AT, 11, Refusal::DatagramPlace),
        (FIRST_AT, end - 59, Refusal::DatagramPlace),
        (FIRST_AT, u16::MAX, Refusal::DatagramPlace),
        (FIRST_LEN, end - 31, Refusal::DatagramPlace),
        (FIRST_LEN, u16::MAX, Refusal::DatagramPlace),
    ];
    for (at, value, refusal) in lies {
        let mut lie = sound.clone();
        set(&mut lie, at, value);
        assert_eq!(places(&lie), Err(refusal), "{value} at {at}");
    }
}

#[test]
fn a_block_with_a_crc_or_in_32_bit_form_is_refused() {
    let mut sent = block(&[&[1; 60]]);
    sent[15] = b'1';
    assert_eq!(places(&sent), Err(Refusal::TableSignature));
    let mut sent = block(&[&[1; 60]]);
    sent[..4].copy_from_slice(b"ncmh");
    assert_eq!(places(&sent), Err(Refusal::BlockSignature));
}

#[test]
fn a_block_cut_anywhere_is_refused() {
    let sound = block(&[&[1; 60], &[2; 60]]);
    for length in 0..sound.len() {
        let refusal = if length < HEADER {
            Refusal::Short
        } else {
            Refusal::Truncated
        };
        assert_eq!(places(&sound[..length]), Err(refusal), "{length} bytes");
        // The same without a length in the header: then only what lies beyond the end is a lie.
        let mut open = sound[..length].to_vec();
        if length >= HEADER {
            set(&mut open, BLOCK_LENGTH, 0);
            assert!(places(&open).is_err(), "{length} bytes");
        }
    }
}

/// A sound block of random frames in which up to four words have become a value near some limit,
/// and whose end may be cut off.
fn damaged_block(random: &mut Pcg64Mcg) -> Vec<u8> {
    let count = pick(random, &[1, 2, 3, 8]);
    let sent: Vec<_> = (0..count)
        .map(|_| vec![5; 14 + pick(random, &[0, 1, 46, 200])])
        .collect();
    let sent: Vec<_> = sent.iter().map(Vec::as_slice).collect();
    let mut bytes = block(&sent);
    let length = bytes.len();
    let table = HEADER + TABLE_HEAD + ENTRY * (count + 1);
    let near = [
        0,
        1,
        8,
        12,
        16,
        20,
        28,
        40,
        table,
        length / 2,
        length,
        2048,
        65535,
    ];
    for _ in 0..pick(random, &[0, 1, 2, 4]) {
        let at = 2 * pick(random, &(0..table / 2).collect::<Vec<_>>());
        let value = (pick(random, &near) + 2).wrapping_sub(pick(random, &[0, 1, 2, 3, 4]));
        set(&mut bytes, at, value as u16);
    }
    if random.next_u32().is_multiple_of(8) {
        bytes.truncate(random.next_u32() as usize % (length + 1));
    }
    bytes
}

fn pick(random: &mut Pcg64Mcg, values: &[usize]) -> usize {
    values[random.next_u32() as usize % values.len()]
}

#[test]
fn of_many_random_blocks_no_datagram_lies_outside_and_half_are_refused() {
    const RUNS: usize = 200_000;
    let mut random = Pcg64Mcg::new(0xcafe_f00d);
    let mut accepted = 0;
    for _ in 0..RUNS {
        let bytes = damaged_block(&mut random);
        if let Ok(places) = places(&bytes) {
            accepted += 1;
            for place in &places {
                assert!(place.range().start >= HEADER);
                let frame = bytes.get(place.range());
                assert!(frame.is_some_and(|frame| frame.len() == place.len()));
            }
        }
    }
    assert!(
        (RUNS / 4..RUNS * 3 / 4).contains(&accepted),
        "{accepted} were accepted"
    );
}

#[test]
fn noise_is_refused() {
    let mut random = Pcg64Mcg::new(1);
    let mut bytes = [0; 2048];
    for _ in 0..10_000 {
        random.fill_bytes(&mut bytes);
        let length = random.next_u32() as usize % bytes.len();
        assert!(places(&bytes[..length]).is_err());
        bytes[..6].copy_from_slice(b"NCMH\x0c\0");
        assert!(places(&bytes[..length]).is_err());
    }
}
