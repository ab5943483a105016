//! A DNS lookup at the provider's server.

use embassy_net::dns::DnsQueryType;

use crate::demo::addresses::{ISP, WEB, WEB_NAME};
use crate::demo::step::{Failure, Outcome};
use crate::demo::world::World;

/// Looks up the web server's name.
pub(super) async fn look_up(world: &World) -> Outcome {
    let answer = world.host2.stack.dns_query(WEB_NAME, DnsQueryType::A).await;
    match answer.as_deref() {
        Ok([address]) if *address == WEB.address.into() => Ok(format!(
            "{WEB_NAME} is {address}, says {} ({})",
            ISP.name, ISP.address
        )),
        other => Err(Failure::new(
            format_args!("{WEB_NAME} is {}", WEB.address),
            format_args!("{other:?}"),
        )),
    }
}
