//! How often a line may be told.

/// The window that lines are counted in if no other is given, in milliseconds.
const WINDOW: u64 = 1000;

/// Lets a number of lines through each second or longer window, and counts the others.
pub(crate) struct Pace {
    lines: u8,
    /// In milliseconds.
    window: u64,
    /// When the window began; `None` before the first line.
    since: Option<u64>,
    told: u8,
    untold: u32,
}

impl Pace {
    /// A pace of `lines` a second.
    pub(crate) const fn new(lines: u8) -> Self {
        Self::with_window(lines, WINDOW)
    }

    /// A pace of `lines` in `window` milliseconds.
    pub(crate) const fn with_window(lines: u8, window: u64) -> Self {
        Self {
            lines,
            window,
            since: None,
            told: 0,
            untold: 0,
        }
    }

    /// Whether a line may be told at `now`, in milliseconds: if so, how many were not since the
    /// last one.
    pub(crate) fn allow(&mut self, now: u64) -> Option<u32> {
        if self
            .since
            .is_none_or(|since| now.saturating_sub(since) >= self.window)
        {
            self.since = Some(now);
            self.told = 0;
        }
        if self.told >= self.lines {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.told += 1;
        Some(core::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_a_second_are_told_and_the_others_counted() {
        let mut pace = Pace::new(2);
        let told = [5, 6, 7, 1004, 1005, 1006, 1007, 4000].map(|now| pace.allow(now));
        assert_eq!(
            told,
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
