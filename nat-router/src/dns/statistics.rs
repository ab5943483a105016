//! The counters of the forwarder, and their log line.

use crate::log::{info, warning};
use crate::log_limiter::LogLimiter;

/// How often the counters are logged, in milliseconds, if there were queries.
const INTERVAL: u64 = 60_000;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What has happened since the start. The counters wrap.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub struct DnsStats {
            $($(#[$doc])* pub $name: u32,)*
        }

        impl DnsStats {
            pub(super) const NONE: Self = Self { $($name: 0,)* };
        }
    };
}

counters! {
    /// Queries of clients that could be read.
    queries,
    /// Queries answered from the names that the router knows itself.
    local,
    /// Queries answered from the cache.
    cached,
    /// Queries that joined another one with the same question that was waiting.
    joined,
    /// Messages sent to servers, repetitions included.
    sent,
    /// Answers of servers that reached a client.
    answered,
    /// Servers that did not answer in time.
    timed_out,
    /// Answers SERVFAIL or REFUSED of servers, after which the next one was asked.
    failed,
    /// Answers SERVFAIL that the forwarder made itself.
    servfail,
    /// Answers shortened because they were longer than the client accepts.
    truncated,
    /// Answers emptied by the protection against rebinding.
    rebinding,
    /// Queries dropped because too many wait.
    dropped_full,
    /// Messages of clients that were refused as malformed or unsupported.
    refused,
    /// Messages dropped because they were no queries, or from an address of another network.
    dropped_stray,
    /// Messages to the outside sockets that answered no query: late ones, and forged ones.
    dropped_unexpected,
}

/// Logs the counters.
pub(super) struct StatisticsLog {
    limiter: LogLimiter,
    silence: LogLimiter,
    logged: DnsStats,
}

impl StatisticsLog {
    pub(super) const fn new() -> Self {
        Self {
            limiter: LogLimiter::with_window(1, INTERVAL),
            silence: LogLimiter::with_window(1, INTERVAL),
            logged: DnsStats::NONE,
        }
    }

    /// Logs the counters at `now`, in milliseconds since the start, if queries have come since the
    /// last line.
    pub(super) fn log_if_due(&mut self, stats: &DnsStats, now: u64) {
        if *stats == self.logged || self.limiter.allow(now).is_none() {
            return;
        }
        self.logged = *stats;
        let refused = stats.refused.wrapping_add(stats.dropped_stray);
        info!(
            "DNS: {} queries, {} local, {} cached, {} sent, {} answered, {} timed out, {} failed, {} SERVFAIL; dropped: {} \
             for lack of room, {} malformed, {} unexpected answers",
            stats.queries,
            stats.local,
            stats.cached,
            stats.sent,
            stats.answered,
            stats.timed_out,
            stats.failed,
            stats.servfail,
            stats.dropped_full,
            refused,
            stats.dropped_unexpected
        );
    }

    /// Logs that no server has answered a query.
    pub(super) fn log_silence(&mut self, now: u64) {
        if let Some(suppressed) = self.silence.allow(now) {
            warning!("DNS: no server answers ({} more suppressed)", suppressed);
        }
    }
}
