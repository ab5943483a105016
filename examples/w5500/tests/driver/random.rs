//! Random traffic and random mishaps, from seeds that are named when something is wrong.

use crate::model::{Board, MILLISECOND, Setup, frame};

/// A linear congruential generator (Knuth, MMIX), of which the high bits are good enough here.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn length(&mut self) -> usize {
        const LENGTHS: [usize; 14] = [
            0, 1, 13, 14, 59, 60, 64, 65, 1513, 1514, 1515, 1518, 1519, 1600,
        ];
        let length = if self.below(2) == 0 {
            LENGTHS[self.below(12) as usize] as u64
        } else {
            14 + self.below(1501)
        };
        length as usize
    }
}

/// What went into both ends, to be compared with what comes out.
#[derive(Default)]
struct Expected {
    received: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    skipped: u64,
    unsent: u64,
}

impl Expected {
    /// A random thing happens, none of which loses a frame that is fit to be moved.
    fn act(&mut self, board: &mut Board, random: &mut Random, number: usize) {
        let frame = frame(number, random.length());
        match random.below(8) {
            0..=2
                if usize::from(board.chip().rx_size()) + frame.len() + 2
                    <= crate::model::chip::BUFFER =>
            {
                board.chip().receive(&frame);
                if (14..=1518).contains(&frame.len()) {
                    self.received.push(frame);
                } else {
                    self.skipped += 1;
                }
            }
            3..=5 if frame.len() <= 1514 && board.send(&frame) => {
                if frame.len() >= 14 {
                    self.sent.push(frame);
                } else {
                    self.unsent += 1;
                }
            }
            6 => board.chip().megabits = if random.below(2) == 0 { 10 } else { 100 },
            _ => board.run_for(random.below(MILLISECOND)),
        }
    }
}

#[test]
fn random_traffic_of_every_length_comes_through_whole_and_in_order() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let limit = random.below(100) as usize;
        let mut board = Board::up_with::<3, 2>(Setup {
            poll_limit: Some(limit),
            ..Setup::default()
        });
        let (mut expected, mut received) = (Expected::default(), Vec::new());
        for number in 0..3000 {
            expected.act(&mut board, &mut random, number);
            if random.below(3) > 0 {
                received.extend(board.receive());
            }
        }
        received.extend(board.receive_for(300 * MILLISECOND));
        let counters = board.counters();
        assert!(
            received == expected.received,
            "seed {seed}: {} of {}",
            received.len(),
            expected.received.len()
        );
        assert!(
            board.chip().sent == expected.sent,
            "seed {seed}: {:?}",
            counters
        );
        assert_eq!(
            counters.runts + counters.oversized,
            expected.skipped,
            "seed {seed}"
        );
        assert_eq!(counters.unsent_runts, expected.unsent, "seed {seed}");
        assert_eq!((counters.resets, counters.resyncs), (0, 0), "seed {seed}");
    }
}

/// A random mishap.
fn harm(board: &Board, random: &mut Random) {
    let mut chip = board.chip();
    match random.below(9) {
        0 => chip.reset(),
        1 => chip.close_socket(),
        2 => chip.set_version(random.below(256) as u8),
        3 => chip.set_rx_write(random.below(0x1_0000) as u16),
        4 => {
            let noise: Vec<u8> = (0..random.below(300))
                .map(|_| random.below(256) as u8)
                .collect();
            chip.receive_raw(&noise);
        }
        5 => chip.mute = true,
        6 => chip.int_stuck = true,
        7 => chip.keeps_commands = true,
        _ => chip.present = !chip.present,
    }
    chip.show_interrupt();
}

#[test]
fn whatever_happens_to_the_chip_it_works_again_within_two_seconds() {
    for seed in 0..300 {
        let mut random = Random(1000 + seed);
        let mut board = Board::up();
        board.checks = false;
        for number in 0..40 {
            Expected::default().act(&mut board, &mut random, number);
            if random.below(4) == 0 {
                harm(&board, &mut random);
            }
            board.receive();
        }
        board.chip().present = true;
        board.receive_for(2000 * MILLISECOND);
        assert!(board.is_link_up(), "seed {seed}: {:?}", board.last_fault());
        let sent = board.chip().sent.len();
        board.chip().receive(&frame(1, 60));
        assert!(board.send(&frame(2, 60)));
        assert_eq!(
            board.receive_for(5 * MILLISECOND),
            [frame(1, 60)],
            "seed {seed}: {:?}",
            board.last_fault()
        );
        assert_eq!(
            board.chip().sent.split_off(sent),
            [frame(2, 60)],
            "seed {seed}"
        );
    }
}
