//! Addresses, and what is done for some of them.

use core::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use nat_core::{Cidr, Config, MAX_EXTERNAL_ADDRESSES, MAX_UNTRANSLATED, Nat, Width};

use crate::cli::is_host_of;
use crate::cli::value::{self, Forward, OneToOneRule, UntranslatedNetwork};

#[derive(Args, Debug)]
#[command(next_help_heading = "Addresses and rules")]
pub(super) struct RuleOptions {
    /// One more external address; may be repeated, for up to 8 with the primary
    #[arg(long = "wan-address", value_name = "ADDRESS", value_parser = value::external_address)]
    wan_addresses: Vec<Ipv4Addr>,
    /// Let the outside reach an inside endpoint, as in tcp:8080=192.168.77.10:80; may be repeated,
    /// for up to 32
    ///
    /// A range of ports goes to as many inside ports: udp:5000-5009=192.168.77.10:6000. With an
    /// address it is of that --wan-address and not of the primary:
    /// tcp:198.51.100.78:443=192.168.77.10:443.
    #[arg(
        long = "forward",
        value_name = "PROTOCOL:[EXTERNAL:]PORT[-PORT]=ADDRESS:PORT"
    )]
    forwards: Vec<Forward>,
    /// Have an external address stand for one inside host (static NAT, RFC 2663 section 4.1.1);
    /// may be repeated
    ///
    /// The address is the primary or a --wan-address. What arrives there goes to the host with its
    /// port unchanged, from whichever sender, pings included; what the host sends leaves from
    /// there with its port unchanged.
    #[arg(long = "one-to-one", value_name = "EXTERNAL=INSIDE")]
    one_to_one: Vec<OneToOneRule>,
    /// The inside host that gets what arrives at a TCP or UDP port of the primary external address
    /// that nobody else has
    #[arg(long, value_name = "ADDRESS", value_parser = value::ipv4)]
    dmz_host: Option<Ipv4Addr>,
    /// Destinations reached without translation (RFC 6888 REQ-6), as in 10.0.0.0/8; may be
    /// repeated, for up to 8
    ///
    /// With ports, as in 10.0.0.0/8:80-443, only those of TCP and UDP. The destinations see
    /// addresses of the LAN, so their network needs a route to the LAN by way of this router.
    /// Answers come in by their session; what begins there is dropped.
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
                "--untranslated: more than {MAX_UNTRANSLATED} of them"
            );
        }
        Ok(())
    }

    fn add_external_addresses(&self, config: &mut Config, primary: Option<Ipv4Addr>) -> Result<()> {
        // Without a static primary, one place is for the address of the lease.
        let room = MAX_EXTERNAL_ADDRESSES - usize::from(primary.is_none());
        for address in primary.iter().chain(&self.wan_addresses) {
            if config.external_addresses.contains(address) {
                continue;
            }
            let fits = config.external_addresses.len() < room
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
                "--one-to-one: more than {MAX_EXTERNAL_ADDRESSES} of them"
            );
        }
        Ok(())
    }

    /// Refuses further external addresses that are another's.
    pub(super) fn check_wan_addresses(
        &self,
        lan: Cidr,
        wan: Option<Cidr>,
        gateway: Option<Ipv4Addr>,
    ) -> Result<()> {
        for address in &self.wan_addresses {
            let of_all =
                wan.is_some_and(|wan| wan.contains(*address) && !is_host_of(wan, *address));
            ensure!(
                !of_all,
                "--wan-address {address} is the WAN's own or its broadcast address"
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

/// Refuses a rule for an address that the router does not have: it would rest for ever, and nobody
/// would know why.
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
