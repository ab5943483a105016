//! ARP packets (RFC 826) for IPv4 over Ethernet.

use core::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ethernet::{EtherType, Mac};

const ETHERNET: u16 = 1;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// The operation of an ARP packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operation {
    Reply,
    Request,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub(crate) struct Packet {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    pub(crate) sender_mac: Mac,
    sender: [u8; 4],
    target_mac: Mac,
    target: [u8; 4],
}

impl Packet {
    /// Reads the packet at the start of `bytes`; padding may follow. `None` if it is not for IPv4
    /// over Ethernet, or neither a request nor a reply.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, Operation)> {
        let (packet, _padding) = Self::read_from_prefix(bytes).ok()?;
        let operation = match packet.operation.get() {
            REPLY => Operation::Reply,
            REQUEST => Operation::Request,
            _ => return None,
        };
        let is_ipv4_over_ethernet = packet.hardware_type.get() == ETHERNET
            && packet.protocol_type.get() == EtherType::IPV4
            && packet.hardware_len == 6
            && packet.protocol_len == 4;
        is_ipv4_over_ethernet.then_some((packet, operation))
    }

    /// A request for the hardware address of `target`. If `target` is the sender's own address, it
    /// is an announcement (RFC 5227 section 2.3).
    pub(crate) fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self::new(REQUEST, (sender_mac, sender), (Mac::ZERO, target))
    }

    /// The reply to the request `self`: `mac` has the address asked for.
    pub(crate) fn answer(&self, mac: Mac) -> Self {
        Self::new(
            REPLY,
            (mac, self.target()),
            (self.sender_mac, self.sender()),
        )
    }

    /// A reply to `target`: `sender` has this hardware address.
    pub(crate) fn reply(sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Self {
        Self::new(REPLY, sender, target)
    }

    pub(crate) const fn sender(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.sender)
    }

    pub(crate) const fn target(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.target)
    }

    fn new(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Self {
        Self {
            hardware_type: U16::new(ETHERNET),
            protocol_type: U16::new(EtherType::IPV4),
            hardware_len: 6,
            protocol_len: 4,
            operation: U16::new(operation),
            sender_mac: sender.0,
            sender: sender.1.octets(),
            target_mac: target.0,
            target: target.1.octets(),
        }
    }
}
