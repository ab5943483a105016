//! The command line: subcommands, their options, and what the options mean to the NAT.

mod notes;
mod value;

use core::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum, value_parser};
use nat_core::{Cidr, Config, Filtering, Hairpinning, MAX_EXTERNAL_ADDRESSES, Nat, Seed, Timeouts, Width};

use crate::engine::{self, Capacity};

use notes::{EXAMPLES, REPLAY_NOTES, ROUTER_NOTES};
pub(crate) use value::{Forward, LanDevice, Network, SeedValue, WanDevice};

/// A NAT router for microcontrollers, on your own machine: a demo, a real router on two TAP devices, a replay of captures
#[derive(Debug, Parser)]
#[command(name = "nat-host", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// What to do: the demo if nothing was said.
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Demo(DemoOptions { pcap: None }))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the NAT at work, with nothing to install (also without any argument)
    Demo(DemoOptions),
    /// Route between two TAP devices (Linux)
    #[command(after_help = ROUTER_NOTES)]
    Router(RouterOptions),
    /// Run captures through the NAT
    #[command(after_help = REPLAY_NOTES)]
    Replay(ReplayOptions),
}

#[derive(Args, Debug)]
pub(crate) struct DemoOptions {
    /// Write both sides of the router as captures into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) pcap: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RouterOptions {
    /// The TAP device of the LAN, and the router's address there with the LAN's prefix length
    #[arg(long, value_name = "NAME=ADDRESS/LEN")]
    pub(crate) lan: LanDevice,
    /// The TAP device of the WAN, and the router's primary external address there, or `dhcp` to take a lease
    #[arg(long, value_name = "NAME=ADDRESS/LEN|dhcp")]
    pub(crate) wan: WanDevice,
    /// The next router outside; without one only hosts of the WAN itself are reached
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) gateway: Option<Ipv4Addr>,
    /// Append one line of JSON to FILE for each mapping that begins or ends, and for each session refused
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping_log: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) nat: NatOptions,
}

impl RouterOptions {
    /// The NAT's configuration, checked as far as that can be done without its devices.
    #[cfg(target_os = "linux")]
    pub(crate) fn config(&self) -> Result<Config> {
        ensure!(self.lan.name != self.wan.name, "--lan and --wan name the same device");
        let mut config = self.nat.config(self.lan.address, self.wan.address.map(|wan| wan.address()))?;
        match (self.wan.address, self.gateway) {
            (Some(wan), Some(gateway)) => {
                let reachable = is_host_of(wan, gateway) && gateway != wan.address();
                ensure!(reachable, "--gateway {gateway} is not another host of the WAN {wan}");
            }
            (None, Some(_)) => {
                bail!("--gateway cannot be set with --wan {}=dhcp: it comes with the lease", self.wan.name)
            }
            (Some(_) | None, None) => {}
        }
        self.nat.check_wan_addresses(self.lan.address, self.wan.address, self.gateway)?;
        config.dhcp_client = self.wan.address.is_none();
        Ok(config)
    }
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("input").required(true).multiple(true).args(["lan_in", "wan_in"]))]
pub(crate) struct ReplayOptions {
    /// Packets that arrive from the LAN
    #[arg(long, value_name = "FILE")]
    pub(crate) lan_in: Option<PathBuf>,
    /// Packets that arrive from the WAN
    #[arg(long, value_name = "FILE")]
    pub(crate) wan_in: Option<PathBuf>,
    /// Where to write what leaves for the LAN
    #[arg(long, value_name = "FILE")]
    pub(crate) lan_out: Option<PathBuf>,
    /// Where to write what leaves for the WAN
    #[arg(long, value_name = "FILE")]
    pub(crate) wan_out: Option<PathBuf>,
    /// Where to write one line of JSON for each packet read
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where to write one line of JSON for each mapping that begins or ends, and for each session refused
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping_log: Option<PathBuf>,
    /// The router's address on the LAN, with the LAN's prefix length
    #[arg(long, value_name = "ADDRESS/LEN")]
    pub(crate) lan: Network,
    /// The router's primary external address, with the WAN's prefix length
    #[arg(long, value_name = "ADDRESS/LEN")]
    pub(crate) wan: Network,
    #[command(flatten)]
    pub(crate) nat: NatOptions,
}

impl ReplayOptions {
    /// The NAT's configuration.
    pub(crate) fn config(&self) -> Result<Config> {
        let config = self.nat.config(self.lan.0, Some(self.wan.0.address()))?;
        self.nat.check_wan_addresses(self.lan.0, Some(self.wan.0), None)?;
        Ok(config)
    }
}

/// What `router` and `replay` have in common.
#[derive(Args, Debug)]
#[command(next_help_heading = "NAT options")]
pub(crate) struct NatOptions {
    /// One more external address; may be repeated, for up to 8 with the primary
    #[arg(long = "wan-address", value_name = "ADDRESS", value_parser = value::external_address)]
    wan_addresses: Vec<Ipv4Addr>,
    /// How an inside endpoint gets its external endpoint (RFC 4787 section 4.1)
    #[arg(long, value_enum, value_name = "KIND", default_value_t = MappingKind::EndpointIndependent)]
    mapping: MappingKind,
    /// Who may send to an external endpoint (RFC 4787 section 5)
    #[arg(long, value_enum, value_name = "KIND", default_value_t = FilteringKind::AddressAndPortDependent)]
    filtering: FilteringKind,
    /// Whether --filtering applies to LAN hosts that reach each other through an external address (RFC 4787 section 6)
    #[arg(long, value_enum, value_name = "KIND", default_value_t = HairpinKind::Unfiltered)]
    hairpin: HairpinKind,
    /// How long idle sessions live: `rfc` keeps TCP for 2 h 4 min, `gateway` everything for 350 s as cloud NAT gateways do
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Profile::Rfc)]
    profile: Profile,
    /// Let the outside reach an inside endpoint, as in tcp:8080=192.168.77.10:80; may be repeated
    #[arg(long = "forward", value_name = "PROTOCOL:PORT=ADDRESS:PORT")]
    forwards: Vec<Forward>,
    /// The largest IP datagram that may leave for the WAN, in bytes; what is larger leaves in fragments if it may
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = value_parser!(u16).range(68..))]
    wan_mtu: u16,
    /// The largest IP datagram that may leave for the LAN, in bytes; what is larger leaves in fragments if it may
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = value_parser!(u16).range(68..))]
    lan_mtu: u16,
    /// Lower the MSS of TCP connections to what both MTUs carry
    #[arg(long, action = ArgAction::SetTrue)]
    mss_clamp: bool,
    #[arg(long, value_name = "MAPPINGS", default_value_t = engine::MAPPINGS, help = engine::help(),
        value_parser = value_parser!(u32).range(1..=engine::LARGEST.mappings.into()))]
    mappings: u32,
    /// Sessions to have room for; rounded up with --mappings. The line `tables:` says what came of both
    #[arg(long, value_name = "SESSIONS", default_value_t = engine::SESSIONS,
        value_parser = value_parser!(u32).range(1..=engine::LARGEST.sessions.into()))]
    sessions: u32,
    /// Sessions that one inside host may have
    #[arg(long, value_name = "SESSIONS", default_value_t = 1024, value_parser = value_parser!(u16).range(1..))]
    host_limit: u16,
    /// The secret behind port numbers and table hashes, 16 bytes in hexadecimal [default: random for router, fixed for replay]
    #[arg(long, value_name = "HEX")]
    seed: Option<SeedValue>,
}

impl NatOptions {
    /// The seed that was asked for.
    pub(crate) fn seed(&self) -> Option<Seed> {
        self.seed.map(|seed| seed.0)
    }

    fn config(&self, inside: Cidr, primary: Option<Ipv4Addr>) -> Result<Config> {
        if let MappingKind::AddressAndPortDependent = self.mapping {
            bail!("--mapping address-and-port-dependent is not implemented yet");
        }
        let mut config = Config::new(inside);
        self.add_external_addresses(&mut config, primary)?;
        config.filtering = self.filtering.into();
        config.hairpinning = self.hairpin.into();
        config.timeouts = match self.profile {
            Profile::Rfc => Timeouts::RFC,
            Profile::Gateway => Timeouts::GATEWAY,
        };
        config.limits.sessions_per_host = Some(self.host_limit);
        // A host has no more mappings than sessions.
        config.limits.mappings_per_host = Some(self.host_limit);
        config.inside_mtu = self.lan_mtu;
        config.outside_mtu = self.wan_mtu;
        config.mss_clamp = self.mss_clamp;
        Ok(config)
    }

    fn add_external_addresses(&self, config: &mut Config, primary: Option<Ipv4Addr>) -> Result<()> {
        // Without a static primary, one place is for the address of the lease.
        let room = MAX_EXTERNAL_ADDRESSES - usize::from(primary.is_none());
        for address in primary.iter().chain(&self.wan_addresses) {
            if config.external_addresses.contains(address) {
                continue;
            }
            let fits = config.external_addresses.len() < room && config.external_addresses.push(*address).is_ok();
            ensure!(fits, "--wan-address: more than {MAX_EXTERNAL_ADDRESSES} external addresses");
        }
        Ok(())
    }

    /// Refuses further external addresses that are another's.
    fn check_wan_addresses(&self, lan: Cidr, wan: Option<Cidr>, gateway: Option<Ipv4Addr>) -> Result<()> {
        for address in &self.wan_addresses {
            let of_all = wan.is_some_and(|wan| wan.contains(*address) && !is_host_of(wan, *address));
            ensure!(!of_all, "--wan-address {address} is the WAN's own or its broadcast address");
            ensure!(Some(*address) != gateway, "--wan-address {address} is the gateway's");
            ensure!(*address != lan.address(), "--wan-address {address} is the router's address on the LAN");
        }
        Ok(())
    }

    /// How large the tables are that were asked for.
    pub(crate) fn capacity(&self) -> Result<Capacity> {
        Capacity::holding(self.mappings, self.sessions)
    }

    /// Adds the port forwards to `nat`.
    pub(crate) fn add_forwards(&self, nat: &mut Nat<'_, impl Width>) -> Result<()> {
        for forward in &self.forwards {
            nat.add_forward(forward.0).with_context(|| format!("--forward {forward}"))?;
        }
        Ok(())
    }
}

/// Whether `address` can be one of a host in this network.
fn is_host_of(network: Cidr, address: Ipv4Addr) -> bool {
    network.contains(address) && Some(address) != network.network() && Some(address) != network.broadcast()
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MappingKind {
    EndpointIndependent,
    AddressAndPortDependent,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FilteringKind {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

impl From<FilteringKind> for Filtering {
    fn from(kind: FilteringKind) -> Self {
        match kind {
            FilteringKind::EndpointIndependent => Self::EndpointIndependent,
            FilteringKind::AddressDependent => Self::AddressDependent,
            FilteringKind::AddressAndPortDependent => Self::AddressAndPortDependent,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HairpinKind {
    Unfiltered,
    Filtered,
}

impl From<HairpinKind> for Hairpinning {
    fn from(kind: HairpinKind) -> Self {
        match kind {
            HairpinKind::Unfiltered => Self::Unfiltered,
            HairpinKind::Filtered => Self::Filtered,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    Rfc,
    Gateway,
}

/// The error as one line: what is wrong, and the tip if there is one, without the usage that clap puts below.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
    match paragraphs.find(|paragraph| paragraph.starts_with("tip: ")) {
        Some(tip) => format!("{what}; {tip}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn no_argument_means_the_demo() {
        let cli = Cli::try_parse_from(["nat-host"]).unwrap();
        assert!(matches!(cli.command(), Command::Demo(DemoOptions { pcap: None })));
    }

    #[test]
    fn options_turn_into_the_configuration_in_any_order() {
        let replay = |arguments: &str| match Cli::try_parse_from(arguments.split(' ')).unwrap().command() {
            Command::Replay(options) => options.config().unwrap(),
            other => panic!("{other:?}"),
        };
        let one = replay(
            "nat-host replay --lan-in A --lan 192.168.77.1/24 --wan 198.51.100.77/24 --wan-address 198.51.100.78 \
             --wan-address 198.51.100.77 --filtering address-dependent --hairpin filtered --profile gateway --wan-mtu 1400 \
             --host-limit 7",
        );
        let other = replay(
            "nat-host replay --host-limit 7 --hairpin filtered --wan-mtu 1400 --profile gateway --filtering address-dependent \
             --wan-address 198.51.100.77 --wan-address 198.51.100.78 \
             --wan 198.51.100.77/24 --lan 192.168.77.1/24 --lan-in A",
        );
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert_eq!(one.external_addresses, ["198.51.100.77", "198.51.100.78"].map(|a| a.parse::<Ipv4Addr>().unwrap()));
        assert_eq!(one.filtering, Filtering::AddressDependent);
        assert_eq!(one.hairpinning, Hairpinning::Filtered);
        assert_eq!(one.timeouts, Timeouts::GATEWAY);
        assert_eq!((one.outside_mtu, one.inside_mtu, one.limits.sessions_per_host), (1400, 1500, Some(7)));
    }

    #[test]
    fn errors_of_the_command_line_are_one_line() {
        for (arguments, expected) in [
            ("nat-host replay", "required arguments were not provided"),
            ("nat-host replay --mapping none", "possible values: endpoint-independent"),
            ("nat-host replay --lan 192.168.77.1 --wan 198.51.100.77/24", "prefix length is missing"),
            ("nat-host router --lann a", "tip: a similar argument exists: '--lan'"),
            ("nat-host bridge", "unrecognized subcommand 'bridge'"),
        ] {
            let line = one_line(&Cli::try_parse_from(arguments.split(' ')).unwrap_err());
            assert!(line.contains(expected) && !line.contains('\n') && !line.contains("Usage"), "{line}");
        }
    }
}
