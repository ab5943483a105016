//! Addresses that no forwarded packet may have.

use core::net::Ipv4Addr;

/// Whether `address` must not be the source or destination of a forwarded packet (RFC 1812 section
/// 5.3.7, RFC 6890): "this network", loopback, link-local, reserved. Documentation and private
/// prefixes are not martian here, because labs and networks behind another NAT use them.
pub(crate) const fn is_martian(address: u32) -> bool {
    let [a, b, ..] = address.to_be_bytes();
    // 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, and everything from 240.0.0.0 up.
    a == 0 || a == 127 || (a == 169 && b == 254) || a >= 240
}

/// Whether `address` is a multicast address or the limited broadcast address.
pub(crate) const fn is_multicast_or_broadcast(address: u32) -> bool {
    address >> 28 == 0xe || address == Ipv4Addr::BROADCAST.to_bits()
}

/// Whether `address` is neither martian nor multicast nor broadcast. Most are not, so one
/// comparison of the first byte decides in most cases.
pub(crate) const fn is_unicast(address: u32) -> bool {
    let [a, b, ..] = address.to_be_bytes();
    a != 0 && a < 224 && a != 127 && !(a == 169 && b == 254)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unicast_addresses_are_neither_martian_nor_multicast() {
        for start in 0..=u16::MAX {
            for end in [0, 1, 0x1234, 0xffff] {
                let address = u32::from(start) << 16 | end;
                let other = is_martian(address) || is_multicast_or_broadcast(address);
                assert_eq!(is_unicast(address), !other, "{address:#010x}");
            }
        }
    }
}
