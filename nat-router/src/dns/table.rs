//! The queries that wait for answers of servers, and the clients that wait for each.

use core::net::{Ipv4Addr, SocketAddrV4};

/// How often a query is sent at most.
pub(super) const MAX_ATTEMPTS: usize = 4;

/// The longest query that waits as it is. A longer one loses its EDNS options.
pub(super) const MAX_QUERY: usize = 320;

/// A message of a client without its number: two bytes less.
const ID_LEN: usize = 2;

/// One time that a query was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Attempt {
    pub(super) id: u16,
    pub(super) socket: u8,
    /// The index of the server.
    pub(super) server: u8,
}

/// A query that waits.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    /// When to send it again or to give it up, in milliseconds since the start.
    pub(super) due: u64,
    /// Where its message begins in the arena.
    start: u16,
    /// The length of the message; zero for a free slot.
    len: u16,
    attempts: [Attempt; MAX_ATTEMPTS],
    sent: u8,
    /// A bit for each server that has failed.
    pub(super) failed: u8,
    /// Whether it is to be sent now.
    pub(super) to_send: bool,
}

impl Slot {
    pub(crate) const FREE: Self = Self {
        due: 0,
        start: 0,
        len: 0,
        attempts: [Attempt {
            id: 0,
            socket: 0,
            server: 0,
        }; MAX_ATTEMPTS],
        sent: 0,
        failed: 0,
        to_send: false,
    };

    pub(super) const fn is_free(&self) -> bool {
        self.len == 0
    }

    /// The times that the query was sent to the present servers.
    pub(super) fn attempts(&self) -> &[Attempt] {
        let sent = usize::from(self.sent);
        self.attempts.get(..sent).unwrap_or_default()
    }

    /// Notes that the query is sent.
    pub(super) fn add_attempt(&mut self, attempt: Attempt, due: u64) {
        if let Some(place) = self.attempts.get_mut(usize::from(self.sent)) {
            *place = attempt;
            self.sent += 1;
        }
        self.due = due;
        self.to_send = false;
    }

    /// Lets the query fail as soon as it expires.
    pub(super) fn give_up(&mut self, now: u64) {
        self.sent = MAX_ATTEMPTS as u8;
        (self.due, self.to_send) = (now, false);
    }

    /// Begins anew, because the servers are others.
    pub(super) fn restart(&mut self) {
        (self.sent, self.failed, self.to_send) = (0, 0, true);
    }
}

/// A client that waits. A port of zero means none.
#[derive(Clone, Copy)]
pub(crate) struct Waiter {
    address: [u8; 4],
    port: u16,
    id: u16,
    slot: u16,
    /// Clients that came earlier have a lower number.
    age: u16,
}

impl Waiter {
    pub(crate) const NONE: Self = Self {
        address: [0; 4],
        port: 0,
        id: 0,
        slot: 0,
        age: 0,
    };

    const fn is_none(&self) -> bool {
        self.port == 0
    }

    fn is_of(&self, slot: usize) -> bool {
        !self.is_none() && usize::from(self.slot) == slot
    }
}

/// A client, and the number of its message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Client {
    pub(super) address: SocketAddrV4,
    pub(super) id: u16,
}

/// The queries and their clients, in fixed memory.
///
/// If it is full, the host with the most clients in it loses the one that has waited longest. So no
/// host can keep others out, and one that asks too much loses its own queries.
pub(super) struct Table<'d> {
    slots: &'d mut [Slot],
    waiters: &'d mut [Waiter],
    /// The messages without their numbers, one behind the other.
    arena: &'d mut [u8],
    used: usize,
    /// The number for the next client.
    age: u16,
}

impl<'d> Table<'d> {
    pub(super) fn new(
        slots: &'d mut [Slot],
        waiters: &'d mut [Waiter],
        arena: &'d mut [u8],
    ) -> Self {
        Self {
            slots,
            waiters,
            arena,
            used: 0,
            age: 0,
        }
    }

    pub(super) fn slot(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index).filter(|slot| !slot.is_free())
    }

    pub(super) fn slot_mut(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index).filter(|slot| !slot.is_free())
    }

    /// All queries that wait, each with its index.
    pub(super) fn slots(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, slot)| !slot.is_free())
    }

    pub(super) fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().filter(|slot| !slot.is_free())
    }

    /// The query at `index`, with the number zero.
    pub(super) fn query(&self, index: usize) -> Option<heapless::Vec<u8, MAX_QUERY>> {
        let slot = self.slot(index)?;
        let mut query = heapless::Vec::new();
        query.extend_from_slice(&[0; ID_LEN]).ok()?;
        query.extend_from_slice(self.message(slot)).ok()?;
        Some(query)
    }

    fn message(&self, slot: &Slot) -> &[u8] {
        let start = usize::from(slot.start);
        let end = start + usize::from(slot.len);
        self.arena.get(start..end).unwrap_or_default()
    }

    /// The query that is the same as `query` but for its number.
    pub(super) fn find(&self, query: &[u8]) -> Option<usize> {
        let message = query.get(ID_LEN..)?;
        self.slots()
            .find(|(_, slot)| self.message(slot) == message)
            .map(|(index, _)| index)
    }

    /// Lets `client` wait for the query at `index`, too. Returns whether there was room.
    pub(super) fn join(&mut self, index: usize, client: Client) -> bool {
        let waits = |waiter: &Waiter| waiter.is_of(index) && waiter.client() == client;
        if self.waiters.iter().any(waits) {
            return true;
        }
        let host = client.address.ip().octets();
        while !self.waiters.iter().any(Waiter::is_none) {
            if !self.evict(host) {
                return false;
            }
        }
        // The query may have been that of the client that was evicted.
        self.slot(index).is_some() && self.add_waiter(index, client)
    }

    fn add_waiter(&mut self, index: usize, client: Client) -> bool {
        let age = self.age;
        let Some(place) = self.waiters.iter_mut().find(|waiter| waiter.is_none()) else {
            return false;
        };
        *place = Waiter {
            address: client.address.ip().octets(),
            port: client.address.port(),
            id: client.id,
            slot: index as u16,
            age,
        };
        self.age = self.age.wrapping_add(1);
        true
    }

    /// Adds a query that is to be sent at once. Returns whether there was room.
    pub(super) fn insert(&mut self, query: &[u8], client: Client, due: u64) -> bool {
        let message = query.get(ID_LEN..).unwrap_or_default();
        if message.is_empty() || message.len() > self.arena.len() {
            return false;
        }
        let host = client.address.ip().octets();
        while !self.has_room(message.len()) {
            if !self.evict(host) {
                return false;
            }
        }
        let Some(index) = self.slots.iter().position(Slot::is_free) else {
            return false;
        };
        self.write(index, message, due) && self.add_waiter(index, client)
    }

    fn has_room(&self, len: usize) -> bool {
        self.slots.iter().any(Slot::is_free)
            && self.waiters.iter().any(Waiter::is_none)
            && self.arena.len() - self.used >= len
    }

    fn write(&mut self, index: usize, message: &[u8], due: u64) -> bool {
        let (start, end) = (self.used, self.used + message.len());
        let (Some(slot), Some(place)) = (self.slots.get_mut(index), self.arena.get_mut(start..end))
        else {
            return false;
        };
        place.copy_from_slice(message);
        *slot = Slot {
            due,
            start: start as u16,
            len: message.len() as u16,
            to_send: true,
            ..Slot::FREE
        };
        self.used = end;
        true
    }

    /// Removes the client that has waited longest, of the host with the most clients here. Returns
    /// false if that is no other host than `host`, or if there is no client.
    fn evict(&mut self, host: [u8; 4]) -> bool {
        let waiting = |host: [u8; 4]| {
            let of_host = |waiter: &&Waiter| !waiter.is_none() && waiter.address == host;
            self.waiters.iter().filter(of_host).count()
        };
        let hosts = self.waiters.iter().filter(|waiter| !waiter.is_none());
        let Some(most) = hosts
            .map(|waiter| (waiting(waiter.address), waiter.address))
            .max()
        else {
            return false;
        };
        if most.0 <= waiting(host) {
            return false;
        }
        let age = self.age;
        let of_host = |waiter: &&mut Waiter| !waiter.is_none() && waiter.address == most.1;
        let waiters = self.waiters.iter_mut().filter(of_host);
        let Some(oldest) = waiters.max_by_key(|waiter| age.wrapping_sub(waiter.age)) else {
            return false;
        };
        let index = usize::from(oldest.slot);
        *oldest = Waiter::NONE;
        if !self.waiters.iter().any(|waiter| waiter.is_of(index)) {
            self.remove(index);
        }
        true
    }

    /// Takes out a client that waits for the query at `index`.
    pub(super) fn pop_client(&mut self, index: usize) -> Option<Client> {
        let waiter = self.waiters.iter_mut().find(|waiter| waiter.is_of(index))?;
        Some(core::mem::replace(waiter, Waiter::NONE).client())
    }

    /// Removes the query at `index`, and the clients that wait for it.
    pub(super) fn remove(&mut self, index: usize) {
        while self.pop_client(index).is_some() {}
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let Slot { start, len, .. } = core::mem::replace(slot, Slot::FREE);
        let end = usize::from(start) + usize::from(len);
        if len == 0 || end > self.used {
            return;
        }
        self.arena.copy_within(end..self.used, usize::from(start));
        self.used -= usize::from(len);
        for slot in self.slots.iter_mut().filter(|slot| !slot.is_free()) {
            if slot.start > start {
                slot.start -= len;
            }
        }
    }
}

impl Waiter {
    fn client(&self) -> Client {
        Client {
            address: SocketAddrV4::new(Ipv4Addr::from(self.address), self.port),
            id: self.id,
        }
    }
}
