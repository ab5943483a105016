//! The router takes a DHCP lease outside.

use crate::demo::addresses::{FIRST_LEASE, ISP, PREFIX_LEN};
use crate::demo::step::{Failure, Outcome};
use crate::demo::world::World;

/// Waits for the router's first lease.
pub(super) async fn take(world: &World) -> Outcome {
    let outside = world.router.outside;
    outside.wait_config_up().await;
    let lease = outside
        .config_v4()
        .ok_or_else(|| Failure::new("a configuration", "none"))?;
    let gateway = lease
        .gateway
        .map_or_else(|| "none".to_string(), |gateway| gateway.to_string());
    let seen = format!("{}, gateway {gateway}", lease.address);
    let expected = format!("{FIRST_LEASE}/{PREFIX_LEN}, gateway {}", ISP.address);
    world.router.wait_external(FIRST_LEASE).await;
    if seen == expected {
        Ok(seen)
    } else {
        Err(Failure::new(expected, seen))
    }
}
