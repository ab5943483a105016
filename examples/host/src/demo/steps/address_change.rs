//! The link outside goes down, and the router gets another address when it is up again.

use core::net::{Ipv4Addr, SocketAddrV4};

use embassy_futures::join::join;
use embassy_net::tcp::{Error, TcpSocket};
use embassy_net::udp::UdpSocket;
use embassy_net::{IpAddress, IpEndpoint};
use embassy_net_driver::LinkState;
use embassy_time::{Duration, Instant, with_timeout};

use super::download::fetch;
use super::exchange::exchange;
use crate::demo::addresses::{ROUTER_WAN_MAC, SECOND_LEASE, WEB};
use crate::demo::host::UdpMemory;
use crate::demo::step::{Failure, Outcome, readable};
use crate::demo::world::World;

const SOURCE_PORT: u16 = 40001;
const UDP_PORT: u16 = 7002;
const TCP_PORT: u16 = 7003;

/// How long to wait for a datagram that must not arrive.
const SILENCE: Duration = Duration::from_millis(50);

/// Blocks of a download after the change: 1 MiB.
const BLOCKS: u16 = 128;

/// Changes the outside address during a UDP and a TCP session. Both must end, and new sessions must
/// use the new address.
pub(super) async fn survive(world: &World) -> Outcome {
    let (mut at_host2, mut at_web) = (UdpMemory::new(), UdpMemory::new());
    let host2 = at_host2.socket(world.host2, SOURCE_PORT);
    let web = at_web.socket(world.web, UDP_PORT);
    let (mut host1_memory, mut web_memory) = (TcpMemory::new(), TcpMemory::new());
    let mut connection = host1_memory.socket(world.host1);
    let mut peer = web_memory.socket(world.web);
    let before = exchange(world.host2, &host2, world.web, &web).await?;
    connect(&mut connection, &mut peer).await?;

    let (old, outage) = change(world).await;
    sessions_are_gone(world, old)?;
    is_unreachable(&host2, &web, before).await?;
    let reset = is_reset(&mut connection).await?;

    let after = exchange(world.host2, &host2, world.web, &web).await?;
    uses_new_address(after)?;
    fetch_on_both(world).await?;
    Ok(format!(
        "{old} to {SECOND_LEASE} in {}, old connection reset in {}, 2 x 1 MiB fetched",
        readable(outage),
        readable(reset)
    ))
}

fn uses_new_address(external: IpEndpoint) -> Result<(), Failure> {
    if external.addr == IpAddress::from(SECOND_LEASE) {
        return Ok(());
    }
    Err(Failure::new(
        format_args!("traffic of host2 from {SECOND_LEASE}"),
        external,
    ))
}

async fn fetch_on_both(world: &World) -> Result<(), Failure> {
    let fetches = join(fetch(world.host1, 3, BLOCKS), fetch(world.host2, 4, BLOCKS));
    let (host1, host2) = fetches.await;
    host1.and(host2)
}

/// Takes the router's link outside down and up again. Returns the old address, and the time from
/// link up to the new address.
async fn change(world: &World) -> (Ipv4Addr, Duration) {
    let old = world.router.external();
    world.pool.replace(SECOND_LEASE);
    world.wan.set_link(ROUTER_WAN_MAC, LinkState::Down);
    world.router.outside.wait_config_down().await;
    let link_up = Instant::now();
    world.wan.set_link(ROUTER_WAN_MAC, LinkState::Up);
    world.router.wait_external(SECOND_LEASE).await;
    (old, link_up.elapsed())
}

fn sessions_are_gone(world: &World, old: Ipv4Addr) -> Result<(), Failure> {
    let left = world
        .router
        .sessions()
        .iter()
        .filter(|session| *session.external.ip() == old)
        .count();
    if left == 0 {
        Ok(())
    } else {
        Err(Failure::new(format_args!("no session left on {old}"), left))
    }
}

/// Sends from `web` to `endpoint`, the external endpoint of `host2` before the change. The datagram
/// must not arrive.
async fn is_unreachable(
    host2: &UdpSocket<'_>,
    web: &UdpSocket<'_>,
    endpoint: IpEndpoint,
) -> Result<(), Failure> {
    let sent = web.send_to(b"too late", endpoint).await;
    sent.map_err(|error| Failure::new("a late datagram sent", format_args!("{error:?}")))?;
    match with_timeout(SILENCE, host2.recv_from(&mut [0; 64])).await {
        Err(_) => Ok(()),
        Ok(got) => Err(Failure::new(
            format_args!("nothing at host2 from {endpoint}"),
            format_args!("{got:?}"),
        )),
    }
}

/// The memory of a TCP connection that carries only a few bytes.
struct TcpMemory {
    received: [u8; 256],
    sent: [u8; 256],
}

impl TcpMemory {
    fn new() -> Self {
        Self {
            received: [0; 256],
            sent: [0; 256],
        }
    }

    fn socket(&mut self, host: crate::demo::host::Host) -> TcpSocket<'_> {
        TcpSocket::new(host.stack, &mut self.received, &mut self.sent)
    }
}

async fn connect(from: &mut TcpSocket<'_>, to: &mut TcpSocket<'_>) -> Result<(), Failure> {
    let server = SocketAddrV4::new(WEB.address, TCP_PORT);
    let (accepted, connected) = join(to.accept(TCP_PORT), from.connect(server)).await;
    let failed = |error: &dyn core::fmt::Debug| {
        Failure::new(
            format_args!("a connection of host1 to {server}"),
            format_args!("{error:?}"),
        )
    };
    accepted.map_err(|error| failed(&error))?;
    connected.map_err(|error| failed(&error))
}

/// Sends on `connection`, whose session has ended. The router must answer with a RST at once.
async fn is_reset(connection: &mut TcpSocket<'_>) -> Result<Duration, Failure> {
    let expected = "a reset of host1's old connection within 2 s";
    let start = Instant::now();
    let failed = |seen: &dyn core::fmt::Debug| Failure::new(expected, format_args!("{seen:?}"));
    connection
        .write(b"still there?")
        .await
        .map_err(|error| failed(&error))?;
    match with_timeout(Duration::from_secs(2), connection.read(&mut [0; 16])).await {
        Ok(Err(Error::ConnectionReset)) => Ok(start.elapsed()),
        Ok(other) => Err(failed(&other)),
        Err(_) => Err(failed(&"nothing")),
    }
}
