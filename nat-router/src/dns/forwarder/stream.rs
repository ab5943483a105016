//! Clients that ask over TCP. Each query waits in its own task, so the table is not needed.

use core::net::{Ipv4Addr, SocketAddrV4};

use domain::base::Message;
use domain::base::iana::Rcode;
use heapless::Vec;

use super::{Forwarder, copy, has_failed, write};
use crate::dhcp::client::MAX_DNS_SERVERS;
use crate::dns::message::{Query, Refusal, answers, set_id};
use crate::dns::reply;

/// The longest message over TCP (RFC 1035 section 4.2.2).
const MAX_LEN: usize = u16::MAX as usize;

/// Connections to servers that may be opened at once.
const BURST: u32 = 16;

/// The time after which one more may be opened, in milliseconds. The NAT keeps what is left of a
/// connection for minutes, so this limits the mappings that hosts can make the forwarder take.
const INTERVAL: u64 = 2000;

/// What to do with a query.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::dns) enum Step {
    /// The answer is ready, with this length.
    Reply(usize),
    /// Ask these servers, one after the other, with this number.
    Ask(Vec<Ipv4Addr, MAX_DNS_SERVERS>, u16),
    /// Close the connection.
    Close,
}

/// Limits the connections to servers.
pub(super) struct Budget {
    left: u32,
    /// When the last one was added, in milliseconds since the start.
    since: u64,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self {
            left: BURST,
            since: 0,
        }
    }

    fn take(&mut self, now: u64) -> bool {
        let added = now.saturating_sub(self.since) / INTERVAL;
        self.since = self.since.saturating_add(added.saturating_mul(INTERVAL));
        let added = u32::try_from(added).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(added).min(BURST);
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        true
    }
}

impl Forwarder<'_> {
    /// Whether a connection from there is served.
    pub(in crate::dns) fn is_stream_client(&self, from: SocketAddrV4) -> bool {
        self.is_client(from)
    }

    /// Processes a query that a client has sent over TCP. Writes the answer into `answer` if it is
    /// known.
    pub(in crate::dns) fn stream_query(
        &mut self,
        message: &[u8],
        now: u64,
        answer: &mut [u8],
    ) -> Step {
        let query = match Query::parse(message) {
            Ok(query) => query,
            Err(Refusal::Silence) => {
                self.stats.dropped_stray += 1;
                return Step::Close;
            }
            Err(Refusal::Code(code)) => {
                self.stats.refused += 1;
                let reply = reply::refusal(message, code);
                let len = reply.and_then(|reply| write(answer, reply));
                return len.map_or(Step::Close, Step::Reply);
            }
        };
        match self.answer_here(&query, MAX_LEN, now, answer) {
            Some(len) => {
                set_id(answer, query.header().id());
                Step::Reply(len)
            }
            None => Step::Ask(self.in_order(), self.random.id()),
        }
    }

    /// Whether a connection to a server may be opened.
    pub(in crate::dns) fn may_connect(&mut self, now: u64) -> bool {
        let may = self.connections.take(now);
        self.stats.sent += u32::from(may);
        self.stats.dropped_full += u32::from(!may);
        may
    }

    /// Makes the first `len` bytes of `answer` the answer to `message`, which was sent with the
    /// number `id`. Returns its length; `None` if they are no answer to it with this number, or say that the server has failed.
    pub(in crate::dns) fn stream_answer(
        &mut self,
        (message, id): (&[u8], u16),
        (answer, len): (&mut [u8], usize),
        now: u64,
    ) -> Option<usize> {
        let query = Query::parse(message).ok()?;
        let bytes = answer.get(..len)?;
        let received = Message::from_slice(bytes).ok()?;
        if received.header().id() != id || !answers(received, query.question()) {
            self.stats.dropped_unexpected += 1;
            return None;
        }
        if has_failed(bytes) {
            self.stats.failed += 1;
            return None;
        }
        let len = self.accept(&query, (answer, len), MAX_LEN, now)?;
        self.stats.answered += 1;
        Some(len)
    }

    /// Writes SERVFAIL as the answer to `message`, and returns its length.
    pub(in crate::dns) fn stream_failure(
        &mut self,
        message: &[u8],
        answer: &mut [u8],
    ) -> Option<usize> {
        let query = Query::parse(message).ok()?;
        self.stats.servfail += 1;
        copy(answer, &reply::empty(&query, Rcode::SERVFAIL)?)
    }

    /// The servers, the preferred one first.
    fn in_order(&self) -> Vec<Ipv4Addr, MAX_DNS_SERVERS> {
        let mut servers = self.servers.clone();
        let first = self.preferred.0.min(servers.len());
        servers.rotate_left(first);
        servers
    }
}
