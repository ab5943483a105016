//! A lease, as it is read from a server's message.

use core::fmt;
use core::net::Ipv4Addr;

use heapless::Vec;
use nat_core::Cidr;

use super::options::{Options, code, take};
use super::reply::Reply;

/// The most DNS servers of a lease.
pub const MAX_DNS_SERVERS: usize = 5;

/// The lowest MTU that is accepted from a server: every host must receive datagrams of this length
/// (RFC 791).
const MIN_MTU: u16 = 576;

/// The lease time that means for ever (RFC 2131 section 3.3).
const FOR_EVER: u32 = u32::MAX;

/// The lease time in seconds if the server gives none.
const DEFAULT_SECONDS: u32 = 3600;

/// The shortest lease time in seconds. A server that gives a shorter one is asked again no earlier
/// than after half of this.
const MIN_SECONDS: u32 = 10;

/// The configuration of the outside.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Lease {
    /// The router's address, with the prefix length of the network outside. Without a valid subnet
    /// mask, it is the prefix length of the address's class (RFC 791: 8, 16 or 24 bits).
    pub address: Cidr,
    /// The next hop to all other networks: the router of the default route in option 121 if there
    /// is that option (RFC 3442), or else the first router of option 3. It need not be in the
    /// network.
    pub gateway: Option<Ipv4Addr>,
    /// The DNS servers, the preferred one first.
    pub dns_servers: Vec<Ipv4Addr, MAX_DNS_SERVERS>,
    /// The MTU of the network, at least 576 bytes, if the server gives one.
    pub mtu: Option<u16>,
    /// The server that leases the address; unspecified with a static configuration.
    pub server: Ipv4Addr,
    /// The lease time in seconds; `None` for ever.
    pub seconds: Option<u32>,
}

/// The lease time, and the times for renewing and rebinding, as the server gives them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Times {
    /// `None` for ever.
    pub(super) lease: Option<u32>,
    pub(super) renewal: Option<u32>,
    pub(super) rebinding: Option<u32>,
}

/// Why a server's message is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The server has refused the request.
    Nak,
    /// The message is from another server than the one that was chosen.
    OtherServer,
    /// An address that no host can have.
    Address,
    /// Another station has the address.
    InUse,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Refusal {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Nak => "the server refuses the request (NAK)",
            Self::OtherServer => "not the server that was chosen",
            Self::Address => "no host can have that address",
            Self::InUse => "another station has that address",
        }
    }
}

impl Lease {
    /// Reads an OFFER or an ACK. Options that it leaves out stay as in `before`.
    pub(super) fn read(reply: &Reply<'_>, before: Option<&Self>) -> Result<Self, Refusal> {
        let (options, own) = (reply.options, reply.address);
        if !can_be_host(own) {
            return Err(Refusal::Address);
        }
        // What is known about another address does not count for this one.
        let before = before.filter(|before| before.address.address() == own);
        let address = network(own, &options, before).ok_or(Refusal::Address)?;
        let mtu = options.u16(code::INTERFACE_MTU).map(|mtu| mtu.max(MIN_MTU));
        Ok(Self {
            address,
            gateway: gateway(own, &options, before),
            dns_servers: dns_servers(&options, before),
            mtu: mtu.or_else(|| before?.mtu),
            server: reply.server,
            seconds: Times::of(&options).lease,
        })
    }
}

impl Times {
    pub(super) fn of(options: &Options<'_>) -> Self {
        let lease = options
            .u32(code::LEASE_TIME)
            .unwrap_or(DEFAULT_SECONDS)
            .max(MIN_SECONDS);
        Self {
            lease: Some(lease).filter(|lease| *lease != FOR_EVER),
            renewal: options.u32(code::RENEWAL_TIME),
            rebinding: options.u32(code::REBINDING_TIME),
        }
    }
}

/// Whether a host can have this address, as far as the address alone shows.
fn can_be_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    (1..224).contains(&first) && !address.is_loopback()
}

/// The address with its prefix length. If it is the first or the last address of its network, which
/// no host can have, the prefix length is 32.
fn network(own: Ipv4Addr, options: &Options<'_>, before: Option<&Lease>) -> Option<Cidr> {
    let given = options.address(code::SUBNET_MASK).and_then(prefix_len);
    let bits = given
        .or_else(|| before.map(|before| before.address.prefix_len()))
        .unwrap_or_else(|| class_prefix_len(own));
    let network = Cidr::new(own, bits)?;
    let is_host = network.network() != Some(own) && network.broadcast() != Some(own);
    if is_host {
        Some(network)
    } else {
        Cidr::new(own, 32)
    }
}

/// The prefix length of a subnet mask; `None` if it is not a mask, or 0.0.0.0.
fn prefix_len(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let len = bits.leading_ones();
    (len > 0 && bits.count_ones() == len).then_some(len as u8)
}

/// The prefix length of an address's class (RFC 791 section 3.2).
fn class_prefix_len(address: Ipv4Addr) -> u8 {
    match address.octets() {
        [0..128, ..] => 8,
        [128..192, ..] => 16,
        _ => 24,
    }
}

/// The gateway, which stays as `before` if the options have none.
fn gateway(own: Ipv4Addr, options: &Options<'_>, before: Option<&Lease>) -> Option<Ipv4Addr> {
    let is_usable = |router: &Ipv4Addr| can_be_host(*router) && *router != own;
    if !options.contains(code::ROUTERS) && !options.contains(code::CLASSLESS_ROUTES) {
        return before?.gateway;
    }
    // With option 121, the routers of option 3 do not count (RFC 3442).
    match default_route(options) {
        Routes::None => options.addresses(code::ROUTERS).find(is_usable),
        Routes::Default(router) => Some(router).filter(is_usable),
    }
}

/// The DNS servers, which stay as `before` without the option.
fn dns_servers(options: &Options<'_>, before: Option<&Lease>) -> Vec<Ipv4Addr, MAX_DNS_SERVERS> {
    if let Some(before) = before
        && !options.contains(code::DNS_SERVERS)
    {
        return before.dns_servers.clone();
    }
    options
        .addresses(code::DNS_SERVERS)
        .filter(|dns| can_be_host(*dns))
        .take(MAX_DNS_SERVERS)
        .collect()
}

/// The default route in option 121.
enum Routes {
    /// There are no classless routes, or they are malformed.
    None,
    /// The router, or the unspecified address if there is no default route.
    Default(Ipv4Addr),
}

/// The default route of option 121: the route with the shortest prefix, of up to one bit, since
/// some networks give two halves. Routes to smaller networks are ignored.
fn default_route(options: &Options<'_>) -> Routes {
    let mut bytes = options.bytes(code::CLASSLESS_ROUTES);
    let mut best: Option<(u8, Ipv4Addr)> = None;
    let mut any = false;
    while let Some(bits) = bytes.next() {
        let Some(router) = route(bits, &mut bytes) else {
            // A malformed option is as if it were not there.
            return Routes::None;
        };
        any = true;
        if bits <= 1 && best.is_none_or(|(shortest, _)| bits < shortest) {
            best = Some((bits, router));
        }
    }
    if any {
        // Routes without a default route mean that there is none, whatever option 3 says (RFC
        // 3442).
        Routes::Default(best.map_or(Ipv4Addr::UNSPECIFIED, |(_, router)| router))
    } else {
        Routes::None
    }
}

/// Reads the rest of a route whose destination has a prefix of `bits`. Only the significant bytes
/// of the destination are there. Returns the router.
fn route(bits: u8, bytes: &mut impl Iterator<Item = u8>) -> Option<Ipv4Addr> {
    if bits > 32 {
        return None;
    }
    for _ in 0..bits.div_ceil(8) {
        bytes.next()?;
    }
    take(bytes).map(Ipv4Addr::from_octets)
}
