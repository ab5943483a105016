//! The server on the router's stack inside.

use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::pin::Pin;
use core::task::Poll;

use embassy_net::udp::UdpSocket;
use embassy_net::{HardwareAddress, Stack};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use nat_core::{Side, Width};
use nat_embassy::{Control, Probing};
use smoltcp::wire::DHCP_SERVER_PORT;

use super::client::DhcpClient;
use super::frame::{HEADERS_LEN, write_headers};
use super::leases::Mac;
use super::news::NewsLog;
use super::server::{Answer, Moment, Outcome};
use super::{Buffers, Server};

/// How long an answer may take to leave before it is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait until an answer that could not leave is tried again.
const SEND_RETRY: Duration = Duration::from_millis(2);

/// How long to wait after the socket has failed.
const RETRY: Duration = Duration::from_secs(1);

/// Addresses that are probed at once. A probe takes a second, so that so many new clients are
/// served each second.
const PROBES: usize = 8;

/// The probes that run, each with its address.
type Probes<'d, W> = [Option<(Ipv4Addr, Probing<'d, W>)>; PROBES];

/// What the server has to deal with next.
enum Event {
    Datagram,
    Probed(Ipv4Addr, Option<Mac>),
}

/// Leases addresses on the side `inside`, with the DNS servers that `outside` knows. No error ends
/// it.
pub(crate) async fn serve<W: Width>(
    control: Control<'_, W>,
    inside: Stack<'_>,
    outside: DhcpClient,
    buffers: &mut Buffers,
    mut server: Server<'_>,
) -> ! {
    let Buffers { received, answer } = buffers;
    let (metadata, bytes) = received.parts();
    // What it sends does not go through the socket.
    let mut socket = UdpSocket::new(inside, metadata, bytes, &mut [], &mut []);
    let mut probes: Probes<'_, W> = [const { None }; PROBES];
    let mut log = NewsLog::new(server.pool_len());
    loop {
        if !socket.is_open() && socket.bind(DHCP_SERVER_PORT).is_err() {
            Timer::after(RETRY).await;
            continue;
        }
        let event = next_event(&socket, &mut probes).await;
        let dns = outside.dns_servers();
        let moment = Moment {
            now: seconds(),
            dns: dns.as_deref(),
        };
        let message = answer.get_mut(HEADERS_LEN..).unwrap_or_default();
        let Outcome {
            answer: to_send,
            news,
        } = match event {
            Event::Datagram => {
                socket
                    .recv_from_with(|datagram, _| server.hear(datagram, moment, message))
                    .await
            }
            Event::Probed(address, station) => server.probed(address, station, moment, message),
        };
        for news in news {
            log.log(news, Instant::now().as_millis());
        }
        start_probes(control, &mut server, &mut probes);
        if let (Some(to_send), HardwareAddress::Ethernet(mac)) =
            (to_send, inside.hardware_address())
        {
            send(control, answer, (mac.0, server.router()), to_send).await;
        }
    }
}

/// Waits until there is something to do.
///
/// The socket's own ways to wait wake its stack whenever they are polled, and a stack in the same
/// task would wake them in turn, for ever. But then the stack is also polled before this, so a look
/// at each poll misses nothing.
async fn next_event<W: Width>(socket: &UdpSocket<'_>, probes: &mut Probes<'_, W>) -> Event {
    poll_fn(|cx| {
        for place in probes.iter_mut() {
            let Some((address, probe)) = place else {
                continue;
            };
            if let Poll::Ready(station) = Pin::new(probe).poll(cx) {
                let address = *address;
                *place = None;
                return Poll::Ready(Event::Probed(address, station));
            }
        }
        if socket.may_recv() {
            Poll::Ready(Event::Datagram)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Starts what is to be probed, as far as there are places.
fn start_probes<'d, W: Width>(
    control: Control<'d, W>,
    server: &mut Server<'_>,
    probes: &mut Probes<'d, W>,
) {
    for place in probes.iter_mut().filter(|place| place.is_none()) {
        let Some(address) = server.next_probe(seconds()) else {
            return;
        };
        *place = Some((address, control.probe(Side::Inside, address)));
    }
}

/// Sends the message that stands behind the place of the headers in `frame`.
async fn send<W: Width>(
    control: Control<'_, W>,
    frame: &mut [u8],
    from: (Mac, Ipv4Addr),
    answer: Answer,
) {
    let Some(frame) = frame.get_mut(..HEADERS_LEN + answer.len) else {
        return;
    };
    if write_headers(frame, from, answer.to).is_none() {
        return;
    }
    let sent = async {
        while control.send_frame(Side::Inside, frame).is_err() {
            Timer::after(SEND_RETRY).await;
        }
    };
    // What cannot leave is given up: the client asks again.
    let _ = with_timeout(SEND_TIMEOUT, sent).await;
}

fn seconds() -> u32 {
    u32::try_from(Instant::now().as_secs()).unwrap_or(u32::MAX)
}
