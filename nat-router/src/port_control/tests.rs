//! Byte by byte: the requests of clients, and what the server says.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use nat_core::{
    Cidr, Config, Instant, MAX_EXPLICIT_MAPPINGS, Nat, PortForward, Protocol, Seed, Side, Tables,
};

use super::MAX_LEN;
use super::server::Server;

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const H1: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
const H2: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 11);
const N: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const N2: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

const HOUR: u32 = 3600;
const NONCE: [u8; 12] = *b"twelve bytes";
const OTHER_NONCE: [u8; 12] = *b"twelve other";

/// A router with its clock.
struct World {
    nat: Nat<'static>,
    server: Server,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let mut config = Config::new(Cidr::new(ROUTER, 24).expect("a prefix length"));
        config.external_addresses.push(N).expect("room");
        let tables = Box::leak(Box::new(Tables::<32, 64, 8>::new()));
        let now = Instant::from_secs(1000);
        let mut server = Server::new(now);
        let nat = Nat::new(tables, config, Seed::new(*b"a test's own key")).expect("it works");
        server.look_at_address(&nat, now);
        Self { nat, server, now }
    }

    /// What the server answers to `message` of `host`.
    fn hears(&mut self, host: Ipv4Addr, message: &[u8]) -> Option<Vec<u8>> {
        let mut reply = [0xEE; MAX_LEN];
        let moment = (&mut self.nat, self.now);
        let len = self.server.hear(message, host, moment, &mut reply)?;
        self.nat.audit().expect("the engine is in order");
        Some(reply[..len].to_vec())
    }

    #[track_caller]
    fn asks(&mut self, host: Ipv4Addr, message: &[u8]) -> Vec<u8> {
        // So that the limit on requests is not what a test sees.
        self.pass(1);
        self.hears(host, message).expect("an answer")
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(Duration::from_secs(seconds));
        self.nat.handle_timeout(self.now);
    }

    fn epoch(&self) -> [u8; 4] {
        u32::try_from(self.now.as_millis() / 1000 - 1000)
            .expect("a short test")
            .to_be_bytes()
    }

    /// The inside endpoints that have an external port.
    fn mapped(&self) -> Vec<(Protocol, SocketAddrV4, u16)> {
        let mappings = self.nat.explicit_mappings();
        mappings
            .map(|mapping| (mapping.protocol, mapping.inside, mapping.external_port))
            .collect()
    }

    /// A UDP packet from inside.
    fn sends_udp(&mut self, inside: SocketAddrV4) {
        let builder = etherparse::PacketBuilder::ipv4(inside.ip().octets(), [198, 51, 100, 1], 64)
            .udp(inside.port(), 53);
        let mut packet = Vec::new();
        builder.write(&mut packet, b"question").expect("a packet");
        let _verdict = self.nat.process(&mut packet, Side::Inside, self.now);
    }
}

fn at(host: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(host, port)
}

/// A request of NAT-PMP for a mapping.
fn pmp_map(opcode: u8, inside: u16, external: u16, lifetime: u32) -> Vec<u8> {
    let mut message = [[0, opcode, 0, 0], [0; 4], lifetime.to_be_bytes()].concat();
    message[4..6].copy_from_slice(&inside.to_be_bytes());
    message[6..8].copy_from_slice(&external.to_be_bytes());
    message
}

/// The response to it.
fn pmp_mapped(
    (opcode, result): (u8, u8),
    epoch: [u8; 4],
    (inside, external): (u16, u16),
    lifetime: u32,
) -> Vec<u8> {
    let ports = [inside.to_be_bytes(), external.to_be_bytes()].concat();
    [
        &[0, 128 + opcode, 0, result][..],
        &epoch,
        &ports,
        &lifetime.to_be_bytes(),
    ]
    .concat()
}

/// A request of PCP: its header and the rest.
fn pcp(opcode: u8, lifetime: u32, client: Ipv4Addr, rest: &[u8]) -> Vec<u8> {
    [
        &[2, opcode, 0, 0][..],
        &lifetime.to_be_bytes(),
        &client.to_ipv6_mapped().octets(),
        rest,
    ]
    .concat()
}

/// The part of a request or response that is about the mapping.
fn map_part(
    nonce: [u8; 12],
    protocol: u8,
    (inside, external): (u16, u16),
    address: Ipv4Addr,
) -> Vec<u8> {
    [
        &nonce[..],
        &[protocol, 0, 0, 0],
        &inside.to_be_bytes(),
        &external.to_be_bytes(),
        &address.to_ipv6_mapped().octets(),
    ]
    .concat()
}

/// A request for a mapping of `H1`.
fn pcp_map(nonce: [u8; 12], protocol: u8, ports: (u16, u16), lifetime: u32) -> Vec<u8> {
    pcp(
        1,
        lifetime,
        H1,
        &map_part(nonce, protocol, ports, Ipv4Addr::UNSPECIFIED),
    )
}

/// A response of PCP: its header and the rest.
fn pcp_answer((opcode, result): (u8, u8), lifetime: u32, epoch: [u8; 4], rest: &[u8]) -> Vec<u8> {
    [
        &[2, 128 + opcode, 0, result][..],
        &lifetime.to_be_bytes(),
        &epoch,
        &[0; 12],
        rest,
    ]
    .concat()
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// NP1.
#[test]
fn nat_pmp_tells_the_external_address() {
    let mut w = World::new();
    let answer = w.asks(H1, &[0, 0]);
    assert_eq!(
        answer,
        [&[0, 128, 0, 0][..], &w.epoch(), &[203, 0, 113, 1]].concat()
    );
    w.nat.set_external_addresses(&[], w.now).expect("none");
    let answer = w.asks(H1, &[0, 0]);
    assert_eq!(answer, [&[0, 128, 0, 3][..], &w.epoch(), &[0; 4]].concat());
}

/// NP2, NP4.
#[test]
fn nat_pmp_maps_a_port() {
    let mut w = World::new();
    let answer = w.asks(H1, &pmp_map(2, 80, 8080, HOUR));
    assert_eq!(answer, pmp_mapped((2, 0), w.epoch(), (80, 8080), HOUR));
    assert_eq!(w.mapped(), [(Protocol::Tcp, at(H1, 80), 8080)]);
    // To ask again gives the same port, and more time.
    let answer = w.asks(H1, &pmp_map(2, 80, 9090, 2 * HOUR));
    assert_eq!(answer, pmp_mapped((2, 0), w.epoch(), (80, 8080), 2 * HOUR));
    // Another host gets another port.
    let answer = w.asks(H2, &pmp_map(2, 80, 8080, HOUR));
    assert_eq!((answer[3], w.mapped().len()), (0, 2));
    assert_ne!(answer[10..12], 8080_u16.to_be_bytes());
    // No more time than is asked for, and no more than a day.
    assert_eq!(w.asks(H1, &pmp_map(1, 80, 0, 7))[12..], 7_u32.to_be_bytes());
    let answer = w.asks(H1, &pmp_map(1, 80, 0, u32::MAX));
    assert_eq!(answer[12..], 86_400_u32.to_be_bytes());
}

/// NP4: the port of a mapping that traffic has opened.
#[test]
fn nat_pmp_returns_the_port_of_an_implicit_mapping() {
    let mut w = World::new();
    w.sends_udp(at(H1, 5000));
    let port = w.nat.sessions().next().expect("a session").external.port();
    let answer = w.asks(H1, &pmp_map(1, 5000, 0, HOUR));
    assert_eq!(answer, pmp_mapped((1, 0), w.epoch(), (5000, port), HOUR));
}

/// NP5.
#[test]
fn nat_pmp_deletes_mappings() {
    let mut w = World::new();
    for port in [80, 81, 82] {
        w.asks(H1, &pmp_map(2, port, 0, HOUR));
        w.asks(H1, &pmp_map(1, port, 0, HOUR));
    }
    w.asks(H2, &pmp_map(2, 80, 0, HOUR));
    let answer = w.asks(H1, &pmp_map(2, 80, 8080, 0));
    assert_eq!(answer, pmp_mapped((2, 0), w.epoch(), (80, 0), 0));
    assert_eq!(w.mapped().len(), 6);
    // What is not there, too.
    let answer = w.asks(H1, &pmp_map(2, 80, 0, 0));
    assert_eq!(answer, pmp_mapped((2, 0), w.epoch(), (80, 0), 0));
    // All of a protocol and a host.
    let answer = w.asks(H1, &pmp_map(2, 0, 0, 0));
    assert_eq!(answer, pmp_mapped((2, 0), w.epoch(), (0, 0), 0));
    assert_eq!(w.mapped().len(), 4);
    let forward = PortForward::new(Protocol::Tcp, 4000, at(H1, 4000));
    w.nat.add_port_forward(forward).expect("a port forward");
    for lifetime in [0, HOUR] {
        let answer = w.asks(H1, &pmp_map(2, 4000, 0, lifetime));
        assert_eq!(answer, pmp_mapped((2, 2), w.epoch(), (4000, 0), 0));
    }
}

/// NP6.
#[test]
fn nat_pmp_refuses_what_it_does_not_know() {
    let mut w = World::new();
    let answer = w.asks(H1, &[0, 7, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(answer, [0, 135, 0, 5, 3, 4, 5, 6, 7]);
    for ignored in [
        &[0, 128, 0, 0][..],
        &[0, 255],
        &[0],
        &[],
        &[0, 1, 0, 0, 0, 80],
    ] {
        assert_eq!(w.hears(H1, ignored), None);
    }
    for n in 0..MAX_EXPLICIT_MAPPINGS as u16 / 4 {
        w.asks(H1, &pmp_map(1, 5000 + n, 0, HOUR));
    }
    let answer = w.asks(H1, &pmp_map(1, 6000, 0, HOUR));
    assert_eq!(answer, pmp_mapped((1, 4), w.epoch(), (6000, 0), 0));
}

/// NP7, PC9: only hosts of the network inside are heard.
#[test]
fn strangers_are_not_heard() {
    let mut w = World::new();
    for stranger in [Ipv4Addr::new(198, 51, 100, 1), N, ROUTER] {
        assert_eq!(w.hears(stranger, &[0, 0]), None);
        assert_eq!(w.hears(stranger, &pcp(0, 0, stranger, &[])), None);
    }
}

/// A30: a host that floods is not answered, and others are.
#[test]
fn a_host_gets_sixteen_answers_a_second() {
    let mut w = World::new();
    let answered = (0..100).filter(|_| w.hears(H1, &[0, 0]).is_some()).count();
    assert_eq!(answered, 16);
    assert!(w.hears(H2, &[0, 0]).is_some());
    w.pass(1);
    assert!(w.hears(H1, &[0, 0]).is_some());
}

/// NP8, PC10: a new address is announced ten times, in growing intervals, and the epoch begins anew.
#[test]
fn a_new_address_is_announced() {
    let mut w = World::new();
    w.pass(100);
    w.nat
        .set_external_addresses(&[N2], w.now)
        .expect("an address");
    w.server.look_at_address(&w.nat, w.now);
    let mut times = Vec::new();
    while let Some(due) = w.server.next_announcement() {
        times.push(due.saturating_duration_since(w.now).as_millis());
        let (mut pmp, mut pcp) = ([0; 12], [0; 24]);
        let lens = w.server.announce(due, (&mut pmp, &mut pcp));
        assert_eq!(lens, Some((12, 24)));
        let epoch = u32::try_from(times[times.len() - 1] / 1000).expect("short");
        let told = [&[0, 128, 0, 0][..], &epoch.to_be_bytes(), &[203, 0, 113, 2]].concat();
        assert_eq!(pmp[..], told);
        assert_eq!(pcp[..], pcp_answer((0, 0), 0, epoch.to_be_bytes(), &[]));
    }
    let doubling = [
        0, 250, 750, 1750, 3750, 7750, 15_750, 31_750, 63_750, 127_750,
    ];
    assert_eq!(times, doubling);
    // The same address again is no news.
    w.nat.set_external_addresses(&[], w.now).expect("none");
    w.server.look_at_address(&w.nat, w.now);
    w.nat
        .set_external_addresses(&[N2], w.now)
        .expect("an address");
    w.server.look_at_address(&w.nat, w.now);
    assert_eq!(w.server.next_announcement(), None);
}

/// PC1.
#[test]
fn pcp_checks_a_request() {
    let mut w = World::new();
    let whole = pcp_map(NONCE, TCP, (80, 0), HOUR);
    let mut response = whole.clone();
    response[1] |= 128;
    for ignored in [&response[..], &whole[..23], &[2], &[2, 0]] {
        assert_eq!(w.hears(H1, ignored), None);
    }
    for version in [1, 3, 255] {
        let mut other = whole.clone();
        other[0] = version;
        let answer = w.asks(H1, &other);
        assert_eq!(answer, pcp_answer((1, 1), 1800, w.epoch(), &whole[24..]));
    }
    // In PCP, unlike in NAT-PMP, too short a request is an error.
    let answer = w.asks(H1, &whole[..56]);
    assert_eq!(answer, pcp_answer((1, 3), 1800, w.epoch(), &whole[24..56]));
    let answer = w.asks(H1, &[&whole[..], &[0]].concat());
    let padded = [&whole[24..], &[0; 4]].concat();
    assert_eq!(answer, pcp_answer((1, 3), 1800, w.epoch(), &padded));
    let long = [&whole[..], &[200; 1100]].concat();
    let answer = w.asks(H1, &long);
    assert_eq!((answer.len(), answer[3]), (MAX_LEN, 3));
    // PC2
    let answer = w.asks(H1, &pcp(9, 0, H1, &[1, 2, 3, 4]));
    assert_eq!(answer, pcp_answer((9, 4), 1800, w.epoch(), &[1, 2, 3, 4]));
    let answer = w.asks(H2, &whole);
    assert_eq!(answer, pcp_answer((1, 12), 1800, w.epoch(), &whole[24..]));
    assert_eq!(w.mapped(), []);
}

/// PC3.
#[test]
fn pcp_answers_an_announcement() {
    let mut w = World::new();
    let answer = w.asks(H1, &pcp(0, 0, H1, &[]));
    assert_eq!(answer, pcp_answer((0, 0), 0, w.epoch(), &[]));
}

/// PC4, PC11.
#[test]
fn pcp_maps_a_port() {
    let mut w = World::new();
    let answer = w.asks(H1, &pcp_map(NONCE, TCP, (80, 8080), HOUR));
    let part = map_part(NONCE, TCP, (80, 8080), N);
    assert_eq!(answer, pcp_answer((1, 0), HOUR, w.epoch(), &part));
    assert_eq!(w.mapped(), [(Protocol::Tcp, at(H1, 80), 8080)]);
    for (asked, granted) in [(1, 120), (u32::MAX, 86_400)] {
        let answer = w.asks(H1, &pcp_map(NONCE, TCP, (80, 8080), asked));
        assert_eq!(answer, pcp_answer((1, 0), granted, w.epoch(), &part));
    }
    // A port that another has.
    w.asks(H2, &pmp_map(1, 9000, 9000, HOUR));
    let answer = w.asks(H1, &pcp_map(NONCE, UDP, (81, 9000), HOUR));
    assert_eq!(answer[3], 0);
    assert_ne!(answer[42..44], 9000_u16.to_be_bytes());
}

/// PC4, PC9: requests that cannot be granted change nothing.
#[test]
fn pcp_refuses_what_it_cannot_map() {
    let mut w = World::new();
    let cases = [
        // SCTP; all protocols; all ports
        (pcp_map(NONCE, 132, (80, 0), HOUR), 9, 1800),
        (pcp_map(NONCE, 0, (0, 0), HOUR), 9, 1800),
        (pcp_map(NONCE, TCP, (0, 0), HOUR), 2, 1800),
        // a port of all protocols
        (pcp_map(NONCE, 0, (80, 0), HOUR), 3, 1800),
    ];
    for (request, result, lifetime) in cases {
        let answer = w.asks(H1, &request);
        assert_eq!(
            answer,
            pcp_answer((1, result), lifetime, w.epoch(), &request[24..])
        );
    }
    assert_eq!(w.mapped(), []);
    for n in 0..MAX_EXPLICIT_MAPPINGS as u16 / 4 {
        w.asks(H1, &pcp_map(NONCE, UDP, (5000 + n, 0), HOUR));
    }
    let request = pcp_map(NONCE, UDP, (6000, 0), HOUR);
    let answer = w.asks(H1, &request);
    assert_eq!(answer, pcp_answer((1, 10), 30, w.epoch(), &request[24..]));
    w.nat.set_external_addresses(&[], w.now).expect("none");
    let request = pcp(
        1,
        HOUR,
        H2,
        &map_part(NONCE, UDP, (6000, 0), Ipv4Addr::UNSPECIFIED),
    );
    let answer = w.asks(H2, &request);
    assert_eq!(answer, pcp_answer((1, 7), 30, w.epoch(), &request[24..]));
}

/// PC5: only who knows the nonce renews and deletes.
#[test]
fn pcp_wants_the_nonce() {
    let mut w = World::new();
    w.asks(H1, &pcp_map(NONCE, TCP, (80, 8080), HOUR));
    w.pass(99);
    for lifetime in [HOUR, 0] {
        let request = pcp_map(OTHER_NONCE, TCP, (80, 8080), lifetime);
        let answer = w.asks(H1, &request);
        assert_eq!(answer[3], 2, "lifetime {lifetime}");
        // Nor is it known to NAT-PMP.
        assert_eq!(w.asks(H1, &pmp_map(2, 80, 0, lifetime))[3], 2);
    }
    let answer = w.asks(H1, &pcp_map(OTHER_NONCE, TCP, (80, 8080), HOUR));
    let left = u32::from_be_bytes(answer[4..8].try_into().expect("four bytes"));
    assert_eq!(left, HOUR - 104, "the time that is left");
    assert_eq!(w.mapped().len(), 1);
    // Once it has ended, anyone of this host may have one.
    w.pass(HOUR.into());
    assert_eq!(w.mapped(), []);
    assert_eq!(
        w.asks(H1, &pcp_map(OTHER_NONCE, TCP, (80, 8080), HOUR))[3],
        0
    );
}

/// PC6.
#[test]
fn pcp_deletes_mappings() {
    let mut w = World::new();
    for port in [80, 81] {
        for protocol in [TCP, UDP] {
            w.asks(H1, &pcp_map(NONCE, protocol, (port, 0), HOUR));
        }
    }
    w.asks(H1, &pcp_map(OTHER_NONCE, TCP, (82, 0), HOUR));
    let request = pcp_map(NONCE, TCP, (80, 7), 0);
    // Twice: what is not there, too.
    for _ in 0..2 {
        let answer = w.asks(H1, &request);
        assert_eq!(answer, pcp_answer((1, 0), 0, w.epoch(), &request[24..]));
        assert_eq!(w.mapped().len(), 4);
    }
    // A mapping of traffic is not deleted.
    w.sends_udp(at(H1, 5000));
    let request = pcp_map(NONCE, UDP, (5000, 0), 0);
    let answer = w.asks(H1, &request);
    assert_eq!(answer, pcp_answer((1, 2), 1800, w.epoch(), &request[24..]));
    // All of this nonce.
    assert_eq!(w.asks(H1, &pcp_map(NONCE, 0, (0, 0), 0))[3], 0);
    let left: Vec<_> = w.mapped().iter().map(|(_, inside, _)| *inside).collect();
    assert_eq!(left, [at(H1, 82)]);
}

/// PC8.
#[test]
fn pcp_reads_options() {
    let mut w = World::new();
    let map = pcp_map(NONCE, TCP, (80, 8080), HOUR);
    let any_port = pcp_map(NONCE, TCP, (80, 0), HOUR);
    let with = |request: &[u8], options: &[u8]| [request, options].concat();
    let cases = [
        // THIRD_PARTY, FILTER, and one that must be understood
        (with(&map, &[&[1, 0, 0, 16][..], &[0; 16]].concat()), 5),
        (with(&map, &[&[3, 0, 0, 20][..], &[0; 20]].concat()), 5),
        (with(&map, &[127, 0, 0, 0]), 5),
        // PREFER_FAILURE with data, twice, without a port; an option that is cut off
        (with(&map, &[2, 0, 0, 4, 0, 0, 0, 0]), 6),
        (with(&map, &[2, 0, 0, 0, 2, 0, 0, 0]), 6),
        (with(&any_port, &[2, 0, 0, 0]), 6),
        (with(&map, &[200, 0, 0, 8, 0, 0, 0, 0]), 6),
    ];
    for (request, result) in cases {
        let answer = w.asks(H1, &request);
        assert_eq!(
            answer,
            pcp_answer((1, result), 1800, w.epoch(), &request[24..])
        );
    }
    assert_eq!(w.mapped(), []);
    // One that may be left out is, and PREFER_FAILURE is confirmed.
    let request = with(&map, &[200, 0, 0, 1, 9, 0, 0, 0, 2, 0, 0, 0]);
    let part = [&map_part(NONCE, TCP, (80, 8080), N)[..], &[2, 0, 0, 0]].concat();
    let answer = w.asks(H1, &request);
    assert_eq!(answer, pcp_answer((1, 0), HOUR, w.epoch(), &part));
    let request = with(&pcp_map(NONCE, TCP, (81, 8080), HOUR), &[2, 0, 0, 0]);
    let answer = w.asks(H1, &request);
    assert_eq!(answer, pcp_answer((1, 11), 1800, w.epoch(), &request[24..]));
}

/// A25 for this server: no bytes make it panic, and no answer is longer than a message may be.
#[test]
fn any_bytes_are_heard() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut w = World::new();
    let whole = pcp_map(NONCE, TCP, (80, 8080), HOUR);
    for _ in 0..20_000 {
        let mut message = whole.clone();
        message.resize(random.usize(..1300), 0);
        for _ in 0..random.usize(..6) {
            if !message.is_empty() {
                let at = random.usize(..message.len().min(80));
                message[at] = random.u8(..);
            }
        }
        w.pass(1);
        if let Some(answer) = w.hears(H1, &message) {
            assert!(answer.len() <= MAX_LEN);
            assert_eq!(answer[1] & 128, 128);
        }
    }
}
