//! When clients are told of a new external address, or that all mappings are gone.

use nat_core::Instant;

/// How often an announcement is sent (RFC 6886 section 3.2.1, RFC 6887 section 14.1.1).
const TIMES: u8 = 10;

/// The time between the first two, which doubles each time.
const FIRST_WAIT_MILLIS: u64 = 250;

/// The schedule of an announcement.
pub(super) struct Announcements {
    /// When the next one is due; `None` when all have been sent.
    due: Option<Instant>,
    sent: u8,
}

impl Announcements {
    pub(super) const NONE: Self = Self { due: None, sent: 0 };

    /// Begins anew at `now`.
    pub(super) const fn start(now: Instant) -> Self {
        Self {
            due: Some(now),
            sent: 0,
        }
    }

    /// When the next one is due.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.due
    }

    /// Whether one is due at `now`, which then counts as sent.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let wait = FIRST_WAIT_MILLIS << self.sent;
        self.sent = self.sent.saturating_add(1);
        let next = Instant::from_millis(now.as_millis().saturating_add(wait));
        self.due = (self.sent < TIMES).then_some(next);
        true
    }
}
