//! What the server answers.

use core::net::Ipv4Addr;

use nat_core::Cidr;
use smoltcp::wire::{DhcpMessageType, DhcpPacket};

use super::leases::{Grant, LEASES, Lease, Leases, Mac};
use super::message::{Network, Reply, Request};
use crate::config::DhcpServer;

/// How long a lease lasts while the router itself has none outside, in seconds: a client asks again after half of it.
pub const SHORT_LEASE_SECONDS: u32 = 60;

/// The server, apart from its socket and its clock.
pub(crate) struct Server<'d> {
    leases: Leases<'d>,
    inside: Cidr,
    lease_seconds: u32,
}

/// What the server hears.
#[derive(Clone, Copy)]
pub(crate) struct Heard<'a> {
    pub(crate) datagram: &'a [u8],
    /// The address that it came from.
    pub(crate) from: Ipv4Addr,
    /// Seconds since the start.
    pub(crate) now: u32,
    /// The DNS servers of the outside; `None` while it is not configured.
    pub(crate) dns: Option<&'a [Ipv4Addr]>,
}

/// An address, the client that it is leased to, and for how many seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Leased {
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: Mac,
    pub(crate) seconds: u32,
}

/// An answer, as it is to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) len: usize,
    pub(crate) to: Ipv4Addr,
    /// What was leased by it that was not before.
    pub(crate) leased: Option<Leased>,
}

impl<'d> Server<'d> {
    pub(crate) fn new(memory: &'d mut [Lease; LEASES], config: &DhcpServer, inside: Cidr) -> Self {
        let leases = Leases::new(memory, config, inside.address());
        Self { leases, inside, lease_seconds: config.lease_seconds }
    }

    /// Takes in a datagram, which may be anything, and writes what is to be answered, if anything, into `buffer`.
    pub(crate) fn answer(&mut self, heard: Heard<'_>, buffer: &mut [u8]) -> Option<Answer> {
        let packet = DhcpPacket::new_unchecked(heard.datagram);
        let request = Request::parse(&packet)?;
        let (reply, leased) = self.reply(&request, heard)?;
        let network = Network {
            router: self.inside.address(),
            mask: Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(self.inside.prefix_len())).unwrap_or(0)),
            broadcast: self.inside.broadcast(),
            dns: heard.dns.unwrap_or_default(),
        };
        let len = reply.emit(&request, &network, buffer)?;
        Some(Answer { len, to: destination(&reply, &request, heard.from), leased })
    }

    fn reply(&mut self, request: &Request<'_>, heard: Heard<'_>) -> Option<(Reply, Option<Leased>)> {
        let Request { mac, asked, .. } = *request;
        let for_us = request.server.is_none_or(|server| server == self.inside.address());
        match request.kind {
            DhcpMessageType::Discover => {
                let address = self.leases.offer(mac, asked, heard.now)?;
                Some((Reply::Address(DhcpMessageType::Offer, address, self.seconds(heard)), None))
            }
            DhcpMessageType::Request if for_us => self.grant(request, heard),
            // The client has chosen the offer of another server.
            DhcpMessageType::Request => {
                self.leases.withdraw(mac, heard.now);
                None
            }
            DhcpMessageType::Decline if for_us => {
                self.leases.decline(mac, asked?, heard.now);
                None
            }
            DhcpMessageType::Release if for_us => {
                self.leases.release(mac, request.current?, heard.now);
                None
            }
            DhcpMessageType::Inform => Some((Reply::Network, None)),
            _ => None,
        }
    }

    fn grant(&mut self, request: &Request<'_>, heard: Heard<'_>) -> Option<(Reply, Option<Leased>)> {
        let (mac, seconds) = (request.mac, self.seconds(heard));
        let address = request.asked.or(request.current)?;
        Some(match self.leases.grant(mac, address, heard.now, seconds) {
            Some(grant) => {
                let leased = (grant == Grant::New).then_some(Leased { address, mac, seconds });
                (Reply::Address(DhcpMessageType::Ack, address, seconds), leased)
            }
            None => (Reply::Refusal, None),
        })
    }

    fn seconds(&self, heard: Heard<'_>) -> u32 {
        if heard.dns.is_some() { self.lease_seconds } else { self.lease_seconds.min(SHORT_LEASE_SECONDS) }
    }
}

/// Where the answer goes (RFC 2131 section 4.1): to all, unless the client has its address already.
///
/// It must also have sent from there, so that its hardware address is known: to ask for that of whatever address a stranger
/// claims would hold up the answers to all others.
fn destination(reply: &Reply, request: &Request<'_>, from: Ipv4Addr) -> Ipv4Addr {
    match (reply, request.current) {
        (Reply::Address(..) | Reply::Network, Some(current)) if current == from => current,
        _ => Ipv4Addr::BROADCAST,
    }
}
