//! The headers of the packets that take the fast path, read and written by halfwords, which takes a
//! Cortex-M0+ half as long as by bytes.
//!
//! Halfwords stay in the packet's byte order. A one's complement sum is the same in either byte
//! order (RFC 1071 section 2), so checksums are updated without swapping bytes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::packet::{Content, udp_content};
use crate::state::tcp::Kind;
use crate::state::{Endpoint, Proto, Segment};
use crate::wire::checksum::Delta;
use crate::wire::{checksum, ipv4, tcp};

use super::End;

/// An IPv4 header without options, and the ports behind it.
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
}

/// What follows the ports in a UDP header.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct Udp {
    length: u16,
    checksum: u16,
}

/// What follows the ports in a TCP header.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct Tcp {
    sequence: [u16; 2],
    acknowledgment: [u16; 2],
    offset_and_flags: u16,
    window: u16,
    checksum: u16,
    urgent: u16,
}

enum Transport<'p> {
    Tcp(&'p mut Tcp),
    Udp(&'p mut Udp),
}

/// A whole datagram with valid headers, without IPv4 options and at an even address: UDP, or a TCP
/// segment that neither opens nor closes a connection.
pub(crate) struct FastHeader<'p> {
    head: &'p mut Head,
    transport: Transport<'p>,
}

impl<'p> FastHeader<'p> {
    /// The datagram at the start of `packet`, if it is such a one, and its content.
    #[inline(always)]
    pub(crate) fn parse(packet: &'p mut [u8]) -> Option<(Self, Content)> {
        let (head, rest) = Head::mut_from_prefix(packet).ok()?;
        let rest_len = usize::from(head.total_length()).checked_sub(size_of::<Head>())?;
        let rest = rest.get_mut(..rest_len)?;
        if !head.is_sound() {
            return None;
        }
        let (transport, content) = match head.protocol() {
            ipv4::UDP => {
                let header = Udp::parse(rest)?;
                let content = udp_content(header.length, header.checksum);
                (Transport::Udp(header), content)
            }
            ipv4::TCP => {
                let (header, segment) = Tcp::parse(rest)?;
                (Transport::Tcp(header), Content::Tcp(Kind::Other, segment))
            }
            _ => return None,
        };
        Some((Self { head, transport }, content))
    }

    pub(crate) fn proto(&self) -> Proto {
        match self.transport {
            Transport::Tcp(_) => Proto::Tcp,
            Transport::Udp(_) => Proto::Udp,
        }
    }

    pub(crate) fn source(&self) -> Endpoint {
        Endpoint {
            address: number(self.head.source),
            port: u16::from_be(self.head.source_port),
        }
    }

    pub(crate) fn destination(&self) -> Endpoint {
        Endpoint {
            address: number(self.head.destination),
            port: u16::from_be(self.head.destination_port),
        }
    }

    /// The length of the whole datagram in bytes.
    pub(crate) fn total_length(&self) -> u16 {
        self.head.total_length()
    }

    pub(crate) fn ttl(&self) -> u8 {
        let [ttl, _] = self.head.ttl_and_protocol.to_ne_bytes();
        ttl
    }

    /// The destination and the protocol for a new identification, if the datagram may be fragmented.
    pub(crate) fn needs_id(&self) -> Option<(u32, u8)> {
        let atomic = self.head.flags_and_offset & u16::to_be(ipv4::DONT_FRAGMENT) != 0;
        (!atomic).then(|| (number(self.head.destination), self.head.protocol()))
    }

    /// Sets another identification.
    pub(crate) fn set_id(&mut self, id: u16) {
        let id = id.to_be();
        let delta = Delta::default().and_u16(self.head.id, id);
        self.head.id = id;
        self.head.checksum = delta.apply(self.head.checksum);
    }

    /// Sets one end of the datagram to `to`, and decrements its time to live.
    #[inline(always)]
    pub(crate) fn rewrite(&mut self, end: End, to: Endpoint) {
        let head = &mut *self.head;
        let (address, port) = match end {
            End::Source => (&mut head.source, &mut head.source_port),
            End::Destination => (&mut head.destination, &mut head.destination_port),
        };
        let ([old_high, old_low], [high, low], new_port) =
            (*address, halves(to.address), to.port.to_be());
        let addresses = Delta::default()
            .and_u16(old_high, high)
            .and_u16(old_low, low);
        let ports = addresses.and_u16(*port, new_port);
        (*address, *port) = ([high, low], new_port);
        let [ttl, protocol] = head.ttl_and_protocol.to_ne_bytes();
        let ttl = u16::from_ne_bytes([ttl.saturating_sub(1), protocol]);
        head.checksum = addresses
            .and_u16(head.ttl_and_protocol, ttl)
            .apply(head.checksum);
        head.ttl_and_protocol = ttl;
        match &mut self.transport {
            Transport::Tcp(header) => header.checksum = ports.apply(header.checksum),
            Transport::Udp(header) => header.update_checksum(ports),
        }
    }
}

impl Head {
    fn total_length(&self) -> u16 {
        u16::from_be(self.total_length)
    }

    fn protocol(&self) -> u8 {
        let [_, protocol] = self.ttl_and_protocol.to_ne_bytes();
        protocol
    }

    /// Whether this is IPv4 without options, whole, with a right header checksum and no port zero.
    #[inline(always)]
    fn is_sound(&self) -> bool {
        let [version_and_length, _] = self.version_and_tos.to_ne_bytes();
        let fragment = self.flags_and_offset & u16::to_be(ipv4::MORE_FRAGMENTS | ipv4::OFFSET) != 0;
        let ports = self.source_port != 0 && self.destination_port != 0;
        version_and_length == 0x45 && !fragment && ports && self.checksum_holds()
    }

    fn checksum_holds(&self) -> bool {
        let Self {
            version_and_tos,
            total_length,
            id,
            flags_and_offset,
            ttl_and_protocol,
            checksum,
            ..
        } = *self;
        let ([a, b], [c, d]) = (self.source, self.destination);
        let words = [
            version_and_tos,
            total_length,
            id,
            flags_and_offset,
            ttl_and_protocol,
            checksum,
            a,
            b,
            c,
            d,
        ];
        checksum::sum_words(words) == 0xffff
    }
}

impl Udp {
    /// The header at the start of what follows the ports.
    fn parse(rest: &mut [u8]) -> Option<&mut Self> {
        const PORTS: usize = 4;
        let available = rest.len().checked_add(PORTS)?;
        let (header, _) = Self::mut_from_prefix(rest).ok()?;
        let len = usize::from(u16::from_be(header.length));
        (PORTS.checked_add(size_of::<Self>())? <= len && len <= available).then_some(header)
    }

    /// An absent checksum stays absent (RFC 3022 section 4.1), and a sum of zero is sent as `0xffff`
    /// (RFC 768).
    fn update_checksum(&mut self, delta: Delta) {
        if self.checksum != 0 {
            let updated = delta.apply(self.checksum);
            self.checksum = if updated == 0 { 0xffff } else { updated };
        }
    }
}

impl Tcp {
    /// The header at the start of what follows the ports, and its segment; `None` if that opens or
    /// closes a connection.
    fn parse(rest: &mut [u8]) -> Option<(&mut Self, Segment)> {
        const PORTS: usize = 4;
        let available = rest.len().checked_add(PORTS)?;
        let (header, _) = Self::mut_from_prefix(rest).ok()?;
        let [offset, flags] = header.offset_and_flags.to_ne_bytes();
        let header_len = usize::from(offset >> 4) * 4;
        if header_len < tcp::Header::LEN || tcp::Flags::of(flags) != tcp::Flags::ACK {
            return None;
        }
        let length = available.checked_sub(header_len)? as u32;
        let (sequence, acknowledgment) =
            (number(header.sequence), Some(number(header.acknowledgment)));
        Some((
            header,
            Segment {
                sequence,
                acknowledgment,
                length,
            },
        ))
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
