//! Received ARP packets: what the router learns from them, and what it answers.

use core::time::Duration;

use nat_core::{Instant, Width};

use super::Link;
use super::queue::write_arp;
use crate::arp::{Operation, Packet};
use crate::ethernet::{EtherType, Header, Mac};
use crate::log::warning;
use crate::shared::Inner;
use crate::stats::FrameDrop;
use crate::tx_frame::{ReplyBuffer, TxFrame};

/// The shortest time between two announcements because other stations claim an address of the
/// router (`DEFEND_INTERVAL` of RFC 5227).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

impl Link<'_> {
    /// Processes an ARP frame. A request for an address of the router is answered. A reply goes on
    /// to the local stack, which may have sent the request.
    pub(crate) fn receive_arp<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        frame: &[u8],
        reply: &'a mut ReplyBuffer,
        now: Instant,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        let side = self.nic.side;
        let (packet, operation) = self.parse_arp(frame)?;
        // Before any doubt about the sender: every claim of an address that is probed counts (RFC
        // 5227 section 2.1.1).
        inner.probes.note_packet(side, &packet, operation);
        if inner.is_local(side, packet.sender()) {
            inner
                .conflicts
                .note(side, packet.sender(), packet.sender_mac);
            self.defend(packet.sender_mac, now);
            return Err(FrameDrop::DuplicateAddress);
        }
        // Not before the check above: an address of the router is never learned as a neighbour's.
        let for_router = inner.is_local(side, packet.target());
        let believed = self.learn(inner, &packet, for_router, now);
        match operation {
            Operation::Request if for_router => {
                let answer = self.answer_arp(&packet, reply)?;
                inner.count_made();
                // The sender may be the true owner of its address, so it gets its answer.
                if believed {
                    inner.count_consumed();
                } else {
                    inner.count_drop(side, FrameDrop::ArpConflict);
                }
                Ok(answer)
            }
            _ if !believed => Err(FrameDrop::ArpConflict),
            Operation::Request => {
                inner.count_consumed();
                Ok(None)
            }
            Operation::Reply => {
                self.stack.inbox.push(None, frame)?;
                inner.count_delivery(side);
                Ok(None)
            }
        }
    }

    /// Reads an ARP packet of another station.
    fn parse_arp(&self, frame: &[u8]) -> Result<(Packet, Operation), FrameDrop> {
        let payload = frame.get(Header::LEN..).unwrap_or_default();
        let (packet, operation) = Packet::parse(payload).ok_or(FrameDrop::BadArp)?;
        let station = packet.sender_mac;
        // Where the network has a loop, the router receives its own packets.
        if !station.is_station() || self.nic.mac().is_none_or(|mac| mac == station) {
            return Err(FrameDrop::BadArp);
        }
        Ok((packet, operation))
    }

    /// Learns the sender of an ARP packet, if its address can be a neighbour's. Returns `false` if
    /// the address belongs to another station.
    fn learn(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        packet: &Packet,
        for_router: bool,
        now: Instant,
    ) -> bool {
        let sender = packet.sender();
        let believed = !inner.is_neighbour(self.nic.side, sender)
            || self
                .neighbours
                .learn(sender, packet.sender_mac, for_router, now);
        // The new neighbour may have taken another's slot.
        self.egress().drop_unresolved(inner);
        believed
    }

    fn answer_arp<'a>(
        &self,
        request: &Packet,
        reply: &'a mut ReplyBuffer,
    ) -> Result<Option<TxFrame<'a>>, FrameDrop> {
        let mac = self.nic.mac().ok_or(FrameDrop::BadArp)?;
        let header = Header::new(request.sender_mac, mac, EtherType::ARP);
        let body = write_arp(&request.answer(mac), reply);
        self.nic.tx_frame(Some(header), body).map(Some)
    }

    /// Announces the router's addresses again because `station` claims one of them, unless that was
    /// done less than [`DEFEND_INTERVAL`] ago. A router never gives its address up (RFC 5227
    /// section 2.4 (c)).
    fn defend(&mut self, station: Mac, now: Instant) {
        let is_due = self
            .defended_at
            .is_none_or(|at| now.saturating_duration_since(at) >= DEFEND_INTERVAL);
        if is_due {
            self.defended_at = Some(now);
            self.announced = 0;
            warning!(
                "station {:?} claims an address of the router",
                station.octets()
            );
        }
    }

    /// Whether ARP packets can be sent on this side.
    pub(crate) const fn can_query(&self) -> bool {
        self.up && self.nic.mac().is_some()
    }
}
