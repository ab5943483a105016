//! The cost of a packet in the engine alone.

use nat_core::{
    Cidr, Config, DropReason, Fragments, Instant, Nat, Quarantine, Seed, Side, Tables, Verdict,
};
use static_cell::ConstStaticCell;

use crate::board::Console;
use crate::counter::Counter;
use crate::packets::{EXTERNAL, Ends, Frame, HEADER_LEN, MAX_LEN, Protocol, ROUTER, Step, write};

const SESSIONS: usize = 512;
const SHORT: usize = 46;
const LENGTHS: [usize; 2] = [SHORT, MAX_LEN];
/// Packets whose cost is averaged.
const ROUNDS: usize = 64;
/// Hosts without a session whose first packet is measured, of the 64 that the tables have room for.
const NEW_HOSTS: usize = 40;

static TABLES: ConstStaticCell<Tables<640, 640>> = ConstStaticCell::new(Tables::new());
static FRAGMENTS: ConstStaticCell<Fragments<16, 4>> = ConstStaticCell::new(Fragments::new());
static QUARANTINE: ConstStaticCell<Quarantine<64>> = ConstStaticCell::new(Quarantine::new());
static FRAME: ConstStaticCell<Frame> = ConstStaticCell::new(Frame::EMPTY);

/// Where packets begin in an array whose first byte has an odd address.
const ODD: usize = 0;
const EVEN: usize = 1;

struct Bench<'b> {
    nat: Nat<'static>,
    /// The memory of the packets, from an odd address on.
    memory: &'static mut [u8],
    /// Where in it they begin: at an even address, unless another one is measured.
    start: usize,
    counter: &'b Counter,
    millis: u64,
    /// The external port of each session.
    ports: [u16; SESSIONS],
}

pub fn run(counter: &Counter, console: &mut Console) {
    let mut config = Config::new(Cidr::new(ROUTER, 24).expect("a prefix length"));
    config
        .external_addresses
        .push(EXTERNAL)
        .expect("room for one");
    let nat = Nat::new(TABLES.take(), config, Seed::new([7; 16])).expect("a sound configuration");
    let nat = nat
        .with_fragments(FRAGMENTS.take())
        .with_quarantine(QUARANTINE.take());
    let mut bench = Bench {
        nat,
        memory: &mut FRAME.take().0[HEADER_LEN - 1..],
        start: EVEN,
        counter,
        millis: 1_000_000,
        ports: [0; SESSIONS],
    };
    for sessions in [1, 64, SESSIONS] {
        bench.report_established(sessions, console);
        bench.report_openings(sessions, console);
    }
    bench.report_odd_addresses(console);
    let refused = bench.refused();
    console.line(format_args!(
        "UDP  out refused            full {refused:>10}"
    ));
}

impl Bench<'_> {
    fn report_established(&mut self, sessions: usize, console: &mut Console) {
        for (name, protocol) in [
            ("UDP", Protocol::Udp),
            ("TCP", Protocol::Tcp),
            ("ICMP", Protocol::Icmp),
        ] {
            self.open(protocol, sessions);
            for (way, from) in [("out", Side::Inside), ("in", Side::Outside)] {
                let [short, long] =
                    LENGTHS.map(|len| self.established(protocol, from, sessions, len));
                console.line(format_args!(
                    "{name:4} {way:3} established       {sessions:>5} {short:>10} {long:>10}"
                ));
            }
        }
    }

    /// The first packets of sessions, beside so many that are open, and packets that begin none.
    fn report_openings(&mut self, sessions: usize, console: &mut Console) {
        for (name, protocol) in [("UDP", Protocol::Udp), ("TCP", Protocol::Tcp)] {
            self.open(protocol, sessions);
            let new = self.new_sessions(protocol, sessions);
            console.line(format_args!(
                "{name:4} out new session       {sessions:>5} {new:>10}"
            ));
        }
        let [host, dropped] = [self.new_hosts(), self.unsolicited()];
        console.line(format_args!(
            "UDP  out new host          {sessions:>5} {host:>10}"
        ));
        console.line(format_args!(
            "UDP  in  unsolicited       {sessions:>5} {dropped:>10}"
        ));
    }

    fn report_odd_addresses(&mut self, console: &mut Console) {
        for (name, protocol) in [("UDP", Protocol::Udp), ("TCP", Protocol::Tcp)] {
            self.open(protocol, SESSIONS);
            self.start = ODD;
            for (way, from) in [("out", Side::Inside), ("in", Side::Outside)] {
                let cost = self.established(protocol, from, SESSIONS, SHORT);
                console.line(format_args!(
                    "{name:4} {way:3} at an odd address {SESSIONS:>5} {cost:>10}"
                ));
            }
            self.start = EVEN;
        }
    }

    /// Ends all sessions, and opens this many.
    fn open(&mut self, protocol: Protocol, sessions: usize) {
        self.nat.clear(Instant::from_millis(self.millis));
        for session in 0..sessions {
            self.forward(protocol, Step::Syn, &Ends::outbound(session), SHORT);
            let at = if protocol == Protocol::Icmp { 24 } else { 20 };
            let port = &self.memory[self.start + at..];
            self.ports[session] = u16::from_be_bytes([port[0], port[1]]);
            let answer = Ends::inbound(self.ports[session]);
            self.forward(protocol, Step::SynAck, &answer, SHORT);
            // More than one request and reply, so that later packets change only timers.
            for len in LENGTHS {
                self.forward(protocol, Step::Data, &Ends::outbound(session), len);
            }
        }
    }

    fn established(&mut self, protocol: Protocol, from: Side, sessions: usize, len: usize) -> u32 {
        let mut total = 0;
        for round in 0..ROUNDS {
            // A stride that is coprime to every number of sessions.
            let session = round * 37 % sessions;
            let ends = match from {
                Side::Inside => Ends::outbound(session),
                Side::Outside => Ends::inbound(self.ports[session]),
            };
            total += self.forward(protocol, Step::Data, &ends, len);
        }
        total / ROUNDS as u32
    }

    /// The first packets of known hosts' sessions, beside this many.
    fn new_sessions(&mut self, protocol: Protocol, sessions: usize) -> u32 {
        let cost = |session| self.forward(protocol, Step::Syn, &Ends::outbound(session), SHORT);
        (sessions..sessions + ROUNDS).map(cost).sum::<u32>() / ROUNDS as u32
    }

    /// The first packets of hosts without a session.
    fn new_hosts(&mut self) -> u32 {
        let cost = |host| self.forward(Protocol::Udp, Step::Syn, &Ends::of_new_host(host), SHORT);
        (0..NEW_HOSTS).map(cost).sum::<u32>() / NEW_HOSTS as u32
    }

    /// The cost of a packet to an unused port: below 1024, because no inside port is.
    fn unsolicited(&mut self) -> u32 {
        let mut total = 0;
        for port in 1..=ROUNDS as u16 {
            let ends = Ends::inbound(port);
            let (verdict, cost) = self.process(Protocol::Udp, Step::Data, &ends, SHORT);
            assert_eq!(verdict, Verdict::Drop(DropReason::NoMapping));
            total += cost;
        }
        total / ROUNDS as u32
    }

    /// The cost of a packet without a session while the tables are full.
    fn refused(&mut self) -> u32 {
        self.open(Protocol::Udp, SESSIONS);
        let mut offer = |session| {
            let ends = Ends::outbound(session);
            self.process(Protocol::Udp, Step::Syn, &ends, SHORT)
        };
        let is_forwarded = |verdict| matches!(verdict, Verdict::Forward { .. });
        let full = (SESSIONS..)
            .find(|session| !is_forwarded(offer(*session).0))
            .expect("the tables have an end");
        let mut total = 0;
        for session in full..full + ROUNDS {
            let (verdict, cost) = offer(session);
            assert!(!is_forwarded(verdict));
            total += cost;
        }
        total / ROUNDS as u32
    }

    fn forward(&mut self, protocol: Protocol, step: Step, ends: &Ends, len: usize) -> u32 {
        let (verdict, cost) = self.process(protocol, step, ends, len);
        assert!(matches!(verdict, Verdict::Forward { .. }));
        cost
    }

    /// Builds a packet and processes it, one in each millisecond.
    fn process(
        &mut self,
        protocol: Protocol,
        step: Step,
        ends: &Ends,
        len: usize,
    ) -> (Verdict, u32) {
        let packet = &mut self.memory[self.start..];
        write(packet, protocol, step, ends, len);
        self.millis += 1;
        let (packet, from) = (&mut packet[..len], ends.from());
        self.counter.measure(|| {
            self.nat
                .process(packet, from, Instant::from_millis(self.millis))
        })
    }
}
