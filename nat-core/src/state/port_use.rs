//! How many external ports are in use, so that a search which cannot succeed is not begun.

use crate::config::{Config, MAX_EXTERNAL_ADDRESSES, PortRange};

use crate::table::Width;

use super::{Mapping, Proto};

/// Which inside ports a range of external ports is for (RFC 4787 REQ-3a).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum PortClass {
    /// Those below 1024.
    Low,
    /// Those from 1024 up, and the identifiers of ICMP queries.
    High,
}

impl PortClass {
    const ALL: [Self; 2] = [Self::Low, Self::High];

    pub(crate) fn range(self, config: &Config) -> PortRange {
        match self {
            Self::Low => config.low_ports,
            Self::High => config.ports,
        }
    }
}

/// The ports in use by protocol, external address and class. Ranges may overlap: then a port counts in both.
pub(crate) struct PortUse {
    ranges: [PortRange; PortClass::ALL.len()],
    used: [[[u16; PortClass::ALL.len()]; MAX_EXTERNAL_ADDRESSES]; Proto::COUNT],
}

impl PortUse {
    pub(crate) fn new(config: &Config) -> Self {
        Self { ranges: PortClass::ALL.map(|class| class.range(config)), used: Default::default() }
    }

    pub(crate) fn count(&self, proto: Proto, external: u8, class: PortClass) -> usize {
        let used = self.used.get(proto as usize).and_then(|used| used.get(usize::from(external)));
        used.and_then(|used| used.get(class as usize)).copied().map_or(0, usize::from)
    }

    pub(crate) fn add<W: Width>(&mut self, mapping: &Mapping<W>) {
        self.change(mapping, |count| count.saturating_add(1));
    }

    pub(crate) fn remove<W: Width>(&mut self, mapping: &Mapping<W>) {
        self.change(mapping, |count| count.saturating_sub(1));
    }

    fn change<W: Width>(&mut self, mapping: &Mapping<W>, change: impl Fn(u16) -> u16) {
        let used = self.used.get_mut(mapping.proto() as usize);
        let Some(used) = used.and_then(|used| used.get_mut(usize::from(mapping.external))) else { return };
        for (range, count) in self.ranges.iter().zip(used) {
            if range.contains(mapping.external_port) {
                *count = change(*count);
            }
        }
    }
}
