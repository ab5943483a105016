//! A world around one NAT: a clock that the test moves, two inside hosts, two servers and an
//! attacker outside.
//!
//! Every packet that goes through it is checked on the way by [`oracle`], with a parser and
//! checksums that are not the engine's: what is forwarded is whole and right in every field, what
//! is not leaves no trace. So a test states only what it is about. When a world is dropped, it
//! checks that nothing is left over.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses a part of the world"
)]

mod build;
mod connection;
mod events;
pub(crate) mod field;
mod fragments;
mod oracle;
mod outcome;

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{
    Cidr, Config, ConfigError, DropReason, Event, ExplicitMapping, Fragmenter, Fragments, Instant,
    MAX_HELD_LEN, MappingRequest, MappingRequestError, Nat, PortForward, Protocol, Quarantine,
    Seed, SessionInfo, SessionProtocol, Side, Stats, Tables, Verdict,
};

pub(crate) use build::{
    ACK, CWR, Checksum, Datagram, ECE, FIN, PSH, RST, SYN, URG, at, echo_reply, echo_request,
    fix_header_checksum, icmp, icmp_error, random_bytes, raw, tcp, timestamp_reply,
    timestamp_request, udp,
};
pub(crate) use connection::{Connection, INSIDE_ISN, OUTSIDE_ISN};
use events::Chronicle;
pub(crate) use fragments::reassemble;
pub(crate) use oracle::{Packet, Path, Quote};
pub(crate) use outcome::Outcome;

pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
pub(crate) const H1: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
pub(crate) const H2: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 11);
pub(crate) const H3: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 12);
pub(crate) const N: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub(crate) const N2: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
pub(crate) const N3: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 3);
pub(crate) const S1: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
pub(crate) const S2: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);
/// A router on the way, in no relation to any session.
pub(crate) const TRANSIT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 254);
pub(crate) const ATTACKER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);

pub(crate) const SEED: Seed = Seed::new(*b"a test's own key");

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The inside network of [`ROUTER`].
pub(crate) fn inside() -> Cidr {
    Cidr::new(ROUTER, 24).expect("24 is a prefix length")
}

/// The configuration that a world starts from: [`ROUTER`] inside, [`N`] outside, all else default.
pub(crate) fn config() -> Config {
    let mut config = Config::new(inside());
    // One host may fill the tables, unless a test says otherwise.
    config.limits.sessions_per_host = Some(u16::MAX);
    config.limits.mappings_per_host = Some(u16::MAX);
    config.limits.half_open_per_host = Some(u16::MAX);
    config.limits.half_open = Some(u16::MAX);
    config.limits.reserved_per_host = Some(0);
    // Port 53 is as good as any other.
    config.timeouts.dns = None;
    config
        .external_addresses
        .push(N)
        .expect("there is room for one address");
    config
}

pub(crate) struct World {
    pub(crate) nat: Nat<'static>,
    now: Instant,
    /// The latest time that was passed to the engine: sessions that end after it are still in its
    /// list.
    engine_time: Instant,
    packets: u64,
    /// The addresses that drain, and until when.
    drains: Vec<(Ipv4Addr, Instant)>,
    /// The fragments that the engine has said to hold, with when by its clock, which never goes
    /// back, and where they came in.
    held: Vec<(Instant, Origin, Vec<u8>)>,
    /// What became of those whose first was the last packet. A test that expects any takes them.
    released: Vec<Outcome>,
    /// The events of the engine.
    chronicle: Chronicle,
    entry: Entry,
}

/// How packets from the wire enter the engine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    /// By `Nat::process`.
    Process,
    /// By the fast path if they take it, which is counted, and else by the slow path.
    Fast(FastPackets),
    /// By the slow path only.
    Slow,
}

/// How many packets have taken the fast path.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct FastPackets {
    pub(crate) all: u32,
    /// Of these, those that began a session.
    pub(crate) opening: u32,
    /// Of these, those that were dropped or rejected.
    pub(crate) refused: u32,
    /// Of these, those at an odd address.
    pub(crate) odd: u32,
}

impl FastPackets {
    /// Processes a packet, at an odd address as often as at an even one.
    fn process(
        &mut self,
        nat: &mut Nat<'_>,
        packet: &mut [u8],
        (from, now): (Side, Instant),
    ) -> Option<Verdict> {
        let mut memory = vec![0; packet.len() + 1];
        let odd = now.as_millis() % 2 == 1;
        let start = usize::from(odd == memory.as_ptr().addr().is_multiple_of(2));
        let copy = &mut memory[start..][..packet.len()];
        copy.copy_from_slice(packet);
        let sessions = nat.stats().sessions_created;
        let verdict = nat.process_fast_only(copy, from, now)?;
        packet.copy_from_slice(copy);
        self.all += 1;
        self.opening += u32::from(nat.stats().sessions_created != sessions);
        self.refused += u32::from(!matches!(verdict, Verdict::Forward { .. }));
        self.odd += u32::from(odd);
        Some(verdict)
    }
}

impl Entry {
    fn process(
        &mut self,
        nat: &mut Nat<'_>,
        packet: &mut [u8],
        from: Side,
        now: Instant,
    ) -> Verdict {
        match self {
            Self::Process => nat.process(packet, from, now),
            Self::Fast(count) => match count.process(nat, packet, (from, now)) {
                Some(verdict) => verdict,
                None => nat.process_slow_only(packet, from, now),
            },
            Self::Slow => nat.process_slow_only(packet, from, now),
        }
    }
}

/// How long the engine may hold a fragment.
const HOLD: Duration = secs(2);

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// A world whose configuration `change` has adapted, with capacity for all that a test opens.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::sized::<256, 512, 16>(change)
    }

    /// A world with tables of the given capacities.
    pub(crate) fn sized<const M: usize, const S: usize, const H: usize>(
        change: impl FnOnce(&mut Config),
    ) -> Self {
        Self::of(
            Self::engine::<M, S, H>(change)
                .with_fragments(Box::leak(Box::new(Fragments::<16, 8>::new()))),
        )
    }

    /// A world with memory for `DATAGRAMS` datagrams in fragments, and for `HELD` fragments that
    /// wait.
    pub(crate) fn fragmenting<const DATAGRAMS: usize, const HELD: usize>(
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let memory = Box::leak(Box::new(Fragments::<DATAGRAMS, HELD>::new()));
        Self::of(Self::engine::<256, 512, 16>(change).with_fragments(memory))
    }

    /// A world with memory for `PORTS` external ports in quarantine.
    pub(crate) fn quarantining<const PORTS: usize>(change: impl FnOnce(&mut Config)) -> Self {
        let memory = Box::leak(Box::new(Quarantine::<PORTS>::new()));
        Self::of(Self::engine::<256, 512, 16>(change).with_quarantine(memory))
    }

    /// A world of the configuration `config` with very small capacities; `None` if the
    /// configuration is refused.
    pub(crate) fn tiny(config: Config, fragments: bool, quarantine: bool) -> Option<Self> {
        let tables = Box::leak(Box::new(Tables::<8, 12, 4>::new()));
        let mut nat = Nat::new(tables, config, SEED).ok()?;
        if fragments {
            nat = nat.with_fragments(Box::leak(Box::new(Fragments::<3, 3>::new())));
        }
        if quarantine {
            nat = nat.with_quarantine(Box::leak(Box::new(Quarantine::<8>::new())));
        }
        Some(Self::of(nat))
    }

    /// A world without memory for fragments.
    pub(crate) fn without_fragments() -> Self {
        Self::of(Self::engine::<256, 512, 16>(|_| ()))
    }

    fn engine<const M: usize, const S: usize, const H: usize>(
        change: impl FnOnce(&mut Config),
    ) -> Nat<'static> {
        let mut config = config();
        change(&mut config);
        let tables = Box::leak(Box::new(Tables::<M, S, H>::new()));
        Nat::new(tables, config, SEED).expect("the configuration can work")
    }

    fn of(mut nat: Nat<'static>) -> Self {
        let now = Instant::from_secs(1000);
        let chronicle = Chronicle::of(&mut nat);
        let (drains, held, released) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            nat,
            now,
            engine_time: now,
            packets: 0,
            drains,
            held,
            released,
            chronicle,
            entry: Entry::Process,
        }
    }

    /// The same world with another way into the engine.
    pub(crate) fn entering_by(mut self, entry: Entry) -> Self {
        self.entry = entry;
        self
    }

    /// How many packets have taken the fast path, where that is counted.
    pub(crate) fn fast_packets(&self) -> FastPackets {
        match self.entry {
            Entry::Fast(count) => count,
            Entry::Process | Entry::Slow => FastPackets::default(),
        }
    }

    /// The same world with its clock at `now`; only before the first packet.
    pub(crate) fn starting_at(mut self, now: Instant) -> Self {
        assert_eq!(self.packets, 0, "the clock is set before the first packet");
        (self.now, self.engine_time) = (now, now);
        self
    }

    /// A packet that arrives inside.
    #[track_caller]
    pub(crate) fn outbound(&mut self, packet: impl Into<Vec<u8>>) -> Outcome {
        self.run(packet.into(), Origin::Wire(Side::Inside))
    }

    /// A packet that arrives outside.
    #[track_caller]
    pub(crate) fn inbound(&mut self, packet: impl Into<Vec<u8>>) -> Outcome {
        self.run(packet.into(), Origin::Wire(Side::Outside))
    }

    /// A packet of the router's own outside stack.
    #[track_caller]
    pub(crate) fn router_sends(&mut self, packet: impl Into<Vec<u8>>) -> Outcome {
        self.run(packet.into(), Origin::Router)
    }

    /// A packet of a flood, of which only the verdict is looked at: neither is it held against what
    /// came in, nor the tables against what they were.
    pub(crate) fn flood(&mut self, packet: impl Into<Vec<u8>>, from: Side) -> Verdict {
        let verdict = self.nat.process(&mut packet.into(), from, self.now);
        self.packets += 1;
        self.engine_time = self.engine_time.max(self.now);
        verdict
    }

    /// What became of the fragments that had waited for the last packet, in the order in which they
    /// left.
    pub(crate) fn take_released(&mut self) -> Vec<Outcome> {
        core::mem::take(&mut self.released)
    }

    /// The fragments that had waited for the last packet, all of them forwarded.
    #[track_caller]
    pub(crate) fn released(&mut self) -> Vec<Packet> {
        self.take_released()
            .into_iter()
            .map(Outcome::forwarded)
            .collect()
    }

    /// The events of the engine since the last call.
    #[track_caller]
    pub(crate) fn events(&mut self) -> Vec<Event> {
        self.chronicle.hear(self.now.max(self.engine_time));
        self.chronicle.check(&self.nat, Instant::from_millis(0));
        self.chronicle.take()
    }

    /// The latest time that the engine has been given.
    pub(crate) fn engine_time(&self) -> Instant {
        self.engine_time
    }

    /// Lets time pass as an event loop does: the engine is woken whenever it asked to be.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now.saturating_add(duration);
        self.chronicle.hear(self.now.max(self.engine_time));
        while let Some(due) = self.nat.poll_timeout().filter(|due| *due <= end) {
            self.nat.handle_timeout(due);
            self.chronicle.check(&self.nat, due);
            let next = self.nat.poll_timeout();
            assert!(
                next.is_none_or(|next| next > due),
                "handle_timeout({due:?}) left work that was due at {next:?}"
            );
        }
        (self.now, self.engine_time) = (end, self.engine_time.max(end));
        self.nat.handle_timeout(end);
        self.chronicle.check(&self.nat, end);
        self.check_tables();
        let next = self.nat.poll_timeout();
        assert!(
            next.is_none_or(|next| next > end),
            "handle_timeout({end:?}) left work that was due at {next:?}"
        );
    }

    /// Lets time pass without a call of `handle_timeout`.
    pub(crate) fn jump(&mut self, duration: Duration) {
        self.now = self.now.saturating_add(duration);
    }

    /// Turns the clock back.
    pub(crate) fn step_back(&mut self, duration: Duration) {
        let millis = self
            .now
            .as_millis()
            .saturating_sub(duration.as_millis() as u64);
        self.now = Instant::from_millis(millis);
    }

    /// Begins to take an external address away. Whether it was one.
    pub(crate) fn drain_address(&mut self, address: Ipv4Addr, longest: Duration) -> bool {
        self.chronicle.hear(self.engine_time);
        let drains = self.nat.drain_external_address(address, longest, self.now);
        self.engine_time = self.engine_time.max(self.now);
        self.chronicle.check(&self.nat, self.engine_time);
        if drains {
            self.drains.retain(|(other, _)| *other != address);
            self.drains
                .push((address, self.now.saturating_add(longest)));
        }
        drains
    }

    /// Replaces the external addresses.
    pub(crate) fn set_external_addresses(
        &mut self,
        addresses: &[Ipv4Addr],
    ) -> Result<(), ConfigError> {
        self.change(|nat, now| nat.set_external_addresses(addresses, now))
    }

    /// Removes a port forward. Whether it was one.
    pub(crate) fn remove_port_forward(&mut self, forward: &PortForward) -> bool {
        self.change(|nat, now| nat.remove_port_forward(forward, now))
    }

    /// A host asks for an external port.
    pub(crate) fn request_mapping(
        &mut self,
        request: &MappingRequest,
    ) -> Result<ExplicitMapping, MappingRequestError> {
        self.change(|nat, now| nat.request_mapping(request, now))
    }

    /// A host gives up the external port that it has asked for.
    pub(crate) fn end_explicit_mapping(
        &mut self,
        protocol: Protocol,
        inside: SocketAddrV4,
    ) -> Option<ExplicitMapping> {
        self.change(|nat, now| nat.end_explicit_mapping(protocol, inside, now))
    }

    /// Whether the inside endpoint of a session has ever had its external port by an explicit
    /// mapping.
    pub(crate) fn was_explicit(&self, session: &SessionInfo) -> bool {
        self.chronicle.was_explicit(session)
    }

    /// Ends all sessions.
    pub(crate) fn clear(&mut self) {
        self.change(Nat::clear);
    }

    /// Has the application change something now. What it ends, ends now: no event has an earlier
    /// time.
    fn change<R>(&mut self, change: impl FnOnce(&mut Nat<'static>, Instant) -> R) -> R {
        self.chronicle.hear(self.engine_time);
        self.engine_time = self.engine_time.max(self.now);
        let before = self.chronicle.count();
        let result = change(&mut self.nat, self.now);
        self.chronicle.check(&self.nat, self.engine_time);
        self.chronicle.check_time(before, self.engine_time);
        result
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn stats(&self) -> Stats {
        self.nat.stats()
    }

    /// The sessions there are, in a fixed order.
    pub(crate) fn sessions(&self) -> Vec<SessionInfo> {
        let mut sessions: Vec<_> = self.nat.sessions().collect();
        sessions.sort_by_key(session_key);
        sessions
    }

    /// The session of the inside endpoint `inside` with `remote`.
    #[track_caller]
    pub(crate) fn session(&self, inside: SocketAddrV4, remote: SocketAddrV4) -> SessionInfo {
        let found: Vec<_> = self
            .nat
            .sessions()
            .filter(|s| s.inside == inside && s.remote == remote)
            .collect();
        let [session] = found[..] else {
            panic!(
                "one session of {inside} with {remote} in {:#?}",
                self.sessions()
            )
        };
        session
    }

    /// Sends a UDP packet from `inside` to `remote`, and says from which external endpoint it left.
    #[track_caller]
    pub(crate) fn open_udp(&mut self, inside: SocketAddrV4, remote: SocketAddrV4) -> SocketAddrV4 {
        self.outbound(udp(inside, remote)).forwarded().source()
    }

    /// Sends an echo request, and says with which identifier it left.
    #[track_caller]
    pub(crate) fn open_echo(&mut self, from: Ipv4Addr, to: Ipv4Addr, id: u16) -> u16 {
        self.outbound(echo_request(from, to, id))
            .forwarded()
            .query_id()
    }

    /// Opens a TCP connection from inside with the three packets of a handshake.
    #[track_caller]
    pub(crate) fn open_tcp(&mut self, inside: SocketAddrV4, remote: SocketAddrV4) -> Connection {
        Connection::open(self, inside, remote)
    }

    #[track_caller]
    fn run(&mut self, sent: Vec<u8>, origin: Origin) -> Outcome {
        self.check_nothing_untaken();
        self.chronicle.hear(self.now.max(self.engine_time));
        let before = self.living_sessions_with_their_ends();
        // Every other packet is at an odd address: nothing may depend on alignment.
        let offset = (self.packets % 2) as usize;
        let mut memory = [&vec![0; offset][..], &sent].concat();
        let buffer = &mut memory[offset..];
        let verdict = match origin {
            Origin::Wire(side) => self.entry.process(&mut self.nat, buffer, side, self.now),
            Origin::Router => self.nat.process_local(buffer, self.now),
        };
        self.packets += 1;
        self.engine_time = self.engine_time.max(self.now);
        self.chronicle.check(&self.nat, self.engine_time);
        self.check_invariant(&verdict, &before, &sent, buffer);
        self.drain(&verdict, origin, &sent);
        self.check_totals();
        self.check_tables();
        if verdict == Verdict::Hold {
            self.held.push((self.engine_time, origin, sent.clone()));
        }
        self.outcome(verdict, origin, &sent, buffer)
    }

    /// Gets and checks what has waited for the packet `sent`.
    #[track_caller]
    fn drain(&mut self, verdict: &Verdict, origin: Origin, sent: &[u8]) {
        // Copies of one fragment wait no longer for one another.
        let now = self.engine_time;
        self.held
            .retain(|(since, ..)| now.saturating_duration_since(*since) <= HOLD);
        let mut buffer = [0xA5; MAX_HELD_LEN];
        while let Some(released) = self.nat.release(&mut buffer, self.now) {
            let first = Packet::parse(sent);
            assert!(
                first.is_first_fragment(),
                "{first:?}, which is no first fragment, has released one"
            );
            assert!(
                !matches!(verdict, Verdict::Drop(_) | Verdict::Reject(_)),
                "{verdict:?} has released a fragment"
            );
            let waited = self.take_held(&first, origin, &buffer);
            let outcome = self.outcome(released, origin, &waited, &buffer);
            self.released.push(outcome);
        }
    }

    /// The fragment, as it came in, that has left as the start of `buffer`.
    #[track_caller]
    fn take_held(&mut self, first: &Packet, origin: Origin, buffer: &[u8]) -> Vec<u8> {
        let left = Packet::parse(buffer);
        let index = self.held.iter().position(|(_, from, bytes)| {
            let held = Packet::parse(bytes);
            *from == origin
                && held.key() == first.key()
                && held.offset() == left.offset()
                && held.body == left.body
        });
        let (since, _, sent) = self
            .held
            .remove(index.unwrap_or_else(|| panic!("no host sent {left:?} with {first:?}")));
        assert!(
            self.engine_time.saturating_duration_since(since) <= HOLD,
            "{left:?} has waited since {since:?}"
        );
        sent
    }

    #[track_caller]
    fn check_nothing_untaken(&self) {
        assert!(
            self.released.is_empty(),
            "released, and not expected: {:#?}",
            self.released
        );
    }

    #[track_caller]
    fn outcome(&self, verdict: Verdict, origin: Origin, sent: &[u8], buffer: &[u8]) -> Outcome {
        match verdict {
            Verdict::Drop(reason) => Outcome::Dropped(reason),
            Verdict::Hold => Outcome::Held,
            Verdict::Forward { to, len, .. } => {
                let out = &buffer[..len];
                assert!(
                    len <= usize::from(self.mtu(to)),
                    "{len} bytes do not fit the link"
                );
                if origin != Origin::Router || sent != out {
                    oracle::check_forwarded(sent, out, self.path(origin, to, sent), &self.config());
                }
                Outcome::Forwarded(Packet::parse(out))
            }
            Verdict::Fragment { to, len, mtu, .. } => {
                let out = &buffer[..len];
                assert_eq!(mtu, self.mtu(to), "the MTU is the link's");
                if origin != Origin::Router || sent != out {
                    oracle::check_forwarded(sent, out, self.path(origin, to, sent), &self.config());
                }
                let pieces = cut(out, mtu);
                fragments::check_fragments(out, &pieces, mtu);
                Outcome::Fragmented(Packet::parse(out), pieces)
            }
            Verdict::Local { side, len } => {
                oracle::check_local(sent, &buffer[..len]);
                Outcome::Local(side, Packet::parse(&buffer[..len]))
            }
            Verdict::Reject(reply) => {
                let mut answer = [0xA5; nat_core::Reply::MAX_LEN];
                let len = reply
                    .emit(buffer, &mut answer)
                    .expect("the longest answer fits its buffer");
                let answer = Packet::parse(&answer[..len]);
                oracle::check_answer(sent, &answer, origin.side(), &reply, &self.config());
                if origin == Origin::Wire(Side::Outside) {
                    self.check_is_of_live_session(sent);
                }
                Outcome::Rejected(reply.reason(), answer)
            }
        }
    }

    fn mtu(&self, side: Side) -> u16 {
        match side {
            Side::Inside => self.nat.config().inside_mtu,
            Side::Outside => self.nat.config().outside_mtu,
        }
    }

    /// Which way a packet was forwarded. It leaves by the side that it came in only when it was
    /// sent to an external address from inside.
    #[track_caller]
    fn path(&self, origin: Origin, to: Side, sent: &[u8]) -> Path {
        match (origin, to) {
            (Origin::Wire(Side::Inside), Side::Outside) => Path::Out,
            (Origin::Wire(Side::Outside), Side::Inside) => Path::In,
            (Origin::Router, Side::Outside) => Path::FromRouter,
            (Origin::Wire(Side::Inside), Side::Inside) => {
                let destination = *Packet::parse(sent).destination().ip();
                assert!(
                    self.config().external_addresses.contains(&destination),
                    "{destination} needs no router"
                );
                Path::Hairpin
            }
            _ => panic!(
                "a packet never leaves outside that came from there, nor one of the router inside"
            ),
        }
    }

    /// The configuration with the external addresses as they are now, those that drain included.
    fn config(&self) -> Config {
        let mut config = self.nat.config().clone();
        let active = self.nat.external_addresses().iter().copied();
        config.external_addresses = active.chain(self.nat.draining_addresses()).collect();
        config
    }

    /// Invariant: a packet that is not forwarded leaves itself, the tables and the timers as they
    /// were.
    #[track_caller]
    fn check_invariant(
        &self,
        verdict: &Verdict,
        before: &[(SessionKey, Instant)],
        sent: &[u8],
        buffer: &[u8],
    ) {
        if matches!(
            verdict,
            Verdict::Drop(_) | Verdict::Reject(_) | Verdict::Hold
        ) {
            assert_eq!(sent, buffer, "{verdict:?} changed the packet");
            let after = self.living_sessions_with_their_ends();
            assert!(
                before == after,
                "{verdict:?} changed the tables:\n{before:#?}\n{after:#?}"
            );
        }
    }

    fn living_sessions_with_their_ends(&self) -> Vec<(SessionKey, Instant)> {
        let end = |session: &SessionInfo| self.engine_time.saturating_add(session.expires_in);
        self.living_sessions()
            .iter()
            .map(|session| (session_key(session), end(session)))
            .collect()
    }

    /// Sessions whose time, and that of their address, is not up at the world's clock, whether or
    /// not the engine has noticed.
    fn living_sessions(&self) -> Vec<SessionInfo> {
        let unseen = self.now.saturating_duration_since(self.engine_time);
        let mut sessions = self.sessions();
        let gone: Vec<_> = self
            .nat
            .draining_addresses()
            .filter(|address| self.has_drained(*address))
            .collect();
        sessions
            .retain(|session| session.expires_in > unseen && !gone.contains(session.external.ip()));
        for session in &mut sessions {
            session.is_static &= !self.has_lost_explicit(session);
        }
        sessions
    }

    /// Whether the time of the explicit mapping of a session is up, whether or not the engine has
    /// noticed.
    fn has_lost_explicit(&self, session: &SessionInfo) -> bool {
        let protocol = match session.protocol {
            SessionProtocol::Tcp => Protocol::Tcp,
            _ => Protocol::Udp,
        };
        self.nat.explicit_mappings().any(|mapping| {
            mapping.inside == session.inside
                && mapping.protocol == protocol
                && session.protocol != SessionProtocol::Icmp
                && mapping.ends_at <= self.now
        })
    }

    fn has_drained(&self, address: Ipv4Addr) -> bool {
        self.drains
            .iter()
            .any(|(other, until)| *other == address && *until <= self.now)
    }

    #[track_caller]
    fn check_is_of_live_session(&self, sent: &[u8]) {
        let packet = Packet::parse(sent);
        let live = self.living_sessions().into_iter().any(|session| {
            session.external.ip() == packet.destination().ip()
                && session.remote.ip() == packet.source().ip()
        });
        assert!(
            live,
            "an answer to the outside about a packet of no live session: {packet:?}"
        );
    }

    /// The tables agree with each other. With many sessions, or many packets, it would take too
    /// long to ask each time.
    #[track_caller]
    pub(crate) fn check_tables(&self) {
        // Miri looks for undefined behaviour in packets' bytes, and would take minutes for the
        // audits.
        if cfg!(miri) {
            return;
        }
        let few = self.packets < 1000 && self.nat.sessions().count() < 64;
        if few || self.packets.is_multiple_of(128) {
            assert_eq!(
                self.nat.audit(),
                Ok(()),
                "what is not as it should be in the tables"
            );
        }
    }

    #[track_caller]
    fn check_totals(&self) {
        let stats = self.stats();
        assert_eq!(
            stats.inside.packets_in + stats.outside.packets_in + stats.from_router,
            self.packets
        );
        let counted = stats.forwarded
            + stats.held
            + stats.local
            + stats.rejected_total()
            + stats.dropped_total();
        assert_eq!(
            counted, self.packets,
            "packets in = forwarded + held + local + rejected + dropped"
        );
        assert!(
            stats.released <= stats.held,
            "more fragments were released than held"
        );
        assert_eq!(
            stats.rejected_total(),
            stats.icmp_errors_sent + stats.resets_sent
        );
        let by_reason: u64 = DropReason::ALL
            .iter()
            .map(|reason| stats.dropped(*reason))
            .sum();
        assert_eq!(by_reason, stats.dropped_total());
    }
}

/// Nothing is left over once every timer has run out: no session, no deadline, no lost count.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.check_nothing_untaken();
        self.check_totals();
        self.advance(nat_core::Timeouts::MAX + secs(1));
        assert_eq!(self.sessions(), [], "sessions outlived the longest timeout");
        assert_eq!(
            self.nat.poll_timeout(),
            None,
            "a deadline is left without a session"
        );
        assert_eq!(
            self.nat.audit(),
            Ok(()),
            "what is not as it should be in empty tables"
        );
        let stats = self.stats();
        assert!(
            stats.sessions_expired <= stats.sessions_created,
            "more sessions ended than began"
        );
        assert_eq!(
            stats.gateway().active_connection_count,
            0,
            "active connections without a session"
        );
    }
}

/// All pieces of `datagram`, each made in a buffer of the MTU's length. Cut at once or in turns,
/// they are the same.
#[track_caller]
fn cut(datagram: &[u8], mtu: u16) -> Vec<Packet> {
    let mut at_once = Fragmenter::new(datagram, mtu);
    let (mut buffer, mut again) = (vec![0xA5; usize::from(mtu)], vec![0x5A; usize::from(mtu)]);
    let mut pieces = Vec::new();
    loop {
        let mut resumed = Fragmenter::resume(datagram, mtu, at_once.position());
        let len = at_once.emit(&mut buffer);
        assert_eq!(resumed.emit(&mut again), len);
        assert_eq!(resumed.position(), at_once.position());
        let Some(len) = len else { return pieces };
        assert_eq!(buffer[..len], again[..len]);
        pieces.push(Packet::parse(&buffer[..len]));
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    Wire(Side),
    Router,
}

impl Origin {
    /// The side that an answer goes to; the router's own packets leave outside like those of inside
    /// hosts.
    fn side(self) -> Side {
        match self {
            Self::Wire(side) => side,
            Self::Router => Side::Inside,
        }
    }
}

type SessionKey = (u8, SocketAddrV4, SocketAddrV4, SocketAddrV4, u8, bool);

/// All of a session but the time it has left.
fn session_key(session: &SessionInfo) -> SessionKey {
    (
        session.protocol as u8,
        session.inside,
        session.external,
        session.remote,
        session.state as u8,
        session.is_static,
    )
}
