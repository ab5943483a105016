//! DHCP (RFC 2131): the server inside, and the client outside.
//!
//! The server answers for the whole network: it refuses addresses that are not of its pool, and accepts what a client had before
//! the router started anew. Requests that come through a relay agent are ignored.

pub(crate) mod client;
mod leases;
mod message;
mod server;
mod socket;

pub use leases::LEASES;
pub use server::SHORT_LEASE_SECONDS;

pub(crate) use server::Server;
pub(crate) use socket::serve;

use core::mem::MaybeUninit;

use embassy_net::udp::PacketMetadata;
use leases::Lease;

/// Requests, and answers, that can wait.
const QUEUE: usize = 4;

/// The memory of the server.
pub(crate) struct Memory {
    pub(crate) leases: [Lease; LEASES],
    received: Queue<{ 2 * message::MAX_LEN }>,
    sent: Queue<{ 2 * message::MAX_LEN }>,
    answer: [u8; message::MAX_LEN],
}

struct Queue<const LEN: usize> {
    /// Written before it is used: empty metadata is not all zeros, and would put the whole memory of the router into flash.
    metadata: MaybeUninit<[PacketMetadata; QUEUE]>,
    bytes: [u8; LEN],
}

impl Memory {
    pub(crate) const fn new() -> Self {
        Self {
            leases: [Lease::FREE; LEASES],
            received: Queue::new(),
            sent: Queue::new(),
            answer: [0; message::MAX_LEN],
        }
    }
}

impl<const LEN: usize> Queue<LEN> {
    const fn new() -> Self {
        Self { metadata: MaybeUninit::uninit(), bytes: [0; LEN] }
    }

    /// Both parts, of an empty queue.
    fn parts(&mut self) -> (&mut [PacketMetadata], &mut [u8]) {
        (self.metadata.write([PacketMetadata::EMPTY; QUEUE]), &mut self.bytes)
    }
}
