//! Time as an argument: the engine never reads a clock.

use core::time::Duration;

/// A moment, in whole milliseconds since an epoch of the caller's choice.
///
/// Only differences matter: the clock may start anywhere, and may jump forward by years. A moment
/// before the latest one that the engine has seen is read as that latest moment, so a clock that
/// steps back stops time instead of undoing it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The moment `secs` seconds after the epoch; the latest moment there is when that does not
    /// fit.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, rounded down to a millisecond; the latest moment there is when
    /// that does not fit.
    pub const fn saturating_add(self, duration: Duration) -> Self {
        let millis = duration.as_millis();
        if millis > u64::MAX as u128 {
            Self(u64::MAX)
        } else {
            Self(self.0.saturating_add(millis as u64))
        }
    }

    /// How long after `earlier` this is; nothing when it is not after it.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
