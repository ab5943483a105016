//! The checker: reads forwarded packets with etherparse, which shares no code with the engine, and
//! compares them with what should have left.

use core::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result, ensure};
use etherparse::checksum::Sum16BitWords;
use etherparse::{Icmpv4Slice, IpNumber, Ipv4Slice, SlicedPacket, TransportSlice};

/// The endpoints and the payload of a packet whose checksums are all correct.
pub(super) struct Seen<'p> {
    /// The port of an ICMP query is its identifier. Without TCP, UDP or an ICMP query it is 0.
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
    pub(super) payload: &'p [u8],
}

/// Reads a packet.
///
/// # Errors
///
/// It is not IPv4, is truncated, or has a wrong checksum.
pub(super) fn read(packet: &[u8]) -> Result<Seen<'_>> {
    let sliced = SlicedPacket::from_ip(packet)?;
    let ipv4 = sliced
        .net
        .as_ref()
        .and_then(|net| net.ipv4_ref())
        .context("no IPv4 packet")?;
    check_checksums(ipv4)?;
    let (source_port, destination_port, payload) = match &sliced.transport {
        Some(TransportSlice::Udp(udp)) => {
            (udp.source_port(), udp.destination_port(), udp.payload())
        }
        Some(TransportSlice::Tcp(tcp)) => {
            (tcp.source_port(), tcp.destination_port(), tcp.payload())
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            let (source, destination) = icmp_identifiers(icmp);
            (source, destination, icmp.payload())
        }
        _ => (0, 0, ipv4.payload().payload),
    };
    let header = ipv4.header();
    Ok(Seen {
        source: SocketAddrV4::new(Ipv4Addr::from(header.source()), source_port),
        destination: SocketAddrV4::new(Ipv4Addr::from(header.destination()), destination_port),
        payload,
    })
}

/// The identifier of an echo request belongs to its source, that of a reply to its destination.
fn icmp_identifiers(icmp: &Icmpv4Slice<'_>) -> (u16, u16) {
    let identifier = icmp
        .slice()
        .get(4..6)
        .map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    match icmp.type_u8() {
        8 => (identifier, 0),
        0 => (0, identifier),
        _ => (0, 0),
    }
}

fn check_checksums(ipv4: &Ipv4Slice<'_>) -> Result<()> {
    let header = ipv4.header();
    let header_sum = Sum16BitWords::new().add_slice(header.slice());
    ensure!(
        header_sum.ones_complement() == 0,
        "the header checksum is wrong"
    );
    let addresses = (header.source(), header.destination());
    let body = ipv4.payload();
    ensure!(
        transport_sum(addresses, body.ip_number, body.payload) == 0,
        "the transport checksum is wrong"
    );
    Ok(())
}

/// 0 if the checksum of the TCP, UDP or ICMP header is correct.
fn transport_sum(
    (source, destination): ([u8; 4], [u8; 4]),
    protocol: IpNumber,
    body: &[u8],
) -> u16 {
    let mut sum = Sum16BitWords::new().add_slice(body);
    match protocol {
        IpNumber::ICMP => sum.ones_complement(),
        IpNumber::TCP | IpNumber::UDP => {
            let sum = sum
                .add_4bytes(source)
                .add_4bytes(destination)
                .add_2bytes([0, protocol.0]);
            sum.add_2bytes((body.len() as u16).to_be_bytes())
                .ones_complement()
        }
        _ => 0,
    }
}

/// Compares a packet with what should have left.
///
/// # Errors
///
/// The packet differs.
pub(super) fn expect(
    packet: &[u8],
    ends: (SocketAddrV4, SocketAddrV4),
    payload: &[u8],
) -> Result<()> {
    let seen = read(packet)?;
    ensure!(
        (seen.source, seen.destination) == ends,
        "from {} to {}, not {ends:?}",
        seen.source,
        seen.destination
    );
    ensure!(seen.payload == payload, "the payload is not what was sent");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::packet;
    use super::*;

    const A: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 2), 4000);
    const B: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 53);

    #[test]
    fn one_changed_byte_anywhere_is_found() {
        let mut bytes = Vec::new();
        for build in [packet::udp, packet::echo] {
            build(&mut bytes, A, SocketAddrV4::new(*B.ip(), 0), b"payload!")
                .expect("it can be built");
            expect(&bytes, (A, SocketAddrV4::new(*B.ip(), 0)), b"payload!")
                .expect("it is as it was built");
            for index in 0..bytes.len() {
                bytes[index] ^= 1;
                assert!(
                    expect(&bytes, (A, SocketAddrV4::new(*B.ip(), 0)), b"payload!").is_err(),
                    "byte {index}"
                );
                bytes[index] ^= 1;
            }
        }
    }

    #[test]
    fn another_port_with_the_right_checksum_is_found() {
        let (mut bytes, other) = (Vec::new(), SocketAddrV4::new(*A.ip(), 4001));
        packet::udp(&mut bytes, other, B, b"").expect("it can be built");
        assert!(expect(&bytes, (A, B), b"").is_err());
    }
}
