//! Datagrams for the local stack.

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::{Instant, Side, Width};
use zerocopy::IntoBytes;

use super::Link;
use crate::arp::Packet;
use crate::ethernet::{EtherType, Header, Mac};
use crate::ipv4;
use crate::shared::Inner;
use crate::stats::FrameDrop;

/// How long the local stack is expected to keep an ARP entry that it got from the router. Stacks
/// keep it for longer, but forget it when their addresses change.
const PRIMED_FOR: Duration = Duration::from_secs(1);

impl Link<'_> {
    /// Hands a datagram to the local stack. `header` is the one with which it came in on this side,
    /// if it did.
    pub(crate) fn deliver(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        header: Option<&Header>,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), FrameDrop> {
        if let Some(header) = header {
            self.prime_reply_path(inner, header.source, datagram, now)?;
        }
        let header = self.nic.stack_header(header);
        self.stack.inbox.push(header.as_ref(), datagram)?;
        inner.count_delivery(self.nic.side);
        Ok(())
    }

    /// Primes the stack's ARP cache with the neighbour that its reply to `datagram` goes to. The
    /// datagram came from `station`.
    ///
    /// Stacks answer a ping at once or not at all: if they had to query for the neighbour first,
    /// the answer would be lost.
    fn prime_reply_path(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        station: Mac,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), FrameDrop> {
        let Some(sender) = ipv4::source(datagram) else {
            return Ok(());
        };
        match self.nic.side {
            Side::Inside if inner.is_neighbour(Side::Inside, sender) => {
                self.prime_arp_cache(inner, station, sender, now)
            }
            // Every neighbour of the outside stack has the router's own hardware address, because
            // the router picks the next hop itself.
            Side::Outside if ipv4::is_icmp(datagram) => {
                match (self.nic.mac(), inner.stack_next_hop(sender)) {
                    (Some(mac), Some(hop)) => self.prime_arp_cache(inner, mac, hop, now),
                    _ => Ok(()),
                }
            }
            Side::Inside | Side::Outside => Ok(()),
        }
    }

    /// Sends the local stack an ARP reply of the neighbour `address` at `station`, unless it got
    /// the same one less than [`PRIMED_FOR`] ago.
    fn prime_arp_cache(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        station: Mac,
        address: Ipv4Addr,
        now: Instant,
    ) -> Result<(), FrameDrop> {
        if let Some((primed, mac, at)) = self.stack.primed
            && (primed, mac) == (address, station)
            && now.saturating_duration_since(at) < PRIMED_FOR
        {
            return Ok(());
        }
        let local = inner.local_addresses(self.nic.side).next();
        let (Some(mac), Some(local)) = (self.nic.mac(), local) else {
            return Ok(());
        };
        let header = Header::new(mac, station, EtherType::ARP);
        let reply = Packet::reply((station, address), (mac, local));
        self.stack.inbox.push(Some(&header), reply.as_bytes())?;
        inner.count_delivery(self.nic.side);
        inner.count_made();
        self.stack.primed = Some((address, station, now));
        Ok(())
    }
}
