//! The states of the client (RFC 2131 figure 5), without sockets and clocks.

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::Instant;
use smoltcp::wire::DhcpMessageType;

use super::super::leases::Mac;
use super::lease::{Lease, Refusal, Times};
use super::reply::Reply;
use super::request::{Identity, Request};
use super::timers::{Deadlines, Random, backoff, renewal_retry};

/// The number of REQUESTs for an offer before the client looks for another offer (RFC 2131 section
/// 3.1 (5)).
const REQUESTS: u32 = 4;

/// The number of REQUESTs for the address from before an interruption, until the client looks for
/// an offer. One, because the router may be in another network now, where no server answers it.
const REBOOT_REQUESTS: u32 = 1;

/// The shortest wait after a DECLINE (RFC 2131 section 3.1 (5)).
const DECLINE_WAIT: Duration = Duration::from_secs(10);

/// The time after which a probe without a result is started again.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long sessions outlive a lost lease.
const LOST_LEASE_GRACE: Duration = Duration::from_secs(60);

const NOWHERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// The epoch of the clock.
const START: Instant = Instant::from_millis(0);

/// The largest value of `secs`.
const MAX_SECS: u64 = u16::MAX as u64;

/// The states of RFC 2131 figure 5, and those in which the client sends nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// The link is down.
    Down,
    /// The lease was released. The client sends nothing any more.
    Released,
    /// About to begin: with INIT-REBOOT if there is a lease from before, or else with INIT.
    Init,
    Selecting,
    Requesting,
    Rebooting,
    /// The server has acknowledged an address, which is being probed (section 4.4.1).
    Probing,
    Bound,
    Renewing,
    Rebinding,
}

/// What the caller of [`Client::poll`] must do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Send the first `len` bytes of the buffer from the client's port to the server's port.
    Send {
        from: Ipv4Addr,
        to: Ipv4Addr,
        len: usize,
    },
    /// Probe this address by ARP, and call [`Client::probed`].
    Probe(Ipv4Addr),
    /// Use this configuration of the outside. It may be in use already.
    Use(Lease),
    /// Use no configuration, but keep the sessions of the address: it may come back.
    Suspend,
    /// End the sessions of the address.
    Forget,
}

/// The result of a message or a probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Heard {
    /// The message is for others, or not expected.
    Ignored,
    Taken,
    /// A message from this server was refused.
    Refused(Ipv4Addr, Refusal),
}

/// The client.
pub(crate) struct Client {
    identity: Identity,
    random: Random,
    state: State,
    /// The transaction number: the same for a DISCOVER, its repetitions, and the REQUEST for an
    /// offer to it.
    transaction: u32,
    /// When the exchange began, for `secs`.
    began: Instant,
    /// The value of `secs` in messages.
    secs: u16,
    /// The number of messages sent in this state.
    sent: u32,
    /// When there is something to do next in this state.
    due: Option<Instant>,
    /// When the last REQUEST was sent. The lease begins then.
    asked_at: Instant,
    /// The lease that was offered, or acknowledged but not probed yet.
    candidate: Option<Lease>,
    /// The lease in use, or one that was in use and may be asked for again.
    lease: Option<Lease>,
    deadlines: Deadlines,
    in_use: bool,
    /// When a lease in use was lost; `None` once the sessions of its address have ended.
    lost_at: Option<Instant>,
    /// NAKs and DECLINEs since the last lease.
    failures: u32,
    /// A DECLINE or a RELEASE to send.
    farewell: Option<Request>,
    /// The change of the configuration to make.
    change: Option<Action>,
}

impl Client {
    /// A client with this host name, which may be empty. Its link is down. `seed` must be fresh at
    /// every boot.
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

    /// Sets the hardware address.
    pub(crate) const fn set_mac(&mut self, mac: Mac) {
        self.identity.mac = mac;
    }

    /// Updates the state of the link. After an interruption the client asks for the same address
    /// again (INIT-REBOOT).
    pub(crate) fn set_link(&mut self, up: bool, now: Instant) {
        if up && self.state == State::Down {
            self.enter(State::Init, Some(now));
        } else if !up && !matches!(self.state, State::Down | State::Released) {
            self.suspend(now);
            self.candidate = None;
            self.enter(State::Down, None);
        }
    }

    /// Releases the lease, if there is one, and asks for no other.
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

    /// Processes the payload of a datagram from `source` to the client's port. It may hold any
    /// bytes.
    pub(crate) fn handle(&mut self, message: &[u8], source: Ipv4Addr, now: Instant) -> Heard {
        let Some(reply) = Reply::parse(message, source) else {
            return Heard::Ignored;
        };
        if reply.transaction != self.transaction || reply.mac != self.identity.mac {
            return Heard::Ignored;
        }
        let refused = |reason| Heard::Refused(reply.server, reason);
        let is_waiting = matches!(
            self.state,
            State::Requesting | State::Rebooting | State::Renewing | State::Rebinding
        );
        match reply.kind {
            DhcpMessageType::Offer if self.state == State::Selecting => self
                .take_offer(&reply, now)
                .map_or_else(refused, |()| Heard::Taken),
            DhcpMessageType::Ack | DhcpMessageType::Nak
                if is_waiting && !self.means(reply.server) =>
            {
                refused(Refusal::OtherServer)
            }
            DhcpMessageType::Ack if is_waiting => self
                .take_ack(&reply, now)
                .map_or_else(refused, |()| Heard::Taken),
            DhcpMessageType::Nak if is_waiting => {
                // RFC 2131 section 3.2 (4): the address must not be asked for again.
                self.lease = None;
                self.suspend(now);
                self.start_over(now, Duration::ZERO);
                refused(Refusal::Nak)
            }
            _ => Heard::Ignored,
        }
    }

    /// Processes the result of [`Action::Probe`]: whether another station has the address. It may
    /// be called again with `taken` set after the address was taken into use.
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

    /// The next action at `now`, if there is one. A message is written into `buffer`. Call it until
    /// it returns `None`.
    pub(crate) fn poll(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Action> {
        // Before the change: a RELEASE is sent from the address that the change removes.
        if let Some(farewell) = self.farewell.take() {
            // A RELEASE goes to its server alone, a DECLINE to all (RFC 2131 section 4.4.4).
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
            .is_some_and(|at| at.saturating_add(LOST_LEASE_GRACE) <= now)
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

    /// When [`Client::poll`] must be called next.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        if self.farewell.is_some() || self.change.is_some() {
            return Some(START);
        }
        self.due
            .into_iter()
            .chain(self.lost_at.map(|at| at.saturating_add(LOST_LEASE_GRACE)))
            .min()
    }

    /// Sends a DISCOVER, or a REQUEST for an address that is not in use yet.
    fn ask(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Action> {
        if self.state == State::Init && self.holds_lease(now) {
            self.begin(State::Rebooting, now);
        } else if self.state == State::Init || self.has_sent_all_requests() {
            self.begin(State::Selecting, now);
        }
        if self.state != State::Requesting {
            // A REQUEST after an offer has the `secs` of the DISCOVER (RFC 2131 section 3.1 (3)).
            self.secs = self.elapsed(now);
        }
        let request = self.asking_request()?;
        self.asked_at = now;
        self.due = Some(now.saturating_add(backoff(self.sent, &mut self.random)));
        self.sent = self.sent.saturating_add(1);
        self.send(&request, Ipv4Addr::BROADCAST, buffer)
    }

    /// Whether no REQUEST of this state was answered.
    const fn has_sent_all_requests(&self) -> bool {
        match self.state {
            State::Requesting => self.sent >= REQUESTS,
            State::Rebooting => self.sent >= REBOOT_REQUESTS,
            _ => false,
        }
    }

    /// The message by which the client asks for an address in this state.
    fn asking_request(&self) -> Option<Request> {
        let (kind, asked, server) = match self.state {
            State::Requesting => {
                let offer = self.candidate.as_ref()?;
                let asked = Some(offer.address.address());
                (DhcpMessageType::Request, asked, Some(offer.server))
            }
            State::Rebooting => (DhcpMessageType::Request, self.last_address(), None),
            _ => (DhcpMessageType::Discover, self.last_address(), None),
        };
        Some(self.request(kind, NOWHERE, asked, server))
    }

    fn last_address(&self) -> Option<Ipv4Addr> {
        Some(self.lease.as_ref()?.address.address())
    }

    /// Sends a renewal request for the lease in use, or ends the lease.
    fn prolong(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Action> {
        let Deadlines { rebinding, end, .. } = self.deadlines;
        // A lease that lasts for ever has neither.
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
        // The new lease counts from here, not from its acknowledgment (RFC 2131 section 4.4.5).
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
        // An address in use was probed when it came.
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

    /// Whether a reply of `server` counts now. All do if the request was to any server.
    fn means(&self, server: Ipv4Addr) -> bool {
        let chosen = match self.state {
            State::Requesting => &self.candidate,
            State::Renewing => &self.lease,
            _ => return true,
        };
        chosen.as_ref().is_some_and(|lease| lease.server == server)
    }

    /// Whether there is a lease from before an interruption whose time is not over.
    fn holds_lease(&self, now: Instant) -> bool {
        self.lease.is_some() && self.deadlines.end.is_none_or(|end| end > now)
    }

    fn suspend(&mut self, now: Instant) {
        if core::mem::take(&mut self.in_use) {
            self.lost_at = Some(now);
            self.change = Some(Action::Suspend);
        }
    }

    /// Starts over: at once after the first failure, with a longer and longer wait after the next
    /// ones, and in no case before `least` is over.
    fn start_over(&mut self, now: Instant, least: Duration) {
        let wait = match self.failures.checked_sub(1) {
            Some(earlier) => backoff(earlier, &mut self.random),
            None => Duration::ZERO,
        };
        self.failures = self.failures.saturating_add(1);
        self.candidate = None;
        self.enter(State::Init, Some(now.saturating_add(wait.max(least))));
    }

    /// Begins an exchange with a new transaction number.
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
