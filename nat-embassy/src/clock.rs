//! The router's clock for the application's calls, which come between passes.

use nat_core::Instant;

/// The time between the passes of the router.
#[derive(Default)]
pub(crate) struct Clock {
    /// The time of the latest pass.
    latest: Instant,
    /// [`system`], if the passes get the time of `embassy_time`. A caller of
    /// [`Runner::poll`](crate::Runner::poll) has its own clock, whose time is known only from its
    /// calls. A pointer, so that a program without [`Runner::run`](crate::Runner::run) links no
    /// time driver.
    system: Option<fn() -> Instant>,
}

impl Clock {
    /// Notes the time of a pass.
    pub(crate) const fn note(&mut self, now: Instant) {
        self.latest = now;
    }

    /// From now on the passes get the time of `embassy_time`.
    pub(crate) const fn use_system_time(&mut self) {
        self.system = Some(system);
    }

    /// The time now.
    pub(crate) fn now(&self) -> Instant {
        self.system.map_or(self.latest, |system| system())
    }
}

/// The time of `embassy_time`.
pub(crate) fn system() -> Instant {
    Instant::from_millis(embassy_time::Instant::now().as_millis())
}

/// The earlier of two times; `None` if there is neither.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}
