//! The router task that all firmware and `nat-host` share: `nat-embassy` with its two stacks, a
//! DHCP client outside, a DHCP server inside, lines for the log, a status LED and a sign of life
//! for the watchdog.
//!
//! 1. [`new`] takes the memory, the configuration, entropy and both drivers, and gives the two
//!    halves of a [`Router`].
//! 2. Spawn [`Runner::run`] as one task: it moves the frames.
//! 3. Spawn [`Services::run`] as another: it does all the rest, which is not in a hurry.
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
//!     let router = nat_router::new(MEMORY.take(), Config::default(), entropy, lan, wan).expect("a sound configuration");
//!     let forwarding = router.runner.run(|| { /* feed the watchdog */ });
//!     // On a board: two tasks.
//!     embassy_futures::join::join(forwarding, router.services.run(led)).await;
//! }
//! ```
//!
//! # The DHCP client
//!
//! Without a static configuration the outside is leased (RFC 2131). The [`DhcpClient`] of a
//! [`Router`] tells the lease and gives it back. What the client takes of a lease, and what it does
//! about servers that misbehave, is in the README.
//!
//! # The DHCP server
//!
//! It leases up to `HOSTS` addresses of the [`Memory`], [`LEASES`] by default, at 24 bytes each,
//! and tells clients the router as gateway and the DNS servers that the outside has at that moment.
//! While the outside is not configured, so that there is no DNS server to tell, leases last
//! [`SHORT_LEASE_SECONDS`] only, and clients come back soon. A client gets its address again as
//! long as no other needed it, mostly even after the router was off.
//!
//! - A new address is probed by ARP before a client hears of it (RFC 2131 section 2.2), which takes
//!   a second; up to eight at once, while all others are served. An address that is in use is set
//!   aside for ten minutes and told on the log. A client that has a lease, or that alone answers
//!   for the address it asks for, does not wait: so clients keep their addresses when the router
//!   starts again, no two get the same, and a host with a static address in the pool keeps it.
//! - A client is its client identifier, option 61, or its hardware address where it sends none
//!   (section 4.2). A keyed hash of it with 64 bits is remembered.
//! - It answers for the whole network: a client that asks for an address of another network, or for
//!   one that it cannot have, is refused (section 4.3.2).
//! - Answers go by unicast to clients that can receive it, and by broadcast to the others (section
//!   4.1). What comes through a relay agent is ignored.
//! - DECLINE sets the client's address aside, RELEASE frees it, a REQUEST for another server frees
//!   what was offered, and INFORM is answered without a lease. An offer that is not taken keeps its
//!   address for 10 s.
//!
//! # The log
//!
//! Through `defmt` or `log`, by the features of these names: what the outside is configured with
//! and when that changes; what a DHCP server outside said that was not taken, and why, at most two
//! lines a second; a warning when the networks outside and inside overlap; addresses leased inside,
//! found in use or declined, at most four lines a second; a full pool, at most once a minute;
//! sessions that the NAT refused and why, at most one line a second; and every 10 s what was
//! forwarded, what was dropped and how full the tables are. Links are told of by `nat-embassy`.
//! Hosts are counted by the last 8 bits of their addresses.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(test)]
extern crate std;

// The application's side.
mod config;
mod memory;

// The two tasks.
mod services;

// What the services are.
mod dhcp;
mod led;
mod statistics;
mod uplink;

// What the NAT tells.
mod journal;

// What a board needs besides.
mod firmware;
mod identity;
mod paced_link;

mod log;
mod pace;

use embassy_net::{Ipv4Cidr, Stack, StaticConfigV4};
use embassy_net_driver::Driver;
use nat_core::{Cidr, Seed, Width};
use nat_embassy::{Control, Outside};

pub use config::{Config, ConfigError, DhcpServer, LEASES};
pub use dhcp::SHORT_LEASE_SECONDS;
pub use dhcp::client::{DhcpClient, Lease, MAX_DNS_SERVERS};
pub use firmware::{WATCHDOG_TIMEOUT, mappings};
pub use identity::{mac_address, mac_addresses};
pub use led::{NoLed, Pattern};
pub use memory::{Memory, SOCKETS, WideMemory};
pub use nat_embassy::{HEARTBEAT_INTERVAL, Runner};
pub use paced_link::PacedLink;
pub use services::Services;

use dhcp::client::{Client, MAX_HOST_NAME, Shared, stack_config};
use journal::Recorder;

/// A router: two tasks to spawn, and handles for the application.
pub struct Router<Lan: Driver, Wan: Driver, W: Width = u16> {
    /// The task that moves the frames.
    pub runner: Runner<'static, Lan, Wan, W>,
    /// The task for everything else.
    pub services: Services<W>,
    /// The handle of the router, for port forwards and counters. An event hook of the
    /// application's takes the place of that which tells of refused sessions and counts
    /// mappings for the log.
    pub control: Control<'static, W>,
    /// The router's own stack inside, with three sockets left for the application.
    pub inside: Stack<'static>,
    /// The router's own stack outside, with three sockets left for the application. It knows the
    /// first three DNS servers. Where the gateway is not in the network, its configuration has
    /// the router's own address in the place of it.
    pub outside: Stack<'static>,
    /// The configuration of the outside, and the way to give a lease back.
    pub dhcp_client: DhcpClient,
}

/// What nobody may be able to guess.
#[derive(Clone)]
pub struct Entropy {
    /// The NAT's seed.
    pub nat: Seed,
    /// The seeds of the stack inside and of that outside.
    pub stacks: [u64; 2],
}

impl From<[u8; 32]> for Entropy {
    /// Half of the bytes for the NAT, and a quarter for each stack.
    fn from(bytes: [u8; 32]) -> Self {
        let half = |from: usize| {
            core::array::from_fn(|place| bytes.get(from + place).copied().unwrap_or(0))
        };
        let stacks = u128::from_le_bytes(half(16));
        Self {
            nat: Seed::new(half(0)),
            stacks: [stacks as u64, (stacks >> 64) as u64],
        }
    }
}

/// Builds a router between the drivers `lan` and `wan`.
///
/// `entropy` is fresh of every boot: 32 random bytes, or the [`Entropy`] that is made of them.
///
/// # Errors
///
/// When the NAT refuses the configuration, or the DHCP server's does not suit the inside network.
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
    let network = config.nat.inside;
    let dhcp_server = config.dhcp_server.map(|server| server.fit(network, HOSTS));
    if let Some(server) = &dhcp_server {
        server.check(network, HOSTS)?;
    }
    let Entropy {
        nat: seed,
        stacks: [seed_inside, seed_outside],
    } = entropy.into();
    let identity = dhcp::Identity::new([seed_inside, seed_outside]);
    if !is_host_name(config.host_name) {
        return Err(ConfigError::HostName);
    }
    let Memory {
        state,
        inside,
        outside,
        dhcp,
        dhcp_client: client_memory,
        uplink,
        journal,
        recorder,
    } = memory;
    let (host_name, fixed) = (config.host_name, fixed_lease(&config));
    let dhcp::Memory {
        leases,
        identifiers,
        buffers: dhcp,
    } = dhcp;
    let dhcp_server = dhcp_server
        .map(|server| dhcp::Server::new((leases, identifiers), &server, network, identity));
    let (control, lan, wan, runner) =
        nat_embassy::new(state, adapter_config(config), seed, lan, wan)?;
    let client = fixed
        .is_none()
        .then(|| Client::new(host_name, seed_outside));
    let journal = &*journal;
    control.set_event_hook(recorder.write(Recorder::new(journal)));
    let outside_config = fixed
        .as_ref()
        .map(|lease| embassy_net::Config::ipv4_static(stack_config(lease)));
    let uplink = &*uplink.write(Shared::new(fixed));
    let inside = embassy_net::new(lan, inside_config(network), inside, seed_inside);
    let outside = embassy_net::new(
        wan,
        outside_config.unwrap_or_default(),
        outside,
        seed_outside,
    );
    Ok(Router {
        control,
        inside: inside.0,
        outside: outside.0,
        dhcp_client: DhcpClient::new(uplink),
        runner,
        services: Services {
            control,
            inside,
            outside,
            client,
            client_memory,
            uplink,
            dhcp,
            dhcp_server,
            journal,
            network,
        },
    })
}

/// Whether a DHCP client can give this name (RFC 1123 section 2.1); none is given where it is
/// empty.
fn is_host_name(name: &str) -> bool {
    name.len() <= MAX_HOST_NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The configuration of the stack inside.
fn inside_config(network: Cidr) -> embassy_net::Config {
    embassy_net::Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(network.address(), network.prefix_len()),
        gateway: None,
        dns_servers: heapless::Vec::new(),
    })
}

/// The static configuration of the outside, as if it were leased.
fn fixed_lease(config: &Config) -> Option<Lease> {
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
