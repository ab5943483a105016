//! What is done, and the packets of it.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use arbitrary::Arbitrary;
use nat_core::{PortForward, Protocol, SessionInfo, SessionProtocol, Side};

use super::setting::{EXTERNAL, HOSTS};
use super::world::*;

const PORTS: [u16; 10] = [53, 68, 80, 500, 502, 2000, 2001, 30_000, 30_001, 30_003];
const REMOTES: [SocketAddrV4; 6] = [
    at(S1, 80),
    at(S1, 81),
    at(S2, 80),
    at(S2, 53),
    at(ATTACKER, 67),
    at(N, 80),
];
const ERRORS: [(u8, u8); 5] = [(3, 1), (3, 3), (3, 4), (11, 0), (12, 0)];

/// An operation; numbers are taken modulo what there is to choose from.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Step {
    Out {
        host: u8,
        port: u8,
        remote: u8,
        shape: Shape,
    },
    In {
        address: u8,
        port: u8,
        remote: u8,
        shape: Shape,
    },
    /// Traffic of a session that there is, one way or the other.
    Session {
        index: u8,
        out: bool,
        shape: Shape,
    },
    /// From one session's inside endpoint to another's external endpoint.
    Hairpin {
        from: u8,
        to: u8,
        shape: Shape,
    },
    /// An ICMP error about a packet of a session, from inside or from outside.
    Error {
        index: u8,
        from_inside: bool,
        kind: u8,
    },
    /// Of the router's own outside stack.
    Router {
        address: u8,
        port: u8,
        remote: u8,
        shape: Shape,
    },
    /// Time passes, and the engine is woken when it wants to be.
    Advance(Pause),
    /// Time passes without a call of `handle_timeout`.
    Jump(Pause),
    Back {
        millis: u16,
    },
    Forward {
        tcp: bool,
        external_port: u8,
        host: u8,
        port: u8,
        address: Option<u8>,
        count: u8,
    },
    Unforward {
        index: u8,
    },
    Addresses {
        first: u8,
        count: u8,
    },
    Drain {
        address: u8,
        seconds: u16,
    },
    Mtu {
        inside: bool,
        mtu: u8,
    },
    Clear,
    /// What `nat-core`'s own test would do with this seed.
    Random(u32),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Shape {
    kind: Kind,
    vary: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Udp,
    Tcp { flags: u8, seq: u8, ack: u8 },
    Request { id: u8 },
    Reply { id: u8 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Pause {
    Millis(u16),
    Seconds(u16),
    /// 2^31 ms, and so on.
    Half,
    Wrap,
    JustBeforeWrap,
}

impl Pause {
    pub(super) fn duration(self) -> Duration {
        match self {
            Self::Millis(millis) => Duration::from_millis(millis.into()),
            Self::Seconds(seconds) => Duration::from_secs(seconds.into()),
            Self::Half => Duration::from_millis(1 << 31),
            Self::Wrap => Duration::from_millis(1 << 32),
            Self::JustBeforeWrap => Duration::from_millis((1 << 32) - 1),
        }
    }
}

fn one_of<T: Copy>(number: u8, choices: &[T]) -> T {
    choices[usize::from(number) % choices.len()]
}

fn session(index: u8, world: &World) -> Option<SessionInfo> {
    let sessions = world.sessions();
    (!sessions.is_empty()).then(|| one_of(index, &sessions))
}

/// Where a packet comes in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Entry {
    Wire(Side),
    Router,
}

impl Step {
    /// The packet of this step, if it is one and if there is what it refers to.
    pub(super) fn packet(self, world: &World) -> Option<(Entry, Datagram)> {
        let endpoint = |address: Ipv4Addr, port: u8| at(address, one_of(port, &PORTS));
        let (inside, outside) = (Entry::Wire(Side::Inside), Entry::Wire(Side::Outside));
        Some(match self {
            Self::Out {
                host,
                port,
                remote,
                shape,
            } => (
                inside,
                shape.packet(
                    endpoint(one_of(host, &HOSTS), port),
                    one_of(remote, &REMOTES),
                ),
            ),
            Self::In {
                address,
                port,
                remote,
                shape,
            } => (
                outside,
                shape.packet(
                    one_of(remote, &REMOTES),
                    endpoint(one_of(address, &EXTERNAL), port),
                ),
            ),
            Self::Session { index, out, shape } => {
                let SessionInfo {
                    inside: host,
                    external,
                    remote,
                    protocol,
                    ..
                } = session(index, world)?;
                let (entry, from, to) = if out {
                    (inside, host, remote)
                } else {
                    (outside, remote, external)
                };
                (entry, shape.of_session(protocol, from, to))
            }
            Self::Hairpin { from, to, shape } => (
                inside,
                shape.packet(session(from, world)?.inside, session(to, world)?.external),
            ),
            Self::Error {
                index,
                from_inside,
                kind,
            } => {
                let session = session(index, world)?;
                (
                    if from_inside { inside } else { outside },
                    error(&session, from_inside, one_of(kind, &ERRORS)),
                )
            }
            Self::Router {
                address,
                port,
                remote,
                shape,
            } => {
                let address = one_of(address, &[N, N2, N3, ROUTER, Ipv4Addr::UNSPECIFIED]);
                (
                    Entry::Router,
                    shape.packet(endpoint(address, port), one_of(remote, &REMOTES)),
                )
            }
            _ => return None,
        })
    }

    /// Changes what is configured; `None` if this step does not.
    pub(super) fn forward(self) -> Option<PortForward> {
        let Self::Forward {
            tcp,
            external_port,
            host,
            port,
            address,
            count,
        } = self
        else {
            return None;
        };
        let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
        let target = at(one_of(host, &HOSTS), one_of(port, &PORTS));
        let mut forward = PortForward::new(protocol, one_of(external_port, &PORTS), target);
        forward.external_address = address.map(|address| one_of(address, &EXTERNAL));
        forward.ports = 1 + u16::from(count % 4);
        Some(forward)
    }
}

impl Shape {
    fn packet(self, from: SocketAddrV4, to: SocketAddrV4) -> Datagram {
        let packet = match self.kind {
            Kind::Udp => udp(from, to),
            Kind::Tcp { flags, seq, ack } => {
                // Next to what is used already, or far away.
                let far = |step: u8| if step < 16 { 0 } else { step % 24 };
                let number = |step: u8| 1000_u32.wrapping_add(u32::from(step) << far(step));
                tcp(from, to, flags & 0x3f)
                    .seq(number(seq))
                    .ack(if flags & ACK == 0 { 0 } else { number(ack) })
            }
            Kind::Request { id } => {
                echo_request(*from.ip(), *to.ip(), one_of(id, &[1, 2, 3, from.port()]))
            }
            Kind::Reply { id } => {
                echo_reply(*from.ip(), *to.ip(), one_of(id, &[1, 2, 3, to.port()]))
            }
        };
        match self.vary {
            0..8 => packet.ttl(self.vary),
            8 => packet.checksum(Checksum::OffBy(1)),
            9 => packet.checksum(Checksum::Zero),
            10 => packet.payload(&[7; 120]).may_fragment(),
            11 => packet.payload(&[7; 120]),
            12 => packet.payload(&[7; 40]).id(7).cut(&[24]).remove(0),
            13 => packet.payload(&[7; 40]).id(7).cut(&[24]).remove(1),
            _ => packet,
        }
    }

    /// The same, as what `protocol` has.
    fn of_session(
        self,
        protocol: SessionProtocol,
        from: SocketAddrV4,
        to: SocketAddrV4,
    ) -> Datagram {
        let kind = match (protocol, self.kind) {
            (SessionProtocol::Tcp, Kind::Tcp { .. }) => self.kind,
            (SessionProtocol::Tcp, Kind::Udp) => Kind::Tcp {
                flags: ACK,
                seq: 0,
                ack: 0,
            },
            (SessionProtocol::Tcp, Kind::Request { id }) => Kind::Tcp {
                flags: SYN | ACK,
                seq: id,
                ack: 0,
            },
            (SessionProtocol::Tcp, Kind::Reply { id }) => Kind::Tcp {
                flags: FIN | ACK,
                seq: id,
                ack: id,
            },
            (SessionProtocol::Udp, _) => Kind::Udp,
            (SessionProtocol::Icmp, _) if to.port() == 0 => Kind::Request { id: 3 },
            (SessionProtocol::Icmp, _) => Kind::Reply { id: 3 },
        };
        Self { kind, ..self }.packet(from, to)
    }
}

/// About a packet that has gone the other way.
fn error(session: &SessionInfo, from_inside: bool, kind: (u8, u8)) -> Datagram {
    let SessionInfo {
        inside,
        external,
        remote,
        protocol,
        ..
    } = *session;
    let shape = Shape {
        kind: Kind::Udp,
        vary: u8::MAX,
    };
    let (quoted, teller) = if from_inside {
        (shape.of_session(protocol, remote, inside), *inside.ip())
    } else {
        (shape.of_session(protocol, external, remote), TRANSIT)
    };
    let to = Packet::parse(&quoted.bytes()).source();
    let error = icmp_error(teller, *to.ip(), kind, &quoted.bytes());
    if kind == (3, 4) {
        error.rest([0, 0, 2, 64])
    } else {
        error
    }
}
