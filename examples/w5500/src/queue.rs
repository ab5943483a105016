//! Frames on their way between the device and the runner.
//!
//! # Packets of two lengths
//!
//! Most frames are short, and a batch of them needs many packets. Of long ones, a few keep the bus
//! busy. So each place in the queue has memory for a short frame, and all places share a few packets
//! for long ones. Both are used in turn. The queue has room only if a place and a long packet are
//! free, since the producer may not know yet how long its next frame is.
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
//! **The producer** sleeps only after [`Channel::poll_room`] has found no room and stored its waker.
//! The consumer has been woken by then: by the push that took three quarters of the queue, or by
//! that of a long frame; and it has not emptied the queue since. It wakes the producer with each
//! long frame that it takes, and when a quarter is left at the latest. Before that it has frames to
//! take, so it waits for nothing but room in the queue of the other driver. The runner of that
//! driver empties that queue whether or not there is room for the frames it receives. So this wait
//! ends, and two tasks never wait for each other.
//!
//! **Every wait** begins with a check of its condition in the same poll that stores the waker, and a
//! woken task checks all its conditions again. So wake-ups may be late, merged, or spurious.

use core::cell::{Cell, RefCell, RefMut};
use core::task::Waker;

use embassy_sync::waitqueue::WakerRegistration;

use crate::LONGEST;
use crate::registers::Header;

/// The longest short frame, in bytes. It has memory of that size, and its wake-up can be held
/// back: the bus takes 35 us for it at 31.25 MHz, and an RP2040 about 60 us to forward it, so the
/// processor is the bottleneck.
pub(crate) const SHORT: usize = 128;

/// Memory for a frame, for the header of the access that moves it, and for the length word that
/// follows it in the chip, so that one transfer moves all three.
///
/// The frame is aligned to a word, so that it is copied to another packet by words.
#[repr(C)]
pub(crate) struct Packet<Bytes: ?Sized = [u8]> {
    len: usize,
    bytes: Bytes,
}

pub(crate) type ShortPacket = Packet<[u8; FRAME_AT + SHORT + AFTER]>;
pub(crate) type LongPacket = Packet<[u8; FRAME_AT + LONGEST + AFTER]>;

const FRAME_AT: usize = 4;
const HEADER_AT: usize = FRAME_AT - size_of::<Header>();
const AFTER: usize = 2;

impl<const N: usize> Packet<[u8; N]> {
    pub(crate) const fn new() -> Self {
        Self {
            len: 0,
            bytes: [0; N],
        }
    }
}

impl Packet {
    /// The frame.
    pub(crate) fn frame(&mut self) -> &mut [u8] {
        self.part(FRAME_AT, 0)
    }

    /// Sets the length of the frame, at most to that of its memory. Returns the frame.
    pub(crate) fn resize(&mut self, len: usize) -> &mut [u8] {
        let longest = self.bytes.len().saturating_sub(FRAME_AT + AFTER);
        self.len = len.min(longest);
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

/// The memory of a queue of `N` frames, of which `LONGS` can be longer than [`SHORT`].
pub(crate) struct Queue<const N: usize, const LONGS: usize> {
    /// The memory of each place in the queue for a short frame.
    shorts: [RefCell<ShortPacket>; N],
    longs: [RefCell<LongPacket>; LONGS],
    ends: Ends,
}

struct Ends {
    /// The place of the oldest frame.
    oldest: Cell<usize>,
    /// The place of the next frame.
    next: Cell<usize>,
    len: Cell<usize>,
    /// The long packet of the oldest long frame, and that of the next one.
    oldest_long: Cell<usize>,
    next_long: Cell<usize>,
    longs: Cell<usize>,
    /// From the lowest bit on, the oldest frame first: whether each frame is a long one.
    order: Cell<u32>,
    /// Whether frames were pushed since the consumer was woken last.
    held: Cell<bool>,
    /// Waits for a frame.
    consumer: Waiting,
    /// Waits for room.
    producer: Waiting,
}

impl<const N: usize, const LONGS: usize> Queue<N, LONGS> {
    pub(crate) const fn new() -> Self {
        const {
            assert!(N <= u32::BITS as usize, "a queue holds at most 32 frames");
        }
        let ends = Ends {
            oldest: Cell::new(0),
            next: Cell::new(0),
            len: Cell::new(0),
            oldest_long: Cell::new(0),
            next_long: Cell::new(0),
            longs: Cell::new(0),
            order: Cell::new(0),
            held: Cell::new(false),
            consumer: Waiting::new(),
            producer: Waiting::new(),
        };
        Self {
            shorts: [const { RefCell::new(Packet::new()) }; N],
            longs: [const { RefCell::new(Packet::new()) }; LONGS],
            ends,
        }
    }

    pub(crate) const fn channel(&self) -> Channel<'_> {
        Channel {
            shorts: &self.shorts,
            longs: &self.longs,
            ends: &self.ends,
        }
    }
}

/// A queue, for one producer and one consumer.
#[derive(Clone, Copy)]
pub(crate) struct Channel<'d> {
    shorts: &'d [RefCell<ShortPacket>],
    longs: &'d [RefCell<LongPacket>],
    ends: &'d Ends,
}

impl<'d> Channel<'d> {
    /// Whether the queue has room for the next frame, however long it is.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.ends.len.get() < self.shorts.len() && self.ends.longs.get() < self.longs.len()
    }

    /// Whether the queue has room. If not, `waker` is woken when it has.
    pub(crate) fn poll_room(&self, waker: &Waker) -> bool {
        let has_room = self.has_room();
        if !has_room {
            self.ends.producer.register(waker);
        }
        has_room
    }

    /// The packet for the next frame, of `bytes` bytes, while the queue has room.
    /// [`Channel::push`] adds it to the queue.
    #[inline]
    pub(crate) fn free(&self, bytes: usize) -> Option<RefMut<'d, Packet>> {
        let Ends {
            next, next_long, ..
        } = self.ends;
        if bytes > SHORT {
            self.long(next_long.get())
        } else {
            self.short(next.get())
        }
    }

    /// Puts the frame in [`Channel::free`], of `bytes` bytes, into the queue, and wakes the
    /// consumer.
    pub(crate) fn push(&self, bytes: usize) {
        self.add(bytes);
        self.announce();
    }

    /// Puts a frame of `bytes` bytes into the queue like [`Channel::push`]. If it is short, the
    /// consumer is woken only when three quarters of the queue are taken.
    ///
    /// The caller must call [`Channel::announce`] before it waits for anything else than the
    /// transfer of a short frame.
    pub(crate) fn push_held(&self, bytes: usize) {
        self.add(bytes);
        if bytes > SHORT || self.ends.len.get() >= self.three_quarters() {
            self.announce();
        }
    }

    #[inline]
    fn add(&self, bytes: usize) {
        let Ends {
            next,
            len,
            next_long,
            longs,
            order,
            held,
            ..
        } = self.ends;
        if bytes > SHORT {
            order.set(order.get() | 1 << (len.get() % 32));
            next_long.set(after(next_long.get(), self.longs.len()));
            longs.set(longs.get().saturating_add(1));
        }
        next.set(after(next.get(), self.shorts.len()));
        len.set(len.get().saturating_add(1));
        held.set(true);
    }

    /// Wakes the consumer for the frames that were held back, if there are any.
    pub(crate) fn announce(&self) {
        if self.ends.held.take() {
            self.ends.consumer.wake();
        }
    }

    /// The oldest frame. [`Channel::pop`] removes it.
    #[inline]
    pub(crate) fn oldest(&self) -> Option<RefMut<'d, Packet>> {
        if !self.has_frame() {
            return None;
        }
        let Ends {
            oldest,
            oldest_long,
            ..
        } = self.ends;
        if self.is_oldest_long() {
            self.long(oldest_long.get())
        } else {
            self.short(oldest.get())
        }
    }

    /// Whether there is a frame. If not, `waker` is woken when there is one.
    pub(crate) fn poll_frame(&self, waker: &Waker) -> bool {
        let has_frame = self.has_frame();
        if !has_frame {
            self.ends.consumer.register(waker);
        }
        has_frame
    }

    /// Removes the oldest frame. If it is short, the producer is woken only when a quarter of the
    /// queue is left.
    #[inline]
    pub(crate) fn pop(&self) {
        let Ends {
            oldest,
            len,
            oldest_long,
            longs,
            order,
            producer,
            ..
        } = self.ends;
        let is_long = self.is_oldest_long();
        order.set(order.get() >> 1);
        if is_long {
            oldest_long.set(after(oldest_long.get(), self.longs.len()));
            longs.set(longs.get().saturating_sub(1));
        }
        oldest.set(after(oldest.get(), self.shorts.len()));
        len.set(len.get().saturating_sub(1));
        if is_long || len.get() <= self.quarter() {
            producer.wake();
        }
    }

    /// Three quarters of the queue, and one frame at least.
    fn three_quarters(&self) -> usize {
        (self.shorts.len() * 3 / 4).max(1)
    }

    /// A quarter of the queue, and one frame at least.
    fn quarter(&self) -> usize {
        (self.shorts.len() / 4).max(1)
    }

    fn has_frame(&self) -> bool {
        self.ends.len.get() > 0
    }

    fn is_oldest_long(&self) -> bool {
        self.ends.order.get() & 1 != 0
    }

    fn short(&self, at: usize) -> Option<RefMut<'d, Packet>> {
        let packet: &RefCell<Packet> = self.shorts.get(at)?;
        packet.try_borrow_mut().ok()
    }

    fn long(&self, at: usize) -> Option<RefMut<'d, Packet>> {
        let packet: &RefCell<Packet> = self.longs.get(at)?;
        packet.try_borrow_mut().ok()
    }
}

/// The position after `at` in a ring of `len`.
fn after(at: usize, len: usize) -> usize {
    let next = at.saturating_add(1);
    if next < len { next } else { 0 }
}
