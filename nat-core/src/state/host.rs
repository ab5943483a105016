//! Inside hosts, to which mappings and sessions belong.

use core::marker::PhantomData;

use crate::config::MAX_EXTERNAL_ADDRESSES;
use crate::table::{Chain, Count, Slot, SlotIndex, Width};

use super::blocks::Externals;
use super::{EvictionList, EvictionRank, PortClass, Proto};

/// Who sends toward the outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Origin {
    /// An inside host.
    Host,
    /// The router's own outside stack, whose address is an external one.
    Router,
}

/// The states of the token buckets for new mappings and for new sessions of a host.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Tokens {
    pub(crate) mappings: u32,
    pub(crate) sessions: u32,
}

/// The last RST that a host was sent.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct LastReset {
    /// A hash of the connection, which is never zero.
    pub(crate) connection: u32,
    /// In milliseconds of the clock modulo 2^32.
    pub(crate) at: u32,
}

impl LastReset {
    pub(crate) const NONE: Self = Self {
        connection: 0,
        at: 0,
    };
}

/// An inside host with at least one mapping, or the router itself.
#[cfg_attr(feature = "audit", derive(Clone, Hash))]
pub(crate) struct Host<W> {
    pub(crate) address: u32,
    /// See [`Rate::take`](crate::Rate).
    pub(crate) tokens: Tokens,
    /// The state of the token bucket for ICMP errors to this host, see
    /// [`ReplyLimit`](crate::policy::ReplyLimit).
    pub(crate) errors: u32,
    pub(crate) reset: LastReset,
    mappings: [Count<W>; Proto::COUNT],
    pub(crate) sessions: Count<W>,
    /// Of the sessions, the TCP sessions in which one end has not answered the other yet.
    pub(crate) half_open: Count<W>,
    /// Its sessions that may be evicted, by rank, the oldest first.
    evictable: [EvictionList<W>; EvictionRank::COUNT],
    chain: SlotIndex<W>,
    /// How many of the ports that are reserved for it are in use, by protocol and class.
    reserved_ports: [[u8; PortClass::COUNT]; Proto::COUNT],
    /// The number of its external address, and whether it is the router.
    external_and_origin: u8,
    /// The external addresses on which it has its port block.
    pub(crate) blocks: Externals,
    /// How many dynamic mappings it has on each external address.
    dynamic: [Count<W>; MAX_EXTERNAL_ADDRESSES],
}

// All ones is a number that no address has, and what `u8::MAX` becomes.
const EXTERNAL: u8 = 0x1f;
const ROUTER: u8 = 0x80;

const _: () = assert!(MAX_EXTERNAL_ADDRESSES <= EXTERNAL as usize);

impl<W: Width> Host<W> {
    pub(crate) fn new(origin: Origin, address: u32, external: u8) -> Self {
        let router = if origin == Origin::Router { ROUTER } else { 0 };
        Self {
            address,
            external_and_origin: router | external & EXTERNAL,
            ..Self::FREE
        }
    }

    pub(crate) fn is(&self, origin: Origin, address: u32) -> bool {
        self.address == address && self.origin() == origin
    }

    pub(crate) fn origin(&self) -> Origin {
        if self.external_and_origin & ROUTER == 0 {
            Origin::Host
        } else {
            Origin::Router
        }
    }

    /// The number of the external address for the host's next mapping (paired pooling, RFC 4787
    /// REQ-2). If the host has none yet, this is a number that no address has.
    pub(crate) fn external(&self) -> u8 {
        self.external_and_origin & EXTERNAL
    }

    pub(crate) fn set_external(&mut self, external: u8) {
        self.external_and_origin = self.external_and_origin & ROUTER | external & EXTERNAL;
    }

    /// How many dynamic mappings it has on the external address with this number.
    pub(crate) fn dynamic_on(&self, external: u8) -> usize {
        self.dynamic
            .get(usize::from(external))
            .map_or(0, |count| count.get())
    }

    pub(crate) fn add_dynamic(&mut self, external: u8) {
        if let Some(count) = self.dynamic.get_mut(usize::from(external)) {
            count.increment();
        }
    }

    pub(crate) fn remove_dynamic(&mut self, external: u8) {
        if let Some(count) = self.dynamic.get_mut(usize::from(external)) {
            count.decrement();
        }
    }

    /// How many mappings it has.
    pub(crate) fn mappings(&self) -> usize {
        self.mappings
            .iter()
            .fold(0, |sum, count| sum.saturating_add(count.get()))
    }

    pub(crate) fn eviction_list(&self, rank: EvictionRank) -> Option<&EvictionList<W>> {
        self.evictable.get(rank as usize)
    }

    pub(crate) fn eviction_list_mut(&mut self, rank: EvictionRank) -> Option<&mut EvictionList<W>> {
        self.evictable.get_mut(rank as usize)
    }

    pub(crate) fn reserved_ports(&self, proto: Proto, class: PortClass) -> u8 {
        self.reserved_ports
            .get(proto as usize)
            .and_then(|ports| ports.get(class as usize))
            .copied()
            .unwrap_or(0)
    }

    pub(crate) fn reserved_ports_mut(&mut self, proto: Proto, class: PortClass) -> Option<&mut u8> {
        self.reserved_ports
            .get_mut(proto as usize)
            .and_then(|ports| ports.get_mut(class as usize))
    }

    pub(crate) fn mappings_of(&self, proto: Proto) -> usize {
        self.mappings
            .get(proto as usize)
            .map_or(0, |count| count.get())
    }

    pub(crate) fn add_mapping(&mut self, proto: Proto) {
        if let Some(count) = self.mappings.get_mut(proto as usize) {
            count.increment();
        }
    }

    pub(crate) fn remove_mapping(&mut self, proto: Proto) {
        if let Some(count) = self.mappings.get_mut(proto as usize) {
            count.decrement();
        }
    }
}

impl<W: Width> Slot for Host<W> {
    type Width = W;

    const FREE: Self = Self {
        address: 0,
        tokens: Tokens {
            mappings: 0,
            sessions: 0,
        },
        errors: 0,
        reset: LastReset::NONE,
        mappings: [Count::ZERO; Proto::COUNT],
        sessions: Count::ZERO,
        half_open: Count::ZERO,
        evictable: [const { EvictionList::EMPTY }; EvictionRank::COUNT],
        reserved_ports: [[0; PortClass::COUNT]; Proto::COUNT],
        chain: SlotIndex::NONE,
        external_and_origin: 0,
        blocks: Externals::NONE,
        dynamic: [Count::ZERO; MAX_EXTERNAL_ADDRESSES],
    };

    fn is_free(&self) -> bool {
        // A host exists because of its mappings.
        self.mappings() == 0
    }

    fn spare_link(&mut self) -> &mut SlotIndex<W> {
        &mut self.chain
    }
}

/// The index of hosts by address.
pub(crate) struct ByAddress<W>(PhantomData<W>);

impl<W: Width> Chain for ByAddress<W> {
    type Slot = Host<W>;

    fn next(slot: &Host<W>) -> SlotIndex<W> {
        slot.chain
    }

    fn set_next(slot: &mut Host<W>, next: SlotIndex<W>) {
        slot.chain = next;
    }
}
