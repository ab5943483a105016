//! Inside hosts: whose mappings and sessions they are.

use crate::table::{Chain, Link, Slot};

/// Who sends toward the outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Origin {
    /// A host inside.
    Host,
    /// The router's own outside stack, whose address is an external one.
    Router,
}

/// An inside host with at least one mapping; or the router itself.
pub(crate) struct Host {
    pub(crate) address: u32,
    pub(crate) mappings: u16,
    pub(crate) sessions: u16,
    chain: Link,
    /// The number of the external address that all mappings of the host get (paired pooling, RFC 4787 REQ-2).
    pub(crate) external: u8,
    pub(crate) origin: Origin,
}

impl Host {
    pub(crate) fn new(origin: Origin, address: u32, external: u8) -> Self {
        Self { address, external, origin, ..Self::FREE }
    }

    pub(crate) fn is(&self, origin: Origin, address: u32) -> bool {
        self.address == address && self.origin == origin
    }
}

impl Slot for Host {
    const FREE: Self =
        Self { address: 0, mappings: 0, sessions: 0, chain: Link::NONE, external: 0, origin: Origin::Host };

    fn is_free(&self) -> bool {
        self.mappings == 0
    }

    fn spare_link(&mut self) -> &mut Link {
        &mut self.chain
    }
}

/// Hosts by their address.
pub(crate) struct ByAddress;

impl Chain for ByAddress {
    type Slot = Host;

    fn next(slot: &Host) -> Link {
        slot.chain
    }

    fn set_next(slot: &mut Host, next: Link) {
        slot.chain = next;
    }
}
