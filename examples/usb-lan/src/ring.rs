//! Blocks on their way between the device and the tasks that move them over USB.
//!
//! Both ends run on one executor, so cells are enough. Each wait begins with a check of its
//! condition in the poll that stores the waker, and a woken task checks all its conditions again:
//! so wake-ups may be late, merged, or spurious, but none is lost.

use core::cell::{Cell, RefCell, RefMut};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use embassy_sync::waitqueue::WakerRegistration;

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

/// The memory of a queue of `N` blocks, for one producer and one consumer.
pub(crate) struct Ring<T, const N: usize> {
    slots: [RefCell<T>; N],
    ends: Ends,
}

struct Ends {
    oldest: Cell<usize>,
    len: Cell<usize>,
    /// Whether the consumer works on the oldest block, so that nothing is added to it.
    taken: Cell<bool>,
    consumer: Waiting,
    producer: Waiting,
}

impl<T, const N: usize> Ring<T, N> {
    pub(crate) const fn new(slots: [RefCell<T>; N]) -> Self {
        let ends = Ends {
            oldest: Cell::new(0),
            len: Cell::new(0),
            taken: Cell::new(false),
            consumer: Waiting::new(),
            producer: Waiting::new(),
        };
        Self { slots, ends }
    }

    pub(crate) const fn queue(&self) -> Queue<'_, T> {
        Queue {
            slots: &self.slots,
            ends: &self.ends,
        }
    }
}

/// A queue.
pub(crate) struct Queue<'d, T> {
    slots: &'d [RefCell<T>],
    ends: &'d Ends,
}

impl<T> Clone for Queue<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Queue<'_, T> {}

impl<'d, T> Queue<'d, T> {
    /// The slot for the next block, if one is free. [`Queue::push`] adds it to the queue.
    pub(crate) fn free(&self) -> Option<RefMut<'d, T>> {
        let len = self.ends.len.get();
        if len < self.slots.len() {
            self.slot(len)
        } else {
            None
        }
    }

    /// Waits for a free slot.
    pub(crate) async fn wait_free(&self) -> RefMut<'d, T> {
        poll_fn(|cx| {
            self.ends.producer.register(cx.waker());
            self.free().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// The producer of this queue is woken when [`Queue::pop`] makes room.
    pub(crate) fn register_producer(&self, waker: &Waker) {
        self.ends.producer.register(waker);
    }

    /// Adds the block in [`Queue::free`].
    pub(crate) fn push(&self) {
        let len = self.ends.len.get();
        self.ends.len.set((len + 1).min(self.slots.len()));
        self.ends.consumer.wake();
    }

    /// The newest block, unless the consumer works on it.
    pub(crate) fn newest(&self) -> Option<RefMut<'d, T>> {
        let len = self.ends.len.get();
        let taken = usize::from(self.ends.taken.get());
        if len > taken {
            self.slot(len - 1)
        } else {
            None
        }
    }

    /// The oldest block.
    pub(crate) fn oldest(&self) -> Option<RefMut<'d, T>> {
        if self.ends.len.get() > 0 {
            self.slot(0)
        } else {
            None
        }
    }

    /// Whether there is a block. If not, `waker` is woken when there is one.
    pub(crate) fn poll_oldest(&self, waker: &Waker) -> bool {
        if self.ends.len.get() == 0 {
            self.ends.consumer.register(waker);
        }
        self.ends.len.get() > 0
    }

    /// Waits for a block, and takes it: nothing is added to it from now on.
    pub(crate) async fn take(&self) -> RefMut<'d, T> {
        poll_fn(|cx| {
            self.ends.consumer.register(cx.waker());
            match self.oldest() {
                Some(block) => {
                    self.ends.taken.set(true);
                    Poll::Ready(block)
                }
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Removes the oldest block.
    pub(crate) fn pop(&self) {
        let Ends {
            oldest, len, taken, ..
        } = self.ends;
        taken.set(false);
        if len.get() > 0 {
            oldest.set((oldest.get() + 1) % self.slots.len());
            len.set(len.get() - 1);
        }
        self.ends.producer.wake();
    }

    /// Removes all blocks but one that the consumer works on. Returns how many.
    pub(crate) fn drop_waiting(&self) -> usize {
        let kept = usize::from(self.ends.taken.get());
        let dropped = self.ends.len.get().saturating_sub(kept);
        self.ends.len.set(kept.min(self.ends.len.get()));
        self.ends.producer.wake();
        dropped
    }

    /// Removes all blocks. The consumer has given up the one that it worked on.
    pub(crate) fn clear(&self) {
        self.ends.taken.set(false);
        self.drop_waiting();
    }

    fn slot(&self, offset: usize) -> Option<RefMut<'d, T>> {
        let index = (self.ends.oldest.get() + offset) % self.slots.len().max(1);
        self.slots.get(index)?.try_borrow_mut().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Ring<u32, 3> {
        Ring::new([const { RefCell::new(0) }; 3])
    }

    fn put(queue: &Queue<'_, u32>, value: u32) {
        *queue.free().expect("a free slot") = value;
        queue.push();
    }

    #[test]
    fn blocks_come_out_in_order_and_as_many_fit_as_there_are_slots() {
        let ring = ring();
        let queue = ring.queue();
        for round in 0..5 {
            (0..3).for_each(|n| put(&queue, round * 10 + n));
            assert!(queue.free().is_none());
            for n in 0..3 {
                assert_eq!(queue.oldest().as_deref(), Some(&(round * 10 + n)));
                queue.pop();
            }
            assert!(queue.oldest().is_none());
            put(&queue, 99);
            queue.pop();
        }
    }

    #[test]
    fn nothing_is_added_to_a_block_that_was_taken() {
        let ring = ring();
        let queue = ring.queue();
        put(&queue, 1);
        assert_eq!(queue.newest().as_deref(), Some(&1));
        let taken = embassy_futures::block_on(queue.take());
        assert!(queue.newest().is_none());
        put(&queue, 2);
        assert_eq!(queue.newest().as_deref(), Some(&2));
        drop(taken);
        queue.pop();
        assert_eq!(queue.newest().as_deref(), Some(&2));
    }

    #[test]
    fn dropping_what_waits_keeps_the_block_that_is_sent() {
        let ring = ring();
        let queue = ring.queue();
        (1..=3).for_each(|n| put(&queue, n));
        drop(embassy_futures::block_on(queue.take()));
        assert_eq!(queue.drop_waiting(), 2);
        assert_eq!(queue.oldest().as_deref(), Some(&1));
        put(&queue, 4);
        queue.pop();
        assert_eq!(queue.oldest().as_deref(), Some(&4));
        queue.clear();
        assert!(queue.oldest().is_none());
    }
}
