//! The router's own answers, as values that the caller emits.

use core::net::Ipv4Addr;

use zerocopy::{FromBytes, IntoBytes};

use crate::DropReason;
use crate::packet::sequence_length;
use crate::wire::{checksum, icmp, ipv4, tcp};

/// One answer to a packet that was not forwarded: an ICMP error, or a TCP RST toward the inside.
///
/// It goes back out of the side that the packet came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reply {
    reason: DropReason,
    destination: Ipv4Addr,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Kind {
    Error { source: Ipv4Addr, error: Error },
    Reset,
}

/// The ICMP errors that the router originates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Error {
    /// RFC 5508 REQ-8: there can be no session.
    AdministrativelyProhibited,
    /// RFC 1191: the datagram must not be fragmented, and is larger than this.
    FragmentationNeeded { mtu: u16 },
    /// RFC 6888 REQ-11: there can be no session at present.
    HostUnreachable,
    /// There is no external address at present.
    NetUnreachable,
    /// RFC 792: the time to live is used up.
    TimeExceeded,
}

impl Error {
    fn header(self) -> icmp::Header {
        match self {
            Self::AdministrativelyProhibited => {
                icmp::Header::error(icmp::DESTINATION_UNREACHABLE, 13, 0)
            }
            Self::FragmentationNeeded { mtu } => {
                icmp::Header::error(icmp::DESTINATION_UNREACHABLE, 4, mtu)
            }
            Self::HostUnreachable => icmp::Header::error(icmp::DESTINATION_UNREACHABLE, 1, 0),
            Self::NetUnreachable => icmp::Header::error(icmp::DESTINATION_UNREACHABLE, 0, 0),
            Self::TimeExceeded => icmp::Header::error(icmp::TIME_EXCEEDED, 0, 0),
        }
    }
}

impl Reply {
    /// The longest answer in bytes (RFC 1812 section 4.3.2.3).
    pub const MAX_LEN: usize = 576;

    pub(crate) fn error(reason: DropReason, from: u32, to: u32, error: Error) -> Self {
        let kind = Kind::Error {
            source: Ipv4Addr::from_bits(from),
            error,
        };
        Self {
            reason,
            destination: Ipv4Addr::from_bits(to),
            kind,
        }
    }

    pub(crate) fn reset(reason: DropReason, to: u32) -> Self {
        Self {
            reason,
            destination: Ipv4Addr::from_bits(to),
            kind: Kind::Reset,
        }
    }

    /// Why the packet was not forwarded.
    pub const fn reason(&self) -> DropReason {
        self.reason
    }

    /// Whether the answer is a TCP RST. Otherwise it is an ICMP error.
    pub const fn is_reset(&self) -> bool {
        matches!(self.kind, Kind::Reset)
    }

    /// The address that the answer goes to: the source of the packet it answers.
    pub const fn destination(&self) -> Ipv4Addr {
        self.destination
    }

    /// Writes the answer, an IPv4 datagram, to the start of `buffer`, and returns its length in
    /// bytes.
    ///
    /// `packet` is the buffer that was passed to [`Nat::process`](crate::Nat::process), unchanged
    /// since. Returns `None`, with `buffer` in an unspecified state, if `buffer` is too short:
    /// [`Reply::MAX_LEN`] bytes always suffice.
    pub fn emit(&self, packet: &[u8], buffer: &mut [u8]) -> Option<usize> {
        let (ip, _) = ipv4::Header::ref_from_prefix(packet).ok()?;
        let packet = packet.get(..usize::from(ip.total_length()))?;
        match self.kind {
            Kind::Error { source, error } => emit_error(
                ip,
                packet,
                (source.to_bits(), self.destination.to_bits()),
                error,
                buffer,
            ),
            Kind::Reset => emit_reset(ip, packet, buffer),
        }
    }
}

/// Writes the ICMP error about the datagram `packet`, whose header is `ip`, from `source` to
/// `destination`.
pub(crate) fn emit_error(
    ip: &ipv4::Header,
    packet: &[u8],
    (source, destination): (u32, u32),
    error: Error,
    buffer: &mut [u8],
) -> Option<usize> {
    const HEADERS: usize = ipv4::Header::LEN + icmp::Header::LEN;
    /// "Internetwork control", the precedence of ICMP errors (RFC 1812 section 4.3.2.5).
    const PRECEDENCE: u8 = 6 << 5;
    /// The bits of the type of service that an error copies, without the precedence and ECN.
    const TYPE_OF_SERVICE: u8 = 0x1c;
    let quote = packet.get(..packet.len().min(Reply::MAX_LEN - HEADERS))?;
    let len = HEADERS.checked_add(quote.len())?;
    let (head, body) = buffer.get_mut(..len)?.split_at_mut_checked(HEADERS)?;
    body.copy_from_slice(quote);
    let mut message = error.header();
    message.set_checksum(!checksum::add(
        checksum::sum(message.as_bytes()),
        checksum::sum(body),
    ));
    let header = ipv4::Header::new(
        PRECEDENCE | ip.tos() & TYPE_OF_SERVICE,
        len as u16,
        ipv4::ICMP,
        source,
        destination,
    );
    write(head, header.as_bytes(), message.as_bytes())?;
    Some(len)
}

/// RFC 9293 section 3.10.7.1: the answer of a host that does not know the connection.
fn emit_reset(ip: &ipv4::Header, packet: &[u8], buffer: &mut [u8]) -> Option<usize> {
    const LEN: usize = ipv4::Header::LEN + tcp::Header::LEN;
    let (segment, body) = tcp::Header::ref_from_prefix(packet.get(ip.header_length()..)?).ok()?;
    let mut reset = reset_header(segment, body);
    let (source, destination) = (ip.destination(), ip.source());
    let pseudo = checksum::pseudo_header(source, destination, ipv4::TCP, tcp::Header::LEN as u16);
    reset.set_checksum(!checksum::add(pseudo, checksum::sum(reset.as_bytes())));
    let header = ipv4::Header::new(0, LEN as u16, ipv4::TCP, source, destination);
    write(buffer.get_mut(..LEN)?, header.as_bytes(), reset.as_bytes())?;
    Some(LEN)
}

/// The header of the RST that answers `segment`, without its checksum. Its sequence number is the
/// one that the segment acknowledges. If it acknowledges none, the RST acknowledges the segment.
fn reset_header(segment: &tcp::Header, body: &[u8]) -> tcp::Header {
    let (source, destination) = (segment.destination_port(), segment.source_port());
    if segment.flags().contains(tcp::Flags::ACK) {
        let sequence = segment.acknowledgment();
        tcp::Header::new(source, destination, sequence, 0, tcp::Flags::RST)
    } else {
        let length = sequence_length(segment, body);
        let acknowledgment = segment.sequence().wrapping_add(length);
        tcp::Header::new(source, destination, 0, acknowledgment, tcp::Flags::RST_ACK)
    }
}

fn write(buffer: &mut [u8], first: &[u8], second: &[u8]) -> Option<()> {
    let (start, end) = buffer.split_at_mut_checked(first.len())?;
    start.copy_from_slice(first);
    end.get_mut(..second.len())?.copy_from_slice(second);
    Some(())
}
