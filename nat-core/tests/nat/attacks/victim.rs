//! The victim: a connection and a UDP flow of one inside host, which must not feel an attack.

use core::net::SocketAddrV4;

use nat_core::{Instant, SessionInfo, SessionState};

use crate::world::*;

/// The victim's ends, inside and outside.
pub(crate) const HOST: SocketAddrV4 = at(H2, 40_000);
pub(crate) const SERVER: SocketAddrV4 = at(S1, 443);
const RESOLVER: SocketAddrV4 = at(S2, 5353);

/// Every port that a mapping may have.
pub(crate) const PORTS: core::ops::RangeInclusive<u16> = 1024..=u16::MAX;

pub(crate) struct Victim {
    pub(crate) connection: Connection,
    /// The external endpoint of its UDP flow.
    pub(crate) external: SocketAddrV4,
    /// How often it has talked.
    talks: u32,
}

impl Victim {
    #[track_caller]
    pub(crate) fn open(w: &mut World) -> Self {
        let connection = w.open_tcp(HOST, SERVER);
        let external = w.open_udp(HOST, RESOLVER);
        let mut victim = Self {
            connection,
            external,
            talks: 0,
        };
        victim.talk(w);
        victim
    }

    /// Sends and gets something new by both flows. Every byte arrives where it should.
    #[track_caller]
    pub(crate) fn talk(&mut self, w: &mut World) {
        self.talks += 1;
        let text = self.talks.to_be_bytes().repeat(30);
        let (external, server) = (self.connection.external, self.connection.remote);
        let left = w
            .outbound(self.connection.inside_sends(ACK | PSH).payload(&text))
            .forwarded();
        assert_eq!(
            (left.source(), left.destination(), left.payload()),
            (external, server, &text[..])
        );
        self.connection.inside_next += text.len() as u32;
        let came = w
            .inbound(self.connection.outside_sends(ACK | PSH).payload(&text))
            .forwarded();
        assert_eq!(
            (came.source(), came.destination(), came.payload()),
            (server, self.connection.inside, &text[..])
        );
        self.connection.outside_next += text.len() as u32;
        assert_eq!(self.connection.state(w), SessionState::Established);

        let left = w.outbound(udp(HOST, RESOLVER).payload(&text)).forwarded();
        assert_eq!((left.source(), left.payload()), (self.external, &text[..]));
        let came = w
            .inbound(udp(RESOLVER, self.external).payload(&text))
            .forwarded();
        assert_eq!((came.destination(), came.payload()), (HOST, &text[..]));
    }

    /// All that can be seen of its sessions, and when they will end.
    #[track_caller]
    fn sessions(&self, w: &World) -> [(SessionInfo, Instant); 2] {
        [
            w.session(self.connection.inside, self.connection.remote),
            w.session(HOST, RESOLVER),
        ]
        .map(|session| {
            let end = w.now().saturating_add(session.expires_in);
            let mut timeless = session;
            timeless.expires_in = core::time::Duration::ZERO;
            (timeless, end)
        })
    }

    /// Has `attack` send its packets, each numbered, and talks now and then. Between what it says,
    /// nothing of its sessions changes.
    #[track_caller]
    pub(crate) fn under<T>(
        &mut self,
        w: &mut World,
        packets: impl IntoIterator<Item = T>,
        attack: impl Fn(&mut World, T),
    ) {
        let mut sessions = self.sessions(w);
        for (number, packet) in packets.into_iter().enumerate() {
            attack(w, packet);
            if number % 512 == 0 {
                assert_eq!(self.sessions(w), sessions, "attacked {number} times");
                w.advance(core::time::Duration::from_millis(10));
                self.talk(w);
                sessions = self.sessions(w);
            }
        }
        assert_eq!(self.sessions(w), sessions, "at the end of the attack");
        self.talk(w);
    }
}

/// The sender outside learns nothing from this packet: it gets no answer.
#[track_caller]
pub(crate) fn learns_nothing(outcome: &Outcome) {
    let silent = matches!(
        outcome,
        Outcome::Dropped(_) | Outcome::Held | Outcome::Forwarded(_) | Outcome::Fragmented(..)
    );
    assert!(silent, "the attacker gets an answer: {outcome:?}");
}
