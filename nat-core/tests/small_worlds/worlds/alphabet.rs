//! What can happen in the worlds of each topic.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{PortForward, Protocol, SessionProtocol, Side};

use super::action::{Action, Load, Number, Pause, Sending};
use super::packet::Part;
use super::scenario::Topic;
use super::what::What;
use super::world::{N, N2, at};

pub(crate) const A: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
pub(crate) const B: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 11);
pub(crate) const A0: SocketAddrV4 = at(A, 5000);
const A1: SocketAddrV4 = at(A, 5001);
const B0: SocketAddrV4 = at(B, 5000);

pub(crate) const S1: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
pub(crate) const R0: SocketAddrV4 = at(S1, 80);
const R1: SocketAddrV4 = at(S1, 81);
const DNS: SocketAddrV4 = at(Ipv4Addr::new(198, 51, 100, 20), 53);

const E0: SocketAddrV4 = at(N, 30_000);
const E1: SocketAddrV4 = at(N, 30_001);

pub(crate) fn actions(topic: Topic) -> Vec<Action> {
    match topic {
        Topic::Udp => udp(),
        Topic::Tcp => tcp(),
        Topic::Control => control(),
        Topic::Hairpin => hairpin(),
        Topic::Numbers => numbers(),
        Topic::Fragments => fragments(),
        Topic::Errors => errors(),
        Topic::Quotas => quotas(),
        Topic::All => all(),
    }
}

pub(crate) const fn out(source: SocketAddrV4, destination: SocketAddrV4, load: Load) -> Action {
    Action::Send(Sending {
        from: Side::Inside,
        source,
        destination,
        load,
    })
}

const fn come_in(source: SocketAddrV4, destination: SocketAddrV4, load: Load) -> Action {
    Action::Send(Sending {
        from: Side::Outside,
        source,
        destination,
        load,
    })
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
        each(out, &[A0, B0], &[E0, E1], &udp),
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
    let fixed = [hairpin(), numbers(), fragments(), errors(), echoes()].concat();
    let changes = control().into_iter().filter(|action| !is_send(action));
    let mut actions: Vec<Action> = Vec::new();
    for action in fixed.into_iter().chain(changes) {
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    actions
}

fn is_send(action: &Action) -> bool {
    matches!(action, Action::Send(_))
}
