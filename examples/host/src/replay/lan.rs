//! The networks on both sides of the replay's router.

use core::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use nat_core::Cidr;

use super::capture::{Next, Reader};
use super::direction::endpoints;
use super::link::{self, Content, Mac};
use crate::cli::ReplayOptions;

/// The default external address, of a network reserved for documentation (RFC 5737).
const DEFAULT_WAN: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 51, 100, 77), 24);
/// The assumed prefix length of a network of which only a host is known.
const DEFAULT_PREFIX_LEN: u8 = 24;

/// The networks of a replay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Networks {
    /// The network of the inside hosts.
    pub(crate) hosts: Cidr,
    /// The router's address inside. Its network contains `hosts`, and is larger if `hosts` has no
    /// address for a router.
    pub(crate) lan: Cidr,
    /// The router's primary external address.
    pub(crate) wan: Cidr,
}

/// The networks of the options, or those found in the capture.
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

/// Whether `lan` is the network itself, not the router's address in it.
fn is_network(lan: Cidr) -> bool {
    lan.network().is_none_or(|network| network == lan.address())
}

/// A network that contains `hosts`. The router gets its last address, because the first one is often
/// in use.
fn with_router(hosts: Cidr) -> Result<Cidr> {
    for prefix_len in (1..=hosts.prefix_len().min(30)).rev() {
        let network = Cidr::new(hosts.address(), prefix_len).context("no such prefix length")?;
        let (Some(first), Some(last)) = (network.network(), network.broadcast()) else {
            continue;
        };
        let router = Ipv4Addr::from_bits(last.to_bits() - 1);
        let is_free = !is_all_hosts(hosts)
            || ![first, last, router]
                .into_iter()
                .any(|taken| hosts.contains(taken));
        if let Some(cidr) = Cidr::new(router, prefix_len).filter(|_| is_free) {
            return Ok(cidr);
        }
    }
    bail!("--lan {hosts}: there is no address for a router")
}

/// Whether each address of the network is a host's, as in /31 and /32.
fn is_all_hosts(network: Cidr) -> bool {
    network.network().is_none()
}

/// The network of the first host that has sent IPv4 from one of the MAC addresses `macs`.
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
    bail!("{}: no IPv4 from --lan-mac: add --lan", capture.display())
}

fn is_host(address: Ipv4Addr) -> bool {
    !address.is_unspecified()
        && !address.is_multicast()
        && !address.is_broadcast()
        && !address.is_loopback()
}
