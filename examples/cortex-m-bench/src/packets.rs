//! The packets: 64 sessions for each host, all to one server.

use core::net::Ipv4Addr;

use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Type, IpNumber, Ipv4Header, TcpHeader, UdpHeader,
};
use nat_core::Side;

/// The longest datagram.
pub const MAX_LEN: usize = 1500;

/// Memory of a frame with its Ethernet header, aligned as in drivers, so that the datagram starts at
/// an even address.
#[repr(align(4))]
pub struct Frame(pub [u8; FRAME_LEN]);

/// The length of an Ethernet header.
pub const HEADER_LEN: usize = 14;

/// The longest frame.
pub const FRAME_LEN: usize = HEADER_LEN + MAX_LEN;

impl Frame {
    pub const EMPTY: Self = Self([0; FRAME_LEN]);
}

pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const EXTERNAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const SERVICE: u16 = 443;

#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Protocol {
    Icmp,
    Tcp,
    Udp,
}

/// The kind of a TCP segment. Ignored for other protocols.
#[derive(Clone, Copy)]
pub enum Step {
    Syn,
    SynAck,
    Data,
}

/// Two endpoints, and the direction of a packet between them.
#[derive(Clone, Copy)]
pub struct Ends {
    source: (Ipv4Addr, u16),
    destination: (Ipv4Addr, u16),
    reply: bool,
}

impl Ends {
    /// From inside, for the session with this number.
    pub fn outbound(session: usize) -> Self {
        let host = Ipv4Addr::new(10, 0, 0, (session % 8) as u8 + 2);
        Self {
            source: (host, 20_000 + (session / 8) as u16),
            destination: (SERVER, SERVICE),
            reply: false,
        }
    }

    /// From inside, from a host that has none of these sessions.
    pub fn of_new_host(host: usize) -> Self {
        Self {
            source: (Ipv4Addr::new(10, 0, 0, host as u8 + 100), 20_000),
            ..Self::outbound(0)
        }
    }

    /// From the server, to the external port `port`.
    pub fn inbound(port: u16) -> Self {
        Self {
            source: (SERVER, SERVICE),
            destination: (EXTERNAL, port),
            reply: true,
        }
    }

    /// The side that the packet comes from.
    pub fn from(&self) -> Side {
        if self.reply {
            Side::Outside
        } else {
            Side::Inside
        }
    }
}

/// Writes a datagram of `len` bytes at least to the start of `buffer`, the bytes up to `len` after
/// its headers being data. Returns its length.
pub fn write(buffer: &mut [u8], protocol: Protocol, step: Step, ends: &Ends, len: usize) -> usize {
    let (source, destination) = (ends.source.0.octets(), ends.destination.0.octets());
    let number = match protocol {
        Protocol::Icmp => IpNumber::ICMP,
        Protocol::Tcp => IpNumber::TCP,
        Protocol::Udp => IpNumber::UDP,
    };
    let header_len = if protocol == Protocol::Tcp {
        TcpHeader::MIN_LEN
    } else {
        UdpHeader::LEN
    };
    let data_len = len.saturating_sub(Ipv4Header::MIN_LEN + header_len);
    let mut ip = Ipv4Header::new(
        (header_len + data_len) as u16,
        64,
        number,
        source,
        destination,
    )
    .expect("it fits");
    ip.header_checksum = ip.calc_header_checksum();
    let (head, rest) = buffer.split_at_mut(Ipv4Header::MIN_LEN);
    head.copy_from_slice(&ip.to_bytes());
    let (head, data) = rest.split_at_mut(header_len);
    let data = &mut data[..data_len];
    data.fill(7);
    match protocol {
        Protocol::Icmp => head.copy_from_slice(&icmp(ends, data).to_bytes()),
        Protocol::Tcp => head.copy_from_slice(&tcp(ends, step, &ip, data).to_bytes()),
        Protocol::Udp => {
            let (from, to) = (ends.source.1, ends.destination.1);
            let header = UdpHeader::with_ipv4_checksum(from, to, &ip, data).expect("it fits");
            head.copy_from_slice(&header.to_bytes());
        }
    }
    Ipv4Header::MIN_LEN + header_len + data_len
}

fn icmp(ends: &Ends, data: &[u8]) -> Icmpv4Header {
    let id = if ends.reply {
        ends.destination.1
    } else {
        ends.source.1
    };
    let echo = IcmpEchoHeader { id, seq: 1 };
    let kind = if ends.reply {
        Icmpv4Type::EchoReply(echo)
    } else {
        Icmpv4Type::EchoRequest(echo)
    };
    Icmpv4Header::with_checksum(kind, data)
}

fn tcp(ends: &Ends, step: Step, ip: &Ipv4Header, data: &[u8]) -> TcpHeader {
    let (own, other) = if ends.reply {
        (7_000_000, 1_000_000)
    } else {
        (1_000_000, 7_000_000)
    };
    let sequence = if matches!(step, Step::Data) {
        own + 1
    } else {
        own
    };
    let mut header = TcpHeader::new(ends.source.1, ends.destination.1, sequence, 0xffff);
    header.syn = !matches!(step, Step::Data);
    header.ack = !matches!(step, Step::Syn);
    header.acknowledgment_number = if header.ack { other + 1 } else { 0 };
    header.checksum = header.calc_checksum_ipv4(ip, data).expect("it fits");
    header
}
