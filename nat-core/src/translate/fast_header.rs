//! The headers of the packets that take the fast path, read and written by halfwords, which takes a
//! Cortex-M0+ half as long as by bytes.
//!
//! Halfwords stay in the packet's byte order. A one's complement sum is the same in either byte
//! order (RFC 1071 section 2), so checksums are updated without swapping bytes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unalign};

use crate::packet::{Content, kind, udp_question, with_flags};
use crate::state::{Endpoint, Proto, Segment};
use crate::wire::checksum::Delta;
use crate::wire::{checksum, ipv4, tcp, udp};

use super::End;

/// A halfword of a packet, in the packet's byte order.
pub(crate) trait Halfword: Copy + FromBytes + Immutable + IntoBytes + KnownLayout {
    fn get(self) -> u16;
    fn of(value: u16) -> Self;
}

/// At an even address.
impl Halfword for u16 {
    #[inline(always)]
    fn get(self) -> u16 {
        self
    }

    #[inline(always)]
    fn of(value: u16) -> Self {
        value
    }
}

/// At any address. A Cortex-M4 reads it like the other; a Cortex-M0+ reads both bytes.
impl Halfword for Unalign<u16> {
    #[inline(always)]
    fn get(self) -> u16 {
        self.into_inner()
    }

    #[inline(always)]
    fn of(value: u16) -> Self {
        Self::new(value)
    }
}

/// An IPv4 header without options, and the first 8 bytes behind it, which UDP and TCP both have.
type Head<H> = [H; 14];

const VERSION_AND_TOS: usize = 0;
const TOTAL_LENGTH: usize = 1;
const ID: usize = 2;
const FLAGS_AND_OFFSET: usize = 3;
const TTL_AND_PROTOCOL: usize = 4;
const CHECKSUM: usize = 5;
const SOURCE: usize = 6;
const DESTINATION: usize = 8;
const SOURCE_PORT: usize = 10;
const DESTINATION_PORT: usize = 11;
const UDP_LENGTH: usize = 12;
const UDP_CHECKSUM: usize = 13;
const SEQUENCE: usize = 12;

/// What follows the sequence number in a TCP header.
type TcpTail<H> = [H; 6];

const ACKNOWLEDGMENT: usize = 0;
const TCP_OFFSET_AND_FLAGS: usize = 2;
const TCP_CHECKSUM: usize = 4;

/// One hop of the time to live, in its halfword.
const ONE_HOP: u16 = u16::from_ne_bytes([1, 0]);

const IP_HEADER: u16 = ipv4::Header::LEN as u16;
const UDP_LEN: usize = udp::Header::LEN;
const UDP_HEADER: u16 = UDP_LEN as u16;

/// A whole datagram with a valid IPv4 header without options, and with ports behind it if it is of
/// UDP or TCP. It is at an even address, unless its halfwords are unaligned.
pub(crate) struct FastHeader<'p, H = u16> {
    head: &'p mut Head<H>,
    /// What follows, with link padding.
    rest: &'p mut [u8],
}

impl<'p, H: Halfword> FastHeader<'p, H> {
    /// The headers at the start of `packet`, if it is such a datagram.
    #[inline(always)]
    pub(crate) fn parse(packet: &'p mut [u8]) -> Option<Self> {
        let len = packet.len();
        let header = Self::of_parsed(packet)?;
        let total_length = usize::from(header.total_length());
        let whole = size_of::<Head<H>>() <= total_length && total_length <= len;
        // The checksum first: its loads of the header serve the other checks.
        (whole && header.checksum_holds() && header.is_plain()).then_some(header)
    }

    /// The headers of a packet that [`FastHeader::parse`] has accepted.
    #[inline(always)]
    pub(crate) fn of_parsed(packet: &'p mut [u8]) -> Option<Self> {
        let (head, rest) = Head::mut_from_prefix(packet).ok()?;
        Some(Self { head, rest })
    }

    #[inline(always)]
    pub(crate) fn protocol(&self) -> u8 {
        let [_, protocol] = self.head[TTL_AND_PROTOCOL].get().to_ne_bytes();
        protocol
    }

    /// Of UDP: what distinguishes the datagram from others of its session, as
    /// [`Content::question`](crate::packet::Content::question). `None` if its length is wrong.
    #[inline(always)]
    pub(crate) fn question(&self) -> Option<u32> {
        let (length, checksum) = (self.head[UDP_LENGTH].get(), self.head[UDP_CHECKSUM].get());
        let len = u16::from_be(length);
        // This does not wrap: `parse` has found more than the IPv4 header.
        let available = self.total_length().wrapping_sub(IP_HEADER);
        (UDP_HEADER <= len && len <= available).then(|| udp_question(length, checksum))
    }

    /// Of TCP: the segment, if it neither opens nor closes a connection and its header is whole.
    #[inline(always)]
    pub(crate) fn plain_segment(&self) -> Option<Segment> {
        let (tail, _) = TcpTail::<H>::ref_from_prefix(self.rest).ok()?;
        // SYN, FIN and RST may change the state of the session, which the slow path does.
        if flags_of(tail) != tcp::Flags::ACK {
            return None;
        }
        self.segment(tail)
    }

    /// What a packet of `proto`, UDP or TCP, is to a session, as the slow path has it. `None` if
    /// that refuses its transport header.
    pub(crate) fn content(&self, proto: Proto) -> Option<Content> {
        if proto == Proto::Udp {
            return self.question().map(Content::Udp);
        }
        let (tail, _) = TcpTail::<H>::ref_from_prefix(self.rest).ok()?;
        let flags = flags_of(tail);
        let segment = self.segment(tail).filter(|_| flags.are_legal())?;
        Some(Content::Tcp(kind(flags), segment))
    }

    /// The segment with this `tail`, if its header is whole.
    #[inline(always)]
    fn segment(&self, tail: &TcpTail<H>) -> Option<Segment> {
        let [offset, _] = tail[TCP_OFFSET_AND_FLAGS].get().to_ne_bytes();
        let (flags, header_len) = (flags_of(tail), u16::from(offset >> 4) * 4);
        let available = self.total_length().wrapping_sub(IP_HEADER);
        let data = available.checked_sub(header_len)?;
        let acknowledges = flags.contains(tcp::Flags::ACK);
        (usize::from(header_len) >= tcp::Header::LEN).then(|| Segment {
            sequence: number(self.head, SEQUENCE),
            acknowledgment: acknowledges.then(|| number(tail, ACKNOWLEDGMENT)),
            length: with_flags(u32::from(data), flags),
        })
    }

    #[inline(always)]
    pub(crate) fn source(&self) -> Endpoint {
        Endpoint {
            address: number(self.head, SOURCE),
            port: u16::from_be(self.head[SOURCE_PORT].get()),
        }
    }

    #[inline(always)]
    pub(crate) fn destination(&self) -> Endpoint {
        Endpoint {
            address: number(self.head, DESTINATION),
            port: u16::from_be(self.head[DESTINATION_PORT].get()),
        }
    }

    /// The length of the whole datagram in bytes.
    #[inline(always)]
    pub(crate) fn total_length(&self) -> u16 {
        u16::from_be(self.head[TOTAL_LENGTH].get())
    }

    #[inline(always)]
    pub(crate) fn ttl(&self) -> u8 {
        let [ttl, _] = self.head[TTL_AND_PROTOCOL].get().to_ne_bytes();
        ttl
    }

    /// What a new identification is drawn for, if the datagram may be fragmented: the destination
    /// and the protocol.
    #[inline(always)]
    pub(crate) fn needs_id(&self) -> Option<(u32, u8)> {
        let flags = self.head[FLAGS_AND_OFFSET].get();
        let atomic = flags & u16::to_be(ipv4::DONT_FRAGMENT) != 0;
        (!atomic).then(|| (number(self.head, DESTINATION), self.protocol()))
    }

    /// Whether the transport checksum of a packet of `proto`, UDP or TCP, is right, or absent as
    /// UDP permits.
    pub(crate) fn transport_checksum_holds(&self, proto: Proto) -> bool {
        let len = match proto {
            Proto::Udp if self.head[UDP_CHECKSUM].get() == 0 => return true,
            // UDP has a length of its own.
            Proto::Udp => u16::from_be(self.head[UDP_LENGTH].get()),
            _ => self.total_length().wrapping_sub(IP_HEADER),
        };
        let body = usize::from(len).checked_sub(UDP_LEN);
        let body = body.and_then(|len| self.rest.get(..len));
        body.is_some_and(|body| self.transport_sum(len, body) == 0xffff)
    }

    /// The sum of the pseudo-header, of the transport header in the head and of what follows, all
    /// in all `len` bytes.
    fn transport_sum(&self, len: u16, body: &[u8]) -> u16 {
        let [.., a, b, c, d, e, f, g, h] = *self.head;
        let words = [a, b, c, d, e, f, g, h].map(H::get);
        let protocol = u16::from(self.protocol());
        let pseudo = checksum::add(
            checksum::sum_words(words),
            checksum::add(protocol, len).to_be(),
        );
        checksum::add(pseudo, checksum::sum(body).to_be())
    }

    #[inline(always)]
    fn checksum_holds(&self) -> bool {
        let [ref header @ .., _, _, _, _] = *self.head;
        checksum::sum_words(header.map(H::get)) == 0xffff
    }

    /// Whether this is IPv4 without options and not a fragment, and neither port is zero.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        let [version_and_length, _] = self.head[VERSION_AND_TOS].get().to_ne_bytes();
        let flags = self.head[FLAGS_AND_OFFSET].get();
        let fragment = flags & u16::to_be(ipv4::MORE_FRAGMENTS | ipv4::OFFSET) != 0;
        let ports = self.head[SOURCE_PORT].get() != 0 && self.head[DESTINATION_PORT].get() != 0;
        version_and_length == 0x45 && !fragment && ports
    }

    /// Gives the datagram another identification.
    pub(crate) fn set_id(&mut self, id: u16) {
        let id = id.to_be();
        let delta = Delta::default().and_u16(self.head[ID].get(), id);
        self.head[ID] = H::of(id);
        update(&mut self.head[CHECKSUM], delta);
    }

    /// Replaces one end of a datagram of `proto` by `to`, and decrements its time to live, which
    /// must not be zero.
    #[inline(always)]
    pub(crate) fn rewrite(&mut self, proto: Proto, end: End, to: Endpoint) {
        let (addresses, port) = self.replace(end, to);
        self.decrement_ttl(addresses);
        let delta = addresses.and(port);
        if proto == Proto::Udp {
            self.update_udp_checksum(delta);
        } else if let Ok((tail, _)) = TcpTail::<H>::mut_from_prefix(self.rest) {
            update(&mut tail[TCP_CHECKSUM], delta);
        }
    }

    /// Replaces one end by `to`. Returns what that changes in the sums of the IPv4 header and of the
    /// ports.
    #[inline(always)]
    fn replace(&mut self, end: End, to: Endpoint) -> (Delta, Delta) {
        let [.., a, b, c, d, e, f, _, _] = self.head;
        let (address, port) = match end {
            End::Source => ([a, b], e),
            End::Destination => ([c, d], f),
        };
        let [high, low] = address;
        let halves = [(to.address >> 16) as u16, to.address as u16];
        let addresses = exchange(high, halves[0]).and(exchange(low, halves[1]));
        (addresses, exchange(port, to.port))
    }

    /// One hop less changes the sum of the header by the same amount for each time to live above
    /// zero.
    #[inline(always)]
    fn decrement_ttl(&mut self, addresses: Delta) {
        update(&mut self.head[CHECKSUM], addresses.and_u16(ONE_HOP, 0));
        // The time to live is not zero, so the subtraction borrows nothing from the protocol.
        let fewer = self.head[TTL_AND_PROTOCOL].get().wrapping_sub(ONE_HOP);
        self.head[TTL_AND_PROTOCOL] = H::of(fewer);
    }

    /// A datagram without a checksum keeps none (RFC 3022 section 4.1), and a checksum of zero is
    /// sent as `0xffff` (RFC 768).
    #[inline(always)]
    fn update_udp_checksum(&mut self, delta: Delta) {
        let checksum = self.head[UDP_CHECKSUM].get();
        if checksum != 0 {
            let updated = delta.apply(checksum);
            self.head[UDP_CHECKSUM] = H::of(if updated == 0 { 0xffff } else { updated });
        }
    }
}

/// Replaces a halfword by `new`, in the CPU's byte order. Returns what that changes in a sum.
#[inline(always)]
fn exchange<H: Halfword>(halfword: &mut H, new: u16) -> Delta {
    let new = new.to_be();
    let delta = Delta::default().and_u16(halfword.get(), new);
    *halfword = H::of(new);
    delta
}

#[inline(always)]
fn update<H: Halfword>(checksum: &mut H, delta: Delta) {
    *checksum = H::of(delta.apply(checksum.get()));
}

#[inline(always)]
fn flags_of<H: Halfword>(tail: &TcpTail<H>) -> tcp::Flags {
    let [_, flags] = tail[TCP_OFFSET_AND_FLAGS].get().to_ne_bytes();
    tcp::Flags::of(flags)
}

/// The number in two halfwords from position `at` on.
#[inline(always)]
fn number<H: Halfword, const N: usize>(halfwords: &[H; N], at: usize) -> u32 {
    let half = |at: usize| halfwords.get(at).map_or(0, |half| u16::from_be(half.get()));
    u32::from(half(at)) << 16 | u32::from(half(at.wrapping_add(1)))
}
