//! What the adapter itself reads from an IPv4 datagram, and the fields that it changes.
//!
//! The readers trust no length: they take any bytes, and say so when a field is missing.

use core::net::Ipv4Addr;
use core::ops::Range;

const FRAGMENT_MASK: u16 = 0x3fff;
const OFFSET_MASK: u16 = 0x1fff;
const ICMP: u8 = 1;
const TTL_AT: usize = 8;
const CHECKSUM: Range<usize> = 10..12;
/// Source and destination.
const ADDRESSES: Range<usize> = 12..20;

/// The IP version that a datagram claims.
pub(crate) fn version(datagram: &[u8]) -> Option<u8> {
    datagram.first().map(|first| first >> 4)
}

/// The header length that a datagram claims, in bytes.
pub(crate) fn header_length(datagram: &[u8]) -> usize {
    datagram
        .first()
        .map_or(0, |first| usize::from(first & 0x0f) * 4)
}

/// The length that a datagram claims, in bytes; 0 if it is too short for the field.
pub(crate) fn total_length(datagram: &[u8]) -> usize {
    datagram
        .get(2..)
        .and_then(|rest| rest.first_chunk().copied())
        .map_or(0, |length| u16::from_be_bytes(length).into())
}

/// Whether a datagram claims to carry ICMP.
pub(crate) fn is_icmp(datagram: &[u8]) -> bool {
    datagram.get(9) == Some(&ICMP)
}

/// The source address; `None` if the datagram is too short for it.
pub(crate) fn source(datagram: &[u8]) -> Option<Ipv4Addr> {
    datagram
        .get(12..)?
        .first_chunk()
        .copied()
        .map(Ipv4Addr::from_octets)
}

/// The destination address; `None` if the datagram is too short for it.
pub(crate) fn destination(datagram: &[u8]) -> Option<Ipv4Addr> {
    datagram
        .get(16..)?
        .first_chunk()
        .copied()
        .map(Ipv4Addr::from_octets)
}

/// The flags and the fragment offset; 0 if the datagram is too short for them.
fn fragmentation(datagram: &[u8]) -> u16 {
    datagram
        .get(6..)
        .and_then(|rest| rest.first_chunk().copied())
        .map_or(0, u16::from_be_bytes)
}

/// Whether a datagram is a fragment of another.
pub(crate) fn is_fragment(datagram: &[u8]) -> bool {
    fragmentation(datagram) & FRAGMENT_MASK != 0
}

/// The fragment offset, in units of 8 bytes.
pub(crate) fn fragment_offset(datagram: &[u8]) -> u16 {
    fragmentation(datagram) & OFFSET_MASK
}

/// Swaps the addresses of a datagram, sets its time to live, and computes its header checksum. The
/// header must be complete.
pub(crate) fn return_to_sender(datagram: &mut [u8], ttl: u8) {
    let header_len = header_length(datagram);
    let Some(header) = datagram.get_mut(..header_len) else {
        return;
    };
    let Some(fixed) = header.first_chunk_mut::<20>() else {
        return;
    };
    fixed[TTL_AT] = ttl;
    fixed[CHECKSUM].fill(0);
    // Half of the eight bytes: source and destination change places.
    fixed[ADDRESSES].rotate_left(4);
    let checksum = header_checksum(header);
    if let Some(field) = header.get_mut(CHECKSUM) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}

/// The checksum of a header whose checksum field is zero (RFC 1071).
fn header_checksum(header: &[u8]) -> u16 {
    let words = header.as_chunks::<2>().0;
    let sum: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    // A header has 30 words at most, so the sum does not overflow, and two folds leave no carry.
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

/// Sets the checksum of an ICMP message to zero, for a device that computes it when it sends.
///
/// Fragments are not changed: the device does not have the whole message, and sends them
/// unchanged.
pub(crate) fn clear_icmp_checksum(datagram: &mut [u8]) {
    let Some(&[first, _, _, _, _, _, high, low, _, protocol]) = datagram.first_chunk() else {
        return;
    };
    let fragment = u16::from_be_bytes([high, low]) & FRAGMENT_MASK != 0;
    if protocol != ICMP || fragment || first >> 4 != 4 {
        return;
    }
    let checksum_at = usize::from(first & 0x0f) * 4 + 2;
    if let Some(checksum) = datagram.get_mut(checksum_at..checksum_at + 2) {
        checksum.fill(0);
    }
}
