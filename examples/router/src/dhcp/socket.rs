//! The server on the router's stack inside.

use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::task::Poll;

use embassy_net::udp::UdpSocket;
use embassy_net::{IpAddress, Stack};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use nat_core::Cidr;
use smoltcp::wire::{DHCP_CLIENT_PORT, DHCP_SERVER_PORT};

use super::client::DhcpClient;
use super::server::{Answer, Heard, Leased};
use super::{Memory, Server};
use crate::config::DhcpServer;
use crate::log::info;
use crate::pace::Pace;

/// How long an answer may take to leave before it is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait after the socket has failed.
const RETRY: Duration = Duration::from_secs(1);

/// Leases told on the log each second.
const LINES: u8 = 4;

/// Leases addresses of the network `inside` on `stack`, with the DNS servers that `outside` knows. No error ends it.
pub(crate) async fn serve(
    stack: Stack<'_>,
    memory: &mut Memory,
    config: &DhcpServer,
    inside: Cidr,
    outside: DhcpClient,
) -> ! {
    let Memory { leases, received, sent, answer } = memory;
    let ((received_metadata, received), (sent_metadata, sent)) = (received.parts(), sent.parts());
    let mut socket = UdpSocket::new(stack, received_metadata, received, sent_metadata, sent);
    let mut server = Server::new(leases, config, inside);
    let mut pace = Pace::new(LINES);
    loop {
        if !socket.is_open() && socket.bind(DHCP_SERVER_PORT).is_err() {
            Timer::after(RETRY).await;
            continue;
        }
        arrival(&socket).await;
        let Some(what) = hear(&mut socket, &mut server, answer, outside).await else { continue };
        tell(&what, &mut pace);
        let datagram = answer.get(..what.len).unwrap_or_default();
        if with_timeout(SEND_TIMEOUT, send(&mut socket, datagram, what.to)).await.is_err() {
            // What cannot leave would hold up all that follows, and only a socket that is closed forgets it.
            socket.close();
        }
    }
}

/// Waits until a datagram is there.
///
/// The socket's own ways to wait wake its stack whenever they are polled, and a stack in the same task would wake them in
/// turn, for ever. But then the stack is also polled before this, so a look at each poll misses nothing.
async fn arrival(socket: &UdpSocket<'_>) {
    poll_fn(|_| if socket.may_recv() { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Finds the answer to the datagram that is there.
async fn hear(
    socket: &mut UdpSocket<'_>,
    server: &mut Server<'_>,
    answer: &mut [u8],
    outside: DhcpClient,
) -> Option<Answer> {
    let answer = socket.recv_from_with(|datagram, from| {
        let IpAddress::Ipv4(from) = from.endpoint.addr;
        let servers = outside.dns_servers();
        let dns = servers.as_deref();
        let now = u32::try_from(Instant::now().as_secs()).unwrap_or(u32::MAX);
        server.answer(Heard { datagram, from, now, dns }, answer)
    });
    answer.await
}

async fn send(socket: &mut UdpSocket<'_>, datagram: &[u8], to: Ipv4Addr) {
    // Where there is no way, the client will ask again.
    let _ = socket.send_to(datagram, (to, DHCP_CLIENT_PORT)).await;
    socket.flush().await;
}

fn tell(answer: &Answer, pace: &mut Pace) {
    let Some(Leased { address, mac, seconds }) = answer.leased else { return };
    let Some(untold) = pace.allow(Instant::now().as_millis()) else { return };
    let [a, b, c, d, e, f] = mac;
    info!(
        "DHCP: {} leased to {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x} for {} s ({} more untold)",
        address, a, b, c, d, e, f, seconds, untold
    );
}
