//! A link whose state is expensive to read.

use core::future::Future;
use core::pin::pin;
use core::task::Context;

use embassy_time::{Duration, Instant, Timer};

/// Reads the state of a link only every [`PacedLink::INTERVAL`], and returns the last state in
/// between.
///
/// It is for Ethernet drivers that read the status of their PHY whenever they are asked for the
/// link state. The router asks in every pass, and a read over MDIO takes about 30 us, for which the
/// processor waits. A driver's PHY keeps a `PacedLink`, and calls [`PacedLink::poll`] instead of
/// reading the status itself.
///
/// ```
/// use core::task::Context;
///
/// use nat_router::PacedLink;
///
/// struct PacedPhy<P> {
///     phy: P,
///     link: PacedLink,
/// }
///
/// # struct Lan8742;
/// # impl Lan8742 { fn poll_link(&mut self, _: &mut Context<'_>) -> bool { true } }
/// // In an implementation of the driver's own trait of PHYs:
/// # impl PacedPhy<Lan8742> {
/// fn poll_link(&mut self, cx: &mut Context<'_>) -> bool {
///     let Self { phy, link } = self;
///     link.poll(cx, |cx| phy.poll_link(cx))
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct PacedLink {
    /// When the state is read next.
    next: Instant,
    up: bool,
}

impl PacedLink {
    /// The time between two readings. A change is seen no later than that.
    pub const INTERVAL: Duration = Duration::from_millis(250);

    /// A link whose state is read at the first [`PacedLink::poll`].
    pub const fn new() -> Self {
        Self {
            next: Instant::MIN,
            up: false,
        }
    }

    /// Whether the link is up. Calls `read` if the interval is over. The task of `cx` is woken when
    /// the state must be read again.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&mut Context<'_>) -> bool,
    ) -> bool {
        self.poll_by(&SystemClock, cx, read)
    }

    fn poll_by(
        &mut self,
        clock: &impl Clock,
        cx: &mut Context<'_>,
        read: impl FnOnce(&mut Context<'_>) -> bool,
    ) -> bool {
        let now = clock.now();
        if now >= self.next {
            self.up = read(cx);
            self.next = now.saturating_add(Self::INTERVAL);
        }
        // At each poll, because a task has one place in the timer queue, and loses it when it is
        // woken.
        clock.wake_at(self.next, cx);
        self.up
    }
}

impl Default for PacedLink {
    fn default() -> Self {
        Self::new()
    }
}

trait Clock {
    fn now(&self) -> Instant;
    fn wake_at(&self, at: Instant, cx: &mut Context<'_>);
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// The result of the poll is ignored: a new timer is never ready at its first poll, even if its
    /// time is over. But it wakes the task, at once if its time is over.
    fn wake_at(&self, at: Instant, cx: &mut Context<'_>) {
        let _ = pin!(Timer::at(at)).poll(cx);
    }
}

#[cfg(test)]
mod tests {
    use core::cell::{Cell, RefCell};
    use core::sync::atomic::{AtomicBool, Ordering};
    use core::task::Waker;
    use std::sync::Arc;
    use std::task::Wake;
    use std::thread;
    use std::vec::Vec;

    use super::*;

    /// A clock that only the test advances. As with embassy's timers, an alarm stays until its
    /// time.
    #[derive(Default)]
    struct MockClock {
        millis: Cell<u64>,
        alarm: RefCell<Option<Instant>>,
    }

    impl Clock for MockClock {
        fn now(&self) -> Instant {
            Instant::from_millis(self.millis.get())
        }

        fn wake_at(&self, at: Instant, _: &mut Context<'_>) {
            let mut alarm = self.alarm.borrow_mut();
            *alarm = Some(alarm.map_or(at, |earlier| earlier.min(at)));
        }
    }

    /// The link of a driver that only its alarm wakes.
    struct Board {
        clock: MockClock,
        link: PacedLink,
        plugged: bool,
        reads: Vec<u64>,
    }

    impl Board {
        fn new() -> Self {
            Self {
                clock: MockClock::default(),
                link: PacedLink::new(),
                plugged: false,
                reads: Vec::new(),
            }
        }

        fn pass(&mut self) -> bool {
            let Self {
                clock,
                link,
                plugged,
                reads,
            } = self;
            link.poll_by(clock, &mut Context::from_waker(Waker::noop()), |_| {
                reads.push(clock.millis.get());
                *plugged
            })
        }

        /// Sleeps until the alarm, then makes a pass.
        fn sleep(&mut self) -> bool {
            let at = self
                .clock
                .alarm
                .take()
                .expect("the link is to be read again");
            assert!(at > self.clock.now(), "no rest before the next reading");
            self.clock.millis.set(at.as_millis());
            self.pass()
        }
    }

    #[test]
    fn a_link_that_comes_up_late_is_seen_without_any_other_wake_up() {
        let mut board = Board::new();
        assert!(!board.pass());
        assert!(!board.sleep());
        board.plugged = true;
        assert!(board.sleep(), "up");
        board.plugged = false;
        assert!(!board.sleep(), "and down again");
        assert_eq!(board.reads, [0, 250, 500, 750]);
    }

    #[test]
    fn many_passes_read_it_no_more_often_and_never_lose_the_next_wake_up() {
        let mut board = Board::new();
        for millis in 0..1000 {
            board.clock.millis.set(millis);
            // A task that is woken loses its place in the timer queue.
            board.clock.alarm.take();
            board.pass();
            let alarm = board.clock.alarm.borrow().expect("an alarm");
            assert_eq!(alarm.as_millis(), millis / 250 * 250 + 250);
        }
        assert_eq!(board.reads, [0, 250, 500, 750]);
    }

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_clock_of_the_platform_has_it_read_again() {
        let (mut link, flag) = (PacedLink::new(), Arc::new(Flag(AtomicBool::new(false))));
        let waker = Waker::from(flag.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(!link.poll(&mut cx, |_| false));
        assert!(!link.poll(&mut cx, |_| panic!("too soon")));
        while !flag.0.swap(false, Ordering::Relaxed) {
            thread::sleep(core::time::Duration::from_millis(10));
        }
        assert!(
            link.poll(&mut cx, |_| true),
            "read again when the task has been woken"
        );
    }
}
