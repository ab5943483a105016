//! The client identifiers of messages that wait, because answers must give them back (RFC 6842).

use core::net::Ipv4Addr;

/// Identifiers that can wait. A client for whose identifier there is no place gets its answer when it asks again.
const CAPACITY: usize = 8;

/// The longest identifier that can wait, in bytes. Those made of a DUID (RFC 4361) have 15 to 23.
const MAX_LEN: usize = 32;

/// Identifiers, each with the address that its client waits for.
pub(super) struct Identifiers {
    kept: [Option<(Ipv4Addr, heapless::Vec<u8, MAX_LEN>)>; CAPACITY],
}

impl Identifiers {
    pub(super) const fn new() -> Self {
        Self { kept: [const { None }; CAPACITY] }
    }

    /// Keeps the identifier of the client that waits for `address`. Others are kept only while `waits` says so of their
    /// address. Returns whether there was room.
    pub(super) fn keep(&mut self, address: Ipv4Addr, client_id: &[u8], waits: impl Fn(Ipv4Addr) -> bool) -> bool {
        self.take(address);
        let Ok(copy) = heapless::Vec::from_slice(client_id) else { return false };
        let is_free = |place: &&mut Option<(Ipv4Addr, _)>| place.as_ref().is_none_or(|(address, _)| !waits(*address));
        let Some(place) = self.kept.iter_mut().find(is_free) else { return false };
        *place = Some((address, copy));
        true
    }

    /// Takes the identifier of the client that waited for `address` out.
    pub(super) fn take(&mut self, address: Ipv4Addr) -> Option<heapless::Vec<u8, MAX_LEN>> {
        let is_its = |place: &&mut Option<(Ipv4Addr, _)>| place.as_ref().is_some_and(|(kept, _)| *kept == address);
        self.kept.iter_mut().find(is_its)?.take().map(|(_, client_id)| client_id)
    }
}
