//! Where fields are in a packet, for tests that change or read single bytes. See RFC 791 section 3.1
//! for IPv4; what is behind the header is where it is without options.

use core::ops::{Range, RangeFrom};

/// The version, and the length of the header in words of four bytes.
pub(crate) const VERSION_AND_IHL: usize = 0;
pub(crate) const TOS: usize = 1;
pub(crate) const TOTAL_LENGTH: Range<usize> = 2..4;
pub(crate) const IDENTIFICATION: Range<usize> = 4..6;
/// The flags, above the first bits of the fragment offset.
pub(crate) const FLAGS: usize = 6;
pub(crate) const FLAGS_AND_OFFSET: Range<usize> = 6..8;
pub(crate) const TTL: usize = 8;
pub(crate) const PROTOCOL: usize = 9;
pub(crate) const HEADER_CHECKSUM: Range<usize> = 10..12;
pub(crate) const SOURCE: Range<usize> = 12..16;
pub(crate) const DESTINATION: Range<usize> = 16..20;
/// The checksum, the source and the destination: what every translation changes.
pub(crate) const CHECKSUM_AND_ADDRESSES: Range<usize> = 10..20;
/// What is behind a header without options.
pub(crate) const PAYLOAD: RangeFrom<usize> = 20..;

pub(crate) const UDP_LENGTH: Range<usize> = 24..26;
/// The length of the TCP header in words, in the upper half of the byte.
pub(crate) const TCP_DATA_OFFSET: usize = 32;
/// What is behind a TCP header without options.
pub(crate) const TCP_PAYLOAD: RangeFrom<usize> = 40..;

/// In an ICMP message.
pub(crate) const ICMP_CHECKSUM: Range<usize> = 2..4;
pub(crate) const ICMP_REST: Range<usize> = 4..8;
/// What an ICMP error quotes.
pub(crate) const ICMP_QUOTE: RangeFrom<usize> = 8..;

/// The length of an IPv4 header, as it says itself.
pub(crate) fn header_len(packet: &[u8]) -> usize {
    usize::from(packet[VERSION_AND_IHL] & 0x0F) * 4
}
