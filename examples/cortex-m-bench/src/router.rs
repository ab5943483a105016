//! The cost of a frame in the router: `Runner::poll` between two drivers without notable cost.

use core::cell::{Cell, RefCell};
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use nat_core::{Cidr, Instant, Seed, Side};
use nat_embassy::{Config, Outside, Runner, State};
use static_cell::ConstStaticCell;

use crate::board::Console;
use crate::counter::Counter;
use crate::packets::{
    EXTERNAL, Ends, FRAME_LEN, Frame, GATEWAY, HEADER_LEN, MAX_LEN, Protocol, ROUTER, Step, write,
};

const ROUNDS: u32 = 64;
/// Frames that a driver can queue.
const BURST: usize = 8;

static STATE: ConstStaticCell<State<64, 64>> = ConstStaticCell::new(State::new());
static LAN: ConstStaticCell<Wire> = ConstStaticCell::new(Wire::new(0x10));
static WAN: ConstStaticCell<Wire> = ConstStaticCell::new(Wire::new(0x20));

/// The memory of a network chip.
struct Wire {
    router: [u8; 6],
    station: [u8; 6],
    received: RefCell<[Frame; BURST]>,
    received_len: Cell<usize>,
    /// How many of them have not been read.
    waiting: Cell<usize>,
    sent: RefCell<Frame>,
    sent_count: Cell<u32>,
}

impl Wire {
    const fn new(network: u8) -> Self {
        Self {
            router: [2, 0, 0, 0, network, 1],
            station: [2, 0, 0, 0, network, 2],
            received: RefCell::new([const { Frame::EMPTY }; BURST]),
            received_len: Cell::new(0),
            waiting: Cell::new(0),
            sent: RefCell::new(Frame::EMPTY),
            sent_count: Cell::new(0),
        }
    }

    /// Queues a received frame whose payload `write` writes. All queued frames are the same.
    fn receive(
        &self,
        ethertype: u16,
        destination: [u8; 6],
        write: impl FnOnce(&mut [u8]) -> usize,
    ) {
        let waiting = self.waiting.get();
        let frame = &mut self.received.borrow_mut()[waiting].0;
        frame[..6].copy_from_slice(&destination);
        frame[6..12].copy_from_slice(&self.station);
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        self.received_len
            .set(HEADER_LEN + write(&mut frame[HEADER_LEN..]));
        self.waiting.set(waiting + 1);
    }

    /// Queues an ARP request of `sender` for the router's address.
    fn ask(&self, sender: [u8; 4], target: [u8; 4]) {
        self.receive(0x0806, [0xff; 6], |payload| {
            payload[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
            payload[8..14].copy_from_slice(&self.station);
            payload[14..18].copy_from_slice(&sender);
            payload[18..24].fill(0);
            payload[24..28].copy_from_slice(&target);
            28
        });
    }
}

struct Nic(&'static Wire);

struct Rx(&'static Wire, usize);

struct Tx(&'static Wire);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(&mut self.0.received.borrow_mut()[self.1].0[..self.0.received_len.get()])
    }
}

impl TxToken for Tx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.sent_count.set(self.0.sent_count.get() + 1);
        f(&mut self.0.sent.borrow_mut().0[..len])
    }
}

impl Driver for Nic {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx;

    fn receive(&mut self, _cx: &mut Context<'_>) -> Option<(Rx, Tx)> {
        let waiting = self.0.waiting.get().checked_sub(1)?;
        self.0.waiting.set(waiting);
        Some((Rx(self.0, waiting), Tx(self.0)))
    }

    fn transmit(&mut self, _cx: &mut Context<'_>) -> Option<Tx> {
        Some(Tx(self.0))
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_LEN;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.0.router)
    }
}

struct Bench<'b> {
    runner: Runner<'static, Nic, Nic>,
    lan: &'static Wire,
    wan: &'static Wire,
    counter: &'b Counter,
    millis: u64,
}

pub fn run(counter: &Counter, console: &mut Console) {
    let (lan, wan): (&Wire, &Wire) = (LAN.take(), WAN.take());
    let mut config = Config::new(nat_core::Config::new(
        Cidr::new(ROUTER, 24).expect("a prefix length"),
    ));
    let address = Cidr::new(EXTERNAL, 24).expect("a prefix length");
    config.outside = Some(Outside {
        address,
        gateway: Some(GATEWAY),
    });
    let parts = nat_embassy::new(STATE.take(), config, Seed::new([7; 16]), Nic(lan), Nic(wan));
    let (_, _, _, runner) = parts.expect("a sound configuration");
    let mut bench = Bench {
        runner,
        lan,
        wan,
        counter,
        millis: 1_000_000,
    };
    let [udp, tcp] =
        [Protocol::Udp, Protocol::Tcp].map(|protocol| (protocol, bench.open(protocol)));
    console.line(format_args!(
        "pass without a frame                   {:>5}",
        bench.pass()
    ));
    for (name, (protocol, port)) in [("UDP", udp), ("TCP", tcp)] {
        for (way, ends) in [("out", Ends::outbound(0)), ("in", Ends::inbound(port))] {
            for burst in [1, BURST] {
                let [short, long] =
                    [46, MAX_LEN].map(|len| bench.frames(protocol, &ends, len, burst));
                console.line(format_args!(
                    "{name}  {way:3} frame of {burst} in a pass     {short:>10} {long:>10}"
                ));
            }
        }
    }
}

impl Bench<'_> {
    /// Resolves the neighbours and opens a session. Returns its external port.
    fn open(&mut self, protocol: Protocol) -> u16 {
        self.pass();
        self.lan.ask([10, 0, 0, 2], ROUTER.octets());
        self.wan.ask(GATEWAY.octets(), EXTERNAL.octets());
        self.pass();
        self.load(protocol, Step::Syn, &Ends::outbound(0), 46);
        self.pass();
        let port = u16::from_be_bytes(
            self.wan.sent.borrow().0[34..36]
                .try_into()
                .expect("two bytes"),
        );
        self.load(protocol, Step::SynAck, &Ends::inbound(port), 46);
        self.pass();
        self.load(protocol, Step::Data, &Ends::outbound(0), 46);
        self.pass();
        port
    }

    /// The cost of a frame in passes that move `burst` of them each.
    fn frames(&mut self, protocol: Protocol, ends: &Ends, len: usize, burst: usize) -> u32 {
        let mut total = 0;
        for _ in 0..ROUNDS {
            (0..burst).for_each(|_| self.load(protocol, Step::Data, ends, len));
            let to = if ends.from() == Side::Inside {
                self.wan
            } else {
                self.lan
            };
            let before = to.sent_count.get();
            total += self.pass();
            assert_eq!(to.sent_count.get(), before + burst as u32);
        }
        total / ROUNDS / burst as u32
    }

    fn load(&mut self, protocol: Protocol, step: Step, ends: &Ends, len: usize) {
        let wire = if ends.from() == Side::Inside {
            self.lan
        } else {
            self.wan
        };
        wire.receive(0x0800, wire.router, |payload| {
            write(payload, protocol, step, ends, len).max(46)
        });
    }

    fn pass(&mut self) -> u32 {
        self.millis += 1;
        let mut cx = Context::from_waker(Waker::noop());
        let now = Instant::from_millis(self.millis);
        let (_, cost) = self.counter.measure(|| self.runner.poll(&mut cx, now));
        cost
    }
}
