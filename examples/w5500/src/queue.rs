//! Frames on their way between the device and the runner.
//!
//! # Wake-ups in batches
//!
//! A wake-up costs the woken task a pass over everything it does, whether it finds one frame or
//! eight. So short frames do not wake it one by one: the producer holds wake-ups back
//! ([`Channel::push_held`]), and a consumer that makes room wakes the producer late
//! ([`Channel::pop`]). Longer frames wake at once: the bus is the bottleneck there, and a long pass
//! would leave it idle.
//!
//! # Why no wake-up is lost
//!
//! Both ends run on one executor, and no interrupt touches a queue: interrupts wake tasks, no more.
//! So nothing happens here at the same time as anything else, and cells are enough. Only the order
//! in which the tasks are polled could lose a wake-up.
//!
//! **The consumer** sleeps only after [`Channel::poll_frame`] has found the queue empty and has
//! stored its waker. The next push wakes it, or sets `held`. `held` means that the producer still
//! has to do so, and the producer does before it waits for anything but the transfer of a short
//! frame: the runner calls [`Channel::announce`] before it sleeps ([`Runner::idle`]), before it
//! yields, before it moves a long frame, when it knows of no further frame in the chip, and when it
//! gives the chip up. So while the runner sleeps, `held` is false.
//!
//! **The producer** sleeps only after [`Channel::poll_room`] has found the queue full and has stored
//! its waker. The consumer knows of the frames then: the push that made three quarters of the queue
//! woke it. It wakes the producer when a quarter is left, at the latest. Until then it has frames to
//! take, and it sleeps only for want of a frame, or of room in the queue of the other driver. The
//! runner of that driver empties its queue whatever happens to the frames that it receives, so that
//! wait ends, and no two tasks wait for each other.
//!
//! **After a wake-up** a task asks everything again before it sleeps again, so a wake-up may come
//! late, twice, or for nothing.
//!
//! [`Runner::idle`]: crate::Runner

use core::cell::{Cell, RefCell, RefMut};
use core::task::Waker;

use embassy_sync::waitqueue::WakerRegistration;

use crate::LONGEST;
use crate::registers::Header;

/// The longest frame, in bytes, whose wake-up can be held back. At 31.25 MHz the bus takes 35 us for
/// it, and an RP2040 twice that to forward it: up to there the processor is the bottleneck.
pub(crate) const SHORT: usize = 128;

/// Room for a frame, and for what goes over the bus with it: the header of the access before it, and
/// the next length word after it. So one transfer moves all of it.
///
/// In all packets the frame begins at a word, so that a copy from one to another goes by words.
#[repr(C)]
pub(crate) struct Packet {
    len: usize,
    bytes: [u8; FRAME_AT + LONGEST + AFTER],
}

const FRAME_AT: usize = 4;
const HEADER_AT: usize = FRAME_AT - size_of::<Header>();
const AFTER: usize = 2;

impl Packet {
    pub(crate) const fn new() -> Self {
        Self {
            len: 0,
            bytes: [0; FRAME_AT + LONGEST + AFTER],
        }
    }

    /// The frame.
    pub(crate) fn frame(&mut self) -> &mut [u8] {
        self.part(FRAME_AT, 0)
    }

    /// The same, `len` bytes long from now on, but no longer than there is room for.
    pub(crate) fn resize(&mut self, len: usize) -> &mut [u8] {
        self.len = len.min(LONGEST);
        self.frame()
    }

    /// An access that begins with `header` and moves the frame, and `after` bytes behind it: 2 at
    /// most.
    pub(crate) fn access(&mut self, header: Header, after: usize) -> &mut [u8] {
        if let Some(place) = self.bytes.get_mut(HEADER_AT..FRAME_AT) {
            place.copy_from_slice(&header);
        }
        self.part(HEADER_AT, after)
    }

    /// The rest of an access that has begun: the frame, and `after` bytes behind it.
    pub(crate) fn rest(&mut self, after: usize) -> &mut [u8] {
        self.part(FRAME_AT, after)
    }

    /// The two bytes behind the frame.
    pub(crate) fn word_after(&mut self) -> [u8; AFTER] {
        let at = FRAME_AT + self.len;
        self.part(at, AFTER).try_into().unwrap_or_default()
    }

    fn part(&mut self, from: usize, after: usize) -> &mut [u8] {
        self.bytes
            .get_mut(from..FRAME_AT + self.len + after)
            .unwrap_or_default()
    }
}

/// A task that waits, if one does.
pub(crate) struct Waiting(Cell<WakerRegistration>);

impl Waiting {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(WakerRegistration::new()))
    }

    pub(crate) fn register(&self, waker: &Waker) {
        let mut waiting = self.0.take();
        waiting.register(waker);
        self.0.set(waiting);
    }

    pub(crate) fn wake(&self) {
        self.0.take().wake();
    }
}

/// The memory of a queue.
pub(crate) struct Queue<const N: usize> {
    packets: [RefCell<Packet>; N],
    ends: Ends,
}

struct Ends {
    oldest: Cell<usize>,
    len: Cell<usize>,
    /// Whether frames were pushed since the consumer was woken last.
    held: Cell<bool>,
    /// Who waits for a frame.
    consumer: Waiting,
    /// Who waits for room.
    producer: Waiting,
}

impl<const N: usize> Queue<N> {
    pub(crate) const fn new() -> Self {
        let ends = Ends {
            oldest: Cell::new(0),
            len: Cell::new(0),
            held: Cell::new(false),
            consumer: Waiting::new(),
            producer: Waiting::new(),
        };
        Self {
            packets: [const { RefCell::new(Packet::new()) }; N],
            ends,
        }
    }

    pub(crate) const fn channel(&self) -> Channel<'_> {
        Channel {
            packets: &self.packets,
            ends: &self.ends,
        }
    }
}

/// A queue as its producer and its consumer use it, one of each.
#[derive(Clone, Copy)]
pub(crate) struct Channel<'d> {
    packets: &'d [RefCell<Packet>],
    ends: &'d Ends,
}

impl<'d> Channel<'d> {
    /// Room for the next frame. [`Channel::push`] puts it into the queue.
    pub(crate) fn room(&self) -> Option<RefMut<'d, Packet>> {
        self.has_room().then(|| self.packet(self.ends.len.get()))?
    }

    /// Whether there is room. If not, `waker` is woken when there is.
    pub(crate) fn poll_room(&self, waker: &Waker) -> bool {
        if !self.has_room() {
            self.ends.producer.register(waker);
        }
        self.has_room()
    }

    /// Puts the frame in [`Channel::room`] into the queue, and wakes the consumer.
    pub(crate) fn push(&self) {
        self.push_held(LONGEST);
    }

    /// Puts a frame of `bytes` bytes into the queue like [`Channel::push`]. If it is short, the
    /// consumer is woken only when three quarters of the queue are taken.
    ///
    /// The caller must call [`Channel::announce`] before it waits for anything else than the
    /// transfer of a short frame.
    pub(crate) fn push_held(&self, bytes: usize) {
        let Ends { len, held, .. } = self.ends;
        len.set(len.get().saturating_add(1));
        held.set(true);
        if bytes > SHORT || len.get() >= self.three_quarters() {
            self.announce();
        }
    }

    /// Wakes the consumer for the frames that were held back, if there are any.
    pub(crate) fn announce(&self) {
        if self.ends.held.take() {
            self.ends.consumer.wake();
        }
    }

    /// The frame that is next. [`Channel::pop`] removes it.
    pub(crate) fn oldest(&self) -> Option<RefMut<'d, Packet>> {
        self.has_frame().then(|| self.packet(0))?
    }

    /// Whether there is a frame. If not, `waker` is woken when there is.
    pub(crate) fn poll_frame(&self, waker: &Waker) -> bool {
        if !self.has_frame() {
            self.ends.consumer.register(waker);
        }
        self.has_frame()
    }

    /// Removes the oldest frame, of `bytes` bytes. If it is short, the producer is woken only when a
    /// quarter of the queue is left.
    pub(crate) fn pop(&self, bytes: usize) {
        let Ends { oldest, len, .. } = self.ends;
        let next = oldest.get().saturating_add(1);
        oldest.set(if next < self.packets.len() { next } else { 0 });
        len.set(len.get().saturating_sub(1));
        if bytes > SHORT || len.get() <= self.quarter() {
            self.ends.producer.wake();
        }
    }

    /// Three quarters of the queue, and one frame at least.
    fn three_quarters(&self) -> usize {
        (self.packets.len() * 3 / 4).max(1)
    }

    /// A quarter of the queue, and one frame at least.
    fn quarter(&self) -> usize {
        (self.packets.len() / 4).max(1)
    }

    fn has_frame(&self) -> bool {
        self.ends.len.get() > 0
    }

    fn has_room(&self) -> bool {
        self.ends.len.get() < self.packets.len()
    }

    fn packet(&self, behind_oldest: usize) -> Option<RefMut<'d, Packet>> {
        let at = self.ends.oldest.get().saturating_add(behind_oldest);
        self.packets
            .get(at.checked_sub(self.packets.len()).unwrap_or(at))?
            .try_borrow_mut()
            .ok()
    }
}
