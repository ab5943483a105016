//! The forwarder on the router's stacks.

use core::cell::RefCell;
use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr};
use core::task::Poll;

use embassy_futures::join::{join, join_array};
use embassy_futures::poll_once;
use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_net::udp::{UdpMetadata, UdpSocket};
use embassy_time::{Duration, Instant, Timer, with_timeout};

use super::forwarder::{Forwarder, Output, PORT};
use super::shared::{Shared, millis, v4};
use super::{Sockets as SocketMemory, UDP_SOCKETS, tcp};
use crate::dhcp::client::DhcpClient;

/// How long to wait until a datagram has left. Then the next one is dropped.
const SEND_TIMEOUT: Duration = Duration::from_millis(100);

/// The wait after the socket inside could not be bound.
const RETRY: Duration = Duration::from_secs(1);

/// The next event.
enum Event {
    FromClient,
    FromServer(usize),
    /// The lease has changed, and the servers with it.
    Lease,
    Time,
}

/// The sockets, inside and outside.
struct Sockets<'a> {
    inside: UdpSocket<'a>,
    outside: [UdpSocket<'a>; UDP_SOCKETS],
}

/// Forwards queries that come to `router` on the stack `inside` to the DNS servers of `lease`, through
/// the stack `outside`. No error ends it.
///
/// It must be polled in one task with both stacks and the DHCP client, and after them. Like the
/// DHCP server, it does not use the sockets' own ways to wait, which would keep the task awake.
pub(crate) async fn serve<'a>(
    stacks: [Stack<'a>; 2],
    router: Ipv4Addr,
    lease: DhcpClient,
    memory: &'a mut SocketMemory,
    forwarder: Forwarder<'a>,
) -> ! {
    let [inside, outside] = stacks;
    let shared = Shared {
        inside,
        outside,
        router,
        forwarder: RefCell::new(forwarder),
    };
    let SocketMemory {
        inside: inside_queues,
        outside: outside_queues,
        connections,
    } = memory;
    let sockets = Sockets {
        inside: inside_queues.socket(inside),
        outside: outside_queues
            .each_mut()
            .map(|queues| queues.socket(outside)),
    };
    let hosts = tcp::Hosts::new();
    let mut number = 0;
    let connections = connections.each_mut().map(|memory| {
        number += 1;
        tcp::serve(&shared, &hosts, number - 1, memory)
    });
    join(serve_udp(&shared, sockets, lease), join_array(connections)).await;
    core::future::pending().await
}

async fn serve_udp(shared: &Shared<'_>, mut sockets: Sockets<'_>, lease: DhcpClient) {
    // The number of changes is not zero for long, so the first look sets the servers.
    let mut seen = u32::MAX;
    loop {
        if !sockets.inside.is_open() && sockets.inside.bind(PORT).is_err() {
            Timer::after(RETRY).await;
            continue;
        }
        let due = shared.forwarder.borrow().next_due();
        match next_event(&sockets, lease, seen, due).await {
            Event::FromClient => receive_query(shared, &mut sockets.inside).await,
            Event::FromServer(index) => {
                if let Some(socket) = sockets.outside.get_mut(index) {
                    receive_answer(shared, index, socket).await;
                }
            }
            Event::Lease => {
                seen = lease.changes();
                let servers = lease.dns_servers().unwrap_or_default();
                shared
                    .forwarder
                    .borrow_mut()
                    .set_servers(&servers, millis());
            }
            Event::Time => {}
        }
        carry_out(shared, &mut sockets).await;
        while shared.forwarder.borrow_mut().expire(millis()) {
            carry_out(shared, &mut sockets).await;
        }
    }
}

async fn next_event(
    sockets: &Sockets<'_>,
    lease: DhcpClient,
    seen: u32,
    due: Option<u64>,
) -> Event {
    let event = poll_fn(|_| {
        if lease.changes() != seen {
            return Poll::Ready(Event::Lease);
        }
        let from_server = sockets.outside.iter().position(UdpSocket::may_recv);
        if let Some(index) = from_server {
            return Poll::Ready(Event::FromServer(index));
        }
        if sockets.inside.may_recv() {
            return Poll::Ready(Event::FromClient);
        }
        Poll::Pending
    });
    let time = async {
        match due {
            Some(due) => Timer::at(Instant::from_millis(due)).await,
            None => core::future::pending().await,
        }
    };
    match select(event, time).await {
        Either::First(event) => event,
        Either::Second(()) => Event::Time,
    }
}

async fn receive_query(shared: &Shared<'_>, socket: &mut UdpSocket<'_>) {
    let router = IpAddr::V4(shared.router);
    let take = |datagram: &[u8], metadata: UdpMetadata| {
        let is_for_router = metadata.local_address.map(IpAddr::from) == Some(router);
        if let (true, Some(from)) = (is_for_router, v4(metadata.endpoint)) {
            shared
                .forwarder
                .borrow_mut()
                .query(from, datagram, millis());
        }
    };
    socket.recv_from_with(take).await;
}

async fn receive_answer(shared: &Shared<'_>, index: usize, socket: &mut UdpSocket<'_>) {
    let take = |datagram: &[u8], metadata: UdpMetadata| {
        if let Some(from) = v4(metadata.endpoint) {
            let mut forwarder = shared.forwarder.borrow_mut();
            forwarder.answer(index, from, datagram, millis());
        }
    };
    socket.recv_from_with(take).await;
}

/// Does all that the forwarder wants to be done.
async fn carry_out(shared: &Shared<'_>, sockets: &mut Sockets<'_>) {
    loop {
        wait_for_room(sockets).await;
        let mut forwarder = shared.forwarder.borrow_mut();
        let Some(output) = forwarder.output(millis()) else {
            return;
        };
        sockets.take(output);
    }
}

/// Waits until each socket can send a datagram.
async fn wait_for_room(sockets: &Sockets<'_>) {
    let has_room = poll_fn(|_| {
        let mut outside = sockets.outside.iter();
        // A socket that is not bound yet has nothing to send, and room.
        if sockets.inside.may_send() && outside.all(|socket| !socket.is_open() || socket.may_send())
        {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    let _ = with_timeout(SEND_TIMEOUT, has_room).await;
}

impl Sockets<'_> {
    /// Does what the forwarder wants to be done. A datagram that does not fit is dropped; its
    /// receiver or its sender repeats it.
    fn take(&mut self, output: Output<'_>) {
        match output {
            Output::Bind { socket, port } => {
                if let Some(socket) = self.outside.get_mut(socket) {
                    socket.close();
                    let _ = socket.bind(port);
                }
            }
            Output::ToServer {
                socket,
                server,
                message,
            } => {
                if let Some(socket) = self.outside.get(socket) {
                    let _ = poll_once(socket.send_to(message, (server, PORT)));
                }
            }
            Output::ToClient { client, message } => {
                let client = (*client.ip(), client.port());
                let _ = poll_once(self.inside.send_to(message, client));
            }
        }
    }
}
