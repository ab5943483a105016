//! External ports that are reserved for hosts without any, so that no host can use up a pool of
//! ports.

use crate::config::{Config, MAX_EXTERNAL_ADDRESSES, Mapping, PortRange};
use crate::table::Width;

use super::{Host, PortClass, PortPool, Proto};

/// Ports are reserved by protocol, external address and class. The first few ports that a host gets
/// count against its reservation, and the mapping records that.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct PortQuotas {
    /// How many ports of each class are reserved for each host.
    per_host: [u8; PortClass::COUNT],
    hosts: usize,
    /// How many of the reserved ports are in use.
    taken: [[[u16; PortClass::COUNT]; MAX_EXTERNAL_ADDRESSES]; Proto::COUNT],
}

/// By default, a quarter of each pool is reserved.
const RESERVED_PART: usize = 4;

impl PortQuotas {
    /// Nothing is reserved where each host has a port block, nor where ports overlap: then each
    /// destination has all ports, and they are not counted.
    pub(crate) fn new(config: &Config, hosts: usize) -> Self {
        let shared = config.port_blocks.is_none() && config.mapping == Mapping::EndpointIndependent;
        let share = |class: PortClass| {
            let default = || {
                // At least one each: otherwise one host could take them all.
                (ports(class.range(config)) / RESERVED_PART)
                    .checked_div(hosts)
                    .unwrap_or(0)
                    .max(1)
            };
            let share = config
                .limits
                .reserved_per_host
                .map_or_else(default, usize::from);
            if shared {
                // Each host counts its share in a byte.
                u8::try_from(share).unwrap_or(u8::MAX)
            } else {
                0
            }
        };
        Self {
            per_host: PortClass::ALL.map(share),
            hosts,
            taken: Default::default(),
        }
    }

    /// How many ports of `pool` a host that has used up its own reservation must leave to other
    /// hosts: at most half of the `open` ports, which are those that mappings may get at all.
    pub(crate) fn reserved(&self, pool: &PortPool, open: usize) -> usize {
        let all = usize::from(self.per_host(pool.class)).saturating_mul(self.hosts);
        let taken = self.taken(pool.proto, pool.external, pool.class);
        all.saturating_sub(taken).min(open / 2)
    }

    /// How many of the reserved ports are in use.
    pub(crate) fn taken(&self, proto: Proto, external: u8, class: PortClass) -> usize {
        let taken = self
            .taken
            .get(proto as usize)
            .and_then(|taken| taken.get(usize::from(external)));
        taken
            .and_then(|taken| taken.get(class as usize))
            .copied()
            .map_or(0, usize::from)
    }

    pub(crate) fn per_host(&self, class: PortClass) -> u8 {
        self.per_host.get(class as usize).copied().unwrap_or(0)
    }

    /// Counts a port of this protocol, external address and class against the reservation of
    /// `host`, unless that is used up. Whichever address it is on: a host has one reservation for
    /// each protocol and class.
    #[inline(always)]
    pub(crate) fn take<W: Width>(
        &mut self,
        host: &mut Host<W>,
        port: (Proto, u8, PortClass),
    ) -> bool {
        let (proto, _, class) = port;
        let per_host = self.per_host(class);
        let Some(used) = host.reserved_ports_mut(proto, class) else {
            return false;
        };
        let is_left = *used < per_host;
        if is_left {
            *used = used.saturating_add(1);
            self.change(port, |taken| taken.saturating_add(1));
        }
        is_left
    }

    /// Counts a port that no longer counts against a reservation.
    pub(crate) fn give_back(&mut self, port: (Proto, u8, PortClass)) {
        self.change(port, |taken| taken.saturating_sub(1));
    }

    #[inline(always)]
    fn change(
        &mut self,
        (proto, external, class): (Proto, u8, PortClass),
        change: impl FnOnce(u16) -> u16,
    ) {
        let taken = self
            .taken
            .get_mut(proto as usize)
            .and_then(|taken| taken.get_mut(usize::from(external)));
        if let Some(taken) = taken.and_then(|taken| taken.get_mut(class as usize)) {
            *taken = change(*taken);
        }
    }
}

fn ports(range: PortRange) -> usize {
    usize::from(range.last().saturating_sub(range.first())).saturating_add(1)
}
