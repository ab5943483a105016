//! A DHCP client inside that sends the messages that a test gives it.

use core::net::Ipv4Addr;

use edge_dhcp::{DhcpOption, MessageType, Options, Packet};
use embassy_time::{Duration, with_timeout};

use super::wire::{BROADCAST, End, Udp, arp_answer};
use super::{ROUTER, ROUTER_MACS};

/// How long an answer can take: an address is probed for a second before it is offered.
const REPLY_TIMEOUT: Duration = Duration::from_millis(1500);

const NOWHERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// A client with this last byte in its hardware address.
#[derive(Clone, Copy)]
pub struct Client<'w> {
    pub wire: &'w End,
    pub mac: [u8; 6],
    /// The address that it uses.
    pub address: Option<Ipv4Addr>,
}

/// What a server said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Said {
    pub kind: Option<MessageType>,
    pub address: Option<Ipv4Addr>,
    pub server: Option<Ipv4Addr>,
    pub gateway: Vec<Ipv4Addr>,
    pub mask: Option<Ipv4Addr>,
    pub dns: Vec<Ipv4Addr>,
    pub seconds: Option<u32>,
    pub client_id: Option<Vec<u8>>,
    /// The broadcast address of the network.
    pub broadcast: Option<Vec<u8>>,
    /// The hardware and IP address that it was sent to.
    pub to: Option<([u8; 6], Ipv4Addr)>,
}

impl<'w> Client<'w> {
    pub fn new(wire: &'w End, last: u8) -> Self {
        Self {
            wire,
            mac: [0x02, 0, 0, 0, 0x10, last],
            address: None,
        }
    }

    pub async fn discover(&self) -> Option<Said> {
        self.ask(&[DhcpOption::MessageType(MessageType::Discover)])
            .await
    }

    /// Takes what it was offered.
    pub async fn select(&self, address: Ipv4Addr) -> Option<Said> {
        self.request(&[
            DhcpOption::RequestedIpAddress(address),
            DhcpOption::ServerIdentifier(ROUTER),
        ])
        .await
    }

    pub async fn request(&self, options: &[DhcpOption<'_>]) -> Option<Said> {
        let kind = [DhcpOption::MessageType(MessageType::Request)];
        self.ask(&[&kind, options].concat()).await
    }

    /// Gets an address as clients do.
    pub async fn obtain(&self) -> Option<Said> {
        let offer = self.discover().await?;
        assert_eq!(offer.kind, Some(MessageType::Offer));
        self.select(offer.address?).await
    }

    /// Says this, and returns the answer, if there is one.
    pub async fn ask(&self, options: &[DhcpOption<'_>]) -> Option<Said> {
        self.say(options).await;
        with_timeout(REPLY_TIMEOUT, self.hear()).await.ok()
    }

    pub async fn say(&self, options: &[DhcpOption<'_>]) {
        let packet = Packet::new_request(
            self.mac,
            0x1234_5678,
            0,
            self.address,
            false,
            Options::new(options),
        );
        let payload = packet.encode(&mut [0; 600]).expect("room").to_vec();
        self.send(payload).await;
    }

    /// Sends any bytes to the server.
    pub async fn send(&self, payload: Vec<u8>) {
        let (mac, to) = match self.address {
            Some(_) => (ROUTER_MACS[0], ROUTER),
            None => (BROADCAST, Ipv4Addr::BROADCAST),
        };
        let from = (self.address.unwrap_or(NOWHERE), 68);
        self.wire
            .send(
                &Udp {
                    macs: (self.mac, mac),
                    from,
                    to: (to, 67),
                    payload,
                }
                .frame(),
            )
            .await;
    }

    /// The next answer.
    async fn hear(&self) -> Said {
        loop {
            let frame = self.wire.receive().await;
            if let Some(answer) = self
                .address
                .and_then(|address| arp_answer(&frame, self.mac, address))
            {
                self.wire.send(&answer).await;
            }
            let Some(udp) =
                Udp::read(&frame).filter(|udp| udp.to.1 == 68 && udp.from == (ROUTER, 67))
            else {
                continue;
            };
            if let Some(said) = read(&udp, self.mac) {
                return said;
            }
        }
    }
}

fn read(udp: &Udp, mac: [u8; 6]) -> Option<Said> {
    let packet = Packet::decode(&udp.payload).expect("a sound message");
    assert!(packet.reply);
    if packet.chaddr[..6] != mac {
        return None;
    }
    let mut said = Said {
        to: Some((udp.macs.1, udp.to.0)),
        ..Said::default()
    };
    said.address = Some(packet.yiaddr).filter(|address| !address.is_unspecified());
    for option in packet.options.iter() {
        match option {
            DhcpOption::MessageType(kind) => said.kind = Some(kind),
            DhcpOption::ServerIdentifier(server) => said.server = Some(server),
            DhcpOption::Router(addresses) => said.gateway = addresses.iter().collect(),
            DhcpOption::SubnetMask(mask) => said.mask = Some(mask),
            DhcpOption::DomainNameServer(addresses) => said.dns = addresses.iter().collect(),
            DhcpOption::IpAddressLeaseTime(seconds) => said.seconds = Some(seconds),
            DhcpOption::Unrecognized(28, address) => said.broadcast = Some(address.to_vec()),
            DhcpOption::ClientIdentifier(id) => said.client_id = Some(id.to_vec()),
            _ => {}
        }
    }
    Some(said)
}
