//! When the hot task looks again, in the milliseconds of the router and in the ticks of
//! `embassy-time`.
//!
//! Both are 64-bit, and to divide and multiply them at each pass is dear on a small core: the last
//! results are kept.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_time::{Duration, Instant, TICK_HZ, Timer};

/// The ticks of a millisecond, where they are a whole number.
const TICKS: Option<u32> = if TICK_HZ.is_multiple_of(1000) && TICK_HZ / 1000 <= u32::MAX as u64 {
    Some((TICK_HZ / 1000) as u32)
} else {
    None
};

/// The time in milliseconds.
pub(crate) struct Clock {
    millis: u64,
    /// The tick at which that millisecond began.
    began: u64,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self {
            millis: 0,
            began: 0,
        }
    }

    /// What [`Instant::as_millis`] says of `now`, which is never before the last one.
    pub(crate) fn millis(&mut self, now: Instant) -> u64 {
        let elapsed = u32::try_from(now.as_ticks().saturating_sub(self.began));
        let (Some(ticks), Ok(elapsed)) = (TICKS, elapsed) else {
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
        self.began = self.millis.saturating_mul(TICKS.unwrap_or(0).into());
        self.millis
    }
}

/// A wake-up of the task, which may come too early.
pub(crate) struct Alarm {
    millis: u64,
    at: Instant,
}

impl Alarm {
    pub(crate) const fn new() -> Self {
        Self {
            millis: 0,
            at: Instant::MIN,
        }
    }

    /// Has the task of `cx` woken at `due` or before, both in milliseconds. To be called again at
    /// each turn of the task.
    ///
    /// The timer that was set stays if it is yet to come and early enough. It is asked for anew all
    /// the same, in case that a timer of another future in the task has taken its place and has
    /// ended: a tick later, because the queue of timers is walked for one that is no later than
    /// what it has.
    pub(crate) fn wake_by(&mut self, due: u64, now: u64, cx: &mut Context<'_>) {
        const TICK: Duration = Duration::from_ticks(1);
        let mut at = self.at;
        if due < self.millis || self.millis <= now {
            // Where a millisecond is no whole number of ticks, the time is rounded down to one at
            // which it is not yet reached.
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
    fn the_earlier_time_counts_and_the_alarm_is_set_anew_when_it_has_gone_off() {
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
    fn the_clock_says_what_the_time_driver_does_after_steps_of_any_length() {
        let mut clock = Clock::new();
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
