//! How long sessions live without traffic.

use core::time::Duration;

use super::{ConfigError, check};

/// How long a session lives without traffic. Each value is at least [`Timeouts::MIN`] and at most
/// [`Timeouts::MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Timeouts {
    /// UDP sessions. RFC 4787 REQ-5: at least 2 min, 5 min recommended.
    pub udp: Duration,
    /// UDP sessions with remote port 53, most of which end with one reply; `None` for the same as
    /// [`udp`](Self::udp). RFC 4787 REQ-5a permits a shorter timeout for this port.
    ///
    /// Each repeated query restarts the timer, so it only needs to be longer than a resolver waits
    /// for one reply. The resolvers of common systems repeat a query after 1 to 15 s, and give up
    /// after 30 s at most.
    pub dns: Option<Duration>,
    /// TCP sessions from the first SYN to the SYN of the other side. RFC 7857 section 2.1: 4 min,
    /// may be less.
    pub tcp_partially_open: Duration,
    /// Established TCP sessions, also after one FIN. RFC 5382 REQ-5: at least 2 h 4 min.
    pub tcp_established: Duration,
    /// TCP sessions after FINs from both sides. RFC 5382 REQ-5: at least 4 min.
    pub tcp_closing: Duration,
    /// TCP sessions after a valid RST. The session is kept in case traffic resumes. RFC 7857
    /// section 2.2: 4 min.
    pub tcp_reset: Duration,
    /// ICMP query sessions. RFC 5508 REQ-2: at least 1 min.
    pub icmp: Duration,
}

impl Timeouts {
    /// The shortest timeout that can be set: 1 s.
    pub const MIN: Duration = Duration::from_secs(1);

    /// The longest timeout that can be set: 12 days.
    pub const MAX: Duration = Duration::from_secs(12 * 24 * 3600);

    /// What the RFCs require or recommend. For DNS, where they give no value, 30 s.
    pub const RFC: Self = Self {
        udp: Duration::from_secs(300),
        dns: Some(Duration::from_secs(30)),
        tcp_partially_open: Duration::from_secs(240),
        tcp_established: Duration::from_secs(7440),
        tcp_closing: Duration::from_secs(240),
        tcp_reset: Duration::from_secs(240),
        icmp: Duration::from_secs(60),
    };

    /// What cloud NAT gateways do: an idle timeout of 350 s for every session. For TCP this is
    /// below RFC 5382 REQ-5.
    pub const GATEWAY: Self = Self {
        udp: Duration::from_secs(350),
        dns: None,
        tcp_partially_open: Duration::from_secs(350),
        tcp_established: Duration::from_secs(350),
        tcp_closing: Duration::from_secs(240),
        tcp_reset: Duration::from_secs(240),
        icmp: Duration::from_secs(350),
    };

    /// Rejects timeouts that cannot work.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Self {
            udp,
            dns,
            tcp_partially_open,
            tcp_established,
            tcp_closing,
            tcp_reset,
            icmp,
        } = *self;
        for time in [
            udp,
            dns.unwrap_or(udp),
            tcp_partially_open,
            tcp_established,
            tcp_closing,
            tcp_reset,
            icmp,
        ] {
            check(
                "timeouts",
                Self::MIN <= time && time <= Self::MAX,
                "a timeout is not 1 s to 12 days",
            )?;
        }
        Ok(())
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::RFC
    }
}
