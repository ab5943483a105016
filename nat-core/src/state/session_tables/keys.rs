//! The hashes under which hosts, mappings and sessions are indexed.

use crate::state::{Endpoint, InsideTuple, OutsideTuple};
use crate::table::{SlotIndex, Width};

use super::SessionTables;

impl<W: Width> SessionTables<'_, W> {
    pub(super) fn host_hash(&self, address: u32) -> u32 {
        // Without the origin: at most two entries, a host and the router, have one address.
        self.key.hash(address, 0)
    }

    pub(super) fn inside_hash(&self, tuple: &InsideTuple) -> u32 {
        let hash = self.inside_endpoint_hash(tuple.inside.endpoint, tuple.kind());
        self.with_remote(hash, tuple.remote)
    }

    /// The hash of a mapping by its inside endpoint, unless ports overlap.
    #[inline(always)]
    pub(super) fn inside_endpoint_hash(&self, endpoint: Endpoint, kind: u8) -> u32 {
        let low = u32::from(endpoint.port) << 16 | u32::from(kind);
        self.key.hash(endpoint.address, low)
    }

    pub(super) fn outside_hash(&self, tuple: &OutsideTuple) -> u32 {
        let hash = self.external_endpoint_hash(tuple);
        self.with_remote(hash, tuple.remote)
    }

    /// The hash of a mapping by its external endpoint, unless ports overlap.
    #[inline(always)]
    pub(super) fn external_endpoint_hash(&self, tuple: &OutsideTuple) -> u32 {
        let low = u32::from(tuple.external_port) << 16 | tuple.proto as u32;
        self.key.hash(u32::from(tuple.external), low)
    }

    /// Adds the remote endpoint to the hash of a mapping where ports overlap: then it is part of
    /// what identifies the mapping.
    fn with_remote(&self, hash: u32, remote: Endpoint) -> u32 {
        if self.overlapping() {
            self.key.hash(hash ^ remote.address, u32::from(remote.port))
        } else {
            hash
        }
    }

    pub(super) fn remote_hash(&self, mapping: SlotIndex<W>, remote: Endpoint) -> u32 {
        // The hash takes 64 bits: an address, a port, and 16 bits of the number of the mapping. In
        // wide tables that number has up to 20 bits. The excess is mixed into the address. At most
        // 16 mappings share the other bits, and a bucket can hold as many.
        let number = mapping.number();
        let high = remote.address ^ (number >> 16).wrapping_mul(0x9e37_79b9);
        self.key
            .hash(high, u32::from(remote.port) << 16 | number & 0xffff)
    }
}
