//! Names that the router answers itself, and names that it keeps inside.

use core::net::{Ipv4Addr, Ipv6Addr};

use domain::base::iana::Rtype;
use nat_core::Cidr;

use super::message::Query;
use super::names::{labels, push, zone};
use super::reply::{Known, is_internet};
use super::zones;
use crate::dhcp::{MAX_NAME, Names};

/// The name of the router itself, below the domain.
const ROUTER: &[u8] = b"router";

/// The time for which an answer about the inside network may be kept, in seconds. Short, because a
/// client can get an address at any time.
const LOCAL_TTL: u32 = 10;

/// The same for zones in which nothing changes (RFC 6303 section 3).
const EMPTY_ZONE_TTL: u32 = 10_800;

/// The longest domain of local names. The longest name with it fits into an answer.
pub(crate) const MAX_DOMAIN: usize = 63;

/// The names of the inside network.
pub(crate) struct Local<'d> {
    pub(crate) inside: Cidr,
    /// The domain, valid by [`is_domain`].
    pub(crate) domain: &'static str,
    /// The names of DHCP clients, if the router leases addresses.
    pub(crate) clients: Option<Names<'d>>,
}

/// Whether `domain` can be the domain of local names: labels of letters, digits and hyphens.
pub(crate) fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..64).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    domain.len() <= MAX_DOMAIN && domain.split('.').all(is_label)
}

impl Local<'_> {
    /// The answer to a query about a name that is not looked up outside, and the seconds for which
    /// it may be kept. `None` if the name is to be looked up.
    pub(super) fn answer<'a>(&self, query: &Query<'a>, now: u32) -> Option<(Known<'a>, u32)> {
        if !is_internet(query) {
            return None;
        }
        self.localhost(query)
            .or_else(|| self.of_domain(query, now))
            .or_else(|| self.single_label(query, now))
            .map(|known| (known, LOCAL_TTL))
            .or_else(|| self.reverse(query, now))
            .or_else(|| Some((Known::NoName(zones::find(query.name)?), EMPTY_ZONE_TTL)))
    }

    /// RFC 6761 section 6.3: localhost and names below it are the host itself.
    fn localhost<'a>(&self, query: &Query<'a>) -> Option<Known<'a>> {
        let zone = zone(query.name, "localhost")?;
        Some(match query.rtype {
            Rtype::A | Rtype::ANY => Known::Address(Ipv4Addr::LOCALHOST),
            Rtype::AAAA => Known::Address6(Ipv6Addr::LOCALHOST),
            _ => Known::NoRecords(zone),
        })
    }

    /// Names in the domain of the inside network.
    fn of_domain<'a>(&self, query: &Query<'a>, now: u32) -> Option<Known<'a>> {
        let zone = zone(query.name, self.domain)?;
        let below = query.name.get(..query.name.len() - zone.len())?;
        let mut labels = labels(below);
        Some(match (labels.next(), labels.next()) {
            (None, _) => Known::NoRecords(zone),
            (Some(host), None) => self.host(host, query, zone, now),
            _ => Known::NoName(zone),
        })
    }

    /// Names without a dot, which mean hosts of the inside network. Other records than addresses of
    /// such names are looked up: hosts that check DNSSEC need those of top-level domains.
    fn single_label<'a>(&self, query: &Query<'a>, now: u32) -> Option<Known<'a>> {
        let mut labels = labels(query.name);
        let (Some(host), None) = (labels.next(), labels.next()) else {
            return None;
        };
        let is_address = matches!(query.rtype, Rtype::A | Rtype::AAAA);
        is_address.then(|| self.host(host, query, query.name, now))
    }

    fn host<'a>(&self, host: &[u8], query: &Query<'a>, zone: &'a [u8], now: u32) -> Known<'a> {
        match self.address_of(host, now) {
            Some(address) if matches!(query.rtype, Rtype::A | Rtype::ANY) => {
                Known::Address(address)
            }
            Some(_) => Known::NoRecords(zone),
            None => Known::NoName(zone),
        }
    }

    fn address_of(&self, host: &[u8], now: u32) -> Option<Ipv4Addr> {
        if host.eq_ignore_ascii_case(ROUTER) {
            return Some(self.inside.address());
        }
        self.clients?.address_of(host, now)
    }

    /// Names of addresses: of the router, of clients, and of the loopback address.
    fn reverse<'a>(&self, query: &Query<'a>, now: u32) -> Option<(Known<'a>, u32)> {
        let address = zones::reverse_address(query.name)?;
        let name = if address == Ipv4Addr::LOCALHOST {
            full_name(b"localhost", "")
        } else if address == self.inside.address() {
            full_name(ROUTER, self.domain)
        } else {
            full_name(&self.clients?.name_of(address, now)?, self.domain)
        };
        let known = match query.rtype {
            Rtype::PTR | Rtype::ANY => Known::Pointer(name?),
            _ => Known::NoRecords(query.name),
        };
        Some((known, LOCAL_TTL))
    }
}

/// The name of a host in the wire format.
fn full_name(host: &[u8], domain: &str) -> Option<heapless::Vec<u8, 128>> {
    const _: () = assert!(MAX_NAME + MAX_DOMAIN + 4 <= 128);
    let mut name = heapless::Vec::new();
    push(&mut name, host)?;
    if !domain.is_empty() {
        push(&mut name, domain.as_bytes())?;
    }
    name.push(0).ok()?;
    Some(name)
}

/// Whether a name is one of `domains`, or below one.
pub(super) fn is_below(name: &[u8], domains: &[&str]) -> bool {
    domains.iter().any(|domain| zone(name, domain).is_some())
}
