//! The configuration of the router.

use core::fmt;
use core::net::Ipv4Addr;

use embassy_net::StaticConfigV4;
use nat_core::Cidr;

/// The number of addresses in the default pool of the DHCP server, if the inside network and the
/// memory are large enough.
pub const LEASES: usize = 64;

/// The configuration of the router. [`Config::new`] gives the defaults; then set the fields that
/// differ.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The configuration of the NAT, with the router's own address inside. [`Config::new`] turns
    /// MSS clamping on. Its `dhcp_client` is ignored: `outside` decides whether there is one.
    pub nat: nat_core::Config,
    /// The static configuration of the outside; `None` to use DHCP.
    pub outside: Option<StaticConfigV4>,
    /// The host name that the DHCP client sends: up to 63 ASCII letters, digits and hyphens. Empty
    /// for none.
    pub host_name: &'static str,
    /// The configuration of the DHCP server inside; `None` for no server.
    pub dhcp_server: Option<DhcpServer>,
    /// Whether hosts inside can ask for external ports, with PCP or NAT-PMP.
    ///
    /// Default: no.
    #[cfg(feature = "port-control")]
    pub port_control: bool,
    /// The configuration of the DNS forwarder inside; `None` for no forwarder. With one, DHCP
    /// clients get the router as their DNS server.
    #[cfg(feature = "dns")]
    pub dns_forwarder: Option<DnsForwarder>,
}

/// The configuration of the DNS forwarder on the router's inside address.
#[cfg(feature = "dns")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DnsForwarder {
    /// The domain of local names: labels of ASCII letters, digits and hyphens, up to 63 bytes in
    /// all. The router is `router` in it, and DHCP clients have the names that they send.
    ///
    /// Default: `lan`.
    pub domain: &'static str,
    /// Whether an answer about a name outside is emptied if it has an address that only hosts
    /// inside should have: a private, loopback or link-local one, or one of the inside network.
    /// Otherwise a web page from outside can reach hosts inside through a browser (DNS rebinding).
    ///
    /// Default: no.
    pub rebinding_protection: bool,
    /// Names that may have such addresses, with all names below them.
    ///
    /// Default: none.
    pub rebinding_exceptions: &'static [&'static str],
}

#[cfg(feature = "dns")]
impl Default for DnsForwarder {
    fn default() -> Self {
        Self {
            domain: "lan",
            rebinding_protection: false,
            rebinding_exceptions: &[],
        }
    }
}

/// The configuration of the DHCP server inside. Besides a lease, a client gets the router as its
/// gateway, and the DNS servers of the outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DhcpServer {
    /// The first address of the pool.
    pub first: Ipv4Addr,
    /// The last address of the pool. The pool can have as many addresses as the
    /// [`Memory`](crate::Memory) has `HOSTS`. The router's own address may be in it, and is never
    /// leased.
    pub last: Ipv4Addr,
    /// The duration of a lease in seconds while the outside is configured. Before that, leases
    /// last [`SHORT_LEASE_SECONDS`](crate::dhcp::SHORT_LEASE_SECONDS), so that clients soon
    /// ask again and learn the DNS servers.
    pub lease_seconds: u32,
}

/// The default duration of a lease: an hour, so that clients learn new DNS servers within half an
/// hour.
const LEASE_SECONDS: u32 = 3600;

/// The default host name.
const HOST_NAME: &str = "nat-router";

/// The host part of the first address in the default pool, if the inside network is large enough.
const FIRST_LEASED: u32 = 100;

impl Config {
    /// The defaults of a router with this address inside: DHCP outside, and a DHCP server inside.
    /// Its pool has [`LEASES`] addresses from host 100 on, or from the middle of a network with
    /// fewer than 200 hosts. If the memory has fewer `HOSTS`, [`new`](crate::new) shortens this
    /// pool.
    pub fn new(inside: Cidr) -> Self {
        let mut nat = nat_core::Config::new(inside);
        nat.mss_clamp = true;
        Self {
            nat,
            outside: None,
            host_name: HOST_NAME,
            dhcp_server: DhcpServer::of(inside),
            #[cfg(feature = "port-control")]
            port_control: false,
            #[cfg(feature = "dns")]
            dns_forwarder: None,
        }
    }
}

impl Default for Config {
    /// The defaults of a router with the address 192.168.77.1 in a network of 24 bits.
    fn default() -> Self {
        const INSIDE: Cidr = match Cidr::new(Ipv4Addr::new(192, 168, 77, 1), 24) {
            Some(inside) => inside,
            None => panic!("a prefix is at most 32 bits long"),
        };
        Self::new(INSIDE)
    }
}

impl DhcpServer {
    /// The default pool of this network; `None` if it has no addresses for hosts besides the
    /// router.
    pub fn of(inside: Cidr) -> Option<Self> {
        let (network, broadcast) = (inside.network()?.to_bits(), inside.broadcast()?.to_bits());
        let middle = (broadcast - network) / 2;
        // Host 0 is the network address, so the pool begins with host 1 at the earliest.
        let first = network + FIRST_LEASED.min(middle).max(1);
        let last = (broadcast - 1).min(first + LEASES as u32 - 1);
        let pool = Self {
            first: first.into(),
            last: last.into(),
            lease_seconds: LEASE_SECONDS,
        };
        (pool.first != pool.last || pool.first != inside.address()).then_some(pool)
    }

    /// Checks that the server can work in this network, with a memory for `hosts` hosts.
    /// [`new`](crate::new) does so, too.
    ///
    /// # Errors
    ///
    /// When the pool has an address outside the network, none but the router's own, or more than
    /// `hosts`, or when the duration of a lease is zero.
    pub fn check(&self, inside: Cidr, hosts: usize) -> Result<(), ConfigError> {
        let is_host = |address| {
            inside.contains(address)
                && Some(address) != inside.network()
                && Some(address) != inside.broadcast()
        };
        let check = |holds: bool, problem| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError::DhcpServer(problem))
            }
        };
        check(
            is_host(self.first) && is_host(self.last),
            "the pool is not of hosts of the inside network",
        )?;
        // Before the length, which is 1 for a pool in the wrong order.
        check(self.first <= self.last, "the pool ends before it begins")?;
        check(
            self.len() <= hosts,
            "the pool has more addresses than the memory has hosts",
        )?;
        check(
            self.len() > 1 || self.first != inside.address(),
            "the pool has no address but the router's own",
        )?;
        check(self.lease_seconds > 0, "a lease of no time")
    }

    /// Shortens the default pool to the `hosts` of the memory. Other pools stay as they are.
    pub(crate) fn fit(self, inside: Cidr, hosts: usize) -> Self {
        let is_default =
            Self::of(inside).is_some_and(|pool| (pool.first, pool.last) == (self.first, self.last));
        if !is_default || self.len() <= hosts {
            return self;
        }
        let others = u32::try_from(hosts).unwrap_or(u32::MAX).saturating_sub(1);
        Self {
            last: Ipv4Addr::from_bits(self.first.to_bits().saturating_add(others)),
            ..self
        }
    }

    /// The number of addresses in the pool.
    pub(crate) fn len(&self) -> usize {
        (self.last.to_bits().saturating_sub(self.first.to_bits()) as usize).saturating_add(1)
    }
}

/// Why a router cannot be built.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConfigError {
    /// What is wrong with [`Config::dhcp_server`], as a sentence without a full stop.
    DhcpServer(&'static str),
    /// [`DnsForwarder::domain`] is too long, or has other characters than letters, digits and
    /// hyphens in labels.
    #[cfg(feature = "dns")]
    DnsDomain,
    /// [`Config::host_name`] is too long, or has other characters than letters, digits and hyphens.
    HostName,
    /// The NAT refuses [`Config::nat`] or the address of [`Config::outside`].
    Nat(nat_core::ConfigError),
}

impl From<nat_core::ConfigError> for ConfigError {
    fn from(error: nat_core::ConfigError) -> Self {
        Self::Nat(error)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DhcpServer(problem) => write!(f, "dhcp_server: {problem}"),
            #[cfg(feature = "dns")]
            Self::DnsDomain => f.write_str(
                "dns_forwarder.domain: not labels of ASCII letters, digits and hyphens, up to 63 bytes in all",
            ),
            Self::HostName => {
                f.write_str("host_name: not up to 63 ASCII letters, digits and hyphens")
            }
            Self::Nat(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ConfigError {}
