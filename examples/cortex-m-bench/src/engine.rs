//! The cost of a packet in the engine alone.

use nat_core::{
    Cidr, Config, DropReason, Fragments, Instant, Nat, Quarantine, Seed, Side, Tables, Verdict,
};
use static_cell::ConstStaticCell;

use crate::board::Console;
use crate::counter::Counter;
use crate::packets::{EXTERNAL, Ends, Frame, HEADER_LEN, MAX_LEN, Protocol, ROUTER, Step, write};

const SESSIONS: usize = 512;
const LENGTHS: [usize; 2] = [46, MAX_LEN];
/// Packets whose cost is averaged.
const ROUNDS: usize = 64;

static TABLES: ConstStaticCell<Tables<640, 640>> = ConstStaticCell::new(Tables::new());
static FRAGMENTS: ConstStaticCell<Fragments<16, 4>> = ConstStaticCell::new(Fragments::new());
static QUARANTINE: ConstStaticCell<Quarantine<64>> = ConstStaticCell::new(Quarantine::new());
static FRAME: ConstStaticCell<Frame> = ConstStaticCell::new(Frame::EMPTY);

struct Bench<'b> {
    nat: Nat<'static>,
    packet: &'static mut [u8],
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
        packet: &mut FRAME.take().0[HEADER_LEN..],
        counter,
        millis: 1_000_000,
        ports: [0; SESSIONS],
    };
    for sessions in [1, 64, SESSIONS] {
        for (name, protocol) in [
            ("UDP", Protocol::Udp),
            ("TCP", Protocol::Tcp),
            ("ICMP", Protocol::Icmp),
        ] {
            bench.open(protocol, sessions);
            for (way, from) in [("out", Side::Inside), ("in", Side::Outside)] {
                let [short, long] =
                    LENGTHS.map(|len| bench.established(protocol, from, sessions, len));
                console.line(format_args!(
                    "{name:4} {way:3} established       {sessions:>5} {short:>10} {long:>10}"
                ));
            }
        }
        let [new, dropped] = [bench.new_session(sessions), bench.unsolicited()];
        console.line(format_args!(
            "UDP  out new session       {sessions:>5} {new:>10}"
        ));
        console.line(format_args!(
            "UDP  in  unsolicited       {sessions:>5} {dropped:>10}"
        ));
    }
}

impl Bench<'_> {
    /// Ends all sessions, and opens this many.
    fn open(&mut self, protocol: Protocol, sessions: usize) {
        self.nat.clear(Instant::from_millis(self.millis));
        for session in 0..sessions {
            self.forward(protocol, Step::Syn, &Ends::outbound(session), 46);
            self.ports[session] = u16::from_be_bytes([self.packet[20], self.packet[21]]);
            if protocol == Protocol::Icmp {
                self.ports[session] = u16::from_be_bytes([self.packet[24], self.packet[25]]);
            }
            self.forward(
                protocol,
                Step::SynAck,
                &Ends::inbound(self.ports[session]),
                46,
            );
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

    fn new_session(&mut self, sessions: usize) -> u32 {
        let cost = |session| self.forward(Protocol::Udp, Step::Data, &Ends::outbound(session), 46);
        (sessions..sessions + ROUNDS).map(cost).sum::<u32>() / ROUNDS as u32
    }

    /// The cost of a packet to an unused port: below 1024, because no inside port is.
    fn unsolicited(&mut self) -> u32 {
        let mut total = 0;
        for port in 1..=ROUNDS as u16 {
            let (verdict, cost) = self.process(Protocol::Udp, Step::Data, &Ends::inbound(port), 46);
            assert_eq!(verdict, Verdict::Drop(DropReason::NoMapping));
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
        write(self.packet, protocol, step, ends, len);
        self.millis += 1;
        let (packet, from) = (&mut self.packet[..len], ends.from());
        self.counter.measure(|| {
            self.nat
                .process(packet, from, Instant::from_millis(self.millis))
        })
    }
}
