//! Everything but the victims: ordinary traffic at the tables' capacity, and attacks.

use core::net::{Ipv4Addr, SocketAddrV4};

use anyhow::Result;
use nat_core::{Side, Verdict};

use super::judge;
use super::packet::{self, Segment};
use super::world::World;

/// Flows of which the ends are remembered, so that they are answered.
const ANSWERED: usize = 256;

/// Which transport a remembered flow has.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Echo,
    Tcp,
    Udp,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    kind: Kind,
    inside: SocketAddrV4,
    external: SocketAddrV4,
    remote: SocketAddrV4,
    /// The sequence number of its SYN.
    sequence: u32,
}

/// The flows under way, the oldest replaced first.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    flows: Vec<Flow>,
    next: usize,
}

impl Traffic {
    /// Sends one packet, or the few of one datagram.
    ///
    /// # Errors
    ///
    /// What the world finds wrong with the verdict.
    pub(super) fn send(&mut self, world: &mut World) -> Result<()> {
        let mut bytes = Vec::with_capacity(256);
        match world.random().u8(..100) {
            0..20 => self.open(world, &mut bytes),
            20..45 => self.answer(world, &mut bytes),
            45..60 => self.go_on(world, &mut bytes),
            60..63 => self.hairpin(world, &mut bytes),
            63..66 => fragments(world, &mut bytes),
            66..68 => local(world, &mut bytes),
            68..70 => forwarded(world, &mut bytes),
            70..74 => pretend(world, &mut bytes),
            74..78 => forge_reset(world, &mut bytes),
            78..81 => forge_error(world, &mut bytes),
            81..91 => scan(world, &mut bytes),
            91..96 => self.bend(world, &mut bytes),
            _ => garbage(world, &mut bytes),
        }
    }

    /// A host opens a flow; most flows are of one host, which wants them all.
    fn open(&mut self, world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
        let random = world.random();
        let host = if random.bool() {
            100
        } else {
            random.u8(101..130)
        };
        let inside = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, host), random.u16(1024..));
        let mut remote = remote(random);
        let (sequence, kind) = (
            random.u32(..),
            [Kind::Udp, Kind::Tcp, Kind::Echo][random.usize(..3)],
        );
        match kind {
            Kind::Udp => packet::udp(bytes, inside, remote, b"a datagram of the bulk")?,
            Kind::Tcp => {
                packet::tcp(
                    bytes,
                    inside,
                    remote,
                    Segment {
                        syn: true,
                        sequence,
                        ..Segment::default()
                    },
                    &[],
                )?;
            }
            Kind::Echo => {
                remote.set_port(0);
                packet::echo(bytes, inside, remote, b"ping")?;
            }
        }
        if let Verdict::Forward {
            to: Side::Outside,
            len,
            ..
        } = world.give(bytes, Side::Inside)?
        {
            let external = judge::read(&bytes[..len])?.source;
            self.remember(Flow {
                kind,
                inside,
                external,
                remote,
                sequence,
            });
        }
        Ok(())
    }

    fn remember(&mut self, flow: Flow) {
        if self.flows.len() < ANSWERED {
            self.flows.push(flow);
        } else {
            self.flows[self.next % ANSWERED] = flow;
        }
        self.next += 1;
    }

    fn any(&self, world: &mut World) -> Option<Flow> {
        let place = world.random().usize(..ANSWERED);
        self.flows.get(place).copied()
    }

    /// The other end of a flow answers.
    fn answer(&self, world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(Flow {
            kind,
            external,
            remote,
            sequence,
            ..
        }) = self.any(world)
        else {
            return Ok(());
        };
        let sequence = Some(sequence.wrapping_add(1));
        match kind {
            Kind::Udp => packet::udp(bytes, remote, external, b"an answer")?,
            Kind::Echo => packet::echo(bytes, remote, external, b"pong")?,
            Kind::Tcp => {
                let segment = Segment {
                    syn: true,
                    sequence: 1,
                    acknowledgment: sequence,
                    ..Segment::default()
                };
                packet::tcp(bytes, remote, external, segment, &[])?;
            }
        }
        world.judge(bytes, Side::Outside)
    }

    /// The inside goes on with a flow, or ends it.
    fn go_on(&self, world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(Flow {
            kind,
            inside,
            remote,
            sequence,
            ..
        }) = self.any(world)
        else {
            return Ok(());
        };
        match kind {
            Kind::Udp => packet::udp(bytes, inside, remote, b"more")?,
            Kind::Echo => packet::echo(bytes, inside, remote, b"more")?,
            Kind::Tcp => {
                let sequence = sequence.wrapping_add(1);
                let end = world.random().u8(..4);
                let (fin, rst) = (end == 0, end == 1);
                let segment = Segment {
                    syn: false,
                    fin,
                    rst,
                    sequence,
                    acknowledgment: Some(2),
                };
                packet::tcp(bytes, inside, remote, segment, &[])?;
            }
        }
        world.judge(bytes, Side::Inside)
    }

    /// A host talks to another by its external endpoint.
    fn hairpin(&self, world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(flow) = self.any(world) else {
            return Ok(());
        };
        let inside =
            SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 131), world.random().u16(1024..));
        packet::udp(bytes, inside, flow.external, b"hairpin")?;
        world.judge(bytes, Side::Inside)
    }

    /// A packet of a flow with one byte changed.
    fn bend(&self, world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(Flow {
            external,
            inside,
            remote,
            ..
        }) = self.any(world)
        else {
            return Ok(());
        };
        let from = if world.random().bool() {
            Side::Inside
        } else {
            Side::Outside
        };
        match from {
            Side::Inside => packet::udp(bytes, inside, remote, b"bent")?,
            Side::Outside => packet::udp(bytes, remote, external, b"bent")?,
        }
        let place = world.random().usize(..bytes.len());
        bytes[place] ^= world.random().u8(1..);
        world.judge(bytes, from)?;
        world.release()
    }
}

fn remote(random: &mut fastrand::Rng) -> SocketAddrV4 {
    SocketAddrV4::new(
        Ipv4Addr::new(203, 0, 113, random.u8(100..200)),
        random.u16(1..),
    )
}

/// A datagram in three fragments, in any order, of either side; now and then one is missing.
fn fragments(world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
    let external = world.external();
    let random = world.random();
    let (host, identification) = (
        Ipv4Addr::new(192, 168, 77, random.u8(100..130)),
        random.u16(..),
    );
    let (inside, remote) = (SocketAddrV4::new(host, random.u16(1024..)), remote(random));
    let mut order = [0, 1, 2];
    random.shuffle(&mut order);
    let missing = random.u8(..8) == 0;
    let from = if random.bool() {
        Side::Inside
    } else {
        Side::Outside
    };
    let (source, destination) = match from {
        Side::Inside => (inside, remote),
        Side::Outside => (remote, SocketAddrV4::new(external, 5353)),
    };
    let mut whole = Vec::with_capacity(128);
    packet::udp(
        &mut whole,
        source,
        destination,
        b"a datagram that goes in fragments",
    )?;
    for number in order.into_iter().skip(usize::from(missing)) {
        packet::fragment(bytes, &whole, number, number == 2, identification)?;
        world.judge(bytes, from)?;
        world.release()?;
    }
    Ok(())
}

/// The router's own stack asks one of its servers. It has few flows: it is trusted, and what is
/// kept for hosts does not bind it.
fn local(world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
    let source = SocketAddrV4::new(world.external(), world.random().u16(5000..5004));
    let server = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, world.random().u8(250..254)), 53);
    packet::udp(bytes, source, server, b"a question of the router's")?;
    world.give_local(bytes)
}

/// A client outside comes to a port forward, and the server inside answers.
fn forwarded(world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
    let server = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 200), 80);
    let (external, client) = (world.external(), remote(world.random()));
    let sequence = world.random().u32(..);
    let syn = Segment {
        syn: true,
        sequence,
        ..Segment::default()
    };
    packet::tcp(bytes, client, SocketAddrV4::new(external, 8080), syn, &[])?;
    world.judge(bytes, Side::Outside)?;
    let answer = Segment {
        syn: true,
        sequence: 7,
        acknowledgment: Some(sequence.wrapping_add(1)),
        ..Segment::default()
    };
    packet::tcp(bytes, server, client, answer, &[])?;
    world.judge(bytes, Side::Inside)
}

/// A station inside sends in others' names: of hosts that there may be, and of some that cannot be.
fn pretend(world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
    let random = world.random();
    let names = [
        Ipv4Addr::new(192, 168, 77, random.u8(132..=255)),
        Ipv4Addr::from_bits(random.u32(..)),
    ];
    let source = SocketAddrV4::new(names[random.usize(..2)], random.u16(..));
    let remote = remote(random);
    packet::udp(bytes, source, remote, b"who am I")?;
    world.judge(bytes, Side::Inside)
}

/// Someone off the path would end a victim's connection.
fn forge_reset(world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
    let Some((external, remote)) = world.victim() else {
        return Ok(());
    };
    let random = world.random();
    let external = if random.bool() {
        external
    } else {
        SocketAddrV4::new(*external.ip(), random.u16(..))
    };
    let (rst, fin, syn) = (random.bool(), random.u8(..4) == 0, random.u8(..4) == 0);
    let acknowledgment = random.bool().then(|| random.u32(..));
    let segment = Segment {
        syn,
        fin,
        rst,
        sequence: random.u32(..),
        acknowledgment,
    };
    packet::tcp(bytes, remote, external, segment, &[])?;
    world.judge(bytes, Side::Outside)
}

/// Someone says that a victim's packets do not arrive.
fn forge_error(world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
    let Some((external, remote)) = world.victim() else {
        return Ok(());
    };
    let mut quoted = Vec::with_capacity(64);
    packet::udp(&mut quoted, external, remote, b"quoted")?;
    let router = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 254), 0);
    packet::unreachable(bytes, router, external, &quoted)?;
    world.judge(bytes, Side::Outside)
}

/// A port scan from outside.
fn scan(world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
    let external = world.external();
    let random = world.random();
    let target = SocketAddrV4::new(external, random.u16(..));
    let source = remote(random);
    let sequence = random.u32(..);
    if random.bool() {
        packet::tcp(
            bytes,
            source,
            target,
            Segment {
                syn: true,
                sequence,
                ..Segment::default()
            },
            &[],
        )?;
    } else {
        packet::udp(bytes, source, target, b"anybody there")?;
    }
    world.judge(bytes, Side::Outside)
}

fn garbage(world: &mut World, bytes: &mut Vec<u8>) -> Result<()> {
    let random = world.random();
    bytes.clear();
    bytes.resize(random.usize(..120), 0);
    random.fill(bytes);
    if let Some(first) = bytes.first_mut().filter(|_| random.bool()) {
        *first = 0x45;
    }
    let from = if random.bool() {
        Side::Inside
    } else {
        Side::Outside
    };
    world.judge(bytes, from)?;
    world.release()
}
