//! The MTU of both links.

use clap::{Args, value_parser};
use nat_core::Config;

use super::Switch;

#[derive(Args, Debug)]
#[command(next_help_heading = "Links")]
pub(super) struct LinkOptions {
    /// MTU of the WAN: larger datagrams leave in fragments, or are rejected if they have DF set
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = value_parser!(u16).range(68..))]
    wan_mtu: u16,
    /// MTU of the LAN: larger datagrams leave in fragments, or are rejected if they have DF set
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = value_parser!(u16).range(68..))]
    lan_mtu: u16,
    /// Lower the MSS of TCP connections to fit both MTUs [default: no; yes with --profile gateway]
    #[arg(long, value_enum, value_name = "yes|no", num_args = 0..=1, default_missing_value = "yes", hide_possible_values = true)]
    mss_clamp: Option<Switch>,
}

impl LinkOptions {
    pub(super) fn apply(&self, config: &mut Config) {
        config.inside_mtu = self.lan_mtu;
        config.outside_mtu = self.wan_mtu;
        Switch::apply(self.mss_clamp, &mut config.mss_clamp);
    }
}
