//! Plays packets of one kind through the engine, for a program that counts instructions:
//!
//! `instructions KIND FLOWS PACKETS`, where KIND is `udp-out`, `udp-in`, `tcp-out` or `tcp-in` for
//! packets of established sessions, `udp-new` or `tcp-new` for packets that each open a mapping and
//! a session, `unsolicited` for packets from outside without a mapping, and `none` for packets that
//! are not given to the engine.
//!
//! FLOWS sessions of eight hosts are open before, with traffic both ways. 64 packets come in a
//! millisecond. All packets of all kinds are built before the first one is played, so two runs that
//! differ in PACKETS only differ by what the packets cost. `.ci/performance --measure x86` runs it so
//! under Valgrind.

use core::hint::black_box;
use core::net::Ipv4Addr;

use etherparse::{PacketBuilder, TcpHeader};
use nat_core::{Cidr, Config, Instant, Nat, Seed, Side, Tables, Verdict};

/// Packets of 64 bytes.
type Packet = [u8; 64];
type Flows = Tables<16_384, 16_384, 64>;

const USAGE: &str = "usage: instructions KIND FLOWS PACKETS";
const EXTERNAL: [u8; 4] = [198, 51, 100, 2];
const START: u64 = 1_000;
/// Packets in a millisecond.
const RATE: u64 = 64;
/// The most packets of a run in which each opens a session.
const MOST: usize = 4_096;

#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Udp,
    Tcp,
}

/// What becomes of the packets.
#[derive(Clone, Copy)]
enum Play {
    Nothing,
    Forwarded(Side),
    Dropped,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, flows, count] = &arguments[..] else {
        panic!("{USAGE}")
    };
    let number = |text: &str| text.parse::<usize>().expect(USAGE);
    let (flows, count) = (number(flows), number(count));
    let protocol = if kind.starts_with("tcp") {
        Protocol::Tcp
    } else {
        Protocol::Udp
    };
    let mut nat = nat();
    let outbound: Vec<_> = (0..flows)
        .map(|flow| packet(protocol, flow, false))
        .collect();
    let inbound: Vec<_> = (0..flows)
        .map(|flow| open(&mut nat, protocol, flow))
        .collect();
    // So that no packet is the first of its direction.
    for (mut out, mut back) in outbound.iter().copied().zip(inbound.iter().copied()) {
        expect_forward(&mut nat, &mut back, Side::Outside);
        expect_forward(&mut nat, &mut out, Side::Inside);
    }
    let fresh: Vec<_> = (0..MOST)
        .map(|number| packet(protocol, flows + number, true))
        .collect();
    let strange: Vec<_> = (0..MOST).map(strange).collect();
    let (packets, play) = match kind.split_once('-') {
        Some((_, "out")) => (&outbound, Play::Forwarded(Side::Inside)),
        Some((_, "in")) => (&inbound, Play::Forwarded(Side::Outside)),
        Some((_, "new")) => (&fresh, Play::Forwarded(Side::Inside)),
        None if kind == "unsolicited" => (&strange, Play::Dropped),
        None if kind == "none" => (&outbound, Play::Nothing),
        _ => panic!("{USAGE}"),
    };
    let may_repeat = !kind.ends_with("new");
    assert!(may_repeat || count <= MOST, "{MOST} packets at most");
    run(&mut nat, packets, play, count);
}

fn nat() -> Nat<'static> {
    let inside = Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 16).expect("a prefix length");
    let mut config = Config::new(inside);
    config
        .external_addresses
        .push(EXTERNAL.into())
        .expect("room for one");
    config.limits.sessions_per_host = Some(u16::MAX);
    config.limits.mappings_per_host = Some(u16::MAX);
    let tables: &'static mut Flows = Box::leak(Box::new(Tables::new()));
    Nat::new(tables, config, Seed::new([7; 16])).expect("a sound configuration")
}

fn run(nat: &mut Nat<'_>, packets: &[Packet], play: Play, count: usize) {
    let mut at = 0;
    for number in 0..count as u64 {
        let now = black_box(Instant::from_millis(START + number / RATE));
        // A stride that is prime to every number of flows. Fresh packets come once each.
        at = (at + 4_099) % packets.len();
        let mut buffer = packets[at];
        let is_as_meant = match play {
            Play::Nothing => black_box(&mut buffer)[0] == 0x45,
            Play::Forwarded(from) => {
                let verdict = nat.process(black_box(&mut buffer), from, now);
                matches!(verdict, Verdict::Forward { .. })
            }
            Play::Dropped => {
                let verdict = nat.process(black_box(&mut buffer), Side::Outside, now);
                matches!(verdict, Verdict::Drop(_))
            }
        };
        assert!(is_as_meant, "a packet with another verdict");
    }
}

/// A packet of flow `number`, of one of eight hosts to one of four servers. `begins` makes a TCP
/// segment a SYN.
fn packet(protocol: Protocol, number: usize, begins: bool) -> Packet {
    let host = [10, 0, 0, (number % 8) as u8 + 2];
    let server = [203, 0, 113, (number % 4) as u8 + 1];
    let ports = (20_000 + (number / 8) as u16, 443);
    build(protocol, (host, server), ports, |tcp| {
        (tcp.syn, tcp.ack) = (begins, !begins);
        tcp.sequence_number = if begins { 1_000 } else { 1_001 };
        tcp.acknowledgment_number = 5_001;
    })
}

/// A packet from a server to a port that no mapping has.
fn strange(number: usize) -> Packet {
    let ports = (443, 1 + number as u16 % 1_000);
    build(Protocol::Udp, ([203, 0, 113, 9], EXTERNAL), ports, |_| ())
}

/// Opens flow `number`. Returns the packet that answers its packets.
fn open(nat: &mut Nat<'_>, protocol: Protocol, number: usize) -> Packet {
    let mut first = packet(protocol, number, true);
    expect_forward(nat, &mut first, Side::Inside);
    let external = u16::from_be_bytes([first[20], first[21]]);
    let server = [203, 0, 113, (number % 4) as u8 + 1];
    let answer = |syn: bool| {
        build(protocol, (server, EXTERNAL), (443, external), |tcp| {
            (tcp.syn, tcp.ack) = (syn, true);
            tcp.sequence_number = if syn { 5_000 } else { 5_001 };
            tcp.acknowledgment_number = 1_001;
        })
    };
    if protocol == Protocol::Tcp {
        expect_forward(nat, &mut answer(true), Side::Outside);
        expect_forward(nat, &mut packet(protocol, number, false), Side::Inside);
    }
    answer(false)
}

fn expect_forward(nat: &mut Nat<'_>, packet: &mut Packet, from: Side) {
    let verdict = nat.process(packet, from, Instant::from_millis(START));
    assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
}

fn build(
    protocol: Protocol,
    (source, destination): ([u8; 4], [u8; 4]),
    (from, to): (u16, u16),
    change: impl FnOnce(&mut TcpHeader),
) -> Packet {
    let ip = PacketBuilder::ipv4(source, destination, 64);
    let mut bytes = Vec::new();
    let written = match protocol {
        Protocol::Udp => ip.udp(from, to).write(&mut bytes, &[7; 36]),
        Protocol::Tcp => {
            let mut header = TcpHeader::new(from, to, 0, 8_192);
            change(&mut header);
            let data: &[u8] = if header.syn { &[] } else { &[7; 24] };
            ip.tcp_header(header).write(&mut bytes, data)
        }
    };
    written.expect("a vector grows");
    bytes.resize(size_of::<Packet>(), 0);
    bytes.try_into().expect("64 bytes")
}
