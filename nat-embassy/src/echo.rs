//! Pings that the router answers without its stacks: those in fragments, and those of inside hosts
//! to an external address.
//!
//! A stack would have to reassemble a fragmented ping, and would need memory for the longest one.
//! The reply differs from the request only in the type, in the first fragment, and in the IP
//! header. So each fragment is answered by itself and in place, and the sender reassembles the
//! reply (RFC 1122 section 3.2.2.6).

use crate::ipv4;

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const DEFAULT_TTL: u8 = 64;

/// Whether a datagram is a fragment of a ping, or may be: the type is in the first fragment only.
///
/// Later fragments of other ICMP messages are answered, too. The sender cannot reassemble these
/// replies, because no first fragment comes.
pub(crate) fn is_ping_fragment(datagram: &[u8]) -> bool {
    let message = datagram
        .get(ipv4::header_length(datagram)..)
        .unwrap_or_default();
    let is_icmp_fragment = ipv4::is_icmp(datagram) && ipv4::is_fragment(datagram);
    let may_be_ping = ipv4::fragment_offset(datagram) > 0 || message.first() == Some(&ECHO_REQUEST);
    is_icmp_fragment && may_be_ping
}

/// Turns a ping, or a fragment of one, into its reply. The ICMP checksum is updated, so it is right
/// if it was right before.
pub(crate) fn answer_in_place(datagram: &mut [u8]) {
    let header_len = ipv4::header_length(datagram);
    if ipv4::fragment_offset(datagram) == 0
        && let Some(&mut [ref mut kind, _, ref mut high, ref mut low, ..]) =
            datagram.get_mut(header_len..)
    {
        *kind = ECHO_REPLY;
        // The type falls from 8 to 0, so the one's complement sum falls by 0x0800, and its
        // complement, the checksum, rises by that, with an end-around carry (RFC 1624).
        let (sum, carry) = u16::from_be_bytes([*high, *low])
            .overflowing_add(u16::from_be_bytes([ECHO_REQUEST, 0]));
        [*high, *low] = sum.wrapping_add(u16::from(carry)).to_be_bytes();
    }
    ipv4::return_to_sender(datagram, DEFAULT_TTL);
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use etherparse::{Icmpv4Header, Icmpv4Type, Ipv4Header, PacketBuilder};

    use super::*;

    /// Whatever the payload, the answer is the one that the other end would make, checksums and
    /// all.
    #[test]
    fn the_answer_has_the_addresses_swapped_and_sound_checksums() {
        for seed in 0..2_000_u32 {
            let payload: Vec<u8> = (0..seed % 70)
                .map(|at| (seed.wrapping_mul(0x9e37_79b1) >> (at % 25)) as u8)
                .collect();
            let mut datagram = Vec::new();
            PacketBuilder::ipv4([192, 168, 77, 10], [192, 168, 77, 1], 1)
                .icmpv4_echo_request(seed as u16, (seed * 31) as u16)
                .write(&mut datagram, &payload)
                .unwrap();
            answer_in_place(&mut datagram);
            let (ip, message) = Ipv4Header::from_slice(&datagram).unwrap();
            assert_eq!(
                (ip.source, ip.destination, ip.time_to_live),
                ([192, 168, 77, 1], [192, 168, 77, 10], 64)
            );
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            let (icmp, echoed) = Icmpv4Header::from_slice(message).unwrap();
            assert!(
                matches!(icmp.icmp_type, Icmpv4Type::EchoReply(echo) if echo.id == seed as u16)
            );
            assert_eq!(echoed, payload);
            let sum: u32 = message
                .chunks(2)
                .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
                .sum();
            assert_eq!(
                (sum & 0xffff) + (sum >> 16),
                0xffff,
                "the sum over the message and its checksum"
            );
        }
    }

    #[test]
    fn nothing_too_short_is_touched_beyond_its_end() {
        for len in 0..28 {
            let mut datagram = std::vec![0x45; len];
            is_ping_fragment(&datagram);
            answer_in_place(&mut datagram);
        }
    }
}
