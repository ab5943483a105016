//! Frames and datagrams, built and checked by etherparse.

use core::net::Ipv4Addr;

use etherparse::{
    ArpEthIpv4Packet, ArpHardwareId, ArpOperation, ArpPacket, EtherType, Ethernet2Header,
    Icmpv4Header, Ipv4Header, NetSlice, PacketBuilder, SlicedPacket, TcpHeader, TransportSlice,
    UdpHeader,
};

pub type Mac = [u8; 6];

pub const BROADCAST: Mac = [0xff; 6];

/// A UDP datagram. Change what differs: `Udp { dst_port: 80, ..UDP }`.
#[derive(Clone)]
pub struct Udp {
    pub src: Ipv4Addr,
    pub src_port: u16,
    pub dst: Ipv4Addr,
    pub dst_port: u16,
    pub payload: Vec<u8>,
}

impl Udp {
    pub fn build(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(self.src.octets(), self.dst.octets(), 64)
            .udp(self.src_port, self.dst_port)
            .write(&mut bytes, &self.payload)
            .expect("a datagram that fits");
        bytes
    }
}

pub fn echo_request(src: Ipv4Addr, dst: Ipv4Addr, payload_len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(src.octets(), dst.octets(), 64)
        .icmpv4_echo_request(7, 1)
        .write(&mut bytes, &vec![0x5a; payload_len])
        .expect("a datagram that fits");
    bytes
}

pub fn echo_reply(src: Ipv4Addr, dst: Ipv4Addr, payload_len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(src.octets(), dst.octets(), 64)
        .icmpv4_echo_reply(7, 1)
        .write(&mut bytes, &vec![0x5a; payload_len])
        .expect("a datagram that fits");
    bytes
}

pub fn ethernet(destination: Mac, source: Mac, ethertype: EtherType, body: &[u8]) -> Vec<u8> {
    let mut frame = Ethernet2Header {
        destination,
        source,
        ether_type: ethertype,
    }
    .to_bytes()
    .to_vec();
    frame.extend_from_slice(body);
    frame
}

pub fn ipv4_frame(destination: Mac, source: Mac, datagram: &[u8]) -> Vec<u8> {
    ethernet(destination, source, EtherType::IPV4, datagram)
}

/// One who speaks ARP.
pub type Station = (Mac, Ipv4Addr);

pub fn arp(operation: ArpOperation, sender: Station, target: Station) -> Vec<u8> {
    let (sender_ip, target_ip) = (sender.1.octets(), target.1.octets());
    ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        operation,
        &sender.0,
        &sender_ip,
        &target.0,
        &target_ip,
    )
    .expect("lengths agree")
    .to_bytes()
    .to_vec()
}

pub fn arp_request(sender: Station, target: Ipv4Addr) -> Vec<u8> {
    ethernet(
        BROADCAST,
        sender.0,
        EtherType::ARP,
        &arp(ArpOperation::REQUEST, sender, ([0; 6], target)),
    )
}

pub fn arp_reply(sender: Station, target: Station) -> Vec<u8> {
    ethernet(
        target.0,
        sender.0,
        EtherType::ARP,
        &arp(ArpOperation::REPLY, sender, target),
    )
}

/// The ARP packet in a frame.
pub fn as_arp(frame: &[u8]) -> Option<ArpEthIpv4Packet> {
    match SlicedPacket::from_ethernet(frame).ok()?.net? {
        NetSlice::Arp(arp) => arp.to_packet().try_eth_ipv4().ok(),
        _ => None,
    }
}

/// The datagram in an IPv4 frame.
pub fn datagram_of(frame: &[u8]) -> &[u8] {
    &frame[Ethernet2Header::LEN..]
}

pub fn ethertype_of(frame: &[u8]) -> EtherType {
    Ethernet2Header::from_slice(frame)
        .expect("a link header")
        .0
        .ether_type
}

pub fn source_mac(frame: &[u8]) -> Mac {
    Ethernet2Header::from_slice(frame)
        .expect("a link header")
        .0
        .source
}

/// The IPv4 header of a datagram.
pub fn header_of(datagram: &[u8]) -> Ipv4Header {
    Ipv4Header::from_slice(datagram).expect("an IPv4 header").0
}

/// A datagram with another IPv4 header of the same length, and its right checksum.
pub fn set_header(datagram: &mut [u8], change: impl FnOnce(&mut Ipv4Header)) {
    let mut header = header_of(datagram);
    change(&mut header);
    header.header_checksum = header.calc_header_checksum();
    datagram[..header.header_len()].copy_from_slice(&header.to_bytes());
}

/// What an IPv4 datagram carries.
pub fn payload_of(datagram: &[u8]) -> &[u8] {
    &datagram[header_of(datagram).header_len()..]
}

/// The ICMP header of an IPv4 frame.
pub fn icmp_of(frame: &[u8]) -> Icmpv4Header {
    Icmpv4Header::from_slice(payload_of(datagram_of(frame)))
        .expect("an ICMP header")
        .0
}

/// Type and code of the ICMP message in an IPv4 frame.
pub fn icmp_kind(frame: &[u8]) -> (u8, u8) {
    let icmp = icmp_of(frame).to_bytes();
    (icmp[0], icmp[1])
}

/// The UDP header of a datagram.
pub fn udp_of(datagram: &[u8]) -> UdpHeader {
    UdpHeader::from_slice(payload_of(datagram))
        .expect("a UDP header")
        .0
}

/// What an IPv4 packet says, after all its checksums were recomputed and found right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    /// Ports of UDP and TCP; nothing for ICMP.
    pub ports: Option<(u16, u16)>,
    pub payload: Vec<u8>,
}

#[track_caller]
pub fn check_datagram(datagram: &[u8]) -> Seen {
    let packet = SlicedPacket::from_ip(datagram).expect("a sound packet");
    let Some(NetSlice::Ipv4(ip)) = &packet.net else {
        panic!("not IPv4: {packet:?}");
    };
    let header = ip.header().to_header();
    assert_eq!(
        header.header_checksum,
        header.calc_header_checksum(),
        "IPv4 header checksum"
    );
    let (ports, payload) = match packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            let sum = udp
                .to_header()
                .calc_checksum_ipv4(&header, udp.payload())
                .expect("fits");
            assert_eq!(udp.checksum(), sum, "UDP checksum");
            (
                Some((udp.source_port(), udp.destination_port())),
                udp.payload().to_vec(),
            )
        }
        Some(TransportSlice::Tcp(tcp)) => {
            let sum = tcp
                .to_header()
                .calc_checksum_ipv4(&header, tcp.payload())
                .expect("fits");
            assert_eq!(tcp.checksum(), sum, "TCP checksum");
            (
                Some((tcp.source_port(), tcp.destination_port())),
                tcp.payload().to_vec(),
            )
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            assert_eq!(
                icmp.checksum(),
                icmp.icmp_type().calc_checksum(icmp.payload()),
                "ICMP checksum"
            );
            (None, icmp.payload().to_vec())
        }
        _ => (None, Vec::new()),
    };
    Seen {
        src: header.source.into(),
        dst: header.destination.into(),
        ports,
        payload,
    }
}

/// The link header and the checked datagram of an IPv4 frame.
#[track_caller]
pub fn check_frame(frame: &[u8]) -> (Ethernet2Header, Seen) {
    let (header, datagram) = Ethernet2Header::from_slice(frame).expect("a link header");
    assert_eq!(header.ether_type, EtherType::IPV4);
    (header, check_datagram(datagram))
}

/// A TCP segment without data. `change` sets its flags.
pub fn tcp(
    (src, src_port): (Ipv4Addr, u16),
    (dst, dst_port): (Ipv4Addr, u16),
    change: impl FnOnce(&mut TcpHeader),
) -> Vec<u8> {
    let mut header = TcpHeader::new(src_port, dst_port, 1000, 8192);
    change(&mut header);
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(src.octets(), dst.octets(), 64)
        .tcp_header(header)
        .write(&mut bytes, &[])
        .expect("a segment that fits");
    bytes
}

/// The fragments of a datagram, each with at most `len` bytes of payload, a multiple of 8.
pub fn fragments(datagram: &[u8], len: usize) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = datagram[20..].chunks(len).collect();
    let build = |(i, piece): (usize, &&[u8])| {
        let mut header = Ipv4Header::from_slice(datagram).expect("a header").0;
        header.dont_fragment = false;
        header.identification = 77;
        header.fragment_offset = ((i * len / 8) as u16)
            .try_into()
            .expect("within a datagram");
        header.more_fragments = i + 1 < pieces.len();
        header.set_payload_len(piece.len()).expect("fits");
        header.header_checksum = header.calc_header_checksum();
        let mut bytes = Vec::new();
        header.write(&mut bytes).expect("fits");
        bytes.extend_from_slice(piece);
        bytes
    };
    pieces.iter().enumerate().map(build).collect()
}

/// What an IPv4 packet that may be a fragment says of its source, or an ARP packet of its sender.
#[track_caller]
pub fn source_of(frame: &[u8]) -> Ipv4Addr {
    match as_arp(frame) {
        Some(arp) => arp.sender_ipv4_addr(),
        None => {
            let (_, datagram) = Ethernet2Header::from_slice(frame).expect("a link header");
            let header = Ipv4Header::from_slice(datagram).expect("IPv4").0;
            assert_eq!(
                header.header_checksum,
                header.calc_header_checksum(),
                "IPv4 header checksum"
            );
            header.source.into()
        }
    }
}
