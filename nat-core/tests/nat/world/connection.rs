//! A TCP connection through the NAT, with the sequence numbers that both ends would use next.

use core::net::SocketAddrV4;

use nat_core::SessionState;

use super::{ACK, Datagram, SYN, World, tcp};

pub(crate) const INSIDE_ISN: u32 = 1_000_000;
pub(crate) const OUTSIDE_ISN: u32 = 3_000_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) inside: SocketAddrV4,
    pub(crate) external: SocketAddrV4,
    pub(crate) remote: SocketAddrV4,
    /// What the inside end sends next.
    pub(crate) inside_next: u32,
    /// What the outside end sends next.
    pub(crate) outside_next: u32,
}

impl Connection {
    /// A connection of which only the SYN has been sent.
    #[track_caller]
    pub(crate) fn syn_sent(world: &mut World, inside: SocketAddrV4, remote: SocketAddrV4) -> Self {
        let external = world
            .outbound(tcp(inside, remote, SYN).seq(INSIDE_ISN))
            .forwarded()
            .source();
        Self {
            inside,
            external,
            remote,
            inside_next: INSIDE_ISN + 1,
            outside_next: OUTSIDE_ISN,
        }
    }

    /// An established connection.
    #[track_caller]
    pub(crate) fn open(world: &mut World, inside: SocketAddrV4, remote: SocketAddrV4) -> Self {
        let mut connection = Self::syn_sent(world, inside, remote);
        world
            .inbound(connection.outside_sends(SYN | ACK))
            .forwarded();
        connection.outside_next += 1;
        world.outbound(connection.inside_sends(ACK)).forwarded();
        connection
    }

    /// An established connection that `remote` has opened from outside, to `external`.
    #[track_caller]
    pub(crate) fn accept(world: &mut World, external: SocketAddrV4, remote: SocketAddrV4) -> Self {
        let inside = world
            .inbound(tcp(remote, external, SYN).seq(OUTSIDE_ISN))
            .forwarded()
            .destination();
        let (inside_next, outside_next) = (INSIDE_ISN, OUTSIDE_ISN + 1);
        let mut connection = Self {
            inside,
            external,
            remote,
            inside_next,
            outside_next,
        };
        let answer = world
            .outbound(connection.inside_sends(SYN | ACK))
            .forwarded();
        assert_eq!(
            (answer.source(), answer.destination()),
            (external, remote),
            "the answer leaves from there"
        );
        connection.inside_next += 1;
        world.inbound(connection.outside_sends(ACK)).forwarded();
        assert_eq!(connection.state(world), SessionState::Established);
        connection
    }

    /// A segment with what the inside end would send next.
    pub(crate) fn inside_sends(&self, flags: u8) -> Datagram {
        let segment = tcp(self.inside, self.remote, flags).seq(self.inside_next);
        if flags & ACK == 0 {
            segment
        } else {
            segment.ack(self.outside_next)
        }
    }

    /// A segment with what the outside end would send next.
    pub(crate) fn outside_sends(&self, flags: u8) -> Datagram {
        let segment = tcp(self.remote, self.external, flags).seq(self.outside_next);
        if flags & ACK == 0 {
            segment
        } else {
            segment.ack(self.inside_next)
        }
    }

    /// Sends `payload` from inside, unacknowledged yet.
    #[track_caller]
    pub(crate) fn send_from_inside(&mut self, world: &mut World, payload: &[u8]) {
        world
            .outbound(self.inside_sends(ACK).payload(payload))
            .forwarded();
        self.inside_next += payload.len() as u32;
    }

    /// Sends `payload` from outside, unacknowledged yet.
    #[track_caller]
    pub(crate) fn send_from_outside(&mut self, world: &mut World, payload: &[u8]) {
        world
            .inbound(self.outside_sends(ACK).payload(payload))
            .forwarded();
        self.outside_next += payload.len() as u32;
    }

    #[track_caller]
    pub(crate) fn state(&self, world: &World) -> SessionState {
        world.session(self.inside, self.remote).state
    }

    /// Whether the engine still has the session.
    pub(crate) fn is_alive(&self, world: &World) -> bool {
        world
            .nat
            .sessions()
            .any(|session| session.inside == self.inside && session.remote == self.remote)
    }
}
