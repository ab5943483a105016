//! What is chosen when the NAT is built.

mod blocks;
mod cidr;
mod gateway;
mod limits;
mod port_range;
mod port_set;
mod quarantine;
mod seed;
mod timeouts;

use core::net::Ipv4Addr;

use heapless::Vec;

use crate::log::warning;
use crate::policy::addresses::{is_martian, is_multicast_or_broadcast};
use crate::port_forward::OneToOne;
use crate::state::Proto;

pub use cidr::{Cidr, ParseCidrError};
pub use limits::{Limits, Rate};
pub use port_range::PortRange;
pub use port_set::{MAX_PORT_RANGES, PortSet, PortSetFull};
pub use quarantine::QuarantineConfig;
pub use seed::Seed;
pub use timeouts::Timeouts;

/// External addresses that one NAT can have: a primary and seven more.
pub const MAX_EXTERNAL_ADDRESSES: usize = 8;

/// How an inside endpoint gets its external endpoint (RFC 4787 section 4.1).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Mapping {
    /// One external endpoint for whatever it talks to (RFC 4787 REQ-1).
    #[default]
    EndpointIndependent,
    /// An external port for each remote endpoint, which other inside endpoints may have too as long
    /// as they talk to others (port overlapping, RFC 7857 section 3). So an external address
    /// carries as many sessions to *each* destination as it has ports, as cloud NAT gateways
    /// do; but hosts outside that exchange what they see of a host's port cannot reach it,
    /// and hosts inside reach each other through port forwards only. Takes a mapping for each
    /// session, and filtering that is address-and-port-dependent.
    AddressAndPortDependent,
}

/// Who may send to an external endpoint (RFC 4787 section 5).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Filtering {
    /// Only the remote endpoints that the inside endpoint has sent to. Nothing unsolicited comes
    /// in.
    #[default]
    AddressAndPortDependent,
    /// Any port of a remote address that the inside endpoint has sent to. Each remote address takes
    /// one session more.
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
    /// Yes: as if the packet came from outside. Port forwards stay open; two hosts that know
    /// nothing but each other's external endpoint cannot meet, because a packet that is refused
    /// leaves no session that would let the other in.
    Filtered,
}

/// Destinations that what comes from inside reaches as it is, without translation (RFC 6888 REQ-6),
/// such as a network of the same owner that knows the way back. Answers find their way by the
/// session, as if it were translated.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Untranslated {
    /// The network of the destinations.
    pub network: Cidr,
    /// Their TCP and UDP ports; `None` for all of them, and for ICMP too.
    pub ports: Option<PortRange>,
}

/// Entries that [`Config::untranslated`] can have.
pub const MAX_UNTRANSLATED: usize = 8;

/// What a host inside is told when it cannot have a session: no room, no port, or a limit is
/// reached. Within the limit on ICMP errors.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ExhaustionError {
    /// "Communication administratively prohibited", which ends most attempts at once (RFC 5508
    /// REQ-8).
    #[default]
    AdministrativelyProhibited,
    /// "Host unreachable", after which TCP tries on (RFC 6888 REQ-11).
    HostUnreachable,
    /// Nothing: the packet is dropped.
    None,
}

/// Whether a host inside gets a RST for a segment of a connection that the NAT does not know, which
/// may have ended here or come from before a restart (RFC 9293 section 3.10.7.1). The RST is in the
/// name of the remote end.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum InsideResets {
    /// Always: after a restart of the router connections end at once. A host that scans the outside
    /// with lone ACKs (`nmap -sA`, `nmap -PA`) takes every address there for one that is up,
    /// and each port for unfiltered.
    #[default]
    Always,
    /// For any segment but one that carries nothing but an ACK. Scanners see what is there; a
    /// connection without traffic of its own ends with its next data after a restart, not with
    /// its next keepalive.
    NotForBareAck,
    /// Never: after a restart of the router connections hang until they time out at the host.
    Never,
}

/// What is chosen when the NAT is built. [`Config::new`] gives the defaults; then set the fields
/// that differ.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Config {
    /// The router's own address inside, and the inside network. Packets from inside with another
    /// source are dropped.
    pub inside: Cidr,
    /// The external addresses, the primary first. May be empty until an address is known, and
    /// changed later with [`Nat::set_external_addresses`](crate::Nat::set_external_addresses).
    /// One of the inside network works (RFC 4787 REQ-7), but hosts reach no host outside that
    /// has such an address: the log gets a warning.
    ///
    /// Default: None.
    pub external_addresses: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>,
    /// How an inside endpoint gets its external endpoint. Never changes under load (RFC 4787
    /// REQ-11).
    ///
    /// Default: [`Mapping::EndpointIndependent`].
    pub mapping: Mapping,
    /// Who may send to an external endpoint. Never changes under load (RFC 4787 REQ-11).
    ///
    /// Default: [`Filtering::AddressAndPortDependent`].
    pub filtering: Filtering,
    /// The same for TCP, where it differs (RFC 5382 REQ-3b); `None` for as `filtering` says.
    ///
    /// Default: `None`.
    pub tcp_filtering: Option<Filtering>,
    /// Whether the filter applies to packets from inside that come back inside.
    ///
    /// Default: [`Hairpinning::Unfiltered`].
    pub hairpinning: Hairpinning,
    /// External addresses that stand for one inside host each.
    ///
    /// Default: None.
    pub one_to_one: Vec<OneToOne, MAX_EXTERNAL_ADDRESSES>,
    /// The inside host that gets what arrives at a TCP or UDP port of the primary external address
    /// that nobody else has. What it sends leaves with its port unchanged where that is free.
    ///
    /// Default: `None`.
    pub dmz_host: Option<Ipv4Addr>,
    /// Destinations that are reached without translation. What comes from there by itself is
    /// dropped all the same.
    ///
    /// Default: None.
    pub untranslated: Vec<Untranslated, MAX_UNTRANSLATED>,
    /// How long sessions live without traffic.
    ///
    /// Default: [`Timeouts::RFC`].
    pub timeouts: Timeouts,
    /// What one inside host, and answers, may use up.
    ///
    /// Default: [`Limits::DEFAULT`].
    pub limits: Limits,
    /// External ports for inside ports from 1024 up, and for ICMP query identifiers.
    ///
    /// Default: 1024 to 65535.
    pub ports: PortRange,
    /// External ports for inside ports below 1024 (RFC 4787 REQ-3a).
    ///
    /// Default: 1 to 1023.
    pub low_ports: PortRange,
    /// Whether an even inside port leaves from an even external port, and an odd one from an odd
    /// one (RFC 4787 REQ-4). Where no port of that parity is left, the session is refused.
    /// ICMP query identifiers have no parity.
    ///
    /// Default: no.
    pub port_parity: bool,
    /// How many external ports of [`ports`](Self::ports) each inside host has for itself on its
    /// external address, at least 1 (RFC 6888 REQ-14, RFC 7422); `None` for any port to any
    /// host. Then a log needs two lines a host instead of two a mapping, see
    /// [`Event::BlockAssigned`](crate::Event::BlockAssigned).
    ///
    /// A host has the block of its place in the table of hosts: `Tables` of more hosts than there
    /// are blocks waste them, and what goes beyond, like a host whose block is used up, is
    /// refused for want of ports. All that the host sends leaves from its block: UDP, TCP and
    /// ICMP queries, also from inside ports below 1024, so RFC 4787 REQ-3a does not hold. The
    /// router's own stack has a block like a host. Only rules give other ports: port forwards,
    /// whose ports no host gets from its block, and one-to-one translation. A DMZ host, which
    /// may have any port, cannot be with blocks.
    ///
    /// Each packet that is refused because a block is used up costs a search of the whole block;
    /// limits on mappings by protocol ([`Limits`]) that are below the size of a block spare
    /// that.
    ///
    /// Default: `None`.
    pub port_blocks: Option<u16>,
    /// External ports that the router keeps for itself: never given to a mapping, nor to a port
    /// forward.
    ///
    /// Default: `None`.
    pub reserved_ports: Option<PortRange>,
    /// External TCP and UDP ports that no new mapping draws, because networks on the way filter
    /// them ([`PortSet::FILTERED`]); [`PortSet::EMPTY`] to draw from all. Port forwards,
    /// one-to-one translation and the DMZ host may have them. Identifiers of ICMP queries are
    /// not ports, and are drawn from all of `ports`. In a block of
    /// [`port_blocks`](Self::port_blocks) these ports are left out, so its host has that many
    /// ports less.
    ///
    /// Default: [`PortSet::FILTERED`].
    pub excluded_ports: PortSet,
    /// How long freed external ports wait before another mapping gets them.
    ///
    /// Default: [`QuarantineConfig::DEFAULT`].
    pub quarantine: QuarantineConfig,
    /// Whether the router is a DHCP client outside: then UDP from there to port 68 reaches the
    /// router's stack, to all stations or to any address of one. From another port than the
    /// server's, 67, it does not if the address is an inside one: that is of an untranslated
    /// session.
    ///
    /// Default: no.
    pub dhcp_client: bool,
    /// The largest datagram that may leave inside, in bytes, at least 68.
    ///
    /// Default: 1500.
    pub inside_mtu: u16,
    /// The largest datagram that may leave outside, in bytes, at least 68.
    ///
    /// Default: 1500.
    pub outside_mtu: u16,
    /// Whether the MSS of forwarded SYNs is lowered to what both MTUs carry.
    ///
    /// Default: no.
    pub mss_clamp: bool,
    /// Whether the router says ICMP errors of its own to the inside (RFC 5508 REQ-9). Without them
    /// path MTU discovery toward a smaller outside link fails, and traceroute does not show
    /// the router. Errors of others are translated either way.
    ///
    /// Default: yes.
    pub inside_icmp_errors: bool,
    /// Whether the router says ICMP errors of its own to the outside, which it does about packets
    /// of live sessions only.
    ///
    /// Default: yes.
    pub outside_icmp_errors: bool,
    /// What a host inside is told when it cannot have a session.
    ///
    /// Default: [`ExhaustionError::AdministrativelyProhibited`].
    pub exhaustion_error: ExhaustionError,
    /// Whether a host inside gets a RST for a segment of a connection that the NAT does not know.
    ///
    /// Default: [`InsideResets::Always`].
    pub inside_resets: InsideResets,
    /// Whether pings to the router's own address inside, or to all hosts inside, reach the
    /// router's inside stack, which answers as it sees fit.
    ///
    /// Default: yes.
    pub inside_ping: bool,
    /// Whether pings to an external address, from outside and from hosts inside, reach the
    /// router's outside stack, as many from each source as the limit on ICMP errors allows,
    /// and its answers leave. Shows strangers that the address is in use, and that a NAT is
    /// there.
    ///
    /// Default: no.
    pub outside_ping: bool,
}

impl Config {
    /// The defaults, for a router with the address `inside` on its inside network and no external
    /// address yet.
    pub const fn new(inside: Cidr) -> Self {
        Self {
            inside,
            external_addresses: Vec::new(),
            mapping: Mapping::EndpointIndependent,
            filtering: Filtering::AddressAndPortDependent,
            tcp_filtering: None,
            hairpinning: Hairpinning::Unfiltered,
            one_to_one: Vec::new(),
            dmz_host: None,
            untranslated: Vec::new(),
            timeouts: Timeouts::RFC,
            limits: Limits::DEFAULT,
            ports: PortRange {
                first: 1024,
                last: 65535,
            },
            low_ports: PortRange {
                first: 1,
                last: 1023,
            },
            port_parity: false,
            port_blocks: None,
            reserved_ports: None,
            excluded_ports: PortSet::FILTERED,
            quarantine: QuarantineConfig::DEFAULT,
            dhcp_client: false,
            inside_mtu: 1500,
            outside_mtu: 1500,
            mss_clamp: false,
            inside_icmp_errors: true,
            outside_icmp_errors: true,
            exhaustion_error: ExhaustionError::AdministrativelyProhibited,
            inside_resets: InsideResets::Always,
            inside_ping: true,
            outside_ping: false,
        }
    }
}

impl Config {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.check_inside()?;
        self.check_external_addresses(&self.external_addresses)?;
        self.timeouts.check()?;
        self.check_mapping()?;
        self.check_rules()?;
        self.limits.check()?;
        self.quarantine.check()?;
        self.check_blocks()?;
        check("inside_mtu", self.inside_mtu >= MIN_MTU, "below 68 bytes")?;
        check("outside_mtu", self.outside_mtu >= MIN_MTU, "below 68 bytes")?;
        self.check_closed_ports()
    }

    /// Refuses ports that are all kept from mappings.
    fn check_closed_ports(&self) -> Result<(), ConfigError> {
        const PROBLEM: &str = "leaves no port for mappings";
        let mut closed = PortSet::<{ MAX_PORT_RANGES + 1 }>::EMPTY;
        let mut close = |field, range| {
            let _there_is_room = closed.insert(range);
            check(
                field,
                !closed.covers(self.ports) && !closed.covers(self.low_ports),
                PROBLEM,
            )
        };
        self.reserved_ports
            .into_iter()
            .try_for_each(|range| close("reserved_ports", range))?;
        self.excluded_ports
            .ranges()
            .try_for_each(|range| close("excluded_ports", range))
    }

    fn check_inside(&self) -> Result<(), ConfigError> {
        let address = self.inside.address();
        let usable =
            !is_martian(address.to_bits()) && !is_multicast_or_broadcast(address.to_bits());
        check("inside", usable, "the address is not one of a host")?;
        check(
            "inside",
            (1..=31).contains(&self.inside.prefix_len()),
            "the prefix length is not 1 to 31",
        )?;
        check(
            "inside",
            self.inside.is_host(address),
            "the address is the network's own or its broadcast address",
        )
    }

    /// Warns of external addresses that work, but not as most would expect: those of the inside
    /// network too, as when a DHCP server outside uses the same private network (RFC 4787
    /// REQ-7).
    pub(crate) fn warn_of_external_addresses(&self, addresses: &[Ipv4Addr]) {
        for address in addresses
            .iter()
            .filter(|address| self.inside.contains(**address))
        {
            warning!(
                "external address {} is of the inside network {} too: hosts reach no host outside with such an address",
                address,
                self.inside
            );
        }
    }

    /// Refuses external addresses that cannot work.
    pub(crate) fn check_external_addresses(
        &self,
        addresses: &[Ipv4Addr],
    ) -> Result<(), ConfigError> {
        const FIELD: &str = "external_addresses";
        check(
            FIELD,
            addresses.len() <= MAX_EXTERNAL_ADDRESSES,
            "more than 8",
        )?;
        for (position, address) in addresses.iter().enumerate() {
            let bits = address.to_bits();
            check(
                FIELD,
                !is_martian(bits) && !is_multicast_or_broadcast(bits),
                "an address is not one of a host",
            )?;
            let stands_for_all = self.inside.contains(*address) && !self.inside.is_host(*address);
            check(
                FIELD,
                !stands_for_all,
                "an address is the inside network's own or its broadcast address",
            )?;
            check(
                FIELD,
                !addresses
                    .iter()
                    .take(position)
                    .any(|other| other == address),
                "an address stands twice",
            )?;
        }
        Ok(())
    }

    fn check_mapping(&self) -> Result<(), ConfigError> {
        let filters = [self.filtering, self.tcp_filtering.unwrap_or(self.filtering)];
        let exact = filters == [Filtering::AddressAndPortDependent; 2];
        let possible = exact || self.mapping == Mapping::EndpointIndependent;
        check(
            "filtering",
            possible,
            "address-and-port-dependent mapping needs address-and-port-dependent filtering",
        )
    }

    fn check_rules(&self) -> Result<(), ConfigError> {
        let host =
            |address: Ipv4Addr| self.inside.is_host(address) && address != self.inside.address();
        check(
            "dmz_host",
            self.dmz_host.is_none_or(host),
            "not a host of the inside network",
        )?;
        for (position, OneToOne { external, inside }) in self.one_to_one.iter().enumerate() {
            let bits = external.to_bits();
            check(
                "one_to_one",
                host(*inside),
                "not a host of the inside network",
            )?;
            check(
                "one_to_one",
                !is_martian(bits) && !is_multicast_or_broadcast(bits),
                "an address is not one of a host",
            )?;
            let alike = |other: &OneToOne| other.external == *external || other.inside == *inside;
            check(
                "one_to_one",
                !self.one_to_one.iter().take(position).any(alike),
                "an address stands twice",
            )?;
        }
        Ok(())
    }

    /// Whether no mapping of `proto` draws `port`, though a rule may have it.
    pub(crate) fn is_excluded(&self, proto: Proto, port: u16) -> bool {
        proto != Proto::Icmp && self.excluded_ports.contains(port)
    }

    /// Whether sessions give leave to every port of their remote address.
    pub(crate) fn uses_permissions(&self) -> bool {
        [self.filtering, self.tcp_filtering.unwrap_or(self.filtering)]
            .contains(&Filtering::AddressDependent)
    }

    /// Whether what goes to this address, and to this port if the protocol has any, is not
    /// translated.
    pub(crate) fn is_untranslated(&self, address: u32, port: Option<u16>) -> bool {
        let covers = |entry: &Untranslated| {
            let ports = entry
                .ports
                .is_none_or(|ports| port.is_some_and(|port| ports.contains(port)));
            ports && entry.network.contains(Ipv4Addr::from_bits(address))
        };
        self.untranslated.iter().any(covers)
    }
}

/// The smallest MTU of IPv4 (RFC 791 section 3.2).
pub(crate) const MIN_MTU: u16 = 68;

pub(crate) fn check(
    field: &'static str,
    holds: bool,
    problem: &'static str,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError { field, problem })
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

impl ConfigError {
    /// An error of what else is configured together with a NAT: `field`, and what is wrong with it,
    /// as a sentence without an end.
    pub const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl core::error::Error for ConfigError {}
