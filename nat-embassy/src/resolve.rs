//! ARP: what the router learns, answers and asks.

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::{Instant, Side, Width};
use zerocopy::IntoBytes;

use crate::FrameDrop;
use crate::arp::{Operation, Packet};
use crate::control::Inner;
use crate::ethernet::{EtherType, Header, Mac};
use crate::link::Link;
use crate::log::warning;
use crate::outgoing::Outgoing;
use crate::router::{AnswerBuffer, Fate};

/// How often an address of ours is announced because others claim it (`DEFEND_INTERVAL` of RFC
/// 5227).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

impl Link<'_> {
    /// Takes in an ARP frame. Requests for an address of the router are answered here; replies go
    /// to the local stack too, which has asked for some of them.
    pub(crate) fn arp<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        frame: &[u8],
        answer: &'a mut AnswerBuffer,
        now: Instant,
    ) -> Fate<'a> {
        self.receive_arp(inner, frame, answer, now)
            .map_err(|reason| (self.nic.side, reason))
    }

    fn receive_arp<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        frame: &[u8],
        answer: &'a mut AnswerBuffer,
        now: Instant,
    ) -> Result<Option<Outgoing<'a>>, FrameDrop> {
        let payload = frame.get(Header::LEN..).unwrap_or_default();
        let (packet, operation) = Packet::parse(payload).ok_or(FrameDrop::BadArp)?;
        let mac = self.nic.mac().ok_or(FrameDrop::BadArp)?;
        let (sender, station) = (packet.sender(), packet.sender_mac);
        if !station.is_station() || station == mac {
            return Err(FrameDrop::BadArp);
        }
        inner.probes.hear(self.nic.side, &packet, operation);
        if inner.is_own(self.nic.side, sender) {
            inner.conflicts.note(self.nic.side, sender, station);
            self.defend(station, now);
            return Err(FrameDrop::DuplicateAddress);
        }
        let for_us = inner.is_own(self.nic.side, packet.target());
        let believed = !inner.is_neighbour(self.nic.side, sender)
            || self.neighbours.learn(sender, station, for_us, now);
        self.drop_orphans(inner);
        match operation {
            // Whoever asks may have the address in truth, and then has to send.
            Operation::Request if for_us => {
                if !believed {
                    inner
                        .stats
                        .side_mut(self.nic.side)
                        .drop_frame(FrameDrop::ArpConflict);
                }
                let header = Header::new(station, mac, EtherType::ARP);
                self.nic
                    .outgoing(Some(header), write(&packet.answer(mac), answer))
                    .map(Some)
            }
            _ if !believed => Err(FrameDrop::ArpConflict),
            Operation::Request => Ok(None),
            Operation::Reply => {
                self.stack.inbox.push(None, frame)?;
                inner.count_delivery(self.nic.side);
                Ok(None)
            }
        }
    }

    /// Announces our addresses anew, because `station` claims one of them, unless that was done a
    /// short while ago. A router never gives its address up (RFC 5227 section 2.4 (c)).
    fn defend(&mut self, station: Mac, now: Instant) {
        if self
            .defended_at
            .is_none_or(|at| now.saturating_duration_since(at) >= DEFEND_INTERVAL)
        {
            self.defended_at = Some(now);
            self.announced = 0;
            warning!("station {:?} claims an address of the router", station.0);
        }
    }

    /// Whether a question can be asked.
    pub(crate) const fn can_ask(&self) -> bool {
        self.up && self.nic.mac().is_some()
    }

    /// Whether [`Self::own_frame`] has something to send.
    pub(crate) fn has_own(&self, inner: &Inner<'_, impl Width>, now: Instant) -> bool {
        self.can_ask()
            && (inner.probes.is_due(self.nic.side, now)
                || self.neighbours.due().is_some_and(|due| due <= now)
                || self
                    .waiting
                    .any(|next_hop| self.neighbours.station(next_hop).is_some())
                || self.announced < inner.own_address_count(self.nic.side))
    }

    /// What the router itself has to send: probes of the application, its addresses after a change,
    /// then packets whose neighbour has answered, then questions.
    pub(crate) fn own_frame<'a>(
        &'a mut self,
        inner: &mut Inner<'_, impl Width>,
        answer: &'a mut AnswerBuffer,
        now: Instant,
    ) -> Option<Outgoing<'a>> {
        let mac = self.nic.mac()?;
        let to_all = Header::new(Mac::BROADCAST, mac, EtherType::ARP);
        if let Some(address) = inner.probes.take(self.nic.side, now) {
            let probe = Packet::request(mac, Ipv4Addr::UNSPECIFIED, address);
            return self.nic.outgoing(Some(to_all), write(&probe, answer)).ok();
        }
        if let Some(address) = inner.own_addresses(self.nic.side).nth(self.announced) {
            self.announced += 1;
            return self
                .nic
                .outgoing(
                    Some(to_all),
                    write(&Packet::request(mac, address, address), answer),
                )
                .ok();
        }
        if self
            .waiting
            .any(|next_hop| self.neighbours.station(next_hop).is_some())
        {
            return self.waiting_frame(mac);
        }
        let ask = self.neighbours.take_ask(now)?;
        let request = Packet::request(mac, inner.own_addresses(self.nic.side).next()?, ask.address);
        let header = Header::new(ask.station.unwrap_or(Mac::BROADCAST), mac, EtherType::ARP);
        self.nic
            .outgoing(Some(header), write(&request, answer))
            .ok()
    }

    fn waiting_frame(&mut self, mac: Mac) -> Option<Outgoing<'_>> {
        let Self {
            nic,
            neighbours,
            waiting,
            ..
        } = self;
        let (station, datagram) = waiting.take(|next_hop| neighbours.station(next_hop))?;
        nic.outgoing(Some(Header::new(station, mac, EtherType::IPV4)), datagram)
            .ok()
    }
}

fn write<'a>(packet: &Packet, buffer: &'a mut AnswerBuffer) -> &'a [u8] {
    let bytes = packet.as_bytes();
    match buffer.get_mut(..bytes.len()) {
        Some(copy) => {
            copy.copy_from_slice(bytes);
            copy
        }
        None => &[],
    }
}

impl<W: Width> Inner<'_, W> {
    /// The router's addresses on `side`, the one it asks from first.
    pub(crate) fn own_addresses(&self, side: Side) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let inside = (side == Side::Inside).then(|| self.nat.config().inside.address());
        let in_force = side == Side::Outside && self.outside.is_some();
        let outside: &[_] = if in_force {
            self.nat.external_addresses()
        } else {
            &[]
        };
        inside.into_iter().chain(outside.iter().copied())
    }

    fn own_address_count(&self, side: Side) -> usize {
        match side {
            Side::Inside => 1,
            Side::Outside => self
                .outside
                .map_or(0, |_| self.nat.external_addresses().len()),
        }
    }

    fn is_own(&self, side: Side, address: Ipv4Addr) -> bool {
        self.own_addresses(side).any(|own| own == address)
    }

    /// Whether `address` can be that of a neighbour on `side`. A probe's is not: it is unspecified
    /// (RFC 5227).
    pub(crate) fn is_neighbour(&self, side: Side, address: Ipv4Addr) -> bool {
        if address.is_unspecified() || self.is_for_many(side, address) {
            return false;
        }
        let network = self.network(side);
        let on_link = network
            .is_some_and(|network| network.contains(address) && network.network() != Some(address));
        let gateway = self.outside.and_then(|outside| outside.gateway);
        on_link || (side == Side::Outside && gateway == Some(address))
    }
}
