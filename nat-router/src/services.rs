//! Everything besides forwarding, in one task that can wait.

use core::future::pending;

#[cfg(any(feature = "dns", feature = "port-control"))]
use embassy_futures::join::join;
use embassy_futures::join::join5;
use embassy_net::Stack;
use embassy_time::{Duration, Instant, Timer};
use embedded_hal::digital::OutputPin;
use nat_core::{Cidr, Width};
use nat_embassy::{Control, LanDevice, WanDevice};

use crate::dhcp;
use crate::dhcp::client::DhcpClient;
#[cfg(feature = "dns")]
use crate::dns;
use crate::events::MappingCount;
use crate::led::Pattern;
use crate::statistics::Statistics;
use crate::uplink::Uplink;

/// The longest time between two looks at the lease, the statistics and the LED. An idle router is
/// woken by nothing else as often.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// The router's own stacks, its DHCP server, its log and its LED. Spawn [`Services::run`] as a task
/// of its own.
pub struct Services<W: Width = u16> {
    pub(crate) control: Control<'static, W>,
    pub(crate) inside: (
        Stack<'static>,
        embassy_net::Runner<'static, LanDevice<'static>>,
    ),
    pub(crate) outside: (
        Stack<'static>,
        embassy_net::Runner<'static, WanDevice<'static>>,
    ),
    /// `None` with a static configuration.
    pub(crate) client: Option<dhcp::client::Client>,
    pub(crate) client_memory: &'static mut dhcp::client::Memory,
    pub(crate) lease: &'static dhcp::client::Shared,
    pub(crate) dhcp: &'static mut dhcp::Buffers,
    pub(crate) dhcp_server: Option<dhcp::Server<'static>>,
    /// `None` without a DNS forwarder.
    #[cfg(feature = "dns")]
    pub(crate) dns_forwarder: Option<(dns::Forwarder<'static>, &'static mut dns::Sockets)>,
    pub(crate) mapping_count: &'static MappingCount,
    pub(crate) network: Cidr,
    /// `None` if hosts cannot ask for ports.
    #[cfg(feature = "port-control")]
    pub(crate) port_control: Option<&'static mut crate::port_control::Buffers>,
}

impl<W: Width> Services<W> {
    /// Runs both stacks, gets the outside configuration, serves DHCP inside, and shows the state of
    /// the router in the log and by `led`. Errors of the pin are ignored.
    pub async fn run(self, led: impl OutputPin) -> ! {
        let Self {
            control,
            inside,
            outside,
            client,
            client_memory,
            lease,
            dhcp,
            dhcp_server,
            #[cfg(feature = "dns")]
            dns_forwarder,
            mapping_count,
            network,
            #[cfg(feature = "port-control")]
            port_control,
        } = self;
        let handle = DhcpClient::new(lease);
        let (inside, mut inside_runner) = inside;
        let (outside, mut outside_runner) = outside;
        let configure = async {
            match client {
                Some(client) => {
                    dhcp::client::run(outside, control, client_memory, client, lease).await;
                }
                None => handle.set_static(),
            }
        };
        let serve = async {
            if let Some(server) = dhcp_server {
                dhcp::serve(control, inside, handle, dhcp, server).await;
            }
        };
        #[cfg(feature = "port-control")]
        let serve = async {
            let grant_ports = async {
                if let Some(buffers) = port_control {
                    crate::port_control::serve(control, inside, network.address(), buffers).await;
                }
            };
            join(serve, grant_ports).await;
        };
        #[cfg(feature = "dns")]
        let serve = async {
            let forward = async {
                if let Some((forwarder, sockets)) = dns_forwarder {
                    let stacks = [inside, outside];
                    dns::serve(stacks, network.address(), handle, sockets, forwarder).await;
                }
            };
            join(serve, forward).await;
        };
        let watch = watch(
            outside,
            handle,
            Uplink::new(network),
            Statistics::new(control, mapping_count),
            led,
        );
        // The DHCP server, the DHCP client and the DNS forwarder must be polled in one task with their stacks, and after them.
        join5(
            inside_runner.run(),
            outside_runner.run(),
            configure,
            serve,
            watch,
        )
        .await;
        pending().await
    }
}

/// Logs changes of the lease and the statistics, and drives the LED: every [`WATCH_INTERVAL`], and
/// whenever the LED changes.
async fn watch<W: Width>(
    outside: Stack<'_>,
    client: DhcpClient,
    mut uplink: Uplink,
    mut statistics: Statistics<W>,
    mut led: impl OutputPin,
) {
    loop {
        let now = Instant::now().as_millis();
        uplink.log_changes(client.lease());
        statistics.log_if_due(now);
        let pattern = Pattern::of(outside.is_link_up(), outside.is_config_up());
        let _ = led.set_state(pattern.is_lit(now).into());
        Timer::after(WATCH_INTERVAL.min(Duration::from_millis(pattern.next_change(now)))).await;
    }
}
