//! The runner's source of time.

use core::future::Future;

use embassy_time::{Instant, Timer};

/// A source of time. [`EmbassyTime`] is the usual one. Another one is for callers that advance the
/// time themselves.
pub trait Clock {
    /// The time now. It never goes backwards.
    fn now(&self) -> Instant;

    /// Completes at `at`, or at once if that time is past.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()>;
}

/// The time driver that `embassy-time` is linked with.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbassyTime;

impl Clock for EmbassyTime {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> {
        Timer::at(at)
    }
}
