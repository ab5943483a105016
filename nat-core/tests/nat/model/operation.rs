//! What is done to the engine and the model alike.

#[path = "numbers.rs"]
mod numbers;
#[path = "what.rs"]
mod what;

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{PortForward, Protocol, Side, Stats};

use super::naive::{Expected, Naive, Pair};
use super::world::*;
use numbers::{ConnectionNumbers, SegmentNumbers};
pub(crate) use what::What;

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
                what: random_what(random),
            },
            45..82 => Self::In {
                mapping: random.usize(..8),
                remote,
                what: random_what(random),
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

/// A random one.
fn random_what(random: &mut fastrand::Rng) -> What {
    use What::{Ack, Echo, FarFin, FarReset, Fin, OtherUdp, Reset, Syn, SynAck, Udp};
    let often = [
        Udp, Udp, OtherUdp, Echo, Syn, Syn, Syn, SynAck, SynAck, Ack, Ack, Ack, Fin, Fin, FarFin,
        Reset, FarReset,
    ];
    often[random.usize(..often.len())]
}

/// The engine and the model, and the sequence numbers that the ends of each connection use.
pub(crate) struct Run {
    world: World,
    model: Naive,
    numbers: ConnectionNumbers,
}

impl Run {
    pub(crate) fn new(world: World, model: Naive) -> Self {
        Self {
            world,
            model,
            numbers: ConnectionNumbers::default(),
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
        let numbers = self.numbers.of(&pair);
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
                self.numbers
                    .count_fin(&self.model, &pair, Side::Inside, what);
            }
        } else {
            self.numbers.restore(&pair, numbers);
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
            self.numbers
                .count_fin(&self.model, &pair, Side::Outside, what);
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
        let SegmentNumbers {
            flags,
            sequence,
            acknowledgment,
        } = self.numbers.segment(&self.model, pair, from, what);
        tcp(ends.0, ends.1, flags).seq(sequence).ack(acknowledgment)
    }
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
