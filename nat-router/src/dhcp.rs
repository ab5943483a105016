//! DHCP (RFC 2131): the server inside, and the client outside.
//!
//! The server is authoritative for the whole network: it refuses addresses that are not in its
//! pool. It accepts an address that a client had before the router restarted, if no other station
//! uses it. Requests from a relay agent are ignored.

pub(crate) mod client;
#[cfg(test)]
mod field;
mod frame;
mod identifiers;
mod identity;
mod leases;
mod message;
#[cfg(feature = "dns")]
mod names;
mod news;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use server::SHORT_LEASE_SECONDS;

pub(crate) use identity::Identity;
#[cfg(feature = "dns")]
pub(crate) use names::{MAX_NAME, Names};
#[cfg(feature = "dns")]
pub(crate) use server::LocalDns;
pub(crate) use server::Server;
pub(crate) use socket::serve;

#[cfg(feature = "dns")]
use core::cell::RefCell;
use core::mem::MaybeUninit;

use embassy_net::udp::PacketMetadata;
use identifiers::Identifiers;
use leases::Lease;

/// Requests that can be queued.
const QUEUE: usize = 4;

/// The longest message of a client: the UDP payload of a datagram of 1,500 bytes.
const MAX_REQUEST_LEN: usize = 1500 - 28;

/// The memory of the server, whose pool has up to `LEASES` addresses.
pub(crate) struct Memory<const LEASES: usize> {
    pub(crate) leases: [Lease; LEASES],
    pub(crate) identifiers: Identifiers,
    #[cfg(feature = "dns")]
    pub(crate) names: RefCell<[names::Entry; LEASES]>,
    pub(crate) buffers: Buffers,
}

/// The server's buffers.
pub(crate) struct Buffers {
    received: Queue<{ MAX_REQUEST_LEN + message::MAX_LEN }>,
    answer: [u8; frame::HEADERS_LEN + message::MAX_LEN],
}

struct Queue<const LEN: usize> {
    /// Initialized at run time: empty metadata is not all zeros, so the whole memory of the router
    /// would take flash, too.
    metadata: MaybeUninit<[PacketMetadata; QUEUE]>,
    bytes: [u8; LEN],
}

impl<const LEASES: usize> Memory<LEASES> {
    pub(crate) const fn new() -> Self {
        let buffers = Buffers {
            received: Queue::new(),
            answer: [0; frame::HEADERS_LEN + message::MAX_LEN],
        };
        Self {
            leases: [Lease::FREE; LEASES],
            identifiers: Identifiers::new(),
            #[cfg(feature = "dns")]
            names: RefCell::new([names::Entry::NONE; LEASES]),
            buffers,
        }
    }
}

impl<const LEN: usize> Queue<LEN> {
    const fn new() -> Self {
        Self {
            metadata: MaybeUninit::uninit(),
            bytes: [0; LEN],
        }
    }

    /// Both parts of an empty queue.
    fn parts(&mut self) -> (&mut [PacketMetadata], &mut [u8]) {
        (
            self.metadata.write([PacketMetadata::EMPTY; QUEUE]),
            &mut self.bytes,
        )
    }
}

/// Names for the tests of the DNS forwarder.
#[cfg(all(test, feature = "dns"))]
pub(crate) mod tests_of_names {
    use core::net::Ipv4Addr;

    use super::leases::ClientKey;
    use super::names::Entry;
    use super::{Names, RefCell};

    pub(crate) const NONE: Entry = Entry::NONE;

    /// The names of a pool from 192.168.77.100 on.
    pub(crate) fn table(entries: &RefCell<[Entry]>) -> Names<'_> {
        Names::new(entries, Ipv4Addr::new(192, 168, 77, 100))
    }

    pub(crate) fn publish(names: Names<'_>, address: Ipv4Addr, name: &[u8], until: u32) {
        let owner = ClientKey([1; 8]);
        names.note(address, owner, Some(name));
        names.lease(address, owner, 0, until);
    }
}
