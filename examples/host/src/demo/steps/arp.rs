//! The first datagram is queued while ARP resolves each next hop, and then arrives.

use super::exchange::exchange;
use crate::demo::addresses::{Mac, Machine, ROUTER, WEB};
use crate::demo::host::UdpMemory;
use crate::demo::step::{Failure, Outcome};
use crate::demo::wire::Wire;
use crate::demo::world::World;

const PORT: u16 = 7000;

/// Sends the first datagram from a LAN host to a server. No machine on its path knows its next
/// hop's MAC address yet.
pub(super) async fn resolve(world: &World) -> Outcome {
    let (mut at_host1, mut at_web) = (UdpMemory::new(), UdpMemory::new());
    let (client, server) = (
        at_host1.socket(world.host1, 0),
        at_web.socket(world.web, PORT),
    );
    exchange(world.host1, &client, world.web, &server).await?;
    // The other two of the four neighbours were learned from the ARP requests (RFC 826).
    check(&world.lan, ROUTER)?;
    check(&world.wan, WEB)?;
    Ok(format!(
        "router is at {}, web at {}, the queued datagram arrived",
        text(ROUTER.mac),
        text(WEB.mac)
    ))
}

fn check(wire: &Wire, Machine { address, mac, .. }: Machine) -> Result<(), Failure> {
    let seen = wire.tap().neighbour(address);
    if seen == Some(mac) {
        return Ok(());
    }
    let seen = seen.map_or_else(
        || "no answer".to_string(),
        |mac| format!("\"it is at {}\"", text(mac)),
    );
    Err(Failure::new(
        format_args!("the ARP answer \"{address} is at {}\"", text(mac)),
        seen,
    ))
}

fn text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
