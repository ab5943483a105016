//! What cloud NAT gateways do.

use super::{Cidr, Config, Mapping, PortRange, Timeouts};

impl Config {
    /// What cloud NAT gateways document, for a router with the address `inside` on its inside
    /// network and no external address yet: the defaults, which let nothing in that the inside
    /// has not asked for, but 350 s of idle time for all ([`Timeouts::GATEWAY`]), external
    /// ports from 1024 up that overlap ([`Mapping::AddressAndPortDependent`]) for all inside ports,
    /// a clamped MSS, and no answer to a ping on either side. Fragments of TCP and ICMP pass as
    /// by default, which such a gateway drops.
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
