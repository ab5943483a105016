//! The worlds that are explored: the configuration of the engine, and what can happen to it.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::ops::RangeInclusive;

use nat_core::{
    Cidr, Config, Filtering, Fragments, Instant, Mapping, Nat, PortRange, Seed, Side, Tables,
    Timeouts,
};

use super::action::{Action, Load, Sending};
use super::alphabet::{A, A0, B, R0, S1, actions, out};
use super::modelled::Model;
use super::naive::Naive;
use super::what::What;
use super::world::{N, N2, World, at, known_of};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// The inside hosts.
pub(crate) const HOSTS: [Ipv4Addr; 2] = [A, B];

/// The external ports.
pub(crate) const PORTS: RangeInclusive<u16> = 30_000..=30_001;
const MAPPINGS: usize = 2;
/// Two hosts, and a slot that is reserved for the router itself.
const HOST_SLOTS: usize = 3;

/// How external ports are chosen, and who may send to them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Endpoint-independent mapping with each filter.
    Filtering(Filtering),
    /// Ports overlap, which takes the strictest filter.
    Overlapping,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] = [
        Self::Filtering(Filtering::AddressAndPortDependent),
        Self::Filtering(Filtering::AddressDependent),
        Self::Filtering(Filtering::EndpointIndependent),
        Self::Overlapping,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Filtering(Filtering::AddressAndPortDependent) => "strict",
            Self::Filtering(Filtering::AddressDependent) => "address",
            Self::Filtering(Filtering::EndpointIndependent) => "open",
            Self::Overlapping => "overlapping",
        }
    }

    pub(crate) fn filtering(self) -> Filtering {
        match self {
            Self::Filtering(filtering) => filtering,
            Self::Overlapping => Filtering::AddressAndPortDependent,
        }
    }

    /// Filtering by address takes a slot for each remote address, so there is one more.
    fn sessions(self) -> usize {
        match self.filtering() {
            Filtering::AddressDependent => 4,
            _ => 3,
        }
    }
}

/// What a world is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Topic {
    Udp,
    Tcp,
    Control,
    Hairpin,
    Numbers,
    Fragments,
    Errors,
    Quotas,
    All,
}

impl Topic {
    pub(crate) const ALL: [Self; 9] = [
        Self::Udp,
        Self::Tcp,
        Self::Control,
        Self::Hairpin,
        Self::Numbers,
        Self::Fragments,
        Self::Errors,
        Self::Quotas,
        Self::All,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Control => "control",
            Self::Hairpin => "hairpin",
            Self::Numbers => "numbers",
            Self::Fragments => "fragments",
            Self::Errors => "errors",
            Self::Quotas => "quotas",
            Self::All => "all",
        }
    }

    /// Whether the naive model knows all that can happen.
    fn is_modelled(self) -> bool {
        matches!(self, Self::Udp | Self::Tcp | Self::Control)
    }

    fn half_open_per_host(self) -> u16 {
        match self {
            Self::Control | Self::Hairpin => 1,
            _ => u16::MAX,
        }
    }
}

pub(crate) struct Scenario {
    pub(crate) topic: Topic,
    pub(crate) mode: Mode,
    pub(crate) actions: Vec<Action>,
    /// When the clock starts: shortly before its lower 32 bits wrap.
    pub(crate) start: Instant,
    /// Whether slots are reserved for each host.
    pub(crate) reserves: bool,
    /// From where the external ports are drawn: between them, these draw each address and port.
    pub(crate) draws: Vec<u64>,
}

impl Scenario {
    pub(crate) fn new(topic: Topic, mode: Mode) -> Self {
        let mut scenario = Self {
            topic,
            mode,
            actions: actions(topic),
            start: Instant::from_millis((1 << 32) - 100_000),
            reserves: topic == Topic::Quotas,
            draws: Vec::new(),
        };
        scenario.draws = scenario.find_draws();
        scenario
    }

    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.topic.name(), self.mode.name())
    }

    pub(crate) fn engine(&self) -> Nat<'static> {
        match self.mode.sessions() {
            3 => self.engine_of(Box::leak(
                Box::new(Tables::<MAPPINGS, 3, HOST_SLOTS>::new()),
            )),
            _ => self.engine_of(Box::leak(
                Box::new(Tables::<MAPPINGS, 4, HOST_SLOTS>::new()),
            )),
        }
    }

    fn engine_of<const SESSIONS: usize>(
        &self,
        tables: &'static mut Tables<MAPPINGS, SESSIONS, HOST_SLOTS>,
    ) -> Nat<'static> {
        let nat = Nat::new(tables, self.config(), Seed::new(*b"every small seed"));
        let fragments = Box::leak(Box::new(Fragments::<2, 2>::new()));
        nat.expect("the configuration can work")
            .with_fragments(fragments)
    }

    pub(crate) fn model(&self) -> Option<Model> {
        let naive = Naive::new(
            self.mode == Mode::Overlapping,
            self.mode.filtering(),
            (u16::MAX, self.topic.half_open_per_host()),
            *PORTS.start()..*PORTS.end() + 1,
        );
        let capacities = (MAPPINGS, self.mode.sessions(), HOST_SLOTS);
        let model = Model::new(naive.with_capacities(capacities));
        self.topic.is_modelled().then_some(model)
    }

    fn config(&self) -> Config {
        let mut config = Config::new(Cidr::new(ROUTER, 24).expect("a prefix length"));
        config.external_addresses.push(N).expect("room for one");
        config.filtering = self.mode.filtering();
        if self.mode == Mode::Overlapping {
            config.mapping = Mapping::AddressAndPortDependent;
        }
        config.timeouts = Timeouts::RFC;
        config.ports = PortRange::new(*PORTS.start(), *PORTS.end()).expect("two ports");
        let limits = &mut config.limits;
        limits.sessions_per_host = Some(u16::MAX);
        limits.mappings_per_host = Some(u16::MAX);
        limits.half_open_per_host = Some(self.topic.half_open_per_host());
        limits.half_open = Some(u16::MAX);
        limits.reserved_per_host = Some(self.reserves.into());
        limits.icmp_error_burst = u16::MAX;
        limits.icmp_errors_per_second = u16::MAX;
        config
    }

    /// The first positions in the sequence of external ports that lead to each external endpoint a
    /// new mapping may get: with one address, and with two where there may be two.
    fn find_draws(&self) -> Vec<u64> {
        let two = Action::SetAddresses(&[N, N2]);
        let may_be_two = self.actions.contains(&two);
        let lists: &[&[Ipv4Addr]] = if may_be_two {
            &[&[N], &[N, N2]]
        } else {
            &[&[N]]
        };
        let mut found = Vec::new();
        let mut draws = Vec::new();
        for draw in 0..64 {
            let drawn: Vec<_> = lists.iter().map(|list| self.drawn(list, draw)).collect();
            if !found.contains(&drawn) {
                found.push(drawn);
                draws.push(draw);
            }
        }
        draws
    }

    /// What an engine knows of its first session after the first packet, which goes to this port.
    pub(crate) fn beginning(&self, load: Load, port: u16) -> u64 {
        let mut world = World::new(self);
        world.model = None;
        let first = Sending {
            from: Side::Inside,
            source: A0,
            destination: at(S1, port),
            load,
        };
        let mut packet = first.packet().expect("a packet that needs no model");
        let _forwarded = world
            .nat
            .process(packet.bytes_mut(), Side::Inside, self.start);
        let session = world.sessions().first().copied();
        session.map_or(0, |session| known_of(&world.nat, &session))
    }

    fn drawn(&self, addresses: &[Ipv4Addr], draw: u64) -> Option<SocketAddrV4> {
        let mut world = World::new(self);
        let set = world.nat.set_external_addresses(addresses, self.start);
        set.expect("the addresses can work");
        world.model = None;
        let send = out(A0, R0, Load::Meaning(What::Udp));
        world.perform(self, &send, draw).expect("an empty world");
        world.sessions().first().map(|session| session.external)
    }
}
