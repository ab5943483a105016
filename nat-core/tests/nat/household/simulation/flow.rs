//! One flow of a host: its packets in their order, and the time between them.

use core::net::SocketAddrV4;

use etherparse::PacketBuilder;

use super::host;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Out,
    In,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// A packet of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Milliseconds after the one before.
    pub(crate) after: u64,
    pub(crate) way: Direction,
    /// Of TCP.
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) payload: u16,
}

impl Step {
    pub(crate) const fn data(after: u64, way: Direction, payload: u16) -> Self {
        Self {
            after,
            way,
            syn: false,
            fin: false,
            payload,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) host: u8,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    pub(crate) remote: SocketAddrV4,
    pub(crate) start: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) external: Option<SocketAddrV4>,
    index: usize,
    /// The next sequence number of either end.
    next: [u32; 2],
}

impl Flow {
    pub(crate) fn new(
        (host, port): (u8, u16),
        protocol: Protocol,
        remote: SocketAddrV4,
        start: u64,
        steps: Vec<Step>,
    ) -> Self {
        Self {
            host,
            protocol,
            port,
            remote,
            start,
            steps,
            external: None,
            index: 0,
            next: [1000, 50_000],
        }
    }

    /// The packet that is due, with its way; `None` after the last.
    pub(crate) fn packet(&self) -> Option<(Vec<u8>, Direction)> {
        let step = self.steps.get(self.index)?;
        let inside = SocketAddrV4::new(host(self.host), self.port);
        let (from, to) = match step.way {
            Direction::Out => (inside, self.remote),
            Direction::In => (self.remote, self.external?),
        };
        let ip = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64);
        let payload = vec![0; usize::from(step.payload)];
        let mut packet = Vec::with_capacity(64 + payload.len());
        match self.protocol {
            Protocol::Udp => ip.udp(from.port(), to.port()).write(&mut packet, &payload),
            Protocol::Tcp => {
                let [own, other] = self.next_of(step.way);
                let mut tcp = ip.tcp(from.port(), to.port(), own, 64_000);
                tcp = if step.syn { tcp.syn() } else { tcp };
                tcp = if step.fin { tcp.fin() } else { tcp };
                tcp = if step.syn && step.way == Direction::Out {
                    tcp
                } else {
                    tcp.ack(other)
                };
                tcp.write(&mut packet, &payload)
            }
        }
        .expect("a packet");
        Some((packet, step.way))
    }

    /// Goes on to the next packet, and says how long after this one it is due.
    pub(crate) fn advance(&mut self) -> Option<u64> {
        let step = self.steps[self.index];
        self.next[step.way as usize] +=
            u32::from(step.payload) + u32::from(step.syn) + u32::from(step.fin);
        self.index += 1;
        self.steps.get(self.index).map(|step| step.after)
    }

    fn next_of(&self, way: Direction) -> [u32; 2] {
        let [out, back] = self.next;
        if way == Direction::Out {
            [out, back]
        } else {
            [back, out]
        }
    }
}
