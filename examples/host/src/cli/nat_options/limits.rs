//! What one inside host may use up.

use clap::{Args, value_parser};
use nat_core::Config;

use crate::cli::value::RateValue;

#[derive(Args, Debug)]
#[command(next_help_heading = "Limits of one inside host (RFC 6888 REQ-4 and REQ-5)")]
pub(super) struct LimitOptions {
    /// Sessions that it may have [default: half of the tables]. At this limit, and at the others,
    /// its oldest one that is reset, closed, an answered question, or not open yet makes room
    /// for another; without any such, the new one is refused
    #[arg(long, value_name = "SESSIONS", value_parser = value_parser!(u16).range(1..))]
    host_limit: Option<u16>,
    /// Mappings that it may have [default: as --host-limit, or half of the tables]
    #[arg(long, value_name = "MAPPINGS", value_parser = value_parser!(u16).range(1..))]
    host_mappings: Option<u16>,
    /// TCP mappings that it may have [default: no limit of their own]
    #[arg(long, value_name = "MAPPINGS", value_parser = value_parser!(u16).range(1..))]
    host_tcp_mappings: Option<u16>,
    /// UDP mappings that it may have [default: no limit of their own]
    #[arg(long, value_name = "MAPPINGS", value_parser = value_parser!(u16).range(1..))]
    host_udp_mappings: Option<u16>,
    /// ICMP query mappings that it may have [default: no limit of their own]
    #[arg(long, value_name = "MAPPINGS", value_parser = value_parser!(u16).range(1..))]
    host_icmp_mappings: Option<u16>,
    /// Sessions of one mapping, port forwards included [default: no limit of their own]
    #[arg(long, value_name = "SESSIONS", value_parser = value_parser!(u16).range(1..))]
    mapping_sessions: Option<u16>,
    /// TCP connections that it may have begun and that are not answered yet [default: a quarter of
    /// the tables]
    #[arg(long, value_name = "SESSIONS", value_parser = value_parser!(u16).range(1..))]
    host_half_open: Option<u16>,
    /// The same of all hosts together [default: half of the tables]
    #[arg(long, value_name = "SESSIONS", value_parser = value_parser!(u16).range(1..))]
    half_open: Option<u16>,
    /// Mappings, sessions, and external ports of each pool, reserved for each host that there may be
    /// [default: a sixteenth of the tables, and a quarter of the ports, for all, at least one
    /// for each]
    #[arg(long, value_name = "SESSIONS")]
    reserved: Option<u16>,
    /// How fast it gets mappings, as in 100+20/s: 100 at once, then 20 a second [default: as it
    /// asks]
    #[arg(long, value_name = "BURST+RATE/s")]
    mapping_rate: Option<RateValue>,
    /// How fast it gets sessions, in the same form [default: as it asks]
    #[arg(long, value_name = "BURST+RATE/s")]
    session_rate: Option<RateValue>,
}

impl LimitOptions {
    pub(super) fn apply(&self, config: &mut Config) {
        let limits = &mut config.limits;
        // What is not given follows the tables.
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
