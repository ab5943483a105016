//! The line outside is cut, and comes back with another address.

use core::net::{Ipv4Addr, SocketAddrV4};

use embassy_futures::join::join;
use embassy_net::IpAddress;
use embassy_net::tcp::{Error, TcpSocket};
use embassy_net::udp::UdpSocket;
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

/// How long to wait for what must not come.
const SILENCE: Duration = Duration::from_millis(50);

/// Blocks of a download after the change: 1 MiB.
const BLOCKS: u16 = 128;

/// Changes the outside address under a UDP and a TCP session. Both end, and new ones use the new
/// address.
pub(super) async fn survive(world: &World) -> Outcome {
    let (mut at_ben, mut at_web) = (UdpMemory::new(), UdpMemory::new());
    let (ben, web) = (
        at_ben.socket(world.ben, SOURCE_PORT),
        at_web.socket(world.web, UDP_PORT),
    );
    let (mut anna_memory, mut web_memory) = (TcpMemory::new(), TcpMemory::new());
    let (mut connection, mut peer) = (anna_memory.socket(world.anna), web_memory.socket(world.web));
    let before = exchange(world.ben, &ben, world.web, &web).await?;
    connect(&mut connection, &mut peer).await?;

    let (old, outage) = change(world).await;
    sessions_are_gone(world, old)?;
    is_unreachable(&ben, &web, before).await?;
    let reset = is_reset(&mut connection).await?;

    let after = exchange(world.ben, &ben, world.web, &web).await?;
    if after.addr != IpAddress::from(SECOND_LEASE) {
        return Err(Failure::new(
            format_args!("traffic of ben from {SECOND_LEASE}"),
            after,
        ));
    }
    let (anna, ben) = join(fetch(world.anna, 3, BLOCKS), fetch(world.ben, 4, BLOCKS)).await;
    anna.and(ben)?;
    Ok(format!(
        "{old} to {SECOND_LEASE} in {}, old connection reset in {}, 2 x 1 MiB fetched",
        readable(outage),
        readable(reset)
    ))
}

/// Cuts the router's line outside and mends it. Returns the old address, and how long it took until
/// the router had a new.
async fn change(world: &World) -> (Ipv4Addr, Duration) {
    let old = world.router.external();
    world.pool.replace(SECOND_LEASE);
    world.wan.set_link(ROUTER_WAN_MAC, LinkState::Down);
    world.router.outside.wait_config_down().await;
    let mended = Instant::now();
    world.wan.set_link(ROUTER_WAN_MAC, LinkState::Up);
    world.router.wait_external(SECOND_LEASE).await;
    (old, mended.elapsed())
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

/// Sends from `web` to `endpoint`, where `ben` was to be reached before the change.
async fn is_unreachable(
    ben: &UdpSocket<'_>,
    web: &UdpSocket<'_>,
    endpoint: embassy_net::IpEndpoint,
) -> Result<(), Failure> {
    let sent = web.send_to(b"too late", endpoint).await;
    sent.map_err(|error| Failure::new("a late datagram sent", format_args!("{error:?}")))?;
    match with_timeout(SILENCE, ben.recv_from(&mut [0; 64])).await {
        Err(_) => Ok(()),
        Ok(got) => Err(Failure::new(
            format_args!("nothing at ben from {endpoint}"),
            format_args!("{got:?}"),
        )),
    }
}

/// The memory of a TCP connection that carries next to nothing.
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
            format_args!("a connection of anna to {server}"),
            format_args!("{error:?}"),
        )
    };
    accepted.map_err(|error| failed(&error))?;
    connected.map_err(|error| failed(&error))
}

/// Goes on talking on `connection`, of which the router knows nothing any more: it must say so at
/// once.
async fn is_reset(connection: &mut TcpSocket<'_>) -> Result<Duration, Failure> {
    let expected = "a reset of anna's old connection within 2 s";
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
