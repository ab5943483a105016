//! Two parsers that have nothing of the engine's: etherparse and smoltcp.

use core::net::SocketAddrV4;

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, Ipv4Header, Ipv4HeaderSlice, SlicedPacket};
use smoltcp::wire::{Icmpv4Packet, Ipv4Packet, TcpPacket, UdpPacket};

/// One end of a packet for each way to look at it, as far as the packet shows them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) protocol: IpNumber,
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
    /// Whether ports, or an identifier, are to be seen.
    pub(crate) shown: bool,
}

/// The payload of a datagram that both parsers take for IPv4.
pub(crate) fn check_ipv4(datagram: &[u8]) -> &[u8] {
    let packet = Ipv4Packet::new_checked(datagram).expect("smoltcp takes it for IPv4");
    let (header, rest) = Ipv4Header::from_slice(datagram).expect("etherparse takes it for IPv4");
    // etherparse forgets the reserved bit of the flags, so the bytes themselves are summed.
    assert_eq!(
        Sum16BitWords::new()
            .add_slice(&datagram[..header.header_len()])
            .ones_complement(),
        0,
        "header checksum"
    );
    assert_eq!(
        usize::from(packet.total_len()),
        datagram.len(),
        "the verdict's length is the datagram's"
    );
    rest
}

/// Checks that both parsers take the whole of a datagram, as far as TCP and UDP go: of ICMP,
/// etherparse wants more than a router needs to know.
pub(crate) fn check_whole(datagram: &[u8]) {
    check_ipv4(datagram);
    assert!(
        is_whole(datagram),
        "smoltcp and etherparse take the transport: {datagram:02x?}"
    );
}

/// Whether both parsers take the TCP or UDP of a datagram. There is nothing to say of fragments and
/// other protocols.
pub(crate) fn is_whole(datagram: &[u8]) -> bool {
    let packet = Ipv4Packet::new_unchecked(datagram);
    if packet.more_frags() || packet.frag_offset() != 0 {
        return true;
    }
    let payload = packet.payload();
    let smoltcp = match IpNumber(packet.next_header().into()) {
        IpNumber::TCP => TcpPacket::new_checked(payload).is_ok(),
        IpNumber::UDP => UdpPacket::new_checked(payload).is_ok(),
        _ => return true,
    };
    smoltcp && SlicedPacket::from_ip(datagram).is_ok()
}

/// Whether the transport checksum holds. `None` where there is none to check.
pub(crate) fn transport_holds(datagram: &[u8]) -> Option<bool> {
    transport_residue(datagram).map(|residue| residue == 0)
}

/// What is left of the sum over the transport's header and payload: 0 if its checksum is right.
/// `None` where there is no checksum to check. etherparse sums it: under a fuzzer smoltcp takes any
/// checksum for right.
pub(crate) fn transport_residue(datagram: &[u8]) -> Option<u16> {
    let packet = Ipv4Packet::new_checked(datagram).ok()?;
    if packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    let (protocol, payload) = (IpNumber(packet.next_header().into()), packet.payload());
    let addresses = Sum16BitWords::new()
        .add_4bytes(packet.src_addr().octets())
        .add_4bytes(packet.dst_addr().octets());
    let pseudo = |len: usize| {
        addresses
            .add_2bytes([0, protocol.0])
            .add_2bytes((len as u16).to_be_bytes())
    };
    let sum = match protocol {
        IpNumber::ICMP => {
            Icmpv4Packet::new_checked(payload).ok()?;
            Sum16BitWords::new().add_slice(payload)
        }
        IpNumber::TCP => {
            TcpPacket::new_checked(payload).ok()?;
            pseudo(payload.len()).add_slice(payload)
        }
        IpNumber::UDP => {
            let udp = UdpPacket::new_checked(payload)
                .ok()
                .filter(|udp| udp.checksum() != 0)?;
            // What is behind the datagram's own length is not summed (RFC 768).
            pseudo(udp.len().into()).add_slice(&payload[..udp.len().into()])
        }
        _ => return None,
    };
    Some(sum.ones_complement())
}

pub(crate) fn fragment_offset(datagram: &[u8]) -> usize {
    usize::from(Ipv4Packet::new_unchecked(datagram).frag_offset())
}

/// What etherparse sees of the ends of a packet, or of the start of one.
pub(crate) fn ends(bytes: &[u8]) -> Option<Ends> {
    let header = Ipv4HeaderSlice::from_slice(bytes).ok()?;
    let transport = bytes.get(header.slice().len()..)?;
    let word = |at: usize| {
        Some(u16::from_be_bytes(
            transport.get(at..at + 2)?.try_into().ok()?,
        ))
    };
    let protocol = header.protocol();
    let ports = match protocol {
        _ if header.fragments_offset().value() != 0 => None,
        IpNumber::TCP | IpNumber::UDP => word(0).zip(word(2)),
        // The identifier is at the end of the one that asked.
        IpNumber::ICMP if matches!(transport.first(), Some(8 | 13)) => word(4).map(|id| (id, 0)),
        IpNumber::ICMP if matches!(transport.first(), Some(0 | 14)) => word(4).map(|id| (0, id)),
        _ => None,
    };
    let (source_port, destination_port) = ports.unwrap_or_default();
    Some(Ends {
        protocol,
        source: SocketAddrV4::new(header.source_addr(), source_port),
        destination: SocketAddrV4::new(header.destination_addr(), destination_port),
        shown: ports.is_some(),
    })
}

/// The packet that an ICMP error quotes, and where it starts.
pub(crate) fn quote(datagram: &[u8]) -> Option<(usize, &[u8])> {
    let header = Ipv4HeaderSlice::from_slice(datagram).ok()?;
    let start = header.slice().len();
    let is_error = header.protocol() == IpNumber::ICMP
        && header.fragments_offset().value() == 0
        && matches!(datagram.get(start)?, 3 | 4 | 5 | 11 | 12);
    let quote = datagram.get(start + 8..)?;
    // RFC 4884: the length of the quote in words, if extensions follow: a structure of version 2.
    // Else the word is unused, as it is if the ports do not fit into the length.
    let stated_len = 4 * usize::from(*datagram.get(start + 5)?);
    let least = 4 * usize::from(quote.first()? & 15).max(5) + 8;
    let len = if stated_len >= least && quote.get(stated_len) == Some(&0x20) {
        stated_len
    } else {
        quote.len()
    };
    is_error.then_some((start + 8, &quote[..len]))
}

pub(crate) fn is_atomic(datagram: &[u8]) -> bool {
    let packet = Ipv4Packet::new_unchecked(datagram);
    packet.dont_frag() && !packet.more_frags() && packet.frag_offset() == 0
}
