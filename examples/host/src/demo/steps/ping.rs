//! Pings through the router, and to it.

use core::net::Ipv4Addr;

use embassy_net::icmp::PacketMetadata;
use embassy_net::icmp::ping::{PingManager, PingParams};
use embassy_time::Duration;

use crate::demo::addresses::{ISP, ROUTER, WEB};
use crate::demo::host::Host;
use crate::demo::step::{Failure, Outcome, readable};
use crate::demo::world::World;

/// Bytes of data in a request that fills a datagram of 1500 bytes.
const FULL: usize = 1472;

const COUNT: u16 = 3;

/// How long a reply may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Pings servers from both hosts, with the same identifier, and the router's inside address.
pub(super) async fn all(world: &World) -> Outcome {
    let near = ping(world.host1, ROUTER.address, 56).await?;
    let far = ping(world.host1, WEB.address, 56).await?;
    let full = ping(world.host1, WEB.address, FULL).await?;
    let other = ping(world.host2, ISP.address, 56).await?;
    Ok(format!(
        "router {}, web {} ({FULL} bytes: {}), isp {}",
        readable(near),
        readable(far),
        readable(full),
        readable(other)
    ))
}

/// The mean round trip of a few requests with `size` bytes of data.
async fn ping(from: Host, to: Ipv4Addr, size: usize) -> Result<Duration, Failure> {
    let (mut received, mut sent) = ([PacketMetadata::EMPTY; 4], [PacketMetadata::EMPTY; 4]);
    let (mut received_bytes, mut sent_bytes) = (vec![0; 4096], vec![0; 4096]);
    let mut pings = PingManager::new(
        from.stack,
        &mut received,
        &mut received_bytes,
        &mut sent,
        &mut sent_bytes,
    );
    let payload: Vec<u8> = (0..size).map(|n| n as u8).collect();
    let mut request = PingParams::new(to);
    request
        .set_payload(&payload)
        .set_count(COUNT)
        .set_timeout(LIMIT);
    request.set_rate_limit(Duration::from_ticks(0));
    pings.ping(&request).await.map_err(|error| {
        Failure::new(
            format_args!(
                "{COUNT} echo replies of {size} bytes for {} from {to}",
                from.name
            ),
            format_args!("{error:?}"),
        )
    })
}
