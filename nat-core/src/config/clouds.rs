//! Configurations like those of the NAT gateways of Azure and Google Cloud. `docs/operators.md` has
//! them side by side with the one of AWS, with sources.

use core::time::Duration;

use super::{Cidr, Config, Mapping, PortRange, PortSet, Timeouts};

/// External ports in each host's block in [`Config::gcp`]: the least that a machine gets.
const GCP_PORTS_PER_HOST: u16 = 64;

impl Timeouts {
    /// What an Azure NAT gateway does (its documentation of 2023-07-10, "Timers").
    ///
    /// After its end, a connection holds its port for its destination: 65 s after FINs, 16 s after
    /// a RST. Here the session does so for as long. UDP has no such time here. Azure does not
    /// translate ICMP; this is the minimum of RFC 5508 REQ-2. The others are below RFC 4787 REQ-5
    /// and RFC 5382 REQ-5.
    pub const AZURE: Self = Self {
        udp: Duration::from_secs(240),
        dns: None,
        tcp_partially_open: Duration::from_secs(30),
        tcp_established: Duration::from_secs(240),
        tcp_closing: Duration::from_secs(65),
        tcp_reset: Duration::from_secs(16),
        icmp: Duration::from_secs(60),
    };

    /// The defaults of Google Cloud NAT ("Tune NAT configuration", with the change of TIME_WAIT
    /// from 120 s to 30 s for gateways created from 2026-09-30 on).
    ///
    /// All but that of established connections are below what RFC 4787 REQ-5, RFC 5382 REQ-5 and
    /// RFC 5508 REQ-2 require, and that one is, too.
    pub const GCP: Self = Self {
        udp: Duration::from_secs(30),
        dns: None,
        tcp_partially_open: Duration::from_secs(30),
        tcp_established: Duration::from_secs(1200),
        tcp_closing: Duration::from_secs(30),
        tcp_reset: Duration::from_secs(30),
        icmp: Duration::from_secs(30),
    };
}

impl Config {
    /// What an Azure NAT gateway documents, for a router with the address `inside` on its inside
    /// network and no external address yet. It differs from the defaults as follows:
    ///
    /// - the timeouts are [`Timeouts::AZURE`];
    /// - external ports overlap ([`Mapping::AddressAndPortDependent`]), and all of 1024 to 65535
    ///   are used, for inside ports below 1024 too;
    /// - the router does not reply to pings on either side.
    ///
    /// An Azure NAT gateway sends a RST to whichever side goes on with a connection that has ended.
    /// This engine sends it to the inside only. Such a gateway drops ICMP and fragments, and has up
    /// to 16 addresses: see [`MAX_EXTERNAL_ADDRESSES`](crate::MAX_EXTERNAL_ADDRESSES).
    pub fn azure(inside: Cidr) -> Self {
        Self::cloud(inside, Timeouts::AZURE)
    }

    /// What Google Cloud NAT documents as its defaults, for a router with the address `inside` on
    /// its inside network and no external address yet. It differs from the defaults as follows:
    ///
    /// - the timeouts are [`Timeouts::GCP`];
    /// - external ports overlap ([`Mapping::AddressAndPortDependent`]), and all of 1024 to 65535
    ///   are used, for inside ports below 1024 too;
    /// - each host has a block of 64 external ports, so 64 sessions to each destination for each
    ///   protocol, and 1008 hosts share an address;
    /// - the router does not reply to pings on either side.
    ///
    /// Such a gateway can choose the external address by the destination, and can give a busy host
    /// more ports; this engine does neither.
    pub fn gcp(inside: Cidr) -> Self {
        let mut config = Self::cloud(inside, Timeouts::GCP);
        config.port_blocks = Some(GCP_PORTS_PER_HOST);
        config
    }

    fn cloud(inside: Cidr, timeouts: Timeouts) -> Self {
        let high = PortRange {
            first: 1024,
            last: 65535,
        };
        let mut config = Self::new(inside);
        config.mapping = Mapping::AddressAndPortDependent;
        config.timeouts = timeouts;
        (config.ports, config.low_ports) = (high, high);
        config.excluded_ports = PortSet::EMPTY;
        config.inside_ping = false;
        config
    }
}
