//! What NCM 1.0 says of the bytes that a host has sent as a block, read from the specification and
//! without a look at `nat-usb-lan`.
//!
//! Where the device has announced a limit, or the specification leaves a choice, this is the choice:
//!
//! - The device has announced the 16-bit form only, no CRC, 2048 bytes and 40 frames.
//! - Tables may follow each other in any order, but a device need not follow a chain that goes
//!   back: it might have no end.
//! - A host aligns tables and frames to four bytes. A device that reads bytes does not need that.
//! - A packet that is not full ends a block (section 3.2.2). A device may also go by the length
//!   that the block has declared: then nothing is missing.
//! - A table ends with an empty entry. Without one, it ends with its length.

use core::ops::Range;

/// Bytes of the longest block, and the most frames in one, as the device has announced them.
const LONGEST: usize = 2048;
const MOST: usize = 40;

const HEADER: usize = 12;
const TABLE_HEAD: usize = 8;
const ENTRY: usize = 4;

/// What a block contains.
#[derive(Debug, Default)]
pub struct Reading {
    /// Where its datagrams are.
    pub datagrams: Vec<Range<usize>>,
    /// What the specification demands of a host, and this one has not done.
    pub lapses: Vec<&'static str>,
}

/// Reads a block that a transfer has brought.
///
/// # Errors
///
/// What makes it unusable.
pub fn read(transfer: &[u8]) -> Result<Reading, &'static str> {
    let block = block_of(transfer)?;
    let mut reading = Reading::default();
    let mut table = number(block, 10).ok_or("no header")?;
    loop {
        note(
            &mut reading,
            !table.is_multiple_of(4),
            "a table that is not aligned",
        );
        let next = read_table(block, table, &mut reading)?;
        if next == 0 {
            return Ok(reading);
        }
        if next <= table {
            return Err("tables that go back");
        }
        table = next;
    }
}

/// How long a block says that it is, once enough of it has come.
pub fn declared_length(start: &[u8]) -> Option<usize> {
    number(start, 8)
}

/// The header (table 3-1), and the bytes that it covers.
fn block_of(transfer: &[u8]) -> Result<&[u8], &'static str> {
    if transfer.len() < HEADER {
        return Err("no header");
    }
    if !transfer.starts_with(b"NCMH") {
        return Err("another form");
    }
    if number(transfer, 4) != Some(HEADER) {
        return Err("a header of another length");
    }
    match number(transfer, 8) {
        // It is as long as its transfer.
        Some(0) => Ok(transfer),
        Some(length) if length > LONGEST => Err("longer than announced"),
        Some(length) if length > transfer.len() => Err("longer than its transfer"),
        Some(length) => Ok(&transfer[..length]),
        None => Err("no header"),
    }
}

/// Reads a table (table 3-3), and returns where the next one is.
fn read_table(block: &[u8], at: usize, reading: &mut Reading) -> Result<usize, &'static str> {
    let outside = "a table outside";
    if at < HEADER {
        return Err(outside);
    }
    let head = block.get(at..at + TABLE_HEAD).ok_or(outside)?;
    if !head.starts_with(b"NCM0") {
        return Err("a table of another kind");
    }
    let (Some(length), Some(next)) = (number(head, 4), number(head, 6)) else {
        return Err(outside);
    };
    // At least one frame, and the empty entry.
    if length < TABLE_HEAD + 2 * ENTRY || !length.is_multiple_of(4) {
        return Err("a table of an impossible length");
    }
    if at + length > block.len() {
        return Err(outside);
    }
    read_entries(block, at + TABLE_HEAD..at + length, reading)?;
    Ok(next)
}

/// Reads the entries of a table, which are at these places.
fn read_entries(
    block: &[u8],
    entries: Range<usize>,
    reading: &mut Reading,
) -> Result<(), &'static str> {
    for entry in entries.step_by(ENTRY) {
        let (Some(place), Some(size)) = (number(block, entry), number(block, entry + 2)) else {
            return Err("a table outside");
        };
        if place == 0 || size == 0 {
            return Ok(());
        }
        take(block, place..place + size, reading)?;
    }
    note(reading, true, "a table without an end");
    Ok(())
}

fn take(block: &[u8], datagram: Range<usize>, reading: &mut Reading) -> Result<(), &'static str> {
    if datagram.start < HEADER || datagram.end > block.len() {
        return Err("a frame outside");
    }
    if reading.datagrams.len() == MOST {
        return Err("more frames than announced");
    }
    let misplaced = !datagram.start.is_multiple_of(4);
    note(reading, misplaced, "a frame that is not aligned");
    reading.datagrams.push(datagram);
    Ok(())
}

fn note(reading: &mut Reading, lapse: bool, what: &'static str) {
    if lapse && !reading.lapses.contains(&what) {
        reading.lapses.push(what);
    }
}

/// A number of two bytes.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let (low, high) = (*bytes.get(at)?, *bytes.get(at + 1)?);
    Some(usize::from(low) + 256 * usize::from(high))
}
