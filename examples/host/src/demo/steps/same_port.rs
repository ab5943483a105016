//! Both hosts talk from one source port to one server port.

use super::exchange::exchange;
use crate::demo::host::UdpMemory;
use crate::demo::step::{Failure, Outcome};
use crate::demo::world::World;

/// The port of both hosts.
const SOURCE_PORT: u16 = 40000;

/// The port of the server.
const PORT: u16 = 7001;

/// Opens the same source port from both hosts. Each answer must reach the host it is for.
pub(super) async fn both(world: &World) -> Outcome {
    let [mut at_anna, mut at_ben, mut at_web] = [(); 3].map(|()| UdpMemory::new());
    let anna = at_anna.socket(world.anna, SOURCE_PORT);
    let ben = at_ben.socket(world.ben, SOURCE_PORT);
    let web = at_web.socket(world.web, PORT);
    let for_anna = exchange(world.anna, &anna, world.web, &web).await?;
    let for_ben = exchange(world.ben, &ben, world.web, &web).await?;
    // Once more, now that both mappings are there: neither has taken the other's place.
    let again = (
        exchange(world.anna, &anna, world.web, &web).await?,
        exchange(world.ben, &ben, world.web, &web).await?,
    );
    let external = embassy_net::IpAddress::from(world.router.external());
    let seen = format!("anna:{SOURCE_PORT} as {for_anna}, ben:{SOURCE_PORT} as {for_ben}");
    let distinct = for_anna.port != for_ben.port && again == (for_anna, for_ben);
    if distinct && for_anna.addr == external && for_ben.addr == external {
        Ok(format!("web saw {seen}"))
    } else {
        Err(Failure::new(
            format_args!("two lasting ports of {external}"),
            format_args!("{seen}, then {again:?}"),
        ))
    }
}
