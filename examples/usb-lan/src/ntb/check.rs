//! Checks a block of the USB host before anything in it is used.
//!
//! The host is as little trusted as the wire: each length and each offset is its word. So the
//! places of all datagrams are copied out of the block first, each checked against the bytes that
//! were received. Afterwards nothing in the block is read but datagrams at these places. Therefore
//! it does no harm if datagrams overlap the table or each other, although the router rewrites them
//! in place.

use core::ops::Range;

use heapless::Vec;

use super::{BLOCK_SIGNATURE, ENTRY, HEADER, LONGEST_BLOCK, TABLE_HEAD, TABLE_SIGNATURE};

/// The most datagrams in a block, as announced to the host. Linux never sends more.
pub(crate) const MOST_DATAGRAMS: usize = 40;

/// The shortest table: one entry, and the empty entry that ends it.
const SHORTEST_TABLE: usize = TABLE_HEAD + 2 * ENTRY;

/// Why a block was refused as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Refusal {
    /// It is shorter than the header.
    // From 1 on, so that zero means no refusal: `State` must be all zeros when new.
    Short = 1,
    /// It does not begin with the signature of a 16-bit block.
    BlockSignature,
    /// Its header has another length than 12.
    HeaderLength,
    /// It says that it is longer than 2048 bytes.
    TooLong,
    /// It says that it is longer than what was received.
    Truncated,
    /// A table is not inside the block, or overlaps the header.
    TablePlace,
    /// A table has another signature than that of 16-bit entries without CRC.
    TableSignature,
    /// A table is shorter than its smallest form, or not a multiple of 4 bytes long.
    TableLength,
    /// A table is followed by one at or before its own place, so that there might be no end.
    TableOrder,
    /// A datagram is not inside the block, or overlaps the header.
    DatagramPlace,
    /// There are more than 40 datagrams.
    TooMany,
}

/// Where a datagram is in its block.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    at: u16,
    len: u16,
}

impl Place {
    pub(crate) fn range(self) -> Range<usize> {
        let at = usize::from(self.at);
        at..at + self.len()
    }

    pub(crate) fn len(self) -> usize {
        self.len.into()
    }
}

pub(crate) type Places = Vec<Place, MOST_DATAGRAMS>;

/// The places of the datagrams in `received`, in the order of the tables. Each is inside it.
pub(crate) fn places(received: &[u8]) -> Result<Places, Refusal> {
    let (block, mut table) = open(received)?;
    let mut places = Places::new();
    loop {
        let next = read_table(block, table, &mut places)?;
        match next {
            0 => return Ok(places),
            next if next > table => table = next,
            _ => return Err(Refusal::TableOrder),
        }
    }
}

/// The block without what follows it, and the place of its first table.
fn open(received: &[u8]) -> Result<(&[u8], usize), Refusal> {
    let header = received.first_chunk::<HEADER>().ok_or(Refusal::Short)?;
    let [s0, s1, s2, s3, h0, h1, _, _, b0, b1, t0, t1] = *header;
    if [s0, s1, s2, s3] != BLOCK_SIGNATURE {
        return Err(Refusal::BlockSignature);
    }
    if word(h0, h1) != HEADER {
        return Err(Refusal::HeaderLength);
    }
    let block = match word(b0, b1) {
        // The transfer's end is the block's (section 3.2.1).
        0 => received,
        long if long > LONGEST_BLOCK => return Err(Refusal::TooLong),
        length => received.get(..length).ok_or(Refusal::Truncated)?,
    };
    Ok((block, word(t0, t1)))
}

/// How long a block says that it is, by its first packet. 0 if it does not say.
pub(crate) fn declared_length(block: &[u8; LONGEST_BLOCK]) -> usize {
    let [_, _, _, _, _, _, _, _, low, high, ..] = *block;
    word(low, high)
}

/// Adds the datagrams of the table at `at`. Returns the place of the next table, 0 for none.
fn read_table(block: &[u8], at: usize, places: &mut Places) -> Result<usize, Refusal> {
    let table = part(block, at).ok_or(Refusal::TablePlace)?;
    let head = table.first_chunk::<TABLE_HEAD>();
    let [s0, s1, s2, s3, l0, l1, n0, n1] = *head.ok_or(Refusal::TablePlace)?;
    if [s0, s1, s2, s3] != TABLE_SIGNATURE {
        return Err(Refusal::TableSignature);
    }
    let length = word(l0, l1);
    if length < SHORTEST_TABLE || !length.is_multiple_of(ENTRY) {
        return Err(Refusal::TableLength);
    }
    let entries = table.get(TABLE_HEAD..length).ok_or(Refusal::TablePlace)?;
    read_entries(block, entries, places)?;
    Ok(word(n0, n1))
}

fn read_entries(block: &[u8], entries: &[u8], places: &mut Places) -> Result<(), Refusal> {
    for entry in entries.as_chunks::<ENTRY>().0 {
        let [a0, a1, l0, l1] = *entry;
        let place = Place {
            at: u16::from_le_bytes([a0, a1]),
            len: u16::from_le_bytes([l0, l1]),
        };
        // An entry with a 0 ends the table, whatever follows it (section 3.3.1).
        if place.at == 0 || place.len == 0 {
            break;
        }
        if usize::from(place.at) < HEADER || block.get(place.range()).is_none() {
            return Err(Refusal::DatagramPlace);
        }
        places.push(place).map_err(|_| Refusal::TooMany)?;
    }
    Ok(())
}

/// The block from `at` on, unless that is in the header or outside.
fn part(block: &[u8], at: usize) -> Option<&[u8]> {
    if at < HEADER { None } else { block.get(at..) }
}

fn word(low: u8, high: u8) -> usize {
    u16::from_le_bytes([low, high]).into()
}

#[cfg(test)]
mod tests;
