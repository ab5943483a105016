//! The servers on the WAN.

mod dhcp;
mod dns;
mod http;

pub(super) use dhcp::LeasePool;
pub(super) use http::{HTTP_PORT, Stream};

use embassy_executor::Spawner;

use super::host::Host;

/// Starts the servers of both machines. `pool` chooses the address that the provider leases.
pub(super) fn start(spawner: Spawner, isp: Host, web: Host, pool: &'static LeasePool) {
    let once = "each server is started once";
    spawner.spawn(dhcp::serve(isp, pool).expect(once));
    spawner.spawn(dns::serve(isp).expect(once));
    spawner.spawn(http::serve(web).expect(once));
}
