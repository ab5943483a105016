//! The driver and a stack on an executor that does its worst: it polls in random order, polls tasks
//! that were not woken, forgets how often a task was woken, and lets time pass before it polls.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use std::sync::Arc;
use std::task::Wake;

use crate::model::{self, Board, Setup, frame};
use embassy_net_driver::{Driver, RxToken, TxToken};

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
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stack that sends every frame back. Like a router it takes leave to transmit first, and sleeps
/// when there is no room, or else no frame.
struct Stack {
    woken: Arc<Flag>,
    polls: u64,
}

impl Stack {
    fn new() -> Self {
        Self {
            woken: Arc::new(Flag(true.into())),
            polls: 0,
        }
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Moves up to `budget` frames, and wakes itself if there may be more.
    fn poll(&mut self, board: &mut Board, budget: u64) {
        self.woken.0.store(false, Ordering::Relaxed);
        self.polls += 1;
        let waker = Waker::from(self.woken.clone());
        let mut cx = Context::from_waker(&waker);
        for _ in 0..budget {
            if board.device.transmit(&mut cx).is_none() {
                return;
            }
            let Some((received, answer)) = board.device.receive(&mut cx) else {
                return;
            };
            received.consume(|received| {
                answer.consume(received.len(), |room| room.copy_from_slice(received));
            });
        }
        waker.wake();
    }
}

/// A board whose chip has frames to come, and the stack.
struct Bench {
    board: Board,
    stack: Stack,
    random: Random,
    expected: Vec<Vec<u8>>,
}

impl Bench {
    fn new<const N_RX: usize, const N_TX: usize>(seed: u64, megabits: u64) -> Self {
        let mut random = Random(seed);
        let poll_limit = Some(random.below(100) as usize);
        let board = Board::up_with::<N_RX, N_TX>(Setup {
            poll_limit,
            ..Setup::default()
        });
        board.chip().megabits = megabits;
        let mut bench = Self {
            board,
            stack: Stack::new(),
            random,
            expected: Vec::new(),
        };
        bench.schedule();
        bench
    }

    /// Has frames arrive, alone and in bursts, no more than the chip has room for.
    fn schedule(&mut self) {
        const LENGTHS: [usize; 8] = [14, 60, 60, 60, 128, 129, 700, 1514];
        let (mut at, mut bytes) = (self.board.now(), 0);
        for number in 0..6 + self.random.below(20) as usize {
            let frame = frame(number, LENGTHS[self.random.below(8) as usize]);
            bytes += frame.len() + 2;
            if bytes > model::chip::BUFFER {
                break;
            }
            at += match self.random.below(4) {
                0 => self.random.below(400_000),
                1 => 1514 * 8 * 100,
                _ => 0,
            };
            self.board.chip().arrive_at(at, frame.clone());
            self.expected.push(frame);
        }
    }

    fn sent(&self) -> usize {
        self.board.chip().sent.len()
    }

    /// One step of an executor that does as it likes.
    fn misbehave(&mut self) {
        match self.random.below(8) {
            0 => self.board.poll(),
            1 => self.poll_stack(),
            2 | 3 => {
                let now = self.board.now() + self.random.below(30_000);
                self.board.advance(now);
            }
            4 | 5 if self.board.is_woken() => self.board.poll(),
            _ if self.stack.is_woken() => self.poll_stack(),
            _ => {
                if let Some(next) = self.board.next_hardware_event() {
                    self.board.advance(next);
                }
            }
        }
    }

    fn poll_stack(&mut self) {
        let budget = 1 + self.random.below(9);
        self.stack.poll(&mut self.board, budget);
    }

    /// From now on only tasks that were woken are polled, and time passes only while none is. The
    /// driver's own alarm, every 100 ms, does not come: it would hide a wake-up that was lost.
    /// Returns how many polls it took until all was sent.
    fn finish(&mut self, stack_first: bool) -> u64 {
        let before = self.board.polls + self.stack.polls;
        while self.sent() < self.expected.len() {
            let stack = self.stack.is_woken();
            if stack && (stack_first || !self.board.is_woken()) {
                self.poll_stack();
            } else if self.board.is_woken() {
                self.board.poll();
            } else {
                let next = self.board.next_hardware_event();
                let next = next.expect("all tasks sleep, and not all frames are sent");
                self.board.advance(next);
            }
        }
        self.board.polls + self.stack.polls - before
    }
}

fn disturb<const N_RX: usize, const N_TX: usize>(seeds: core::ops::Range<u64>) {
    for seed in seeds {
        let megabits = if seed % 3 == 0 { 10 } else { 100 };
        let mut bench = Bench::new::<N_RX, N_TX>(seed, megabits);
        for _ in 0..bench.random.below(400) {
            bench.misbehave();
        }
        let left = (bench.expected.len() - bench.sent()) as u64;
        let polls = bench.finish(seed % 2 == 0);
        assert!(
            polls <= 10 + 5 * left,
            "seed {seed}: {polls} polls for {left} frames"
        );
        assert!(bench.board.chip().sent == bench.expected, "seed {seed}");
        assert_eq!(bench.board.counters().resets, 0, "seed {seed}");
    }
}

#[test]
fn every_frame_arrives_however_the_tasks_are_polled() {
    disturb::<8, 8>(0..600);
    disturb::<4, 2>(600..1200);
    disturb::<1, 1>(1200..1600);
    disturb::<2, 8>(1600..2000);
}

#[test]
fn a_lone_frame_wakes_the_stack_at_once() {
    for length in [60, 1514] {
        let mut board = Board::up();
        let mut stack = Stack::new();
        stack.poll(&mut board, 1);
        assert!(!stack.is_woken());
        let now = board.now();
        board.chip().receive(&frame(1, length));
        while !stack.is_woken() {
            assert!(board.step(now + model::MILLISECOND), "never woken");
        }
        // The accesses of one frame, and nothing else.
        let longest = (length as u64 + 40) * model::chip::BYTE;
        assert!(board.now() - now < longest, "{} ns", board.now() - now);
    }
}

#[test]
fn a_short_frame_does_not_wait_for_a_long_one_behind_it() {
    let mut board = Board::up_with::<8, 8>(Setup::default());
    let mut stack = Stack::new();
    stack.poll(&mut board, 1);
    let now = board.now();
    board.chip().receive(&frame(1, 60));
    board.chip().receive(&frame(2, 1514));
    while !stack.is_woken() {
        assert!(board.step(now + model::MILLISECOND), "never woken");
    }
    assert!(board.now() - now < 200 * model::chip::BYTE);
}

#[test]
fn a_short_frame_does_not_wait_for_a_long_one_that_is_sent() {
    let mut board = Board::up_with::<8, 8>(Setup::default());
    let mut stack = Stack::new();
    stack.poll(&mut board, 1);
    board.chip().receive(&frame(1, 60));
    board.chip().receive(&frame(2, 60));
    assert!(board.send(&frame(3, 1514)));
    let now = board.now();
    while !stack.is_woken() {
        assert!(board.step(now + model::MILLISECOND), "never woken");
    }
    assert!(board.now() - now < 200 * model::chip::BYTE);
}

#[test]
fn a_short_frame_does_not_wait_for_short_ones_that_are_sent() {
    let mut board = Board::up_with::<8, 8>(Setup::default());
    let mut stack = Stack::new();
    stack.poll(&mut board, 1);
    board.chip().receive(&frame(1, 60));
    while board.send(&frame(2, 60)) {}
    let now = board.now();
    while !stack.is_woken() {
        assert!(board.step(now + model::MILLISECOND), "never woken");
    }
    assert!(board.now() - now < 200 * model::chip::BYTE);
}
