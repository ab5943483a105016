//! Blocks to the host, filled with one frame after the other.

use super::{
    ALIGNMENT, BLOCK_SIGNATURE, ENTRY, HEADER, LONGEST_BLOCK, TABLE_HEAD, TABLE_SIGNATURE,
};
use crate::PACKET;

/// The most frames in a block to the host. Room for their entries is kept in each block, so more of
/// them would make a block with a single long frame take another packet.
const MOST_FRAMES: usize = 8;

/// Where the first frame begins.
const FIRST: usize = HEADER + TABLE_HEAD + ENTRY * (MOST_FRAMES + 1);

/// A block that is being filled.
pub(crate) struct Block {
    bytes: [u8; LONGEST_BLOCK],
    frames: usize,
    /// Where the last frame ends.
    end: usize,
}

impl Block {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; LONGEST_BLOCK],
            frames: 0,
            end: 0,
        }
    }

    /// Removes all frames.
    pub(crate) fn clear(&mut self) {
        self.frames = 0;
    }

    /// Whether a frame of `len` bytes fits.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.frames < MOST_FRAMES && self.next() + len <= LONGEST_BLOCK
    }

    /// Adds a frame of `len` bytes, which the caller fills. Empty if it does not fit.
    pub(crate) fn add(&mut self, len: usize) -> &mut [u8] {
        if !self.has_room(len) {
            return &mut [];
        }
        let at = self.next();
        self.write(HEADER + TABLE_HEAD + ENTRY * self.frames, at, len);
        self.frames += 1;
        self.end = at + len;
        self.bytes.get_mut(at..at + len).unwrap_or_default()
    }

    /// The frames in it.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// Writes the header and the table. Returns the whole block, whose last packet is a short one
    /// unless the block is as long as the longest.
    pub(crate) fn close(&mut self, sequence: u16) -> &[u8] {
        self.write(HEADER + TABLE_HEAD + ENTRY * self.frames, 0, 0);
        // The host sees the end of the block at a packet that is not full.
        if self.end.is_multiple_of(PACKET) && self.end < LONGEST_BLOCK {
            if let Some(last) = self.bytes.get_mut(self.end) {
                *last = 0;
            }
            self.end += 1;
        }
        let table = TABLE_HEAD + ENTRY * (self.frames + 1);
        self.put(0, &BLOCK_SIGNATURE);
        self.write(4, HEADER, sequence.into());
        self.write(8, self.end, HEADER);
        self.put(HEADER, &TABLE_SIGNATURE);
        self.write(HEADER + 4, table, 0);
        self.bytes.get(..self.end).unwrap_or_default()
    }

    /// Where the next frame begins.
    fn next(&self) -> usize {
        if self.frames == 0 {
            FIRST
        } else {
            self.end.next_multiple_of(ALIGNMENT)
        }
    }

    /// Two words of 16 bits.
    fn write(&mut self, at: usize, first: usize, second: usize) {
        self.put(at, &(first as u16).to_le_bytes());
        self.put(at + 2, &(second as u16).to_le_bytes());
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::super::check::places;
    use super::*;

    fn frames(block: &[u8]) -> Vec<Vec<u8>> {
        let places = places(block).expect("a sound block");
        places
            .iter()
            .map(|place| block[place.range()].to_vec())
            .collect()
    }

    #[test]
    fn a_block_holds_what_was_added() {
        let mut block = Block::new();
        for round in 0..3u8 {
            block.clear();
            let sent: Vec<_> = (1..=8u8)
                .map(|n| [n + round].repeat(40 + usize::from(n)))
                .collect();
            for frame in &sent {
                block.add(frame.len()).copy_from_slice(frame);
            }
            assert!(!block.has_room(14));
            assert!(block.add(14).is_empty());
            assert_eq!(frames(block.close(round.into())), sent);
        }
    }

    #[test]
    fn a_block_ends_with_a_short_packet_unless_it_is_as_long_as_the_longest() {
        for len in 14..=LONGEST_BLOCK - FIRST {
            let mut block = Block::new();
            block.add(len).fill(7);
            let bytes = block.close(0);
            assert!(
                !bytes.len().is_multiple_of(PACKET) || bytes.len() == LONGEST_BLOCK,
                "{len}"
            );
            assert_eq!(frames(bytes), [[7].repeat(len)]);
        }
    }

    #[test]
    fn a_frame_that_does_not_fit_changes_nothing() {
        let mut block = Block::new();
        block.add(1514).fill(1);
        assert!(!block.has_room(1514));
        assert!(block.add(1514).is_empty());
        assert_eq!(frames(block.close(0)), [[1].repeat(1514)]);
    }

    #[test]
    fn frames_are_aligned() {
        let mut block = Block::new();
        block.add(61).fill(1);
        block.add(60).fill(2);
        let places = places(block.close(0)).expect("a sound block");
        assert!(
            places
                .iter()
                .all(|place| place.range().start.is_multiple_of(ALIGNMENT))
        );
    }

    #[test]
    fn the_longest_frame_takes_as_few_packets_as_alone() {
        assert_eq!(
            (FIRST + 1514).div_ceil(PACKET),
            (28_usize + 1514).div_ceil(PACKET)
        );
    }
}
