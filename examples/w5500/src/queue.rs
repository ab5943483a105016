//! Frames on their way between the device and the runner.
//!
//! # Wake-ups in batches
//!
//! A woken task does a whole pass over its work, whether it finds one frame or eight. So a short
//! frame does not wake the consumer by itself: [`Channel::push_held`] holds the wake-up back until
//! three quarters of the queue are taken, and [`Channel::pop`] wakes a producer that waits for room
//! when a quarter is left. A longer frame wakes at once: there the bus is the bottleneck, and it
//! would be idle while the router works through a batch.
//!
//! # Why no wake-up is lost
//!
//! Both ends run on one executor. Interrupts wake tasks, and touch no queue. So nothing here is
//! concurrent, and cells are enough; only the order in which the tasks are polled varies.
//!
//! **The consumer** sleeps only after [`Channel::poll_frame`] has found the queue empty and stored
//! its waker. The next push either wakes it or sets `held`, which says that the producer has still
//! to wake it. The runner does so ([`Channel::announce`]) as soon as it knows of no further frame in
//! the chip, before it moves a long frame, before it yields, before it sleeps, and when it gives up
//! the chip. So a frame waits for its wake-up during transfers of short frames only, and `held` is
//! false whenever the runner sleeps.
//!
//! **The producer** sleeps only after [`Channel::poll_free`] has found the queue full and stored its
//! waker. The consumer has been woken by then, by the push that took three quarters of the queue.
//! It wakes the producer when a quarter is left at the latest. Before that it has frames to take, so
//! it waits for nothing but room in the queue of the other driver. The runner of that driver empties
//! that queue whether or not there is room for the frames it receives. So this wait ends, and two
//! tasks never wait for each other.
//!
//! **Every wait** begins with a check of its condition in the same poll that stores the waker, and a
//! woken task checks all its conditions again. So wake-ups may be late, merged, or spurious.

use core::cell::{Cell, RefCell, RefMut};
use core::task::Waker;

use embassy_sync::waitqueue::WakerRegistration;

use crate::LONGEST;
use crate::registers::Header;

/// The longest frame, in bytes, whose wake-up can be held back. The bus takes 35 us for it at
/// 31.25 MHz, and an RP2040 about 60 us to forward it: the processor is the bottleneck.
pub(crate) const SHORT: usize = 128;

/// Memory for a frame, for the header of the access that moves it, and for the length word that
/// follows it in the chip, so that one transfer moves all three.
///
/// The frame is aligned to a word, so that it is copied to another packet by words.
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

    /// Sets the length of the frame, at most to that of its memory. Returns the frame.
    pub(crate) fn resize(&mut self, len: usize) -> &mut [u8] {
        self.len = len.min(LONGEST);
        self.frame()
    }

    /// The bytes of a whole access: `header`, the frame, and up to two bytes `after` it.
    pub(crate) fn access(&mut self, header: Header, after: usize) -> &mut [u8] {
        if let Some(place) = self.bytes.get_mut(HEADER_AT..FRAME_AT) {
            place.copy_from_slice(&header);
        }
        self.part(HEADER_AT, after)
    }

    /// The rest of an access whose header was sent: the frame, and up to two bytes `after` it.
    pub(crate) fn rest(&mut self, after: usize) -> &mut [u8] {
        self.part(FRAME_AT, after)
    }

    /// The two bytes after the frame.
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

/// The waker of a task that waits, if there is one.
pub(crate) struct Waiting(Cell<WakerRegistration>);

impl Waiting {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(WakerRegistration::new()))
    }

    pub(crate) fn register(&self, waker: &Waker) {
        // A `Cell` lends no reference, so the waker is taken out and put back.
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
    /// Waits for a frame.
    consumer: Waiting,
    /// Waits for a free slot.
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

/// A queue, for one producer and one consumer.
#[derive(Clone, Copy)]
pub(crate) struct Channel<'d> {
    packets: &'d [RefCell<Packet>],
    ends: &'d Ends,
}

impl<'d> Channel<'d> {
    /// The slot for the next frame, if one is free. [`Channel::push`] adds it to the queue.
    pub(crate) fn free(&self) -> Option<RefMut<'d, Packet>> {
        self.has_free_slot()
            .then(|| self.packet(self.ends.len.get()))?
    }

    /// Whether a slot is free. If not, `waker` is woken when one is.
    pub(crate) fn poll_free(&self, waker: &Waker) -> bool {
        if !self.has_free_slot() {
            self.ends.producer.register(waker);
        }
        self.has_free_slot()
    }

    /// Puts the frame in [`Channel::free`] into the queue, and wakes the consumer.
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

    /// The oldest frame. [`Channel::pop`] removes it.
    pub(crate) fn oldest(&self) -> Option<RefMut<'d, Packet>> {
        self.has_frame().then(|| self.packet(0))?
    }

    /// Whether there is a frame. If not, `waker` is woken when there is one.
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

    fn has_free_slot(&self) -> bool {
        self.ends.len.get() < self.packets.len()
    }

    fn packet(&self, behind_oldest: usize) -> Option<RefMut<'d, Packet>> {
        let at = self.ends.oldest.get().saturating_add(behind_oldest);
        // Both terms are at most the length, so the index wraps once at most.
        self.packets
            .get(at.checked_sub(self.packets.len()).unwrap_or(at))?
            .try_borrow_mut()
            .ok()
    }
}
