//! The few things the adapter itself needs to know about an IPv4 datagram.

use core::net::Ipv4Addr;

const FRAGMENT_MASK: u16 = 0x3fff;
const OFFSET_MASK: u16 = 0x1fff;
const ICMP: u8 = 1;

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

/// The length that a datagram claims, in bytes; none for what is too short to claim one.
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

/// Where a datagram claims to come from; `None` if it is too short to say.
pub(crate) fn source(datagram: &[u8]) -> Option<Ipv4Addr> {
    datagram
        .get(12..)?
        .first_chunk()
        .copied()
        .map(Ipv4Addr::from_octets)
}

/// Where a datagram goes; `None` if it is too short to say.
pub(crate) fn destination(datagram: &[u8]) -> Option<Ipv4Addr> {
    datagram
        .get(16..)?
        .first_chunk()
        .copied()
        .map(Ipv4Addr::from_octets)
}

/// The flags and the fragment offset; none for what is too short to have them.
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

/// Where in the datagram that it is a fragment of its payload begins, in units of 8 bytes.
pub(crate) fn fragment_offset(datagram: &[u8]) -> u16 {
    fragmentation(datagram) & OFFSET_MASK
}

/// Sends a datagram back: swaps its addresses, and gives it this time to live. All in it must be
/// there that its header claims.
pub(crate) fn return_to_sender(datagram: &mut [u8], ttl: u8) {
    let header_len = header_length(datagram);
    let Some(header) = datagram.get_mut(..header_len) else {
        return;
    };
    let Some(
        &mut [
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            ref mut old_ttl,
            _,
            ref mut high,
            ref mut low,
            ref mut addresses @ ..,
        ],
    ) = header.get_mut(..20)
    else {
        return;
    };
    *old_ttl = ttl;
    (*high, *low) = (0, 0);
    addresses.rotate_left(4);
    let sum: u32 = header
        .chunks_exact(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Zeroes the checksum of an ICMP message, for a device that fills it in when sending and needs it
/// to be zero before.
///
/// Fragments stay as they are: the device cannot sum what it does not have, and sends them
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
