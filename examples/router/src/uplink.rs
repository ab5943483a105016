//! What the log tells of the outside.

use core::net::Ipv4Addr;

use embassy_net::StaticConfigV4;
use nat_core::Cidr;

use crate::log::{info, warning};

/// Networks to have inside, for a router whose own is in the way.
const NETWORKS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(192, 168, 77, 1), Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(172, 31, 77, 1)];

/// The outside as it was last seen.
pub(crate) struct Uplink {
    inside: Cidr,
    config: Option<StaticConfigV4>,
}

impl Uplink {
    pub(crate) const fn new(inside: Cidr) -> Self {
        Self { inside, config: None }
    }

    /// Tells what has changed.
    pub(crate) fn look(&mut self, config: Option<StaticConfigV4>) {
        if config == self.config {
            return;
        }
        self.config = config;
        match &self.config {
            Some(config) => {
                tell(config);
                self.warn_of_overlap(config);
            }
            None => info!("outside: address lost"),
        }
    }

    fn warn_of_overlap(&self, config: &StaticConfigV4) {
        let Some(outside) = Cidr::new(config.address.address(), config.address.prefix_len()) else { return };
        if !overlap(outside, self.inside) {
            return;
        }
        let free = |address: &&Ipv4Addr| Cidr::new(**address, 24).is_some_and(|network| !overlap(network, outside));
        let better = NETWORKS.iter().find(free).copied().unwrap_or(Ipv4Addr::UNSPECIFIED);
        warning!(
            "the outside network {}/{} overlaps the inside network {}/{}: hosts outside with such addresses cannot be \
             reached; give the inside another network, such as {}/24",
            network(outside),
            outside.prefix_len(),
            network(self.inside),
            self.inside.prefix_len(),
            better
        );
    }
}

fn tell(config: &StaticConfigV4) {
    let (address, bits) = (config.address.address(), config.address.prefix_len());
    let none = Ipv4Addr::UNSPECIFIED;
    let gateway = config.gateway.unwrap_or(none);
    let [first, second, third] = [0, 1, 2].map(|place| config.dns_servers.get(place).copied().unwrap_or(none));
    info!(
        "outside: address {}/{}, gateway {}, DNS {} {} {} (0.0.0.0: none)",
        address, bits, gateway, first, second, third
    );
}

/// The address of a network; the address itself where the prefix leaves no room for one.
fn network(cidr: Cidr) -> Ipv4Addr {
    cidr.network().unwrap_or_else(|| cidr.address())
}

/// Whether two networks have addresses in common.
const fn overlap(one: Cidr, other: Cidr) -> bool {
    one.contains(other.address()) || other.contains(one.address())
}
