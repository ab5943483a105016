//! The external addresses of the NAT: that of the outside configuration, and those of the
//! application.

use core::net::Ipv4Addr;

use heapless::Vec;
use nat_core::MAX_EXTERNAL_ADDRESSES;

use crate::log::warning;

/// The primary address belongs to the outside configuration, and comes and goes with it. The
/// secondary addresses belong to the application, which gave them in the configuration or added
/// them since. They stay until the application removes them.
pub(crate) struct Addresses {
    primary: Option<Ipv4Addr>,
    secondary: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>,
}

/// Room for the primary address and all secondary ones. The NAT refuses a list that is too long.
type List = Vec<Ipv4Addr, { MAX_EXTERNAL_ADDRESSES + 1 }>;

impl Addresses {
    pub(crate) const fn new(secondary: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>) -> Self {
        Self {
            primary: None,
            secondary,
        }
    }

    /// The addresses with `primary` as the first.
    pub(crate) fn with(&self, primary: Ipv4Addr) -> List {
        let secondary = self
            .secondary
            .iter()
            .copied()
            .filter(|address| *address != primary);
        core::iter::once(primary).chain(secondary).collect()
    }

    /// The addresses of the application.
    pub(crate) fn secondary(&self) -> &[Ipv4Addr] {
        &self.secondary
    }

    /// Replaces the primary address.
    pub(crate) const fn set_primary(&mut self, primary: Option<Ipv4Addr>) {
        self.primary = primary;
    }

    /// Notes that the application has changed the addresses of the NAT.
    pub(crate) fn note_change(&mut self, before: &[Ipv4Addr], after: &[Ipv4Addr]) {
        // Without an outside configuration the NAT has none of them, so what it did not have before
        // was not removed.
        self.secondary
            .retain(|address| after.contains(address) || !before.contains(address));
        for address in after.iter().filter(|address| !before.contains(address)) {
            let known = self.secondary.contains(address) || self.primary == Some(*address);
            if !known && self.secondary.push(*address).is_err() {
                warning!(
                    "external address {:?} is lost with the next outside configuration: too many addresses",
                    address.octets()
                );
            }
        }
    }
}
