//! What a packet costs, by kind of packet and number of flows: `cargo bench -p nat-core`.
//!
//! Times are for the eye, since machines are noisy; what counts is the ratio to the first row of
//! the same run.

use core::hint::black_box;
use core::net::Ipv4Addr;
use std::time::Instant as Clock;

use etherparse::{PacketBuilder, PacketBuilderStep, UdpHeader};
use nat_core::{Cidr, Config, Instant, Nat, Seed, Side, Tables, Verdict};

const ROUNDS: usize = 400_000;

type Flows = Tables<8192, 8192, 64>;

fn main() {
    let mut first = None;
    println!(
        "{:28} {:>6} {:>10} {:>7}",
        "packet of 64 bytes", "flows", "ns", "ratio"
    );
    for flows in [1, 64, 512, 4096, 8192] {
        let mut bench = Bench::new(flows);
        for (name, nanos) in [
            ("UDP out, established", bench.established(Side::Inside)),
            ("UDP in, established", bench.established(Side::Outside)),
        ] {
            let base = *first.get_or_insert(nanos);
            println!("{name:28} {flows:>6} {nanos:>10.1} {:>7.2}", nanos / base);
        }
    }
    let base = first.unwrap_or(1.0);
    for flows in [0, 4096, 8100] {
        let nanos = Bench::new(flows).new_flows();
        println!(
            "{:28} {flows:>6} {nanos:>10.1} {:>7.2}",
            "UDP out, new flow",
            nanos / base
        );
    }
}

struct Bench {
    nat: Nat<'static>,
    outbound: Vec<Vec<u8>>,
    inbound: Vec<Vec<u8>>,
}

impl Bench {
    /// A NAT with `flows` sessions of eight hosts, and a packet of each in both directions.
    fn new(flows: usize) -> Self {
        let mut config =
            Config::new(Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 16).expect("a prefix length"));
        config
            .external_addresses
            .push(Ipv4Addr::new(198, 51, 100, 2))
            .expect("room for one");
        config.limits.sessions_per_host = Some(u16::MAX);
        config.limits.mappings_per_host = Some(u16::MAX);
        let tables: &'static mut Flows = Box::leak(Box::new(Tables::new()));
        let mut nat = Nat::new(tables, config, Seed::new([7; 16])).expect("a sound configuration");
        let outbound: Vec<_> = (0..flows).map(packet).collect();
        let inbound = outbound
            .iter()
            .map(|packet| answer(&mut nat, packet))
            .collect();
        Self {
            nat,
            outbound,
            inbound,
        }
    }

    fn established(&mut self, from: Side) -> f64 {
        let packets = if from == Side::Inside {
            &self.outbound
        } else {
            &self.inbound
        };
        let mut buffer = [0; 64];
        // A stride that is prime to every number of flows, so that neighbours in memory are not
        // neighbours in time.
        let mut at = 0;
        let start = Clock::now();
        for _ in 0..ROUNDS {
            at = (at + 4099) % packets.len();
            buffer.copy_from_slice(&packets[at]);
            let verdict = self
                .nat
                .process(black_box(&mut buffer), from, Instant::from_secs(1));
            assert!(matches!(verdict, Verdict::Forward { .. }));
        }
        start.elapsed().as_nanos() as f64 / ROUNDS as f64
    }

    /// The cost of a packet that opens a mapping and a session, while the oldest end by their
    /// timers.
    fn new_flows(&mut self) -> f64 {
        const NEW: usize = 64;
        let fresh: Vec<_> = (100_000..100_000 + NEW).map(packet).collect();
        let (mut nanos, mut now) = (0, 1);
        for _ in 0..ROUNDS / NEW / 8 {
            let mut packets = fresh.clone();
            let start = Clock::now();
            for packet in &mut packets {
                let verdict =
                    self.nat
                        .process(black_box(packet), Side::Inside, Instant::from_secs(now));
                assert!(matches!(verdict, Verdict::Forward { .. }));
            }
            nanos += start.elapsed().as_nanos();
            now += 301;
            self.nat.handle_timeout(Instant::from_secs(now));
            for packet in &mut self.outbound.clone() {
                assert!(matches!(
                    self.nat
                        .process(packet, Side::Inside, Instant::from_secs(now)),
                    Verdict::Forward { .. }
                ));
            }
        }
        nanos as f64 / (ROUNDS / NEW / 8 * NEW) as f64
    }
}

fn udp(source: [u8; 4], destination: [u8; 4], ports: (u16, u16)) -> PacketBuilderStep<UdpHeader> {
    PacketBuilder::ipv4(source, destination, 64).udp(ports.0, ports.1)
}

/// A packet of 64 bytes that opens flow `i`.
fn packet(i: usize) -> Vec<u8> {
    let (host, port) = ((i % 8) as u8 + 2, (i / 8) as u16 % 12_000 + 20_000);
    let mut bytes = Vec::new();
    let server = [203, 0, 113, (i % 4) as u8 + 1];
    udp([10, 0, (i / 96_000) as u8, host], server, (port, 443))
        .write(&mut bytes, &[7; 36])
        .expect("a vector grows");
    bytes
}

/// Sends `packet`, and gives the packet that answers it.
fn answer(nat: &mut Nat<'_>, packet: &[u8]) -> Vec<u8> {
    let mut sent = packet.to_vec();
    let verdict = nat.process(&mut sent, Side::Inside, Instant::from_secs(1));
    assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
    let port = u16::from_be_bytes([sent[20], sent[21]]);
    let (external, server) = (
        [sent[12], sent[13], sent[14], sent[15]],
        [sent[16], sent[17], sent[18], sent[19]],
    );
    let mut bytes = Vec::new();
    udp(server, external, (443, port))
        .write(&mut bytes, &[7; 36])
        .expect("a vector grows");
    bytes
}
