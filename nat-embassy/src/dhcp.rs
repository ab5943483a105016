//! Messages of DHCP servers outside, which may come to an address that the router does not have yet
//! (RFC 2131 section 4.1).

use core::net::Ipv4Addr;

use crate::ipv4;

const UDP: u8 = 17;
const CLIENT_PORT: [u8; 2] = [0, 68];
const DESTINATION_AT: usize = 16;
const IP_CHECKSUM_AT: usize = 10;
const UDP_CHECKSUM_AT: usize = 6;
/// The more-fragments flag and the fragment offset.
const FRAGMENT_MASK: u16 = 0x3fff;

/// Whether a datagram is UDP to the port of a DHCP client, and not a fragment.
pub(crate) fn is_to_client(datagram: &[u8]) -> bool {
    let header = datagram.first_chunk::<20>();
    let whole_udp = header.is_some_and(|header| {
        header[9] == UDP && u16::from_be_bytes([header[6], header[7]]) & FRAGMENT_MASK == 0
    });
    let ports = datagram
        .get(ipv4::header_length(datagram)..)
        .and_then(|udp| udp.get(2..4));
    whole_udp && ports == Some(&CLIENT_PORT[..])
}

/// Changes the destination of a datagram to 255.255.255.255. A stack receives no UDP for an address
/// that it does not have, but a server may send to the address that it offers.
pub(crate) fn make_broadcast(datagram: &mut [u8]) {
    let udp_at = ipv4::header_length(datagram);
    let Some(before) = ipv4::destination(datagram).map(|address| address.octets()) else {
        return;
    };
    let after = Ipv4Addr::BROADCAST.octets();
    update(datagram, IP_CHECKSUM_AT, before, after);
    // Zero means that there is no checksum (RFC 768).
    if datagram.get(udp_at + UDP_CHECKSUM_AT..udp_at + UDP_CHECKSUM_AT + 2) != Some(&[0, 0]) {
        update(datagram, udp_at + UDP_CHECKSUM_AT, before, after);
    }
    if let Some(destination) = datagram.get_mut(DESTINATION_AT..DESTINATION_AT + 4) {
        destination.copy_from_slice(&after);
    }
}

/// Updates the checksum at `at` after an address has changed (RFC 1624 equation 3).
fn update(datagram: &mut [u8], at: usize, before: [u8; 4], after: [u8; 4]) {
    let Some([high, low]) = datagram.get_mut(at..at + 2) else {
        return;
    };
    let words = |[a, b, c, d]: [u8; 4]| [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let removed = words(before).map(|word| u32::from(!word));
    let added = words(after).map(u32::from);
    let mut sum = u32::from(!u16::from_be_bytes([*high, *low]));
    sum += removed.iter().chain(&added).sum::<u32>();
    // The carries are added again (RFC 1071), twice at most.
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    [*high, *low] = (!(sum as u16)).to_be_bytes();
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

    use super::*;

    fn offer(port: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([198, 51, 100, 1], [198, 51, 100, 60], 64).udp(67, port);
        builder
            .write(&mut bytes, b"an offer of an odd length")
            .expect("a vector grows");
        bytes
    }

    #[test]
    fn a_datagram_to_the_clients_port_is_made_broadcast_with_checksums_that_hold() {
        let mut bytes = offer(68);
        assert!(is_to_client(&bytes));
        make_broadcast(&mut bytes);
        let packet = SlicedPacket::from_ip(&bytes).expect("a datagram");
        let Some(etherparse::NetSlice::Ipv4(ip)) = &packet.net else {
            panic!("IPv4")
        };
        let header = ip.header().to_header();
        assert_eq!(
            (header.destination, header.header_checksum),
            ([255; 4], header.calc_header_checksum())
        );
        let Some(TransportSlice::Udp(udp)) = &packet.transport else {
            panic!("UDP")
        };
        let sum = udp
            .to_header()
            .calc_checksum_ipv4(&header, udp.payload())
            .expect("a short payload");
        assert_eq!(udp.checksum(), sum);
    }

    #[test]
    fn a_datagram_without_a_udp_checksum_stays_without() {
        let mut bytes = offer(68);
        bytes[26..28].fill(0);
        make_broadcast(&mut bytes);
        assert_eq!(
            (&bytes[26..28], &bytes[16..20]),
            (&[0, 0][..], &[255; 4][..])
        );
    }

    #[test]
    fn other_datagrams_fragments_and_pieces_are_not_to_the_client() {
        assert!(!is_to_client(&offer(69)));
        let whole = offer(68);
        for len in 0..24 {
            assert!(!is_to_client(&whole[..len]), "{len} bytes");
        }
        for flags in [[0x20, 0], [0, 1], [0x20, 1]] {
            let mut bytes = offer(68);
            bytes[6..8].copy_from_slice(&flags);
            assert!(!is_to_client(&bytes));
        }
    }
}
