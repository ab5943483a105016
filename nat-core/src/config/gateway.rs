//! A configuration like that of cloud NAT gateways.

use super::{Cidr, Config, Mapping, PortRange, Timeouts};

impl Config {
    /// What cloud NAT gateways document, for a router with the address `inside` on its inside
    /// network and no external address yet. It differs from the defaults as follows:
    ///
    /// - every session has an idle timeout of 350 s ([`Timeouts::GATEWAY`]);
    /// - external ports overlap ([`Mapping::AddressAndPortDependent`]), and inside ports below 1024
    ///   get external ports from 1024 too;
    /// - the MSS is clamped;
    /// - the router does not reply to pings on either side.
    ///
    /// Such gateways drop fragments of TCP and ICMP. This configuration forwards them, as the
    /// defaults do.
    pub const fn gateway(inside: Cidr) -> Self {
        let high = PortRange {
            first: 1024,
            last: 65535,
        };
        let mut config = Self::new(inside);
        config.mapping = Mapping::AddressAndPortDependent;
        config.timeouts = Timeouts::GATEWAY;
        (config.ports, config.low_ports) = (high, high);
        config.mss_clamp = true;
        config.inside_ping = false;
        config
    }
}
