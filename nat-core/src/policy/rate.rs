//! How many answers may be sent (RFC 1812 section 4.3.2.8).

use crate::Instant;

/// A token bucket: a burst at once, then so many a second.
pub(crate) struct RateLimit {
    burst: u32,
    per_second: u32,
    /// Answers that may be sent now, in thousandths.
    level: u32,
    updated: Instant,
}

const ONE: u32 = 1000;

impl RateLimit {
    pub(crate) fn new(burst: u16, per_second: u16) -> Self {
        let burst = u32::from(burst).saturating_mul(ONE);
        Self { burst, per_second: u32::from(per_second), level: burst, updated: Instant::from_millis(0) }
    }

    /// Whether one answer may be sent at `now`; if so it is taken as sent.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.as_millis().saturating_sub(self.updated.as_millis());
        // Tokens a second are thousandths of a token a millisecond.
        let gained = u32::try_from(elapsed).unwrap_or(u32::MAX).saturating_mul(self.per_second);
        self.level = self.level.saturating_add(gained).min(self.burst);
        self.updated = now;
        let allowed = self.level >= ONE;
        if allowed {
            self.level = self.level.saturating_sub(ONE);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_so_many_a_second() {
        let mut limit = RateLimit::new(3, 2);
        let at = |millis: u64| Instant::from_millis(1_000_000 + millis);
        let taken = |limit: &mut RateLimit, millis: u64| (0..10).filter(|_| limit.take(at(millis))).count();
        assert_eq!(taken(&mut limit, 0), 3);
        assert_eq!(taken(&mut limit, 499), 0);
        assert_eq!(taken(&mut limit, 500), 1);
        assert_eq!(taken(&mut limit, 1000), 1);
        assert_eq!(taken(&mut limit, 60_000), 3, "never more than the burst");
    }

    #[test]
    fn none_and_a_jump_of_the_clock_are_survived() {
        assert!(!RateLimit::new(0, 0).take(Instant::from_secs(1)));
        let mut limit = RateLimit::new(u16::MAX, u16::MAX);
        assert!(limit.take(Instant::from_millis(u64::MAX)));
    }
}
