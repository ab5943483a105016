//! Which networks the router of a replay is between.

use core::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use nat_core::Cidr;

use super::capture::{Next, Reader};
use super::direction::endpoints;
use super::link::{self, Content, Mac};
use crate::cli::ReplayOptions;

/// The external address where nothing was said of one: of a network that is for documentation only
/// (RFC 5737).
const DEFAULT_WAN: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 51, 100, 77), 24);
/// How long a network's prefix is taken for of which only a host is known.
const DEFAULT_PREFIX_LEN: u8 = 24;

/// The networks of a replay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Networks {
    /// Whose hosts are inside.
    pub(crate) hosts: Cidr,
    /// The router's address inside. Its network contains `hosts`, and is larger where that leaves
    /// no address for a router.
    pub(crate) lan: Cidr,
    /// The router's primary external address.
    pub(crate) wan: Cidr,
}

/// The networks that the options name, or that the capture shows where they do not.
pub(crate) fn networks(options: &ReplayOptions) -> Result<Networks> {
    let wan = match (options.wan, Cidr::new(DEFAULT_WAN.0, DEFAULT_WAN.1)) {
        (Some(wan), _) => wan.0,
        (None, Some(default)) => default,
        (None, None) => bail!("--wan is missing"),
    };
    let hosts = match (options.lan, &options.capture) {
        (Some(lan), _) => lan.0,
        (None, Some(capture)) => network_of(capture, &options.lan_mac)?,
        (None, None) => bail!("--lan is missing"),
    };
    let lan = match options.capture {
        Some(_) if is_network(hosts) => with_router(hosts)?,
        Some(_) => hosts,
        None => {
            let address = hosts.address();
            ensure!(
                hosts.network() != Some(address),
                "--lan: {address} is the address of the network, not of a host in it"
            );
            hosts
        }
    };
    Ok(Networks { hosts, lan, wan })
}

/// Whether it is the network itself that was given, and not the router's address in it.
fn is_network(lan: Cidr) -> bool {
    lan.network().is_none_or(|network| network == lan.address())
}

/// A network that contains `hosts`, with the address that its last host would have for a router:
/// the first one often is somebody's.
fn with_router(hosts: Cidr) -> Result<Cidr> {
    for prefix_len in (1..=hosts.prefix_len().min(30)).rev() {
        let network = Cidr::new(hosts.address(), prefix_len).context("no such prefix length")?;
        let (Some(first), Some(last)) = (network.network(), network.broadcast()) else {
            continue;
        };
        let router = Ipv4Addr::from_bits(last.to_bits() - 1);
        let is_room = !is_alone(hosts)
            || ![first, last, router]
                .into_iter()
                .any(|taken| hosts.contains(taken));
        if let Some(cidr) = Cidr::new(router, prefix_len).filter(|_| is_room) {
            return Ok(cidr);
        }
    }
    bail!("--lan {hosts}: there is no address for a router")
}

/// Whether the network is so small that each of its addresses is a host's.
fn is_alone(network: Cidr) -> bool {
    network.network().is_none()
}

/// The network of the first host that has sent IPv4 by one of the interfaces `macs`.
fn network_of(capture: &Path, macs: &[Mac]) -> Result<Cidr> {
    let mut reader = Reader::open(capture)?;
    while let Ok(next) = reader.next() {
        let record = match next {
            Next::Record(record) => record,
            Next::Unusable(_) => continue,
            Next::End => break,
        };
        let frame = link::open(record.link_type, record.data);
        let (Content::Ipv4(packet), Some(from)) = (frame.content, frame.stations.from) else {
            continue;
        };
        let source = endpoints(packet)
            .map(|(source, _)| source)
            .filter(|source| is_host(*source));
        if let (true, Some(source)) = (macs.contains(&from), source) {
            let bits = u32::MAX << (32 - DEFAULT_PREFIX_LEN);
            return Cidr::new(
                Ipv4Addr::from_bits(source.to_bits() & bits),
                DEFAULT_PREFIX_LEN,
            )
            .context("no network");
        }
    }
    bail!(
        "{}: no IPv4 from --lan-mac: give the LAN as well, with --lan",
        capture.display()
    )
}

fn is_host(address: Ipv4Addr) -> bool {
    !address.is_unspecified()
        && !address.is_multicast()
        && !address.is_broadcast()
        && !address.is_loopback()
}
