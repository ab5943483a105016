//! Two parsers that have nothing of the engine's: etherparse and smoltcp.

use core::net::SocketAddrV4;

use etherparse::{IpNumber, Ipv4Header, Ipv4HeaderSlice};
use smoltcp::wire::{Icmpv4Packet, Ipv4Packet, TcpPacket, UdpPacket};

/// One end of a packet for each way to look at it, as far as the packet shows them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) protocol: IpNumber,
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
    /// Whether ports, or an identifier, are to be seen.
    pub(super) shown: bool,
}

/// The payload of a datagram that both parsers take for IPv4.
pub(super) fn check_ipv4(datagram: &[u8]) -> &[u8] {
    let packet = Ipv4Packet::new_checked(datagram).expect("smoltcp takes it for IPv4");
    assert!(packet.verify_checksum(), "header checksum, says smoltcp");
    let (header, rest) = Ipv4Header::from_slice(datagram).expect("etherparse takes it for IPv4");
    assert_eq!(header.header_checksum, header_checksum(datagram, header.header_len()), "header checksum");
    assert_eq!(usize::from(packet.total_len()), datagram.len(), "the verdict's length is the datagram's");
    rest
}

/// etherparse forgets the reserved bit of the flags, so the bytes themselves are summed.
fn header_checksum(datagram: &[u8], len: usize) -> u16 {
    let sum = etherparse::checksum::Sum16BitWords::new();
    sum.add_slice(&datagram[..10]).add_slice(&datagram[12..len]).ones_complement().to_be()
}

/// Whether the transport checksum holds, says smoltcp; `None` where there is none to hold.
pub(super) fn transport_holds(datagram: &[u8]) -> Option<bool> {
    let packet = Ipv4Packet::new_checked(datagram).ok()?;
    if packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    let (source, destination) = (packet.src_addr().into(), packet.dst_addr().into());
    let payload = packet.payload();
    match IpNumber(packet.next_header().into()) {
        IpNumber::ICMP => Some(Icmpv4Packet::new_checked(payload).ok()?.verify_checksum()),
        IpNumber::TCP => Some(TcpPacket::new_checked(payload).ok()?.verify_checksum(&source, &destination)),
        IpNumber::UDP => {
            let udp = UdpPacket::new_checked(payload).ok()?;
            (udp.checksum() != 0).then(|| udp.verify_checksum(&source, &destination))
        }
        _ => None,
    }
}

pub(super) fn fragment_offset(datagram: &[u8]) -> usize {
    usize::from(Ipv4Packet::new_unchecked(datagram).frag_offset())
}

/// What etherparse sees of the ends of a packet, or of the start of one.
pub(super) fn ends(bytes: &[u8]) -> Option<Ends> {
    let header = Ipv4HeaderSlice::from_slice(bytes).ok()?;
    let transport = bytes.get(header.slice().len()..)?;
    let word = |at: usize| Some(u16::from_be_bytes(transport.get(at..at + 2)?.try_into().ok()?));
    let protocol = header.protocol();
    let ports = match protocol {
        _ if header.fragments_offset().value() != 0 => None,
        IpNumber::TCP | IpNumber::UDP => word(0).zip(word(2)),
        // The identifier stands at the end of the one who asked.
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
pub(super) fn quote(datagram: &[u8]) -> Option<(usize, &[u8])> {
    let header = Ipv4HeaderSlice::from_slice(datagram).ok()?;
    let start = header.slice().len();
    let is_error = header.protocol() == IpNumber::ICMP
        && header.fragments_offset().value() == 0
        && matches!(datagram.get(start)?, 3 | 4 | 5 | 11 | 12);
    let quote = datagram.get(start + 8..)?;
    // RFC 4884: the length of the quote in words, if extensions follow.
    let words = usize::from(*datagram.get(start + 5)?);
    let len = if words == 0 { quote.len() } else { quote.len().min(4 * words) };
    is_error.then_some((start + 8, &quote[..len]))
}

pub(super) fn is_atomic(datagram: &[u8]) -> bool {
    let packet = Ipv4Packet::new_unchecked(datagram);
    packet.dont_frag() && !packet.more_frags() && packet.frag_offset() == 0
}
