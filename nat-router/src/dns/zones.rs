//! Zones that are answered here, because nobody outside knows them, or nobody outside is to be asked
//! about them.

use core::net::Ipv4Addr;

use super::names::{labels, suffixes, zone};

/// Names that do not exist outside: RFC 6761 (invalid, test), RFC 6762 (local), RFC 7686 (onion) and
/// RFC 8375 (home.arpa).
const NAMES: [&str; 5] = ["invalid", "test", "local", "onion", "home.arpa"];

/// Reverse zones of private, local and documentation addresses (RFC 6303 section 4). Those of
/// 172.16.0.0/12 and of 100.64.0.0/10 (RFC 7793) are in [`is_private_reverse`].
const REVERSE: [&str; 16] = [
    "10.in-addr.arpa",
    "168.192.in-addr.arpa",
    "0.in-addr.arpa",
    "127.in-addr.arpa",
    "254.169.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "255.255.255.255.in-addr.arpa",
    "d.f.ip6.arpa",
    "8.e.f.ip6.arpa",
    "9.e.f.ip6.arpa",
    "a.e.f.ip6.arpa",
    "b.e.f.ip6.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
    // The unspecified address and the loopback address, and others that nobody has.
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
];

const REVERSE_V4: &str = "in-addr.arpa";

/// The zone answered here that a name is in, in the wire format.
pub(super) fn find(name: &[u8]) -> Option<&[u8]> {
    let dotted = NAMES.iter().chain(&REVERSE);
    dotted
        .filter_map(|dotted| zone(name, dotted))
        .next()
        .or_else(|| suffixes(name).find(|suffix| is_private_reverse(suffix)))
}

/// Whether a name is the reverse zone of 16.172.in-addr.arpa to 31.172.in-addr.arpa, or of
/// 64.100.in-addr.arpa to 127.100.in-addr.arpa.
fn is_private_reverse(name: &[u8]) -> bool {
    match reverse_octets(name).as_deref() {
        Some([172, second]) => (16..32).contains(second),
        Some([100, second]) => (64..128).contains(second),
        _ => false,
    }
}

/// The address of which this is the reverse name (RFC 1035 section 3.5).
pub(super) fn reverse_address(name: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = reverse_octets(name)?.into_array().ok()?;
    Some(Ipv4Addr::from(octets))
}

/// The octets of a reverse name, that of the network first.
fn reverse_octets(name: &[u8]) -> Option<heapless::Vec<u8, 4>> {
    let below = zone(name, REVERSE_V4)?;
    let own = name.get(..name.len().checked_sub(below.len())?)?;
    let mut octets = heapless::Vec::new();
    for label in labels(own) {
        octets.push(octet(label)?).ok()?;
    }
    octets.reverse();
    Some(octets)
}

/// A decimal number without leading zeros.
fn octet(label: &[u8]) -> Option<u8> {
    let is_plain =
        label.iter().all(u8::is_ascii_digit) && (label.len() == 1 || label.first() != Some(&b'0'));
    let text = core::str::from_utf8(label).ok()?;
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::super::names::push;
    use super::*;

    #[track_caller]
    fn assert_zone(dotted: &str, expected: Option<&str>) {
        let mut name = heapless::Vec::<u8, 255>::new();
        push(&mut name, dotted.as_bytes()).expect("a name");
        name.push(0).expect("room");
        let labels: std::vec::Vec<_> = find(&name)
            .map(|zone| {
                labels(zone)
                    .map(std::string::String::from_utf8_lossy)
                    .collect()
            })
            .unwrap_or_default();
        assert_eq!(labels.join("."), expected.unwrap_or_default(), "{dotted}");
    }

    /// RFC 6303 section 4, RFC 7793, RFC 6761, RFC 6762, RFC 7686, RFC 8375.
    #[test]
    fn private_reverse_zones_and_special_names_are_answered_here() {
        for (name, zone) in [
            ("4.3.2.10.in-addr.arpa", "10.in-addr.arpa"),
            ("16.172.in-addr.arpa", "16.172.in-addr.arpa"),
            ("1.0.31.172.IN-ADDR.ARPA", "31.172.IN-ADDR.ARPA"),
            ("1.2.168.192.in-addr.arpa", "168.192.in-addr.arpa"),
            ("1.2.64.100.in-addr.arpa", "64.100.in-addr.arpa"),
            ("1.2.127.100.in-addr.arpa", "127.100.in-addr.arpa"),
            ("a.254.169.in-addr.arpa", "254.169.in-addr.arpa"),
            (
                "255.255.255.255.in-addr.arpa",
                "255.255.255.255.in-addr.arpa",
            ),
            ("1.2.c.f.d.f.ip6.arpa", "d.f.ip6.arpa"),
            ("1.b.e.f.ip6.arpa", "b.e.f.ip6.arpa"),
            ("printer.local", "local"),
            ("x.y.onion", "onion"),
            ("home.arpa", "home.arpa"),
            ("a.invalid", "invalid"),
            ("a.test", "test"),
        ] {
            assert_zone(name, Some(zone));
        }
    }

    #[test]
    fn other_names_are_not_answered_here() {
        for name in [
            "8.8.8.8.in-addr.arpa",
            "15.172.in-addr.arpa",
            "32.172.in-addr.arpa",
            "63.100.in-addr.arpa",
            "128.100.in-addr.arpa",
            "172.in-addr.arpa",
            "in-addr.arpa",
            "192.in-addr.arpa",
            "016.172.in-addr.arpa",
            "c.e.f.ip6.arpa",
            "example.com",
            "local.example.com",
            "mylocal",
            "arpa",
        ] {
            assert_zone(name, None);
        }
    }
}
