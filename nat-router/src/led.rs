//! The status LED.

use embedded_hal::digital::{ErrorType, OutputPin};

/// What the LED shows. It is lit while its pin is high.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Pattern {
    /// Fast blinking, five times a second: no link outside.
    NoLink,
    /// Slow blinking, once a second: a link outside, but no lease.
    NoLease,
    /// Steady, but off for 100 ms every two seconds: routing. If the light is steady without these
    /// breaks, the router is stuck.
    Routing,
}

impl Pattern {
    /// The pattern for the state of the outside.
    pub const fn of(link: bool, configured: bool) -> Self {
        match (link, configured) {
            (false, _) => Self::NoLink,
            (true, false) => Self::NoLease,
            (true, true) => Self::Routing,
        }
    }

    /// Whether the LED is lit at `millis`, in milliseconds after the start.
    pub const fn is_lit(self, millis: u64) -> bool {
        match self {
            Self::NoLink => millis % 200 < 100,
            Self::NoLease => millis % 1000 < 500,
            Self::Routing => millis % 2000 >= 100,
        }
    }

    /// The milliseconds from `millis` until the LED next changes.
    pub(crate) const fn next_change(self, millis: u64) -> u64 {
        match self {
            Self::NoLink => 100 - millis % 100,
            Self::NoLease => 500 - millis % 500,
            Self::Routing if millis % 2000 < 100 => 100 - millis % 2000,
            Self::Routing => 2000 - millis % 2000,
        }
    }
}

/// A pin for a board without an LED.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLed;

impl ErrorType for NoLed {
    type Error = core::convert::Infallible;
}

impl OutputPin for NoLed {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    /// The LED does not change before the returned time, and changes then.
    #[test]
    fn the_next_change_is_exact() {
        for pattern in [Pattern::NoLink, Pattern::NoLease, Pattern::Routing] {
            for now in 0..4000 {
                let next = now + pattern.next_change(now);
                assert!(
                    (now..next).all(|at| pattern.is_lit(at) == pattern.is_lit(now)),
                    "{pattern:?} at {now}"
                );
                assert_ne!(
                    pattern.is_lit(next),
                    pattern.is_lit(now),
                    "{pattern:?} at {now}"
                );
            }
        }
    }
}
