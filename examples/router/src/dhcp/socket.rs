//! The server on the router's stack inside.

use core::cell::Cell;
use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::task::Poll;

use embassy_futures::join::{join, join_array};
use embassy_futures::yield_now;
use embassy_net::udp::UdpSocket;
use embassy_net::{HardwareAddress, Stack};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use nat_core::{Side, Width};
use nat_embassy::Control;
use smoltcp::wire::DHCP_SERVER_PORT;

use super::frame::{HEADERS_LEN, write_headers};
use super::leases::Mac;
use super::news::Teller;
use super::server::{Answer, Moment, Outcome};
use super::{Buffers, Server};

/// How long an answer may take to leave before it is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait until an answer that could not leave is tried again.
const SEND_RETRY: Duration = Duration::from_millis(2);

/// How long to wait after the socket has failed.
const RETRY: Duration = Duration::from_secs(1);

/// Addresses that are probed at once. A probe takes a second, so that so many new clients are served each second.
const PROBES: usize = 8;

/// What a prober does.
#[derive(Clone, Copy)]
enum Probe {
    Nothing,
    Runs(Ipv4Addr),
    /// The station that has answered, if any.
    Done(Ipv4Addr, Option<Mac>),
}

/// What the server has to deal with next.
enum Event {
    Datagram,
    Probed(Ipv4Addr, Option<Mac>),
}

/// Leases addresses on the side `inside`, with the DNS servers that `outside` has. No error ends it.
pub(crate) async fn serve<W: Width>(
    control: Control<'_, W>,
    inside: Stack<'_>,
    outside: Stack<'_>,
    buffers: &mut Buffers,
    mut server: Server<'_>,
) {
    let Buffers { received, answer } = buffers;
    let (metadata, bytes) = received.parts();
    // What it sends does not go through the socket.
    let mut socket = UdpSocket::new(inside, metadata, bytes, &mut [], &mut []);
    let probes = [const { Cell::new(Probe::Nothing) }; PROBES];
    let mut teller = Teller::new(server.pool_len());
    let answers = async {
        loop {
            if !socket.is_open() && socket.bind(DHCP_SERVER_PORT).is_err() {
                Timer::after(RETRY).await;
                continue;
            }
            let event = next_event(&socket, &probes).await;
            let config = outside.config_v4();
            let dns = config.as_ref().map(|config| config.dns_servers.as_slice());
            let moment = Moment { now: seconds(), dns };
            let message = answer.get_mut(HEADERS_LEN..).unwrap_or_default();
            let Outcome { answer: to_send, news } = match event {
                Event::Datagram => socket.recv_from_with(|datagram, _| server.hear(datagram, moment, message)).await,
                Event::Probed(address, station) => server.probed(address, station, moment, message),
            };
            for news in news {
                teller.tell(news, Instant::now().as_millis());
            }
            start_probes(&mut server, &probes);
            if let (Some(to_send), HardwareAddress::Ethernet(mac)) = (to_send, inside.hardware_address()) {
                send(control, answer, (mac.0, server.router()), to_send).await;
            }
        }
    };
    join(answers, join_array(probes.each_ref().map(|cell| probe(control, cell)))).await;
}

/// Waits until there is something to do.
///
/// The socket's own ways to wait wake its stack whenever they are polled, and a stack in the same task would wake them in
/// turn, for ever. But then the stack is also polled before this, so a look at each poll misses nothing.
async fn next_event(socket: &UdpSocket<'_>, probes: &[Cell<Probe>]) -> Event {
    poll_fn(|_| {
        for cell in probes {
            if let Probe::Done(address, station) = cell.get() {
                cell.set(Probe::Nothing);
                return Poll::Ready(Event::Probed(address, station));
            }
        }
        if socket.may_recv() { Poll::Ready(Event::Datagram) } else { Poll::Pending }
    })
    .await
}

/// Gives the probers that do nothing what is to be probed. They are polled after this, in the same task.
fn start_probes(server: &mut Server<'_>, probes: &[Cell<Probe>]) {
    for cell in probes.iter().filter(|cell| matches!(cell.get(), Probe::Nothing)) {
        let Some(address) = server.next_probe(seconds()) else { return };
        cell.set(Probe::Runs(address));
    }
}

/// A prober: does what `cell` says, again and again.
async fn probe<W: Width>(control: Control<'_, W>, cell: &Cell<Probe>) {
    loop {
        let address = poll_fn(|_| match cell.get() {
            Probe::Runs(address) => Poll::Ready(address),
            Probe::Nothing | Probe::Done(..) => Poll::Pending,
        });
        let address = address.await;
        let station = control.probe(Side::Inside, address).await;
        cell.set(Probe::Done(address, station));
        // The server was polled before this, and must be once more.
        yield_now().await;
    }
}

/// Sends the message that stands behind the place of the headers in `frame`.
async fn send<W: Width>(control: Control<'_, W>, frame: &mut [u8], from: (Mac, Ipv4Addr), answer: Answer) {
    let Some(frame) = frame.get_mut(..HEADERS_LEN + answer.len) else { return };
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
