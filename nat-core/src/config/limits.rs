//! Limits for each inside host, and for replies to either side.

use super::{ConfigError, check};

/// A token bucket: `burst` events at once, and `per_second` events a second in the long run.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rate {
    /// How many events at once after an idle period, at least 1.
    pub burst: u16,
    /// How many events a second in the long run, 1 to 1000.
    pub per_second: u16,
}

impl Rate {
    /// The highest rate that can be set.
    const MAX_PER_SECOND: u16 = 1000;

    fn check(self) -> Result<(), ConfigError> {
        check("limits", self.burst != 0, "a burst is 0")?;
        check(
            "limits",
            (1..=Self::MAX_PER_SECOND).contains(&self.per_second),
            "a rate is not 1 to 1000 per second",
        )
    }
}

/// Limits for each inside host, and for replies to either side. The router's own stack has no
/// limits.
///
/// # Eviction
///
/// If a new session would exceed a limit of its host, or does not fit into the tables, the NAT may
/// end another session of the same host for it: one that is finished or half open. When less than
/// an eighth of the sessions is free, it also ends sessions that finished a while ago. If that was
/// the last session of its mapping, the mapping ends too. The NAT takes the oldest session of the
/// first of these kinds that the host has and that frees what the new session lacks:
///
/// 1. TCP after a valid RST,
/// 2. TCP closed by both ends,
/// 3. a UDP or ICMP session in which the inside has asked one question, perhaps repeated it, and
///    has got an answer; in sessions with remote port 53, and with ICMP, each question counts by
///    itself,
/// 4. TCP opened from outside through a port forward, and not acknowledged from there yet,
/// 5. TCP opened from inside and not answered yet; not for a new session that is opened from
///    outside.
///
/// "Oldest" is the session that has been of its kind for longest. To satisfy a limit on mappings,
/// the session must be the last of its mapping; to satisfy a limit on half-open sessions, it must
/// be half open. At most 16 sessions of each kind are examined. If none fits, the new session is
/// refused. Nothing else is evicted: no established connection, even if one end has closed it, no
/// other UDP or ICMP session, no session of another host, and for a hairpinned packet neither the
/// receiver's session nor the mapping that it goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Limits {
    /// Sessions of one inside host; `None` for half of the table. RFC 6888 REQ-4.
    pub sessions_per_host: Option<u16>,
    /// Sessions of one mapping, also of a port forward; `None` for no separate limit. RFC 6888
    /// REQ-5.
    pub sessions_per_mapping: Option<u16>,
    /// Mappings of one inside host; `None` for half of the table. RFC 6888 REQ-4.
    pub mappings_per_host: Option<u16>,
    /// TCP mappings of one inside host; `None` for no separate limit. RFC 6888 REQ-4b.
    pub tcp_mappings_per_host: Option<u16>,
    /// UDP mappings of one inside host; `None` for no separate limit. RFC 6888 REQ-4b.
    pub udp_mappings_per_host: Option<u16>,
    /// ICMP query mappings of one inside host; `None` for no separate limit. RFC 6888 REQ-4b.
    pub icmp_mappings_per_host: Option<u16>,
    /// Half-open TCP sessions of one inside host: those in which one end has not answered the
    /// other yet. `None` for a quarter of the session table, or of the mapping table if that
    /// is smaller and external ports overlap. RFC 4987 section 3.
    pub half_open_per_host: Option<u16>,
    /// Half-open TCP sessions of all hosts together; `None` for half of the table. A quarter of
    /// them is reserved for sessions opened from inside. A host that is within its quota may open
    /// one even if the limit is reached.
    pub half_open: Option<u16>,
    /// Mappings, and as many sessions, that are reserved for each possible inside host. Other
    /// hosts cannot take them, however many addresses they use. `None` for a sixteenth of the
    /// tables, divided among all hosts, at least one each; nothing is reserved if that would
    /// take more than half of the tables. RFC 6888 REQ-4.
    ///
    /// The same number of external ports is reserved for each host in each pool, where a pool is
    /// the ports of one protocol and external address for inside ports below 1024, or for the
    /// others. At most half of a pool is reserved. With `None`, a quarter of each pool is divided
    /// among all hosts, at least one port each. No ports are reserved where each host has a port
    /// block, or where ports overlap.
    ///
    /// A host that has used up its quota shares the unreserved remainder with all other
    /// hosts.
    pub reserved_per_host: Option<u16>,
    /// Explicit mappings of one inside host; `None` for a quarter of
    /// [`MAX_EXPLICIT_MAPPINGS`](crate::MAX_EXPLICIT_MAPPINGS). RFC 6887 section 17.2.
    pub explicit_mappings_per_host: Option<u16>,
    /// How fast one inside host may create mappings; `None` for no limit. RFC 6888 REQ-4c.
    ///
    /// The NAT forgets a host when its last mapping ends. A host that comes back has its full
    /// burst again.
    pub mapping_rate: Option<Rate>,
    /// How fast one inside host may create sessions; `None` for no limit. RFC 6888 REQ-5.
    ///
    /// The NAT forgets a host when its last mapping ends. A host that comes back has its full
    /// burst again.
    pub session_rate: Option<Rate>,
    /// How many ICMP errors the router sends to one destination in a burst. A destination is an
    /// inside host, or the remote endpoint of one session. "Fragmentation needed" may exceed the
    /// burst by the same number again, so that other errors cannot suppress it. The limit also
    /// applies to pings from one outside source, see
    /// [`Config::outside_ping`](crate::Config::outside_ping). RFC 1812 section 4.3.2.8.
    ///
    /// Destinations do not share a limit, so the errors that one destination gets reveal nothing
    /// about another. The total is bounded as follows:
    ///
    /// - Toward the inside, each host that has a mapping has its own limit. All other hosts share
    ///   64 limits.
    /// - Toward the outside, each session has its own limit. The total limit in a second is 64
    ///   times this number (or 64 times [`icmp_errors_per_second`](Self::icmp_errors_per_second),
    ///   if that is larger). If more packets than that call for an error, about that many of them,
    ///   selected at random, are answered.
    /// - All outside sources of pings share 32 limits.
    pub icmp_error_burst: u16,
    /// How many ICMP errors the router sends to one destination per second, after the burst.
    pub icmp_errors_per_second: u16,
}

impl Limits {
    /// Half of the tables for one host, without a rate limit; a quarter of the tables for its
    /// half-open sessions; a quota for each host; ICMP errors in bursts of 20, then 20 a
    /// second, for each destination. The limit on RSTs toward the inside cannot be configured: one
    /// in 100 ms for each connection.
    pub const DEFAULT: Self = Self {
        sessions_per_host: None,
        sessions_per_mapping: None,
        mappings_per_host: None,
        tcp_mappings_per_host: None,
        udp_mappings_per_host: None,
        icmp_mappings_per_host: None,
        half_open_per_host: None,
        half_open: None,
        reserved_per_host: None,
        explicit_mappings_per_host: None,
        mapping_rate: None,
        session_rate: None,
        icmp_error_burst: 20,
        icmp_errors_per_second: 20,
    };

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let sessions = [self.sessions_per_host];
        refuse_zero(&sessions, "one host needs at least one session")?;
        let sessions = [self.sessions_per_mapping];
        refuse_zero(&sessions, "one mapping needs at least one session")?;
        let half_open = [self.half_open_per_host, self.half_open];
        refuse_zero(
            &half_open,
            "a limit on half-open sessions is 0, so no TCP session can begin",
        )?;
        let mappings = [
            self.mappings_per_host,
            self.tcp_mappings_per_host,
            self.udp_mappings_per_host,
            self.icmp_mappings_per_host,
        ];
        refuse_zero(&mappings, "one host needs at least one mapping")?;
        [self.mapping_rate, self.session_rate]
            .into_iter()
            .flatten()
            .try_for_each(Rate::check)
    }
}

fn refuse_zero(limits: &[Option<u16>], problem: &'static str) -> Result<(), ConfigError> {
    check("limits", !limits.contains(&Some(0)), problem)
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
