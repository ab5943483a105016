//! The provider's DHCP server. It has one address to lease at a time.

use core::cell::Cell;
use core::net::Ipv4Addr;

use edge_dhcp::server::{Server, ServerOptions};
use edge_dhcp::{Options, Packet};
use embassy_time::Instant;

use crate::demo::host::{Host, UdpMemory};

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// The lease time in seconds, longer than the demo runs.
const LEASE_SECONDS: u32 = 3600;

/// The address that the server leases.
pub(in crate::demo) struct LeasePool(Cell<Ipv4Addr>);

impl LeasePool {
    /// A pool that holds `address`.
    pub(in crate::demo) fn new(address: Ipv4Addr) -> Self {
        Self(Cell::new(address))
    }

    /// Drops all leases, and leases `address` from now on.
    pub(in crate::demo) fn replace(&self, address: Ipv4Addr) {
        self.0.set(address);
    }
}

/// Leases the address of `pool`.
#[embassy_executor::task]
pub(super) async fn serve(host: Host, pool: &'static LeasePool) -> ! {
    let mut memory = UdpMemory::new();
    let socket = memory.socket(host, SERVER_PORT);
    let mut server = Server::<_, 1>::new(|| Instant::now().as_secs(), host.address);
    let (mut request, mut reply) = ([0; 1500], [0; 1500]);
    loop {
        // Requests that do not fit, and replies that cannot be sent, are lost. The client retries.
        let Ok((len, _)) = socket.recv_from(&mut request).await else {
            continue;
        };
        limit_to(&mut server, pool.0.get());
        if let Some(reply) = answer(&mut server, host, &request[..len], &mut reply) {
            let _ = socket
                .send_to(reply, (Ipv4Addr::BROADCAST, CLIENT_PORT))
                .await;
        }
    }
}

fn limit_to<F, const N: usize>(server: &mut Server<F, N>, address: Ipv4Addr) {
    if server.range_start != address {
        (server.range_start, server.range_end) = (address, address);
        server.leases.clear();
    }
}

fn answer<'r, F: FnMut() -> u64, const N: usize>(
    server: &mut Server<F, N>,
    host: Host,
    request: &[u8],
    reply: &'r mut [u8],
) -> Option<&'r [u8]> {
    let request = Packet::decode(request).ok()?;
    let mut gateway = [host.address];
    let mut options = ServerOptions::new(host.address, Some(&mut gateway));
    let dns = [host.address];
    options.dns = &dns;
    options.lease_duration_secs = LEASE_SECONDS;
    let mut memory = Options::buf();
    server
        .handle_request(&mut memory, &options, &request)?
        .encode(reply)
        .ok()
}
