//! How many external ports are in use, so that a search that cannot succeed is not begun.

use crate::config::{Config, MAX_EXTERNAL_ADDRESSES, PortRange, PortSet};

use super::{Parity, Ports, Proto};

/// Which inside ports a range of external ports is for (RFC 4787 REQ-3a).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum PortClass {
    /// Inside ports below 1024.
    Low,
    /// Inside ports from 1024, and ICMP query identifiers.
    High,
}

/// Inside ports below this get external ports from the low range (RFC 4787 REQ-3a).
const FIRST_HIGH_PORT: u16 = 1024;

impl PortClass {
    pub(crate) const COUNT: usize = 2;
    pub(crate) const ALL: [Self; Self::COUNT] = [Self::Low, Self::High];

    /// The class of the external ports for an inside port. ICMP query identifiers are all of one
    /// class.
    pub(crate) fn of(proto: Proto, inside_port: u16) -> Self {
        if proto != Proto::Icmp && inside_port < FIRST_HIGH_PORT {
            Self::Low
        } else {
            Self::High
        }
    }

    pub(crate) fn range(self, config: &Config) -> PortRange {
        match self {
            Self::Low => config.low_ports,
            Self::High => config.ports,
        }
    }
}

/// The external ports among which one is chosen for a new mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortPool {
    pub(crate) proto: Proto,
    /// The number of the external address.
    pub(crate) external: u8,
    pub(crate) class: PortClass,
    /// Only ports of this parity, where parity is preserved (RFC 4787 REQ-4).
    pub(crate) parity: Option<Parity>,
}

impl PortPool {
    pub(crate) fn ports(&self, config: &Config) -> Ports {
        Ports::new(self.class.range(config), self.parity)
    }
}

/// A port of the external address with a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ExternalPort {
    pub(crate) proto: Proto,
    pub(crate) external: u8,
    pub(crate) port: u16,
}

/// Counts of the even and the odd ports of one class.
// Half of all 65,536 numbers have one parity, so 16 bits are enough.
type ByParity = [u16; Parity::COUNT];

/// How many ports are in use, by protocol, external address, class and parity. Where the ranges of
/// both classes overlap, a port counts in both. Excluded ports are not counted: no dynamic mapping
/// gets them, so they do not reduce the choice.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct PortUse {
    excluded: PortSet,
    ranges: [PortRange; PortClass::ALL.len()],
    used: [[[ByParity; PortClass::ALL.len()]; MAX_EXTERNAL_ADDRESSES]; Proto::COUNT],
}

impl PortUse {
    pub(crate) fn new(config: &Config) -> Self {
        let excluded = config.excluded_ports.clone();
        Self {
            excluded,
            ranges: PortClass::ALL.map(|class| class.range(config)),
            used: Default::default(),
        }
    }

    pub(crate) fn count(&self, pool: &PortPool) -> usize {
        let used = self
            .used
            .get(pool.proto as usize)
            .and_then(|used| used.get(usize::from(pool.external)));
        let Some([even, odd]) = used.and_then(|used| used.get(pool.class as usize)).copied() else {
            return 0;
        };
        match pool.parity {
            None => usize::from(even).saturating_add(usize::from(odd)),
            Some(Parity::Even) => usize::from(even),
            Some(Parity::Odd) => usize::from(odd),
        }
    }

    pub(crate) fn add(&mut self, port: ExternalPort) {
        if !self.is_excluded(port) {
            self.add_open(port);
        }
    }

    /// The same for a port that is not excluded.
    #[inline(always)]
    pub(crate) fn add_open(&mut self, port: ExternalPort) {
        self.change(port, |count| count.saturating_add(1));
    }

    pub(crate) fn remove(&mut self, port: ExternalPort) {
        if !self.is_excluded(port) {
            self.change(port, |count| count.saturating_sub(1));
        }
    }

    fn is_excluded(&self, port: ExternalPort) -> bool {
        port.proto != Proto::Icmp && self.excluded.contains(port.port)
    }

    /// The same ranges with no port in use.
    #[cfg(feature = "audit")]
    pub(crate) fn like(other: &Self) -> Self {
        Self {
            ranges: other.ranges,
            excluded: other.excluded.clone(),
            used: Default::default(),
        }
    }

    #[cfg(feature = "audit")]
    pub(crate) fn counts_like(&self, other: &Self) -> bool {
        self.used == other.used
    }

    #[inline(always)]
    fn change(&mut self, port: ExternalPort, change: impl Fn(u16) -> u16) {
        let used = self.used.get_mut(port.proto as usize);
        let Some(used) = used.and_then(|used| used.get_mut(usize::from(port.external))) else {
            return;
        };
        // The port counts in each range that contains it.
        for (range, counts) in self.ranges.iter().zip(used) {
            if let Some(count) = counts
                .get_mut(Parity::of(port.port) as usize)
                .filter(|_| range.contains(port.port))
            {
                *count = change(*count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use crate::Cidr;

    use super::*;

    /// R5: ports in use are counted by parity and in total, in each range that has them, until they
    /// are free again.
    #[test]
    fn ports_that_are_taken_are_counted() {
        let mut config =
            Config::new(Cidr::new(Ipv4Addr::new(192, 168, 1, 1), 24).expect("a prefix length"));
        (config.low_ports, config.ports) = (
            PortRange::new(1000, 2003).expect("a range"),
            PortRange::new(2000, 3000).expect("a range"),
        );
        config.excluded_ports = PortSet::EMPTY;
        config
            .excluded_ports
            .insert(PortRange::new(2002, 2002).expect("a range"))
            .expect("room for one");
        let mut used = PortUse::new(&config);
        let count = |used: &PortUse, class, parity| {
            used.count(&PortPool {
                proto: Proto::Udp,
                external: 1,
                class,
                parity,
            })
        };
        let all = |used: &PortUse| {
            [PortClass::Low, PortClass::High].map(|class| {
                [None, Some(Parity::Even), Some(Parity::Odd)]
                    .map(|parity| count(used, class, parity))
            })
        };
        let ports = [999, 1001, 1999, 2000, 2001, 2002, 2003, 2004, 3000, 3001];
        let external = |port| ExternalPort {
            proto: Proto::Udp,
            external: 1,
            port,
        };
        ports.iter().for_each(|port| used.add(external(*port)));
        used.add(ExternalPort {
            external: 0,
            ..external(2002)
        });
        used.add(ExternalPort {
            proto: Proto::Tcp,
            ..external(2002)
        });
        assert_eq!(all(&used), [[5, 1, 4], [5, 3, 2]]);
        used.remove(external(2001));
        assert_eq!(all(&used), [[4, 1, 3], [4, 3, 1]]);
        ports
            .iter()
            .filter(|port| **port != 2001)
            .for_each(|port| used.remove(external(*port)));
        assert_eq!(all(&used), [[0; 3]; 2]);
    }
}
