//! What the hosts of the household do, and where the numbers come from.
//!
//! | Number | Here | Source |
//! |---|---|---|
//! | names looked up for a page | 8 to 16, two queries each (A and AAAA) | estimate; pages of the HTTP Archive have about 70 requests to a dozen hosts or more |
//! | connections for a page | one for each name, one in four doubled | HTTP Archive forum, *Distribution of HTTP requests per TCP connection*: 4 requests a connection on average; Sander et al., *Sharding and HTTP/2 Connection Reuse Revisited*, 2021: 36 % to 72 % of the sites cause more connections than names |
//! | of these over QUIC | 30 % | estimate; between the share of HTTP/3 in the requests and in the sites of the Web Almanac, 2022 and later |
//! | time between pages | 30 s on average while somebody reads | estimate: 120 pages an hour, a busy reader |
//! | idle time after which a connection closes | 5 s to 115 s | defaults: Apache 5 s, nginx 75 s, Firefox 115 s |
//! | idle time of QUIC | 30 s, then silence | default `max_idle_timeout` of common servers |
//! | video | four connections, a segment every 6 s, a new connection every 10 min | Apple's recommended segment length; the rest is an estimate |
//! | game | a session to the server for 20 min, 10 packets a second sampled as one, a voice session, and 15 pings to choose a server | estimate |
//! | messenger, mail | a connection each, for the hour, that is heard of every 4 min | estimate, below the 5 min after which many NATs end UDP, far below the 2 h 4 min of TCP |
//! | sensors, switches, speakers | a TLS connection for the hour, a lookup and a short connection every 5 min, NTP every 17 min | E. Valentiner, *What happens on your network while you're on vacation?*, 2019: 24,656 queries in 280 h, 88 an hour from an empty house |
//! | updates | one in the hour for each computer and telephone: 20 connections within a minute | estimate |
//!
//! All look names up at a resolver outside, each query from a port of its own (RFC 5452), which is
//! the heaviest that a host can do: one that keeps its socket, or asks the router, makes fewer
//! sessions.

use core::net::{Ipv4Addr, SocketAddrV4};

use super::HOUR;
use super::flow::{Direction, Flow, Protocol, Step};

pub(crate) const NAMES: [&str; 10] = [
    "laptop",
    "laptop 2",
    "telephone",
    "telephone 2",
    "television",
    "television 2",
    "game console",
    "speaker",
    "thermostat",
    "camera",
];
const READERS: [u8; 4] = [0, 1, 2, 3];
const TELEVISIONS: [u8; 2] = [4, 5];
const CONSOLE: u8 = 6;
const THINGS: [u8; 3] = [7, 8, 9];
const RESOLVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 53), 53);

const MINUTE: u64 = 60_000;

/// All flows of the hour.
pub(crate) fn hour(random: &mut fastrand::Rng) -> Vec<Flow> {
    let mut plan = Plan {
        random,
        flows: Vec::new(),
        ports: [49_152; NAMES.len()],
    };
    READERS.into_iter().for_each(|host| plan.read(host));
    TELEVISIONS.into_iter().for_each(|host| plan.watch(host));
    plan.play_games();
    THINGS.into_iter().for_each(|host| plan.sense(host));
    for host in READERS.into_iter().chain([CONSOLE]) {
        for _ in 0..3 {
            plan.stay_connected(host);
        }
        plan.update(host);
    }
    plan.flows
}

struct Plan<'r> {
    random: &'r mut fastrand::Rng,
    flows: Vec<Flow>,
    /// The next port of each host.
    ports: [u16; NAMES.len()],
}

impl Plan<'_> {
    /// Pages, one after the other.
    fn read(&mut self, host: u8) {
        let mut at = self.random.u64(..30_000);
        while at < HOUR {
            for _ in 0..self.random.u64(8..=16) {
                let later = self.random.u64(..1500);
                let found = self.look_up(host, at + later);
                let connections = if self.random.u8(..4) == 0 { 2 } else { 1 };
                for _ in 0..connections {
                    if self.random.u8(..10) < 3 {
                        self.quic(host, found);
                    } else {
                        self.fetch(host, found);
                    }
                }
            }
            at += self.pause(30_000);
        }
    }

    /// Video for the whole hour.
    fn watch(&mut self, host: u8) {
        for begin in (0..HOUR).step_by(10 * MINUTE as usize) {
            let later = self.random.u64(..2000);
            let found = self.look_up(host, begin + later);
            for _ in 0..4 {
                self.connection(host, found, 100, 6000);
            }
        }
    }

    fn play_games(&mut self) {
        for begin in (0..HOUR).step_by(20 * MINUTE as usize) {
            let found = self.look_up(CONSOLE, begin);
            for server in 0..15 {
                self.datagrams(CONSOLE, found + server * 50, 3, 100);
            }
            self.datagrams(CONSOLE, found + 5000, 1200, 1000);
            self.datagrams(CONSOLE, found + 5000, 600, 2000);
        }
    }

    fn sense(&mut self, host: u8) {
        self.stay_connected(host);
        let mut at = self.random.u64(..5 * MINUTE);
        while at < HOUR {
            let found = self.look_up(host, at);
            self.connection(host, found, 2, 200);
            at += self.pause(5 * MINUTE);
        }
        for at in (MINUTE..HOUR).step_by(17 * MINUTE as usize) {
            self.datagrams(host, at, 1, 0);
        }
    }

    fn stay_connected(&mut self, host: u8) {
        let start = self.random.u64(..MINUTE);
        let found = self.look_up(host, start);
        self.connection(host, found, 15, 4 * MINUTE);
    }

    fn update(&mut self, host: u8) {
        let begin = self.random.u64(..HOUR - 5 * MINUTE);
        for _ in 0..20 {
            let later = self.random.u64(..MINUTE);
            let found = self.look_up(host, begin + later);
            self.connection(host, found, 20, 500);
        }
    }

    /// Two queries for a name; says when its address is known.
    fn look_up(&mut self, host: u8, at: u64) -> u64 {
        for _ in 0..2 {
            let port = self.random.u16(32_768..49_152);
            let steps = vec![
                Step::data(0, Direction::Out, 40),
                Step::data(20, Direction::In, 120),
            ];
            self.flows
                .push(Flow::new((host, port), Protocol::Udp, RESOLVER, at, steps));
        }
        at + 30
    }

    /// A connection of a page: a few requests, and then it is idle until one end closes it.
    fn fetch(&mut self, host: u8, at: u64) {
        let requests = self.random.u64(1..8);
        let idle = [5_000, 15_000, 60_000, 75_000, 115_000][self.random.usize(..5)];
        let mut steps = handshake();
        exchanges(&mut steps, requests, 200);
        close(&mut steps, idle);
        self.push(host, Protocol::Tcp, at, steps);
    }

    /// A connection with so many exchanges, one each `every` milliseconds, which is closed after
    /// the last.
    fn connection(&mut self, host: u8, at: u64, count: u64, every: u64) {
        let mut steps = handshake();
        exchanges(&mut steps, count, every);
        close(&mut steps, every);
        self.push(host, Protocol::Tcp, at, steps);
    }

    fn quic(&mut self, host: u8, at: u64) {
        let count = self.random.u64(2..10);
        self.datagrams(host, at, count, 200);
    }

    fn datagrams(&mut self, host: u8, at: u64, count: u64, every: u64) {
        let mut steps = Vec::new();
        exchanges(&mut steps, count, every);
        self.push(host, Protocol::Udp, at, steps);
    }

    fn push(&mut self, host: u8, protocol: Protocol, at: u64, steps: Vec<Step>) {
        let port = &mut self.ports[usize::from(host)];
        *port = if *port == u16::MAX { 49_152 } else { *port + 1 };
        let server = Ipv4Addr::new(198, 51, self.random.u8(101..200), self.random.u8(1..255));
        self.flows.push(Flow::new(
            (host, *port),
            protocol,
            SocketAddrV4::new(server, 443),
            at,
            steps,
        ));
    }

    /// A time from an exponential distribution with this mean, in milliseconds.
    fn pause(&mut self, mean: u64) -> u64 {
        (-(1.0 - self.random.f64()).ln() * mean as f64) as u64 + 1
    }
}

fn handshake() -> Vec<Step> {
    let syn = |after, way| Step {
        syn: true,
        ..Step::data(after, way, 0)
    };
    vec![
        syn(0, Direction::Out),
        syn(20, Direction::In),
        Step::data(1, Direction::Out, 0),
    ]
}

fn exchanges(steps: &mut Vec<Step>, count: u64, every: u64) {
    for number in 0..count {
        let after = if number == 0 { 0 } else { every };
        steps.extend([
            Step::data(after, Direction::Out, 100),
            Step::data(20, Direction::In, 1000),
        ]);
    }
}

/// The server closes after `idle` milliseconds, and the host with it.
fn close(steps: &mut Vec<Step>, idle: u64) {
    let fin = |after, way| Step {
        fin: true,
        ..Step::data(after, way, 0)
    };
    steps.extend([
        fin(idle, Direction::In),
        fin(20, Direction::Out),
        Step::data(20, Direction::In, 0),
    ]);
}
