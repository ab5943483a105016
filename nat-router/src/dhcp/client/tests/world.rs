//! A client, and the messages of a server.

use core::net::Ipv4Addr;
use std::vec::Vec;

use edge_dhcp::{DhcpOption, MessageType, Options, Packet};
use nat_core::Instant;

use super::super::machine::{Action, Client, Heard, State};
use crate::dhcp::field;

pub(super) const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub(super) const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
pub(super) const OFFERED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 60);
pub(super) const NOWHERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
pub(super) const ALL: Ipv4Addr = Ipv4Addr::BROADCAST;

pub(super) const fn seconds(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

/// A message of the client, as another hand reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sent {
    pub(super) kind: Option<MessageType>,
    pub(super) from: Option<Ipv4Addr>,
    pub(super) to: Option<Ipv4Addr>,
    pub(super) transaction: u32,
    pub(super) secs: u16,
    pub(super) current: Option<Ipv4Addr>,
    pub(super) asked: Option<Ipv4Addr>,
    pub(super) server: Option<Ipv4Addr>,
    /// The codes and data of all its options.
    pub(super) options: Vec<(u8, Vec<u8>)>,
    pub(super) len: usize,
    pub(super) broadcast: bool,
}

/// A client with a clock.
pub(super) struct World {
    pub(super) client: Client,
    pub(super) now: Instant,
    /// The last message of the client.
    pub(super) last: Sent,
}

/// What happened in a while, and when in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Happened {
    Sent(u64, Sent),
    Done(u64, Action),
}

impl World {
    /// A client whose link comes up at 0.
    pub(super) fn new() -> Self {
        Self::with_seed(7)
    }

    pub(super) fn with_seed(seed: u64) -> Self {
        let mut client = Client::new("nat-router", seed);
        client.set_mac(MAC);
        client.set_link(true, seconds(0));
        Self {
            client,
            now: seconds(0),
            last: Sent::default(),
        }
    }

    /// All that the client does now.
    pub(super) fn poll(&mut self) -> Vec<Action> {
        let mut buffer = [0; 400];
        let mut actions = Vec::new();
        while let Some(action) = self.client.poll(self.now, &mut buffer) {
            if let Action::Send { from, to, len } = action {
                self.last = read(&buffer[..len], from, to);
            }
            actions.push(action);
            assert!(actions.len() < 10, "no end: {actions:?}");
        }
        assert!(
            self.client.poll_at().is_none_or(|at| at > self.now),
            "{:?}",
            self.client.state()
        );
        actions
    }

    /// Goes on until `end`, as the client wants to be polled. No server answers, and no host has an
    /// address that is probed.
    pub(super) fn run_until(&mut self, end: Instant) -> Vec<Happened> {
        let mut happened = Vec::new();
        loop {
            for action in self.poll() {
                let at = self.now.as_millis();
                happened.push(match action {
                    Action::Send { .. } => Happened::Sent(at, self.last.clone()),
                    other => Happened::Done(at, other),
                });
            }
            match self.client.poll_at() {
                Some(at) if at <= end => self.now = at,
                _ => break,
            }
        }
        self.now = end;
        happened
    }

    pub(super) fn hear(&mut self, message: &[u8]) -> Heard {
        self.client.handle(message, SERVER, self.now)
    }

    /// The server answers the last message.
    pub(super) fn answer(&mut self, kind: MessageType, options: &[DhcpOption<'_>]) -> Heard {
        let message = reply(self.last.transaction, kind, SERVER, OFFERED, options);
        self.hear(&message)
    }

    /// Takes the client to this state, with a lease of 3600 s.
    pub(super) fn at(state: State) -> Self {
        let mut world = Self::new();
        world.go(state);
        assert_eq!(world.client.state(), state);
        world
    }

    fn go(&mut self, state: State) {
        match state {
            State::Down => self.client.set_link(false, self.now),
            State::Released => {
                self.go(State::Bound);
                self.client.release();
                self.poll();
            }
            State::Init => {
                // Refused twice: it waits.
                for _ in 0..2 {
                    self.go(State::Requesting);
                    self.answer(MessageType::Nak, &[]);
                }
            }
            State::Selecting => drop(self.poll()),
            State::Requesting => {
                self.go(State::Selecting);
                assert_eq!(
                    self.answer(MessageType::Offer, &usual(&3600_u32.to_be_bytes())),
                    Heard::Taken
                );
                self.poll();
            }
            State::Probing => {
                self.go(State::Requesting);
                assert_eq!(
                    self.answer(MessageType::Ack, &usual(&3600_u32.to_be_bytes())),
                    Heard::Taken
                );
                self.poll();
            }
            State::Bound => {
                self.go(State::Probing);
                self.client.probed(false, self.now);
                self.poll();
            }
            State::Renewing => {
                self.go(State::Bound);
                self.now = seconds(1800);
                self.poll();
            }
            State::Rebinding => {
                self.go(State::Renewing);
                self.now = seconds(3151);
                self.poll();
            }
            State::Rebooting => {
                self.go(State::Bound);
                self.client.set_link(false, self.now);
                self.poll();
                self.client.set_link(true, self.now);
                self.poll();
            }
        }
    }
}

/// The options that servers give with this lease time.
pub(super) fn usual(time: &[u8]) -> [DhcpOption<'_>; 4] {
    [
        DhcpOption::Unrecognized(51, time),
        DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)),
        DhcpOption::Unrecognized(3, &[198, 51, 100, 1]),
        DhcpOption::Unrecognized(6, &[9, 9, 9, 9, 1, 1, 1, 1]),
    ]
}

/// A message of a server to the client.
pub(super) fn reply(
    transaction: u32,
    kind: MessageType,
    server: Ipv4Addr,
    address: Ipv4Addr,
    options: &[DhcpOption<'_>],
) -> Vec<u8> {
    let mut all = std::vec![
        DhcpOption::MessageType(kind),
        DhcpOption::ServerIdentifier(server)
    ];
    all.extend(options.iter().copied());
    let request = Packet::new_request(MAC, transaction, 0, None, false, Options::new(&[]));
    let address = (kind != MessageType::Nak).then_some(address);
    request
        .new_reply(address, Options::new(&all))
        .encode(&mut [0; 1400])
        .expect("room")
        .to_vec()
}

fn read(message: &[u8], from: Ipv4Addr, to: Ipv4Addr) -> Sent {
    let packet = Packet::decode(message).expect("a sound message");
    assert!(!packet.reply && packet.chaddr[..6] == MAC && packet.giaddr.is_unspecified());
    let mut sent = Sent {
        from: Some(from),
        to: Some(to),
        transaction: packet.xid,
        secs: packet.secs,
        current: Some(packet.ciaddr).filter(|address| !address.is_unspecified()),
        len: message.len(),
        broadcast: packet.broadcast,
        ..Sent::default()
    };
    for option in packet.options.iter() {
        match option {
            DhcpOption::MessageType(kind) => sent.kind = Some(kind),
            DhcpOption::RequestedIpAddress(address) => sent.asked = Some(address),
            DhcpOption::ServerIdentifier(address) => sent.server = Some(address),
            _ => {}
        }
    }
    let mut rest = &message[field::OPTIONS];
    while let [code @ 1..=254, len, next @ ..] = rest {
        let (data, next) = next.split_at(usize::from(*len));
        sent.options.push((*code, data.to_vec()));
        rest = next;
    }
    sent
}
