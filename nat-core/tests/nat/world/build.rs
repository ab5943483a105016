//! Packets made with etherparse: each builder gives a correct packet, and a test changes what it is
//! about.

use core::net::{Ipv4Addr, SocketAddrV4};

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpDscp, IpEcn, IpNumber, Ipv4Header, TcpHeader, UdpHeader};

use super::field;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const URG: u8 = 32;
pub(crate) const ECE: u8 = 64;
pub(crate) const CWR: u8 = 128;

/// What is written to the checksum field of the transport header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Checksum {
    Good,
    /// The right one plus this.
    OffBy(u16),
    /// Zero: for UDP, none.
    Zero,
}

#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) ip: Ipv4Header,
    pub(crate) body: Body,
    pub(crate) checksum: Checksum,
    /// Bytes of link padding behind the datagram.
    pub(crate) padding: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Icmp {
        kind: u8,
        code: u8,
        rest: [u8; 4],
        payload: Vec<u8>,
    },
    Raw(Vec<u8>),
    Tcp(TcpHeader, Vec<u8>),
    Udp(UdpHeader, Vec<u8>),
}

pub(crate) const fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

pub(crate) fn udp(from: SocketAddrV4, to: SocketAddrV4) -> Datagram {
    let header = UdpHeader {
        source_port: from.port(),
        destination_port: to.port(),
        length: 0,
        checksum: 0,
    };
    datagram(
        *from.ip(),
        *to.ip(),
        IpNumber::UDP,
        Body::Udp(header, b"nat-core".to_vec()),
    )
}

pub(crate) fn tcp(from: SocketAddrV4, to: SocketAddrV4, flags: u8) -> Datagram {
    let mut header = TcpHeader::new(from.port(), to.port(), 1000, 64240);
    header.fin = flags & FIN != 0;
    header.syn = flags & SYN != 0;
    header.rst = flags & RST != 0;
    header.psh = flags & PSH != 0;
    header.ack = flags & ACK != 0;
    header.urg = flags & URG != 0;
    header.ece = flags & ECE != 0;
    header.cwr = flags & CWR != 0;
    datagram(
        *from.ip(),
        *to.ip(),
        IpNumber::TCP,
        Body::Tcp(header, Vec::new()),
    )
}

pub(crate) fn icmp(from: Ipv4Addr, to: Ipv4Addr, kind: u8, code: u8, rest: [u8; 4]) -> Datagram {
    datagram(
        from,
        to,
        IpNumber::ICMP,
        Body::Icmp {
            kind,
            code,
            rest,
            payload: Vec::new(),
        },
    )
}

pub(crate) fn echo_request(from: Ipv4Addr, to: Ipv4Addr, id: u16) -> Datagram {
    icmp(from, to, 8, 0, query(id)).payload(b"are you there?")
}

pub(crate) fn echo_reply(from: Ipv4Addr, to: Ipv4Addr, id: u16) -> Datagram {
    icmp(from, to, 0, 0, query(id)).payload(b"are you there?")
}

pub(crate) fn timestamp_request(from: Ipv4Addr, to: Ipv4Addr, id: u16) -> Datagram {
    icmp(from, to, 13, 0, query(id)).payload(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
}

pub(crate) fn timestamp_reply(from: Ipv4Addr, to: Ipv4Addr, id: u16) -> Datagram {
    icmp(from, to, 14, 0, query(id)).payload(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3])
}

/// An ICMP error about `quote`, the start of a packet.
pub(crate) fn icmp_error(
    from: Ipv4Addr,
    to: Ipv4Addr,
    (kind, code): (u8, u8),
    quote: &[u8],
) -> Datagram {
    icmp(from, to, kind, code, [0; 4]).payload(quote)
}

pub(crate) fn raw(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, body: &[u8]) -> Datagram {
    datagram(from, to, IpNumber(protocol), Body::Raw(body.to_vec()))
}

pub(crate) fn random_bytes(random: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

/// Writes the right header checksum into a packet that was changed by hand.
pub(crate) fn fix_header_checksum(packet: &mut [u8]) {
    let header_len = field::header_len(packet);
    packet[field::HEADER_CHECKSUM].fill(0);
    let sum = Sum16BitWords::new()
        .add_slice(&packet[..header_len])
        .ones_complement();
    packet[field::HEADER_CHECKSUM].copy_from_slice(&sum.to_ne_bytes());
}

impl Datagram {
    pub(crate) fn payload(mut self, bytes: &[u8]) -> Self {
        let (Body::Icmp { payload, .. }
        | Body::Raw(payload)
        | Body::Tcp(_, payload)
        | Body::Udp(_, payload)) = &mut self.body;
        *payload = bytes.to_vec();
        self
    }

    pub(crate) fn ttl(mut self, ttl: u8) -> Self {
        self.ip.time_to_live = ttl;
        self
    }

    /// The whole byte of traffic class: DSCP and ECN.
    pub(crate) fn tos(mut self, tos: u8) -> Self {
        self.ip.dscp = IpDscp::try_new(tos >> 2).expect("six bits");
        self.ip.ecn = IpEcn::try_new(tos & 3).expect("two bits");
        self
    }

    pub(crate) fn id(mut self, id: u16) -> Self {
        self.ip.identification = id;
        self
    }

    /// Clears the DF bit, which builders set.
    pub(crate) fn may_fragment(mut self) -> Self {
        self.ip.dont_fragment = false;
        self
    }

    pub(crate) fn options(mut self, options: &[u8]) -> Self {
        self.ip.options = options
            .try_into()
            .expect("IPv4 options come in words, ten at most");
        self
    }

    pub(crate) fn checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = checksum;
        self
    }

    pub(crate) fn padding(mut self, bytes: usize) -> Self {
        self.padding = bytes;
        self
    }

    pub(crate) fn seq(self, number: u32) -> Self {
        self.tcp_header(|header| header.sequence_number = number)
    }

    pub(crate) fn ack(self, number: u32) -> Self {
        self.tcp_header(|header| header.acknowledgment_number = number)
    }

    pub(crate) fn window(self, size: u16) -> Self {
        self.tcp_header(|header| header.window_size = size)
    }

    pub(crate) fn tcp_options(self, options: &[u8]) -> Self {
        self.tcp_header(|header| {
            header
                .set_options_raw(options)
                .expect("40 bytes of TCP options at most");
        })
    }

    pub(crate) fn tcp_header(mut self, change: impl FnOnce(&mut TcpHeader)) -> Self {
        let Body::Tcp(header, _) = &mut self.body else {
            panic!("not a TCP segment")
        };
        change(header);
        self
    }

    /// Bytes 4 to 7 of an ICMP message: identifier and sequence number, MTU, pointer.
    pub(crate) fn rest(mut self, bytes: [u8; 4]) -> Self {
        let Body::Icmp { rest, .. } = &mut self.body else {
            panic!("not an ICMP message")
        };
        *rest = bytes;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let body = self.body_bytes();
        let mut ip = self.ip.clone();
        ip.set_payload_len(body.len())
            .expect("the packet is not too long");
        ip.header_checksum = ip.calc_header_checksum();
        let mut bytes = ip.to_bytes().to_vec();
        bytes.extend(body);
        bytes.extend(core::iter::repeat_n(0xEE, self.padding));
        bytes
    }

    fn body_bytes(&self) -> Vec<u8> {
        match &self.body {
            Body::Icmp {
                kind,
                code,
                rest,
                payload,
            } => {
                let mut bytes = vec![*kind, *code, 0, 0];
                bytes.extend(rest);
                bytes.extend(payload);
                let sum = Sum16BitWords::new().add_slice(&bytes).ones_complement();
                let sum = self.chosen(sum.to_be());
                bytes[field::ICMP_CHECKSUM].copy_from_slice(&sum.to_be_bytes());
                bytes
            }
            Body::Raw(bytes) => bytes.clone(),
            Body::Tcp(header, payload) => {
                let mut header = header.clone();
                let sum =
                    header.calc_checksum_ipv4_raw(self.ip.source, self.ip.destination, payload);
                header.checksum = self.chosen(sum.expect("the segment is not too long"));
                [&header.to_bytes()[..], payload].concat()
            }
            Body::Udp(header, payload) => {
                let mut header = header.clone();
                header.length = (8 + payload.len())
                    .try_into()
                    .expect("the datagram is not too long");
                let sum =
                    header.calc_checksum_ipv4_raw(self.ip.source, self.ip.destination, payload);
                header.checksum = self.chosen(sum.expect("the datagram is not too long"));
                [&header.to_bytes()[..], payload].concat()
            }
        }
    }

    fn chosen(&self, good: u16) -> u16 {
        match self.checksum {
            Checksum::Good => good,
            Checksum::OffBy(difference) => good.wrapping_add(difference),
            Checksum::Zero => 0,
        }
    }
}

impl From<Datagram> for Vec<u8> {
    fn from(datagram: Datagram) -> Self {
        datagram.bytes()
    }
}

impl From<&Datagram> for Vec<u8> {
    fn from(datagram: &Datagram) -> Self {
        datagram.bytes()
    }
}

fn datagram(from: Ipv4Addr, to: Ipv4Addr, protocol: IpNumber, body: Body) -> Datagram {
    let mut ip = Ipv4Header::new(0, 64, protocol, from.octets(), to.octets())
        .expect("nothing is not too long");
    ip.dont_fragment = true;
    ip.identification = 0x1234;
    Datagram {
        ip,
        body,
        checksum: Checksum::Good,
        padding: 0,
    }
}

fn query(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [high, low, 0, 1]
}
