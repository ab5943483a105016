//! The states of the client (RFC 2131 figure 5), apart from sockets and clocks.

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::Instant;
use smoltcp::wire::DhcpMessageType;

use super::super::leases::Mac;
use super::lease::{Lease, Refusal, Times};
use super::reply::Reply;
use super::request::{Identity, Request};
use super::timers::{Deadlines, Random, backoff, renewal_retry};

/// How often a REQUEST for an offer is sent before another offer is looked for (RFC 2131 section
/// 3.1 (5)).
const REQUESTS: u32 = 4;

/// How often a REQUEST for the address from before an interruption is sent before an offer is
/// looked for. Once, because the router may be in another network now, where no server answers it.
const REBOOT_REQUESTS: u32 = 1;

/// How long to wait at least after a DECLINE (RFC 2131 section 3.1 (5)).
const DECLINE_WAIT: Duration = Duration::from_secs(10);

/// How long a probe may take before it counts as not done.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long sessions outlive a lease that is lost.
const LOST_HOLDS: Duration = Duration::from_secs(60);

const NOWHERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// The epoch of the clock.
const START: Instant = Instant::from_millis(0);

/// How many seconds `secs` can say.
const MAX_SECS: u64 = u16::MAX as u64;

/// The states of RFC 2131 figure 5, and those in which the client does not ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// The link is down.
    Down,
    /// The lease was given back: nothing is asked any more.
    Released,
    /// About to begin: with INIT-REBOOT where there is a lease from before, or else with INIT.
    Init,
    Selecting,
    Requesting,
    Rebooting,
    /// The server has acknowledged an address, and nobody must have it (section 4.4.1).
    Probing,
    Bound,
    Renewing,
    Rebinding,
}

/// What the caller of [`Client::poll`] is to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Send the first `len` bytes of the buffer, from the client's port to the server's.
    Send {
        from: Ipv4Addr,
        to: Ipv4Addr,
        len: usize,
    },
    /// Ask by ARP whether a station has this address, and call [`Client::probed`].
    Probe(Ipv4Addr),
    /// Use this configuration of the outside, which may be the one in use.
    Use(Lease),
    /// Use no configuration. What depends on the address may yet survive if the same address comes
    /// back.
    Suspend,
    /// Give up what depends on the address.
    Forget,
}

/// What came of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Heard {
    /// It is for others, or not expected.
    Ignored,
    Taken,
    /// Not taken, from this server.
    Refused(Ipv4Addr, Refusal),
}

/// The client.
pub(crate) struct Client {
    identity: Identity,
    random: Random,
    state: State,
    /// The number of the exchange: the same for a DISCOVER, its repetitions and the REQUEST for an
    /// offer to it.
    transaction: u32,
    /// When the exchange began, for `secs`.
    began: Instant,
    /// What messages say of that now.
    secs: u16,
    /// How many messages have been sent in this state.
    sent: u32,
    /// When the state has something to do next.
    due: Option<Instant>,
    /// When the last REQUEST left, from which the lease counts.
    asked_at: Instant,
    /// What was offered, or acknowledged but not probed yet.
    candidate: Option<Lease>,
    /// What is in use, or was and may be asked for again.
    lease: Option<Lease>,
    deadlines: Deadlines,
    in_use: bool,
    /// When a lease in use was lost, until nothing depends on its address any more.
    lost_at: Option<Instant>,
    /// NAKs and DECLINEs since the last lease.
    failures: u32,
    /// A DECLINE or a RELEASE that is to be sent.
    farewell: Option<Request>,
    /// What is to be done about the configuration.
    change: Option<Action>,
}

impl Client {
    /// A client of this host name, which may be empty, whose link is down. `seed` is fresh of every
    /// boot.
    pub(crate) const fn new(host_name: &'static str, seed: u64) -> Self {
        Self {
            identity: Identity {
                mac: [0; 6],
                host_name,
            },
            random: Random::new(seed),
            state: State::Down,
            transaction: 0,
            began: START,
            secs: 0,
            sent: 0,
            due: None,
            asked_at: START,
            candidate: None,
            lease: None,
            deadlines: Deadlines {
                renewal: None,
                rebinding: None,
                end: None,
            },
            in_use: false,
            lost_at: None,
            failures: 0,
            farewell: None,
            change: None,
        }
    }

    #[cfg(test)]
    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// Takes over the hardware address.
    pub(crate) const fn set_mac(&mut self, mac: Mac) {
        self.identity.mac = mac;
    }

    /// Takes over whether the link is up, which may be as it was. After an interruption the address
    /// from before is asked for again (INIT-REBOOT).
    pub(crate) fn set_link(&mut self, up: bool, now: Instant) {
        if up && self.state == State::Down {
            self.enter(State::Init, Some(now));
        } else if !up && !matches!(self.state, State::Down | State::Released) {
            self.suspend(now);
            self.candidate = None;
            self.enter(State::Down, None);
        }
    }

    /// Gives the lease back, if there is one, and asks for no other.
    pub(crate) fn release(&mut self) {
        if let Some(lease) = self.lease.take().filter(|_| self.in_use) {
            let (current, server) = (lease.address.address(), Some(lease.server));
            self.farewell = Some(self.request(DhcpMessageType::Release, current, None, server));
            self.in_use = false;
            self.change = Some(Action::Forget);
        }
        (self.candidate, self.lost_at) = (None, None);
        self.enter(State::Released, None);
    }

    /// Takes in the payload of a datagram to the client's port from `source`, which may be
    /// anything.
    pub(crate) fn handle(&mut self, message: &[u8], source: Ipv4Addr, now: Instant) -> Heard {
        let Some(reply) = Reply::parse(message, source) else {
            return Heard::Ignored;
        };
        if reply.transaction != self.transaction || reply.mac != self.identity.mac {
            return Heard::Ignored;
        }
        let refused = |reason| Heard::Refused(reply.server, reason);
        let waits = matches!(
            self.state,
            State::Requesting | State::Rebooting | State::Renewing | State::Rebinding
        );
        match reply.kind {
            DhcpMessageType::Offer if self.state == State::Selecting => self
                .take_offer(&reply, now)
                .map_or_else(refused, |()| Heard::Taken),
            DhcpMessageType::Ack | DhcpMessageType::Nak if waits && !self.means(reply.server) => {
                refused(Refusal::OtherServer)
            }
            DhcpMessageType::Ack if waits => self
                .take_ack(&reply, now)
                .map_or_else(refused, |()| Heard::Taken),
            DhcpMessageType::Nak if waits => {
                self.lease = None;
                self.suspend(now);
                self.start_over(now, Duration::ZERO);
                refused(Refusal::Nak)
            }
            _ => Heard::Ignored,
        }
    }

    /// What came of [`Action::Probe`]: whether another station has the address. That it has may
    /// also be known only after the address was said to be free.
    pub(crate) fn probed(&mut self, taken: bool, now: Instant) -> Heard {
        let probed = match self.state {
            State::Probing => self.candidate.take(),
            State::Bound if taken => self.lease.take(),
            _ => None,
        };
        let Some(lease) = probed else {
            return Heard::Ignored;
        };
        if !taken {
            self.bind(lease);
            return Heard::Taken;
        }
        let (asked, server) = (Some(lease.address.address()), Some(lease.server));
        self.farewell = Some(self.request(DhcpMessageType::Decline, NOWHERE, asked, server));
        self.lease = None;
        self.suspend(now);
        self.start_over(now, DECLINE_WAIT);
        Heard::Refused(lease.server, Refusal::InUse)
    }

    /// The next thing to do at `now`, if there is one; a message is written into `buffer`. To be
    /// called until there is none.
    pub(crate) fn poll(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Action> {
        if let Some(farewell) = self.farewell.take() {
            let to = farewell
                .server
                .filter(|_| farewell.kind == DhcpMessageType::Release);
            return self.send(&farewell, to.unwrap_or(Ipv4Addr::BROADCAST), buffer);
        }
        if let Some(change) = self.change.take() {
            return Some(change);
        }
        if self
            .lost_at
            .is_some_and(|at| at.saturating_add(LOST_HOLDS) <= now)
        {
            self.lost_at = None;
            return Some(Action::Forget);
        }
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        match self.state {
            State::Down | State::Released => None,
            State::Init | State::Selecting | State::Requesting | State::Rebooting => {
                self.ask(now, buffer)
            }
            State::Probing => {
                self.due = Some(now.saturating_add(PROBE_TIMEOUT));
                self.candidate
                    .as_ref()
                    .map(|lease| Action::Probe(lease.address.address()))
            }
            State::Bound | State::Renewing | State::Rebinding => self.prolong(now, buffer),
        }
    }

    /// When [`Client::poll`] has something to do next.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        if self.farewell.is_some() || self.change.is_some() {
            return Some(START);
        }
        self.due
            .into_iter()
            .chain(self.lost_at.map(|at| at.saturating_add(LOST_HOLDS)))
            .min()
    }

    /// Asks for an address that is not in use yet.
    fn ask(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Action> {
        let limit = if self.state == State::Rebooting {
            REBOOT_REQUESTS
        } else {
            REQUESTS
        };
        let given_up =
            matches!(self.state, State::Requesting | State::Rebooting) && self.sent >= limit;
        if self.state == State::Init || given_up {
            let again = self.state == State::Init && self.holds_lease(now);
            self.begin(
                if again {
                    State::Rebooting
                } else {
                    State::Selecting
                },
                now,
            );
        }
        let request = if self.state == State::Requesting {
            let offer = self.candidate.as_ref()?;
            let (asked, server) = (Some(offer.address.address()), Some(offer.server));
            self.request(DhcpMessageType::Request, NOWHERE, asked, server)
        } else {
            // What follows an offer says it as the DISCOVER does (RFC 2131 section 3.1 (3)).
            self.secs = self.elapsed(now);
            let again = self.state == State::Rebooting;
            let kind = if again {
                DhcpMessageType::Request
            } else {
                DhcpMessageType::Discover
            };
            self.request(
                kind,
                NOWHERE,
                self.lease.as_ref().map(|lease| lease.address.address()),
                None,
            )
        };
        self.asked_at = now;
        self.due = Some(now.saturating_add(backoff(self.sent, &mut self.random)));
        self.sent = self.sent.saturating_add(1);
        self.send(&request, Ipv4Addr::BROADCAST, buffer)
    }

    /// Asks for more time of the lease in use, or ends it.
    fn prolong(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Action> {
        let Deadlines { rebinding, end, .. } = self.deadlines;
        let (rebinding, end) = (rebinding?, end?);
        if end <= now {
            self.suspend(now);
            self.enter(State::Init, Some(now));
            return self.change.take();
        }
        if self.state == State::Bound {
            self.begin(State::Renewing, now);
        }
        if self.state == State::Renewing && rebinding <= now {
            self.enter(State::Rebinding, None);
        }
        let lease = self.lease.as_ref()?;
        let (current, server) = (lease.address.address(), lease.server);
        let (to, until) = if self.state == State::Renewing {
            (server, rebinding)
        } else {
            (Ipv4Addr::BROADCAST, end)
        };
        self.secs = self.elapsed(now);
        let request = self.request(DhcpMessageType::Request, current, None, None);
        self.asked_at = now;
        self.due = Some(renewal_retry(now, until));
        self.send(&request, to, buffer)
    }

    fn take_offer(&mut self, reply: &Reply<'_>, now: Instant) -> Result<(), Refusal> {
        self.candidate = Some(Lease::read(reply, None)?);
        self.enter(State::Requesting, Some(now));
        Ok(())
    }

    fn take_ack(&mut self, reply: &Reply<'_>, now: Instant) -> Result<(), Refusal> {
        let before = if self.state == State::Requesting {
            &self.candidate
        } else {
            &self.lease
        };
        let lease = Lease::read(reply, before.as_ref())?;
        self.deadlines = Deadlines::of(&Times::of(&reply.options), self.asked_at, &mut self.random);
        let same = self
            .lease
            .as_ref()
            .is_some_and(|current| current.address.address() == lease.address.address());
        if same && self.in_use {
            self.bind(lease);
        } else {
            self.candidate = Some(lease);
            self.enter(State::Probing, Some(now));
        }
        Ok(())
    }

    fn bind(&mut self, lease: Lease) {
        self.change = Some(Action::Use(lease.clone()));
        self.lease = Some(lease);
        (self.in_use, self.lost_at, self.failures) = (true, None, 0);
        self.enter(State::Bound, self.deadlines.renewal);
    }

    /// Whether a reply of `server` counts now. All do where the request was to any server.
    fn means(&self, server: Ipv4Addr) -> bool {
        let chosen = match self.state {
            State::Requesting => &self.candidate,
            State::Renewing => &self.lease,
            _ => return true,
        };
        chosen.as_ref().is_some_and(|lease| lease.server == server)
    }

    /// Whether there is a lease from before an interruption that has not ended.
    fn holds_lease(&self, now: Instant) -> bool {
        self.lease.is_some() && self.deadlines.end.is_none_or(|end| end > now)
    }

    fn suspend(&mut self, now: Instant) {
        if core::mem::take(&mut self.in_use) {
            self.lost_at = Some(now);
            self.change = Some(Action::Suspend);
        }
    }

    /// Begins again: at once after the first failure, then later and later, and in no case before
    /// `least`.
    fn start_over(&mut self, now: Instant, least: Duration) {
        let wait = match self.failures.checked_sub(1) {
            Some(earlier) => backoff(earlier, &mut self.random),
            None => Duration::ZERO,
        };
        self.failures = self.failures.saturating_add(1);
        self.candidate = None;
        self.enter(State::Init, Some(now.saturating_add(wait.max(least))));
    }

    /// Begins an exchange.
    fn begin(&mut self, state: State, now: Instant) {
        self.transaction = self.random.next();
        self.began = now;
        self.candidate = None;
        self.enter(state, None);
    }

    const fn enter(&mut self, state: State, due: Option<Instant>) {
        (self.state, self.sent, self.due) = (state, 0, due);
    }

    fn elapsed(&self, now: Instant) -> u16 {
        now.saturating_duration_since(self.began)
            .as_secs()
            .min(MAX_SECS) as u16
    }

    const fn request(
        &self,
        kind: DhcpMessageType,
        current: Ipv4Addr,
        asked: Option<Ipv4Addr>,
        server: Option<Ipv4Addr>,
    ) -> Request {
        Request {
            kind,
            transaction: self.transaction,
            secs: self.secs,
            current,
            asked,
            server,
        }
    }

    fn send(&self, request: &Request, to: Ipv4Addr, buffer: &mut [u8]) -> Option<Action> {
        let len = request.emit(&self.identity, buffer)?;
        Some(Action::Send {
            from: request.current,
            to,
            len,
        })
    }
}
