//! Time is an argument: the NAT never reads a clock.

use core::time::Duration;

/// A point in time, in whole milliseconds since an epoch of the caller's choice.
///
/// Only differences matter: the clock may start anywhere, and may jump forward by years. An instant
/// before the latest one that the NAT has been passed is treated as that latest one. So a clock
/// that is set back stops time for the NAT until it catches up.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The instant `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The instant `secs` seconds after the epoch, or the latest possible instant if that is out of
    /// range.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The instant `duration` later, rounded down to a millisecond, or the latest possible instant
    /// if that is out of range.
    pub const fn saturating_add(self, duration: Duration) -> Self {
        let millis = duration.as_millis();
        if millis > u64::MAX as u128 {
            Self(u64::MAX)
        } else {
            Self(self.0.saturating_add(millis as u64))
        }
    }

    /// The time from `earlier` to this instant; zero if this instant is not later.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
