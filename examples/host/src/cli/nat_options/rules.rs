//! External addresses, and rules for some addresses.

use core::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use nat_core::{Cidr, Config, MAX_EXTERNAL_ADDRESSES, MAX_UNTRANSLATED, Nat, Width};

use crate::cli::is_host_of;
use crate::cli::value::{self, Forward, OneToOneRule, UntranslatedNetwork};

#[derive(Args, Debug)]
#[command(next_help_heading = "Addresses and rules")]
pub(super) struct RuleOptions {
    /// Secondary external address; may be repeated, for up to 8 including the primary
    #[arg(long = "wan-address", value_name = "ADDRESS", value_parser = value::external_address)]
    wan_addresses: Vec<Ipv4Addr>,
    /// Forward an external port to an inside endpoint, as in tcp:8080=192.168.77.10:80; may be
    /// repeated, up to 32 times
    ///
    /// A range of ports is forwarded to the same number of inside ports, from the given one up:
    /// udp:5000-5009=192.168.77.10:6000. By default the port is one of the primary external
    /// address; name a --wan-address to forward its port:
    /// tcp:198.51.100.78:443=192.168.77.10:443.
    #[arg(
        long = "forward",
        value_name = "PROTOCOL:[EXTERNAL:]PORT[-PORT]=ADDRESS:PORT"
    )]
    forwards: Vec<Forward>,
    /// Map an external address to one inside host (static NAT, RFC 2663 section 4.1.1); may be repeated
    ///
    /// The external address is the primary or a --wan-address. All packets to it go to the host, from
    /// every sender, pings included. The host's packets leave from it. Ports do not change.
    #[arg(long = "one-to-one", value_name = "EXTERNAL=INSIDE")]
    one_to_one: Vec<OneToOneRule>,
    /// Inside host for all unsolicited TCP and UDP packets to the primary external address whose port
    /// no mapping or forward uses
    #[arg(long, value_name = "ADDRESS", value_parser = value::ipv4)]
    dmz_host: Option<Ipv4Addr>,
    /// Destinations that are reached without translation (RFC 6888 REQ-6), as in 10.0.0.0/8; may be
    /// repeated, up to 8 times
    ///
    /// With ports, as in 10.0.0.0/8:80-443, only for these TCP and UDP ports. The destinations see LAN
    /// addresses, so their network needs a route to the LAN through this router. Answers are
    /// forwarded by their session; unsolicited packets from there are dropped.
    #[arg(long = "untranslated", value_name = "NETWORK/LEN[:PORT[-PORT]]")]
    untranslated: Vec<UntranslatedNetwork>,
}

impl RuleOptions {
    pub(super) fn apply(&self, config: &mut Config, primary: Option<Ipv4Addr>) -> Result<()> {
        self.add_external_addresses(config, primary)?;
        self.add_one_to_one(config)?;
        for forward in &self.forwards {
            let external = forward.0.external_address;
            check_external(config, external).with_context(|| format!("--forward {forward}"))?;
        }
        config.dmz_host = self.dmz_host;
        for network in &self.untranslated {
            let added = config.untranslated.push(network.0);
            ensure!(
                added.is_ok(),
                "--untranslated: more than {MAX_UNTRANSLATED}"
            );
        }
        Ok(())
    }

    fn add_external_addresses(&self, config: &mut Config, primary: Option<Ipv4Addr>) -> Result<()> {
        // Without a static primary address, one place is reserved for the address of the lease.
        let capacity = MAX_EXTERNAL_ADDRESSES - usize::from(primary.is_none());
        for address in primary.iter().chain(&self.wan_addresses) {
            if config.external_addresses.contains(address) {
                continue;
            }
            let fits = config.external_addresses.len() < capacity
                && config.external_addresses.push(*address).is_ok();
            ensure!(
                fits,
                "--wan-address: more than {MAX_EXTERNAL_ADDRESSES} external addresses"
            );
        }
        Ok(())
    }

    fn add_one_to_one(&self, config: &mut Config) -> Result<()> {
        for rule in &self.one_to_one {
            let what = || format!("--one-to-one {rule}");
            check_external(config, Some(rule.0.external)).with_context(what)?;
            let host = is_host_of(config.inside, rule.0.inside)
                && rule.0.inside != config.inside.address();
            ensure!(
                host,
                "{}: {} is not a host of the inside network",
                what(),
                rule.0.inside
            );
            ensure!(
                config.one_to_one.push(rule.0).is_ok(),
                "--one-to-one: more than {MAX_EXTERNAL_ADDRESSES}"
            );
        }
        Ok(())
    }

    /// Rejects secondary external addresses that belong to others.
    pub(super) fn check_wan_addresses(
        &self,
        lan: Cidr,
        wan: Option<Cidr>,
        gateway: Option<Ipv4Addr>,
    ) -> Result<()> {
        for address in &self.wan_addresses {
            let is_reserved =
                wan.is_some_and(|wan| wan.contains(*address) && !is_host_of(wan, *address));
            ensure!(
                !is_reserved,
                "--wan-address {address} is the network or broadcast address of the WAN"
            );
            ensure!(
                Some(*address) != gateway,
                "--wan-address {address} is the gateway's"
            );
            ensure!(
                *address != lan.address(),
                "--wan-address {address} is the router's address on the LAN"
            );
        }
        Ok(())
    }

    pub(super) fn add_forwards(&self, nat: &mut Nat<'_, impl Width>) -> Result<()> {
        for forward in &self.forwards {
            nat.add_port_forward(forward.0)
                .with_context(|| format!("--forward {forward}"))?;
        }
        Ok(())
    }
}

/// Rejects a rule for an address that is not external: it would never take effect.
fn check_external(config: &Config, address: Option<Ipv4Addr>) -> Result<()> {
    match address {
        Some(address) if !config.external_addresses.contains(&address) => {
            anyhow::bail!(
                "{address} is not an external address of the router; add --wan-address {address}"
            )
        }
        Some(_) | None => Ok(()),
    }
}
