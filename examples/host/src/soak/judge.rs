//! What left, read by etherparse, and compared with what should have left.

use core::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result, ensure};
use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, SlicedPacket, TransportSlice};

/// The ends and the payload of a packet whose checksums are all right.
pub(super) struct Seen<'p> {
    /// For an ICMP query the port is its identifier; for what is neither that nor TCP nor UDP it
    /// is 0.
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
    pub(super) payload: &'p [u8],
}

/// Reads a packet.
///
/// # Errors
///
/// It is no IPv4 packet, is cut short, or a checksum is wrong.
pub(super) fn read(packet: &[u8]) -> Result<Seen<'_>> {
    let sliced = SlicedPacket::from_ip(packet)?;
    let ipv4 = sliced
        .net
        .as_ref()
        .and_then(|net| net.ipv4_ref())
        .context("no IPv4 packet")?;
    let header = ipv4.header();
    ensure!(
        Sum16BitWords::new()
            .add_slice(header.slice())
            .ones_complement()
            == 0,
        "a wrong header checksum"
    );
    let body = ipv4.payload().payload;
    let (addresses, protocol) = (
        (header.source(), header.destination()),
        ipv4.payload().ip_number,
    );
    ensure!(
        transport_sum(addresses, protocol, body) == 0,
        "a wrong transport checksum"
    );
    let (source, destination, payload) = match &sliced.transport {
        Some(TransportSlice::Udp(udp)) => {
            (udp.source_port(), udp.destination_port(), udp.payload())
        }
        Some(TransportSlice::Tcp(tcp)) => {
            (tcp.source_port(), tcp.destination_port(), tcp.payload())
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            let identifier = icmp
                .slice()
                .get(4..6)
                .map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
            match icmp.type_u8() {
                8 => (identifier, 0, icmp.payload()),
                0 => (0, identifier, icmp.payload()),
                _ => (0, 0, icmp.payload()),
            }
        }
        _ => (0, 0, body),
    };
    Ok(Seen {
        source: SocketAddrV4::new(Ipv4Addr::from(addresses.0), source),
        destination: SocketAddrV4::new(Ipv4Addr::from(addresses.1), destination),
        payload,
    })
}

/// 0 if the checksum of the transport's header is right.
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

/// Holds what left against what should have.
///
/// # Errors
///
/// What differs.
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
    ensure!(
        seen.payload == payload,
        "another payload than what was sent"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::packet;
    use super::*;

    const A: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 2), 4000);
    const B: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 53);

    #[test]
    fn one_changed_byte_anywhere_is_noticed() {
        let mut bytes = Vec::new();
        for build in [packet::udp, packet::echo] {
            build(&mut bytes, A, SocketAddrV4::new(*B.ip(), 0), b"payload!")
                .expect("it can be built");
            expect(&bytes, (A, SocketAddrV4::new(*B.ip(), 0)), b"payload!")
                .expect("it is as it was built");
            for place in 0..bytes.len() {
                bytes[place] ^= 1;
                assert!(
                    expect(&bytes, (A, SocketAddrV4::new(*B.ip(), 0)), b"payload!").is_err(),
                    "byte {place}"
                );
                bytes[place] ^= 1;
            }
        }
    }

    #[test]
    fn another_port_with_the_right_checksum_is_noticed() {
        let (mut bytes, other) = (Vec::new(), SocketAddrV4::new(*A.ip(), 4001));
        packet::udp(&mut bytes, other, B, b"").expect("it can be built");
        assert!(expect(&bytes, (A, B), b"").is_err());
    }
}
