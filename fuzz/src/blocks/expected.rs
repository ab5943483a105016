//! What must come of the host's packets.

use nat_usb_lan::Counters;

use super::specification;

const PACKET: usize = 64;
const LONGEST_BLOCK: usize = 2048;
const HEADER: usize = 12;
/// What an Ethernet frame can be, with a priority tag and without its check sequence.
const SHORTEST_FRAME: usize = 14;
const LONGEST_FRAME: usize = 1518;

/// A block that its last packet has ended, and what it brings.
pub(super) enum Outcome {
    /// These frames for the router.
    Frames(Vec<Vec<u8>>),
    Refused(&'static str),
}

/// Puts packets together to blocks, and counts.
#[derive(Default)]
pub(super) struct Expected {
    under_way: Vec<u8>,
    /// The last packet was full, and has ended a block.
    ending_may_follow: bool,
    counters: Counters,
}

impl Expected {
    /// What this packet brings, if it ends a block.
    pub(super) fn packet(&mut self, packet: &[u8]) -> Option<Outcome> {
        self.under_way.extend_from_slice(packet);
        if packet.len() == PACKET && !self.is_whole() {
            return None;
        }
        let block = core::mem::take(&mut self.under_way);
        // What is too short for a header, behind a block with full packets, is the end of that.
        let is_ending = self.ending_may_follow && block.len() < HEADER;
        self.ending_may_follow = packet.len() == PACKET;
        (!block.is_empty() && !is_ending).then(|| self.outcome(block))
    }

    /// Whether nothing can follow in this block, whatever the length of its last packet.
    fn is_whole(&self) -> bool {
        let length = self.under_way.len();
        length == LONGEST_BLOCK || specification::declared_length(&self.under_way) == Some(length)
    }

    /// Whether the next packet belongs to the block of the one before.
    pub(super) fn is_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// The session ends, and with it a block that is under way.
    pub(super) fn end_session(&mut self) {
        self.counters.cut_blocks += u64::from(self.is_under_way());
        self.under_way.clear();
        self.ending_may_follow = false;
    }

    pub(super) fn sleep(&mut self) {
        self.counters.suspensions += 1;
    }

    /// A frame that the router has sent in a session.
    pub(super) fn sent(&mut self) {
        self.counters.sent += 1;
    }

    /// Compares the counters, but those of what was sent in which block.
    pub(super) fn check(&self, counters: Counters, sessions: u64) {
        let mut expected = self.counters;
        expected.link_ups = sessions;
        expected.sent_blocks = counters.sent_blocks;
        expected.sent_bytes = counters.sent_bytes;
        assert_eq!(counters, expected);
    }

    fn outcome(&mut self, mut block: Vec<u8>) -> Outcome {
        let counters = &mut self.counters;
        let reading = match specification::read(&block) {
            Ok(reading) => reading,
            Err("longer than announced") => {
                counters.oversized += 1;
                return Outcome::Refused("longer than announced");
            }
            Err(fault) => {
                counters.refused_blocks += 1;
                return Outcome::Refused(fault);
            }
        };
        counters.received_blocks += 1;
        let mut frames = Vec::new();
        for place in reading.datagrams {
            match place.len() {
                ..SHORTEST_FRAME => counters.runts += 1,
                SHORTEST_FRAME..=LONGEST_FRAME => {
                    counters.received += 1;
                    counters.received_bytes += place.len() as u64;
                    frames.push(block[place.clone()].to_vec());
                    // As the router does.
                    block[place].fill(super::lan::OVERWRITTEN);
                }
                _ => counters.oversized += 1,
            }
        }
        Outcome::Frames(frames)
    }
}
