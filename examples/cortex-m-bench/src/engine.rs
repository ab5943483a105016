//! What a packet costs in the engine alone.

use nat_core::{
    Cidr, Config, DropReason, Fragments, Instant, Nat, Quarantine, Seed, Side, Tables, Verdict,
};
use static_cell::ConstStaticCell;

use crate::board::Console;
use crate::counter::Counter;
use crate::packets::{EXTERNAL, Ends, Frame, HEADER_LEN, MAX_LEN, Protocol, ROUTER, Step, write};

const FLOWS: usize = 512;
const LENGTHS: [usize; 2] = [46, MAX_LEN];
/// Packets of which the average is taken.
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
    /// The external port of each flow.
    ports: [u16; FLOWS],
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
        ports: [0; FLOWS],
    };
    for flows in [1, 64, FLOWS] {
        for (name, protocol) in [
            ("UDP", Protocol::Udp),
            ("TCP", Protocol::Tcp),
            ("ICMP", Protocol::Icmp),
        ] {
            bench.open(protocol, flows);
            for (way, from) in [("out", Side::Inside), ("in", Side::Outside)] {
                let [short, long] =
                    LENGTHS.map(|len| bench.established(protocol, from, flows, len));
                console.line(format_args!(
                    "{name:4} {way:3} established       {flows:>5} {short:>10} {long:>10}"
                ));
            }
        }
        let [new, dropped] = [bench.new_flow(flows), bench.unsolicited()];
        console.line(format_args!(
            "UDP  out new flow          {flows:>5} {new:>10}"
        ));
        console.line(format_args!(
            "UDP  in  unsolicited       {flows:>5} {dropped:>10}"
        ));
    }
}

impl Bench<'_> {
    /// Puts the NAT into the state of having these flows and no others.
    fn open(&mut self, protocol: Protocol, flows: usize) {
        self.nat.clear(Instant::from_millis(self.millis));
        for flow in 0..flows {
            self.forward(protocol, Step::Syn, &Ends::outbound(flow), 46);
            self.ports[flow] = u16::from_be_bytes([self.packet[20], self.packet[21]]);
            if protocol == Protocol::Icmp {
                self.ports[flow] = u16::from_be_bytes([self.packet[24], self.packet[25]]);
            }
            self.forward(protocol, Step::SynAck, &Ends::inbound(self.ports[flow]), 46);
            // More than one question and its answer, so that nothing but timers changes from here
            // on.
            for len in LENGTHS {
                self.forward(protocol, Step::Data, &Ends::outbound(flow), len);
            }
        }
    }

    fn established(&mut self, protocol: Protocol, from: Side, flows: usize, len: usize) -> u32 {
        let mut total = 0;
        for round in 0..ROUNDS {
            // A stride that is prime to every number of flows.
            let flow = round * 37 % flows;
            let ends = match from {
                Side::Inside => Ends::outbound(flow),
                Side::Outside => Ends::inbound(self.ports[flow]),
            };
            total += self.forward(protocol, Step::Data, &ends, len);
        }
        total / ROUNDS as u32
    }

    fn new_flow(&mut self, flows: usize) -> u32 {
        let cost = |flow| self.forward(Protocol::Udp, Step::Data, &Ends::outbound(flow), 46);
        (flows..flows + ROUNDS).map(cost).sum::<u32>() / ROUNDS as u32
    }

    /// The cost of a packet to a port that nobody has: below 1024, because no inside port is.
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

    /// Builds a packet and has it judged, one a millisecond.
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
