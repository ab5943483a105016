//! What is done to the engine and the model alike.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use std::collections::BTreeMap;

use nat_core::{PortForward, Protocol, SessionProtocol, SessionState, Side, Stats};

use super::naive::{Expected, Naive, Pair};
use super::world::*;

const HOSTS: [Ipv4Addr; 4] = [H1, H2, H3, Ipv4Addr::new(192, 168, 1, 13)];
const REMOTES: [SocketAddrV4; 4] = [at(S1, 80), at(S1, 81), at(S2, 80), at(S2, 53)];
const ADDRESSES: [&[Ipv4Addr]; 7] = [
    &[N],
    &[N2],
    &[N, N2],
    &[N2, N],
    &[N3, N, N2],
    &[N2, N3],
    &[],
];

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// A packet from inside.
    Out {
        host: usize,
        port: u16,
        remote: usize,
        what: What,
    },
    /// A packet from outside to the external endpoint of a mapping, or to one of none.
    In {
        mapping: usize,
        remote: usize,
        what: What,
    },
    Wait {
        seconds: u64,
    },
    Forward {
        protocol: Protocol,
        external_port: u16,
        host: usize,
        port: u16,
    },
    Unforward {
        index: usize,
    },
    Addresses {
        list: usize,
    },
    Clear,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    Udp,
    /// A datagram unlike the one above.
    OtherUdp,
    Echo,
    Syn,
    SynAck,
    Ack,
    Fin,
    /// A FIN far from the sequence numbers in use.
    FarFin,
    Reset,
    /// A RST far from the sequence numbers in use.
    FarReset,
}

impl What {
    pub(crate) fn protocol(self) -> SessionProtocol {
        match self {
            Self::Udp | Self::OtherUdp => SessionProtocol::Udp,
            Self::Echo => SessionProtocol::Icmp,
            _ => SessionProtocol::Tcp,
        }
    }

    fn random(random: &mut fastrand::Rng) -> Self {
        use What::{Ack, Echo, FarFin, FarReset, Fin, OtherUdp, Reset, Syn, SynAck, Udp};
        let often = [
            Udp, Udp, OtherUdp, Echo, Syn, Syn, Syn, SynAck, SynAck, Ack, Ack, Ack, Fin, Fin,
            FarFin, Reset, FarReset,
        ];
        often[random.usize(..often.len())]
    }
}

impl Operation {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let protocol = if random.bool() {
            Protocol::Tcp
        } else {
            Protocol::Udp
        };
        let host = random.usize(..HOSTS.len()).min(random.usize(..HOSTS.len()));
        let port = 5000 + random.u16(..2);
        let remote = random.usize(..REMOTES.len());
        // Forwards meet the ports of dynamic mappings, and others.
        let external_port = 29_999 + random.u16(..4);
        match random.u8(..100) {
            0..45 => Self::Out {
                host,
                port,
                remote,
                what: What::random(random),
            },
            45..82 => Self::In {
                mapping: random.usize(..8),
                remote,
                what: What::random(random),
            },
            82..92 => Self::Wait {
                seconds: [1, 30, 59, 60, 100, 239, 240, 299, 300, 7439][random.usize(..10)],
            },
            92..95 => Self::Forward {
                protocol,
                external_port,
                host,
                port,
            },
            95..97 => Self::Unforward {
                index: random.usize(..4),
            },
            97..99 => Self::Addresses {
                list: random.usize(..ADDRESSES.len()),
            },
            _ => Self::Clear,
        }
    }
}

/// The engine and the model, and the sequence numbers that the ends of each connection use.
pub(crate) struct Run {
    world: World,
    model: Naive,
    numbers: BTreeMap<Pair, Numbers>,
}

/// What each end of a connection sends next.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    inside: u32,
    outside: u32,
    /// Whether the inside's FIN went out before the handshake was over.
    early_fin: bool,
}

impl Run {
    pub(crate) fn new(world: World, model: Naive) -> Self {
        Self {
            world,
            model,
            numbers: BTreeMap::new(),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.world.stats().clone()
    }

    /// Performs `operation` on both sides; says how they differ.
    pub(crate) fn perform(&mut self, operation: &Operation) -> Result<(), String> {
        match *operation {
            Operation::Out {
                host,
                port,
                remote,
                what,
            } => {
                self.send_out(at(HOSTS[host], port), REMOTES[remote], what)?;
            }
            Operation::In {
                mapping,
                remote,
                what,
            } => {
                self.send_in(mapping, REMOTES[remote], what)?;
            }
            Operation::Wait { seconds } => {
                let duration = Duration::from_secs(seconds);
                self.world.advance(duration);
                self.model.wait(duration);
            }
            Operation::Forward {
                protocol,
                external_port,
                host,
                port,
            } => {
                let forward = PortForward::new(protocol, external_port, at(HOSTS[host], port));
                same(
                    "add_port_forward",
                    &self.world.nat.add_port_forward(forward),
                    &self.model.add_port_forward(&forward),
                )?;
            }
            Operation::Unforward { index } => {
                let forward = self.world.nat.port_forwards().nth(index);
                if let Some(forward) = forward {
                    let removed = self.world.remove_port_forward(&forward);
                    same(
                        "remove_port_forward",
                        &removed,
                        &self.model.remove_port_forward(&forward),
                    )?;
                }
            }
            Operation::Addresses { list } => {
                self.world
                    .set_external_addresses(ADDRESSES[list])
                    .expect("the addresses can work");
                self.model.set_addresses(ADDRESSES[list]);
            }
            Operation::Clear => {
                self.world.clear();
                self.model.clear();
            }
        }
        self.world.check_tables();
        self.compare_sessions()
    }

    fn compare_sessions(&self) -> Result<(), String> {
        let engine: Vec<_> = self.world.sessions();
        let model = self.model.sessions();
        same("the number of sessions", &engine.len(), &model.len())
            .map_err(|e| format!("{e}\n{engine:#?}\n{model:#?}"))?;
        for (engine, model) in engine.iter().zip(&model) {
            let of_engine = (
                engine.protocol as u8,
                engine.inside,
                engine.external,
                engine.remote,
                engine.state,
            );
            same(
                "a session",
                &(of_engine, engine.is_static, engine.expires_in),
                model,
            )?;
        }
        Ok(())
    }

    fn send_out(
        &mut self,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
        what: What,
    ) -> Result<(), String> {
        let remote = if what == What::Echo {
            at(*remote.ip(), 0)
        } else {
            remote
        };
        let pair = Pair {
            protocol: what.protocol() as u8,
            inside,
            remote,
        };
        let numbers = self.numbers.get(&pair).copied();
        let packet = match what {
            What::Udp => udp(inside, remote),
            What::OtherUdp => udp(inside, remote).payload(b"another"),
            What::Echo => echo_request(*inside.ip(), *remote.ip(), inside.port()),
            _ => self.segment(&pair, Side::Inside, what, (inside, remote)),
        };
        let repeats_fin = what == What::Fin && self.model.has_early_fin(&pair);
        let expected = self.model.send_out(&pair, what);
        let outcome = self.world.outbound(packet);
        if let Some(error) = expected.differs(&outcome) {
            return Err(format!("{what:?} {inside} -> {remote}: {error}"));
        }
        if let (Expected::Reset { .. }, Outcome::Rejected(..)) = (&expected, &outcome) {
            self.model.note_reset(&pair);
        }
        if let Outcome::Forwarded(packet) = outcome {
            if let Expected::Opens { state, .. } = expected {
                self.model.open(&pair, (state, what), packet.source());
            }
            self.model
                .learn(&pair, packet.source())
                .map_err(|e| format!("{what:?} {inside} -> {remote}: {e}"))?;
            if !repeats_fin {
                self.count(&pair, Side::Inside, what);
            }
        } else if let Some(numbers) = numbers {
            // The other end has not seen what was refused, and goes on as before.
            self.numbers.insert(pair, numbers);
        }
        Ok(())
    }

    fn send_in(&mut self, mapping: usize, remote: SocketAddrV4, what: What) -> Result<(), String> {
        let remote = if what == What::Echo {
            at(*remote.ip(), 0)
        } else {
            remote
        };
        let external = self.model.external_of(mapping, what.protocol());
        let pair = self.model.pair_at(what.protocol(), external, remote);
        let packet = match what {
            What::Udp | What::OtherUdp => udp(remote, external),
            What::Echo => echo_reply(*remote.ip(), *external.ip(), external.port()),
            _ => {
                let unused = Pair {
                    protocol: what.protocol() as u8,
                    inside: at(H1, 1),
                    remote,
                };
                self.segment(
                    &pair.unwrap_or(unused),
                    Side::Outside,
                    what,
                    (remote, external),
                )
            }
        };
        let expected = self.model.send_in(pair.as_ref(), *external.ip(), what);
        let outcome = self.world.inbound(packet);
        if let Some(error) = expected.differs(&outcome) {
            return Err(format!("{what:?} {remote} -> {external}: {error}"));
        }
        if let (Some(pair), Outcome::Forwarded(packet)) = (pair, outcome) {
            same("the inside endpoint", &packet.destination(), &pair.inside)?;
            self.count(&pair, Side::Outside, what);
        }
        Ok(())
    }

    /// The segment that an honest end would send, or a forger who does not know the numbers.
    fn segment(
        &mut self,
        pair: &Pair,
        from: Side,
        what: What,
        ends: (SocketAddrV4, SocketAddrV4),
    ) -> Datagram {
        let state = self.model.state(pair);
        let repeats_fin = from == Side::Inside && self.model.has_early_fin(pair);
        let numbers = self.numbers.entry(*pair).or_insert(Numbers {
            inside: 1000,
            outside: 2_000_000_000,
            early_fin: false,
        });
        if opens(state, from, what) {
            // A new connection has numbers of its own, far from the last.
            numbers.inside = numbers.inside.wrapping_add(0x3000_0000);
            numbers.outside = numbers.outside.wrapping_add(0x5000_0000);
            numbers.early_fin = false;
        }
        let (own, other) = match from {
            Side::Inside => (numbers.inside, numbers.outside),
            Side::Outside => (numbers.outside, numbers.inside),
        };
        let first = opens(state, from, what)
            || (from == Side::Outside && state == Some(SessionState::InsideSyn));
        let (flags, seq) = match what {
            What::Syn => (SYN, if first { own } else { own.wrapping_sub(1) }),
            What::SynAck => (SYN | ACK, if first { own } else { own.wrapping_sub(1) }),
            What::Ack => (ACK, own),
            // Until it is acknowledged, the FIN comes again in its place.
            What::Fin if repeats_fin => (FIN | ACK, own.wrapping_sub(1)),
            What::Fin => (FIN | ACK, own),
            What::FarFin => (FIN | ACK, own.wrapping_add(0x2000_0000)),
            What::Reset => (RST | ACK, own),
            What::FarReset => (RST | ACK, own.wrapping_add(0x2000_0000)),
            What::Udp | What::OtherUdp | What::Echo => unreachable!("not a segment"),
        };
        if from == Side::Inside
            && what == What::SynAck
            && let Some(numbers) = self.numbers.get_mut(pair)
        {
            numbers.early_fin = false;
        }
        self.count_opening(pair, state, from, what);
        tcp(ends.0, ends.1, flags).seq(seq).ack(other)
    }

    /// A SYN takes one number of its sender.
    fn count_opening(&mut self, pair: &Pair, state: Option<SessionState>, from: Side, what: What) {
        let answers = from == Side::Outside
            && state == Some(SessionState::InsideSyn)
            && matches!(what, What::Syn | What::SynAck);
        if let Some(numbers) = self.numbers.get_mut(pair) {
            if opens(state, from, what) {
                numbers.inside = numbers.inside.wrapping_add(1);
            } else if answers {
                numbers.outside = numbers.outside.wrapping_add(1);
            }
        }
    }

    /// A FIN takes one number of its sender, once it can have any effect.
    fn count(&mut self, pair: &Pair, from: Side, what: What) {
        if !self.model.is_answered(pair) {
            return;
        }
        let early =
            from == Side::Inside && self.model.state(pair) == Some(SessionState::OutsideSyn);
        if let (Some(numbers), What::Fin) = (self.numbers.get_mut(pair), what) {
            match from {
                // Before the handshake is over, only the first can be the stream's end.
                Side::Inside if early && numbers.early_fin => {}
                Side::Inside => {
                    numbers.inside = numbers.inside.wrapping_add(1);
                    numbers.early_fin = early;
                }
                Side::Outside => numbers.outside = numbers.outside.wrapping_add(1),
            }
        }
    }
}

/// Whether a segment from inside begins a connection.
fn opens(state: Option<SessionState>, from: Side, what: What) -> bool {
    from == Side::Inside
        && matches!(what, What::Syn | What::SynAck)
        && matches!(
            state,
            None | Some(SessionState::Closing | SessionState::Reset)
        )
}

fn same<T: core::fmt::Debug + PartialEq>(what: &str, engine: &T, model: &T) -> Result<(), String> {
    if engine == model {
        Ok(())
    } else {
        Err(format!(
            "{what}: the engine has {engine:?}, the model {model:?}"
        ))
    }
}
