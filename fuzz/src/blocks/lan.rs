//! A LAN between a host and a router, both played, and what must be true of it.

use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Waker};
use std::rc::Rc;

use embassy_net_driver::{Driver, LinkState, RxToken, TxToken};
use embassy_usb_driver::Event;
use nat_usb_lan::{Device, Identity, MacAddresses, Monitor, TEST_IDS, UsbLan};

use super::Memory;
use super::controller::{Controller, Wires};
use super::expected::{Expected, Outcome};
use super::specification;

const PACKET: usize = 64;
const LONGEST_BLOCK: usize = 2048;
const LONGEST_FRAME: usize = 1514;
const SHORTEST_FRAME: usize = 14;

/// What the router writes over each frame.
pub(super) const OVERWRITTEN: u8 = 0xff;

/// What the host asks for after a reset: an address, configuration 1, and setting 1 of interface 1.
const SELECT: [[u8; 8]; 3] = [
    [0, 5, 5, 0, 0, 0, 0, 0],
    [0, 9, 1, 0, 0, 0, 0, 0],
    [1, 11, 1, 0, 1, 0, 0, 0],
];

/// A block from the host with one frame, 42 bytes of 7.
const SOUND: [u8; 28] = *b"NCMH\x0c\0\0\0\x46\0\x0c\0NCM0\x10\0\0\0\x1c\0\x2a\0\0\0\0\0";

fn count(frames: usize) -> String {
    format!("{frames} frame{}", if frames == 1 { "" } else { "s" })
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

pub(super) struct Lan {
    wires: Rc<RefCell<Wires>>,
    tasks: [Task; 3],
    device: Device,
    monitor: Monitor,
    expected: Expected,
    /// How often the host has selected the interface.
    sessions: u64,
    /// Blocks to the host in this session.
    blocks: u16,
}

impl Lan {
    pub(super) fn new(state: &'static mut Memory) -> Self {
        let controller = Controller::default();
        let wires = controller.wires.clone();
        let identity = Identity {
            ids: TEST_IDS,
            manufacturer: "fuzz",
            product: "fuzz",
            serial: &[1, 2],
            milliamperes: 100,
        };
        let macs = MacAddresses {
            router: [2, 0, 0, 0, 0, 1],
            host: [2, 0, 0, 0, 0, 2],
        };
        let lan = nat_usb_lan::new(state, controller, identity, macs);
        let UsbLan {
            device, monitor, ..
        } = lan;
        let tasks: [Task; 3] = [
            Box::pin(async { lan.bus.run().await }),
            Box::pin(async { lan.receiver.run().await }),
            Box::pin(async { lan.sender.run().await }),
        ];
        let mut lan = Self {
            wires,
            tasks,
            device,
            monitor,
            expected: Expected::default(),
            sessions: 0,
            blocks: 0,
        };
        lan.wires
            .borrow_mut()
            .events
            .push_back(Event::PowerDetected);
        lan.select();
        lan
    }

    /// The host sends these bytes in packets. Returns what came of them.
    pub(super) fn transfer(&mut self, bytes: &[u8], ended: bool) -> String {
        let full = bytes.len().is_multiple_of(PACKET);
        let mut packets: Vec<_> = bytes.chunks(PACKET).map(<[u8]>::to_vec).collect();
        if full && ended {
            packets.push(Vec::new());
        }
        let mut words = Vec::new();
        for packet in packets {
            let outcome = self.expected.packet(&packet);
            self.wires.borrow_mut().out.push_back(packet);
            // One packet after the other, so that blocks wait for the router, not for each other.
            words.extend(self.received(outcome));
        }
        self.check();
        if self.expected.is_under_way() {
            words.push("under way".to_owned());
        }
        words.join(", ")
    }

    /// The router takes what came, which must be the `outcome`.
    fn received(&mut self, outcome: Option<Outcome>) -> Option<String> {
        self.poll();
        let frames = self.take();
        match outcome {
            None => {
                assert!(frames.is_empty(), "frames without the end of a block");
                None
            }
            Some(Outcome::Frames(expected)) => {
                assert_eq!(frames, expected);
                Some(count(frames.len()))
            }
            Some(Outcome::Refused("longer than announced")) => {
                assert!(frames.is_empty());
                Some("too long".to_owned())
            }
            Some(Outcome::Refused(fault)) => {
                assert!(frames.is_empty(), "frames of a block with {fault}");
                let refusal = self.monitor.last_refusal().expect("a reason");
                Some(format!("refused: {refusal:?}"))
            }
        }
    }

    /// All frames that wait for the router. It overwrites each.
    fn take(&mut self) -> Vec<Vec<u8>> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut frames = Vec::new();
        while let Some((token, _)) = self.device.receive(&mut cx) {
            let frame = token.consume(|frame| {
                let copy = frame.to_vec();
                frame.fill(OVERWRITTEN);
                copy
            });
            assert!(!frame.is_empty(), "a token without a frame");
            frames.push(frame);
        }
        frames
    }

    /// The router sends a frame of `len` bytes, as near as a frame can be, and two more in the same
    /// moment.
    pub(super) fn send(&mut self, len: usize) -> String {
        let frames: Vec<_> = [len, len / 3, len / 7]
            .iter()
            .zip(1..)
            .map(|(len, value)| vec![value; (*len).clamp(SHORTEST_FRAME, LONGEST_FRAME)])
            .collect();
        for frame in &frames {
            let mut cx = Context::from_waker(Waker::noop());
            let token = self.device.transmit(&mut cx).expect("the host takes all");
            token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
            self.expected.sent();
        }
        self.poll();
        assert_eq!(self.host_takes(), frames);
        self.check();
        format!("{} to the host", frames.len())
    }

    /// The frames in the blocks that the device has sent.
    fn host_takes(&mut self) -> Vec<Vec<u8>> {
        let packets = core::mem::take(&mut self.wires.borrow_mut().into_host);
        let mut frames = Vec::new();
        let mut block = Vec::new();
        for packet in packets {
            block.extend_from_slice(&packet);
            if packet.len() < PACKET || block.len() == LONGEST_BLOCK {
                let block = core::mem::take(&mut block);
                frames.extend(self.read_block(&block));
            }
        }
        assert!(block.is_empty(), "a block without an end");
        frames
    }

    fn read_block(&mut self, block: &[u8]) -> Vec<Vec<u8>> {
        let reading = specification::read(block).expect("a sound block");
        assert!(reading.lapses.is_empty(), "{:?}", reading.lapses);
        let number = |at: usize| u16::from_le_bytes([block[at], block[at + 1]]);
        assert_eq!(number(6), self.blocks, "the number of the block");
        assert_eq!(usize::from(number(8)), block.len(), "its length");
        self.blocks = self.blocks.wrapping_add(1);
        let places = reading.datagrams.into_iter();
        places.map(|place| block[place].to_vec()).collect()
    }

    pub(super) fn reset(&mut self) -> String {
        self.expected.end_session();
        self.wires.borrow_mut().events.push_back(Event::Reset);
        self.poll();
        assert!(!self.is_up());
        self.select();
        self.check();
        "reset".to_owned()
    }

    pub(super) fn sleep(&mut self) -> String {
        for (event, up) in [(Event::Suspend, false), (Event::Resume, true)] {
            self.wires.borrow_mut().events.push_back(event);
            self.poll();
            assert_eq!(self.is_up(), up);
        }
        self.expected.sleep();
        self.check();
        "slept".to_owned()
    }

    fn select(&mut self) {
        self.wires.borrow_mut().requests.extend(SELECT);
        self.poll();
        assert!(self.is_up());
        self.sessions += 1;
        self.blocks = 0;
    }

    /// A sound block is taken, and one is sent, whatever was before.
    pub(super) fn check_afterwards(mut self) {
        if self.expected.is_under_way() {
            self.transfer(&[], true);
        }
        let block = [SOUND.as_slice(), &[7; 42]].concat();
        assert_eq!(self.transfer(&block, true), "1 frame");
        self.send(LONGEST_FRAME);
    }

    fn check(&self) {
        self.expected.check(self.monitor.counters(), self.sessions);
    }

    fn is_up(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(self.device.link_state(&mut cx), LinkState::Up)
    }

    /// Polls the tasks until they do nothing more.
    fn poll(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut quiet = 0;
        // A task that yields does its part at the next poll.
        while quiet < 3 {
            let before = self.wires.borrow().steps;
            for task in &mut self.tasks {
                assert!(task.as_mut().poll(&mut cx).is_pending());
            }
            quiet = if self.wires.borrow().steps == before {
                quiet + 1
            } else {
                0
            };
        }
    }
}
