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

/// The time after which a reply that has not left is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The time between two attempts to send a reply.
const SEND_RETRY: Duration = Duration::from_millis(2);

/// The wait after the socket has failed.
const RETRY: Duration = Duration::from_secs(1);

/// Addresses that are probed at a time. A probe takes a second, so this is also the number of new
/// clients that are served each second.
const PROBES: usize = 8;

/// The running probes, each with its address.
type Probes<'d, W> = [Option<(Ipv4Addr, Probing<'d, W>)>; PROBES];

/// The next event for the server.
enum Event {
    Datagram,
    Probed(Ipv4Addr, Option<Mac>),
}

/// Serves DHCP on the stack `inside`, with the DNS servers of `outside`. No error ends it.
pub(crate) async fn serve<W: Width>(
    control: Control<'_, W>,
    inside: Stack<'_>,
    outside: DhcpClient,
    buffers: &mut Buffers,
    server: Server<'_>,
) -> ! {
    let Buffers { received, answer } = buffers;
    let (metadata, bytes) = received.parts();
    // Replies are not sent by the socket.
    let mut socket = UdpSocket::new(inside, metadata, bytes, &mut [], &mut []);
    let mut task = Task {
        control,
        inside,
        outside,
        log: NewsLog::new(server.pool_len()),
        server,
        probes: [const { None }; PROBES],
        frame: answer,
    };
    loop {
        if !socket.is_open() && socket.bind(DHCP_SERVER_PORT).is_err() {
            Timer::after(RETRY).await;
            continue;
        }
        let event = next_event(&socket, &mut task.probes).await;
        task.handle(event, &mut socket).await;
    }
}

/// The server with all that it needs, except the socket.
struct Task<'a, 'd, W: Width> {
    control: Control<'d, W>,
    inside: Stack<'a>,
    /// The DNS servers come from it.
    outside: DhcpClient,
    server: Server<'a>,
    probes: Probes<'d, W>,
    log: NewsLog,
    /// The frame of a reply. The server writes the message behind [`HEADERS_LEN`] bytes.
    frame: &'a mut [u8],
}

impl<W: Width> Task<'_, '_, W> {
    /// Has the server process an event, and carries out what it decides.
    async fn handle(&mut self, event: Event, socket: &mut UdpSocket<'_>) {
        let Outcome { answer, news } = self.process(event, socket).await;
        for news in news {
            self.log.log(news, Instant::now().as_millis());
        }
        // Before the reply is sent, which may take a while: the probes run meanwhile.
        start_probes(self.control, &mut self.server, &mut self.probes);
        if let Some(answer) = answer {
            self.send(answer).await;
        }
    }

    async fn process(&mut self, event: Event, socket: &mut UdpSocket<'_>) -> Outcome {
        let dns = self.outside.dns_servers();
        let moment = Moment {
            now: seconds(),
            dns: dns.as_deref(),
        };
        let server = &mut self.server;
        let message = self.frame.get_mut(HEADERS_LEN..).unwrap_or_default();
        match event {
            Event::Datagram => {
                socket
                    .recv_from_with(|datagram, _| server.hear(datagram, moment, message))
                    .await
            }
            Event::Probed(address, station) => server.probed(address, station, moment, message),
        }
    }

    /// Sends the message that the server has written into the frame.
    #[allow(
        irrefutable_let_patterns,
        reason = "where Ethernet is the only medium of embassy-net"
    )]
    async fn send(&mut self, answer: Answer) {
        if let HardwareAddress::Ethernet(mac) = self.inside.hardware_address() {
            let from = (mac.0, self.server.router());
            send(self.control, self.frame, from, answer).await;
        }
    }
}

/// Waits for the next event.
///
/// It does not use the socket's own ways to wait. These wake the stack whenever they are polled,
/// and a stack in the same task would wake them in turn, for ever. Since the stack is polled before
/// this in the same task, it is enough to look at the socket in each poll.
async fn next_event<W: Width>(socket: &UdpSocket<'_>, probes: &mut Probes<'_, W>) -> Event {
    poll_fn(|cx| {
        // Probes first, because each result makes a slot free for the next client.
        for slot in probes.iter_mut() {
            let Some((address, probe)) = slot else {
                continue;
            };
            if let Poll::Ready(station) = Pin::new(probe).poll(cx) {
                let address = *address;
                *slot = None;
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

/// Starts the probes that the server asks for, as long as there are free slots.
fn start_probes<'d, W: Width>(
    control: Control<'d, W>,
    server: &mut Server<'_>,
    probes: &mut Probes<'d, W>,
) {
    for slot in probes.iter_mut().filter(|slot| slot.is_none()) {
        let Some(address) = server.next_probe(seconds()) else {
            return;
        };
        *slot = Some((address, control.probe(Side::Inside, address)));
    }
}

/// Sends the message in `frame`, which begins after the headers.
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
    // A reply that cannot leave is dropped: the client asks again.
    let _ = with_timeout(SEND_TIMEOUT, sent).await;
}

fn seconds() -> u32 {
    u32::try_from(Instant::now().as_secs()).unwrap_or(u32::MAX)
}
