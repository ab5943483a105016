//! The MAC addresses of the router. They are the same at each start, because neighbours cache them
//! and DHCP servers identify clients by them.

use core::hash::Hasher;
use std::fs;

use siphasher::sip::SipHasher13;

/// Files with an id of the machine that does not change:
/// <https://www.freedesktop.org/software/systemd/man/machine-id.html>. The id is confidential, so only a hash of it
/// is sent.
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// Of this program, so that other programs do not derive the same addresses.
const KEY: &[u8; 16] = b"nat-host MAC key";

/// The address of the router's end of the device `name`. It differs for each machine and name;
/// machines without an id have the same address.
pub(super) fn of_device(name: &str) -> [u8; 6] {
    let machine = MACHINE_IDS
        .iter()
        .find_map(|path| fs::read(path).ok().filter(|id| !id.trim_ascii().is_empty()));
    derive(machine.unwrap_or_default().trim_ascii(), name)
}

/// A locally administered unicast address. The kernel's end of the device has a random one.
fn derive(machine: &[u8], name: &str) -> [u8; 6] {
    let mut hasher = SipHasher13::new_with_key(KEY);
    for part in [machine, name.as_bytes()] {
        hasher.write(part);
        hasher.write_u8(0);
    }
    let [a, b, c, d, e, f, ..] = hasher.finish().to_le_bytes();
    [a & 0xfc | 0x02, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_each_time() {
        assert_eq!(of_device("nat-wan"), of_device("nat-wan"));
        // If this changes, every router gets a new lease.
        assert_eq!(
            derive(b"0123456789abcdef0123456789abcdef", "nat-wan"),
            [0x72, 0xb5, 0x37, 0x7a, 0xc7, 0x44]
        );
    }

    #[test]
    fn machines_and_devices_have_different_addresses() {
        let addresses = [
            derive(b"1", "nat-lan"),
            derive(b"1", "nat-wan"),
            derive(b"2", "nat-lan"),
            derive(b"", "1nat-lan"),
        ];
        for (i, address) in addresses.iter().enumerate() {
            assert_eq!(
                address[0] & 0x03,
                0x02,
                "locally administered, of one interface"
            );
            assert!(!addresses[..i].contains(address));
        }
    }
}
