//! The server on the router's stack inside.

use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::net::Ipv4Addr;
use core::task::Poll;

use embassy_futures::select::{Either, select};
use embassy_net::udp::{PacketMetadata, UdpMetadata, UdpSocket};
use embassy_net::{IpAddress, IpEndpoint, Stack};
use embassy_time::{Duration, Timer};
use nat_core::Width;
use nat_embassy::Control;

use super::server::Server;
use super::{CLIENT_PORT, MAX_LEN, SERVER_PORT};

/// Requests, and responses, that can be queued.
const QUEUE: usize = 4;

/// How often the external address is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// The wait after the socket has failed.
const RETRY: Duration = Duration::from_secs(1);

/// All hosts of the network inside, to which announcements go.
const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// The server's buffers.
pub(crate) struct Buffers {
    metadata: MaybeUninit<[[PacketMetadata; QUEUE]; 2]>,
    received: [u8; 2 * (MAX_LEN + 4)],
    to_send: [u8; MAX_LEN],
    reply: [u8; MAX_LEN],
}

impl Buffers {
    pub(crate) const fn new() -> Self {
        Self {
            // Initialized at run time: empty metadata is not all zeros, so it would take flash, too.
            metadata: MaybeUninit::uninit(),
            received: [0; 2 * (MAX_LEN + 4)],
            to_send: [0; MAX_LEN],
            reply: [0; MAX_LEN],
        }
    }
}

/// Serves NAT-PMP and PCP on the stack `inside`, and announces new external addresses. No error ends
/// it.
pub(crate) async fn serve<W: Width>(
    control: Control<'_, W>,
    inside: Stack<'_>,
    router: Ipv4Addr,
    buffers: &mut Buffers,
) -> ! {
    let Buffers {
        metadata,
        received,
        to_send,
        reply,
    } = buffers;
    let [of_received, of_sent] = metadata.write([[PacketMetadata::EMPTY; QUEUE]; 2]);
    let mut socket = UdpSocket::new(inside, of_received, received, of_sent, to_send);
    let mut server = Server::new(control.now());
    loop {
        if !socket.is_open() && socket.bind(SERVER_PORT).is_err() {
            Timer::after(RETRY).await;
            continue;
        }
        match select(received_one(&socket), Timer::after(wait(&server, control))).await {
            Either::First(()) => answer(&mut server, control, router, &mut socket, reply).await,
            Either::Second(()) => announce(&mut server, control, &socket, reply).await,
        }
    }
}

/// Waits for a datagram. It looks at the socket in each poll, as the DHCP server does.
async fn received_one(socket: &UdpSocket<'_>) {
    poll_fn(|_| {
        if socket.may_recv() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// The time until the server has something to do without a request.
fn wait<W: Width>(server: &Server, control: Control<'_, W>) -> Duration {
    let due = server.next_announcement().map(|due| {
        let wait = due.saturating_duration_since(control.now());
        Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    });
    due.map_or(WATCH_INTERVAL, |due| due.min(WATCH_INTERVAL))
}

async fn answer<W: Width>(
    server: &mut Server,
    control: Control<'_, W>,
    router: Ipv4Addr,
    socket: &mut UdpSocket<'_>,
    reply: &mut [u8],
) {
    let (len, metadata) = socket
        .recv_from_with(|message, metadata| {
            (
                hear(server, control, router, (message, &metadata), reply),
                metadata,
            )
        })
        .await;
    if let Some(reply) = len.and_then(|len| reply.get(..len)) {
        send(socket, reply, metadata.endpoint).await;
    }
}

/// Has the server hear a datagram that was sent to the router's own address, not to a group.
fn hear<W: Width>(
    server: &mut Server,
    control: Control<'_, W>,
    router: Ipv4Addr,
    (message, metadata): (&[u8], &UdpMetadata),
    reply: &mut [u8],
) -> Option<usize> {
    let IpAddress::Ipv4(client) = metadata.endpoint.addr;
    if metadata.local_address != Some(router.into()) {
        return None;
    }
    let now = control.now();
    control.with_nat(|nat| server.hear(message, client, (nat, now), reply))
}

async fn announce<W: Width>(
    server: &mut Server,
    control: Control<'_, W>,
    socket: &UdpSocket<'_>,
    buffer: &mut [u8],
) {
    let now = control.now();
    control.with_nat(|nat| server.look_at_address(nat, now));
    let (pmp, pcp) = buffer.split_at_mut(buffer.len() / 2);
    let Some((pmp_len, pcp_len)) = server.announce(now, (&mut *pmp, &mut *pcp)) else {
        return;
    };
    let everyone = IpEndpoint::new(ALL_HOSTS.into(), CLIENT_PORT);
    for announcement in [pmp.get(..pmp_len), pcp.get(..pcp_len)]
        .into_iter()
        .flatten()
    {
        send(socket, announcement, everyone).await;
    }
}

/// Sends a datagram. One that cannot leave is dropped: clients ask again.
async fn send(socket: &UdpSocket<'_>, datagram: &[u8], to: IpEndpoint) {
    let _ = socket.send_to(datagram, to).await;
}
