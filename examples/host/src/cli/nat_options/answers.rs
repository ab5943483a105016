//! What the router itself sends.

use clap::{Args, ValueEnum};
use nat_core::{Config, ExhaustionError, InsideResets};

use super::Switch;
use crate::cli::value::RateValue;

#[derive(Args, Debug)]
#[command(next_help_heading = "Answers of the router")]
pub(super) struct AnswerOptions {
    /// To which sides the router sends ICMP errors of its own (RFC 5508 REQ-9)
    ///
    /// Without errors to the LAN, path MTU discovery fails if the WAN's MTU is smaller, and traceroute
    /// does not show the router. Errors to the WAN are sent about packets of live sessions only.
    /// ICMP errors from other hosts are translated in any case.
    #[arg(long, value_enum, value_name = "SIDES", default_value_t = Sides::Both)]
    icmp_errors: Sides,
    /// Rate limit of the router's own ICMP errors, for each destination [default: 20+20/s: 20 at
    /// once, then 20 a second]
    #[arg(long, value_name = "BURST+RATE/s")]
    icmp_error_rate: Option<RateValue>,
    /// The ICMP error to a LAN host whose session is refused, because the tables are full, no port is
    /// free, or a limit is reached
    #[arg(long, value_enum, value_name = "ERROR", default_value_t = ExhaustionKind::AdministrativelyProhibited)]
    exhaustion_error: ExhaustionKind,
    /// Which TCP segments from the LAN without a session are answered with a RST
    ///
    /// With RSTs, connections end at once after a restart of the router. But a LAN host that scans the
    /// WAN with bare ACKs (nmap -sA, -PA) sees every address there as up.
    #[arg(long, value_enum, value_name = "SEGMENTS", default_value_t = ResetKind::Always)]
    lan_resets: ResetKind,
    /// Whether the router answers pings from the LAN to its own address there [default: yes; no
    /// with --profile gateway]
    #[arg(long, value_enum, value_name = "yes|no", num_args = 0..=1, default_missing_value = "yes", hide_possible_values = true)]
    lan_ping: Option<Switch>,
    /// Whether the router answers pings from the WAN to its external addresses [default: no]
    ///
    /// Answers reveal to strangers that the address is in use.
    #[arg(long, value_enum, value_name = "yes|no", num_args = 0..=1, default_missing_value = "yes", hide_possible_values = true)]
    wan_ping: Option<Switch>,
}

impl AnswerOptions {
    pub(super) fn apply(&self, config: &mut Config) {
        config.inside_icmp_errors = matches!(self.icmp_errors, Sides::Both | Sides::Lan);
        config.outside_icmp_errors = matches!(self.icmp_errors, Sides::Both | Sides::Wan);
        if let Some(RateValue(rate)) = self.icmp_error_rate {
            config.limits.icmp_error_burst = rate.burst;
            config.limits.icmp_errors_per_second = rate.per_second;
        }
        config.exhaustion_error = self.exhaustion_error.into();
        config.inside_resets = self.lan_resets.into();
        Switch::apply(self.lan_ping, &mut config.inside_ping);
        Switch::apply(self.wan_ping, &mut config.outside_ping);
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sides {
    /// To the LAN and to the WAN
    Both,
    /// To the LAN only
    Lan,
    /// To the WAN only
    Wan,
    /// To neither
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExhaustionKind {
    /// Most hosts give up at once (RFC 5508 REQ-8)
    AdministrativelyProhibited,
    /// TCP keeps trying (RFC 6888 REQ-11)
    HostUnreachable,
    /// No error
    None,
}

impl From<ExhaustionKind> for ExhaustionError {
    fn from(kind: ExhaustionKind) -> Self {
        match kind {
            ExhaustionKind::AdministrativelyProhibited => Self::AdministrativelyProhibited,
            ExhaustionKind::HostUnreachable => Self::HostUnreachable,
            ExhaustionKind::None => Self::None,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ResetKind {
    /// All
    Always,
    /// All except bare ACKs, which carry neither data nor another flag
    NotForBareAck,
    /// None
    Never,
}

impl From<ResetKind> for InsideResets {
    fn from(kind: ResetKind) -> Self {
        match kind {
            ResetKind::Always => Self::Always,
            ResetKind::NotForBareAck => Self::NotForBareAck,
            ResetKind::Never => Self::Never,
        }
    }
}
