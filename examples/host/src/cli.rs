//! The command line: subcommands, their options, and the NAT configuration that they describe.

mod nat_options;
mod notes;
mod value;

use core::net::Ipv4Addr;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
use anyhow::Context;
use anyhow::{Result, bail, ensure};
use clap::{ArgGroup, Args, Parser, Subcommand};
use nat_core::{Cidr, Config};
#[cfg(target_os = "linux")]
use nat_router::{ConfigError, DhcpServer, DnsForwarder};

pub(crate) use nat_options::{NatOptions, refusal};
use notes::{EXAMPLES, MORE_OF_REPLAY, MORE_OF_ROUTER, REPLAY_NOTES, ROUTER_NOTES, SOAK_NOTES};
use value::{Lan, LeasePool};
pub(crate) use value::{LanDevice, MacAddress, Network, WanDevice};

use crate::replay::{Mac, Networks};

/// A NAT router for microcontrollers on your own machine: a demo, a router on two TAP devices, a
/// replay of captures
#[derive(Debug, Parser)]
#[command(name = "nat-host", version, after_help = EXAMPLES, max_term_width = 126)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// The command; the demo if none was given.
    pub(crate) fn command(self) -> Command {
        self.command
            .unwrap_or(Command::Demo(DemoOptions { pcap: None }))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the NAT at work in one process, without root and network (the default)
    Demo(DemoOptions),
    /// Route between two TAP devices (Linux)
    #[command(after_help = MORE_OF_ROUTER, after_long_help = ROUTER_NOTES)]
    Router(RouterOptions),
    /// Process the packets of captures with the NAT and report each verdict
    #[command(after_help = MORE_OF_REPLAY, after_long_help = REPLAY_NOTES)]
    Replay(ReplayOptions),
    /// Send a billion packets through the NAT and check the results
    #[command(after_help = SOAK_NOTES)]
    Soak(SoakOptions),
}

#[derive(Args, Debug)]
pub(crate) struct SoakOptions {
    /// Number of packets, of all threads together
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000)]
    pub(crate) packets: u64,
    /// Seed of the random packets; the same seed gives the same packets
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Number of threads; each runs an engine of its own with the next seed and its share of the
    /// packets
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(crate) threads: u64,
}

#[derive(Args, Debug)]
pub(crate) struct DemoOptions {
    /// Write captures of both sides of the router, lan.pcap and wan.pcap, to this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) pcap: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RouterOptions {
    /// TAP device of the LAN, and the router's address there with the LAN's prefix length
    #[arg(long, value_name = "NAME=ADDRESS/LEN")]
    pub(crate) lan: LanDevice,
    /// TAP device of the WAN, and the router's primary external address there, or `dhcp` to
    /// request a lease
    #[arg(long, value_name = "NAME=ADDRESS/LEN|dhcp")]
    pub(crate) wan: WanDevice,
    /// Default gateway on the WAN. With a WAN address of /32 it may be outside that network.
    /// Without a gateway only hosts of the WAN network are reachable
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) gateway: Option<Ipv4Addr>,
    /// Run a DHCP server on the LAN. It leases the addresses FIRST-LAST, by default 64 from .100
    /// up, at most as many as the tables have hosts, and passes on the DNS servers of the
    /// WAN's lease
    #[arg(long, value_name = "FIRST-LAST")]
    dhcp_server: Option<Option<LeasePool>>,
    /// Let hosts of the LAN ask for external ports, with PCP or NAT-PMP. Any program on a host can
    /// then open ports of that host to the WAN
    #[arg(long)]
    pub(crate) port_control: bool,
    /// Forward DNS queries of the LAN to the servers of the WAN's lease or of --dns-server. DHCP
    /// clients get the router as their DNS server, and their names below the domain
    #[arg(long)]
    pub(crate) dns_forwarder: bool,
    /// DNS server on the WAN, with a WAN address that is not leased; up to three
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dns_server: Vec<Ipv4Addr>,
    /// Domain of the names that the router and DHCP clients have
    #[arg(
        long,
        value_name = "DOMAIN",
        default_value = "lan",
        requires = "dns_forwarder"
    )]
    pub(crate) dns_domain: String,
    /// Empty answers about public names that have a private, loopback or link-local address
    #[arg(long, requires = "dns_forwarder")]
    pub(crate) dns_rebinding_protection: bool,
    /// Append one line of JSON to FILE for each mapping that is created or deleted, and for each
    /// session that is refused
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping_log: Option<PathBuf>,
    /// Print the counters every N seconds too, not only at SIGUSR1 and at the end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) stats_every: Option<u32>,
    /// MAC address of the router's interface on the LAN [default: derived from this machine and
    /// the device's name]
    #[arg(long, value_name = "MAC")]
    pub(crate) lan_mac: Option<MacAddress>,
    /// MAC address of the router's interface on the WAN [default: derived from this machine and
    /// the device's name]
    #[arg(long, value_name = "MAC")]
    pub(crate) wan_mac: Option<MacAddress>,
    /// Length of each TAP device's transmit queue. Frames wait there until the router reads them,
    /// and take about 2.3 kB each; the kernel drops frames when it is full. A queue that is
    /// already longer is left as it is
    #[arg(long, value_name = "FRAMES", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) tap_queue: u32,
    /// Write more of the router's log to standard error: -v links, leases and refused sessions,
    /// -vv debug messages, -vvv everything [default: warnings and errors]
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(flatten)]
    pub(crate) nat: NatOptions,
}

/// The DNS servers that a static configuration of embassy-net holds.
#[cfg(target_os = "linux")]
const MAX_DNS_SERVERS: usize = 3;

impl RouterOptions {
    /// The configuration of the LAN's DNS forwarder, if there is one.
    #[cfg(target_os = "linux")]
    pub(crate) fn dns_forwarder(&self) -> Option<DnsForwarder> {
        let mut forwarder = DnsForwarder::default();
        // Once for the whole run.
        forwarder.domain = self.dns_domain.clone().leak();
        forwarder.rebinding_protection = self.dns_rebinding_protection;
        self.dns_forwarder.then_some(forwarder)
    }

    /// The configuration of the LAN's DHCP server, if there is one.
    #[cfg(target_os = "linux")]
    pub(crate) fn dhcp_server(&self) -> Result<Option<DhcpServer>> {
        let Some(pool) = self.dhcp_server else {
            return Ok(None);
        };
        let default = DhcpServer::of(self.lan.address);
        let mut server = default.context("--dhcp-server: the LAN has no addresses for hosts")?;
        // Of the default pool, the router leases as many addresses as it has memory for.
        if let Some(LeasePool { first, last }) = pool {
            server = DhcpServer {
                first,
                last,
                ..server
            };
            match server.check(self.lan.address, self.nat.capacity()?.hosts as usize) {
                Err(ConfigError::DhcpServer(problem)) => bail!("--dhcp-server: {problem}"),
                result => result?,
            }
        }
        Ok(Some(server))
    }

    /// The NAT's configuration, with all checks that do not need the devices.
    #[cfg(target_os = "linux")]
    pub(crate) fn config(&self) -> Result<Config> {
        ensure!(
            self.lan.name != self.wan.name,
            "--lan and --wan name the same device"
        );
        let same = self.lan_mac.is_some() && self.lan_mac == self.wan_mac;
        ensure!(
            !same,
            "--lan-mac and --wan-mac are the same: give each interface its own address"
        );
        let mut config = self
            .nat
            .config(self.lan.address, self.wan.address.map(|wan| wan.address()))?;
        self.check_gateway()?;
        ensure!(
            self.dns_server.is_empty() || self.wan.address.is_some(),
            "--dns-server cannot be used with --wan {}=dhcp: the servers come with the lease",
            self.wan.name
        );
        ensure!(
            self.dns_server.len() <= MAX_DNS_SERVERS,
            "--dns-server can be given {MAX_DNS_SERVERS} times at most"
        );
        self.nat
            .check_wan_addresses(self.lan.address, self.wan.address, self.gateway)?;
        config.dhcp_client = self.wan.address.is_none();
        Ok(config)
    }

    #[cfg(target_os = "linux")]
    fn check_gateway(&self) -> Result<()> {
        let Some(gateway) = self.gateway else {
            return Ok(());
        };
        let Some(wan) = self.wan.address else {
            bail!(
                "--gateway cannot be used with --wan {}=dhcp: the gateway comes with the lease",
                self.wan.name
            )
        };
        let on_link = is_host_of(wan, gateway) && gateway != wan.address();
        // As hosting providers do it: a WAN of one address, and a gateway in another network.
        let single = wan.prefix_len() == 32 && gateway != wan.address();
        let off_link = single && !self.lan.address.contains(gateway) && is_unicast(gateway);
        ensure!(
            on_link || off_link,
            "--gateway {gateway} is not another host of the WAN {wan}"
        );
        Ok(())
    }
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("input").required(true).multiple(true).args(["lan_in", "wan_in", "capture"]))]
pub(crate) struct ReplayOptions {
    /// Packets that arrive from the LAN: a pcap or pcapng file
    #[arg(long, value_name = "FILE")]
    pub(crate) lan_in: Option<PathBuf>,
    /// Packets that arrive from the WAN: a pcap or pcapng file
    #[arg(long, value_name = "FILE")]
    pub(crate) wan_in: Option<PathBuf>,
    /// Packets of both directions in one pcap or pcapng file; --lan or --lan-mac identifies those
    /// from inside
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lan_in", "wan_in"])]
    pub(crate) capture: Option<PathBuf>,
    /// With --capture: MAC address of a host inside. Frames from it are from inside, frames to it
    /// from outside; may be repeated
    #[arg(long, value_name = "MAC", value_parser = mac_address)]
    #[arg(requires = "capture", conflicts_with_all = ["lan_in", "wan_in"])]
    pub(crate) lan_mac: Vec<Mac>,
    /// Write the packets that leave to the LAN to this pcap file of link type RAW
    #[arg(long, value_name = "FILE")]
    pub(crate) lan_out: Option<PathBuf>,
    /// Write the packets that leave to the WAN to this pcap file of link type RAW
    #[arg(long, value_name = "FILE")]
    pub(crate) wan_out: Option<PathBuf>,
    /// Write one line of JSON for each packet, with its verdict
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write one line of JSON for each mapping that is created or deleted, and for each session
    /// that is refused
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping_log: Option<PathBuf>,
    /// The router's address on the LAN, with the LAN's prefix length. With --capture also the
    /// network itself, as in 192.168.77.0/24, or one host, as in 192.168.77.10/32. With --lan-mac
    /// optional: the /24 of the first host found
    #[arg(long, value_name = "ADDRESS/LEN", required_unless_present = "lan_mac")]
    pub(crate) lan: Option<Lan>,
    /// The router's primary external address, with the WAN's prefix length. With --capture
    /// optional: 198.51.100.77/24
    #[arg(long, value_name = "ADDRESS/LEN", required_unless_present = "capture")]
    pub(crate) wan: Option<Network>,
    #[command(flatten)]
    pub(crate) nat: NatOptions,
}

impl ReplayOptions {
    /// The NAT's configuration for these networks.
    pub(crate) fn config(&self, networks: Networks) -> Result<Config> {
        let Networks { lan, wan, .. } = networks;
        let config = self.nat.config(lan, Some(wan.address()))?;
        self.nat.check_wan_addresses(lan, Some(wan), None)?;
        Ok(config)
    }
}

fn mac_address(text: &str) -> Result<Mac> {
    text.parse().map(|MacAddress(address)| address)
}

/// Whether a host in this network can have `address`.
fn is_host_of(network: Cidr, address: Ipv4Addr) -> bool {
    network.contains(address)
        && Some(address) != network.network()
        && Some(address) != network.broadcast()
}

/// Whether `address` is a unicast address.
#[cfg(target_os = "linux")]
const fn is_unicast(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first < 224 && !address.is_loopback()
}

/// The error as one line with clap's tip, if there is one, and without the usage.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
    match paragraphs.find(|paragraph| paragraph.starts_with("tip: ")) {
        Some(tip) => format!("{what}; {tip}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use clap::CommandFactory;
    use nat_core::{
        ExhaustionError, Filtering, Hairpinning, InsideResets, Mapping, OneToOne, PortRange,
        PortSet, Rate, Untranslated,
    };

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn no_argument_means_the_demo() {
        let cli = Cli::try_parse_from(["nat-host"]).unwrap();
        assert!(matches!(
            cli.command(),
            Command::Demo(DemoOptions { pcap: None })
        ));
    }

    /// The configuration of `replay` with these options.
    #[track_caller]
    fn config(options: &str) -> Config {
        let arguments = "nat-host replay --lan-in A --lan 192.168.77.1/24 --wan 198.51.100.77/24";
        let options = options.split_whitespace();
        match Cli::try_parse_from(arguments.split(' ').chain(options))
            .unwrap()
            .command()
        {
            Command::Replay(options) => options
                .config(crate::replay::networks(&options).unwrap())
                .unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Both profiles without further options.
    fn plain(mut config: Config) -> Config {
        config.external_addresses.push(WAN).unwrap();
        config
    }

    /// `Config` does not implement `PartialEq`.
    #[track_caller]
    fn assert_same(actual: &Config, expected: &Config, options: &str) {
        assert_eq!(
            format!("{actual:#?}"),
            format!("{expected:#?}"),
            "{options}"
        );
    }

    const WAN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
    const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 20);

    fn lan() -> Cidr {
        Cidr::new(Ipv4Addr::new(192, 168, 77, 1), 24).unwrap()
    }

    #[test]
    fn a_profile_is_the_configuration_of_its_name() {
        assert_same(&config(""), &plain(Config::new(lan())), "");
        assert_same(&config("--profile rfc"), &plain(Config::new(lan())), "rfc");
        assert_same(
            &config("--profile gateway"),
            &plain(Config::gateway(lan())),
            "gateway",
        );
    }

    /// What an option does to the configuration.
    type Effect = fn(&mut Config);

    #[track_caller]
    fn assert_effects(profile: &str, base: fn(Cidr) -> Config, effects: &[(&str, Effect)]) {
        for (options, effect) in effects {
            let mut expected = plain(base(lan()));
            effect(&mut expected);
            assert_same(
                &config(&format!("{options} --profile {profile}")),
                &expected,
                options,
            );
        }
    }

    fn range(first: u16, last: u16) -> PortRange {
        PortRange::new(first, last).unwrap()
    }

    #[test]
    fn options_of_translation_and_rules_set_one_field_each() {
        assert_effects(
            "rfc",
            Config::new,
            &[
                ("--mapping address-and-port-dependent", |c| {
                    c.mapping = Mapping::AddressAndPortDependent;
                }),
                ("--filtering address-dependent", |c| {
                    c.filtering = Filtering::AddressDependent;
                }),
                ("--tcp-filtering endpoint-independent", |c| {
                    c.tcp_filtering = Some(Filtering::EndpointIndependent);
                }),
                ("--hairpin filtered", |c| {
                    c.hairpinning = Hairpinning::Filtered;
                }),
                ("--wan-address 198.51.100.78", |c| {
                    c.external_addresses
                        .push([198, 51, 100, 78].into())
                        .unwrap();
                }),
                ("--wan-address 198.51.100.77", |_| {}),
                ("--dmz-host 192.168.77.20", |c| c.dmz_host = Some(HOST)),
                ("--one-to-one 198.51.100.77=192.168.77.20", |c| {
                    c.one_to_one
                        .push(OneToOne {
                            external: WAN,
                            inside: HOST,
                        })
                        .unwrap();
                }),
                ("--untranslated 10.0.0.0/8:80-443", |c| {
                    let network = Cidr::new([10, 0, 0, 0].into(), 8).unwrap();
                    c.untranslated
                        .push(Untranslated {
                            network,
                            ports: Some(range(80, 443)),
                        })
                        .unwrap();
                }),
            ],
        );
    }

    #[test]
    fn options_of_ports_and_limits_set_one_field_each() {
        assert_effects(
            "rfc",
            Config::new,
            &[
                ("--ports 40000-49999", |c| c.ports = range(40000, 49999)),
                ("--low-ports 512-1023", |c| c.low_ports = range(512, 1023)),
                ("--reserved-ports 22", |c| {
                    c.reserved_ports = Some(range(22, 22));
                }),
                ("--excluded-ports none", |c| {
                    c.excluded_ports = PortSet::EMPTY;
                }),
                ("--port-parity", |c| c.port_parity = true),
                ("--port-blocks 512", |c| c.port_blocks = Some(512)),
                ("--quarantine 0", |c| c.quarantine.delay = Duration::ZERO),
                ("--tcp-quarantine 60", |c| {
                    c.quarantine.tcp_delay = Duration::from_secs(60);
                }),
                ("--quarantine-after-start", |c| {
                    c.quarantine.after_start = true;
                }),
                ("--host-limit 7", |c| {
                    (c.limits.sessions_per_host, c.limits.mappings_per_host) = (Some(7), Some(7));
                }),
                ("--host-mappings 7", |c| {
                    c.limits.mappings_per_host = Some(7);
                }),
                ("--host-tcp-mappings 7", |c| {
                    c.limits.tcp_mappings_per_host = Some(7);
                }),
                ("--host-udp-mappings 7", |c| {
                    c.limits.udp_mappings_per_host = Some(7);
                }),
                ("--host-icmp-mappings 7", |c| {
                    c.limits.icmp_mappings_per_host = Some(7);
                }),
                ("--mapping-sessions 7", |c| {
                    c.limits.sessions_per_mapping = Some(7);
                }),
                ("--host-half-open 7", |c| {
                    c.limits.half_open_per_host = Some(7);
                }),
                ("--half-open 7", |c| c.limits.half_open = Some(7)),
                ("--reserved 0", |c| c.limits.reserved_per_host = Some(0)),
                ("--mapping-rate 9+7/s", |c| {
                    c.limits.mapping_rate = Some(Rate {
                        burst: 9,
                        per_second: 7,
                    });
                }),
                ("--session-rate 9+7/s", |c| {
                    c.limits.session_rate = Some(Rate {
                        burst: 9,
                        per_second: 7,
                    });
                }),
            ],
        );
    }

    #[test]
    fn options_of_answers_timers_and_links_set_one_field_each() {
        assert_effects(
            "rfc",
            Config::new,
            &[
                ("--icmp-errors lan", |c| c.outside_icmp_errors = false),
                ("--icmp-errors wan", |c| c.inside_icmp_errors = false),
                ("--icmp-errors none", |c| {
                    (c.inside_icmp_errors, c.outside_icmp_errors) = (false, false);
                }),
                ("--icmp-error-rate 9+7/s", |c| {
                    (c.limits.icmp_error_burst, c.limits.icmp_errors_per_second) = (9, 7);
                }),
                ("--exhaustion-error host-unreachable", |c| {
                    c.exhaustion_error = ExhaustionError::HostUnreachable;
                }),
                ("--exhaustion-error none", |c| {
                    c.exhaustion_error = ExhaustionError::None;
                }),
                ("--lan-resets always", |_| {}),
                ("--lan-resets not-for-bare-ack", |c| {
                    c.inside_resets = InsideResets::NotForBareAck;
                }),
                ("--lan-resets never", |c| {
                    c.inside_resets = InsideResets::Never;
                }),
                ("--lan-ping no", |c| c.inside_ping = false),
                ("--wan-ping", |c| c.outside_ping = true),
                ("--wan-ping yes", |c| c.outside_ping = true),
                ("--timeout udp=120 --timeout dns=5", |c| {
                    c.timeouts.udp = Duration::from_secs(120);
                    c.timeouts.dns = Some(Duration::from_secs(5));
                }),
                ("--lan-mtu 1300", |c| c.inside_mtu = 1300),
                ("--wan-mtu 1300", |c| c.outside_mtu = 1300),
                ("--mss-clamp", |c| c.mss_clamp = true),
                ("--mss-clamp no", |_| {}),
            ],
        );
    }

    /// In any order.
    #[test]
    fn options_override_the_profile() {
        assert_effects(
            "gateway",
            Config::gateway,
            &[
                ("--mapping endpoint-independent", |c| {
                    c.mapping = Mapping::EndpointIndependent;
                }),
                ("--timeout tcp-established=7440", |c| {
                    c.timeouts.tcp_established = Duration::from_secs(7440);
                }),
                ("--ports 40000-49999", |c| {
                    (c.ports, c.low_ports) = (range(40000, 49999), range(40000, 49999));
                }),
                ("--low-ports 1-1023", |c| c.low_ports = range(1, 1023)),
                ("--mss-clamp no", |c| c.mss_clamp = false),
                ("--lan-ping", |c| c.inside_ping = true),
            ],
        );
        let options = [
            "--profile gateway",
            "--mapping endpoint-independent",
            "--wan-mtu 1400",
        ];
        let reversed: Vec<_> = options.into_iter().rev().collect();
        assert_same(
            &config(&reversed.join(" ")),
            &config(&options.join(" ")),
            "reversed",
        );
    }

    #[test]
    fn errors_of_the_command_line_are_one_line() {
        for (arguments, expected) in [
            ("nat-host replay", "required arguments were not provided"),
            (
                "nat-host replay --mapping none",
                "possible values: endpoint-independent",
            ),
            (
                "nat-host replay --lan 192.168.77.1 --wan 198.51.100.77/24",
                "prefix length is missing",
            ),
            (
                "nat-host router --lann a",
                "tip: a similar argument exists: '--lan'",
            ),
            ("nat-host bridge", "unrecognized subcommand 'bridge'"),
        ] {
            let line = one_line(&Cli::try_parse_from(arguments.split(' ')).unwrap_err());
            assert!(
                line.contains(expected) && !line.contains('\n') && !line.contains("Usage"),
                "{line}"
            );
        }
    }
}
