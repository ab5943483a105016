//! Frames that a side has queued itself: ARP packets, and packets whose neighbour has answered.

use core::net::Ipv4Addr;

use nat_core::{Instant, Width};
use zerocopy::IntoBytes;

use super::Link;
use crate::arp::Packet;
use crate::ethernet::{EtherType, Header, Mac};
use crate::shared::Inner;
use crate::stats::FrameDrop;
use crate::tx_frame::{ReplyBuffer, TxFrame};

impl Link<'_> {
    /// Whether [`Self::queued_frame`] has something to send.
    pub(crate) fn has_queued_frame(&self, inner: &Inner<'_, impl Width>, now: Instant) -> bool {
        self.can_query()
            && (inner.probes.is_due(self.nic.side, now)
                || self.neighbours.due().is_some_and(|due| due <= now)
                || self.has_resolved_packet()
                || self.announced < inner.local_address_count(self.nic.side))
    }

    /// The next frame of this side: probes of the application first, then announcements of the
    /// router's addresses, then packets whose neighbour has answered, then ARP queries.
    pub(crate) fn queued_frame<'a>(
        &'a mut self,
        inner: &mut Inner<'_, impl Width>,
        reply: &'a mut ReplyBuffer,
        now: Instant,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        let Some(mac) = self.nic.mac() else {
            return Ok(None);
        };
        let side = self.nic.side;
        // Probes have a deadline, the other frames have none.
        if let Some(address) = inner.probes.take_due(side, now) {
            let probe = Packet::request(mac, Ipv4Addr::UNSPECIFIED, address);
            return self.arp_frame(inner, Mac::BROADCAST, &probe, reply);
        }
        // An address is announced before packets leave from it.
        let announced = inner.local_addresses(side).nth(self.announced);
        if let Some(address) = announced {
            self.announced += 1;
            let announcement = Packet::request(mac, address, address);
            return self.arp_frame(inner, Mac::BROADCAST, &announcement, reply);
        }
        if self.has_resolved_packet() {
            return self.resolved_packet(mac);
        }
        // Without an address to send from, the query counts as sent all the same, and fails in the
        // end like one without an answer.
        let query = self.neighbours.take_query(now);
        let sender = inner.local_addresses(side).next();
        let (Some(query), Some(sender)) = (query, sender) else {
            return Ok(None);
        };
        let request = Packet::request(mac, sender, query.address);
        let station = query.station.unwrap_or(Mac::BROADCAST);
        self.arp_frame(inner, station, &request, reply)
    }

    fn arp_frame<'a>(
        &self,
        inner: &mut Inner<'_, impl Width>,
        to: Mac,
        packet: &Packet,
        buffer: &'a mut ReplyBuffer,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        inner.count_made();
        let header = Header::new(to, packet.sender_mac, EtherType::ARP);
        let body = write_arp(packet, buffer);
        self.nic.tx_frame(Some(header), body).map(Some)
    }

    /// Whether a packet waits whose neighbour has answered.
    fn has_resolved_packet(&self) -> bool {
        self.waiting
            .any(|next_hop| self.neighbours.station(next_hop).is_some())
    }

    fn resolved_packet(&mut self, mac: Mac) -> Result<Option<TxFrame<'_>>, FrameDrop> {
        let Self {
            nic,
            neighbours,
            waiting,
            ..
        } = self;
        let Some((station, datagram)) = waiting.take(|next_hop| neighbours.station(next_hop))
        else {
            return Ok(None);
        };
        let header = Header::new(station, mac, EtherType::IPV4);
        nic.tx_frame(Some(header), datagram).map(Some)
    }
}

/// Writes an ARP packet into `buffer`. Returns its bytes.
pub(super) fn write_arp<'a>(packet: &Packet, buffer: &'a mut ReplyBuffer) -> &'a [u8] {
    let bytes = packet.as_bytes();
    match buffer.get_mut(..bytes.len()) {
        Some(copy) => {
            copy.copy_from_slice(bytes);
            copy
        }
        None => &[],
    }
}
