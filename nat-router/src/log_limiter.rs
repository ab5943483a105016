//! A limit on log lines of one kind.

/// The default window in which lines are counted, in milliseconds.
const WINDOW: u64 = 1000;

/// Allows a number of lines in each window of time, and counts the suppressed ones.
pub(crate) struct LogLimiter {
    lines: u8,
    /// In milliseconds.
    window: u64,
    /// When the window began; `None` before the first line.
    since: Option<u64>,
    /// Lines allowed in this window.
    allowed: u8,
    /// Lines suppressed since the last allowed one.
    suppressed: u32,
}

impl LogLimiter {
    /// Allows `lines` lines a second.
    pub(crate) const fn new(lines: u8) -> Self {
        Self::with_window(lines, WINDOW)
    }

    /// Allows `lines` lines in each `window` milliseconds.
    pub(crate) const fn with_window(lines: u8, window: u64) -> Self {
        Self {
            lines,
            window,
            since: None,
            allowed: 0,
            suppressed: 0,
        }
    }

    /// Whether a line may be logged at `now`, in milliseconds. If so, returns how many were
    /// suppressed since the last one.
    pub(crate) fn allow(&mut self, now: u64) -> Option<u32> {
        let is_over = |since: u64| now.saturating_sub(since) >= self.window;
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.allowed = 0;
        }
        if self.allowed >= self.lines {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.allowed += 1;
        Some(core::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_a_second_are_allowed_and_the_others_counted() {
        let mut limiter = LogLimiter::new(2);
        let suppressed = [5, 6, 7, 1004, 1005, 1006, 1007, 4000].map(|now| limiter.allow(now));
        assert_eq!(
            suppressed,
            [
                Some(0),
                Some(0),
                None,
                None,
                Some(2),
                Some(0),
                None,
                Some(1)
            ]
        );
    }
}
