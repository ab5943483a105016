//! A block from the host, whose frames the router takes one by one.

use crate::counters::Tally;
use crate::ntb::LONGEST_BLOCK;
use crate::ntb::check::{Place, Places, Refusal, places};
use crate::{ETHERNET_HEADER, LONGEST_FRAME};

/// A block, and the places of its frames that were not taken yet.
pub(crate) struct Incoming {
    pub(crate) bytes: [u8; LONGEST_BLOCK],
    frames: Places,
    taken: usize,
}

impl Incoming {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; LONGEST_BLOCK],
            frames: Places::new(),
            taken: 0,
        }
    }

    /// Checks the first `len` bytes as a block, and finds its frames. A block that lies has none,
    /// and frames of an impossible length are left out. All of this is counted.
    pub(crate) fn open(&mut self, len: usize, tally: &Tally) {
        self.taken = 0;
        self.frames.clear();
        match places(self.bytes.get(..len).unwrap_or_default()) {
            Ok(frames) => {
                self.frames = frames;
                self.frames.retain(|frame| is_possible(*frame, tally));
                tally.received_blocks.add(1);
                tally.received.add(self.frames.len() as u64);
                let bytes = self.frames.iter().map(|frame| frame.len() as u64).sum();
                tally.received_bytes.add(bytes);
            }
            Err(Refusal::TooLong) => tally.oversized.add(1),
            Err(refusal) => {
                tally.refused_blocks.add(1);
                tally.last_refusal.set(Some(refusal));
            }
        }
    }

    /// The next frame. Empty if there is none.
    pub(crate) fn next_frame(&mut self) -> &mut [u8] {
        let place = self.frames.get(self.taken).copied().unwrap_or_default();
        self.taken += 1;
        self.bytes.get_mut(place.range()).unwrap_or_default()
    }

    /// Whether all frames were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.taken >= self.frames.len()
    }
}

fn is_possible(frame: Place, tally: &Tally) -> bool {
    if frame.len() > LONGEST_FRAME {
        tally.oversized.add(1);
        return false;
    }
    if frame.len() < ETHERNET_HEADER {
        tally.runts.add(1);
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// A block with frames of these lengths, all of the same bytes.
    fn opened(lengths: &[usize]) -> (Incoming, Tally) {
        let tally = Tally::new();
        let mut block = Incoming::new();
        let entries = lengths
            .iter()
            .flat_map(|len| [48, 0, *len as u8, (*len >> 8) as u8]);
        let entries: Vec<u8> = entries.collect();
        let head = [
            b"NCMH".as_slice(),
            &[12, 0, 0, 0, 0, 0, 12, 0],
            b"NCM0",
            &[36, 0, 0, 0],
        ];
        let head = [head.concat(), entries].concat();
        block.bytes[..head.len()].copy_from_slice(&head);
        block.open(LONGEST_BLOCK, &tally);
        (block, tally)
    }

    #[test]
    fn frames_are_taken_in_order_and_then_the_block_is_empty() {
        let (mut block, tally) = opened(&[60, 61, 1518]);
        for len in [60, 61, 1518] {
            assert!(!block.is_empty());
            assert_eq!(block.next_frame().len(), len);
        }
        assert!(block.is_empty());
        assert!(block.next_frame().is_empty());
        assert_eq!(
            (tally.counters().received, tally.counters().received_bytes),
            (3, 1639)
        );
    }

    #[test]
    fn frames_of_an_impossible_length_are_left_out_and_counted() {
        let (mut block, tally) = opened(&[13, 14, 1519, 1518, 1]);
        assert_eq!(block.next_frame().len(), 14);
        assert_eq!(block.next_frame().len(), 1518);
        assert!(block.is_empty());
        assert_eq!((tally.counters().runts, tally.counters().oversized), (2, 1));
    }

    #[test]
    fn a_block_that_lies_is_empty_and_counted_with_its_reason() {
        let (block, tally) = opened(&[60, 2048]);
        assert!(block.is_empty());
        assert_eq!(tally.counters().refused_blocks, 1);
        assert_eq!(tally.last_refusal.get(), Some(Refusal::DatagramPlace));
    }

    #[test]
    fn what_the_router_writes_into_one_frame_changes_no_place() {
        let (mut block, _) = opened(&[60, 60, 60]);
        for _ in 0..3 {
            block.next_frame().fill(0xff);
        }
        assert!(block.is_empty());
    }
}
