//! Ordinary traffic at the capacity of the tables, mixed with attacks.

use core::net::{Ipv4Addr, SocketAddrV4};

use anyhow::Result;
use nat_core::{Side, Verdict};

use super::engine::Engine;
use super::packet::{self, Segment, any_remote, any_side};
use super::victim::Victim;
use super::{attacks, checker};

/// How many sessions are remembered, so that they can be answered.
const REMEMBERED: usize = 256;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Echo,
    Tcp,
    Udp,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    kind: Kind,
    inside: SocketAddrV4,
    external: SocketAddrV4,
    remote: SocketAddrV4,
    /// The sequence number of its SYN.
    sequence: u32,
}

impl Session {
    /// Writes the first packet of the inside host.
    fn write_first(&self, bytes: &mut Vec<u8>) -> Result<()> {
        let (inside, remote) = (self.inside, self.remote);
        match self.kind {
            Kind::Udp => packet::udp(bytes, inside, remote, b"a datagram of the bulk"),
            Kind::Tcp => packet::tcp(bytes, inside, remote, Segment::syn(self.sequence), &[]),
            Kind::Echo => packet::echo(bytes, inside, remote, b"ping"),
        }
    }
}

/// A session that has sent nothing yet, so its external endpoint is unspecified.
fn new_session(random: &mut fastrand::Rng) -> Session {
    let host = if random.bool() {
        100
    } else {
        random.u8(101..130)
    };
    let inside = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, host), random.u16(1024..));
    let mut remote = any_remote(random);
    let sequence = random.u32(..);
    let kind = [Kind::Udp, Kind::Tcp, Kind::Echo][random.usize(..3)];
    if let Kind::Echo = kind {
        remote.set_port(0);
    }
    Session {
        kind,
        inside,
        external: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
        remote,
        sequence,
    }
}

/// The latest sessions.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    sessions: Vec<Session>,
    next: usize,
}

impl Traffic {
    /// Sends one packet, or the few of one datagram.
    ///
    /// # Errors
    ///
    /// What the engine's verdict or state shows to be wrong.
    pub(super) fn send(&mut self, engine: &mut Engine, victims: &[Victim]) -> Result<()> {
        let mut bytes = Vec::with_capacity(256);
        match engine.random().u8(..100) {
            0..20 => self.open(engine, &mut bytes),
            20..45 => self.answer(engine, &mut bytes),
            45..60 => self.send_more(engine, &mut bytes),
            60..63 => self.hairpin(engine, &mut bytes),
            63..66 => fragments(engine, &mut bytes),
            66..68 => local(engine, &mut bytes),
            68..70 => port_forward(engine, &mut bytes),
            70..74 => attacks::spoof_source(engine, &mut bytes),
            74..78 => attacks::forge_reset(engine, victims, &mut bytes),
            78..81 => attacks::forge_error(engine, victims, &mut bytes),
            81..91 => attacks::scan(engine, &mut bytes),
            91..96 => self.corrupt(engine, &mut bytes),
            _ => attacks::random_bytes(engine, &mut bytes),
        }
    }

    /// A host opens a session. Half of all sessions belong to one host, which tries to get the
    /// whole table.
    fn open(&mut self, engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
        let mut session = new_session(engine.random());
        session.write_first(bytes)?;
        let verdict = engine.process(bytes, Side::Inside)?;
        if let Verdict::Forward {
            to: Side::Outside,
            len,
            ..
        } = verdict
        {
            session.external = checker::read(&bytes[..len])?.source;
            self.remember(session);
        }
        Ok(())
    }

    /// Remembers a session in place of the oldest.
    fn remember(&mut self, session: Session) {
        if self.sessions.len() < REMEMBERED {
            self.sessions.push(session);
        } else {
            self.sessions[self.next % REMEMBERED] = session;
        }
        self.next += 1;
    }

    fn any_session(&self, engine: &mut Engine) -> Option<Session> {
        let index = engine.random().usize(..REMEMBERED);
        self.sessions.get(index).copied()
    }

    /// The remote host of a session answers.
    fn answer(&self, engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(session) = self.any_session(engine) else {
            return Ok(());
        };
        let (remote, external) = (session.remote, session.external);
        match session.kind {
            Kind::Udp => packet::udp(bytes, remote, external, b"an answer")?,
            Kind::Echo => packet::echo(bytes, remote, external, b"pong")?,
            Kind::Tcp => {
                let segment = Segment::syn_ack(1, session.sequence);
                packet::tcp(bytes, remote, external, segment, &[])?;
            }
        }
        engine.process_any(bytes, Side::Outside)
    }

    /// The inside host of a session sends more, or ends the session.
    fn send_more(&self, engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(session) = self.any_session(engine) else {
            return Ok(());
        };
        let (inside, remote) = (session.inside, session.remote);
        match session.kind {
            Kind::Udp => packet::udp(bytes, inside, remote, b"more")?,
            Kind::Echo => packet::echo(bytes, inside, remote, b"more")?,
            Kind::Tcp => {
                let end = engine.random().u8(..4);
                let segment = Segment {
                    syn: false,
                    fin: end == 0,
                    rst: end == 1,
                    sequence: session.sequence.wrapping_add(1),
                    acknowledgment: Some(2),
                };
                packet::tcp(bytes, inside, remote, segment, &[])?;
            }
        }
        engine.process_any(bytes, Side::Inside)
    }

    /// A host sends to the external endpoint of another.
    fn hairpin(&self, engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(session) = self.any_session(engine) else {
            return Ok(());
        };
        let port = engine.random().u16(1024..);
        let inside = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 131), port);
        packet::udp(bytes, inside, session.external, b"hairpin")?;
        engine.process_any(bytes, Side::Inside)
    }

    /// A packet of a session with one byte changed.
    fn corrupt(&self, engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(session) = self.any_session(engine) else {
            return Ok(());
        };
        let from = any_side(engine.random());
        match from {
            Side::Inside => packet::udp(bytes, session.inside, session.remote, b"bent")?,
            Side::Outside => packet::udp(bytes, session.remote, session.external, b"bent")?,
        }
        let index = engine.random().usize(..bytes.len());
        bytes[index] ^= engine.random().u8(1..);
        engine.process_any(bytes, from)?;
        engine.release()
    }
}

/// A datagram in three fragments, in any order, from either side. In one of eight datagrams a
/// fragment is missing.
fn fragments(engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
    let external = engine.external();
    let random = engine.random();
    let host = Ipv4Addr::new(192, 168, 77, random.u8(100..130));
    let identification = random.u16(..);
    let inside = SocketAddrV4::new(host, random.u16(1024..));
    let remote = any_remote(random);
    let mut order = [0, 1, 2];
    random.shuffle(&mut order);
    let missing = usize::from(random.u8(..8) == 0);
    let from = any_side(random);
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
    for number in order.into_iter().skip(missing) {
        packet::fragment(bytes, &whole, number, number == 2, identification)?;
        engine.process_any(bytes, from)?;
        engine.release()?;
    }
    Ok(())
}

/// The router's own stack sends a query. It uses few sessions, because the reservations of hosts do
/// not limit it.
fn local(engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
    let source = SocketAddrV4::new(engine.external(), engine.random().u16(5000..5004));
    let server = Ipv4Addr::new(203, 0, 113, engine.random().u8(250..254));
    packet::udp(
        bytes,
        source,
        SocketAddrV4::new(server, 53),
        b"a question of the router's",
    )?;
    engine.process_local(bytes)
}

/// A client outside connects to a port forward, and the server inside answers.
fn port_forward(engine: &mut Engine, bytes: &mut Vec<u8>) -> Result<()> {
    let server = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 200), 80);
    let (external, client) = (engine.external(), any_remote(engine.random()));
    let sequence = engine.random().u32(..);
    let forwarded = SocketAddrV4::new(external, 8080);
    packet::tcp(bytes, client, forwarded, Segment::syn(sequence), &[])?;
    engine.process_any(bytes, Side::Outside)?;
    packet::tcp(bytes, server, client, Segment::syn_ack(7, sequence), &[])?;
    engine.process_any(bytes, Side::Inside)
}
