//! The check of drivers finds what a driver does wrong: each fault that it looks for, planted one by
//! one in a driver that has none.

#[path = "../examples/driver_check/kit.rs"]
mod kit;

use core::cell::RefCell;
use core::task::{Context, Waker};
use std::collections::VecDeque;
use std::rc::Rc;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

use kit::{Level, Wire, check};

/// What a driver does wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    None,
    ChangesFrames,
    DropsShortFrames,
    ForgetsWakerOnTransmit,
    KeepsTokensRoom,
    LinkDown,
    LosesDroppedFrames,
    MulticastAddress,
    NoMtu,
    NoRoomWhileReading,
    NoWakeForRoom,
    Restless,
    SwapsFrames,
}

struct Chip {
    fault: Fault,
    arrived: VecDeque<Vec<u8>>,
    queued: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    tokens: usize,
    waker: Option<Waker>,
}

const ROOM: usize = 4;

#[derive(Clone)]
struct Nic(Rc<RefCell<Chip>>);

fn connect(fault: Fault) -> (Nic, Nic) {
    let nic = Nic(Rc::new(RefCell::new(Chip {
        fault,
        arrived: VecDeque::new(),
        queued: Vec::new(),
        sent: Vec::new(),
        tokens: 0,
        waker: None,
    })));
    (nic.clone(), nic)
}

impl Nic {
    fn fault(&self) -> Fault {
        self.0.borrow().fault
    }

    fn register(&self, cx: &Context<'_>) {
        self.0.borrow_mut().waker = Some(cx.waker().clone());
        if self.fault() == Fault::Restless {
            cx.waker().wake_by_ref();
        }
    }

    fn wake(&self) {
        let waker = self.0.borrow_mut().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Driver for Nic {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room)> {
        self.register(cx);
        let loses = self.fault() == Fault::LosesDroppedFrames;
        let mut chip = self.0.borrow_mut();
        let frame = if loses {
            chip.arrived.pop_front()
        } else {
            chip.arrived.front().cloned()
        }?;
        Some((Received(self.clone(), frame), Room(self.clone(), true)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room> {
        if self.fault() == Fault::ForgetsWakerOnTransmit {
            self.0.borrow_mut().waker = None;
        } else {
            self.register(cx);
        }
        let mut chip = self.0.borrow_mut();
        if chip.fault == Fault::KeepsTokensRoom {
            chip.tokens += 1;
        }
        (chip.queued.len() < ROOM && chip.tokens < 100).then(|| Room(self.clone(), false))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.register(cx);
        if self.fault() == Fault::LinkDown {
            LinkState::Down
        } else {
            LinkState::Up
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = if self.fault() == Fault::NoMtu {
            0
        } else {
            1514
        };
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        let first = if self.fault() == Fault::MulticastAddress {
            0x03
        } else {
            0x02
        };
        HardwareAddress::Ethernet([first, 0, 0, 0, 0, 1])
    }
}

struct Received(Nic, Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        if self.0.fault() != Fault::LosesDroppedFrames {
            self.0.0.borrow_mut().arrived.pop_front();
        }
        f(&mut self.1)
    }
}

struct Room(Nic, bool);

impl TxToken for Room {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        let mut chip = self.0.0.borrow_mut();
        match chip.fault {
            Fault::ChangesFrames => frame[20] ^= 1,
            Fault::DropsShortFrames if len < 60 => return result,
            Fault::NoRoomWhileReading if self.1 => return result,
            _ => {}
        }
        chip.queued.push(frame);
        result
    }
}

impl Wire for Nic {
    fn send(&mut self, frame: &[u8]) {
        {
            let mut chip = self.0.borrow_mut();
            if chip.fault == Fault::SwapsFrames {
                chip.arrived.push_front(frame.to_vec());
            } else {
                chip.arrived.push_back(frame.to_vec());
            }
        }
        self.wake();
    }

    fn take_received(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.0.borrow_mut().sent)
    }

    fn run(&mut self) {
        let had_frames = {
            let mut chip = self.0.borrow_mut();
            let queued = core::mem::take(&mut chip.queued);
            let had_frames = !queued.is_empty() && chip.fault != Fault::NoWakeForRoom;
            chip.sent.extend(queued);
            had_frames
        };
        if had_frames {
            self.wake();
        }
    }
}

/// The rules that a driver with `fault` breaks.
fn broken(fault: Fault) -> Vec<(Level, &'static str)> {
    let findings = check(|| connect(fault));
    assert_eq!(findings.len(), 10);
    let broken = findings.iter().filter(|finding| finding.fault.is_some());
    broken
        .map(|finding| (finding.level, finding.rule))
        .collect()
}

#[test]
fn a_driver_without_faults_breaks_no_rule() {
    assert_eq!(broken(Fault::None), []);
}

#[test]
fn each_fault_breaks_the_rule_that_is_about_it() {
    let faults = [
        (Fault::ChangesFrames, "sent frames are whole"),
        (Fault::DropsShortFrames, "sent frames are whole"),
        (Fault::ForgetsWakerOnTransmit, "a frame that arrives wakes"),
        (Fault::KeepsTokensRoom, "a transmit token that is dropped"),
        (Fault::LinkDown, "the link comes up"),
        (Fault::MulticastAddress, "capabilities and address"),
        (Fault::NoMtu, "capabilities and address"),
        (Fault::NoRoomWhileReading, "a frame can be sent while"),
        (Fault::NoWakeForRoom, "a full driver takes frames again"),
        (Fault::SwapsFrames, "received frames are whole"),
    ];
    for (fault, rule) in faults {
        let broken = broken(fault);
        let found = broken
            .iter()
            .any(|(level, broken)| *level == Level::Must && broken.starts_with(rule));
        assert!(found, "{fault:?}: {broken:?}");
    }
}

#[test]
fn what_only_costs_is_a_note() {
    let faults = [
        (Fault::LosesDroppedFrames, "a receive token that is dropped"),
        (Fault::Restless, "an idle driver does not wake"),
    ];
    for (fault, rule) in faults {
        let broken = broken(fault);
        let [(Level::Should, found)] = broken[..] else {
            panic!("{fault:?}: one note, not {broken:?}")
        };
        assert!(found.starts_with(rule), "{fault:?}: {found}");
    }
}
