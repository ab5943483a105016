//! Where the runner has the time from.

use core::future::Future;

use embassy_time::{Instant, Timer};

/// The time. [`EmbassyTime`] is that of the executor; another one is for callers that move the time
/// themselves.
pub trait Clock {
    /// The time now. It never goes backwards.
    fn now(&self) -> Instant;

    /// Ends at `at`, or at once if that is past.
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
