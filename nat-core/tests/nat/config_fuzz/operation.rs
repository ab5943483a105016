//! What is done to the engine.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use etherparse::IpNumber;
use nat_core::{
    MappingRequest, Nat, PortForward, Protocol, SessionInfo, SessionProtocol, Side, Timeouts,
};

use super::setting::{EXTERNAL, HOSTS, one_of};
use super::world::*;

const INSIDE_PORTS: [u16; 9] = [53, 68, 80, 81, 502, 2000, 2001, 30_000, 30_003];
const EXTERNAL_PORTS: [u16; 11] = [64, 66, 67, 68, 80, 500, 502, 2000, 30_000, 30_001, 30_003];
const REMOTES: [SocketAddrV4; 6] = [
    at(S1, 80),
    at(S1, 81),
    at(S2, 80),
    at(S2, 53),
    at(ATTACKER, 67),
    at(S1, 9),
];
const FLAGS: [u8; 12] = [
    SYN,
    SYN,
    SYN,
    SYN | ACK,
    ACK,
    ACK | PSH,
    ACK | FIN,
    RST,
    RST | ACK,
    SYN | FIN,
    0,
    FIN | PSH | URG,
];

/// The packets that were forwarded last, with the side that they left by and the inside endpoint
/// that sent them.
#[derive(Default)]
pub(crate) struct Recent(pub(crate) Vec<(Side, Vec<u8>)>);

impl Recent {
    fn note(&mut self, side: Side, packet: &Packet) {
        if self.0.len() == 12 {
            self.0.remove(0);
        }
        self.0.push((side, packet.bytes()));
    }

    fn any(&self, random: &mut fastrand::Rng, side: Side) -> Option<&[u8]> {
        let left: Vec<_> = self.0.iter().filter(|(by, _)| *by == side).collect();
        (!left.is_empty()).then(|| &left[random.usize(..left.len())].1[..])
    }
}

/// A run of operations on one world.
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) recent: Recent,
    pub(crate) trace: Vec<String>,
}

impl Run {
    pub(crate) fn new(mut world: World) -> Self {
        // The engine knows the time before any operation turns it back.
        world.advance(Duration::ZERO);
        Self {
            world,
            recent: Recent::default(),
            trace: Vec::new(),
        }
    }

    /// Performs the operation that `seed` gives. It depends on earlier operations only through the
    /// state.
    pub(crate) fn perform(&mut self, seed: u64) {
        let random = &mut fastrand::Rng::with_seed(seed);
        match random.u8(..100) {
            0..35 => self.send_out(random),
            35..45 => self.send_in(random),
            45..58 => self.answer(random),
            58..64 => self.report_error(random),
            64..69 => self.send_as_router(random),
            69..74 => self.send_fragments(random),
            74..86 => self.pass_time(random),
            86..89 => self.forward(random),
            89..91 => self.unforward(random),
            91 => self.request(random),
            92..95 => self.change_addresses(random),
            95..98 => self.drain(random),
            98 => self.change_mtu(random),
            _ => {
                self.trace.push("clear".into());
                self.world.clear();
            }
        }
    }

    fn send_out(&mut self, random: &mut fastrand::Rng) {
        let sources = [&HOSTS[..], &[ROUTER, S1, N]].concat();
        let host = if random.u8(..12) == 0 {
            one_of(random, &sources)
        } else {
            one_of(random, &HOSTS)
        };
        let packet = self.anything(random, host);
        self.emit(Side::Inside, &vary(random, packet), random);
    }

    /// A packet of `host` to somewhere outside, to an external endpoint, or to an endpoint inside.
    fn anything(&self, random: &mut fastrand::Rng, host: Ipv4Addr) -> Datagram {
        let source = at(host, one_of(random, &INSIDE_PORTS));
        let target = match random.u8(..10) {
            0..7 => one_of(random, &REMOTES),
            7 => at(one_of(random, &EXTERNAL), one_of(random, &EXTERNAL_PORTS)),
            8 => any_session(random, &self.world).map_or(REMOTES[0], |session| session.external),
            _ => at(
                one_of(random, &[H1, H2, ROUTER]),
                one_of(random, &INSIDE_PORTS),
            ),
        };
        match random.u8(..8) {
            0..3 => udp(source, target),
            3..6 => tcp(source, target, one_of(random, &FLAGS)),
            6 => echo_request(host, *target.ip(), random.u16(1..5)),
            _ => echo_reply(host, *target.ip(), random.u16(1..5)),
        }
    }

    fn anything_of_a_host(&self, random: &mut fastrand::Rng) -> Datagram {
        let host = one_of(random, &HOSTS);
        self.anything(random, host)
    }

    fn send_in(&mut self, random: &mut fastrand::Rng) {
        let from = one_of(random, &REMOTES);
        let to = at(
            one_of(random, &[N, N, N2, N3, H1]),
            if random.bool() {
                one_of(random, &EXTERNAL_PORTS)
            } else {
                one_of(random, &INSIDE_PORTS)
            },
        );
        let packet = match random.u8(..8) {
            0..3 => udp(from, to),
            3..6 => tcp(from, to, one_of(random, &FLAGS)),
            6 => echo_request(*from.ip(), *to.ip(), random.u16(1..5)),
            _ => echo_reply(*from.ip(), *to.ip(), to.port()),
        };
        self.emit(Side::Outside, &vary(random, packet), random);
    }

    /// Traffic of a session that is there, either way.
    fn answer(&mut self, random: &mut fastrand::Rng) {
        let Some(session) = any_session(random, &self.world) else {
            return;
        };
        let SessionInfo {
            protocol,
            inside,
            external,
            remote,
            ..
        } = session;
        let out = random.bool();
        let (from, to) = if out {
            (inside, remote)
        } else {
            (remote, external)
        };
        let packet = match protocol {
            SessionProtocol::Udp => udp(from, to),
            SessionProtocol::Tcp => {
                tcp(from, to, one_of(random, &FLAGS)).seq(one_of(random, &[1000, 1001, 9]))
            }
            SessionProtocol::Icmp if out => echo_request(*from.ip(), *to.ip(), from.port()),
            SessionProtocol::Icmp => echo_reply(*from.ip(), *to.ip(), to.port()),
        };
        let packet = if protocol == SessionProtocol::Tcp {
            packet.ack(1001)
        } else {
            packet
        };
        let side = if out { Side::Inside } else { Side::Outside };
        self.emit(side, &vary(random, packet), random);
    }

    /// An ICMP error about a packet that was forwarded, from its receiver or from a router on its
    /// way.
    fn report_error(&mut self, random: &mut fastrand::Rng) {
        let left = one_of(random, &[Side::Inside, Side::Outside]);
        let Some(quote) = self.recent.any(random, left).map(<[u8]>::to_vec) else {
            return;
        };
        let packet = Packet::parse(&quote);
        let teller = match left {
            Side::Inside => one_of(random, &[*packet.destination().ip(), H3]),
            Side::Outside => one_of(random, &[*packet.destination().ip(), TRANSIT]),
        };
        let kind = one_of(random, &[(3, 1), (3, 3), (3, 4), (11, 0), (12, 0)]);
        let error = icmp_error(teller, *packet.source().ip(), kind, &quote);
        let error = if kind == (3, 4) {
            error.rest([0, 0, 2, 64])
        } else {
            error
        };
        self.emit(left, &error, random);
    }

    fn send_as_router(&mut self, random: &mut fastrand::Rng) {
        let source = one_of(random, &[N, N, N2, N3, ROUTER, Ipv4Addr::UNSPECIFIED]);
        let packet = self.anything(random, source);
        let packet = vary(random, packet);
        self.trace.push(format!("router: {}", name(&packet)));
        let outcome = self.world.router_sends(&packet);
        self.note(Side::Outside, &outcome);
    }

    /// The fragments of a datagram, in any order, perhaps not all.
    fn send_fragments(&mut self, random: &mut fastrand::Rng) {
        let (side, whole) = match any_session(random, &self.world).filter(|_| random.bool()) {
            Some(session) => (Side::Outside, udp(session.remote, session.external)),
            None => (Side::Inside, self.anything_of_a_host(random)),
        };
        let whole = whole
            .payload(&random_bytes(random, 80))
            .may_fragment()
            .id(random.u16(..3));
        let mut fragments = whole.cut(&[one_of(random, &[24, 40]), 16]);
        random.shuffle(&mut fragments);
        for fragment in &fragments[random.usize(..2)..] {
            self.emit(side, fragment, random);
        }
    }

    fn pass_time(&mut self, random: &mut fastrand::Rng) {
        let millis = one_of(
            random,
            &[
                1,
                300,
                1000,
                2500,
                20_000,
                121_000,
                400_000,
                8_000_000,
                1_100_000_000,
            ],
        );
        let duration = Duration::from_millis(millis);
        let way = random.u8(..8);
        self.trace.push(format!("{way}: {duration:?} pass"));
        match way {
            0 => self.world.jump(duration),
            1 => self.world.step_back(duration.min(secs(3))),
            _ => self.world.advance(duration),
        }
    }

    fn forward(&mut self, random: &mut fastrand::Rng) {
        let inside = at(one_of(random, &HOSTS), one_of(random, &INSIDE_PORTS));
        let protocol = one_of(random, &[Protocol::Tcp, Protocol::Udp]);
        let mut forward = PortForward::new(protocol, one_of(random, &EXTERNAL_PORTS), inside);
        forward.external_address = random.bool().then(|| one_of(random, &EXTERNAL));
        forward.ports = random.u16(1..4);
        let added = self.world.nat.add_port_forward(forward);
        self.trace.push(format!("{forward:?}: {added:?}"));
    }

    /// A host asks for an external port, gives one up, or asks for longer.
    fn request(&mut self, random: &mut fastrand::Rng) {
        let inside = at(one_of(random, &HOSTS), one_of(random, &INSIDE_PORTS));
        let protocol = one_of(random, &[Protocol::Tcp, Protocol::Udp]);
        let any_session = any_session(random, &self.world).filter(|_| random.bool());
        let (protocol, inside) = match any_session {
            Some(session) if session.protocol == SessionProtocol::Tcp => {
                (Protocol::Tcp, session.inside)
            }
            Some(session) => (Protocol::Udp, session.inside),
            None => (protocol, inside),
        };
        if random.u8(..4) == 0 {
            let ended = self.world.end_explicit_mapping(protocol, inside);
            self.trace
                .push(format!("{inside} gives up {protocol:?}: {ended:?}"));
            return;
        }
        let lifetime = one_of(random, &[secs(0), secs(2), secs(120), Timeouts::MAX]);
        let mut request = MappingRequest::new(protocol, inside, lifetime);
        request.suggested_port = random.bool().then(|| one_of(random, &EXTERNAL_PORTS));
        request.only_suggested = random.u8(..4) == 0;
        let granted = self.world.request_mapping(&request);
        self.trace.push(format!("{request:?}: {granted:?}"));
        if let Ok(mapping) = granted {
            super::invariants::check_granted(&self.world, &request, &mapping);
        }
    }

    fn unforward(&mut self, random: &mut fastrand::Rng) {
        let forwards: Vec<_> = self.world.nat.port_forwards().collect();
        if !forwards.is_empty() {
            let forward = one_of(random, &forwards);
            self.trace.push(format!("remove {forward:?}"));
            assert!(self.world.remove_port_forward(&forward));
        }
    }

    fn change_addresses(&mut self, random: &mut fastrand::Rng) {
        let mut addresses = EXTERNAL.to_vec();
        random.shuffle(&mut addresses);
        addresses.truncate(random.usize(..4));
        self.trace.push(format!("addresses {addresses:?}"));
        self.world
            .set_external_addresses(&addresses)
            .expect("three addresses of hosts");
    }

    fn drain(&mut self, random: &mut fastrand::Rng) {
        let (address, longest) = (
            one_of(random, &EXTERNAL),
            one_of(random, &[secs(0), secs(30), secs(350)]),
        );
        let drains = self.world.drain_address(address, longest);
        self.trace
            .push(format!("drain {address} for {longest:?}: {drains}"));
    }

    fn change_mtu(&mut self, random: &mut fastrand::Rng) {
        let (side, mtu) = (
            one_of(random, &[Side::Inside, Side::Outside]),
            one_of(random, &[68, 72, 576, 1500]),
        );
        self.trace.push(format!("MTU {mtu} {side:?}"));
        self.world.nat.set_mtu(side, mtu).expect("an MTU");
    }

    /// Sends a packet, and sometimes the answer to it.
    fn emit(&mut self, side: Side, packet: &Datagram, random: &mut fastrand::Rng) {
        self.trace.push(format!("{side:?}: {}", name(packet)));
        let outcome = match side {
            Side::Inside => self.world.outbound(packet),
            Side::Outside => self.world.inbound(packet),
        };
        self.trace.push(format!("    {}", result(&outcome)));
        self.check_exhaustion(side, packet, &outcome);
        let by = self.note(side.opposite(), &outcome);
        if let Outcome::Forwarded(left) = &outcome
            && (side, by) == (Side::Inside, Some(Side::Outside))
            && random.u8(..3) == 0
        {
            self.check_answer(&Packet::parse(&packet.bytes()), left);
        }
    }

    /// Notes what was forwarded, and by which side it left.
    fn note(&mut self, usual: Side, outcome: &Outcome) -> Option<Side> {
        for released in self.world.take_released() {
            self.trace
                .push(format!("    released: {}", result(&released)));
        }
        let (Outcome::Forwarded(packet) | Outcome::Fragmented(packet, _)) = outcome else {
            return None;
        };
        let inside = HOSTS.contains(packet.destination().ip());
        let side = if inside { Side::Inside } else { usual };
        if !packet.is_later_fragment() {
            self.recent.note(side, packet);
        }
        Some(side)
    }

    /// What answers the last packet of a session reaches the host that sent it.
    fn check_answer(&mut self, sent: &Packet, left: &Packet) {
        let (from, to) = (left.destination(), left.source());
        // Packets to the DHCP client's port are for the router, whichever host has asked; from
        // another port than the server's, unless it is for an inside address.
        if left.ip.protocol == IpNumber::UDP
            && to.port() == 68
            && (from.port() == 67 || !HOSTS.contains(to.ip()))
        {
            return;
        }
        let whole = !left.is_first_fragment() && !left.is_later_fragment() && left.is_intact();
        let answer = match left.ip.protocol {
            IpNumber::UDP if whole => udp(from, to),
            IpNumber::TCP if whole && left.tcp_flags() == SYN && left.payload().is_empty() => {
                tcp(from, to, SYN | ACK).ack(left.tcp().sequence_number.wrapping_add(1))
            }
            IpNumber::ICMP if whole && left.icmp_type() == (8, 0) => {
                echo_reply(*from.ip(), *to.ip(), left.query_id())
            }
            _ => return,
        };
        self.trace
            .push(format!("    answered by {}", name(&answer)));
        let outcome = self.world.inbound(&answer);
        let Outcome::Forwarded(reached) = outcome else {
            panic!("the answer to {left:?}: {outcome:?}")
        };
        assert_eq!(
            reached.destination(),
            sent.source(),
            "an answer has reached another"
        );
    }

    /// A host is refused because of exhausted ports only if all ports are taken.
    fn check_exhaustion(&self, side: Side, packet: &Datagram, outcome: &Outcome) {
        if side == Side::Inside && outcome.refusal() == Some(nat_core::DropReason::PortsExhausted) {
            super::invariants::check_exhausted(&self.world, &Packet::parse(&packet.bytes()));
        }
    }
}

pub(crate) fn any_session(random: &mut fastrand::Rng, world: &World) -> Option<SessionInfo> {
    let sessions = world.sessions();
    (!sessions.is_empty()).then(|| one_of(random, &sessions))
}

/// The packet, seldom with a small time to live, a wrong checksum, or more than a link carries.
fn vary(random: &mut fastrand::Rng, packet: Datagram) -> Datagram {
    match random.u8(..24) {
        0 => packet.ttl(random.u8(..3)),
        1 => packet.checksum(Checksum::OffBy(1)),
        2 => packet.payload(&[7; 120]).may_fragment(),
        3 => packet.payload(&[7; 120]),
        _ => packet,
    }
}

fn name(packet: &Datagram) -> String {
    format!("{:?}", Packet::parse(&packet.bytes()))
}

fn result(outcome: &Outcome) -> String {
    format!("{outcome:?}")
}

/// The external endpoints of the port forwards and explicit mappings of a protocol on active addresses, each with its
/// inside endpoint.
pub(crate) fn forwarded_ports(
    nat: &Nat<'_>,
    protocol: Protocol,
) -> Vec<(SocketAddrV4, SocketAddrV4)> {
    let addresses = nat.external_addresses();
    let explicit = nat.explicit_mappings().map(|mapping| {
        let mut forward = PortForward::new(mapping.protocol, mapping.external_port, mapping.inside);
        forward.external_address = mapping.external_address;
        forward
    });
    let forwards = nat
        .port_forwards()
        .chain(explicit)
        .filter(|forward| forward.protocol == protocol);
    let of = |forward: PortForward| {
        let address = forward
            .external_address
            .or_else(|| addresses.first().copied());
        let address = address.filter(|address| addresses.contains(address));
        (0..forward.ports).filter_map(move |at_place| {
            let inside = at(forward.inside_address, forward.inside_port + at_place);
            Some((at(address?, forward.external_port + at_place), inside))
        })
    };
    // Where two forwards meet, since the primary address has changed, the first has the port.
    let mut kept: Vec<(SocketAddrV4, SocketAddrV4)> = Vec::new();
    for (external, inside) in forwards.flat_map(of) {
        if kept.iter().all(|(other, _)| *other != external) {
            kept.push((external, inside));
        }
    }
    kept
}
