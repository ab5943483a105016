//! The router's clock, as the application's calls see it.

use nat_core::Instant;

/// What tells the time between the passes of the router.
#[derive(Default)]
pub(crate) struct Clock {
    /// The time of the latest pass.
    latest: Instant,
    /// Whether the passes are given the time of `embassy_time`. A caller of
    /// [`Runner::poll`](crate::Runner::poll) has a clock of its own, which only its calls
    /// tell.
    follows_system: bool,
}

impl Clock {
    /// Notes the time of a pass.
    pub(crate) const fn note(&mut self, now: Instant) {
        self.latest = now;
    }

    /// From now on the passes are given the time of `embassy_time`.
    pub(crate) const fn follow_system(&mut self) {
        self.follows_system = true;
    }

    /// The time now.
    pub(crate) fn now(&self) -> Instant {
        if self.follows_system {
            system()
        } else {
            self.latest
        }
    }
}

/// The time of `embassy_time`.
pub(crate) fn system() -> Instant {
    Instant::from_millis(embassy_time::Instant::now().as_millis())
}
