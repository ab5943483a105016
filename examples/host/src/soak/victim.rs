//! The sampled sessions: each of their packets must arrive unchanged, except for the translation.

use core::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result, ensure};
use nat_core::Side;

use super::checker;
use super::engine::Engine;
use super::packet::{self, Segment};

/// Packets of one TCP connection, from its SYN to the last acknowledgment. Closed connections keep
/// their mapping for minutes.
const CONNECTION: u32 = 6001;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Echo,
    Tcp,
    Udp,
}

/// The only session of one host.
#[derive(Clone, Debug)]
pub(super) struct Victim {
    kind: Kind,
    inside: SocketAddrV4,
    remote: SocketAddrV4,
    /// Known after the first packet has left.
    external: Option<SocketAddrV4>,
    /// Packets so far.
    packets: u32,
    /// The next sequence number of the inside, and of the outside.
    sequences: [u32; 2],
}

impl Victim {
    /// The session of the inside host `number`, which has sent nothing yet.
    pub(super) fn new(number: u8, random: &mut fastrand::Rng) -> Self {
        let kind = [Kind::Tcp, Kind::Udp, Kind::Tcp, Kind::Echo][usize::from(number % 4)];
        let inside = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, number), random.u16(1024..));
        let remote = SocketAddrV4::new(
            Ipv4Addr::new(203, 0, 113, number),
            if kind == Kind::Echo { 0 } else { 443 },
        );
        Self {
            kind,
            inside,
            remote,
            external: None,
            packets: 0,
            sequences: [random.u32(..), random.u32(..)],
        }
    }

    /// The external and the remote endpoint, which an off-path attacker may guess.
    pub(super) fn ends(&self) -> Option<(SocketAddrV4, SocketAddrV4)> {
        self.external.map(|external| (external, self.remote))
    }

    /// Sends the session's next packet, and checks how it arrives.
    ///
    /// # Errors
    ///
    /// The packet does not arrive, or it arrives changed.
    pub(super) fn step(&mut self, engine: &mut Engine) -> Result<()> {
        if self.kind == Kind::Tcp && self.packets == CONNECTION {
            *self = Self::new(self.inside.ip().octets()[3], engine.random());
        }
        let outward = self.is_outward();
        let text: [u8; 32] =
            core::array::from_fn(|index| (self.packets as usize).wrapping_mul(index + 1) as u8);
        let payload = if self.carries_data() { &text[..] } else { &[] };
        let result = if outward {
            self.send_out(engine, payload)
        } else {
            self.send_in(engine, payload)
        };
        result.with_context(|| format!("{self:?}"))?;
        self.packets += 1;
        Ok(())
    }

    fn is_outward(&self) -> bool {
        self.packets.is_multiple_of(2)
    }

    fn carries_data(&self) -> bool {
        self.kind != Kind::Tcp || (3..CONNECTION - 4).contains(&self.packets)
    }

    fn send_out(&mut self, engine: &mut Engine, payload: &[u8]) -> Result<()> {
        let mut bytes = engine.take_buffer();
        self.build(&mut bytes, (self.inside, self.remote), payload)?;
        let len = engine.must_forward(&mut bytes, Side::Inside)?;
        let seen = checker::read(&bytes[..len])?.source;
        let external = *self.external.get_or_insert(seen);
        ensure!(
            engine.is_external(*external.ip()),
            "{external} is not an external endpoint"
        );
        checker::expect(&bytes[..len], (external, self.remote), payload)?;
        engine.give_back(bytes);
        Ok(())
    }

    fn send_in(&mut self, engine: &mut Engine, payload: &[u8]) -> Result<()> {
        let external = self.external.context("nothing has left yet")?;
        let mut bytes = engine.take_buffer();
        self.build(&mut bytes, (self.remote, external), payload)?;
        let len = engine.must_forward(&mut bytes, Side::Outside)?;
        checker::expect(&bytes[..len], (self.remote, self.inside), payload)?;
        engine.give_back(bytes);
        Ok(())
    }

    fn build(
        &mut self,
        bytes: &mut Vec<u8>,
        (source, destination): (SocketAddrV4, SocketAddrV4),
        payload: &[u8],
    ) -> Result<()> {
        match self.kind {
            Kind::Udp => packet::udp(bytes, source, destination, payload),
            Kind::Echo => packet::echo(bytes, source, destination, payload),
            Kind::Tcp => {
                let segment = self.segment(payload.len() as u32);
                packet::tcp(bytes, source, destination, segment, payload)
            }
        }
    }

    /// The connection's next segment: handshake, data both ways, and a close from inside.
    fn segment(&mut self, len: u32) -> Segment {
        const FIN: u32 = CONNECTION - 3;
        let (own, peer) = if self.is_outward() { (0, 1) } else { (1, 0) };
        let segment = Segment {
            syn: self.packets < 2,
            fin: (FIN..FIN + 2).contains(&self.packets),
            rst: false,
            sequence: self.sequences[own],
            acknowledgment: (self.packets > 0).then_some(self.sequences[peer]),
        };
        self.sequences[own] =
            self.sequences[own].wrapping_add(len + u32::from(segment.syn || segment.fin));
        segment
    }
}
