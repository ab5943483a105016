//! The configuration of a NAT. Only its external addresses and its MTU change later.

mod blocks;
mod check;
mod cidr;
mod clouds;
mod error;
mod gateway;
mod limits;
mod port_range;
mod port_set;
mod quarantine;
mod seed;
mod timeouts;

use core::net::Ipv4Addr;

use heapless::Vec;

use crate::endpoint::Proto;
use crate::port_forward::OneToOne;

pub use cidr::{Cidr, ParseCidrError};
pub use error::ConfigError;
pub(crate) use error::check;
pub use limits::{Limits, Rate};
pub use port_range::PortRange;
pub use port_set::{MAX_PORT_RANGES, PortSet, PortSetFull};
pub use quarantine::QuarantineConfig;
pub use seed::Seed;
pub use timeouts::Timeouts;

/// How many external addresses one NAT can have, the primary one included: 8, or 16 with the feature
/// `sixteen-addresses`.
pub const MAX_EXTERNAL_ADDRESSES: usize = if cfg!(feature = "sixteen-addresses") {
    16
} else {
    8
};

/// How an inside endpoint gets its external endpoint (RFC 4787 section 4.1).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Mapping {
    /// One external endpoint for all remote endpoints (RFC 4787 REQ-1).
    #[default]
    EndpointIndependent,
    /// One external port for each remote endpoint. Several inside endpoints may have the same
    /// external port, as long as they talk to different remote endpoints (port overlapping, RFC
    /// 7857 section 3).
    ///
    /// An external address then carries as many sessions to *each* destination as it has ports, as
    /// cloud NAT gateways do. In return, hosts cannot be reached by hole punching, and hosts inside
    /// reach each other through port forwards only. Each session takes a mapping of its own.
    /// Requires [`Filtering::AddressAndPortDependent`].
    AddressAndPortDependent,
}

/// Who may send to an external endpoint (RFC 4787 section 5).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Filtering {
    /// Only remote endpoints to which the inside endpoint has sent.
    #[default]
    AddressAndPortDependent,
    /// Any port of a remote address to which the inside endpoint has sent. Each remote address of a
    /// mapping takes one additional slot of the session table.
    AddressDependent,
    /// Anyone, as long as the mapping exists.
    EndpointIndependent,
}

/// Whether the filter applies to packets from inside hosts to external endpoints of other inside
/// hosts (RFC 4787 section 6).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Hairpinning {
    /// The filter does not apply: the sender is an inside host, and could reach the receiver
    /// directly.
    #[default]
    Unfiltered,
    /// The filter applies as it does to packets from outside. Port forwards stay open. Hole
    /// punching between two inside hosts does not work, because a packet that the filter drops
    /// creates no session that would let the other host in.
    Filtered,
}

/// Destinations to which packets from inside are forwarded without translation (RFC 6888 REQ-6),
/// such as another network of the same owner that has a route back. The NAT keeps sessions for
/// them, so that only replies come back in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Untranslated {
    /// The network of the destinations.
    pub network: Cidr,
    /// The TCP and UDP ports of the destinations. `None` for all ports, and for ICMP too.
    pub ports: Option<PortRange>,
}

/// How many entries [`Config::untranslated`] can have.
pub const MAX_UNTRANSLATED: usize = 8;

/// The ICMP error for an inside host whose session was refused because a table was full, no port
/// was free, or a limit was reached. The limit on ICMP errors applies.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ExhaustionError {
    /// "Communication administratively prohibited", which ends most connection attempts at once
    /// (RFC 5508 REQ-8).
    #[default]
    AdministrativelyProhibited,
    /// "Host unreachable", after which TCP keeps trying (RFC 6888 REQ-11).
    HostUnreachable,
    /// No error: the packet is dropped.
    None,
}

/// Whether an inside host gets a RST for a segment of a connection that the NAT does not know (RFC
/// 9293 section 3.10.7.1). The connection may have ended, or may be from before a restart of the
/// router. The RST has the remote endpoint as its source.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum InsideResets {
    /// For every such segment. After a restart of the router, connections end at once. In return, a
    /// host that scans the outside with bare ACKs (`nmap -sA`, `nmap -PA`) sees every address as up
    /// and every port as unfiltered.
    #[default]
    Always,
    /// For every such segment except a bare ACK without data. Scans show the true state of the
    /// outside. After a restart of the router, a connection without traffic ends with its next
    /// data, not with its next keepalive.
    NotForBareAck,
    /// For none. After a restart of the router, connections hang until they time out at the host.
    Never,
}

/// The configuration of a NAT. Only its external addresses and its MTU change later.
/// [`Config::new`] has the defaults; set the fields that should differ.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Config {
    /// The router's own inside address and the inside network. Packets from inside with a source
    /// address of another network are dropped.
    pub inside: Cidr,
    /// The external addresses, the primary first. The list may be empty until an address is known;
    /// [`Nat::set_external_addresses`](crate::Nat::set_external_addresses) changes it later.
    ///
    /// An address of the inside network works (RFC 4787 REQ-7), but then inside hosts cannot reach
    /// outside hosts with addresses of that network. The NAT logs a warning.
    ///
    /// Default: empty.
    pub external_addresses: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>,
    /// How an inside endpoint gets its external endpoint. It does not change when tables fill
    /// (RFC 4787 REQ-11).
    ///
    /// Default: [`Mapping::EndpointIndependent`].
    pub mapping: Mapping,
    /// Who may send to an external endpoint. It does not change when tables fill (RFC 4787
    /// REQ-11).
    ///
    /// Default: [`Filtering::AddressAndPortDependent`].
    pub filtering: Filtering,
    /// Who may send to an external TCP endpoint, if that should differ from `filtering` (RFC 5382
    /// REQ-3b); `None` if not.
    ///
    /// Default: `None`.
    pub tcp_filtering: Option<Filtering>,
    /// Whether the filter applies to packets from inside hosts to external endpoints of other
    /// inside hosts.
    ///
    /// Default: [`Hairpinning::Unfiltered`].
    pub hairpinning: Hairpinning,
    /// One-to-one translations: external addresses that each belong to one inside host.
    ///
    /// Default: empty.
    pub one_to_one: Vec<OneToOne, MAX_EXTERNAL_ADDRESSES>,
    /// The DMZ host: the inside host that receives packets to TCP and UDP ports of the primary
    /// external address that belong to no mapping or port forward. Packets of the DMZ host keep
    /// their source port where that port is free.
    ///
    /// Default: `None`.
    pub dmz_host: Option<Ipv4Addr>,
    /// Destinations to which packets from inside are forwarded without translation. Unsolicited
    /// packets from there are dropped like any others.
    ///
    /// Default: empty.
    pub untranslated: Vec<Untranslated, MAX_UNTRANSLATED>,
    /// How long sessions live without traffic.
    ///
    /// Default: [`Timeouts::RFC`].
    pub timeouts: Timeouts,
    /// What each inside host may use of tables, ports and ICMP errors.
    ///
    /// Default: [`Limits::DEFAULT`].
    pub limits: Limits,
    /// The external ports for inside ports from 1024 to 65535, and for ICMP query identifiers.
    ///
    /// Default: 1024 to 65535.
    pub ports: PortRange,
    /// The external ports for inside ports below 1024 (RFC 4787 REQ-3a).
    ///
    /// Default: 1 to 1023.
    pub low_ports: PortRange,
    /// Whether an even inside port gets an even external port, and an odd one an odd one (RFC 4787
    /// REQ-4). If no port of that parity is free, the session is refused. ICMP query identifiers
    /// have no parity.
    ///
    /// Default: no.
    pub port_parity: bool,
    /// The number of external ports in each host's block, at least 1: each inside host gets a
    /// fixed block of [`ports`](Self::ports) on its external address (RFC 6888 REQ-14, RFC
    /// 7422). `None` if any host may get any port. With blocks, a log needs two lines for each
    /// host instead of two for each mapping, see
    /// [`Event::BlockAssigned`](crate::Event::BlockAssigned).
    ///
    /// The block of a host follows from the host's slot in the table of hosts. If `Tables` has
    /// more hosts than there are blocks, the additional hosts are refused for lack of ports,
    /// like a host whose block is used up. All packets of a host leave from its block: UDP,
    /// TCP and ICMP queries, also from inside ports below 1024, so RFC 4787 REQ-3a does not
    /// hold. The router's own stack has a block like a host. Only port forwards and one-to-one
    /// translation use ports outside the block; no host gets a forwarded port from its block.
    /// Blocks cannot be combined with a DMZ host, which may have any port.
    ///
    /// Each packet that is refused because a block is used up costs a search of the whole block.
    /// Per-protocol limits on mappings ([`Limits`]) that are smaller than a block avoid that cost.
    ///
    /// Default: `None`.
    pub port_blocks: Option<u16>,
    /// External ports that the router reserves for itself. No mapping and no port forward gets
    /// one.
    ///
    /// Default: `None`.
    pub reserved_ports: Option<PortRange>,
    /// External TCP and UDP ports that no new mapping gets, because networks on the way filter
    /// them ([`PortSet::FILTERED`]); [`PortSet::EMPTY`] to use all ports. Port forwards,
    /// one-to-one translation and the DMZ host may use them. ICMP query identifiers are not
    /// ports, and may have these values. In a block of [`port_blocks`](Self::port_blocks),
    /// excluded ports are left out, so the host of that block has fewer ports.
    ///
    /// Default: [`PortSet::FILTERED`].
    pub excluded_ports: PortSet,
    /// The external ports that inside hosts may ask for, see
    /// [`Nat::request_mapping`](crate::Nat::request_mapping). Ports that are reserved or excluded
    /// are not among them.
    ///
    /// Default: 1024 to 65535.
    pub explicit_ports: PortRange,
    /// How long freed external ports stay in quarantine before another mapping gets them.
    ///
    /// Default: [`QuarantineConfig::DEFAULT`].
    pub quarantine: QuarantineConfig,
    /// Whether the router runs a DHCP client on its outside interface. If so, UDP packets from
    /// outside to port 68, unicast to any address or broadcast, are handed to the router's own
    /// stack. The exception is a packet to an inside address whose source port is not 67, the port
    /// of DHCP servers: it belongs to an untranslated session.
    ///
    /// Default: no.
    pub dhcp_client: bool,
    /// The MTU of the inside interface: the largest IPv4 datagram sent there, in bytes, at least
    /// 68.
    ///
    /// Default: 1500.
    pub inside_mtu: u16,
    /// The MTU of the outside interface: the largest IPv4 datagram sent there, in bytes, at least
    /// 68.
    ///
    /// Default: 1500.
    pub outside_mtu: u16,
    /// Whether the MSS option of forwarded SYNs is lowered to what both MTUs allow.
    ///
    /// Default: no.
    pub mss_clamp: bool,
    /// Whether the router sends ICMP errors of its own to the inside (RFC 5508 REQ-9). Without
    /// them, path MTU discovery fails if the outside MTU is smaller, and traceroute does not show
    /// the router. ICMP errors of other routers and hosts are translated and forwarded either way.
    ///
    /// Default: yes.
    pub inside_icmp_errors: bool,
    /// Whether the router sends ICMP errors of its own to the outside. It does so only about
    /// packets of live sessions.
    ///
    /// Default: yes.
    pub outside_icmp_errors: bool,
    /// The ICMP error for an inside host whose session was refused for lack of resources.
    ///
    /// Default: [`ExhaustionError::AdministrativelyProhibited`].
    pub exhaustion_error: ExhaustionError,
    /// Whether an inside host gets a RST for a segment of a connection that the NAT does not know.
    ///
    /// Default: [`InsideResets::Always`].
    pub inside_resets: InsideResets,
    /// Whether pings from inside to the router's inside address, or to the broadcast address of
    /// the inside network, are handed to the router's inside stack, which decides whether to
    /// reply.
    ///
    /// Default: yes.
    pub inside_ping: bool,
    /// Whether pings to an external address, from outside and from inside hosts, are handed to the
    /// router's outside stack, and its replies are sent. The limit on ICMP errors applies to the
    /// pings of each source. A reply shows strangers that the address is in use and that there is
    /// a NAT.
    ///
    /// Default: no.
    pub outside_ping: bool,
}

impl Config {
    /// The default configuration, for a router with the address `inside` on its inside network and
    /// no external address yet.
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
            explicit_ports: PortRange {
                first: 1024,
                last: 65535,
            },
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
    /// Whether no dynamic mapping of `proto` gets `port`. Port forwards may have it all the same.
    pub(crate) fn is_excluded(&self, proto: Proto, port: u16) -> bool {
        proto != Proto::Icmp && self.excluded_ports.contains(port)
    }

    /// Whether sessions give their remote address permission to send from any port.
    pub(crate) fn uses_permissions(&self) -> bool {
        [self.filtering, self.tcp_filtering.unwrap_or(self.filtering)]
            .contains(&Filtering::AddressDependent)
    }

    /// Whether packets to this address, and to this port if the protocol has ports, are forwarded
    /// without translation.
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

/// The smallest MTU that IPv4 allows (RFC 791 section 3.2).
pub(crate) const MIN_MTU: u16 = 68;
