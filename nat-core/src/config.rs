//! What is chosen when the NAT is built.

mod limits;
mod quarantine;

use core::hash::Hasher;
use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::Vec;
use siphasher::sip::SipHasher24;

use crate::policy::addresses::{is_martian, is_multicast_or_broadcast};

pub use limits::{Limits, Rate};
pub use quarantine::QuarantineConfig;

/// External addresses that one NAT can have: a primary and seven more.
pub const MAX_EXTERNAL_ADDRESSES: usize = 8;

/// An address with the length of its network prefix, such as `192.168.77.1/24`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Cidr {
    address: Ipv4Addr,
    prefix_len: u8,
}

impl Cidr {
    /// The address `address` in a network of `prefix_len` leading bits, 0 to 32; `None` for more.
    pub const fn new(address: Ipv4Addr, prefix_len: u8) -> Option<Self> {
        if prefix_len > 32 { None } else { Some(Self { address, prefix_len }) }
    }

    /// The address.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The length of the network prefix in bits, 0 to 32.
    pub const fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Whether `address` is of this network.
    pub const fn contains(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) & self.mask() == 0
    }

    /// The network's directed broadcast address; `None` where the prefix leaves no room for one (RFC 3021).
    pub const fn broadcast(&self) -> Option<Ipv4Addr> {
        if self.prefix_len >= 31 { None } else { Some(Ipv4Addr::from_bits(self.address.to_bits() | !self.mask())) }
    }

    /// The network's own address; `None` where the prefix leaves no room for one (RFC 3021).
    pub const fn network(&self) -> Option<Ipv4Addr> {
        if self.prefix_len >= 31 { None } else { Some(Ipv4Addr::from_bits(self.address.to_bits() & self.mask())) }
    }

    /// Whether `address` can be one of a host in this network.
    pub(crate) fn is_host(&self, address: Ipv4Addr) -> bool {
        self.contains(address) && Some(address) != self.network() && Some(address) != self.broadcast()
    }

    const fn mask(&self) -> u32 {
        match 32 - self.prefix_len {
            32 => 0,
            host_bits => u32::MAX << host_bits,
        }
    }
}

impl core::fmt::Display for Cidr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// How an inside endpoint gets its external endpoint (RFC 4787 section 4.1).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Mapping {
    /// One external endpoint for whatever it talks to (RFC 4787 REQ-1).
    #[default]
    EndpointIndependent,
}

/// Who may send to an external endpoint (RFC 4787 section 5).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Filtering {
    /// Only the remote endpoints that the inside endpoint has sent to. Nothing unsolicited comes in.
    #[default]
    AddressAndPortDependent,
    /// Any port of a remote address that the inside endpoint has sent to. Each remote address takes one session more.
    AddressDependent,
    /// Anyone, as long as the mapping lives.
    EndpointIndependent,
}

/// Whether the filter applies to packets from inside that come back inside (RFC 4787 section 6).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Hairpinning {
    /// No: the sender is inside, and could reach the host directly.
    #[default]
    Unfiltered,
    /// Yes: as if the packet came from outside. Port forwards stay open; two hosts that know nothing but each other's
    /// external endpoint cannot meet, because a packet that is refused leaves no session that would let the other in.
    Filtered,
}

/// How long a session lives without traffic. Each at least 1 s and at most [`Timeouts::MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Timeouts {
    /// UDP sessions. RFC 4787 REQ-5: at least 2 min, 5 min recommended.
    pub udp: Duration,
    /// TCP from the first SYN until the other side's. RFC 7857 section 2.1: 4 min, may be less.
    pub tcp_partially_open: Duration,
    /// TCP established, one FIN included. RFC 5382 REQ-5: at least 2 h 4 min.
    pub tcp_established: Duration,
    /// TCP with both FINs seen. RFC 5382 REQ-5: at least 4 min.
    pub tcp_closing: Duration,
    /// TCP after a valid RST. RFC 7857 section 2.2: 4 min.
    pub tcp_reset: Duration,
    /// ICMP queries. RFC 5508 REQ-2: at least 1 min.
    pub icmp: Duration,
}

impl Timeouts {
    /// The longest timeout that can be set: 12 days.
    pub const MAX: Duration = Duration::from_secs(12 * 24 * 3600);

    /// What the RFCs ask for or recommend.
    pub const RFC: Self = Self {
        udp: Duration::from_secs(300),
        tcp_partially_open: Duration::from_secs(240),
        tcp_established: Duration::from_secs(7440),
        tcp_closing: Duration::from_secs(240),
        tcp_reset: Duration::from_secs(240),
        icmp: Duration::from_secs(60),
    };

    /// What cloud NAT gateways do: 350 s of idle time for every session. Knowingly below RFC 5382 REQ-5.
    pub const GATEWAY: Self = Self {
        udp: Duration::from_secs(350),
        tcp_partially_open: Duration::from_secs(350),
        tcp_established: Duration::from_secs(350),
        tcp_closing: Duration::from_secs(240),
        tcp_reset: Duration::from_secs(240),
        icmp: Duration::from_secs(350),
    };
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::RFC
    }
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The ports `first` to `last`; `None` if there are none, or if port 0 is one of them.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first == 0 || first > last { None } else { Some(Self { first, last }) }
    }

    /// The lowest port.
    pub const fn first(&self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(&self) -> u16 {
        self.last
    }

    /// Whether `port` is in the range.
    pub const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

/// What is chosen when the NAT is built. [`Config::new`] gives the defaults; then set the fields that differ.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Config {
    /// The router's own address inside, and the inside network. Packets from inside with another source are dropped.
    pub inside: Cidr,
    /// The external addresses, the primary first. May be empty until an address is known, and changed later with
    /// [`Nat::set_external_addresses`](crate::Nat::set_external_addresses).
    pub external_addresses: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>,
    /// How an inside endpoint gets its external endpoint. Never changes under load (RFC 4787 REQ-11).
    pub mapping: Mapping,
    /// Who may send to an external endpoint. Never changes under load (RFC 4787 REQ-11).
    pub filtering: Filtering,
    /// The same for TCP, where it differs (RFC 5382 REQ-3b); `None` for as `filtering` says.
    pub tcp_filtering: Option<Filtering>,
    /// Whether the filter applies to packets from inside that come back inside.
    pub hairpinning: Hairpinning,
    /// How long sessions live without traffic.
    pub timeouts: Timeouts,
    /// What one inside host, and answers, may use up.
    pub limits: Limits,
    /// External ports for inside ports from 1024 up, and for ICMP query identifiers.
    pub ports: PortRange,
    /// External ports for inside ports below 1024 (RFC 4787 REQ-3a).
    pub low_ports: PortRange,
    /// Whether an even inside port leaves from an even external port, and an odd one from an odd one (RFC 4787 REQ-4). Where
    /// no port of that parity is left, the session is refused. ICMP query identifiers have no parity.
    pub port_parity: bool,
    /// External ports that the router keeps for itself: never given to a mapping, nor to a port forward.
    pub reserved_ports: Option<PortRange>,
    /// How long freed external ports wait before another mapping gets them.
    pub quarantine: QuarantineConfig,
    /// Whether the router is a DHCP client outside: then a DHCP server's packets from there reach the router's stack.
    pub dhcp_client: bool,
    /// The largest datagram that may leave inside, in bytes, at least 68.
    pub inside_mtu: u16,
    /// The largest datagram that may leave outside, in bytes, at least 68.
    pub outside_mtu: u16,
    /// Whether the MSS of forwarded SYNs is lowered to what both MTUs carry.
    pub mss_clamp: bool,
}

impl Config {
    /// The defaults, for a router with the address `inside` on its inside network and no external address yet.
    pub const fn new(inside: Cidr) -> Self {
        Self {
            inside,
            external_addresses: Vec::new(),
            mapping: Mapping::EndpointIndependent,
            filtering: Filtering::AddressAndPortDependent,
            tcp_filtering: None,
            hairpinning: Hairpinning::Unfiltered,
            timeouts: Timeouts::RFC,
            limits: Limits::DEFAULT,
            ports: PortRange { first: 1024, last: 65535 },
            low_ports: PortRange { first: 1, last: 1023 },
            port_parity: false,
            reserved_ports: None,
            quarantine: QuarantineConfig::DEFAULT,
            dhcp_client: false,
            inside_mtu: 1500,
            outside_mtu: 1500,
            mss_clamp: false,
        }
    }
}

impl Config {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.check_inside()?;
        self.check_external_addresses(&self.external_addresses)?;
        self.check_timeouts()?;
        self.limits.check()?;
        self.quarantine.check()?;
        check("inside_mtu", self.inside_mtu >= MIN_MTU, "below 68 bytes")?;
        check("outside_mtu", self.outside_mtu >= MIN_MTU, "below 68 bytes")?;
        let covers =
            |reserved: PortRange, range: PortRange| reserved.contains(range.first) && reserved.contains(range.last);
        let covered = |reserved| covers(reserved, self.ports) || covers(reserved, self.low_ports);
        check("reserved_ports", !self.reserved_ports.is_some_and(covered), "leaves no port for mappings")
    }

    fn check_inside(&self) -> Result<(), ConfigError> {
        let address = self.inside.address();
        let usable = !is_martian(address.to_bits()) && !is_multicast_or_broadcast(address.to_bits());
        check("inside", usable, "the address is not one of a host")?;
        check("inside", (1..=31).contains(&self.inside.prefix_len()), "the prefix length is not 1 to 31")?;
        check("inside", self.inside.is_host(address), "the address is the network's own or its broadcast address")
    }

    /// Refuses external addresses that cannot work.
    pub(crate) fn check_external_addresses(&self, addresses: &[Ipv4Addr]) -> Result<(), ConfigError> {
        const FIELD: &str = "external_addresses";
        check(FIELD, addresses.len() <= MAX_EXTERNAL_ADDRESSES, "more than 8")?;
        for (position, address) in addresses.iter().enumerate() {
            let bits = address.to_bits();
            check(FIELD, !is_martian(bits) && !is_multicast_or_broadcast(bits), "an address is not one of a host")?;
            let stands_for_all = self.inside.contains(*address) && !self.inside.is_host(*address);
            check(FIELD, !stands_for_all, "an address is the inside network's own or its broadcast address")?;
            check(FIELD, !addresses.iter().take(position).any(|other| other == address), "an address stands twice")?;
        }
        Ok(())
    }

    fn check_timeouts(&self) -> Result<(), ConfigError> {
        let Timeouts { udp, tcp_partially_open, tcp_established, tcp_closing, tcp_reset, icmp } = self.timeouts;
        for time in [udp, tcp_partially_open, tcp_established, tcp_closing, tcp_reset, icmp] {
            check("timeouts", Duration::from_secs(1) <= time && time <= Timeouts::MAX, "not 1 s to 12 days")?;
        }
        Ok(())
    }

    /// Whether an external address is of the inside network too, as when a DHCP server outside uses the same private
    /// network (RFC 4787 REQ-7). Then the side alone tells whose an address is.
    pub(crate) fn networks_overlap(&self) -> bool {
        self.external_addresses.iter().any(|address| self.inside.contains(*address))
    }
}

/// The smallest MTU of IPv4 (RFC 791 section 3.2).
pub(crate) const MIN_MTU: u16 = 68;

pub(crate) fn check(field: &'static str, holds: bool, problem: &'static str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError { field, problem }) }
}

/// The secret from which table hashes and external ports are drawn: 16 bytes of entropy, new at every boot.
///
/// With a seed that an attacker can guess, external ports are predictable (RFC 6056) and table collisions can be built.
#[derive(Clone, Copy)]
pub struct Seed([u8; 16]);

impl Seed {
    /// The seed of `entropy`. All bytes zero, the sign of an absent generator, is refused when the NAT is built.
    pub const fn new(entropy: [u8; 16]) -> Self {
        Self(entropy)
    }

    /// The secrets drawn from this seed: one for table hashes, one for ports.
    pub(crate) fn secrets(&self) -> Result<([u32; 4], [u8; 16]), ConfigError> {
        check("seed", self.0 != [0; 16], "all zeros: the random number generator does not work")?;
        let draw = |label: u64| {
            let mut hasher = SipHasher24::new_with_key(&self.0);
            hasher.write_u64(label);
            hasher.finish()
        };
        let [a, b, c, d] = [draw(1), draw(2), draw(3), draw(4)];
        let hash = [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32];
        let mut ports = [0; 16];
        let (first, second) = ports.split_at_mut(8);
        first.copy_from_slice(&c.to_le_bytes());
        second.copy_from_slice(&d.to_le_bytes());
        Ok((hash, ports))
    }
}

/// Keeps the secret out of logs.
impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Which field of the configuration cannot work, and why.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ConfigError {
    /// The field, such as `external_addresses`.
    pub field: &'static str,
    /// What is wrong with it, as a sentence without an end.
    pub problem: &'static str,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl core::error::Error for ConfigError {}
