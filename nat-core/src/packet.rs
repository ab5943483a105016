//! Datagrams with checked headers: code that gets one may rely on every length.

use zerocopy::{FromBytes, IntoBytes};

use crate::DropReason;
use crate::endpoint::{Endpoint, Proto};
use crate::segment::{Kind, Segment};
use crate::wire::{checksum, icmp, ipv4, tcp, udp};

/// An IPv4 datagram with a valid header. Its payload has not been checked.
pub(crate) struct Datagram<'p> {
    pub(crate) ip: &'p mut ipv4::Header,
    pub(crate) options: &'p [u8],
    pub(crate) payload: &'p mut [u8],
}

/// The transport part of a datagram, or of its first fragment, with a valid header.
pub(crate) enum Transport<'p> {
    Icmp(&'p mut icmp::Header, &'p mut [u8]),
    Tcp(&'p mut tcp::Header, &'p mut [u8]),
    Udp(&'p mut udp::Header, &'p mut [u8]),
}

impl<'p> Datagram<'p> {
    /// The datagram at the start of `packet`, link padding left out (RFC 1812 section 5.2.2).
    pub(crate) fn parse(packet: &'p mut [u8]) -> Result<Self, DropReason> {
        let available = packet.len();
        let (ip, rest) =
            ipv4::Header::mut_from_prefix(packet).map_err(|_| DropReason::Truncated)?;
        if ip.version() != 4 {
            return Err(DropReason::BadVersion);
        }
        let total = usize::from(ip.total_length());
        let options_len = ip
            .header_length()
            .checked_sub(ipv4::Header::LEN)
            .ok_or(DropReason::BadHeaderLength)?;
        if ip.header_length() > available {
            return Err(DropReason::BadHeaderLength);
        }
        let payload_len = total
            .checked_sub(ip.header_length())
            .ok_or(DropReason::BadTotalLength)?;
        let (options, rest) = rest
            .split_at_mut_checked(options_len)
            .ok_or(DropReason::BadHeaderLength)?;
        let payload = rest
            .get_mut(..payload_len)
            .ok_or(DropReason::BadTotalLength)?;
        if !ip.checksum_holds(options) {
            return Err(DropReason::BadHeaderChecksum);
        }
        check_options(options)?;
        Ok(Self {
            ip,
            options,
            payload,
        })
    }

    /// The length of the whole datagram in bytes.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.ip.total_length())
    }

    /// The ports of a UDP datagram that is not a fragment, source first; `None` of anything else.
    pub(crate) fn udp_ports(&self) -> Option<(u16, u16)> {
        let (header, _) = udp::Header::ref_from_prefix(self.payload).ok()?;
        let udp = self.ip.protocol() == ipv4::UDP && !self.ip.is_fragment();
        udp.then(|| (header.source_port(), header.destination_port()))
    }

    /// Whether it carries a protocol that is translated.
    pub(crate) fn is_translatable(&self) -> bool {
        matches!(self.ip.protocol(), ipv4::ICMP | ipv4::TCP | ipv4::UDP)
    }

    /// The IPv4 header and the transport part, whose lengths and flags are checked.
    pub(crate) fn transport(self) -> Result<(&'p mut ipv4::Header, Transport<'p>), DropReason> {
        let transport = match self.ip.protocol() {
            ipv4::ICMP => parse_icmp(self.payload)?,
            ipv4::TCP => parse_tcp(self.payload)?,
            ipv4::UDP => parse_udp(self.payload, self.ip.is_fragment())?,
            _ => return Err(DropReason::UnknownProtocol),
        };
        Ok((self.ip, transport))
    }
}

impl Transport<'_> {
    /// Whether the transport checksum is right. True too where it cannot be verified: UDP may have
    /// none, and that of a first fragment covers other fragments.
    pub(crate) fn checksum_holds(&self, ip: &ipv4::Header) -> bool {
        let with_pseudo_header = |len: usize, header: &[u8], body: &[u8]| {
            let pseudo =
                checksum::pseudo_header(ip.source(), ip.destination(), ip.protocol(), len as u16);
            checksum::add(
                pseudo,
                checksum::add(checksum::sum(header), checksum::sum(body)),
            ) == 0xffff
        };
        match self {
            _ if ip.is_fragment() => true,
            Self::Icmp(header, body) => header.checksum_holds(body),
            Self::Tcp(header, body) => with_pseudo_header(
                body.len().saturating_add(tcp::Header::LEN),
                header.as_bytes(),
                body,
            ),
            Self::Udp(header, _) if header.checksum() == 0 => true,
            Self::Udp(header, body) => {
                let len = usize::from(header.length());
                let counted = body
                    .get(..len.saturating_sub(udp::Header::LEN))
                    .unwrap_or(body);
                with_pseudo_header(len, header.as_bytes(), counted)
            }
        }
    }
}

/// The bytes of sequence space that a segment takes: its data, its SYN and its FIN.
pub(crate) fn sequence_length(header: &tcp::Header, body: &[u8]) -> u32 {
    let options = header.header_length().saturating_sub(tcp::Header::LEN);
    let data = body.len().saturating_sub(options) as u32;
    with_flags(data, header.flags())
}

/// The sequence space of `data` bytes and what `flags` add to it.
#[inline]
pub(crate) fn with_flags(data: u32, flags: tcp::Flags) -> u32 {
    data.wrapping_add(u32::from(flags.contains(tcp::Flags::SYN)))
        .wrapping_add(u32::from(flags.contains(tcp::Flags::FIN)))
}

/// A packet's transport protocol, ends and content, as the tables need them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) proto: Proto,
    pub(crate) source: Endpoint,
    pub(crate) destination: Endpoint,
    pub(crate) content: Content,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// UDP, with a number that distinguishes it from other datagrams of its session: its length and
    /// its checksum. Zero without a checksum.
    Udp(u32),
    /// An ICMP message other than an error. Its identifier is used as both ports.
    IcmpQuery(icmp::MessageClass),
    Tcp(Kind, Segment),
}

impl Content {
    /// The protocol that carries it.
    pub(crate) fn proto(&self) -> Proto {
        match self {
            Self::Udp(_) => Proto::Udp,
            Self::IcmpQuery(_) => Proto::Icmp,
            Self::Tcp(..) => Proto::Tcp,
        }
    }

    /// A number for the question that the inside asks with it, without TCP: the same if the question
    /// is repeated, zero if that is not known.
    pub(crate) fn question(&self) -> u32 {
        match self {
            Self::Udp(question) => *question,
            Self::IcmpQuery(_) => 1,
            Self::Tcp(..) => 0,
        }
    }

    /// Whether the packet may change more of a session than its timer, so that its checksum must be
    /// right.
    pub(crate) fn moves_state(self) -> bool {
        matches!(
            self,
            Self::Tcp(Kind::Syn | Kind::SynAck | Kind::Fin | Kind::Reset, _)
        )
    }

    /// Whether a packet toward the inside may pass without a session, where `admitted` says that the
    /// filter lets its sender in. It changes nothing: a session begins when the inside answers, so
    /// the outside can neither fill the tables nor keep a mapping alive.
    pub(crate) fn check_unsolicited(self, admitted: bool) -> Result<(), DropReason> {
        match self {
            _ if !admitted => Err(DropReason::Filtered),
            Self::Udp(_) | Self::IcmpQuery(_) | Self::Tcp(Kind::Syn, _) => Ok(()),
            Self::Tcp(..) => Err(DropReason::NoSession),
        }
    }
}

impl Transport<'_> {
    pub(crate) fn summary(&self, ip: &ipv4::Header) -> Summary {
        let (proto, ports, content) = match self {
            Self::Icmp(header, _) => (
                Proto::Icmp,
                (header.id(), header.id()),
                Content::IcmpQuery(header.class()),
            ),
            Self::Tcp(header, body) => {
                let ports = (header.source_port(), header.destination_port());
                (
                    Proto::Tcp,
                    ports,
                    Content::Tcp(kind(header.flags()), segment(header, body)),
                )
            }
            Self::Udp(header, _) => {
                let content = Content::Udp(udp_question(
                    header.length().to_be(),
                    header.checksum().to_be(),
                ));
                (
                    Proto::Udp,
                    (header.source_port(), header.destination_port()),
                    content,
                )
            }
        };
        let source = Endpoint {
            address: ip.source(),
            port: ports.0,
        };
        Summary {
            proto,
            source,
            destination: Endpoint {
                address: ip.destination(),
                port: ports.1,
            },
            content,
        }
    }
}

/// What distinguishes a UDP datagram from others of its session: its length and its checksum, as
/// they are in the packet. Zero if it has no checksum.
#[inline]
pub(crate) fn udp_question(length: u16, checksum: u16) -> u32 {
    if checksum == 0 {
        0
    } else {
        u32::from(length) << 16 | u32::from(checksum)
    }
}

pub(crate) fn kind(flags: tcp::Flags) -> Kind {
    match flags {
        tcp::Flags::SYN => Kind::Syn,
        tcp::Flags::SYN_ACK => Kind::SynAck,
        tcp::Flags::FIN_ACK => Kind::Fin,
        tcp::Flags::RST | tcp::Flags::RST_ACK => Kind::Reset,
        _ => Kind::Other,
    }
}

fn segment(header: &tcp::Header, body: &[u8]) -> Segment {
    let acknowledgment = header
        .flags()
        .contains(tcp::Flags::ACK)
        .then(|| header.acknowledgment());
    Segment {
        sequence: header.sequence(),
        acknowledgment,
        length: sequence_length(header, body),
    }
}

fn parse_icmp(payload: &mut [u8]) -> Result<Transport<'_>, DropReason> {
    let (header, body) =
        icmp::Header::mut_from_prefix(payload).map_err(|_| DropReason::BadTransportLength)?;
    Ok(Transport::Icmp(header, body))
}

fn parse_tcp(payload: &mut [u8]) -> Result<Transport<'_>, DropReason> {
    let (header, body) =
        tcp::Header::mut_from_prefix(payload).map_err(|_| DropReason::BadTransportLength)?;
    let options = header.header_length().checked_sub(tcp::Header::LEN);
    if options.is_none_or(|len| len > body.len()) {
        return Err(DropReason::BadTransportLength);
    }
    if !header.flags().are_legal() {
        return Err(DropReason::BadTcpFlags);
    }
    if header.source_port() == 0 || header.destination_port() == 0 {
        return Err(DropReason::PortZero);
    }
    Ok(Transport::Tcp(header, body))
}

/// In a first fragment, the length in the header is that of the whole datagram.
fn parse_udp(payload: &mut [u8], first_fragment: bool) -> Result<Transport<'_>, DropReason> {
    let (header, body) =
        udp::Header::mut_from_prefix(payload).map_err(|_| DropReason::BadTransportLength)?;
    let body_len = usize::from(header.length()).checked_sub(udp::Header::LEN);
    if body_len.is_none_or(|len| len > body.len() && !first_fragment) {
        return Err(DropReason::BadTransportLength);
    }
    if header.source_port() == 0 || header.destination_port() == 0 {
        return Err(DropReason::PortZero);
    }
    Ok(Transport::Udp(header, body))
}

/// Refuses options that choose or record the path (RFC 7126 sections 4.3 to 4.5 and 4.7), and
/// malformed ones. The engine ignores all others.
pub(crate) fn check_options(mut options: &[u8]) -> Result<(), DropReason> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const RECORD_ROUTE: u8 = 7;
    const TIMESTAMP: u8 = 68;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    while let Some((kind, rest)) = options.split_first() {
        options = match *kind {
            END => return Ok(()),
            NO_OPERATION => rest,
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => return Err(DropReason::SourceRoute),
            RECORD_ROUTE | TIMESTAMP => return Err(DropReason::RecordRoute),
            _ => {
                let len = rest.first().map_or(0, |len| usize::from(*len));
                if len < 2 {
                    return Err(DropReason::BadOptions);
                }
                options.get(len..).ok_or(DropReason::BadOptions)?
            }
        };
    }
    Ok(())
}
