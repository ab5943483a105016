//! The first datagram finds its way, and waits while neighbours are asked for.

use core::net::Ipv4Addr;

use super::exchange::exchange;
use crate::demo::addresses::{ANNA, Mac, ROUTER, WEB};
use crate::demo::host::UdpMemory;
use crate::demo::step::{Failure, Outcome};
use crate::demo::wire::Wire;
use crate::demo::world::World;

const PORT: u16 = 7000;

/// Sends the first datagram from a LAN host to a server: nobody on its way knows its neighbour yet.
pub(super) async fn resolve(world: &World) -> Outcome {
    let (mut at_anna, mut at_web) = (UdpMemory::new(), UdpMemory::new());
    let (client, server) = (at_anna.socket(world.anna, 0), at_web.socket(world.web, PORT));
    exchange(world.anna, &client, world.web, &server).await?;
    let external = world.router.external();
    let answers = [
        (&world.lan, ROUTER.address, ROUTER.mac),
        (&world.lan, ANNA.address, ANNA.mac),
        (&world.wan, WEB.address, WEB.mac),
        (&world.wan, external, crate::demo::addresses::ROUTER_WAN_MAC),
    ];
    for (wire, address, mac) in answers {
        check(wire, address, mac)?;
    }
    Ok(format!(
        "{} and {} at the router, first datagram not lost",
        short(ANNA.mac),
        short(WEB.mac)
    ))
}

fn check(wire: &Wire, address: Ipv4Addr, mac: Mac) -> Result<(), Failure> {
    let seen = wire.tap().neighbour(address);
    if seen == Some(mac) {
        return Ok(());
    }
    let seen = seen.map_or_else(|| "no answer".to_string(), |mac| format!("\"it is at {}\"", short(mac)));
    Err(Failure::new(
        format_args!("the ARP answer \"{address} is at {}\"", short(mac)),
        seen,
    ))
}

fn short(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
