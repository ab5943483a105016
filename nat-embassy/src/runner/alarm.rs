//! The time of the runner in milliseconds, and the timer that wakes it.
//!
//! `embassy-time` counts ticks in 64 bits. A 64-bit division or multiplication in each pass is
//! expensive on a small core, so the last results are kept.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_time::{Duration, Instant, TICK_HZ, Timer};

/// Ticks in a millisecond, if that is a whole number.
const TICKS_PER_MILLI: Option<u32> =
    if TICK_HZ.is_multiple_of(1000) && TICK_HZ / 1000 <= u32::MAX as u64 {
        Some((TICK_HZ / 1000) as u32)
    } else {
        None
    };

/// Converts the time of `embassy-time` to milliseconds.
pub(super) struct MillisClock {
    /// The latest result.
    millis: u64,
    /// The tick at which that millisecond began.
    began: u64,
}

impl MillisClock {
    pub(super) const fn new() -> Self {
        Self {
            millis: 0,
            began: 0,
        }
    }

    /// [`Instant::as_millis`] of `now`, which must not be before the `now` of the last call.
    pub(super) fn millis(&mut self, now: Instant) -> u64 {
        let elapsed = u32::try_from(now.as_ticks().saturating_sub(self.began));
        let (Some(ticks), Ok(elapsed)) = (TICKS_PER_MILLI, elapsed) else {
            return self.convert(now);
        };
        if elapsed >= ticks {
            let millis = elapsed / ticks;
            self.millis = self.millis.saturating_add(millis.into());
            self.began = self.began.saturating_add((millis * ticks).into());
        }
        self.millis
    }

    fn convert(&mut self, now: Instant) -> u64 {
        self.millis = now.as_millis();
        let ticks = TICKS_PER_MILLI.unwrap_or(0);
        self.began = self.millis.saturating_mul(ticks.into());
        self.millis
    }
}

/// A timer that wakes the task. It may wake it early.
pub(super) struct Alarm {
    millis: u64,
    at: Instant,
}

impl Alarm {
    pub(super) const fn new() -> Self {
        Self {
            millis: 0,
            at: Instant::MIN,
        }
    }

    /// Wakes the task of `cx` at `due` or before; both times are in milliseconds. Call it in each
    /// poll of the task.
    ///
    /// A timer that is set stays if it is still to come and early enough. It is polled again all
    /// the same: a timer of another future of this task may have taken the task's place in the
    /// timer queue, and ended. These polls ask for one tick more than the first one, because the
    /// queue is searched only for a time that is no later than the one it has.
    pub(super) fn wake_by(&mut self, due: u64, now: u64, cx: &mut Context<'_>) {
        const TICK: Duration = Duration::from_ticks(1);
        let mut at = self.at;
        if due < self.millis || self.millis <= now {
            // Where a millisecond is not a whole number of ticks, the conversion rounds down, to a
            // tick at which `due` is not reached yet.
            at = Instant::try_from_millis(due)
                .unwrap_or(Instant::MAX)
                .saturating_add(TICK);
            (self.millis, self.at) = (due, at.saturating_add(TICK));
        }
        if let Poll::Ready(()) = pin!(Timer::at(at)).poll(cx) {
            cx.waker().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::sync::atomic::{AtomicBool, Ordering};
    use core::task::Waker;
    use std::sync::Arc;
    use std::task::Wake;
    use std::thread;

    use super::*;

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_earlier_time_counts_and_the_alarm_is_set_again_after_it_went_off() {
        let (mut alarm, flag) = (Alarm::new(), Arc::new(Flag(AtomicBool::new(false))));
        let waker = Waker::from(flag.clone());
        for round in 0..3 {
            let now = Instant::now().as_millis();
            for due in [10_000, 20, 10_000] {
                alarm.wake_by(now + due, now, &mut Context::from_waker(&waker));
            }
            thread::sleep(core::time::Duration::from_millis(200));
            assert!(flag.0.swap(false, Ordering::Relaxed), "round {round}");
        }
    }

    #[test]
    fn the_clock_agrees_with_the_time_driver_after_steps_of_any_length() {
        let mut clock = MillisClock::new();
        let mut ticks = 0_u64;
        let steps = [
            0,
            1,
            998,
            999,
            1000,
            1001,
            2999,
            1 << 20,
            u32::MAX.into(),
            1 << 32,
            (1 << 32) + 1,
            1 << 50,
        ];
        for round in 0..20 {
            for step in steps {
                ticks += step + round;
                let now = Instant::from_ticks(ticks);
                assert_eq!(clock.millis(now), now.as_millis(), "at tick {ticks}");
            }
        }
    }
}
