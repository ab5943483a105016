//! The model: what RFC 4787, RFC 5382, RFC 6146 and RFC 7857 say, with maps that are walked.

use core::hash::{Hash, Hasher};
use core::net::{Ipv4Addr, SocketAddrV4};
use core::ops::Range;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use nat_core::{
    DropReason, Filtering, PortForward, PortForwardError, Protocol, SessionProtocol, SessionState,
    Side,
};

use super::operation::What;
use super::world::{N, N3, Outcome, at};

use SessionState::{
    Active, Closing, Established, InsideFin, InsideSyn, OutsideFin, OutsideSyn, Reset,
};

/// The two ends of a session, with the protocol as a number that can be ordered.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Pair {
    pub(crate) protocol: u8,
    pub(crate) inside: SocketAddrV4,
    pub(crate) remote: SocketAddrV4,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Mapping {
    /// Not known until the engine has shown it.
    external: Option<SocketAddrV4>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    state: SessionState,
    ends: Duration,
    last_sent: Duration,
    /// TCP: whether the outside has shown its sequence numbers, without which nothing of it can be
    /// exact.
    answered: bool,
    /// TCP: whether the outside has sent a SYN of its own that acknowledges nothing.
    heard: bool,
    /// TCP: whether the inside has sent its FIN before the end of the handshake, and nothing has
    /// acknowledged it yet. It is a FIN in whatever state it is acknowledged, after a RST too
    /// that was not the end.
    early_fin: bool,
    /// Not TCP: what the inside has asked, if that is all it has said.
    question: Option<What>,
    /// Not TCP: whether the outside has answered since.
    replied: bool,
    /// When it came to be of its kind, of those that may be evicted.
    since: u64,
}

/// What a new session lacks, and so must come free with the evicted one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lack {
    Session,
    Slots(usize),
    Mapping,
    HalfOpen,
    /// A port of an address.
    Port(Ipv4Addr),
}

/// What the engine must do.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Forwarded,
    Dropped(DropReason),
    /// Answered, for one of these reasons: the standards do not say which comes first.
    Answered(Vec<DropReason>),
    /// Answered with a RST, or dropped where the connection got one within 100 ms. The engine may
    /// forget that once others have got theirs, and when hosts come and go.
    Reset {
        sent: bool,
        withheld: bool,
    },
    /// Forwarded by a new session in this state. Or refused, if a host without an address yet may
    /// draw one whose ports are all taken.
    Opens {
        state: SessionState,
        ports_may_lack: bool,
    },
}

impl Expected {
    pub(crate) fn differs(&self, outcome: &Outcome) -> Option<String> {
        let same = match (self, outcome) {
            (Self::Forwarded | Self::Opens { .. }, Outcome::Forwarded(_)) => true,
            (
                Self::Opens { ports_may_lack, .. },
                Outcome::Rejected(DropReason::PortsExhausted, _),
            ) => *ports_may_lack,
            (Self::Dropped(expected), Outcome::Dropped(reason)) => expected == reason,
            (Self::Answered(expected), Outcome::Rejected(reason, _)) => expected.contains(reason),
            (Self::Reset { sent, .. }, Outcome::Rejected(DropReason::NoSession, _)) => *sent,
            (Self::Reset { withheld, .. }, Outcome::Dropped(DropReason::NoSession)) => *withheld,
            _ => false,
        };
        (!same).then(|| format!("the engine has {outcome:?}, the model {self:?}"))
    }
}

type SessionRow = (
    (u8, SocketAddrV4, SocketAddrV4, SocketAddrV4, SessionState),
    bool,
    Duration,
);

/// What a mapping is for: protocol, inside endpoint, and the remote endpoint where ports overlap.
type Key = (u8, SocketAddrV4, Option<SocketAddrV4>);

#[derive(Clone)]
pub(crate) struct Naive {
    /// Of the tables of mappings, sessions and hosts.
    capacities: (usize, usize, usize),
    /// Whether external ports overlap: then each session has a mapping of its own.
    overlapping: bool,
    filtering: Filtering,
    sessions_per_host: usize,
    half_open_per_host: usize,
    /// The session that the receiver of a hairpinned packet has or would have with the sender.
    pub(crate) received: Option<Pair>,
    /// How often a session came to be of a kind that may be evicted.
    turns: u64,
    ports: Range<u16>,
    addresses: Vec<Ipv4Addr>,
    now: Duration,
    forwards: Vec<PortForward>,
    /// Each host with mappings, and its external address if that is known.
    hosts: BTreeMap<Ipv4Addr, Option<Ipv4Addr>>,
    mappings: BTreeMap<Key, Mapping>,
    sessions: BTreeMap<Pair, Session>,
    /// When each connection got its last RST, the latest at the end.
    /// The connections that got a RST, when, and with how many changes of the hosts before.
    resets: Vec<(Pair, Duration, usize)>,
    /// How often hosts have come or gone.
    host_changes: usize,
}

impl Naive {
    pub(crate) const MAPPINGS: usize = 4;
    pub(crate) const SESSIONS: usize = 8;
    pub(crate) const HOSTS: usize = 4;

    pub(crate) fn new(
        overlapping: bool,
        filtering: Filtering,
        (sessions_per_host, half_open_per_host): (u16, u16),
        ports: Range<u16>,
    ) -> Self {
        Self {
            capacities: (Self::MAPPINGS, Self::SESSIONS, Self::HOSTS),
            overlapping,
            filtering,
            sessions_per_host: usize::from(sessions_per_host),
            half_open_per_host: usize::from(half_open_per_host),
            received: None,
            turns: 0,
            ports,
            addresses: vec![N],
            now: Duration::ZERO,
            forwards: Vec::new(),
            hosts: BTreeMap::new(),
            mappings: BTreeMap::new(),
            sessions: BTreeMap::new(),
            resets: Vec::new(),
            host_changes: 0,
        }
    }

    /// The same model of tables with other capacities for mappings, sessions and hosts.
    #[allow(dead_code, reason = "not every test has tables of its own size")]
    pub(crate) fn with_capacities(self, capacities: (usize, usize, usize)) -> Self {
        Self { capacities, ..self }
    }

    /// Feeds `hasher` with all that decides what the model expects from now on, with times relative
    /// to the present. The RSTs that were sent are left out: they change no session.
    #[allow(dead_code, reason = "only exhaustive exploration tells states apart")]
    pub(crate) fn hash_canonical(&self, hasher: &mut impl Hasher) {
        (&self.addresses, &self.forwards, &self.hosts, &self.mappings).hash(hasher);
        for (pair, session) in &self.sessions {
            pair.hash(hasher);
            (
                session.state,
                session.ends - self.now,
                self.now - session.last_sent,
            )
                .hash(hasher);
            (session.answered, session.heard, session.early_fin).hash(hasher);
            (session.question, session.replied).hash(hasher);
            let older = (self.sessions.values()).filter(|other| other.since < session.since);
            hasher.write_usize(older.count());
        }
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now += duration;
        let now = self.now;
        self.end_sessions(|_, session| session.ends <= now);
    }

    pub(crate) fn clear(&mut self) {
        self.end_sessions(|_, _| true);
    }

    pub(crate) fn set_addresses(&mut self, addresses: &[Ipv4Addr]) {
        self.end_mappings(|_, mapping| {
            mapping
                .external
                .is_none_or(|external| !addresses.contains(external.ip()))
        });
        self.addresses = addresses.to_vec();
        for address in self
            .hosts
            .values_mut()
            .filter(|address| address.is_some_and(|a| !addresses.contains(&a)))
        {
            *address = None;
        }
        self.end_conflicts();
    }

    pub(crate) fn add_port_forward(
        &mut self,
        forward: &PortForward,
    ) -> Result<(), PortForwardError> {
        let alike = || {
            self.forwards
                .iter()
                .filter(|other| other.protocol == forward.protocol)
        };
        if alike().any(|other| other.external_port == forward.external_port) {
            return Err(PortForwardError::ExternalPortInUse);
        }
        if alike().any(|other| target(other) == target(forward)) {
            return Err(PortForwardError::InsideEndpointInUse);
        }
        self.forwards.push(*forward);
        self.end_target(forward);
        self.end_conflicts();
        Ok(())
    }

    pub(crate) fn remove_port_forward(&mut self, forward: &PortForward) -> bool {
        let Some(index) = self.forwards.iter().position(|other| other == forward) else {
            return false;
        };
        self.forwards.remove(index);
        self.end_target(forward);
        true
    }

    fn end_target(&mut self, forward: &PortForward) {
        let key = (number(forward.protocol), target(forward));
        self.end_mappings(|(protocol, inside, _), _| (*protocol, *inside) == key);
    }

    /// A port forward has its ports: what is in the way ends.
    fn end_conflicts(&mut self) {
        let forwards: Vec<_> = self.forwarded_endpoints().collect();
        self.end_mappings(|(protocol, inside, _), mapping| {
            forwards.iter().any(|(of, external, target)| {
                of == protocol && (inside == target) != (mapping.external == Some(*external))
            })
        });
    }

    pub(crate) fn send_out(&mut self, pair: &Pair, what: What) -> Expected {
        if self.addresses.is_empty() {
            return Expected::Answered(vec![DropReason::AddressMissing]);
        }
        if self.sessions.contains_key(pair) {
            return self.send_on(pair, what);
        }
        let known = self.mappings.contains_key(&self.key(pair));
        let admitted = if known {
            self.admits(pair)
        } else {
            self.is_forwarded(pair)
        };
        let state = match what {
            What::Udp | What::OtherUdp | What::Echo => Active,
            What::Syn => InsideSyn,
            What::SynAck if admitted => OutsideSyn,
            What::Reset | What::FarReset if admitted => return Expected::Forwarded,
            What::Reset | What::FarReset => return Expected::Dropped(DropReason::NoSession),
            What::SynAck | What::Ack | What::Fin | What::FarFin => {
                return self.reset_of(pair);
            }
        };
        let lacks = self.lacks(pair, state);
        if !lacks.is_empty() && self.yielding(pair, state, &lacks).is_none() {
            return Expected::Answered(lacks.iter().map(|(_, reason)| *reason).collect());
        }
        if !self.hosts.contains_key(pair.inside.ip()) && self.hosts.len() == self.capacities.2 - 1 {
            return Expected::Answered(vec![DropReason::HostTableFull, DropReason::PortsExhausted]);
        }
        let addresses = self.addresses_for(pair);
        let works = |address: &&Option<Ipv4Addr>| self.is_enough(pair, state, **address).is_ok();
        let working = addresses.iter().filter(works).count();
        if working == 0 {
            return Expected::Answered(vec![DropReason::PortsExhausted]);
        }
        Expected::Opens {
            state,
            ports_may_lack: working < addresses.len(),
        }
    }

    /// A packet from inside of a session that is there.
    fn send_on(&mut self, pair: &Pair, what: What) -> Expected {
        let ended = matches!(self.sessions[pair].state, Closing | Reset);
        let reopened = match what {
            What::Syn if ended => Some(InsideSyn),
            What::SynAck if ended => Some(OutsideSyn),
            _ => None,
        };
        if let Some(state) = reopened
            && self.half_open(pair) >= self.half_open_per_host
        {
            let lacks = [(Lack::HalfOpen, DropReason::HalfOpenLimit)];
            let Some(yielding) = self.yielding(pair, state, &lacks) else {
                return Expected::Answered(vec![DropReason::HalfOpenLimit]);
            };
            self.end_sessions(|other, _| *other == yielding);
        }
        if let Some(session) = self.sessions.get_mut(pair) {
            session.last_sent = self.now;
        }
        self.step(pair, Side::Inside, what);
        Expected::Forwarded
    }

    fn half_open(&self, pair: &Pair) -> usize {
        let half_open = |(other, session): &(&Pair, &Session)| {
            other.inside.ip() == pair.inside.ip() && matches!(session.state, InsideSyn | OutsideSyn)
        };
        self.sessions.iter().filter(half_open).count()
    }

    /// The session that ends if a new one of `pair` is opened and its port is drawn on `address`,
    /// if it is drawn; an error if none can be evicted.
    fn is_enough(
        &self,
        pair: &Pair,
        state: SessionState,
        address: Option<Ipv4Addr>,
    ) -> Result<Option<Pair>, ()> {
        let mut lacks = self.lacks(pair, state);
        if let Some(address) =
            address.filter(|address| self.taken_ports(pair, *address) == self.ports.len())
        {
            lacks.push((Lack::Port(address), DropReason::PortsExhausted));
        }
        if lacks.is_empty() {
            Ok(None)
        } else {
            self.yielding(pair, state, &lacks).map(Some).ok_or(())
        }
    }

    /// The session of the same host that is evicted for a new one: the oldest of the first kind.
    fn yielding(
        &self,
        pair: &Pair,
        state: SessionState,
        lacks: &[(Lack, DropReason)],
    ) -> Option<Pair> {
        let candidates = self.sessions.iter().filter(|(other, session)| {
            let kind = kind(other, session);
            !self.receiver_needs(other, pair)
                && other.inside.ip() == pair.inside.ip()
                && kind.is_some_and(|kind| state != OutsideSyn || kind < INSIDE_SYN)
                && lacks
                    .iter()
                    .all(|(lack, _)| self.frees(other, session, *lack, pair))
        });
        candidates
            .min_by_key(|(other, session)| (kind(other, session), session.since))
            .map(|(other, _)| *other)
    }

    /// Whether a session is the receiver's of the hairpinned packet of `pair`, or the last of the
    /// mapping that the packet goes to.
    fn receiver_needs(&self, other: &Pair, pair: &Pair) -> bool {
        let Some(received) = self.received else {
            return false;
        };
        let mapping = self.key(&received);
        let last = (self.sessions.keys())
            .filter(|session| self.key(session) == mapping)
            .count()
            == 1;
        let ends = self.key(other) == mapping && last && mapping != self.key(pair);
        *other == received || ends && !self.is_forwarded(other)
    }

    /// Whether what `pair` lacks comes free when a session ends.
    fn frees(&self, ending: &Pair, session: &Session, lack: Lack, pair: &Pair) -> bool {
        let alone = self
            .sessions
            .keys()
            .filter(|other| self.key(other) == self.key(ending))
            .count()
            == 1;
        match lack {
            Lack::Session => true,
            Lack::HalfOpen => matches!(session.state, InsideSyn | OutsideSyn),
            Lack::Mapping => alone,
            Lack::Slots(needed) => {
                let of_address = |other: &&Pair| {
                    (other.protocol, other.inside, other.remote.ip())
                        == (ending.protocol, ending.inside, ending.remote.ip())
                };
                let last = self.remembers_address(ending)
                    && !self.is_forwarded(ending)
                    && self.sessions.keys().filter(of_address).count() == 1;
                needed <= if last { 2 } else { 1 }
            }
            Lack::Port(address) => {
                let external = self.mappings[&self.key(ending)].external;
                let same_remote = !self.overlapping || ending.remote == pair.remote;
                let here = |external: SocketAddrV4| {
                    *external.ip() == address && self.ports.contains(&external.port())
                };
                alone
                    && ending.protocol == pair.protocol
                    && same_remote
                    && !self.is_forwarded(ending)
                    && external.is_some_and(here)
            }
        }
    }

    fn reset_of(&self, pair: &Pair) -> Expected {
        let recent = |reset: &(Pair, Duration, usize)| {
            reset.0 == *pair && self.now - reset.1 < Duration::from_millis(100)
        };
        let remembered = self
            .resets
            .last()
            .is_some_and(|reset| recent(reset) && reset.2 == self.host_changes);
        Expected::Reset {
            sent: !remembered,
            withheld: self.resets.iter().any(recent),
        }
    }

    /// A connection has got a RST.
    pub(crate) fn note_reset(&mut self, pair: &Pair) {
        self.resets.retain(|(other, ..)| other != pair);
        self.resets.push((*pair, self.now, self.host_changes));
    }

    /// A packet has opened a session, and left from `external`.
    pub(crate) fn open(
        &mut self,
        pair: &Pair,
        (state, what): (SessionState, What),
        external: SocketAddrV4,
    ) {
        let drawn = !self.mappings.contains_key(&self.key(pair)) && !self.is_forwarded(pair);
        let yielding = self
            .is_enough(pair, state, drawn.then_some(*external.ip()))
            .expect("it was had");
        let own = self.key(pair);
        if let Some(yielding) = yielding {
            // Its mapping stays if it is the one of the new session.
            let (mapping, host) = (
                self.mappings.get(&own).copied(),
                self.hosts.get(pair.inside.ip()).copied(),
            );
            self.end_sessions(|other, _| *other == yielding);
            if let (Some(mapping), Some(host)) = (mapping, host) {
                self.mappings.entry(own).or_insert(mapping);
                self.hosts.entry(*pair.inside.ip()).or_insert(host);
            }
        }
        let external = self.forward_of(pair);
        self.host_changes += usize::from(!self.hosts.contains_key(pair.inside.ip()));
        self.hosts
            .entry(*pair.inside.ip())
            .or_insert_with(|| external.map(|external| *external.ip()));
        self.mappings.entry(own).or_insert(Mapping { external });
        self.turns += 1;
        self.sessions.insert(
            *pair,
            Session {
                state,
                ends: Duration::ZERO,
                last_sent: self.now,
                answered: state == OutsideSyn,
                heard: false,
                early_fin: false,
                question: Some(what),
                replied: false,
                since: self.turns,
            },
        );
        self.refresh(pair);
    }

    /// The external endpoint that a packet has left from: new ones are learnt, known ones must be
    /// kept.
    pub(crate) fn learn(&mut self, pair: &Pair, external: SocketAddrV4) -> Result<(), String> {
        let key = self.key(pair);
        let Some(mapping) = self.mappings.get(&key).copied() else {
            // A refusal of what a port forward let in leaves no trace.
            return if self.forward_of(pair) == Some(external) {
                Ok(())
            } else {
                Err(format!("left from {external}"))
            };
        };
        let address = self.hosts.get(pair.inside.ip()).copied().flatten();
        if let Some(known) = mapping.external {
            return if known == external {
                Ok(())
            } else {
                Err(format!("left from {external}, mapped to {known}"))
            };
        }
        let others = || self.mappings.iter().filter(|(other, _)| **other != key);
        if others().any(|((protocol, _, remote), other)| {
            (*protocol, *remote, other.external) == (pair.protocol, key.2, Some(external))
        }) {
            return Err(format!("{external} is another's"));
        }
        if self
            .forwarded_endpoints()
            .any(|(of, forwarded, _)| of == pair.protocol && forwarded == external)
        {
            return Err(format!("{external} is a port forward's"));
        }
        if address.is_some_and(|address| address != *external.ip()) {
            return Err(format!("{external} is not on the address of its host"));
        }
        if !self.addresses.contains(external.ip()) || !self.ports.contains(&external.port()) {
            return Err(format!("{external} is not one of ours"));
        }
        self.host_changes += usize::from(!self.hosts.contains_key(pair.inside.ip()));
        self.hosts.insert(*pair.inside.ip(), Some(*external.ip()));
        self.mappings.insert(
            key,
            Mapping {
                external: Some(external),
            },
        );
        Ok(())
    }

    pub(crate) fn send_in(&mut self, pair: Option<&Pair>, to: Ipv4Addr, what: What) -> Expected {
        if !self.addresses.contains(&to) {
            return Expected::Dropped(DropReason::NotForUs);
        }
        let Some(pair) = pair else {
            return Expected::Dropped(DropReason::NoMapping);
        };
        if let Some(session) = self.sessions.get(pair) {
            let before_answer = session.state == InsideSyn;
            let heard = session.heard && matches!(what, What::Ack | What::Fin);
            if before_answer && matches!(what, What::Ack | What::Fin | What::FarFin) && !heard {
                // It answers nothing, and the host has to see it (RFC 9293 section 3.5.1).
                return Expected::Forwarded;
            }
            self.step(pair, Side::Outside, what);
            return Expected::Forwarded;
        }
        if !self.admits(pair) {
            return Expected::Dropped(DropReason::Filtered);
        }
        match what {
            What::Udp | What::OtherUdp | What::Echo | What::Syn => Expected::Forwarded,
            _ => Expected::Dropped(DropReason::NoSession),
        }
    }

    /// The external endpoint of the mapping of this number among those of `protocol`; else one that
    /// is not in use.
    pub(crate) fn external_of(&self, index: usize, protocol: SessionProtocol) -> SocketAddrV4 {
        let of_protocol = self
            .mappings
            .iter()
            .filter(|((of, ..), _)| *of == protocol as u8);
        let mut known: Vec<_> = of_protocol
            .filter_map(|(_, mapping)| mapping.external)
            .collect();
        let forwarded = self
            .forwarded_endpoints()
            .filter(|(of, ..)| *of == protocol as u8);
        known.extend(forwarded.map(|(_, external, _)| external));
        match known.get(index) {
            Some(external) if !external.ip().is_unspecified() => *external,
            _ => at(
                if index.is_multiple_of(2) { N } else { N3 },
                29_999 + index as u16,
            ),
        }
    }

    /// The session, live or not, that a packet from `remote` to `external` would be of.
    pub(crate) fn pair_at(
        &self,
        protocol: SessionProtocol,
        external: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Option<Pair> {
        let protocol = protocol as u8;
        let is_it = |(of, _, serves): &Key, mapping: &Mapping| {
            *of == protocol
                && serves.is_none_or(|serves| serves == remote)
                && mapping.external == Some(external)
        };
        let found = self
            .mappings
            .iter()
            .find(|(key, mapping)| is_it(key, mapping));
        let forwarded = || {
            self.forwarded_endpoints()
                .find(|(of, forwarded, _)| *of == protocol && *forwarded == external)
        };
        let inside = found
            .map(|((_, inside, _), _)| *inside)
            .or_else(|| forwarded().map(|(.., inside)| inside))?;
        Some(Pair {
            protocol,
            inside,
            remote,
        })
    }

    /// Whether an address is one of the router's.
    #[allow(dead_code, reason = "not every test sends packets back inside")]
    pub(crate) fn is_external(&self, address: Ipv4Addr) -> bool {
        self.addresses.contains(&address)
    }

    /// The external endpoint from which the inside end of `pair` sends, if it has one.
    #[allow(dead_code, reason = "not every test sends packets back inside")]
    pub(crate) fn external_of_inside(&self, pair: &Pair) -> Option<SocketAddrV4> {
        let mapping = self.mappings.get(&self.key(pair));
        mapping.map_or_else(|| self.forward_of(pair), |mapping| mapping.external)
    }

    pub(crate) fn state(&self, pair: &Pair) -> Option<SessionState> {
        self.sessions.get(pair).map(|session| session.state)
    }

    /// Whether both ends of a connection know each other's numbers.
    pub(crate) fn is_answered(&self, pair: &Pair) -> bool {
        self.sessions
            .get(pair)
            .is_some_and(|session| session.answered)
    }

    /// Whether the inside has sent its FIN early, and would send it again.
    pub(crate) fn has_early_fin(&self, pair: &Pair) -> bool {
        self.sessions
            .get(pair)
            .is_some_and(|session| session.early_fin)
    }

    pub(crate) fn sessions(&self) -> Vec<SessionRow> {
        let rows = self.sessions.iter().map(|(pair, session)| {
            let mapping = self.mappings[&self.key(pair)];
            let external = mapping
                .external
                .expect("a mapping with sessions has been seen");
            let row = (
                pair.protocol,
                pair.inside,
                external,
                pair.remote,
                session.state,
            );
            (row, self.is_forwarded(pair), session.ends - self.now)
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|((protocol, inside, external, remote, _), ..)| {
            (*protocol, *inside, *external, *remote)
        });
        rows
    }

    /// Protocol, external endpoint and target of each port forward, as long as there is a primary
    /// address.
    fn forwarded_endpoints(&self) -> impl Iterator<Item = (u8, SocketAddrV4, SocketAddrV4)> + '_ {
        let primary = self.addresses.first().copied();
        let at_primary = move |forward: &PortForward| {
            Some((
                number(forward.protocol),
                at(primary?, forward.external_port),
                target(forward),
            ))
        };
        self.forwards.iter().filter_map(at_primary)
    }

    fn forward_of(&self, pair: &Pair) -> Option<SocketAddrV4> {
        let mut forwards = self.forwarded_endpoints();
        let found = forwards.find(|(of, _, target)| (*of, *target) == (pair.protocol, pair.inside));
        found.map(|(_, external, _)| external)
    }

    fn is_forwarded(&self, pair: &Pair) -> bool {
        self.forward_of(pair).is_some()
    }

    fn key(&self, pair: &Pair) -> Key {
        (
            pair.protocol,
            pair.inside,
            self.overlapping.then_some(pair.remote),
        )
    }

    fn end_mappings(&mut self, ends: impl Fn(&Key, &Mapping) -> bool) {
        let ended: Vec<_> = self
            .mappings
            .iter()
            .filter(|(key, mapping)| ends(key, mapping))
            .map(|(key, _)| *key)
            .collect();
        let overlapping = self.overlapping;
        let key = |pair: &Pair| {
            (
                pair.protocol,
                pair.inside,
                overlapping.then_some(pair.remote),
            )
        };
        self.end_sessions(|pair, _| ended.contains(&key(pair)));
    }

    fn end_sessions(&mut self, ends: impl Fn(&Pair, &Session) -> bool) {
        self.sessions.retain(|pair, session| !ends(pair, session));
        let used: BTreeSet<_> = self.sessions.keys().map(|pair| self.key(pair)).collect();
        let Self {
            hosts, mappings, ..
        } = self;
        mappings.retain(|key, _| used.contains(key));
        let before = hosts.len();
        hosts.retain(|host, _| mappings.keys().any(|(_, inside, _)| inside.ip() == host));
        self.host_changes += before - hosts.len();
    }

    /// RFC 4787 REQ-8 for a sender that no session names.
    fn admits(&self, pair: &Pair) -> bool {
        let sent_to_address = || {
            self.sessions.keys().any(|other| {
                (other.protocol, other.inside, other.remote.ip())
                    == (pair.protocol, pair.inside, pair.remote.ip())
            })
        };
        self.is_forwarded(pair)
            || match self.filtering {
                Filtering::AddressAndPortDependent => false,
                Filtering::AddressDependent => sent_to_address(),
                Filtering::EndpointIndependent => true,
            }
    }

    /// All that a new session of `pair` lacks, ports aside, and what it is refused for if nothing
    /// makes room.
    fn lacks(&self, pair: &Pair, state: SessionState) -> Vec<(Lack, DropReason)> {
        let mut lacks = Vec::new();
        let of_host = self
            .sessions
            .keys()
            .filter(|other| other.inside.ip() == pair.inside.ip())
            .count();
        if of_host >= self.sessions_per_host {
            lacks.push((Lack::Session, DropReason::HostLimit));
        }
        if matches!(state, InsideSyn | OutsideSyn)
            && self.half_open(pair) >= self.half_open_per_host
        {
            lacks.push((Lack::HalfOpen, DropReason::HalfOpenLimit));
        }
        let needed = self.slots_needed(pair);
        if self.capacities.1 - self.session_slots() < needed {
            lacks.push((Lack::Slots(needed), DropReason::SessionTableFull));
        }
        if !self.mappings.contains_key(&self.key(pair)) && self.mappings.len() == self.capacities.0
        {
            lacks.push((Lack::Mapping, DropReason::MappingTableFull));
        }
        lacks
    }

    /// The addresses that a new mapping of `pair` may get a port of; `None` if it has one, or need
    /// not draw it.
    fn addresses_for(&self, pair: &Pair) -> Vec<Option<Ipv4Addr>> {
        if self.mappings.contains_key(&self.key(pair)) || self.is_forwarded(pair) {
            return vec![None];
        }
        match self.hosts.get(pair.inside.ip()).copied().flatten() {
            Some(paired) => vec![Some(paired)],
            None => self.addresses.iter().copied().map(Some).collect(),
        }
    }

    /// How many ports of an address are not available for a new mapping of `pair`.
    fn taken_ports(&self, pair: &Pair, address: Ipv4Addr) -> usize {
        let serves = self.key(pair).2;
        let of_protocol = self
            .mappings
            .iter()
            .filter(|((protocol, _, remote), _)| (*protocol, *remote) == (pair.protocol, serves));
        let mapped = of_protocol.filter_map(|(_, mapping)| mapping.external);
        let forwarded = self
            .forwarded_endpoints()
            .filter(|(of, ..)| *of == pair.protocol)
            .map(|(_, e, _)| e);
        let ports: BTreeSet<_> = mapped
            .chain(forwarded)
            .filter(|e| *e.ip() == address)
            .map(|external| external.port())
            .collect();
        ports
            .into_iter()
            .filter(|port| self.ports.contains(port))
            .count()
    }

    /// Filtering by address remembers each remote address of a mapping in a slot of its own.
    fn address_slots(&self) -> BTreeSet<(u8, SocketAddrV4, Ipv4Addr)> {
        let dynamic = |pair: &&Pair| !self.is_forwarded(pair);
        let pairs = self
            .sessions
            .keys()
            .filter(dynamic)
            .filter(|pair| self.remembers_address(pair));
        pairs
            .map(|pair| (pair.protocol, pair.inside, *pair.remote.ip()))
            .collect()
    }

    fn remembers_address(&self, pair: &Pair) -> bool {
        self.filtering == Filtering::AddressDependent
            && pair.protocol != SessionProtocol::Icmp as u8
    }

    fn session_slots(&self) -> usize {
        self.sessions.len() + self.address_slots().len()
    }

    fn slots_needed(&self, pair: &Pair) -> usize {
        let forward = self.is_forwarded(pair);
        let known = self
            .address_slots()
            .contains(&(pair.protocol, pair.inside, *pair.remote.ip()));
        if self.remembers_address(pair) && !forward && !known {
            2
        } else {
            1
        }
    }

    /// RFC 6146 section 3.5.2 and RFC 7857 section 2: the state after a packet, and whether its
    /// timer restarts.
    fn step(&mut self, pair: &Pair, from: Side, what: What) {
        use Side::{Inside, Outside};
        use What::{Ack, FarFin, FarReset, Fin, Syn, SynAck};
        let session = self.sessions[pair];
        let before = kind(pair, &session);
        let far = matches!(what, FarFin | FarReset);
        let (next, refresh) = match (session.state, from, what) {
            (Active, Inside, _) => (Active, true),
            (Active, Outside, _) => (
                Active,
                self.now - session.last_sent < lifetime(pair, Active),
            ),
            (InsideSyn, Inside, Syn) => (InsideSyn, true),
            // The outside's own SYN may be forged: what acknowledges ours counts.
            (InsideSyn, Outside, Syn) => (InsideSyn, false),
            (InsideSyn, Outside, SynAck | Ack) => (Established, true),
            (InsideSyn, Outside, Fin) => (OutsideFin, true),
            // Before the outside has numbers of its own, what it acknowledges proves its RST.
            (InsideSyn, Outside, What::Reset | FarReset) => (Reset, true),
            // A FIN that went out before the handshake was over is acknowledged with it.
            (OutsideSyn, Outside, Ack) => (
                if session.early_fin {
                    InsideFin
                } else {
                    Established
                },
                true,
            ),
            (OutsideSyn, Outside, Fin) => (
                if session.early_fin {
                    Closing
                } else {
                    OutsideFin
                },
                true,
            ),
            (state, _, _) if far => (state, false),
            // A refused connection: the outside has no numbers, so nothing of it, nor a FIN to it,
            // is exact.
            (state, Outside, _) | (state, _, Fin) if state != Active && !session.answered => {
                (state, false)
            }
            (Reset | Established, Outside, Ack) if session.early_fin => (InsideFin, true),
            (Reset, Outside, Fin) if session.early_fin => (InsideFin, true),
            (Established, Outside, Fin) if session.early_fin => (Closing, true),
            // Behind a FIN that nothing has acknowledged, it is not at what is known to be the end.
            (Established, Inside, What::Reset) if session.early_fin => (Established, false),
            (InsideSyn | OutsideSyn | Established | InsideFin | OutsideFin, _, What::Reset) => {
                (Reset, true)
            }
            (Established, Inside, Fin) | (InsideFin, Inside, Fin) => (InsideFin, true),
            (Established, Outside, Fin) | (OutsideFin, Outside, Fin) => (OutsideFin, true),
            (InsideFin, Outside, Fin) | (OutsideFin, Inside, Fin) => (Closing, true),
            (state @ (Established | InsideFin | OutsideFin), _, Ack) => (state, true),
            (Closing | Reset, Inside, Syn) => (InsideSyn, true),
            (Closing | Reset, Inside, SynAck) => (OutsideSyn, true),
            // The other end has got the FIN that went before the RST.
            (Reset, Outside, Ack | Fin) if session.early_fin => (InsideFin, true),
            (Reset, _, Ack | Fin) => (Established, true),
            (state, _, _) => (state, false),
        };
        if let Some(session) = self.sessions.get_mut(pair) {
            session.answered = match (next, session.state) {
                (InsideSyn, _) => false,
                (Reset, InsideSyn) => session.heard,
                (OutsideSyn, _) | (Established | OutsideFin, InsideSyn) => true,
                _ => session.answered,
            };
            session.early_fin = match (session.state, from, what) {
                (OutsideSyn, Inside, Fin) => true,
                // With other numbers than before: it is a new connection.
                (OutsideSyn, Inside, SynAck) => false,
                // It is at the end of the FIN, and nothing can acknowledge the FIN again.
                (OutsideSyn, Inside, What::Reset) => false,
                (OutsideSyn, _, _) => session.early_fin && matches!(next, OutsideSyn | Reset),
                // Sent again in its place, it counts itself.
                (Reset | Established, Inside, Fin) => false,
                (Reset | Established, _, _) => {
                    session.early_fin && matches!(next, Reset | Established)
                }
                _ => false,
            };
            session.heard = match (session.state, from, what) {
                (InsideSyn, Outside, Syn) => true,
                (InsideSyn, _, _) => session.heard,
                _ => false,
            };
            session.state = next;
            session.converse(pair, from, (what, refresh));
            if kind(pair, session) != before {
                self.turns += 1;
                session.since = self.turns;
            }
        }
        if refresh {
            self.refresh(pair);
        }
    }

    fn refresh(&mut self, pair: &Pair) {
        if let Some(session) = self.sessions.get_mut(pair) {
            session.ends = self.now + lifetime(pair, session.state);
        }
    }
}

impl Session {
    /// What a packet other than TCP makes of a question and its answer. To a DNS server, and by
    /// ICMP, each is one of its own.
    fn converse(&mut self, pair: &Pair, from: Side, (what, heard): (What, bool)) {
        let each_alone = pair.protocol == SessionProtocol::Icmp as u8 || pair.remote.port() == 53;
        match from {
            Side::Inside => {
                self.question = (each_alone || self.question == Some(what)).then_some(what);
                self.replied = false;
            }
            Side::Outside => self.replied |= heard,
        }
    }
}

/// The kinds of sessions that may be evicted, the first first: the one that may not for a session
/// from outside is the last.
fn kind(pair: &Pair, session: &Session) -> Option<u8> {
    match session.state {
        Reset => Some(0),
        Closing => Some(1),
        Active if pair.protocol != SessionProtocol::Tcp as u8 => {
            (session.question.is_some() && session.replied).then_some(2)
        }
        OutsideSyn => Some(3),
        InsideSyn => Some(INSIDE_SYN),
        Active | Established | InsideFin | OutsideFin => None,
    }
}

const INSIDE_SYN: u8 = 4;

/// The timers of `Timeouts::RFC`, written down once more.
fn lifetime(pair: &Pair, state: SessionState) -> Duration {
    Duration::from_secs(match state {
        Active if pair.protocol == SessionProtocol::Icmp as u8 => 60,
        Active if pair.remote.port() == 53 => 30,
        Active => 300,
        Established | InsideFin | OutsideFin => 7440,
        InsideSyn | OutsideSyn | Closing | Reset => 240,
    })
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => SessionProtocol::Tcp as u8,
        Protocol::Udp => SessionProtocol::Udp as u8,
    }
}

fn target(forward: &PortForward) -> SocketAddrV4 {
    at(forward.inside_address, forward.inside_port)
}
