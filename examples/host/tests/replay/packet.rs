//! Packets built and judged by etherparse.

use core::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{Ipv4Header, NetSlice, PacketBuilder, SlicedPacket, TcpOptionElement, TransportSlice, icmpv4};

pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 10);
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
pub(crate) const ROUTER_INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
pub(crate) const EXTERNAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);

pub(crate) fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

pub(crate) fn udp(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    udp_with_ttl(from, to, 64)
}

pub(crate) fn udp_with_ttl(from: SocketAddrV4, to: SocketAddrV4, ttl: u8) -> Vec<u8> {
    udp_with(from, to, ttl, b"payload")
}

/// A datagram that must not be fragmented, as all that etherparse builds.
pub(crate) fn udp_with(from: SocketAddrV4, to: SocketAddrV4, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), ttl).udp(from.port(), to.port());
    builder.write(&mut packet, payload).unwrap();
    packet
}

pub(crate) fn syn(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
    builder.tcp(from.port(), to.port(), 1000, 65535).syn().write(&mut packet, &[]).unwrap();
    packet
}

pub(crate) fn syn_with_mss(from: SocketAddrV4, to: SocketAddrV4, mss: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
    let builder = builder.tcp(from.port(), to.port(), 1000, 65535).syn();
    let builder = builder.options(&[TcpOptionElement::MaximumSegmentSize(mss)]).unwrap();
    builder.write(&mut packet, &[]).unwrap();
    packet
}

/// The MSS that a SYN asks for.
#[track_caller]
pub(crate) fn mss(packet: &[u8]) -> u16 {
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("not TCP: {packet:02x?}") };
    match tcp.options_iterator().next() {
        Some(Ok(TcpOptionElement::MaximumSegmentSize(mss))) => mss,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn syn_ack(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
    builder.tcp(from.port(), to.port(), 2000, 65535).syn().ack(1001).write(&mut packet, &[]).unwrap();
    packet
}

pub(crate) fn ack(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
    builder.tcp(from.port(), to.port(), 1001, 65535).ack(2001).write(&mut packet, &[]).unwrap();
    packet
}

/// What matters of a packet that left, after every checksum was recomputed.
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
    TimeExceeded,
}

#[track_caller]
pub(crate) fn seen(packet: &[u8]) -> Seen {
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else { panic!("not IPv4: {packet:02x?}") };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum(), "header checksum");
    assert_eq!(usize::from(header.total_len), packet.len(), "total length");
    let (ports, kind) = transport(&header, sliced.transport.as_ref().expect("a transport header"));
    let (source, destination) = (header.source.into(), header.destination.into());
    Seen { from: at(source, ports.0), to: at(destination, ports.1), ttl: header.time_to_live, kind }
}

#[track_caller]
fn transport(ip: &Ipv4Header, transport: &TransportSlice<'_>) -> ((u16, u16), Kind) {
    match transport {
        TransportSlice::Udp(udp) => {
            let computed = udp.to_header().calc_checksum_ipv4(ip, udp.payload()).unwrap();
            assert_eq!(udp.checksum(), computed, "UDP checksum");
            ((udp.source_port(), udp.destination_port()), Kind::Udp)
        }
        TransportSlice::Tcp(tcp) => {
            let computed = tcp.to_header().calc_checksum_ipv4(ip, tcp.payload()).unwrap();
            assert_eq!(tcp.checksum(), computed, "TCP checksum");
            let kind = match (tcp.rst(), tcp.syn()) {
                (true, _) => Kind::Reset,
                (false, true) => Kind::Syn,
                (false, false) => Kind::Ack,
            };
            ((tcp.source_port(), tcp.destination_port()), kind)
        }
        TransportSlice::Icmpv4(icmp) => {
            assert_eq!(icmp.checksum(), icmp.icmp_type().calc_checksum(icmp.payload()), "ICMP checksum");
            assert_eq!(icmp.type_u8(), icmpv4::TYPE_TIME_EXCEEDED);
            ((0, 0), Kind::TimeExceeded)
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
