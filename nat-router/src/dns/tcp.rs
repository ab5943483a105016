//! Clients that ask over TCP (RFC 7766), one task for each connection.

use core::cell::Cell;
use core::future::poll_fn;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::task::Poll;

use embassy_futures::poll_once;
use embassy_net::Stack;
use embassy_net::tcp::{State, TcpSocket};
use embassy_time::{Duration, Instant, Timer, with_deadline};

use super::TCP_CONNECTIONS;
use super::forwarder::{PORT, Step};
use super::message::set_id;
use super::shared::{Shared, millis, v4};

/// The bytes of the length before each message (RFC 1035 section 4.2.2).
const LENGTH_LEN: usize = 2;

/// The longest query.
const MAX_QUERY: usize = 512;

/// The longest answer of a server.
const MAX_ANSWER: usize = 4096;

/// How long a client may be silent between two queries.
const IDLE: Duration = Duration::from_secs(5);

/// How long a connection of a client lasts at most, so that others get their turn.
const LIFETIME: Duration = Duration::from_secs(20);

/// How long one server may take.
const SERVER: Duration = Duration::from_millis(1500);

/// How long all servers may take together: resolvers give up after 5 s.
const SERVERS: Duration = Duration::from_millis(4400);

/// How long a connection may take to close.
const CLOSING: Duration = Duration::from_secs(1);

/// The wait before a socket that failed listens again.
const RETRY: Duration = Duration::from_millis(100);

/// The memory of one connection of a client, and of one to a server.
pub(crate) struct Memory {
    query: [u8; LENGTH_LEN + MAX_QUERY],
    answer: [u8; LENGTH_LEN + MAX_ANSWER],
    client: Buffers<512, 1024>,
    server: Buffers<1536, 512>,
}

struct Buffers<const RX: usize, const TX: usize> {
    received: [u8; RX],
    sent: [u8; TX],
}

impl Memory {
    pub(crate) const fn new() -> Self {
        Self {
            query: [0; LENGTH_LEN + MAX_QUERY],
            answer: [0; LENGTH_LEN + MAX_ANSWER],
            client: Buffers::new(),
            server: Buffers::new(),
        }
    }
}

impl<const RX: usize, const TX: usize> Buffers<RX, TX> {
    const fn new() -> Self {
        Self {
            received: [0; RX],
            sent: [0; TX],
        }
    }

    fn socket<'a>(&'a mut self, stack: Stack<'a>) -> TcpSocket<'a> {
        TcpSocket::new(stack, &mut self.received, &mut self.sent)
    }
}

/// The hosts that have a connection.
pub(super) struct Hosts([Cell<Option<Ipv4Addr>>; TCP_CONNECTIONS]);

impl Hosts {
    pub(super) const fn new() -> Self {
        Self([const { Cell::new(None) }; TCP_CONNECTIONS])
    }

    /// Whether `host` has all connections but one, which is for others.
    fn has_enough(&self, host: Ipv4Addr) -> bool {
        let of_host = |cell: &&Cell<Option<Ipv4Addr>>| cell.get() == Some(host);
        TCP_CONNECTIONS > 1 && self.0.iter().filter(of_host).count() + 1 >= TCP_CONNECTIONS
    }

    fn set(&self, number: usize, host: Option<Ipv4Addr>) {
        if let Some(cell) = self.0.get(number) {
            cell.set(host);
        }
    }
}

/// Serves one client after the other. No error ends it.
pub(super) async fn serve(shared: &Shared<'_>, hosts: &Hosts, number: usize, memory: &mut Memory) {
    loop {
        let Memory {
            query,
            answer,
            client,
            server,
        } = memory;
        let mut socket = client.socket(shared.inside);
        socket.set_timeout(Some(IDLE));
        let Some(from) = accept(shared, &mut socket).await else {
            Timer::after(RETRY).await;
            continue;
        };
        let is_welcome =
            shared.forwarder.borrow().is_stream_client(from) && !hosts.has_enough(*from.ip());
        if !is_welcome {
            abort(&mut socket).await;
            continue;
        }
        hosts.set(number, Some(*from.ip()));
        let end = Instant::now() + LIFETIME;
        let mut connection = Connection {
            shared,
            socket: &mut socket,
            query,
            answer,
            server,
        };
        while connection.serve_query(end).await.is_some() {}
        close(&mut socket).await;
        hosts.set(number, None);
    }
}

/// Waits until a client has connected.
async fn accept(shared: &Shared<'_>, socket: &mut TcpSocket<'_>) -> Option<SocketAddrV4> {
    if let Poll::Ready(Err(_)) = poll_once(socket.accept((shared.router, PORT))) {
        return None;
    }
    until(|| !matches!(socket.state(), State::Listen | State::SynReceived)).await;
    v4(socket.remote_endpoint()?)
}

/// A connection of a client.
struct Connection<'m, 'a, 's> {
    shared: &'m Shared<'a>,
    socket: &'m mut TcpSocket<'s>,
    query: &'m mut [u8; LENGTH_LEN + MAX_QUERY],
    answer: &'m mut [u8; LENGTH_LEN + MAX_ANSWER],
    server: &'m mut Buffers<1536, 512>,
}

impl Connection<'_, '_, '_> {
    /// Answers one query. `None` if the connection is to be closed.
    async fn serve_query(&mut self, end: Instant) -> Option<()> {
        let deadline = end.min(Instant::now() + IDLE);
        let len = read_message(self.socket, self.query, deadline).await?;
        let len = self.answer_query(len).await?;
        let deadline = Instant::now() + IDLE;
        write_message(self.socket, self.answer, len, deadline).await
    }

    /// Finds the answer to the query of `len` bytes, and returns its length.
    async fn answer_query(&mut self, len: usize) -> Option<usize> {
        let query = self.query.get(LENGTH_LEN..LENGTH_LEN + len)?;
        let answer = self.answer.get_mut(LENGTH_LEN..)?;
        let step = self
            .shared
            .forwarder
            .borrow_mut()
            .stream_query(query, millis(), answer);
        let (servers, id) = match step {
            Step::Reply(len) => return Some(len),
            Step::Close => return None,
            Step::Ask(servers, id) => (servers, id),
        };
        let end = Instant::now() + SERVERS;
        for server in servers {
            let deadline = end.min(Instant::now() + SERVER);
            if let Some(len) = self.ask(server, id, len, deadline).await {
                return Some(len);
            }
        }
        let query = self.query.get(LENGTH_LEN..LENGTH_LEN + len)?;
        let answer = self.answer.get_mut(LENGTH_LEN..)?;
        self.shared
            .forwarder
            .borrow_mut()
            .stream_failure(query, answer)
    }

    /// Asks one server, and returns the length of its answer.
    async fn ask(
        &mut self,
        server: Ipv4Addr,
        id: u16,
        len: usize,
        deadline: Instant,
    ) -> Option<usize> {
        if Instant::now() >= deadline || !self.shared.forwarder.borrow_mut().may_connect(millis()) {
            return None;
        }
        let mut socket = self.server.socket(self.shared.outside);
        let own_id = [
            *self.query.get(LENGTH_LEN)?,
            *self.query.get(LENGTH_LEN + 1)?,
        ];
        set_id(self.query.get_mut(LENGTH_LEN..)?, id);
        let received = exchange(
            &mut socket,
            server,
            (self.query, len),
            self.answer,
            deadline,
        )
        .await;
        set_id(
            self.query.get_mut(LENGTH_LEN..)?,
            u16::from_be_bytes(own_id),
        );
        close(&mut socket).await;
        let query = self.query.get(LENGTH_LEN..LENGTH_LEN + len)?;
        let answer = self.answer.get_mut(LENGTH_LEN..)?;
        let mut forwarder = self.shared.forwarder.borrow_mut();
        forwarder.stream_answer((query, id), (answer, received?), millis())
    }
}

/// Connects to a server, sends the query, and receives the answer. Returns its length.
async fn exchange(
    socket: &mut TcpSocket<'_>,
    server: Ipv4Addr,
    query: (&mut [u8], usize),
    answer: &mut [u8],
    deadline: Instant,
) -> Option<usize> {
    if let Poll::Ready(Err(_)) = poll_once(socket.connect((server, PORT))) {
        return None;
    }
    let is_connected = until(|| socket.state() != State::SynSent);
    with_deadline(deadline, is_connected).await.ok()?;
    let (query, len) = query;
    write_message(socket, query, len, deadline).await?;
    read_message(socket, answer, deadline).await
}

/// Reads a message with its length before it. Returns the length; `None` if the connection ends or
/// the message does not fit.
async fn read_message(
    socket: &mut TcpSocket<'_>,
    buffer: &mut [u8],
    deadline: Instant,
) -> Option<usize> {
    read(socket, buffer.get_mut(..LENGTH_LEN)?, deadline).await?;
    let len = usize::from(u16::from_be_bytes(*buffer.first_chunk()?));
    read(
        socket,
        buffer.get_mut(LENGTH_LEN..LENGTH_LEN + len)?,
        deadline,
    )
    .await?;
    Some(len)
}

async fn read(socket: &mut TcpSocket<'_>, buffer: &mut [u8], deadline: Instant) -> Option<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let is_ready = until(|| socket.can_recv() || !socket.may_recv());
        with_deadline(deadline, is_ready).await.ok()?;
        match poll_once(socket.read(rest)) {
            Poll::Ready(Ok(len)) if len > 0 => filled += len,
            _ => return None,
        }
    }
    Some(())
}

/// Writes the `len` bytes of a message, with their length before them.
async fn write_message(
    socket: &mut TcpSocket<'_>,
    buffer: &mut [u8],
    len: usize,
    deadline: Instant,
) -> Option<()> {
    let length = u16::try_from(len).ok()?.to_be_bytes();
    buffer.get_mut(..LENGTH_LEN)?.copy_from_slice(&length);
    let mut rest = buffer.get(..LENGTH_LEN + len)?;
    while !rest.is_empty() {
        let is_ready = until(|| socket.can_send() || !socket.may_send());
        with_deadline(deadline, is_ready).await.ok()?;
        match poll_once(socket.write(rest)) {
            Poll::Ready(Ok(len)) => rest = rest.get(len..)?,
            _ => return None,
        }
    }
    Some(())
}

/// Ends a connection, and waits until the peer knows.
async fn close(socket: &mut TcpSocket<'_>) {
    socket.close();
    let is_closed = until(|| matches!(socket.state(), State::Closed | State::TimeWait));
    if with_deadline(Instant::now() + CLOSING, is_closed)
        .await
        .is_err()
    {
        abort(socket).await;
    }
}

/// Ends a connection at once.
async fn abort(socket: &mut TcpSocket<'_>) {
    socket.abort();
    // The RST leaves when the stack is polled next.
    let has_left = until(|| socket.remote_endpoint().is_none());
    let _ = with_deadline(Instant::now() + RETRY, has_left).await;
}

/// Waits for a condition of a socket. The stack is polled in the same task, and before this, so that
/// it is enough to look in each poll.
async fn until(mut condition: impl FnMut() -> bool) {
    poll_fn(|_| {
        if condition() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
