//! Inside hosts: whose mappings and sessions they are.

use core::marker::PhantomData;

use crate::table::{Chain, Count, Link, Slot, Width};

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
pub(crate) struct Host<W> {
    pub(crate) address: u32,
    pub(crate) mappings: Count<W>,
    pub(crate) sessions: Count<W>,
    chain: Link<W>,
    /// The number of the external address that all mappings of the host get (paired pooling, RFC 4787 REQ-2).
    pub(crate) external: u8,
    pub(crate) origin: Origin,
}

impl<W: Width> Host<W> {
    pub(crate) fn new(origin: Origin, address: u32, external: u8) -> Self {
        Self { address, external, origin, ..Self::FREE }
    }

    pub(crate) fn is(&self, origin: Origin, address: u32) -> bool {
        self.address == address && self.origin == origin
    }
}

impl<W: Width> Slot for Host<W> {
    type Width = W;

    const FREE: Self = Self {
        address: 0,
        mappings: Count::ZERO,
        sessions: Count::ZERO,
        chain: Link::NONE,
        external: 0,
        origin: Origin::Host,
    };

    fn is_free(&self) -> bool {
        self.mappings == Count::ZERO
    }

    fn spare_link(&mut self) -> &mut Link<W> {
        &mut self.chain
    }
}

/// Hosts by their address.
pub(crate) struct ByAddress<W>(PhantomData<W>);

impl<W: Width> Chain for ByAddress<W> {
    type Slot = Host<W>;

    fn next(slot: &Host<W>) -> Link<W> {
        slot.chain
    }

    fn set_next(slot: &mut Host<W>, next: Link<W>) {
        slot.chain = next;
    }
}
