//! The DNS forwarder on the router's inside address (RFC 5625).
//!
//! [`forwarder`] is the forwarder without sockets and clocks. It uses the table of outstanding
//! queries ([`table`]), the [`cache`] and the [`local`] names. [`mod@udp`] and [`tcp`] connect it to the
//! router's stacks. The wire format is that of the crate `domain`; [`message`] and [`records`] are
//! what the forwarder needs of it.

mod cache;
mod forwarder;
mod header;
mod local;
mod message;
mod names;
mod ports;
mod random;
mod rebinding;
mod records;
mod reply;
mod shared;
mod statistics;
mod table;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod zones;

use core::mem::MaybeUninit;

use embassy_net::Stack;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use table::MAX_QUERY;

pub use statistics::DnsStats;

pub(crate) use forwarder::{Forwarder, RebindingProtection};
pub(crate) use local::{Local, is_domain};
pub(crate) use udp::serve;

/// The queries that can wait for answers at a time.
pub const DNS_QUERIES: usize = 32;

/// The bytes of the cache. An entry takes 12 bytes more than its message.
pub const DNS_CACHE: usize = 4096;

/// The bytes for the messages of the queries that wait: 64 for each.
const ARENA: usize = DNS_QUERIES * 64;

/// Clients that can wait at a time. Several can wait for one query.
const WAITERS: usize = DNS_QUERIES + DNS_QUERIES / 2;

/// The longest message over UDP: the payload of a datagram of 1,500 bytes.
pub(crate) const MAX_DATAGRAM: usize = 1500 - 28;

/// Sockets to the servers outside. One takes new queries, the other one waits for late answers.
pub(crate) const UDP_SOCKETS: usize = 2;

/// Connections that clients can have at a time, and as many connections to servers.
pub(crate) const TCP_CONNECTIONS: usize = 2;

/// Received datagrams that a socket can queue. It sends one at a time.
const QUEUE: usize = 4;

/// The memory of the forwarder, all zeros when new.
pub(crate) struct Memory {
    pub(crate) state: forwarder::Memory<DNS_QUERIES, WAITERS, ARENA, DNS_CACHE>,
    pub(crate) sockets: Sockets,
}

/// The buffers of all sockets.
pub(crate) struct Sockets {
    inside: Queues<1536, MAX_DATAGRAM>,
    outside: [Queues<2048, MAX_QUERY>; UDP_SOCKETS],
    connections: [tcp::Memory; TCP_CONNECTIONS],
}

/// The buffers of a UDP socket.
struct Queues<const RX: usize, const TX: usize> {
    /// Initialized at run time: empty metadata is not all zeros.
    metadata: MaybeUninit<([PacketMetadata; QUEUE], [PacketMetadata; 1])>,
    received: [u8; RX],
    sent: [u8; TX],
}

impl Memory {
    pub(crate) const fn new() -> Self {
        Self {
            state: forwarder::Memory::new(),
            sockets: Sockets {
                inside: Queues::new(),
                outside: [const { Queues::new() }; UDP_SOCKETS],
                connections: [const { tcp::Memory::new() }; TCP_CONNECTIONS],
            },
        }
    }
}

impl<const RX: usize, const TX: usize> Queues<RX, TX> {
    const fn new() -> Self {
        Self {
            metadata: MaybeUninit::uninit(),
            received: [0; RX],
            sent: [0; TX],
        }
    }

    /// A socket of this stack with these buffers.
    fn socket<'a>(&'a mut self, stack: Stack<'a>) -> UdpSocket<'a> {
        const EMPTY: PacketMetadata = PacketMetadata::EMPTY;
        let (received, sent) = self.metadata.write(([EMPTY; QUEUE], [EMPTY]));
        UdpSocket::new(stack, received, &mut self.received, sent, &mut self.sent)
    }
}
