//! How long freed external ports stay in quarantine.

use core::time::Duration;

use super::{ConfigError, Timeouts, check};

/// How long an external port stays unused after its mapping has ended (RFC 6888 REQ-8), so that
/// late packets for the old mapping do not reach a new one.
///
/// The NAT needs memory to remember such ports, see
/// [`Nat::with_quarantine`](crate::Nat::with_quarantine); without it, ports are free at once. Port
/// forwards may use a port in quarantine. Where ports overlap
/// ([`Mapping::AddressAndPortDependent`](crate::Mapping)), there is no quarantine, because the
/// remote endpoint distinguishes the sessions: an exception that RFC 6888 REQ-8 makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct QuarantineConfig {
    /// For UDP ports and ICMP query identifiers: 0 for no quarantine, at most [`Timeouts::MAX`].
    /// RFC 6888 REQ-8: at least 2 min.
    pub delay: Duration,
    /// For TCP ports: 0 for no quarantine, at most [`Timeouts::MAX`]. RFC 6888 REQ-8 permits 0,
    /// because the NAT tracks TCP sessions to their end.
    pub tcp_delay: Duration,
    /// Whether all ports are in quarantine after a start, when the NAT does not know which ports
    /// were in use before. Then the NAT creates no dynamic mapping until the delay for the protocol
    /// has passed since its first packet. Inside hosts get an ICMP error, see
    /// [`ExhaustionError`](crate::ExhaustionError). Needs no memory. Port forwards work at once.
    pub after_start: bool,
}

impl QuarantineConfig {
    /// What RFC 6888 REQ-8 requires, but without a quarantine after a start, which would leave
    /// hosts without a network for two minutes.
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
