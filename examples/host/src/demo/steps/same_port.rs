//! Both hosts use the same source port and the same server port.

use core::net::Ipv4Addr;

use embassy_net::udp::UdpSocket;
use embassy_net::{IpAddress, IpEndpoint};

use super::exchange::exchange;
use crate::demo::host::UdpMemory;
use crate::demo::step::{Failure, Outcome};
use crate::demo::world::World;

/// The port of both hosts.
const SOURCE_PORT: u16 = 40000;

/// The port of the server.
const PORT: u16 = 7001;

/// Sends from the same source port of both hosts. Each answer must reach the right host.
pub(super) async fn both(world: &World) -> Outcome {
    let [mut at_host1, mut at_host2, mut at_web] = [(); 3].map(|()| UdpMemory::new());
    let host1 = at_host1.socket(world.host1, SOURCE_PORT);
    let host2 = at_host2.socket(world.host2, SOURCE_PORT);
    let web = at_web.socket(world.web, PORT);
    let first = from_both(world, &host1, &host2, &web).await?;
    // A second time, with both mappings in place: neither has replaced the other.
    let second = from_both(world, &host1, &host2, &web).await?;
    check(world.router.external(), first, second)
}

/// An exchange of each host with the server. Returns the endpoints that the server saw.
async fn from_both(
    world: &World,
    host1: &UdpSocket<'_>,
    host2: &UdpSocket<'_>,
    web: &UdpSocket<'_>,
) -> Result<[IpEndpoint; 2], Failure> {
    Ok([
        exchange(world.host1, host1, world.web, web).await?,
        exchange(world.host2, host2, world.web, web).await?,
    ])
}

/// Both external endpoints must be of the external address, different, and unchanged.
fn check(external: Ipv4Addr, first: [IpEndpoint; 2], second: [IpEndpoint; 2]) -> Outcome {
    let [host1, host2] = first;
    let seen = format!("host1:{SOURCE_PORT} as {host1}, host2:{SOURCE_PORT} as {host2}");
    let addresses = first.map(|endpoint| endpoint.addr);
    if first == second && host1.port != host2.port && addresses == [IpAddress::from(external); 2] {
        Ok(format!("web saw {seen}"))
    } else {
        Err(Failure::new(
            format_args!("two lasting ports of {external}"),
            format_args!("{seen}, then {second:?}"),
        ))
    }
}
