//! The demo's network: two LAN hosts, the router, and two servers on the WAN.

use anyhow::Context;
use embassy_executor::Spawner;

use super::Options;
use super::addresses::{FIRST_LEASE, HOST1, HOST2, ISP, ROUTER, WEB};
use super::host::Host;
use super::router::Router;
use super::servers::{self, LeasePool};
use super::tap::Tap;
use super::wire::Wire;

/// All machines and wires.
pub(super) struct World {
    pub(super) lan: Wire,
    pub(super) wan: Wire,
    pub(super) host1: Host,
    pub(super) host2: Host,
    pub(super) web: Host,
    pub(super) router: Router,
    /// What the provider leases.
    pub(super) pool: &'static LeasePool,
}

impl World {
    /// Connects all machines and starts them.
    pub(super) fn start(spawner: Spawner, options: &Options) -> anyhow::Result<Self> {
        let (lan, wan) = wires(options)?;
        let pool = &*Box::leak(Box::new(LeasePool::new(FIRST_LEASE)));
        let isp = Host::boot(spawner, &wan, ISP, None);
        let web = Host::boot(spawner, &wan, WEB, None);
        servers::start(spawner, isp, web, pool);
        Ok(Self {
            host1: Host::boot(spawner, &lan, HOST1, Some(ROUTER.address)),
            host2: Host::boot(spawner, &lan, HOST2, Some(ROUTER.address)),
            web,
            router: Router::start(spawner, &lan, &wan)?,
            pool,
            lan,
            wan,
        })
    }

    /// Ends the captures, if there are any.
    pub(super) fn finish_captures(&self) -> anyhow::Result<()> {
        self.lan.finish_capture()?;
        self.wan.finish_capture()
    }
}

/// The LAN and the WAN, captured with `--pcap`.
fn wires(options: &Options) -> anyhow::Result<(Wire, Wire)> {
    let Some(directory) = &options.pcap else {
        return Ok((Wire::new(Tap::default()), Wire::new(Tap::default())));
    };
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let wire = |name| Tap::capturing(&directory.join(name)).map(Wire::new);
    Ok((wire("lan.pcap")?, wire("wan.pcap")?))
}
