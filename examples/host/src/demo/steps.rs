//! The steps of the demo, in order.

mod address_change;
mod arp;
mod dns;
mod download;
mod exchange;
mod lease;
mod ping;
mod probes;
mod same_port;

use embassy_time::Duration;

use super::step::{Failed, step};
use super::world::World;

/// Runs every step; stops at the first one that fails.
pub(super) async fn all(world: &World) -> Result<(), Failed> {
    let limit = Duration::from_secs(5);
    step(
        "DHCP lease",
        "an outside address leased by isp",
        limit,
        lease::take(world),
    )
    .await?;
    step(
        "ARP",
        "a datagram from host1 to web, and its answer",
        limit,
        arp::resolve(world),
    )
    .await?;
    step("ping", "echo replies", limit, ping::all(world)).await?;
    step(
        "DNS lookup",
        "an answer from isp",
        limit,
        dns::look_up(world),
    )
    .await?;
    step(
        "HTTP, both at once",
        "two streams in full",
        2 * limit,
        download::both(world),
    )
    .await?;
    step(
        "one source port",
        "an answer for host1 and one for host2",
        limit,
        same_port::both(world),
    )
    .await?;
    step(
        "unsolicited probes",
        "every probe dropped",
        limit,
        probes::send(world),
    )
    .await?;
    step(
        "new outside address",
        "another address, and traffic from it",
        2 * limit,
        address_change::survive(world),
    )
    .await
}
