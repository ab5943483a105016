//! The router task that all firmware and `nat-host` share: `nat-embassy` with its two stacks, a
//! DHCP client outside, a DHCP server inside, log lines, a status LED, and a heartbeat for the
//! watchdog.
//!
//! 1. [`new`] takes the memory, the configuration, entropy and both drivers, and returns a
//!    [`Router`] with two tasks.
//! 2. Spawn [`Runner::run`] as one task: it moves the frames.
//! 3. Spawn [`Services::run`] as another: it does everything else, which can wait.
//!
//! ```
//! use embassy_net_driver::Driver;
//! use embedded_hal::digital::OutputPin;
//! use nat_router::{Config, Memory};
//! use static_cell::ConstStaticCell;
//!
//! static MEMORY: ConstStaticCell<Memory<512, 1024>> = ConstStaticCell::new(Memory::new());
//!
//! async fn route(entropy: [u8; 32], lan: impl Driver, wan: impl Driver, led: impl OutputPin) {
//!     let router = nat_router::new(MEMORY.take(), Config::default(), entropy, lan, wan)
//!         .expect("a sound configuration");
//!     let forwarding = router.runner.run(|| { /* feed the watchdog */ });
//!     // On a board: two tasks.
//!     embassy_futures::join::join(forwarding, router.services.run(led)).await;
//! }
//! ```
//!
//! # The DHCP client
//!
//! Without a static configuration, the outside address is leased (RFC 2131). The [`DhcpClient`] of
//! a [`Router`] shows the lease and can release it. The README says which options the client uses,
//! and how it deals with servers that misbehave.
//!
//! # The DHCP server
//!
//! It leases up to `HOSTS` addresses of the [`Memory`], [`LEASES`] by default, at 24 bytes each.
//! Clients get the router as their gateway, and the DNS servers that the outside has at that
//! moment. While the outside is not configured, there are no DNS servers to give, so leases last
//! only [`SHORT_LEASE_SECONDS`], and clients soon ask again. A client gets the same address again
//! as long as no other client needed it, usually even after a restart of the router.
//!
//! - A new address is probed by ARP before it is offered (RFC 2131 section 2.2). This takes a
//!   second, for up to eight addresses at once; other clients are served meanwhile. An address in
//!   use is logged, and not leased for ten minutes. A client whose lease the server remembers is
//!   served without a probe. A client that asks for an address gets it if no other station answers
//!   the probe. So clients keep their addresses when the router restarts, no two clients get the
//!   same address, and a host with a static address in the pool keeps it.
//! - A client is identified by its client identifier, option 61, or by its hardware address if it
//!   sends none (section 4.2). The server remembers a keyed hash of 64 bits.
//! - The server is authoritative for the whole network: it refuses a client that asks for an
//!   address of another network, or for one that it cannot have (section 4.3.2).
//! - Replies go by unicast to clients that can receive it, and by broadcast to the others (section
//!   4.1). Messages from a relay agent are ignored.
//! - After a DECLINE the address is not leased for ten minutes. RELEASE frees it, a REQUEST to
//!   another server frees the offered address, and INFORM is answered without a lease. An offered
//!   address is reserved for 10 s.
//!
//! # Ports on request
//!
//! With the feature `port-control` and `Config::port_control`, hosts inside can ask for external
//! ports by PCP (RFC 6887) and NAT-PMP (RFC 6886), as games, file sharing and conferences do. It is
//! off by default: then a program on any host opens ports to the outside, and whoever controls the
//! host can.
//!
//! - A host can ask for its own address only. It gets ports from 1024 on that are free, up to a
//!   quarter of [`MAX_EXPLICIT_MAPPINGS`](nat_core::MAX_EXPLICIT_MAPPINGS); see
//!   [`explicit_ports`](nat_core::Config::explicit_ports) and
//!   [`Limits`](nat_core::Limits::explicit_mappings_per_host).
//! - PCP grants 2 minutes to 24 hours, NAT-PMP up to 24 hours. A mapping that PCP made can only be
//!   renewed and ended with its nonce.
//! - Of PCP, the opcodes `ANNOUNCE` and `MAP` and the option `PREFER_FAILURE` are served. Mappings
//!   for other hosts, filters and the opcode `PEER` are refused.
//! - A new external address is announced to all hosts. Mappings keep their port.
//! - Up to 16 requests of a host, and those of 8 hosts, are answered in a second. Nothing is
//!   answered that comes from outside.
//!
//! # The DNS forwarder
//!
//! With the feature `dns` and a configuration (`Config::dns_forwarder`), the router answers DNS
//! queries of the inside network on its inside address, over UDP and TCP, and forwards them to the
//! DNS servers outside (RFC 5625). DHCP clients get the router as their DNS server from the start,
//! so leases are never short.
//!
//! - Each query to a server has a random number, and comes from a random port that is used for 5 s
//!   at most. An answer counts if it comes to this port from the server's address and port, with the
//!   number and the question. A blind attacker has to guess 16 bits of the number and nearly 16 of
//!   the port, for a question that is asked once at a time. A host inside that helps the attacker
//!   can have one name asked about several times by changing the case of its letters: up to
//!   `DNS_QUERIES` times.
//! - A server that is silent for 1.1 s, or answers SERVFAIL or REFUSED, is followed by the next. If
//!   none answers, clients get SERVFAIL after 4.4 s; without a configuration outside, at once.
//! - Records, types and EDNS options that the router does not know pass. An answer is never longer
//!   than the client accepts. Servers are asked for at most 1,232 bytes over UDP; clients that need
//!   more ask over TCP, up to 4,096 bytes. Queries without RD are forwarded, too.
//! - Answers are kept until their TTLs end, for a day at most; the absence of a name for an hour at
//!   most, and only with a SOA record (RFC 2308).
//! - The router is `router.lan`, and DHCP clients have the names that they send (option 12), up to
//!   24 bytes. A client cannot take the name of another, nor `router`, `wpad` or `isatap`. Names
//!   take 36 bytes for each address of the pool.
//! - Not forwarded: local names, addresses of names without a dot, `.local`, `.invalid`, `.test`,
//!   `.onion`, `home.arpa`, and the reverse zones of private addresses (RFC 6303). `localhost` is
//!   the host itself.
//! - If too many queries wait, the host with the most loses its oldest one.
//! - The bit AD is cleared in all answers, because the router checks no signatures. Zone transfers
//!   are refused. A signed query (TSIG) fails if its EDNS size must be lowered.
//!
//! # The log
//!
//! The features `defmt` and `log` choose where it goes. Lines are logged about:
//!
//! - the configuration of the outside, when it changes,
//! - messages of DHCP servers outside that were refused, and why: at most two lines a second,
//! - networks outside and inside that overlap,
//! - addresses inside that were leased, found in use or declined: at most four lines a second,
//! - a full pool: at most one line a minute,
//! - the queries of the DNS forwarder, and servers that do not answer: at most one line a minute,
//! - sessions that the NAT refused, and why: at most one line a second,
//! - every 10 s, the packets forwarded and dropped, and how full the tables are. Hosts whose
//!   addresses have the same last 8 bits are counted as one.
//!
//! Changes of the links are logged by `nat-embassy`.
#![cfg_attr(docsrs, doc = "\n# Features\n")]
#![cfg_attr(docsrs, doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(test)]
extern crate std;

// The application's side.
mod config;
mod memory;

// The task besides the runner, and what it runs.
mod dhcp;
#[cfg(feature = "dns")]
mod dns;
mod led;
#[cfg(feature = "port-control")]
mod port_control;
mod services;
mod statistics;
mod uplink;

// The events of the NAT.
mod events;

// What firmware needs besides.
mod firmware;
mod identity;
mod paced_link;

mod log;
mod log_limiter;

use core::mem::MaybeUninit;

use embassy_net::{Ipv4Cidr, Stack, StaticConfigV4};
use embassy_net_driver::Driver;
use nat_core::{Cidr, Seed, Width};
use nat_embassy::{Control, Outside};

#[cfg(feature = "dns")]
pub use config::DnsForwarder;
pub use config::{Config, ConfigError, DhcpServer, LEASES};
pub use dhcp::SHORT_LEASE_SECONDS;
pub use dhcp::client::{DhcpClient, Lease, MAX_DNS_SERVERS};
#[cfg(feature = "dns")]
pub use dns::{DNS_CACHE, DNS_QUERIES, DnsStats};
pub use firmware::{WATCHDOG_TIMEOUT, mappings};
pub use identity::{host_mac_address, mac_address, mac_addresses};
pub use led::{NoLed, Pattern};
pub use memory::{Memory, SOCKETS, WideMemory};
pub use nat_embassy::{HEARTBEAT_INTERVAL, Runner};
pub use paced_link::PacedLink;
pub use services::Services;

use dhcp::client::{Client, MAX_HOST_NAME, Shared, stack_config};
use events::EventSink;

/// A router: two tasks to spawn, and handles for the application.
pub struct Router<Lan: Driver, Wan: Driver, W: Width = u16> {
    /// The task that moves the frames.
    pub runner: Runner<'static, Lan, Wan, W>,
    /// The task for everything else.
    pub services: Services<W>,
    /// The handle of the router, for port forwards and counters. If the application sets an event
    /// hook, it replaces the one that logs refused sessions and counts mappings for the log.
    pub control: Control<'static, W>,
    /// The router's own stack inside. Three of its sockets are for the application.
    pub inside: Stack<'static>,
    /// The router's own stack outside. Three of its sockets are for the application. It uses the
    /// first three DNS servers of the lease. If the gateway is not in the network outside, the
    /// stack's configuration has the router's own address as the gateway instead.
    pub outside: Stack<'static>,
    /// The configuration of the outside, and the way to release a lease.
    pub dhcp_client: DhcpClient,
}

/// Secret random numbers.
#[derive(Clone)]
pub struct Entropy {
    /// The NAT's seed.
    pub nat: Seed,
    /// The seeds of the stack inside and of the stack outside.
    pub stacks: [u64; 2],
}

impl From<[u8; 32]> for Entropy {
    /// Half of the bytes for the NAT, and a quarter for each stack.
    fn from(bytes: [u8; 32]) -> Self {
        let (nat, stacks) = bytes.split_at(16);
        let half = |bytes: &[u8]| bytes.first_chunk().copied().unwrap_or_default();
        let stacks = u128::from_le_bytes(half(stacks));
        Self {
            nat: Seed::new(half(nat)),
            stacks: [stacks as u64, (stacks >> 64) as u64],
        }
    }
}

/// Builds a router between the drivers `lan` and `wan`.
///
/// `entropy` must be fresh at every boot: 32 random bytes, or the [`Entropy`] made of them.
///
/// # Errors
///
/// When the NAT refuses the configuration, the DHCP server's does not suit the inside network, or
/// the host name is not valid.
pub fn new<
    const MAPPINGS: usize,
    const SESSIONS: usize,
    const HOSTS: usize,
    const WAITING: usize,
    const FREED: usize,
    W: Width,
    Lan: Driver,
    Wan: Driver,
>(
    memory: &'static mut Memory<MAPPINGS, SESSIONS, HOSTS, WAITING, FREED, W>,
    config: Config,
    entropy: impl Into<Entropy>,
    lan: Lan,
    wan: Wan,
) -> Result<Router<Lan, Wan, W>, ConfigError> {
    let Entropy { nat: seed, stacks } = entropy.into();
    let [inside_seed, outside_seed] = stacks;
    let network = config.nat.inside;
    #[cfg(feature = "port-control")]
    let port_control = config.port_control;
    #[cfg(feature = "dns")]
    check_dns_domain(&config)?;
    let (dhcp_server, dhcp) = dhcp_server(&mut memory.dhcp, &config, stacks)?;
    #[cfg(feature = "dns")]
    let dns_forwarder = dns_forwarder(&mut memory.dns, &dhcp_server, &config, stacks);
    check_host_name(config.host_name)?;
    let static_lease = static_lease(&config);
    let [inside_config, outside_config] = stack_configs(network, static_lease.as_ref());
    let (client, lease) = dhcp_client(&mut memory.lease, static_lease, &config, outside_seed);

    let (control, lan, wan, runner) =
        nat_embassy::new(&mut memory.state, adapter_config(config), seed, lan, wan)?;
    // Before the runner runs, so that the count has every mapping.
    let mapping_count = &memory.mapping_count;
    control.set_event_hook(memory.event_sink.write(EventSink::new(mapping_count)));
    let inside = embassy_net::new(lan, inside_config, &mut memory.inside, inside_seed);
    let outside = embassy_net::new(wan, outside_config, &mut memory.outside, outside_seed);

    Ok(Router {
        runner,
        control,
        inside: inside.0,
        outside: outside.0,
        dhcp_client: DhcpClient::new(lease),
        services: Services {
            control,
            inside,
            outside,
            client,
            client_memory: &mut memory.dhcp_client,
            lease,
            dhcp,
            dhcp_server,
            #[cfg(feature = "dns")]
            dns_forwarder,
            mapping_count,
            network,
            #[cfg(feature = "port-control")]
            port_control: port_control.then_some(&mut memory.port_control),
        },
    })
}

/// The DHCP server, if there is one, and its buffers.
fn dhcp_server<const HOSTS: usize>(
    memory: &'static mut dhcp::Memory<HOSTS>,
    config: &Config,
    seeds: [u64; 2],
) -> Result<(Option<dhcp::Server<'static>>, &'static mut dhcp::Buffers), ConfigError> {
    let dhcp::Memory {
        leases,
        identifiers,
        #[cfg(feature = "dns")]
        names,
        buffers,
    } = memory;
    let server = server_config(config, HOSTS)?.map(|server| {
        let identity = dhcp::Identity::new(seeds);
        let memory = (&mut leases[..], identifiers);
        #[cfg(feature = "dns")]
        let local_dns = config.dns_forwarder.map(|dns| dhcp::LocalDns {
            names: dhcp::Names::new(names, server.first),
            domain: dns.domain,
        });
        let server = dhcp::Server::new(memory, &server, config.nat.inside, identity);
        #[cfg(feature = "dns")]
        let server = server.with_local_dns(local_dns);
        server
    });
    Ok((server, buffers))
}

/// The DNS forwarder, if there is one, and its buffers.
#[cfg(feature = "dns")]
fn dns_forwarder(
    memory: &'static mut dns::Memory,
    dhcp_server: &Option<dhcp::Server<'static>>,
    config: &Config,
    seeds: [u64; 2],
) -> Option<(dns::Forwarder<'static>, &'static mut dns::Sockets)> {
    let settings = config.dns_forwarder?;
    let local = dns::Local {
        inside: config.nat.inside,
        domain: settings.domain,
        clients: dhcp_server.as_ref().and_then(dhcp::Server::names),
    };
    let protection = settings
        .rebinding_protection
        .then_some(dns::RebindingProtection {
            exceptions: settings.rebinding_exceptions,
        });
    let forwarder = dns::Forwarder::new(&mut memory.state, local, protection, seeds);
    Some((forwarder, &mut memory.sockets))
}

/// Checks the domain of local names.
#[cfg(feature = "dns")]
fn check_dns_domain(config: &Config) -> Result<(), ConfigError> {
    let is_valid = |forwarder: DnsForwarder| dns::is_domain(forwarder.domain);
    if config.dns_forwarder.is_none_or(is_valid) {
        Ok(())
    } else {
        Err(ConfigError::DnsDomain)
    }
}

/// The DHCP client, unless the outside has a static configuration, and what it shares with its
/// handles.
fn dhcp_client(
    memory: &'static mut MaybeUninit<Shared>,
    static_lease: Option<Lease>,
    config: &Config,
    seed: u64,
) -> (Option<Client>, &'static Shared) {
    let client = match static_lease {
        Some(_) => None,
        None => Some(Client::new(config.host_name, seed)),
    };
    (client, memory.write(Shared::new(static_lease)))
}

/// The DHCP server's configuration, which must suit the inside network and the memory.
fn server_config(config: &Config, hosts: usize) -> Result<Option<DhcpServer>, ConfigError> {
    let network = config.nat.inside;
    let Some(server) = config.dhcp_server else {
        return Ok(None);
    };
    let server = server.fit(network, hosts);
    server.check(network, hosts)?;
    Ok(Some(server))
}

/// Checks that a DHCP client can send this name (RFC 1123 section 2.1). An empty one is not sent.
fn check_host_name(name: &str) -> Result<(), ConfigError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.len() <= MAX_HOST_NAME && name.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(ConfigError::HostName)
    }
}

/// The configurations of the stacks inside and outside at the start. The one outside is empty if it
/// will be leased.
fn stack_configs(network: Cidr, static_lease: Option<&Lease>) -> [embassy_net::Config; 2] {
    let inside = StaticConfigV4 {
        address: Ipv4Cidr::new(network.address(), network.prefix_len()),
        gateway: None,
        dns_servers: heapless::Vec::new(),
    };
    let outside = match static_lease {
        Some(lease) => embassy_net::Config::ipv4_static(stack_config(lease)),
        None => embassy_net::Config::default(),
    };
    [embassy_net::Config::ipv4_static(inside), outside]
}

/// The static configuration of the outside, in the form of a lease.
fn static_lease(config: &Config) -> Option<Lease> {
    let outside = config.outside.as_ref()?;
    Some(Lease {
        address: Cidr::new(outside.address.address(), outside.address.prefix_len())?,
        gateway: outside.gateway,
        dns_servers: outside.dns_servers.iter().copied().collect(),
        mtu: None,
        server: core::net::Ipv4Addr::UNSPECIFIED,
        seconds: None,
    })
}

fn adapter_config(config: Config) -> nat_embassy::Config {
    let Config {
        mut nat, outside, ..
    } = config;
    nat.dhcp_client = outside.is_none();
    let mut adapter = nat_embassy::Config::new(nat);
    adapter.outside = outside.and_then(|outside| {
        let address = Cidr::new(outside.address.address(), outside.address.prefix_len())?;
        Some(Outside {
            address,
            gateway: outside.gateway,
        })
    });
    adapter
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
