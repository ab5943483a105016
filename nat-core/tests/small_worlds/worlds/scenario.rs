//! The worlds that are explored: the configuration of the engine, and what can happen to it.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::ops::RangeInclusive;
use core::time::Duration;

use nat_core::{
    Cidr, Config, Filtering, Fragments, Instant, Mapping, Nat, PortForward, PortRange, Protocol,
    Seed, SessionProtocol, Side, Tables, Timeouts,
};

use super::action::{Action, Load, Number, Pause};
use super::modelled::Model;
use super::naive::Naive;
use super::packet::Part;
use super::what::What;
use super::world::{N, N2, World, at};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const A: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
const B: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 11);
/// The inside hosts.
pub(crate) const HOSTS: [Ipv4Addr; 2] = [A, B];
const A0: SocketAddrV4 = at(A, 5000);
const A1: SocketAddrV4 = at(A, 5001);
const B0: SocketAddrV4 = at(B, 5000);

const S1: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const R0: SocketAddrV4 = at(S1, 80);
const R1: SocketAddrV4 = at(S1, 81);
const DNS: SocketAddrV4 = at(Ipv4Addr::new(198, 51, 100, 20), 53);

/// The external ports.
pub(crate) const PORTS: RangeInclusive<u16> = 30_000..=30_001;
const E0: SocketAddrV4 = at(N, 30_000);
const E1: SocketAddrV4 = at(N, 30_001);

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

    fn actions(self) -> Vec<Action> {
        match self {
            Self::Udp => udp(),
            Self::Tcp => tcp(),
            Self::Control => control(),
            Self::Hairpin => hairpin(),
            Self::Numbers => numbers(),
            Self::Fragments => fragments(),
            Self::Errors => errors(),
            Self::Quotas => quotas(),
            Self::All => all(),
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
            actions: topic.actions(),
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
    /// new mapping may get, with one address and with two.
    fn find_draws(&self) -> Vec<u64> {
        let mut found = Vec::new();
        let mut draws = Vec::new();
        for draw in 0..64 {
            let drawn = [&[N][..], &[N, N2]].map(|addresses| self.drawn(addresses, draw));
            if !found.contains(&drawn) {
                found.push(drawn);
                draws.push(draw);
            }
        }
        draws
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

const fn out(source: SocketAddrV4, destination: SocketAddrV4, load: Load) -> Action {
    Action::Send {
        from: Side::Inside,
        source,
        destination,
        load,
    }
}

const fn come_in(source: SocketAddrV4, destination: SocketAddrV4, load: Load) -> Action {
    Action::Send {
        from: Side::Outside,
        source,
        destination,
        load,
    }
}

/// Every packet from one of `sources` to one of `destinations`.
fn each(
    send: fn(SocketAddrV4, SocketAddrV4, Load) -> Action,
    sources: &[SocketAddrV4],
    destinations: &[SocketAddrV4],
    loads: &[Load],
) -> Vec<Action> {
    let mut actions = Vec::new();
    for source in sources {
        for destination in destinations {
            actions.extend(loads.iter().map(|load| send(*source, *destination, *load)));
        }
    }
    actions
}

fn meanings(whats: &[What]) -> Vec<Load> {
    whats.iter().copied().map(Load::Meaning).collect()
}

fn segments(numbers: &[Number]) -> Vec<Load> {
    numbers.iter().copied().map(Load::Segment).collect()
}

fn pauses() -> Vec<Action> {
    let pauses = [
        Pause::JustBeforeTimeout,
        Pause::Timeout,
        Pause::TimeoutUnnoticed,
        Pause::For(Duration::from_secs(30)),
    ];
    pauses.map(Action::Wait).to_vec()
}

fn echoes() -> Vec<Action> {
    let echo = [Load::Meaning(What::Echo)];
    let server = [at(S1, 0)];
    [
        each(out, &[A0, B0], &server, &echo),
        each(come_in, &server, &[E0, E1], &echo),
    ]
    .concat()
}

fn udp() -> Vec<Action> {
    let questions = meanings(&[What::Udp, What::OtherUdp]);
    let answer = meanings(&[What::Udp]);
    [
        each(out, &[A0, A1, B0], &[R0, R1, DNS], &questions),
        each(come_in, &[R0, R1, DNS], &[E0, E1], &answer),
        each(out, &[A0, B0], &[E0, E1], &answer),
        echoes(),
        pauses(),
    ]
    .concat()
}

fn tcp() -> Vec<Action> {
    use What::{Ack, FarFin, FarReset, Fin, Reset, Syn, SynAck};
    let segments = meanings(&[Syn, SynAck, Ack, Fin, FarFin, Reset, FarReset]);
    [
        each(out, &[A0, B0], &[R0, R1], &segments),
        each(come_in, &[R0, R1], &[E0, E1], &segments),
        pauses(),
        vec![Action::Wait(Pause::For(Duration::from_secs(4)))],
    ]
    .concat()
}

fn control() -> Vec<Action> {
    use What::{Ack, Fin, Reset, Syn, SynAck, Udp};
    let other = at(N2, 30_000);
    let outbound = meanings(&[Udp, Syn, SynAck, Ack, Fin, Reset]);
    let inbound = meanings(&[Udp, Syn, SynAck, Ack, Fin, Reset]);
    let forward = |protocol| PortForward::new(protocol, 30_000, A0);
    let (tcp, udp) = (forward(Protocol::Tcp), forward(Protocol::Udp));
    [
        each(out, &[A0, B0], &[R0], &outbound),
        each(come_in, &[R0], &[E0, E1, other], &inbound),
        vec![
            Action::SetAddresses(&[N]),
            Action::SetAddresses(&[N2]),
            Action::SetAddresses(&[N, N2]),
            Action::SetAddresses(&[]),
            Action::AddForward(tcp),
            Action::AddForward(udp),
            Action::RemoveForward(tcp),
            Action::RemoveForward(udp),
            Action::Clear,
        ],
        pauses(),
    ]
    .concat()
}

fn hairpin() -> Vec<Action> {
    use Number::{Ack, Fin, OtherSyn, Reset, Syn, SynAck};
    let inside = [A0, A1, B0];
    let hairpins = segments(&[Syn, OtherSyn, SynAck, Ack, Fin, Reset]);
    let udp = meanings(&[What::Udp]);
    [
        each(out, &inside, &[E0, E1], &hairpins),
        each(out, &inside, &[E0, E1], &udp),
        each(out, &inside, &[R0], &segments(&[Syn, Reset])),
        each(out, &inside, &[R0], &udp),
        each(come_in, &[R0], &[E0, E1], &segments(&[SynAck, Reset])),
        each(come_in, &[R0], &[E0, E1], &udp),
        pauses(),
    ]
    .concat()
}

fn numbers() -> Vec<Action> {
    let every = segments(&Number::ALL);
    [
        each(out, &[A0], &[R0, R1], &every),
        each(out, &[B0], &[R0], &segments(&[Number::Syn])),
        each(come_in, &[R0, R1], &[E0, E1], &every),
        pauses(),
    ]
    .concat()
}

fn parts() -> Vec<Load> {
    [
        (Part::First, 1),
        (Part::Last, 1),
        (Part::First, 2),
        (Part::Last, 2),
    ]
    .map(|(part, id)| Load::Fragment(part, id))
    .to_vec()
}

fn fragments() -> Vec<Action> {
    let udp = meanings(&[What::Udp]);
    let seconds = |seconds| Action::Wait(Pause::For(Duration::from_secs(seconds)));
    let millis = |millis| Action::Wait(Pause::For(Duration::from_millis(millis)));
    [
        each(out, &[A0, B0], &[R0], &parts()),
        each(come_in, &[R0, R1], &[E0, E1], &parts()),
        each(out, &[B0], &[E0], &parts()),
        each(out, &[A0, B0], &[R0, R1], &udp),
        vec![millis(1999), seconds(2), millis(14_999), seconds(15)],
        vec![Action::SetAddresses(&[N2]), Action::SetAddresses(&[N])],
        pauses(),
    ]
    .concat()
}

fn error_loads() -> Vec<Load> {
    [SessionProtocol::Udp, SessionProtocol::Tcp]
        .map(Load::Error)
        .to_vec()
}

fn errors() -> Vec<Action> {
    let udp = meanings(&[What::Udp]);
    let tcp = segments(&[
        Number::Syn,
        Number::SynAck,
        Number::Ack,
        Number::Fin,
        Number::Reset,
    ]);
    [
        each(out, &[A0, B0], &[R0, E0, E1], &error_loads()),
        each(come_in, &[R0, R1], &[E0, E1], &error_loads()),
        each(out, &[A0, B0], &[R0], &[udp.clone(), tcp.clone()].concat()),
        each(come_in, &[R0], &[E0, E1], &[udp, tcp].concat()),
        pauses(),
    ]
    .concat()
}

fn quotas() -> Vec<Action> {
    let udp = meanings(&[What::Udp]);
    let tcp = segments(&[Number::Syn, Number::Ack, Number::Reset]);
    let answers = segments(&[Number::SynAck, Number::Fin, Number::Reset]);
    [
        each(
            out,
            &[A0, A1],
            &[R0, R1],
            &[udp.clone(), tcp.clone()].concat(),
        ),
        each(out, &[B0], &[R0], &[udp.clone(), tcp].concat()),
        each(come_in, &[R0, R1], &[E0, E1], &[udp, answers].concat()),
        pauses(),
    ]
    .concat()
}

fn all() -> Vec<Action> {
    let mut actions = Vec::new();
    let fixed = [hairpin(), numbers(), fragments(), errors(), echoes()].concat();
    let changes = control().into_iter().filter(|action| !is_send(action));
    for action in fixed.into_iter().chain(changes) {
        let known = format!("{action:?}");
        if !actions.iter().any(|other| format!("{other:?}") == known) {
            actions.push(action);
        }
    }
    actions
}

fn is_send(action: &Action) -> bool {
    matches!(action, Action::Send { .. })
}
