//! The log lines about the outside configuration.

use core::net::Ipv4Addr;

use nat_core::Cidr;

use crate::dhcp::client::Lease;
use crate::log::{info, warning};

/// Inside networks to propose when the router's own overlaps the outside network.
const NETWORKS: [Ipv4Addr; 3] = [
    Ipv4Addr::new(192, 168, 77, 1),
    Ipv4Addr::new(10, 77, 0, 1),
    Ipv4Addr::new(172, 31, 77, 1),
];

/// The outside configuration as it was last logged.
pub(crate) struct Uplink {
    inside: Cidr,
    lease: Option<Lease>,
}

impl Uplink {
    pub(crate) const fn new(inside: Cidr) -> Self {
        Self {
            inside,
            lease: None,
        }
    }

    /// Logs a change of the lease, unless only its duration has changed.
    pub(crate) fn log_changes(&mut self, lease: Option<Lease>) {
        // Each renewal changes the duration, and is not worth a line.
        let timeless = lease.clone().map(|lease| Lease {
            seconds: None,
            ..lease
        });
        if timeless == self.lease {
            return;
        }
        self.lease = timeless;
        match &lease {
            Some(lease) => {
                log_lease(lease);
                self.warn_of_overlap(lease.address);
            }
            None => info!("outside: address lost"),
        }
    }

    fn warn_of_overlap(&self, outside: Cidr) {
        if !overlap(outside, self.inside) {
            return;
        }
        let free = |address: &&Ipv4Addr| {
            Cidr::new(**address, 24).is_some_and(|network| !overlap(network, outside))
        };
        let better = NETWORKS
            .iter()
            .find(free)
            .copied()
            .unwrap_or(Ipv4Addr::UNSPECIFIED);
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

fn log_lease(lease: &Lease) {
    const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
    let (address, bits) = (lease.address.address(), lease.address.prefix_len());
    let gateway = lease.gateway.unwrap_or(NONE);
    let [one, two, three, four, five] =
        [0, 1, 2, 3, 4].map(|n| lease.dns_servers.get(n).copied().unwrap_or(NONE));
    info!(
        "outside: address {}/{}, gateway {}, DNS {} {} {} {} {}, MTU {}, server {}, {} s (0: none, or for ever)",
        address,
        bits,
        gateway,
        one,
        two,
        three,
        four,
        five,
        lease.mtu.unwrap_or(0),
        lease.server,
        lease.seconds.unwrap_or(0)
    );
}

/// The address of a network, or the address itself if its prefix is too long for a network address.
fn network(cidr: Cidr) -> Ipv4Addr {
    cidr.network().unwrap_or_else(|| cidr.address())
}

/// Whether two networks have addresses in common.
const fn overlap(one: Cidr, other: Cidr) -> bool {
    one.contains(other.address()) || other.contains(one.address())
}
