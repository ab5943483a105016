//! Builds the packets of the soak with etherparse.

use core::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Result, anyhow};
use etherparse::{IpFragOffset, Ipv4Header, PacketBuilder, PacketBuilderStep, TcpHeader};

use nat_core::Side;

const TTL: u8 = 64;

/// An endpoint outside.
pub(super) fn any_remote(random: &mut fastrand::Rng) -> SocketAddrV4 {
    SocketAddrV4::new(
        Ipv4Addr::new(203, 0, 113, random.u8(100..200)),
        random.u16(1..),
    )
}

pub(super) fn any_side(random: &mut fastrand::Rng) -> Side {
    if random.bool() {
        Side::Inside
    } else {
        Side::Outside
    }
}

fn ipv4(
    source: SocketAddrV4,
    destination: SocketAddrV4,
) -> PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ipv4(source.ip().octets(), destination.ip().octets(), TTL)
}

/// A UDP datagram.
pub(super) fn udp(
    to: &mut Vec<u8>,
    source: SocketAddrV4,
    destination: SocketAddrV4,
    payload: &[u8],
) -> Result<()> {
    to.clear();
    Ok(ipv4(source, destination)
        .udp(source.port(), destination.port())
        .write(to, payload)?)
}

/// An ICMP echo request or reply; the identifier is the port of its sender or receiver.
pub(super) fn echo(
    to: &mut Vec<u8>,
    source: SocketAddrV4,
    destination: SocketAddrV4,
    payload: &[u8],
) -> Result<()> {
    to.clear();
    let builder = ipv4(source, destination);
    match source.port() {
        0 => builder
            .icmpv4_echo_reply(destination.port(), 1)
            .write(to, payload)?,
        identifier => builder
            .icmpv4_echo_request(identifier, 1)
            .write(to, payload)?,
    }
    Ok(())
}

/// Flags and numbers of a TCP segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) sequence: u32,
    pub(super) acknowledgment: Option<u32>,
}

impl Segment {
    pub(super) fn syn(sequence: u32) -> Self {
        Self {
            syn: true,
            sequence,
            ..Self::default()
        }
    }

    /// The answer to a SYN with the sequence number `peer`.
    pub(super) fn syn_ack(sequence: u32, peer: u32) -> Self {
        Self {
            acknowledgment: Some(peer.wrapping_add(1)),
            ..Self::syn(sequence)
        }
    }
}

/// A TCP segment.
pub(super) fn tcp(
    to: &mut Vec<u8>,
    source: SocketAddrV4,
    destination: SocketAddrV4,
    segment: Segment,
    payload: &[u8],
) -> Result<()> {
    to.clear();
    let mut header = TcpHeader::new(source.port(), destination.port(), segment.sequence, 0xffff);
    (header.syn, header.fin, header.rst) = (segment.syn, segment.fin, segment.rst);
    header.ack = segment.acknowledgment.is_some();
    header.acknowledgment_number = segment.acknowledgment.unwrap_or(0);
    Ok(ipv4(source, destination)
        .tcp_header(header)
        .write(to, payload)?)
}

/// An ICMP "port unreachable" from `source` about `quoted`.
pub(super) fn unreachable(
    to: &mut Vec<u8>,
    source: SocketAddrV4,
    destination: SocketAddrV4,
    quoted: &[u8],
) -> Result<()> {
    to.clear();
    let quoted = quoted.get(..quoted.len().min(60)).unwrap_or_default();
    Ok(ipv4(source, destination)
        .icmpv4_raw(3, 3, [0; 4])
        .write(to, quoted)?)
}

/// Fragment `number` of the UDP datagram `whole`: 8 bytes of its payload, or all the rest if it is
/// the last.
pub(super) fn fragment(
    to: &mut Vec<u8>,
    whole: &[u8],
    number: usize,
    last: bool,
    identification: u16,
) -> Result<()> {
    const LEN: usize = 8;
    let (mut header, body) = Ipv4Header::from_slice(whole)?;
    let rest = body
        .get(number * LEN..)
        .ok_or_else(|| anyhow!("no fragment {number}"))?;
    let piece = if last {
        rest
    } else {
        rest.get(..LEN).unwrap_or(rest)
    };
    header.identification = identification;
    (header.more_fragments, header.dont_fragment) = (!last, false);
    header.fragment_offset = IpFragOffset::try_new(number as u16)?;
    header.set_payload_len(piece.len())?;
    header.header_checksum = header.calc_header_checksum();
    to.clear();
    header.write(to)?;
    to.extend_from_slice(piece);
    Ok(())
}
