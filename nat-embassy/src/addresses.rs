//! Which external addresses the NAT is to have: that of the outside configuration, and those of the
//! application.

use core::net::Ipv4Addr;

use heapless::Vec;
use nat_core::MAX_EXTERNAL_ADDRESSES;

use crate::log::warning;

/// The primary address is the outside configuration's, and comes and goes with it. The further ones
/// are the application's, from the configuration or added since, and stay until the application
/// takes them away.
pub(crate) struct Addresses {
    primary: Option<Ipv4Addr>,
    further: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>,
}

/// One more than the NAT takes.
type List = Vec<Ipv4Addr, { MAX_EXTERNAL_ADDRESSES + 1 }>;

impl Addresses {
    pub(crate) const fn new(further: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>) -> Self {
        Self {
            primary: None,
            further,
        }
    }

    /// The addresses with `primary` as the first.
    pub(crate) fn with(&self, primary: Ipv4Addr) -> List {
        let further = self
            .further
            .iter()
            .copied()
            .filter(|address| *address != primary);
        core::iter::once(primary).chain(further).collect()
    }

    /// The addresses of the application alone.
    pub(crate) fn further(&self) -> &[Ipv4Addr] {
        &self.further
    }

    /// Notes what the primary address is from now on.
    pub(crate) const fn set_primary(&mut self, primary: Option<Ipv4Addr>) {
        self.primary = primary;
    }

    /// Notes that the application has changed those of the NAT.
    pub(crate) fn note_change(&mut self, before: &[Ipv4Addr], after: &[Ipv4Addr]) {
        self.further
            .retain(|address| after.contains(address) || !before.contains(address));
        for address in after.iter().filter(|address| !before.contains(address)) {
            let known = self.further.contains(address) || self.primary == Some(*address);
            if !known && self.further.push(*address).is_err() {
                warning!(
                    "external address {:?} will not outlast the outside configuration",
                    address.octets()
                );
            }
        }
    }
}
