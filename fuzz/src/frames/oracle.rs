//! What every frame that leaves must satisfy, read with etherparse and smoltcp.

use core::net::Ipv4Addr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{ArpOperation, EtherType, Ethernet2Header};
use nat_core::Side;
use smoltcp::wire::{IpProtocol, Ipv4Packet};

use super::stations::OTHER_ADDRESS;
use super::world::frames::{Mac, as_arp};
use super::world::{ROUTER_LAN, ROUTER_WAN, World, cidr};
use crate::reference;

pub(super) struct Oracle {
    /// Whether drivers carry bare IP, inside and outside.
    bare: [bool; 2],
    /// What was wrong with the datagrams that came in. The router does not repair them.
    faults: Vec<Fault>,
    /// Frames of the router's own stacks that go as they are: all inside, and ARP outside.
    pub(super) own: Vec<(Side, Vec<u8>)>,
    /// Datagrams that left outside, the latest last.
    left: Vec<Vec<u8>>,
}

impl Oracle {
    pub(super) fn new(lan_is_bare: bool, wan_is_bare: bool) -> Self {
        Self {
            bare: [lan_is_bare, wan_is_bare],
            faults: Vec::new(),
            own: Vec::new(),
            left: Vec::new(),
        }
    }

    /// One of the datagrams that left outside lately.
    pub(super) fn left(&self, index: u8) -> Option<&[u8]> {
        let index = usize::from(index).checked_rem(self.left.len())?;
        Some(&self.left[self.left.len() - 1 - index])
    }

    /// Remembers what is wrong with a frame that the router is given, by a driver or by a stack.
    pub(super) fn note(&mut self, frame: &[u8]) {
        // A datagram without a link header, with one, and behind a priority tag.
        for start in [0, 14, 18] {
            self.faults
                .extend(frame.get(start..).and_then(Fault::of_buffer));
        }
    }

    /// Checks what was sent on both sides since the last time, and says of what kind it was.
    pub(super) fn take_sent(&mut self, world: &World) -> Vec<String> {
        let inside = world
            .lan
            .take_sent()
            .into_iter()
            .map(|frame| (Side::Inside, frame));
        let outside = world
            .wan
            .take_sent()
            .into_iter()
            .map(|frame| (Side::Outside, frame));
        inside
            .chain(outside)
            .map(|(side, frame)| self.frame(side, &frame))
            .collect()
    }

    fn frame(&mut self, side: Side, frame: &[u8]) -> String {
        let (bare, router, name) = match side {
            Side::Inside => (self.bare[0], ROUTER_LAN, "inside"),
            Side::Outside => (self.bare[1], ROUTER_WAN, "outside"),
        };
        if self.own.iter().any(|(of, own)| *of == side && own == frame) {
            return format!("{name} own");
        }
        let datagram = if bare {
            Some(frame)
        } else {
            payload(side, frame, router.0)
        };
        let Some(datagram) = datagram else {
            return format!("{name} arp");
        };
        let protocol = self.datagram(side, datagram);
        format!("{name} {protocol}")
    }

    fn datagram(&mut self, side: Side, datagram: &[u8]) -> &'static str {
        let packet = Ipv4Packet::new_checked(datagram).expect("smoltcp takes it for IPv4");
        // smoltcp takes any checksum for right under a fuzzer.
        let header = &datagram[..usize::from(packet.header_len())];
        assert_eq!(
            Sum16BitWords::new().add_slice(header).ones_complement(),
            0,
            "header checksum: {datagram:02x?}"
        );
        let datagram = &datagram[..usize::from(packet.total_len())];
        match Fault::of(datagram) {
            Some(fault) => assert!(
                self.faults.contains(&fault),
                "{fault:?}, which no frame had that came in: {datagram:02x?}"
            ),
            None => reference::check_whole(datagram),
        }
        if side == Side::Outside {
            check_leaves(datagram);
            self.left.push(datagram.to_vec());
            if self.left.len() > 8 {
                self.left.remove(0);
            }
        }
        match packet.next_header().into() {
            1_u8 => "icmp",
            6 => "tcp",
            17 => "udp",
            _ => "other",
        }
    }
}

/// What can be wrong with the transport of a datagram that is no fragment. The same is wrong with it
/// after the translation, which changes checksums by differences (RFC 1624) and no length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// The residue of a wrong checksum.
    Checksum(u16),
    /// A length that does not fit the payload, which has so many bytes.
    Length(IpProtocol, usize),
}

impl Fault {
    /// The fault of the datagram at the start of a buffer, if that has one, and a fault.
    fn of_buffer(buffer: &[u8]) -> Option<Self> {
        let packet = Ipv4Packet::new_checked(buffer).ok()?;
        Self::of(&buffer[..usize::from(packet.total_len())])
    }

    fn of(datagram: &[u8]) -> Option<Self> {
        let packet = Ipv4Packet::new_checked(datagram).ok()?;
        if !reference::is_whole(datagram) {
            return Some(Self::Length(packet.next_header(), packet.payload().len()));
        }
        reference::transport_residue(datagram)
            .filter(|residue| *residue != 0)
            .map(Self::Checksum)
    }
}

/// The datagram of a frame with a sound link header; `None` of ARP, which is checked here.
fn payload(side: Side, frame: &[u8], router: Mac) -> Option<&[u8]> {
    let (header, payload) = Ethernet2Header::from_slice(frame).expect("a link header");
    assert_eq!(
        header.source, router,
        "frames are from the router's station"
    );
    assert_ne!(header.destination, router, "the router sends to itself");
    if header.ether_type == EtherType::IPV4 {
        return Some(payload);
    }
    assert_eq!(
        header.ether_type,
        EtherType::ARP,
        "neither IPv4 nor ARP leaves"
    );
    let arp = as_arp(frame).expect("etherparse takes it for ARP");
    if side == Side::Outside {
        // An answer repeats the address that the asker says it has.
        let asked = (arp.operation == ArpOperation::REQUEST).then(|| arp.target_ipv4_addr());
        for address in [Some(arp.sender_ipv4_addr()), asked].into_iter().flatten() {
            assert!(
                !is_inside(address),
                "{address} is visible outside: {frame:02x?}"
            );
        }
    }
    None
}

/// No frame that leaves outside contains inside addresses.
fn check_leaves(datagram: &[u8]) {
    let address = |at: usize| {
        Ipv4Addr::new(
            datagram[at],
            datagram[at + 1],
            datagram[at + 2],
            datagram[at + 3],
        )
    };
    let (source, destination) = (address(12), address(16));
    let dhcp = is_dhcp_client(datagram);
    let own = [ROUTER_WAN.1, OTHER_ADDRESS].contains(&source);
    assert!(
        own || dhcp && source.is_unspecified(),
        "{source} leaves: {datagram:02x?}"
    );
    // A DHCP server outside may have an address of the inside network (RFC 4787 REQ-7).
    assert!(
        dhcp || !is_inside(destination),
        "to {destination} outside: {datagram:02x?}"
    );
    if let Some(quote) = crate::bytes::quote(datagram) {
        for index in [12, 16] {
            let quoted = Ipv4Addr::new(
                quote[index],
                quote[index + 1],
                quote[index + 2],
                quote[index + 3],
            );
            assert!(
                !is_inside(quoted),
                "{quoted} is quoted outside: {datagram:02x?}"
            );
        }
    }
}

/// Whether the router's DHCP client has sent this (RFC 2131 section 4.1), be the length in its UDP
/// header right or not.
fn is_dhcp_client(datagram: &[u8]) -> bool {
    let ip = Ipv4Packet::new_checked(datagram).expect("smoltcp takes it for IPv4");
    let ports = ip.payload().get(..4);
    ip.next_header() == IpProtocol::Udp && ip.frag_offset() == 0 && ports == Some(&[0, 68, 0, 67])
}

fn is_inside(address: Ipv4Addr) -> bool {
    cidr(ROUTER_LAN.1).contains(address)
}

#[cfg(test)]
mod tests {
    use super::super::world::frames::Udp;
    use super::*;

    /// A datagram whose UDP checksum is wrong by `difference`.
    fn corrupted(difference: u8) -> Vec<u8> {
        let mut datagram = Udp {
            src: OTHER_ADDRESS,
            src_port: 5000,
            dst: Ipv4Addr::new(198, 51, 100, 1),
            dst_port: 53,
            payload: vec![1; 8],
        }
        .build();
        *datagram.last_mut().expect("a payload") += difference;
        datagram
    }

    #[test]
    fn a_wrong_checksum_that_came_in_may_leave() {
        let mut oracle = Oracle::new(true, true);
        oracle.note(&corrupted(1));
        assert_eq!(oracle.frame(Side::Outside, &corrupted(1)), "outside udp");
        assert_eq!(oracle.frame(Side::Outside, &corrupted(0)), "outside udp");
    }

    #[test]
    #[should_panic(expected = "which no frame had that came in")]
    fn after_a_corrupted_frame_the_checksums_of_others_are_still_checked() {
        let mut oracle = Oracle::new(true, true);
        oracle.note(&corrupted(1));
        oracle.frame(Side::Outside, &corrupted(2));
    }
}
