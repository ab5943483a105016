//! Protection against DNS rebinding: a public name that gets an address of the inside network, so
//! that a page from outside can reach hosts inside through a browser.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::base::Message;
use domain::base::iana::Rtype;
use nat_core::Cidr;

use super::records::walk;

/// The keys of the addresses in SVCB and HTTPS records (RFC 9460 section 14.3.2).
const IPV4_HINT: u16 = 4;
const IPV6_HINT: u16 = 6;

/// Whether an answer has an address that no name outside should have: one of the inside network, a
/// private, loopback or link-local one, or an IPv6 address that contains one of these.
pub(super) fn has_inside_address(answer: &Message<[u8]>, inside: Cidr) -> bool {
    let mut found = false;
    let is_inside = |address: IpAddr| is_inside_address(address, inside);
    let walked = walk(answer, |located| {
        let data = located.data_of(answer.as_slice());
        found |= any_address(located.record.rtype(), data, &is_inside);
    });
    found || walked.is_err()
}

/// Whether `test` holds for any address in the data of a record.
fn any_address(rtype: Rtype, data: &[u8], test: &impl Fn(IpAddr) -> bool) -> bool {
    match rtype {
        Rtype::A => any_v4(data, test),
        Rtype::AAAA => any_v6(data, test),
        Rtype::SVCB | Rtype::HTTPS => any_hint(data, test),
        _ => false,
    }
}

fn any_v4(data: &[u8], test: &impl Fn(IpAddr) -> bool) -> bool {
    let (addresses, _) = data.as_chunks::<4>();
    addresses
        .iter()
        .any(|octets| test(Ipv4Addr::from(*octets).into()))
}

fn any_v6(data: &[u8], test: &impl Fn(IpAddr) -> bool) -> bool {
    let (addresses, _) = data.as_chunks::<16>();
    addresses
        .iter()
        .any(|octets| test(Ipv6Addr::from(*octets).into()))
}

/// Whether `test` holds for an address in the parameters of an SVCB or HTTPS record.
fn any_hint(data: &[u8], test: &impl Fn(IpAddr) -> bool) -> bool {
    // A priority, and a name that is not compressed (RFC 9460 section 2.2).
    let name = data.get(2..).unwrap_or_default();
    let name_len: usize = super::names::labels(name)
        .map(|label| label.len() + 1)
        .sum();
    let mut rest = name.get(name_len + 1..).unwrap_or_default();
    while let Some(([a, b, c, d], after)) = rest.split_first_chunk::<4>() {
        let len = usize::from(u16::from_be_bytes([*c, *d]));
        let value = after.get(..len).unwrap_or_default();
        let found = match u16::from_be_bytes([*a, *b]) {
            IPV4_HINT => any_v4(value, test),
            IPV6_HINT => any_v6(value, test),
            _ => false,
        };
        if found {
            return true;
        }
        rest = after.get(len..).unwrap_or_default();
    }
    false
}

fn is_inside_address(address: IpAddr, inside: Cidr) -> bool {
    match address {
        IpAddr::V4(address) => is_inside_v4(address, inside),
        IpAddr::V6(address) => {
            address.is_unspecified()
                || address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || embedded(address).is_some_and(|address| is_inside_v4(address, inside))
        }
    }
}

fn is_inside_v4(address: Ipv4Addr, inside: Cidr) -> bool {
    let [first, ..] = address.octets();
    first == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || inside.contains(address)
}

/// The IPv4 address in a mapped address (RFC 4291 section 2.5.5.2), or in one of the prefix
/// 64:ff9b::/96 of translators (RFC 6052).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let [.., a, b, c, d] = octets;
    let is_translated = octets.starts_with(&[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]);
    address
        .to_ipv4_mapped()
        .or_else(|| is_translated.then_some(Ipv4Addr::new(a, b, c, d)))
}
