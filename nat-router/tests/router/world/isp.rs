//! The provider outside: leases the router an address, and answers what is sent to its echo port.

use core::cell::{Cell, RefCell};
use core::net::Ipv4Addr;

use edge_dhcp::{DhcpOption, MessageType, Options, Packet};

use super::ROUTER_MACS;
use super::wire::{End, Udp, arp_answer};

pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x03];
pub const ECHO_PORT: u16 = 7;

/// What makes an answer of a query.
pub type Resolver = fn(&Udp) -> Udp;

/// What the provider leases.
#[derive(Clone)]
pub struct Offer {
    pub address: Ipv4Addr,
    pub gateway: Ipv4Addr,
    pub dns: Vec<Ipv4Addr>,
}

/// A station that has an address.
#[derive(Clone, Copy)]
pub struct Neighbour {
    pub mac: [u8; 6],
    pub address: Ipv4Addr,
}

pub struct Isp {
    pub wire: End,
    pub mask: Cell<Ipv4Addr>,
    pub mtu: Cell<Option<u16>>,
    /// Another station on the wire.
    pub neighbour: Cell<Option<Neighbour>>,
    pub declined: Cell<Option<Ipv4Addr>>,
    pub released: Cell<Option<Ipv4Addr>>,
    /// `None` while it leases nothing.
    pub offer: RefCell<Option<Offer>>,
    /// Whether it takes its offers back when they are asked for.
    pub refuses: Cell<bool>,
    /// How often it was looked for.
    pub discovers: Cell<u32>,
    /// Where the last datagram for the echo port came from.
    pub asked_by: Cell<Option<(Ipv4Addr, u16)>>,
    /// What answers queries to its DNS server, if it has one.
    pub resolver: Cell<Option<Resolver>>,
    /// How many queries were answered.
    pub resolved: Cell<u32>,
}

impl Isp {
    pub fn new(wire: End) -> Self {
        let (offer, refuses) = (RefCell::new(None), Cell::new(false));
        Self {
            wire,
            mask: Cell::new(Ipv4Addr::new(255, 255, 255, 0)),
            mtu: Cell::new(None),
            neighbour: Cell::new(None),
            declined: Cell::new(None),
            released: Cell::new(None),
            offer,
            refuses,
            discovers: Cell::new(0),
            asked_by: Cell::new(None),
            resolver: Cell::new(None),
            resolved: Cell::new(0),
        }
    }

    /// Leases this address from now on, with these DNS servers.
    pub fn lease(&self, last: u8, dns: &[[u8; 4]]) -> Ipv4Addr {
        let address = Ipv4Addr::new(198, 51, 100, last);
        let dns = dns.iter().copied().map(Ipv4Addr::from).collect();
        *self.offer.borrow_mut() = Some(Offer {
            address,
            gateway: GATEWAY,
            dns,
        });
        address
    }

    pub async fn run(&self) {
        loop {
            let frame = self.wire.receive().await;
            let gateway = self
                .offer
                .borrow()
                .as_ref()
                .map_or(GATEWAY, |offer| offer.gateway);
            let neighbour = self
                .neighbour
                .get()
                .and_then(|station| arp_answer(&frame, station.mac, station.address));
            let answer = neighbour
                .or_else(|| arp_answer(&frame, MAC, gateway))
                .or_else(|| self.answer(gateway, Udp::read(&frame)?));
            if let Some(answer) = answer {
                self.wire.send(&answer).await;
            }
        }
    }

    fn answer(&self, gateway: Ipv4Addr, udp: Udp) -> Option<Vec<u8>> {
        match udp.to.1 {
            67 => {
                let payload = self.answer_dhcp(gateway, &udp.payload)?;
                let to = (Ipv4Addr::BROADCAST, 68);
                Some(
                    Udp {
                        macs: (MAC, ROUTER_MACS[1]),
                        from: (gateway, 67),
                        to,
                        payload,
                    }
                    .frame(),
                )
            }
            ECHO_PORT => {
                self.asked_by.set(Some(udp.from));
                Some(
                    Udp {
                        macs: (MAC, udp.macs.0),
                        from: udp.to,
                        to: udp.from,
                        payload: udp.payload,
                    }
                    .frame(),
                )
            }
            53 => {
                let answer = self.resolver.get()?(&udp);
                self.resolved.set(self.resolved.get() + 1);
                Some(answer.frame())
            }
            _ => None,
        }
    }

    fn answer_dhcp(&self, gateway: Ipv4Addr, request: &[u8]) -> Option<Vec<u8>> {
        let offer = self.offer.borrow().clone()?;
        let request = Packet::decode(request).ok()?;
        self.note(&request);
        let kind = request.options.iter().find_map(|option| match option {
            DhcpOption::MessageType(MessageType::Discover) => Some(MessageType::Offer),
            DhcpOption::MessageType(MessageType::Request) if self.refuses.get() => {
                Some(MessageType::Nak)
            }
            DhcpOption::MessageType(MessageType::Request) => Some(MessageType::Ack),
            _ => None,
        })?;
        self.discovers
            .set(self.discovers.get() + u32::from(kind == MessageType::Offer));
        let dns: Vec<u8> = offer
            .dns
            .iter()
            .flat_map(|address| address.octets())
            .collect();
        let mut options = vec![
            DhcpOption::MessageType(kind),
            DhcpOption::ServerIdentifier(gateway),
            DhcpOption::IpAddressLeaseTime(600),
            DhcpOption::SubnetMask(self.mask.get()),
            DhcpOption::Unrecognized(3, &[]),
        ];
        let router = gateway.octets();
        options[4] = DhcpOption::Unrecognized(3, &router);
        if !dns.is_empty() {
            options.push(DhcpOption::Unrecognized(6, &dns));
        }
        let mtu = self.mtu.get().map(u16::to_be_bytes);
        options.extend(mtu.iter().map(|mtu| DhcpOption::Unrecognized(26, mtu)));
        let reply = request.new_reply(Some(offer.address), Options::new(&options));
        Some(reply.encode(&mut [0; 600]).ok()?.to_vec())
    }

    fn note(&self, request: &Packet<'_>) {
        let address = request.options.iter().find_map(|option| match option {
            DhcpOption::RequestedIpAddress(address) => Some(address),
            _ => None,
        });
        for option in request.options.iter() {
            match option {
                DhcpOption::MessageType(MessageType::Decline) => self.declined.set(address),
                DhcpOption::MessageType(MessageType::Release) => {
                    self.released.set(Some(request.ciaddr));
                }
                _ => {}
            }
        }
    }
}
