//! The external ports that mappings draw from in a plain configuration, worked out once.

use crate::config::{Config, Mapping, PortRange};
use crate::state::PortClass;

/// The ports that mappings of one class draw from where nothing else decides: no host has a block or
/// an address of its own, and no port is chosen by parity, shared, or held back after a start.
#[derive(Clone, Copy)]
pub(crate) struct PlainPorts {
    first: u16,
    pub(crate) count: u32,
    /// With fewer ports taken, whichever these are, one is left for each host.
    pub(crate) enough: usize,
}

impl PlainPorts {
    /// By class; `None` if the configuration is not plain. Of the ports, so many may be `closed`.
    pub(crate) fn of(config: &Config, closed: usize) -> Option<[Self; PortClass::COUNT]> {
        let parts = config.port_blocks.is_some() || config.port_parity;
        let shared = config.mapping == Mapping::AddressAndPortDependent;
        let ruled = !config.one_to_one.is_empty() || config.dmz_host.is_some();
        if parts || shared || ruled || config.quarantine.after_start {
            return None;
        }
        Some(PortClass::ALL.map(|class| Self::of_range(class.range(config), closed)))
    }

    fn of_range(range: PortRange, closed: usize) -> Self {
        let count = range.count();
        Self {
            first: range.first(),
            count: count as u32,
            enough: enough(count, closed),
        }
    }

    /// The port at `position`, which must be below the count.
    #[inline(always)]
    pub(crate) fn at(&self, position: u32) -> u16 {
        self.first.wrapping_add(position as u16)
    }
}

/// Of `count` ports, of which so many may be closed: as long as fewer than this are taken, more than
/// half are left. Then one is left for each host, because no more than half are reserved for others.
#[inline(always)]
pub(crate) fn enough(count: usize, closed: usize) -> usize {
    count.saturating_sub(closed) / 2
}

/// How many ports no mapping draws because of the configuration, at most. It counts those of UDP for
/// each protocol.
pub(crate) fn closed_at_most(config: &Config) -> usize {
    let reserved = config.reserved_ports.map_or(0, PortRange::count);
    let dhcp_client = 1;
    (config.excluded_ports.count())
        .saturating_add(reserved)
        .saturating_add(dhcp_client)
}
