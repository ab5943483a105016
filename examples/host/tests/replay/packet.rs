//! Packets built and checked with etherparse.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::ops::RangeFrom;

use etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded;
use etherparse::{
    Icmpv4Type, IpFragOffset, IpHeaders, Ipv4Header, NetSlice, PacketBuilder, PacketBuilderStep,
    SlicedPacket, TcpHeader, TcpOptionElement, TransportSlice,
};

use crate::run::Record;

pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 10);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 11);
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
pub(crate) const ROUTER_INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
pub(crate) const EXTERNAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);

/// The byte of an IPv4 header with the flags, above the first bits of the fragment offset.
pub(crate) const IPV4_FLAGS: usize = 6;
/// What is behind an IPv4 header without options.
pub(crate) const IPV4_PAYLOAD: RangeFrom<usize> = 20..;

pub(crate) fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

pub(crate) fn udp(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    udp_with_ttl(from, to, 64)
}

pub(crate) fn udp_with_ttl(from: SocketAddrV4, to: SocketAddrV4, ttl: u8) -> Vec<u8> {
    udp_with(from, to, ttl, b"payload")
}

/// A datagram with DF, like all that etherparse builds.
pub(crate) fn udp_with(from: SocketAddrV4, to: SocketAddrV4, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder =
        PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), ttl).udp(from.port(), to.port());
    builder.write(&mut packet, payload).unwrap();
    packet
}

/// A datagram without DF.
pub(crate) fn fragmentable(
    from: SocketAddrV4,
    to: SocketAddrV4,
    id: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut ip = Ipv4Header {
        identification: id,
        dont_fragment: false,
        time_to_live: 64,
        ..Ipv4Header::default()
    };
    (ip.source, ip.destination) = (from.ip().octets(), to.ip().octets());
    let mut packet = Vec::new();
    let builder =
        PacketBuilder::ip(IpHeaders::Ipv4(ip, Default::default())).udp(from.port(), to.port());
    builder.write(&mut packet, payload).unwrap();
    packet
}

/// `packet` in fragments of `len` bytes of payload, which must be a multiple of 8.
pub(crate) fn fragments_of(packet: &[u8], len: usize) -> Vec<Vec<u8>> {
    let (whole, payload) = Ipv4Header::from_slice(packet).unwrap();
    let pieces: Vec<&[u8]> = payload.chunks(len).collect();
    let fragment = |(i, piece): (usize, &&[u8])| {
        let mut header = whole.clone();
        header.fragment_offset =
            IpFragOffset::try_new(u16::try_from(i * len / 8).unwrap()).unwrap();
        header.more_fragments = i + 1 < pieces.len();
        header.set_payload_len(piece.len()).unwrap();
        let mut packet = Vec::new();
        header.write(&mut packet).unwrap();
        packet.extend_from_slice(piece);
        packet
    };
    pieces.iter().enumerate().map(fragment).collect()
}

/// The offset of a fragment in its datagram.
#[track_caller]
pub(crate) fn offset(fragment: &[u8]) -> usize {
    let (header, _) = Ipv4Header::from_slice(fragment).unwrap();
    usize::from(header.fragment_offset.value()) * 8
}

/// Reassembles these fragments, in any order.
#[track_caller]
pub(crate) fn reassembled(fragments: &[Record]) -> Vec<u8> {
    let mut fragments: Vec<&[u8]> = fragments
        .iter()
        .map(|(_, fragment)| &fragment[..])
        .collect();
    fragments.sort_by_key(|fragment| offset(fragment));
    let (mut whole, mut payload) = (None, Vec::new());
    for (i, fragment) in fragments.iter().enumerate() {
        let (mut header, piece) = Ipv4Header::from_slice(fragment).unwrap();
        assert_eq!(
            header.header_checksum,
            header.calc_header_checksum(),
            "header checksum"
        );
        assert_eq!(
            usize::from(header.total_len),
            fragment.len(),
            "total length"
        );
        assert_eq!(offset(fragment), payload.len(), "a gap or an overlap");
        assert_eq!(
            header.more_fragments,
            i + 1 < fragments.len(),
            "more fragments"
        );
        payload.extend_from_slice(piece);
        (header.fragment_offset, header.more_fragments) = (IpFragOffset::ZERO, false);
        (header.total_len, header.header_checksum) = (0, 0);
        assert_eq!(
            *whole.get_or_insert_with(|| header.clone()),
            header,
            "of another datagram"
        );
    }
    let mut header = whole.expect("a fragment");
    header.set_payload_len(payload.len()).unwrap();
    let mut packet = Vec::new();
    header.write(&mut packet).unwrap();
    packet.extend(payload);
    packet
}

/// The payload of a UDP datagram.
#[track_caller]
pub(crate) fn payload(packet: &[u8]) -> Vec<u8> {
    let Some(TransportSlice::Udp(udp)) = SlicedPacket::from_ip(packet).unwrap().transport else {
        panic!("not UDP: {packet:02x?}")
    };
    udp.payload().to_vec()
}

pub(crate) fn syn(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
    builder
        .tcp(from.port(), to.port(), 1000, 65535)
        .syn()
        .write(&mut packet, &[])
        .unwrap();
    packet
}

pub(crate) fn syn_with_mss(from: SocketAddrV4, to: SocketAddrV4, mss: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
    let builder = builder.tcp(from.port(), to.port(), 1000, 65535).syn();
    let builder = builder
        .options(&[TcpOptionElement::MaximumSegmentSize(mss)])
        .unwrap();
    builder.write(&mut packet, &[]).unwrap();
    packet
}

/// The MSS of a SYN.
#[track_caller]
pub(crate) fn mss(packet: &[u8]) -> u16 {
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
        panic!("not TCP: {packet:02x?}")
    };
    match tcp.options_iterator().next() {
        Some(Ok(TcpOptionElement::MaximumSegmentSize(mss))) => mss,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn syn_ack(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
    builder
        .tcp(from.port(), to.port(), 2000, 65535)
        .syn()
        .ack(1001)
        .write(&mut packet, &[])
        .unwrap();
    packet
}

pub(crate) fn ack(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
    builder
        .tcp(from.port(), to.port(), 1001, 65535)
        .ack(2001)
        .write(&mut packet, &[])
        .unwrap();
    packet
}

/// A segment of an open connection, with the next sequence number of its side: 1001 of the host, 2001
/// of the peer.
fn next_segment(
    from: SocketAddrV4,
    to: SocketAddrV4,
    flag: fn(PacketBuilderStep<TcpHeader>) -> PacketBuilderStep<TcpHeader>,
) -> Vec<u8> {
    let inside = from.ip().octets()[0] == 192;
    let (seq, ack) = if inside { (1001, 2001) } else { (2001, 1001) };
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
    let mut packet = Vec::new();
    flag(builder.tcp(from.port(), to.port(), seq, 65535).ack(ack))
        .write(&mut packet, &[])
        .unwrap();
    packet
}

pub(crate) fn fin(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    next_segment(from, to, PacketBuilderStep::<TcpHeader>::fin)
}

pub(crate) fn rst(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    next_segment(from, to, PacketBuilderStep::<TcpHeader>::rst)
}

/// A ping; the identifier is the port of `from`.
pub(crate) fn ping(from: SocketAddrV4, to: Ipv4Addr) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.octets(), 64)
        .icmpv4_echo_request(from.port(), 1);
    builder.write(&mut packet, b"ping").unwrap();
    packet
}

/// Its answer; the identifier is the port of `to`.
pub(crate) fn pong(from: Ipv4Addr, to: SocketAddrV4) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder =
        PacketBuilder::ipv4(from.octets(), to.ip().octets(), 64).icmpv4_echo_reply(to.port(), 1);
    builder.write(&mut packet, b"ping").unwrap();
    packet
}

/// The fields of a packet that left, after its checksums have been checked.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) ttl: u8,
    pub(crate) kind: Kind,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Udp,
    Syn,
    Ack,
    Reset,
    /// The port of the sender of the query is its identifier.
    Ping,
    Pong,
    TimeExceeded,
    /// With its code.
    Unreachable(u8),
    /// With its MTU.
    FragmentationNeeded(u16),
}

#[track_caller]
pub(crate) fn seen(packet: &[u8]) -> Seen {
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else {
        panic!("not IPv4: {packet:02x?}")
    };
    let header = ip.header().to_header();
    assert_eq!(
        header.header_checksum,
        header.calc_header_checksum(),
        "header checksum"
    );
    assert_eq!(usize::from(header.total_len), packet.len(), "total length");
    let (ports, kind) = transport(
        &header,
        sliced.transport.as_ref().expect("a transport header"),
    );
    let (source, destination) = (header.source.into(), header.destination.into());
    Seen {
        from: at(source, ports.0),
        to: at(destination, ports.1),
        ttl: header.time_to_live,
        kind,
    }
}

#[track_caller]
fn transport(ip: &Ipv4Header, transport: &TransportSlice<'_>) -> ((u16, u16), Kind) {
    match transport {
        TransportSlice::Udp(udp) => {
            let computed = udp
                .to_header()
                .calc_checksum_ipv4(ip, udp.payload())
                .unwrap();
            assert_eq!(udp.checksum(), computed, "UDP checksum");
            ((udp.source_port(), udp.destination_port()), Kind::Udp)
        }
        TransportSlice::Tcp(tcp) => {
            let computed = tcp
                .to_header()
                .calc_checksum_ipv4(ip, tcp.payload())
                .unwrap();
            assert_eq!(tcp.checksum(), computed, "TCP checksum");
            let kind = match (tcp.rst(), tcp.syn()) {
                (true, _) => Kind::Reset,
                (false, true) => Kind::Syn,
                (false, false) => Kind::Ack,
            };
            ((tcp.source_port(), tcp.destination_port()), kind)
        }
        TransportSlice::Icmpv4(icmp) => {
            assert_eq!(
                icmp.checksum(),
                icmp.icmp_type().calc_checksum(icmp.payload()),
                "ICMP checksum"
            );
            let kind = match icmp.icmp_type() {
                Icmpv4Type::EchoRequest(echo) => return ((echo.id, 0), Kind::Ping),
                Icmpv4Type::EchoReply(echo) => return ((0, echo.id), Kind::Pong),
                Icmpv4Type::TimeExceeded(_) => Kind::TimeExceeded,
                Icmpv4Type::DestinationUnreachable(FragmentationNeeded { next_hop_mtu }) => {
                    Kind::FragmentationNeeded(next_hop_mtu)
                }
                Icmpv4Type::DestinationUnreachable(header) => Kind::Unreachable(header.code_u8()),
                other => panic!("{other:?}"),
            };
            ((0, 0), kind)
        }
        other => panic!("{other:?}"),
    }
}

/// The source and destination of the packet that an ICMP error quotes.
#[track_caller]
pub(crate) fn quoted(error: &[u8]) -> (Ipv4Addr, Ipv4Addr) {
    let (_, icmp) = Ipv4Header::from_slice(error).unwrap();
    let (header, _) = Ipv4Header::from_slice(icmp.get(8..).expect("a quote")).unwrap();
    (header.source.into(), header.destination.into())
}
