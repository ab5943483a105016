//! How long freed external ports wait.

use core::time::Duration;

use super::{ConfigError, Timeouts, check};

/// How long an external port whose mapping has ended waits before another mapping gets it (RFC 6888
/// REQ-8), so that what the peers of the old one still send reaches nobody.
///
/// Ports wait where there is memory to remember them, see
/// [`Nat::with_quarantine`](crate::Nat::with_quarantine). Port forwards are not affected: one may
/// have a port that waits. Where ports overlap
/// ([`Mapping::AddressAndPortDependent`](crate::Mapping)) none waits: the remote endpoint tells
/// sessions apart, which is an exception that RFC 6888 REQ-8 makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct QuarantineConfig {
    /// Ports of UDP and identifiers of ICMP queries, at most [`Timeouts::MAX`]; zero for not at
    /// all. RFC 6888 REQ-8: at least 2 min.
    pub delay: Duration,
    /// Ports of TCP, at most [`Timeouts::MAX`]; zero for not at all, which RFC 6888 REQ-8 permits
    /// because TCP sessions are tracked to their end.
    pub tcp_delay: Duration,
    /// Whether it applies after a start too, when nobody knows which ports were in use before:
    /// then no dynamic mapping is made until the delay has passed since the first packet that
    /// the NAT saw, and inside hosts are told that it is prohibited. Needs no memory. Port
    /// forwards work at once.
    pub after_start: bool,
}

impl QuarantineConfig {
    /// What RFC 6888 REQ-8 asks for, but not after a start: most would rather not be without a
    /// network for two minutes.
    pub const DEFAULT: Self = Self {
        delay: Duration::from_secs(120),
        tcp_delay: Duration::ZERO,
        after_start: false,
    };

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let longest = self.delay.max(self.tcp_delay);
        check(
            "quarantine",
            longest <= Timeouts::MAX,
            "a delay is more than 12 days",
        )
    }
}

impl Default for QuarantineConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
