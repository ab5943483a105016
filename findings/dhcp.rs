//! smoltcp's DHCP client, and what a server on its wire answers.

#![allow(dead_code, reason = "no finding needs all of it")]

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::dhcpv4;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetProtocol, IpCidr, IpProtocol, Ipv4Address, Ipv4Cidr, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

use crate::wire::{OWN, Wire};

pub const SUBNET_MASK: [u8; 6] = [1, 4, 255, 255, 255, 0];
pub const ROUTER: [u8; 6] = [3, 4, 198, 51, 100, 1];
pub const TWO_ROUTERS: [u8; 10] = [3, 8, 198, 51, 100, 1, 198, 51, 100, 2];
pub const LEASE_OF_AN_HOUR: [u8; 6] = [51, 4, 0, 0, 14, 16];
const SERVER: Ipv4Address = Ipv4Address::new(198, 51, 100, 1);
const LEASED: Ipv4Address = Ipv4Address::new(198, 51, 100, 9);
const TO_ALL: Ipv4Address = Ipv4Address::new(255, 255, 255, 255);

/// A message of the client.
pub struct Message {
    pub kind: DhcpMessageType,
    transaction: u32,
}

/// What the client has been given.
pub struct Lease {
    address: Ipv4Cidr,
    router: Option<Ipv4Address>,
}

pub struct Client {
    interface: Interface,
    wire: Wire,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    pub now: Instant,
    pub lease: Option<Lease>,
}

impl Client {
    pub fn new() -> Self {
        let (now, mut wire, mut sockets) = (Instant::from_secs(1000), Wire::default(), SocketSet::new(Vec::new()));
        let interface = Interface::new(Config::new(OWN.into()), &mut wire, now);
        let socket = sockets.add(dhcpv4::Socket::new());
        Self { interface, wire, sockets, socket, now, lease: None }
    }

    pub fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Polls the interface, and takes over what the client is told. Returns what it sent.
    pub fn poll(&mut self) -> Vec<Message> {
        self.interface.poll(self.now, &mut self.wire, &mut self.sockets);
        match self.sockets.get_mut::<dhcpv4::Socket>(self.socket).poll() {
            Some(dhcpv4::Event::Configured(config)) => {
                self.interface.update_ip_addrs(|addresses| {
                    addresses.clear();
                    addresses.push(IpCidr::Ipv4(config.address)).expect("room");
                });
                self.lease = Some(Lease { address: config.address, router: config.router });
            }
            Some(dhcpv4::Event::Deconfigured) => {
                self.interface.update_ip_addrs(|addresses| addresses.clear());
                self.lease = None;
            }
            None => {}
        }
        self.wire.sent().iter().map(|packet| message(packet)).collect()
    }

    pub fn describe_lease(&self) -> String {
        match &self.lease {
            Some(Lease { address, router: Some(router) }) => format!("{address}, router {router}"),
            Some(Lease { address, router: None }) => format!("{address}, no router"),
            None => "no lease".to_string(),
        }
    }

    /// Lets the server answer. `file` is the beginning of the field of that name.
    pub fn answer(&mut self, message: &Message, kind: DhcpMessageType, options: &[u8], file: &[u8]) {
        let mut answer = vec![0; 240];
        answer[..4].copy_from_slice(&[2, 1, 6, 0]);
        answer[4..8].copy_from_slice(&message.transaction.to_be_bytes());
        if kind != DhcpMessageType::Nak {
            answer[16..20].copy_from_slice(&LEASED.octets());
        }
        answer[28..34].copy_from_slice(OWN.as_bytes());
        answer[108..108 + file.len()].copy_from_slice(file);
        answer[236..240].copy_from_slice(&[99, 130, 83, 99]);
        answer.extend([53, 1, kind.into(), 54, 4]);
        answer.extend(SERVER.octets());
        answer.extend(options);
        answer.push(255);
        self.wire.arrive(EthernetProtocol::Ipv4, &datagram(&answer));
    }

    /// Answers every DISCOVER with an OFFER and every REQUEST with an ACK, both with `options` and `file`, until there is a
    /// lease or 40 s have gone.
    pub fn obtain(&mut self, options: &[u8], file: &[u8]) {
        for _ in 0..40 {
            for message in self.poll() {
                let kind = match message.kind {
                    DhcpMessageType::Discover => DhcpMessageType::Offer,
                    _ => DhcpMessageType::Ack,
                };
                self.answer(&message, kind, options, file);
            }
            if self.lease.is_some() {
                return;
            }
            self.wait(1);
        }
    }
}

fn message(packet: &[u8]) -> Message {
    let datagram = UdpPacket::new_checked(Ipv4Packet::new_checked(packet).expect("IPv4").payload()).expect("UDP").payload();
    let packet = DhcpPacket::new_checked(datagram).expect("DHCP");
    let message = DhcpRepr::parse(&packet).expect("DHCP");
    Message { kind: message.message_type, transaction: message.transaction_id }
}

/// A datagram of the server to all.
fn datagram(payload: &[u8]) -> Vec<u8> {
    let udp = UdpRepr { src_port: 67, dst_port: 68 };
    let ip = Ipv4Repr {
        src_addr: SERVER,
        dst_addr: TO_ALL,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + payload.len(),
        hop_limit: 64,
    };
    let sums = ChecksumCapabilities::default();
    let mut bytes = vec![0; ip.buffer_len() + ip.payload_len];
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut bytes[..]), &sums);
    let mut rest = UdpPacket::new_unchecked(&mut bytes[ip.buffer_len()..]);
    let write = |buffer: &mut [u8]| buffer.copy_from_slice(payload);
    udp.emit(&mut rest, &SERVER.into(), &TO_ALL.into(), payload.len(), write, &sums);
    bytes
}
