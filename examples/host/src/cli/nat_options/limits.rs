//! Limits of one inside host.

use clap::{Args, value_parser};
use nat_core::Config;

use crate::cli::value::RateValue;

#[derive(Args, Debug)]
#[command(next_help_heading = "Limits of one inside host (RFC 6888 REQ-4 and REQ-5)")]
pub(super) struct LimitOptions {
    /// Maximum number of sessions [default: half of the tables]. At a limit, a session of the host
    /// that is reset, closed, an answered query, or half open is evicted for the new one. If it
    /// has none of these, the new session is refused
    #[arg(long, value_name = "SESSIONS", value_parser = value_parser!(u16).range(1..))]
    host_limit: Option<u16>,
    /// Maximum number of mappings [default: as --host-limit, or half of the tables]
    #[arg(long, value_name = "MAPPINGS", value_parser = value_parser!(u16).range(1..))]
    host_mappings: Option<u16>,
    /// Maximum number of TCP mappings [default: no separate limit]
    #[arg(long, value_name = "MAPPINGS", value_parser = value_parser!(u16).range(1..))]
    host_tcp_mappings: Option<u16>,
    /// Maximum number of UDP mappings [default: no separate limit]
    #[arg(long, value_name = "MAPPINGS", value_parser = value_parser!(u16).range(1..))]
    host_udp_mappings: Option<u16>,
    /// Maximum number of ICMP query mappings [default: no separate limit]
    #[arg(long, value_name = "MAPPINGS", value_parser = value_parser!(u16).range(1..))]
    host_icmp_mappings: Option<u16>,
    /// Maximum number of sessions of one mapping, port forwards included [default: no separate
    /// limit]
    #[arg(long, value_name = "SESSIONS", value_parser = value_parser!(u16).range(1..))]
    mapping_sessions: Option<u16>,
    /// Maximum number of half-open TCP connections, which are not answered yet [default: a quarter
    /// of the tables]
    #[arg(long, value_name = "SESSIONS", value_parser = value_parser!(u16).range(1..))]
    host_half_open: Option<u16>,
    /// Maximum number of half-open TCP connections of all hosts together [default: half of the
    /// tables]
    #[arg(long, value_name = "SESSIONS", value_parser = value_parser!(u16).range(1..))]
    half_open: Option<u16>,
    /// How many mappings, sessions, and external ports of each pool are reserved for each possible
    /// host [default: a sixteenth of the tables and a quarter of the ports, divided among all
    /// hosts; at least 1]
    #[arg(long, alias = "kept", value_name = "SESSIONS")]
    reserved: Option<u16>,
    /// Rate limit of new mappings, as in 100+20/s: 100 at once, then 20 a second [default: no
    /// limit]
    #[arg(long, value_name = "BURST+RATE/s")]
    mapping_rate: Option<RateValue>,
    /// Rate limit of new sessions, in the same form [default: no limit]
    #[arg(long, value_name = "BURST+RATE/s")]
    session_rate: Option<RateValue>,
}

impl LimitOptions {
    pub(super) fn apply(&self, config: &mut Config) {
        let limits = &mut config.limits;
        // `None` follows the size of the tables.
        limits.sessions_per_host = self.host_limit;
        // A host has no more mappings than sessions.
        limits.mappings_per_host = self.host_mappings.or(self.host_limit);
        limits.tcp_mappings_per_host = self.host_tcp_mappings;
        limits.udp_mappings_per_host = self.host_udp_mappings;
        limits.icmp_mappings_per_host = self.host_icmp_mappings;
        limits.sessions_per_mapping = self.mapping_sessions;
        limits.half_open_per_host = self.host_half_open;
        limits.half_open = self.half_open;
        limits.reserved_per_host = self.reserved;
        limits.mapping_rate = self.mapping_rate.map(|rate| rate.0);
        limits.session_rate = self.session_rate.map(|rate| rate.0);
    }
}
