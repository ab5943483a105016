//! Packets, with parsers and checksums that are not the engine's.

use core::net::{Ipv4Addr, SocketAddrV4};

use nat_core::{SessionProtocol, Side};

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IP_HEADER: usize = 20;
const PORT_UNREACHABLE: [u8; 2] = [3, 3];
const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// A datagram in memory of its own.
#[derive(Clone)]
pub(crate) struct Packet {
    memory: [u8; 160],
    len: usize,
}

/// The numbers of a TCP segment, and how much data it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: u32,
    pub(crate) data: usize,
}

/// Which part of a datagram of 32 bytes a fragment has.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Part {
    First,
    Last,
}

/// The headers of a packet, as far as a session is recognised by them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Headers {
    pub(crate) protocol: SessionProtocol,
    /// Of an ICMP query from inside, the port is its identifier; of its reply, zero. Later fragments
    /// and ICMP errors have zeros.
    pub(crate) source: SocketAddrV4,
    pub(crate) destination: SocketAddrV4,
    pub(crate) ttl: u8,
    pub(crate) identification: u16,
    pub(crate) is_later_fragment: bool,
    pub(crate) is_first_fragment: bool,
    pub(crate) is_error: bool,
    /// Whether it is a SYN without an acknowledgment.
    pub(crate) is_syn: bool,
}

impl Packet {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.len]
    }

    pub(crate) fn udp(source: SocketAddrV4, destination: SocketAddrV4, data: &[u8]) -> Self {
        let len = (8 + data.len()) as u16;
        let ports = [source.port(), destination.port(), len, 0].map(u16::to_be_bytes);
        let mut packet = Self::ip(UDP, *source.ip(), *destination.ip());
        packet.push(ports.as_flattened());
        packet.push(data);
        packet.with_checksums(6)
    }

    pub(crate) fn tcp(source: SocketAddrV4, destination: SocketAddrV4, segment: Segment) -> Self {
        let mut packet = Self::ip(TCP, *source.ip(), *destination.ip());
        packet.push(&source.port().to_be_bytes());
        packet.push(&destination.port().to_be_bytes());
        packet.push(&segment.sequence.to_be_bytes());
        let acknowledgment = match segment.flags & ACK {
            0 => 0,
            _ => segment.acknowledgment,
        };
        packet.push(&acknowledgment.to_be_bytes());
        packet.push(&[0x50, segment.flags, 0x10, 0, 0, 0, 0, 0]);
        packet.push(&[b'd'; 16][..segment.data]);
        packet.with_checksums(16)
    }

    /// An echo request from side `from`, or a reply, with the identifier of the end inside.
    pub(crate) fn echo(source: SocketAddrV4, destination: SocketAddrV4, from: Side) -> Self {
        let (kind, identifier) = match from {
            Side::Inside => (ECHO_REQUEST, source.port()),
            Side::Outside => (ECHO_REPLY, destination.port()),
        };
        let mut packet = Self::ip(ICMP, *source.ip(), *destination.ip());
        packet.push(&[kind, 0, 0, 0]);
        packet.push(&identifier.to_be_bytes());
        packet.push(&[0, 1]);
        packet.with_checksums(2)
    }

    /// "Port unreachable" about a packet that `reporter` has got: the error goes back to its source.
    pub(crate) fn error_about(reporter: Ipv4Addr, quoted: &Self) -> Self {
        let source = Headers::of(quoted.bytes(), Side::Inside).map(|headers| *headers.source.ip());
        let mut packet = Self::ip(ICMP, reporter, source.unwrap_or(Ipv4Addr::UNSPECIFIED));
        packet.push(&PORT_UNREACHABLE);
        packet.push(&[0; 6]);
        packet.push(quoted.bytes());
        packet.with_checksums(2)
    }

    /// A fragment of a UDP datagram of 32 bytes.
    pub(crate) fn fragment(
        source: SocketAddrV4,
        destination: SocketAddrV4,
        part: Part,
        identification: u16,
    ) -> Self {
        let whole = Self::udp(source, destination, &[b'f'; 24]);
        let body = &whole.bytes()[IP_HEADER..];
        let (body, flags) = match part {
            Part::First => (&body[..16], 0x2000_u16),
            Part::Last => (&body[16..], 0x0002),
        };
        let mut packet = Self::ip(UDP, *source.ip(), *destination.ip());
        packet.memory[4..6].copy_from_slice(&identification.to_be_bytes());
        packet.memory[6..8].copy_from_slice(&flags.to_be_bytes());
        packet.push(body);
        packet.with_header_checksum()
    }

    fn ip(protocol: u8, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        let mut packet = Self {
            memory: [0; 160],
            len: 0,
        };
        packet.push(&[0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0]);
        packet.push(&source.octets());
        packet.push(&destination.octets());
        packet
    }

    fn push(&mut self, bytes: &[u8]) {
        self.memory[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// The packet with its transport checksum at `offset` in its body, and that of its header.
    fn with_checksums(mut self, offset: usize) -> Self {
        let sum = !transport_sum(self.bytes());
        let field = IP_HEADER + offset;
        self.memory[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        self.with_header_checksum()
    }

    fn with_header_checksum(mut self) -> Self {
        let len = self.len as u16;
        self.memory[2..4].copy_from_slice(&len.to_be_bytes());
        let sum = !folded(sum_of(&self.memory[..IP_HEADER]));
        self.memory[10..12].copy_from_slice(&sum.to_be_bytes());
        self
    }
}

impl Headers {
    /// The headers of a packet from side `from`.
    pub(crate) fn of(packet: &[u8], from: Side) -> Option<Self> {
        let protocol = match *packet.get(9)? {
            ICMP => SessionProtocol::Icmp,
            TCP => SessionProtocol::Tcp,
            UDP => SessionProtocol::Udp,
            _ => return None,
        };
        let is_icmp = protocol == SessionProtocol::Icmp;
        let is_error = is_icmp && packet.get(IP_HEADER) == PORT_UNREACHABLE.first();
        let fragment = word(packet, 6)?;
        let is_later_fragment = fragment & 0x1fff != 0;
        let [source_port, destination_port] = match from {
            _ if is_later_fragment || is_error => [0, 0],
            Side::Inside if is_icmp => [word(packet, 24)?, 0],
            Side::Outside if is_icmp => [0, word(packet, 24)?],
            _ => [word(packet, 20)?, word(packet, 22)?],
        };
        Some(Self {
            protocol,
            source: SocketAddrV4::new(address(packet, 12)?, source_port),
            destination: SocketAddrV4::new(address(packet, 16)?, destination_port),
            ttl: *packet.get(8)?,
            identification: word(packet, 4)?,
            is_later_fragment,
            is_first_fragment: !is_later_fragment && fragment & 0x2000 != 0,
            is_error,
            is_syn: protocol == SessionProtocol::Tcp
                && packet.get(33)? & (SYN | ACK | RST | FIN) == SYN,
        })
    }

    /// Whether it is a packet that may begin a session.
    pub(crate) fn may_open(&self) -> bool {
        let query = self.protocol != SessionProtocol::Tcp && !self.is_error;
        !self.is_later_fragment && (query || self.is_syn)
    }
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    let bytes = packet.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_be_bytes(bytes))
}

fn address(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets))
}

/// The packet that an ICMP error quotes.
pub(crate) fn quote(packet: &[u8]) -> &[u8] {
    &packet[IP_HEADER + 8..]
}

/// Whether all checksums of a packet hold; of a fragment, that of its header.
pub(crate) fn checksums_hold(packet: &[u8]) -> bool {
    let fragment = packet[6] & 0x3f != 0 || packet[7] != 0;
    folded(sum_of(&packet[..IP_HEADER])) == 0xffff && (fragment || transport_sum(packet) == 0xffff)
}

/// The sum over the body, and over the pseudo header where the protocol has one.
fn transport_sum(packet: &[u8]) -> u16 {
    let body = &packet[IP_HEADER..];
    let pseudo_header = match packet[9] {
        ICMP => 0,
        protocol => sum_of(&packet[12..20]) + u32::from(protocol) + body.len() as u32,
    };
    folded(pseudo_header + sum_of(body))
}

fn sum_of(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2);
    words
        .map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low)))
        .sum()
}

fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}
