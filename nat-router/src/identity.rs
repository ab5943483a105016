//! MAC addresses for a board that has none of its own.

use core::hash::Hasher;

use nat_core::Side;
use siphasher::sip::SipHasher24;

/// The two low bits of a MAC address's first byte (IEEE 802-2014 section 8.2): a group address, and
/// a locally administered one.
const GROUP: u8 = 0b01;
const LOCAL: u8 = 0b10;

/// The MAC addresses of the NICs inside and outside on the board with this `unique_id`.
#[must_use]
pub fn mac_addresses(unique_id: &[u8]) -> [[u8; 6]; 2] {
    [Side::Inside, Side::Outside].map(|side| mac_address(unique_id, side))
}

/// The MAC address of the NIC on `side` of the board with this `unique_id`. It is always the same,
/// locally administered, and different on the two sides.
///
/// It is a hash, because unique ids often differ in few bits only. Among 1000 boards in one
/// network, the chance that two have an address in common is below 1 in 10 million.
#[must_use]
pub fn mac_address(unique_id: &[u8], side: Side) -> [u8; 6] {
    let mut hasher = SipHasher24::new();
    hasher.write(unique_id);
    let [first, second, third, fourth, fifth, sixth, ..] = hasher.finish().to_le_bytes();
    // One bit differs between the sides, so the addresses cannot be equal by chance.
    let last = match side {
        Side::Inside => sixth & !1,
        Side::Outside => sixth | 1,
    };
    [first & !GROUP | LOCAL, second, third, fourth, fifth, last]
}

/// The MAC address of the host's end of a link over USB, on the board with this `unique_id`, which
/// chooses both ends. It is always the same, locally administered, and different from both
/// [`mac_addresses`].
#[must_use]
pub fn host_mac_address(unique_id: &[u8]) -> [u8; 6] {
    let [first, second, third, fourth, fifth, last] = mac_address(unique_id, Side::Inside);
    // The bit that differs between the sides is the one below.
    [first, second, third, fourth, fifth, last ^ 0b10]
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [[u8; 8]; 3] = [
        [0; 8],
        *b"\xe6\x60\x58\x38\x83\x12\x34\x2c",
        *b"\xe6\x60\x58\x38\x83\x12\x34\x2d",
    ];

    #[test]
    fn mac_address_is_of_one_station_and_locally_administered() {
        for id in (0..=u8::MAX).map(|byte| [byte; 8]) {
            for side in [Side::Inside, Side::Outside] {
                assert_eq!(mac_address(&id, side)[0] & 0b11, 0b10, "{id:?} {side:?}");
            }
        }
    }

    #[test]
    fn sides_of_a_board_differ() {
        for id in (0..=u8::MAX).map(|byte| [byte; 8]) {
            assert_ne!(
                mac_address(&id, Side::Inside),
                mac_address(&id, Side::Outside)
            );
        }
    }

    #[test]
    fn the_end_of_the_host_differs_from_both_sides_and_is_locally_administered() {
        for id in (0..=u8::MAX).map(|byte| [byte; 8]) {
            let host = host_mac_address(&id);
            assert!(!mac_addresses(&id).contains(&host));
            assert_eq!(host[0] & 0b11, 0b10);
        }
    }

    #[test]
    fn boards_whose_ids_differ_in_one_bit_have_addresses_that_differ_in_many() {
        let [_, one, other] = IDS.map(|id| {
            u64::from_be_bytes(core::array::from_fn(|index| {
                mac_address(&id, Side::Inside)
                    .get(index)
                    .copied()
                    .unwrap_or(0)
            }))
        });
        assert!((one ^ other).count_ones() >= 12, "{one:x} {other:x}");
    }

    #[test]
    fn mac_address_stays_what_it_was_in_earlier_versions() {
        assert_eq!(
            mac_address(&IDS[1], Side::Outside),
            [0x3e, 0x36, 0x3f, 0xf5, 0xfe, 0xd7]
        );
    }
}
