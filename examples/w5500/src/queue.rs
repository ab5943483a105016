//! Queues of frames between the device and the runner. Both are on one executor, so cells are
//! enough.

use core::cell::{Cell, RefCell, RefMut};
use core::task::Waker;

use embassy_sync::waitqueue::WakerRegistration;

use crate::LONGEST;

/// The memory for a frame. The frame begins at a word boundary, so that a copy from one to another
/// is a copy of words.
#[repr(C)]
pub(crate) struct Packet {
    len: usize,
    bytes: [u8; LONGEST],
}

impl Packet {
    pub(crate) const fn new() -> Self {
        Self {
            len: 0,
            bytes: [0; LONGEST],
        }
    }

    /// The frame.
    pub(crate) fn frame(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }

    /// Sets the length of the frame, at most to that of its memory. Returns the frame.
    pub(crate) fn resize(&mut self, len: usize) -> &mut [u8] {
        self.len = len.min(LONGEST);
        self.frame()
    }
}

/// The waker of a task that waits, if there is one.
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

    pub(crate) fn push(&self) {
        self.ends.len.set(self.ends.len.get().saturating_add(1));
        self.ends.consumer.wake();
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

    pub(crate) fn pop(&self) {
        let next = self.ends.oldest.get().saturating_add(1);
        self.ends
            .oldest
            .set(if next < self.packets.len() { next } else { 0 });
        self.ends.len.set(self.ends.len.get().saturating_sub(1));
        self.ends.producer.wake();
    }

    fn has_frame(&self) -> bool {
        self.ends.len.get() > 0
    }

    fn has_free_slot(&self) -> bool {
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
