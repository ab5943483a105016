//! What one inside host, and answers to either side, may use up.

use super::{ConfigError, check};

/// How often something may happen: `burst` times at once, and then `per_second` times a second.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rate {
    /// How often at once, after a rest; at least 1.
    pub burst: u16,
    /// How often a second in the long run, 1 to 1000.
    pub per_second: u16,
}

impl Rate {
    /// The highest rate that can be set.
    const MAX_PER_SECOND: u16 = 1000;

    fn check(self) -> Result<(), ConfigError> {
        check("limits", self.burst != 0, "a burst needs at least one")?;
        check(
            "limits",
            (1..=Self::MAX_PER_SECOND).contains(&self.per_second),
            "a rate is not 1 to 1000 per second",
        )
    }
}

/// What one inside host, and answers to either side, may use up. The router itself has no limits.
///
/// Where a new session would go beyond a limit of its host, or finds the tables full, a session of
/// the same host that is done or half open ends to make room for it, and its mapping with it if it
/// was the last. It is the oldest of the first of these kinds that the host has, and that has what
/// is lacking:
///
/// 1. TCP after a valid RST,
/// 2. TCP closed by both ends,
/// 3. a UDP or ICMP session whose inside has asked one question, or repeated it, and was answered;
///    with port 53 of a remote host, and of ICMP, each question counts by itself,
/// 4. TCP opened from outside, behind a port forward, and not acknowledged yet,
/// 5. TCP opened from inside and not answered yet; not for a session that is opened from outside.
///
/// "Oldest" is by when it came to be of its kind. For a limit on mappings it is the last session of
/// a mapping, for one of half-open sessions one that is half open; up to 16 of each kind are looked
/// at. Without any the new session is refused. Nothing else is taken from a host: no connection
/// that both ends have agreed to and one of them has not closed, no other UDP or ICMP session, and
/// nothing for the sake of another host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Limits {
    /// Sessions of one inside host; `None` for half of the table. RFC 6888 REQ-4.
    pub sessions_per_host: Option<u16>,
    /// Sessions of one mapping, port forwards included; `None` for no limit of its own. RFC 6888
    /// REQ-5.
    pub sessions_per_mapping: Option<u16>,
    /// Mappings of one inside host; `None` for half of the table. RFC 6888 REQ-4.
    pub mappings_per_host: Option<u16>,
    /// TCP mappings of one inside host; `None` for no limit of their own. RFC 6888 REQ-4b.
    pub tcp_mappings_per_host: Option<u16>,
    /// UDP mappings of one inside host; `None` for no limit of their own. RFC 6888 REQ-4b.
    pub udp_mappings_per_host: Option<u16>,
    /// ICMP query mappings of one inside host; `None` for no limit of their own. RFC 6888 REQ-4b.
    pub icmp_mappings_per_host: Option<u16>,
    /// TCP sessions of one inside host of which one end has not answered the other yet; `None` for
    /// a quarter of the table of sessions, or of mappings if that is smaller and external
    /// ports overlap. RFC 4987 section 3.
    pub half_open_per_host: Option<u16>,
    /// The same of all hosts together; `None` for half of the table. A quarter of them is for
    /// those that are opened from inside. A host that has no more sessions than are kept for
    /// it opens one nevertheless.
    pub half_open: Option<u16>,
    /// Mappings, and as many sessions, that are kept for each of the inside hosts that there may
    /// be: others cannot have them, however many they pretend to be. `None` for a sixteenth of
    /// the tables between all hosts, at least one for each; but none where that would be more
    /// than half of the tables. RFC 6888 REQ-4.
    ///
    /// As many external ports of each pool, which is those for inside ports below 1024, or for
    /// others, of one protocol and external address, are kept for each host too, but never
    /// more than half of the pool; by default a quarter of the pool between all hosts, at
    /// least one for each. None are where each host has a block of ports, or where ports overlap.
    ///
    /// A host beyond them shares the rest with all others.
    pub reserved_per_host: Option<u16>,
    /// How fast one inside host may get mappings; `None` for as fast as it asks. RFC 6888 REQ-4c.
    ///
    /// A host is forgotten with its last mapping: the next time it has its burst at once.
    pub mapping_rate: Option<Rate>,
    /// How fast one inside host may get sessions; `None` for as fast as it asks. RFC 6888 REQ-5.
    ///
    /// A host is forgotten with its last mapping: the next time it has its burst at once.
    pub session_rate: Option<Rate>,
    /// ICMP errors that the router originates toward one destination in a burst: toward an inside
    /// host, or toward the peer outside of one session. "Fragmentation needed" may go beyond
    /// by as much again, so that no other error keeps it from being sent. Also the pings from
    /// one source outside that are answered, see
    /// [`Config::outside_ping`](crate::Config::outside_ping). RFC 1812 section 4.3.2.8.
    ///
    /// Destinations do not share this, so what one gets tells nothing about another, and there is
    /// no total that could be used up. What bounds all errors together: toward the inside,
    /// each host that has a mapping has a share of its own, and all others together have 64
    /// shares. Toward the outside each session has one, and where more packets than 64 times this
    /// come in a second that are due an error, or 64 times
    /// [`icmp_errors_per_second`](Self::icmp_errors_per_second) if that is more, only so many
    /// of them are answered, drawn at random. All sources of pings together have 32 shares.
    pub icmp_error_burst: u16,
    /// ICMP errors originated toward one destination, a second, beyond the burst.
    pub icmp_errors_per_second: u16,
}

impl Limits {
    /// Half of the tables for one host, as fast as it asks, and a quarter of them half open; some
    /// kept for each other host; ICMP errors in bursts of 20, then 20 a second, for each
    /// destination. RSTs toward the inside have no limit that can be set: each connection gets
    /// one in 100 ms at most.
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
        mapping_rate: None,
        session_rate: None,
        icmp_error_burst: 20,
        icmp_errors_per_second: 20,
    };

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check(
            "limits",
            self.sessions_per_host != Some(0),
            "one host needs at least one session",
        )?;
        check(
            "limits",
            self.sessions_per_mapping != Some(0),
            "one mapping needs at least one session",
        )?;
        let half_open = [self.half_open_per_host, self.half_open];
        check(
            "limits",
            !half_open.contains(&Some(0)),
            "a connection cannot begin without being half open",
        )?;
        let by_protocol = [
            self.tcp_mappings_per_host,
            self.udp_mappings_per_host,
            self.icmp_mappings_per_host,
        ];
        for limit in [self.mappings_per_host].into_iter().chain(by_protocol) {
            check(
                "limits",
                limit != Some(0),
                "one host needs at least one mapping",
            )?;
        }
        [self.mapping_rate, self.session_rate]
            .into_iter()
            .flatten()
            .try_for_each(Rate::check)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
