//! The queue between the device and the runner, in every order in which an executor can poll the
//! two tasks at its ends.
//!
//! Nothing runs at the same time here (see the documentation of the queue), so the order of polls
//! and events is all there is to explore: each state that can be reached is, with wake-ups that come
//! late, together, or for nothing. A state is reached by playing the steps to it from the beginning,
//! against the queue itself.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::task::Wake;

#[expect(dead_code, reason = "the packets' contents do not matter here")]
#[path = "../src/queue.rs"]
mod queue;

/// What the queue needs of the driver.
mod registers {
    pub(crate) type Header = [u8; 3];
}
const LONGEST: usize = 1518;
use queue::{Channel, Queue, SHORT};

/// Frames that arrive in all.
const FRAMES: usize = 7;

/// A task, as its waker sees it.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Step {
    /// A frame arrives at the chip, which interrupts.
    Arrive,
    /// The transfer that the producer waits for ends.
    Transferred,
    /// What the consumer waits for beside the queue comes.
    Unblock,
    /// A task is polled, woken or not. The consumer takes that many frames before it yields, and
    /// then waits for something else if it is `blocked`.
    Produce,
    Consume {
        budget: usize,
        blocked: bool,
    },
}

const STEPS: [Step; 8] = [
    Step::Arrive,
    Step::Transferred,
    Step::Unblock,
    Step::Produce,
    Step::Consume {
        budget: 1,
        blocked: false,
    },
    Step::Consume {
        budget: 1,
        blocked: true,
    },
    Step::Consume {
        budget: 3,
        blocked: false,
    },
    Step::Consume {
        budget: FRAMES,
        blocked: false,
    },
];

/// What the producer waits for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Waits {
    Nothing,
    /// A frame is on the bus.
    Transfer,
    Room,
    Interrupt,
}

/// What tells a state from another.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    yet_to_arrive: usize,
    in_chip: usize,
    queued: VecDeque<usize>,
    /// The length of the queue and of the frame at each push since the consumer was woken
    /// last.
    pushes: Vec<(usize, usize)>,
    waits: Waits,
    transferred: bool,
    blocked: bool,
    woken: [bool; 2],
    registered: [bool; 2],
}

/// A producer that does as the runner, and a consumer that does as the router.
struct World<'q> {
    channel: Channel<'q>,
    lengths: [usize; FRAMES],
    producer: Arc<Flag>,
    consumer: Arc<Flag>,
    yet_to_arrive: usize,
    in_chip: usize,
    queued: VecDeque<usize>,
    pushes: Vec<(usize, usize)>,
    waits: Waits,
    transferred: bool,
    blocked: bool,
    delivered: usize,
}

impl<'q> World<'q> {
    fn new(channel: Channel<'q>, lengths: [usize; FRAMES]) -> Self {
        let tasks = [(); 2].map(|()| Arc::new(Flag(true.into())));
        let [producer, consumer] = tasks;
        Self {
            channel,
            lengths,
            producer,
            consumer,
            yet_to_arrive: FRAMES,
            in_chip: 0,
            queued: VecDeque::new(),
            pushes: Vec::new(),
            waits: Waits::Nothing,
            transferred: false,
            blocked: false,
            delivered: 0,
        }
    }

    /// Whether `step` can happen now.
    fn allows(&self, step: Step) -> bool {
        match step {
            Step::Arrive => self.yet_to_arrive > 0,
            Step::Transferred => self.waits == Waits::Transfer && !self.transferred,
            Step::Unblock => self.blocked,
            Step::Produce | Step::Consume { .. } => true,
        }
    }

    fn make(&mut self, step: Step) {
        match step {
            Step::Arrive => {
                self.yet_to_arrive -= 1;
                self.in_chip += 1;
                if self.waits == Waits::Interrupt {
                    self.producer.clone().wake();
                }
            }
            Step::Transferred => {
                self.transferred = true;
                self.producer.clone().wake();
            }
            Step::Unblock => {
                self.blocked = false;
                self.consumer.clone().wake();
            }
            Step::Produce => self.produce(),
            Step::Consume { budget, blocked } => self.consume(budget, blocked),
        }
    }

    fn announce(&mut self) {
        self.channel.announce();
        self.pushes.clear();
    }

    fn produce(&mut self) {
        self.producer.0.store(false, Ordering::Relaxed);
        if self.waits == Waits::Transfer {
            if !self.transferred {
                return;
            }
            self.push();
        }
        self.transferred = false;
        self.waits = if self.in_chip == 0 {
            self.announce();
            Waits::Interrupt
        } else if self.channel.has_room() {
            Waits::Transfer
        } else {
            self.announce();
            let waker = Waker::from(self.producer.clone());
            assert!(!self.channel.poll_room(&waker));
            Waits::Room
        };
    }

    fn push(&mut self) {
        let length = self.lengths[self.delivered + self.queued.len()];
        if length > SHORT {
            self.announce();
        }
        self.in_chip -= 1;
        self.queued.push_back(length);
        self.pushes.push((self.queued.len(), length));
        self.channel.push_held(length);
    }

    fn consume(&mut self, budget: usize, blocked: bool) {
        self.consumer.0.store(false, Ordering::Relaxed);
        if self.blocked {
            return;
        }
        let waker = Waker::from(self.consumer.clone());
        for _ in 0..budget {
            if !self.channel.poll_frame(&waker) {
                assert!(self.queued.is_empty(), "a frame is not seen");
                return;
            }
            self.queued.pop_front().expect("there is a frame");
            self.channel.pop();
            self.delivered += 1;
        }
        self.blocked = blocked;
        if !blocked {
            waker.wake();
        }
    }

    fn key(&self) -> Key {
        let tasks = [&self.producer, &self.consumer];
        Key {
            yet_to_arrive: self.yet_to_arrive,
            in_chip: self.in_chip,
            queued: self.queued.clone(),
            pushes: self.pushes.clone(),
            waits: self.waits,
            transferred: self.transferred,
            blocked: self.blocked,
            woken: tasks.map(|task| task.0.load(Ordering::Relaxed)),
            // The queue has the only other handle.
            registered: tasks.map(|task| Arc::strong_count(task) > 1),
        }
    }

    /// What must hold in every state.
    fn check(&self) {
        let Key {
            woken: [producer, consumer],
            registered,
            ..
        } = self.key();
        let producer_sleeps = !producer && self.waits != Waits::Transfer;
        let consumer_sleeps = !consumer && !self.blocked;
        if producer_sleeps && consumer_sleeps {
            assert!(
                self.queued.is_empty(),
                "both sleep, and {} frames are in the queue",
                self.queued.len()
            );
            assert!(registered[1], "the consumer would never be woken");
        }
        if producer_sleeps && self.waits == Waits::Interrupt {
            assert_eq!(self.in_chip, 0, "the producer sleeps over frames");
        }
    }

    /// Polls only tasks that were woken, in the order of `order`, and lets all happen that is under
    /// way. Returns how many polls it took until all that had arrived was delivered.
    fn finish(&mut self, order: &[Step]) -> usize {
        let mut polls = 0;
        while let Some(step) = order.iter().find(|step| self.is_due(**step)) {
            polls += usize::from(matches!(step, Step::Produce | Step::Consume { .. }));
            assert!(polls < 100, "the tasks do not come to rest");
            self.make(*step);
            self.check();
        }
        assert_eq!(
            self.delivered,
            FRAMES - self.yet_to_arrive,
            "not all was delivered"
        );
        polls
    }

    fn is_due(&self, step: Step) -> bool {
        match step {
            Step::Arrive => false,
            Step::Transferred | Step::Unblock => self.allows(step),
            Step::Produce => self.producer.0.load(Ordering::Relaxed),
            Step::Consume { .. } => self.consumer.0.load(Ordering::Relaxed),
        }
    }
}

/// Orders in which tasks that were woken are polled, and in which events come.
const ORDERS: [[Step; 4]; 3] = [
    [Step::Produce, CONSUME, Step::Transferred, Step::Unblock],
    [CONSUME, Step::Produce, Step::Unblock, Step::Transferred],
    [Step::Transferred, Step::Unblock, CONSUME, Step::Produce],
];
const CONSUME: Step = Step::Consume {
    budget: 2,
    blocked: false,
};

/// Explores a queue of `N` frames, `LONGS` of them long. Returns how many states there are, and the most polls that it
/// took from one of them until all was delivered.
fn explore<const N: usize, const LONGS: usize>(lengths: [usize; FRAMES]) -> (usize, usize) {
    let play = |path: &[Step], then: &mut dyn FnMut(&mut World<'_>)| {
        let queue = Queue::<N, LONGS>::new();
        let mut world = World::new(queue.channel(), lengths);
        path.iter().for_each(|step| world.make(*step));
        then(&mut world);
    };
    let (mut seen, mut paths) = (HashSet::new(), VecDeque::from([Vec::new()]));
    let mut most = 0;
    while let Some(mut path) = paths.pop_front() {
        for order in &ORDERS {
            play(&path, &mut |world| most = most.max(world.finish(order)));
        }
        for step in STEPS {
            path.push(step);
            let mut key = None;
            play(&path[..path.len() - 1], &mut |world| {
                if world.allows(step) {
                    world.make(step);
                    world.check();
                    key = Some(world.key());
                }
            });
            if key.is_some_and(|key| seen.insert(key)) {
                paths.push_back(path.clone());
            }
            path.pop();
        }
    }
    (seen.len(), most)
}

/// In a queue of one, each frame takes a poll for its transfer, one for the next, and one of the
/// consumer.
const MOST_POLLS: usize = 3 * FRAMES + 3;

fn assert_none_is_lost<const N: usize, const LONGS: usize>(lengths: [usize; FRAMES]) {
    let (states, most) = explore::<N, LONGS>(lengths);
    println!("{N} places, {LONGS} long: {states} states, {most} polls at most");
    assert!(states > 300, "only {states} states were reached");
    assert!(most <= MOST_POLLS, "{most} polls");
}

const ALL_SHORT: [usize; FRAMES] = [60; FRAMES];
const ALL_LONG: [usize; FRAMES] = [1514; FRAMES];
const LONG_AT_THE_ENDS: [usize; FRAMES] = [1514, 1514, 60, 60, 60, 1514, 1514];
const MIXED: [usize; FRAMES] = [60, 60, 1514, 60, SHORT, SHORT + 1, 60];

#[test]
fn no_wake_up_is_lost_in_a_queue_of_one_or_two() {
    for lengths in [ALL_SHORT, ALL_LONG, MIXED] {
        assert_none_is_lost::<1, 1>(lengths);
        assert_none_is_lost::<2, 2>(lengths);
    }
}

#[test]
fn no_wake_up_is_lost_in_a_queue_of_four() {
    for lengths in [ALL_SHORT, ALL_LONG, MIXED] {
        assert_none_is_lost::<4, 4>(lengths);
    }
}

#[test]
fn no_wake_up_is_lost_in_a_queue_that_holds_more_than_arrives() {
    assert_none_is_lost::<8, 8>(ALL_SHORT);
    assert_none_is_lost::<8, 8>(MIXED);
}

#[test]
fn no_wake_up_is_lost_in_a_queue_with_few_long_packets() {
    for lengths in [ALL_SHORT, ALL_LONG, MIXED, LONG_AT_THE_ENDS] {
        assert_none_is_lost::<4, 1>(lengths);
        assert_none_is_lost::<4, 2>(lengths);
        assert_none_is_lost::<8, 3>(lengths);
    }
}

/// Frames leave in the order in which they came, each with its bytes, while packets of both
/// lengths are used again and again.
#[test]
fn frames_of_both_lengths_leave_in_order() {
    let queue = Queue::<4, 2>::new();
    let channel = queue.channel();
    let lengths = [60, 1514, 60, SHORT, SHORT + 1, 14, 1518, 60, 700, SHORT, 60];
    let (mut pushed, mut popped) = (lengths.iter().cycle(), lengths.iter().cycle());
    let mut number: [u8; 2] = [0; 2];
    for turn in 1..=400 {
        for _ in 0..turn % 7 {
            if !channel.has_room() {
                break;
            }
            let length = *pushed.next().expect("endless");
            let mut packet = channel.free(length).expect("there is room");
            number[0] = number[0].wrapping_add(1);
            packet.resize(length).fill(number[0]);
            drop(packet);
            channel.push(length);
        }
        for _ in 0..turn % 5 {
            let Some(mut packet) = channel.oldest() else {
                break;
            };
            number[1] = number[1].wrapping_add(1);
            let expected = vec![number[1]; *popped.next().expect("endless")];
            assert_eq!(packet.frame(), expected, "in turn {turn}");
            drop(packet);
            channel.pop();
        }
    }
    assert!(number[1] > 100, "{} frames were taken", number[1]);
}

/// With which of eight frames of `length` bytes the consumer of a queue of eight is woken, and with
/// which the producer is when they are taken.
fn woken_with(length: usize) -> [Option<usize>; 2] {
    let queue = Queue::<8, 8>::new();
    let channel = queue.channel();
    let [consumer, producer] = [(); 2].map(|()| Arc::new(Flag::default()));
    let is_woken = |task: &Arc<Flag>| task.0.load(Ordering::Relaxed);
    assert!(!channel.poll_frame(&Waker::from(consumer.clone())));
    let pushed = (1..=8).find(|_| {
        channel.push_held(length);
        is_woken(&consumer)
    });
    while channel.has_room() {
        channel.push(length);
    }
    assert!(!channel.poll_room(&Waker::from(producer.clone())));
    let popped = (1..=8).find(|_| {
        channel.pop();
        is_woken(&producer)
    });
    [pushed, popped]
}

#[test]
fn short_frames_wake_both_ends_late_and_long_ones_at_once() {
    assert_eq!(woken_with(60), [Some(6), Some(6)]);
    assert_eq!(woken_with(SHORT), [Some(6), Some(6)]);
    assert_eq!(woken_with(SHORT + 1), [Some(1), Some(1)]);
}
