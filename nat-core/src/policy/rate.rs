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
