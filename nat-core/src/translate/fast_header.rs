//! The headers of the packets that take the fast path, read and written by halfwords, which takes a
//! Cortex-M0+ half as long as by bytes.
//!
//! Halfwords stay in the packet's byte order. A one's complement sum is the same in either byte
//! order (RFC 1071 section 2), so checksums are updated without swapping bytes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::packet::udp_question;
use crate::state::{Endpoint, Proto, Segment};
use crate::wire::checksum::Delta;
use crate::wire::{checksum, ipv4, tcp};

use super::End;

/// An IPv4 header without options, and the first 8 bytes behind it, which UDP and TCP both have.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct Head {
    version_and_tos: u16,
    total_length: u16,
    id: u16,
    flags_and_offset: u16,
    ttl_and_protocol: u16,
    checksum: u16,
    source: [u16; 2],
    destination: [u16; 2],
    source_port: u16,
    destination_port: u16,
    /// The length and the checksum of UDP, the sequence number of TCP.
    after_ports: [u16; 2],
}

/// What follows the sequence number in a TCP header.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct TcpTail {
    acknowledgment: [u16; 2],
    offset_and_flags: u16,
    window: u16,
    checksum: u16,
    urgent: u16,
}

/// One hop of the time to live, in its halfword.
const ONE_HOP: u16 = u16::from_ne_bytes([1, 0]);

const IP_HEADER: u16 = ipv4::Header::LEN as u16;
const UDP_HEADER: u16 = 8;

/// A whole datagram at an even address with a valid IPv4 header without options, and with ports
/// behind it if it is of UDP or TCP.
pub(crate) struct FastHeader<'p> {
    head: &'p mut Head,
    rest: &'p mut [u8],
}

impl<'p> FastHeader<'p> {
    /// The headers at the start of `packet`, if it is such a datagram.
    #[inline(always)]
    pub(crate) fn parse(packet: &'p mut [u8]) -> Option<Self> {
        let len = packet.len();
        let (head, rest) = Head::mut_from_prefix(packet).ok()?;
        let total_length = usize::from(head.total_length());
        let whole = size_of::<Head>() <= total_length && total_length <= len;
        // The checksum first: its loads of the header serve the other checks.
        (whole && head.checksum_holds() && head.is_plain()).then_some(Self { head, rest })
    }

    #[inline(always)]
    pub(crate) fn protocol(&self) -> u8 {
        self.head.protocol()
    }

    /// Of UDP: what distinguishes the datagram from others of its session, as
    /// [`Content::question`](crate::packet::Content::question). `None` if its length is wrong.
    #[inline(always)]
    pub(crate) fn question(&self) -> Option<u32> {
        let [length, checksum] = self.head.after_ports;
        let len = u16::from_be(length);
        // This does not wrap: `parse` has found more than the IPv4 header.
        let available = self.total_length().wrapping_sub(IP_HEADER);
        (UDP_HEADER <= len && len <= available).then(|| udp_question(length, checksum))
    }

    /// Of TCP: the segment, if it neither opens nor closes a connection and its header is whole.
    #[inline(always)]
    pub(crate) fn segment(&self) -> Option<Segment> {
        let (tail, _) = TcpTail::ref_from_prefix(self.rest).ok()?;
        let [offset, flags] = tail.offset_and_flags.to_ne_bytes();
        let header_len = u16::from(offset >> 4) * 4;
        // SYN, FIN and RST may change the state of the session, which only the slow path does.
        if usize::from(header_len) < tcp::Header::LEN || tcp::Flags::of(flags) != tcp::Flags::ACK {
            return None;
        }
        let available = self.total_length().wrapping_sub(IP_HEADER);
        Some(Segment {
            sequence: number(self.head.after_ports),
            acknowledgment: Some(number(tail.acknowledgment)),
            length: u32::from(available.checked_sub(header_len)?),
        })
    }

    #[inline(always)]
    pub(crate) fn source(&self) -> Endpoint {
        Endpoint {
            address: number(self.head.source),
            port: u16::from_be(self.head.source_port),
        }
    }

    #[inline(always)]
    pub(crate) fn destination(&self) -> Endpoint {
        Endpoint {
            address: number(self.head.destination),
            port: u16::from_be(self.head.destination_port),
        }
    }

    /// The length of the whole datagram in bytes.
    #[inline(always)]
    pub(crate) fn total_length(&self) -> u16 {
        self.head.total_length()
    }

    #[inline(always)]
    pub(crate) fn ttl(&self) -> u8 {
        let [ttl, _] = self.head.ttl_and_protocol.to_ne_bytes();
        ttl
    }

    /// What a new identification is drawn for, if the datagram may be fragmented: the destination
    /// and the protocol.
    #[inline(always)]
    pub(crate) fn needs_id(&self) -> Option<(u32, u8)> {
        let atomic = self.head.flags_and_offset & u16::to_be(ipv4::DONT_FRAGMENT) != 0;
        (!atomic).then(|| (number(self.head.destination), self.head.protocol()))
    }

    /// Gives the datagram another identification.
    pub(crate) fn set_id(&mut self, id: u16) {
        let id = id.to_be();
        let delta = Delta::default().and_u16(self.head.id, id);
        self.head.id = id;
        self.head.checksum = delta.apply(self.head.checksum);
    }

    /// Replaces one end of a datagram of `proto` by `to`, and decrements its time to live, which
    /// must not be zero.
    #[inline(always)]
    pub(crate) fn rewrite(&mut self, proto: Proto, end: End, to: Endpoint) {
        let (addresses, port) = self.head.replace(end, to);
        self.head.decrement_ttl(addresses);
        let delta = addresses.and(port);
        if proto == Proto::Udp {
            self.head.update_udp_checksum(delta);
        } else if let Ok((tail, _)) = TcpTail::mut_from_prefix(self.rest) {
            tail.checksum = delta.apply(tail.checksum);
        }
    }
}

impl Head {
    /// Replaces one end by `to`. Returns what that changes in the sums of the IPv4 header and of the
    /// ports.
    #[inline(always)]
    fn replace(&mut self, end: End, to: Endpoint) -> (Delta, Delta) {
        let (address, port) = match end {
            End::Source => (&mut self.source, &mut self.source_port),
            End::Destination => (&mut self.destination, &mut self.destination_port),
        };
        let ([old_high, old_low], [high, low]) = (*address, halves(to.address));
        let addresses = Delta::default()
            .and_u16(old_high, high)
            .and_u16(old_low, low);
        let new_port = to.port.to_be();
        let ports = Delta::default().and_u16(*port, new_port);
        (*address, *port) = ([high, low], new_port);
        (addresses, ports)
    }

    /// One hop less changes the sum of the header by the same amount for each time to live above
    /// zero.
    #[inline(always)]
    fn decrement_ttl(&mut self, addresses: Delta) {
        self.checksum = addresses.and_u16(ONE_HOP, 0).apply(self.checksum);
        // The time to live is not zero, so the subtraction borrows nothing from the protocol.
        self.ttl_and_protocol = self.ttl_and_protocol.wrapping_sub(ONE_HOP);
    }

    /// A datagram without a checksum keeps none (RFC 3022 section 4.1), and a checksum of zero is
    /// sent as `0xffff` (RFC 768).
    #[inline(always)]
    fn update_udp_checksum(&mut self, delta: Delta) {
        let [_, checksum] = &mut self.after_ports;
        if *checksum != 0 {
            let updated = delta.apply(*checksum);
            *checksum = if updated == 0 { 0xffff } else { updated };
        }
    }

    #[inline(always)]
    fn total_length(&self) -> u16 {
        u16::from_be(self.total_length)
    }

    #[inline(always)]
    fn protocol(&self) -> u8 {
        let [_, protocol] = self.ttl_and_protocol.to_ne_bytes();
        protocol
    }

    /// Whether this is IPv4 without options and not a fragment, and neither port is zero.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        let [version_and_length, _] = self.version_and_tos.to_ne_bytes();
        let fragment = self.flags_and_offset & u16::to_be(ipv4::MORE_FRAGMENTS | ipv4::OFFSET) != 0;
        let ports = self.source_port != 0 && self.destination_port != 0;
        version_and_length == 0x45 && !fragment && ports
    }

    #[inline(always)]
    fn checksum_holds(&self) -> bool {
        let ([a, b], [c, d]) = (self.source, self.destination);
        let words = [
            self.version_and_tos,
            self.total_length,
            self.id,
            self.flags_and_offset,
            self.ttl_and_protocol,
            self.checksum,
            a,
            b,
            c,
            d,
        ];
        checksum::sum_words(words) == 0xffff
    }
}

/// The number of two halfwords in the packet's byte order.
fn number([high, low]: [u16; 2]) -> u32 {
    u32::from(u16::from_be(high)) << 16 | u32::from(u16::from_be(low))
}

/// A number in two halfwords in the packet's byte order.
fn halves(number: u32) -> [u16; 2] {
    [((number >> 16) as u16).to_be(), (number as u16).to_be()]
}
