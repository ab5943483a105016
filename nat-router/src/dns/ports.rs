//! The source ports of queries to servers.
//!
//! A blind attacker has to guess the port and the number of a query, and both are random. The NAT
//! replaces the port by another random one. Each port costs the NAT a mapping, which lasts for a
//! while, and nothing limits the router's own mappings. So a port is used for five seconds, or for
//! one query if the next one comes later: no host can fill the NAT's tables with queries.

use super::UDP_SOCKETS;
use super::random::Random;

/// How long a port is used for new queries, in milliseconds.
const ROTATION: u64 = 5000;

/// The sockets outside. One has the port for new queries; another one waits for answers to earlier
/// queries, and then gets the next port.
pub(super) struct Ports {
    current: usize,
    /// When the current port was first used, if it was.
    used_since: Option<u64>,
    is_bound: bool,
}

/// A socket that is to be bound to another port before it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rebinding {
    pub(super) socket: usize,
    pub(super) port: u16,
}

impl Ports {
    pub(super) const fn new() -> Self {
        Self {
            current: 0,
            used_since: None,
            is_bound: false,
        }
    }

    /// The socket for a new query.
    pub(super) const fn current(&self) -> usize {
        self.current
    }

    /// The socket that must be bound before the next query is sent, if it is time for another port.
    /// `is_waiting` says whether queries wait for answers at a socket.
    pub(super) fn rebind(
        &mut self,
        random: &mut Random,
        is_waiting: impl Fn(usize) -> bool,
        now: u64,
    ) -> Option<Rebinding> {
        let is_old = |since: u64| now.saturating_sub(since) >= ROTATION;
        if self.is_bound && !self.used_since.is_some_and(is_old) {
            return None;
        }
        let next = (self.current + 1) % UDP_SOCKETS;
        if is_waiting(next) {
            return None;
        }
        *self = Self {
            current: next,
            used_since: None,
            is_bound: true,
        };
        Some(Rebinding {
            socket: next,
            port: random.port(),
        })
    }

    /// Notes that a query is sent from the current port.
    pub(super) fn used(&mut self, now: u64) {
        self.used_since.get_or_insert(now);
    }

    /// Gets another port for the next query.
    pub(super) fn reset(&mut self) {
        self.is_bound = false;
    }
}
