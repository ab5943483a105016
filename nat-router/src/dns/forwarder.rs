//! The forwarder without sockets and clocks.
//!
//! [`Forwarder::query`], [`Forwarder::answer`], [`Forwarder::expire`] and
//! [`Forwarder::set_servers`] take what happens. After each of them, [`Forwarder::output`] returns
//! what to do, until it returns `None`. [`stream`] is the part for clients that ask over TCP.

mod stream;

use core::net::{Ipv4Addr, SocketAddrV4};

use domain::base::Message;
use domain::base::iana::{Rcode, Rtype};
use heapless::Vec;

pub(super) use stream::Step;

use super::cache::Cache;
use super::local::{Local, is_below};
use super::message::{MAX_SIZE, Query, Refusal, answers, header_mut, set_id};
use super::ports::{Ports, Rebinding};
use super::random::Random;
use super::rebinding::has_inside_address;
use super::records::{lifetime, walk};
use super::reply::{self, Reply};
use super::statistics::{DnsStats, StatisticsLog};
use super::table::{Attempt, Client, MAX_ATTEMPTS, MAX_QUERY, Slot, Table, Waiter};
use super::{MAX_DATAGRAM, message};
use crate::dhcp::client::MAX_DNS_SERVERS;

/// The port of DNS servers.
pub(super) const PORT: u16 = 53;

/// How long a server may take until the query is sent again, in milliseconds. With four attempts, a
/// client hears after 4.4 s that no server answers: resolvers give up after 5 s.
pub(super) const ATTEMPT: u64 = 1100;

/// How long another server than the first one is preferred after it has answered and the first one
/// has not, in milliseconds.
const PREFERENCE: u64 = 60_000;

/// The memory of a forwarder: for `QUERIES` queries whose messages have up to `ARENA` bytes
/// together, for `WAITERS` clients, and for a cache of `CACHE` bytes.
pub(crate) struct Memory<
    const QUERIES: usize,
    const WAITERS: usize,
    const ARENA: usize,
    const CACHE: usize,
> {
    slots: [Slot; QUERIES],
    waiters: [Waiter; WAITERS],
    arena: [u8; ARENA],
    cache: [u8; CACHE],
    message: [u8; MAX_DATAGRAM],
}

impl<const QUERIES: usize, const WAITERS: usize, const ARENA: usize, const CACHE: usize>
    Memory<QUERIES, WAITERS, ARENA, CACHE>
{
    pub(crate) const fn new() -> Self {
        Self {
            slots: [Slot::FREE; QUERIES],
            waiters: [Waiter::NONE; WAITERS],
            arena: [0; ARENA],
            cache: [0; CACHE],
            message: [0; MAX_DATAGRAM],
        }
    }
}

/// The protection against rebinding.
#[derive(Clone, Copy)]
pub(crate) struct RebindingProtection {
    /// Names that may have inside addresses, with all names below them.
    pub(crate) exceptions: &'static [&'static str],
}

/// Something for the sockets to do.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Output<'a> {
    /// Bind a socket outside to another port. What it has received is dropped.
    Bind { socket: usize, port: u16 },
    ToServer {
        socket: usize,
        server: Ipv4Addr,
        message: &'a [u8],
    },
    ToClient {
        client: SocketAddrV4,
        message: &'a [u8],
    },
}

/// Who gets the message that is ready.
#[derive(Clone, Copy)]
enum Recipients {
    Nobody,
    One(Client),
    /// All clients that wait for the query at this index.
    WaitingFor(usize),
}

/// The forwarder.
pub(crate) struct Forwarder<'d> {
    local: Local<'d>,
    protection: Option<RebindingProtection>,
    servers: Vec<Ipv4Addr, MAX_DNS_SERVERS>,
    /// The index of the server that is asked first, and since when if it is not the first one.
    preferred: (usize, u64),
    table: Table<'d>,
    cache: Cache<'d>,
    ports: Ports,
    random: Random,
    connections: stream::Budget,
    /// The message that is ready, and its length.
    message: &'d mut [u8],
    len: usize,
    recipients: Recipients,
    pub(super) stats: DnsStats,
    log: StatisticsLog,
}

impl<'d> Forwarder<'d> {
    /// A forwarder without servers. `seeds` are secret random numbers.
    pub(crate) fn new<
        const QUERIES: usize,
        const WAITERS: usize,
        const ARENA: usize,
        const CACHE: usize,
    >(
        memory: &'d mut Memory<QUERIES, WAITERS, ARENA, CACHE>,
        local: Local<'d>,
        protection: Option<RebindingProtection>,
        seeds: [u64; 2],
    ) -> Self {
        const {
            assert!(QUERIES <= 256 && ARENA <= u16::MAX as usize && ARENA >= MAX_QUERY);
        }
        Self {
            local,
            protection,
            servers: Vec::new(),
            preferred: (0, 0),
            table: Table::new(&mut memory.slots, &mut memory.waiters, &mut memory.arena),
            cache: Cache::new(&mut memory.cache),
            ports: Ports::new(),
            random: Random::new(seeds),
            connections: stream::Budget::new(),
            message: &mut memory.message,
            len: 0,
            recipients: Recipients::Nobody,
            stats: DnsStats::NONE,
            log: StatisticsLog::new(),
        }
    }

    /// Processes a datagram that a client has sent to the router. It may hold any bytes.
    pub(super) fn query(&mut self, from: SocketAddrV4, datagram: &[u8], now: u64) {
        if !self.is_client(from) {
            self.stats.dropped_stray += 1;
            return;
        }
        match Query::parse(datagram) {
            Ok(query) => self.process(from, &query, now),
            Err(Refusal::Silence) => self.stats.dropped_stray += 1,
            Err(Refusal::Code(code)) => {
                self.stats.refused += 1;
                self.send_reply(from, datagram, reply::refusal(datagram, code));
            }
        }
    }

    /// Whether a host of the inside network can have sent from there.
    fn is_client(&self, from: SocketAddrV4) -> bool {
        let (inside, address) = (self.local.inside, *from.ip());
        let is_host = inside.contains(address)
            && Some(address) != inside.network()
            && Some(address) != inside.broadcast();
        is_host && address != inside.address() && from.port() != 0
    }

    fn process(&mut self, from: SocketAddrV4, query: &Query<'_>, now: u64) {
        let message = core::mem::take(&mut self.message);
        let len = self.answer_here(query, query.answer_size(), now, message);
        self.message = message;
        let client = Client {
            address: from,
            id: query.header().id(),
        };
        match len {
            Some(len) => {
                self.len = len;
                self.recipients = Recipients::One(client);
            }
            None => self.forward(client, query, now),
        }
    }

    /// Writes the answer to `query` into `answer` if no server is needed for it, and returns its
    /// length, which is `limit` at most.
    fn answer_here(
        &mut self,
        query: &Query<'_>,
        limit: usize,
        now: u64,
        answer: &mut [u8],
    ) -> Option<usize> {
        self.stats.queries += 1;
        let now = seconds(now);
        if is_transfer(query.rtype) {
            self.stats.refused += 1;
            return write(answer, reply::empty(query, Rcode::REFUSED)?);
        }
        if let Some((known, ttl)) = self.local.answer(query, now) {
            self.stats.local += 1;
            return write(answer, known.reply(query, ttl)?);
        }
        if let Some(len) = self.cache.get(query, now, answer) {
            self.stats.cached += 1;
            return self.finish(query, answer, len, limit);
        }
        if self.servers.is_empty() {
            self.stats.servfail += 1;
            return write(answer, reply::empty(query, Rcode::SERVFAIL)?);
        }
        None
    }

    /// Lets a client wait until a server answers.
    fn forward(&mut self, client: Client, query: &Query<'_>, now: u64) {
        let Some(message) = outgoing(query) else {
            self.stats.refused += 1;
            return;
        };
        let has_room = if let Some(index) = self.table.find(&message) {
            self.stats.joined += 1;
            self.table.join(index, client)
        } else {
            self.table.insert(&message, client, now + ATTEMPT)
        };
        if !has_room {
            self.stats.dropped_full += 1;
        }
    }

    /// Processes a datagram that the socket with this index has received from outside. It may hold
    /// any bytes.
    pub(super) fn answer(&mut self, socket: usize, from: SocketAddrV4, datagram: &[u8], now: u64) {
        let Some((index, server)) = self.find(socket, from, datagram) else {
            self.stats.dropped_unexpected += 1;
            return;
        };
        let Some(query) = self.table.query(index) else {
            return;
        };
        let Ok(query) = Query::parse(&query) else {
            return;
        };
        if has_failed(datagram) {
            self.stats.failed += 1;
            if self.try_next(index, server) {
                return;
            }
        }
        let message = core::mem::take(&mut self.message);
        let len = copy(message, datagram)
            .and_then(|len| self.accept(&query, (message, len), query.answer_size(), now));
        self.message = message;
        if let Some(len) = len {
            self.stats.answered += 1;
            self.len = len;
            self.recipients = Recipients::WaitingFor(index);
        } else if !self.try_next(index, server) {
            self.fail(index, &query);
        }
    }

    /// The query that a datagram from outside answers, and the index of the server. The socket, and
    /// so the port, the server's address and port, the number and the question must be those of the
    /// query.
    fn find(&self, socket: usize, from: SocketAddrV4, datagram: &[u8]) -> Option<(usize, usize)> {
        let message = Message::from_slice(datagram).ok()?;
        let mut servers = self.servers.iter();
        let server = servers.position(|server| *server == *from.ip())?;
        if from.port() != PORT {
            return None;
        }
        let expected = |attempt: &Attempt| {
            usize::from(attempt.socket) == socket
                && usize::from(attempt.server) == server
                && attempt.id == message.header().id()
        };
        let (index, _) = self.table.slots().find(|(index, slot)| {
            slot.attempts().iter().any(expected) && self.is_answer_to(*index, message)
        })?;
        Some((index, server))
    }

    fn is_answer_to(&self, index: usize, answer: &Message<[u8]>) -> bool {
        self.table.query(index).is_some_and(|query| {
            Query::parse(&query).is_ok_and(|query| answers(answer, query.question()))
        })
    }

    /// After a server has failed: asks another one, or waits for it if it has been asked. Returns
    /// false if all have failed.
    fn try_next(&mut self, index: usize, server: usize) -> bool {
        let count = self.servers.len();
        let Some(slot) = self.table.slot_mut(index) else {
            return false;
        };
        slot.failed |= 1 << server;
        let mut left = (0..count).filter(|server| slot.failed & (1 << server) == 0);
        let is_asked = |server: usize| {
            let mut attempts = slot.attempts().iter();
            attempts.any(|attempt| usize::from(attempt.server) == server)
        };
        let (is_any_left, can_send) = (
            left.clone().next().is_some(),
            slot.attempts().len() < MAX_ATTEMPTS,
        );
        let is_waiting = left.any(is_asked);
        slot.to_send = is_any_left && !is_waiting && can_send;
        slot.to_send || is_waiting
    }

    /// Prepares the first `len` bytes of `answer`, a server's answer to `query`, for clients, and
    /// keeps it in the cache. Returns its length, which is `limit` at most; `None` if it is
    /// malformed.
    fn accept(
        &mut self,
        query: &Query<'_>,
        (answer, len): (&mut [u8], usize),
        limit: usize,
        now: u64,
    ) -> Option<usize> {
        let message = Message::from_slice(answer.get(..len)?).ok()?;
        let len = walk(message, |_| {}).ok()?;
        let code = message.header().rcode();
        if message.header().tc() {
            return write(answer, reply::truncated(query, code)?);
        }
        if self.is_rebinding(query, message) {
            self.stats.rebinding += 1;
            return write(answer, reply::empty(query, Rcode::NOERROR)?);
        }
        let lifetime = lifetime(message, query.rtype);
        let answer_only = answer.get(..len)?;
        if let (Some(lifetime), true) = (lifetime, query.header().rd()) {
            self.cache.put(query, answer_only, lifetime, seconds(now));
        }
        self.finish(query, answer, len, limit)
    }

    fn is_rebinding(&self, query: &Query<'_>, answer: &Message<[u8]>) -> bool {
        self.protection.is_some_and(|protection| {
            !is_below(query.name, protection.exceptions)
                && has_inside_address(answer, self.local.inside)
        })
    }

    /// Makes an answer of a server or of the cache one to `query`: with its question and flags, and
    /// no longer than `limit`.
    fn finish(
        &mut self,
        query: &Query<'_>,
        answer: &mut [u8],
        len: usize,
        limit: usize,
    ) -> Option<usize> {
        if len > limit {
            self.stats.truncated += 1;
            let code = Message::from_slice(answer.get(..len)?)
                .ok()?
                .header()
                .rcode();
            return write(answer, reply::truncated(query, code)?);
        }
        // In the case in which the client has written it.
        let question = query.question();
        let end = message::HEADER_LEN + question.len();
        answer
            .get_mut(message::HEADER_LEN..end)?
            .copy_from_slice(question);
        let header = header_mut(answer)?.header_mut();
        header.set_id(query.header().id());
        header.set_rd(query.header().rd());
        header.set_ra(true);
        // The router has checked nothing, and the way to the server is not protected.
        header.set_ad(false);
        Some(len)
    }

    /// Answers a query that no server has answered with SERVFAIL.
    fn fail(&mut self, index: usize, query: &Query<'_>) {
        self.stats.servfail += 1;
        let len = reply::empty(query, Rcode::SERVFAIL).and_then(|reply| write(self.message, reply));
        match len {
            Some(len) => {
                self.len = len;
                self.recipients = Recipients::WaitingFor(index);
            }
            None => self.table.remove(index),
        }
    }

    /// When to call [`Self::expire`], in milliseconds since the start.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.table.slots().map(|(_, slot)| slot.due).min()
    }

    /// Processes one query whose time is over at `now`. Returns whether there was one.
    pub(super) fn expire(&mut self, now: u64) -> bool {
        self.log.log_if_due(&self.stats, now);
        let due = self.table.slots().find(|(_, slot)| slot.due <= now);
        let Some(index) = due.map(|(index, _)| index) else {
            return false;
        };
        if self.retry(index, now) {
            return true;
        }
        if !self.servers.is_empty() {
            self.log.log_silence(now);
        }
        let query = self.table.query(index);
        match query.as_deref().map(Query::parse) {
            Some(Ok(query)) => self.fail(index, &query),
            _ => self.table.remove(index),
        }
        true
    }

    /// Has a query sent again. Returns false if it has been sent often enough.
    fn retry(&mut self, index: usize, now: u64) -> bool {
        let (has_servers, count) = (!self.servers.is_empty(), self.servers.len());
        let Some(slot) = self.table.slot_mut(index) else {
            return false;
        };
        let last = slot.attempts().last().copied();
        let has_more = has_servers && slot.attempts().len() < MAX_ATTEMPTS;
        slot.to_send = has_more;
        // It is sent at once, which sets the time again.
        slot.due = now + ATTEMPT;
        if let Some(last) = last {
            self.stats.timed_out += 1;
            let server = usize::from(last.server);
            if server == self.preferred.0 {
                self.preferred = ((server + 1) % count.max(1), now);
            }
        }
        has_more
    }

    /// Replaces the servers. Queries that wait are sent to the new ones, or fail if there are none.
    /// The cache is emptied, because other servers may know other names.
    pub(super) fn set_servers(&mut self, servers: &[Ipv4Addr], now: u64) {
        let router = self.local.inside.address();
        let usable = servers.iter().copied().filter(|server| *server != router);
        let usable: Vec<_, MAX_DNS_SERVERS> = usable.take(MAX_DNS_SERVERS).collect();
        if usable == self.servers {
            return;
        }
        self.servers = usable;
        self.preferred = (0, now);
        self.cache.clear();
        self.ports.reset();
        for slot in self.table.slots_mut() {
            slot.restart();
            slot.due = now;
            slot.to_send = !self.servers.is_empty();
        }
    }

    /// What to do next, in the order in which it must be done; `None` for nothing.
    pub(super) fn output(&mut self, now: u64) -> Option<Output<'_>> {
        let client = match self.recipients {
            Recipients::Nobody => None,
            Recipients::One(client) => {
                self.recipients = Recipients::Nobody;
                Some(client)
            }
            Recipients::WaitingFor(index) => {
                let client = self.table.pop_client(index);
                if client.is_none() {
                    self.table.remove(index);
                    self.recipients = Recipients::Nobody;
                }
                client
            }
        };
        match client {
            Some(client) => self.output_to(client),
            None => self.output_query(now),
        }
    }

    fn output_to(&mut self, client: Client) -> Option<Output<'_>> {
        let message = self.message.get_mut(..self.len)?;
        set_id(message, client.id);
        Some(Output::ToClient {
            client: client.address,
            message,
        })
    }

    fn output_query(&mut self, now: u64) -> Option<Output<'_>> {
        let index = self.table.slots().find(|(_, slot)| slot.to_send)?.0;
        let table = &self.table;
        let is_waiting = |socket: usize| {
            let mut attempts = table.slots().flat_map(|(_, slot)| slot.attempts());
            attempts.any(|attempt| usize::from(attempt.socket) == socket)
        };
        if let Some(Rebinding { socket, port }) =
            self.ports.rebind(&mut self.random, is_waiting, now)
        {
            return Some(Output::Bind { socket, port });
        }
        self.send(index, now)
    }

    /// Sends the query at `index` to the next server.
    fn send(&mut self, index: usize, now: u64) -> Option<Output<'_>> {
        let Some(server) = self.next_server(index, now) else {
            self.table.slot_mut(index)?.give_up(now);
            return None;
        };
        let (id, socket) = (self.random.id(), self.ports.current());
        let query = self.table.query(index)?;
        let slot = self.table.slot_mut(index)?;
        slot.add_attempt(
            Attempt {
                id,
                socket: socket as u8,
                server: server as u8,
            },
            now + ATTEMPT,
        );
        self.ports.used(now);
        self.stats.sent += 1;
        let len = copy(self.message, &query)?;
        let message = self.message.get_mut(..len)?;
        set_id(message, id);
        Some(Output::ToServer {
            socket,
            server: *self.servers.get(server)?,
            message,
        })
    }

    /// The index of the server for the next attempt: each in turn, the preferred one first, without
    /// those that have failed.
    fn next_server(&mut self, index: usize, now: u64) -> Option<usize> {
        let count = self.servers.len();
        let (first, since) = self.preferred;
        if first != 0 && now.saturating_sub(since) >= PREFERENCE {
            self.preferred = (0, now);
        }
        let slot = self.table.slot(index)?;
        let start = match slot.attempts().last() {
            Some(last) => usize::from(last.server) + 1,
            None => self.preferred.0,
        };
        (0..count)
            .map(|step| (start + step) % count)
            .find(|server| slot.failed & (1 << server) == 0)
    }
}

/// The message to servers for `query`: with the number zero, and without asking for answers that
/// would be fragmented. A very long query loses its EDNS options.
fn outgoing(query: &Query<'_>) -> Option<Vec<u8, MAX_QUERY>> {
    let mut message = Vec::new();
    let Some(edns) = &query.edns else {
        message.extend_from_slice(query.bytes).ok()?;
        set_id(&mut message, 0);
        return Some(message);
    };
    if message.extend_from_slice(query.bytes).is_err() {
        return without_options(query);
    }
    set_id(&mut message, 0);
    // The class of the record is the size; its name is one byte, the root.
    let size = edns.place.start + 3;
    message
        .get_mut(size..size + 2)?
        .copy_from_slice(&edns.size.min(MAX_SIZE).to_be_bytes());
    Some(message)
}

/// The question of `query` with an EDNS record without options.
fn without_options(query: &Query<'_>) -> Option<Vec<u8, MAX_QUERY>> {
    let mut message = Vec::new();
    let end = message::HEADER_LEN + query.question().len();
    message.extend_from_slice(query.bytes.get(..end)?).ok()?;
    set_id(&mut message, 0);
    header_mut(&mut message)?.counts_mut().set_arcount(0);
    message.resize(end + 11, 0).ok()?;
    reply::append_edns(&mut message, end, query.dnssec_ok())?;
    Some(message)
}

/// Whether a server could not answer, so that another one is asked.
fn has_failed(answer: &[u8]) -> bool {
    let code = Message::from_slice(answer).map(|message| message.header().rcode());
    matches!(code, Ok(Rcode::SERVFAIL | Rcode::REFUSED))
}

/// Zone transfers have answers of many messages.
fn is_transfer(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::AXFR | Rtype::IXFR)
}

fn write(to: &mut [u8], reply: Reply) -> Option<usize> {
    copy(to, &reply)
}

fn copy(to: &mut [u8], from: &[u8]) -> Option<usize> {
    to.get_mut(..from.len())?.copy_from_slice(from);
    Some(from.len())
}

fn seconds(millis: u64) -> u32 {
    u32::try_from(millis / 1000).unwrap_or(u32::MAX)
}

impl Forwarder<'_> {
    fn send_reply(&mut self, from: SocketAddrV4, request: &[u8], reply: Option<Reply>) {
        let id = Message::from_slice(request).map(|message| message.header().id());
        if let (Ok(id), Some(len)) = (id, reply.and_then(|reply| write(self.message, reply))) {
            self.len = len;
            self.recipients = Recipients::One(Client { address: from, id });
        }
    }
}
