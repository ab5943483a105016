//! A fake driver with scripted behaviour: what is received, how much room there is, and the vices
//! of real drivers.

use core::cell::RefCell;
use core::task::{Context, Waker};
use std::collections::VecDeque;
use std::rc::Rc;

use embassy_net_driver::{
    Capabilities, ChecksumCapabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken,
};

use super::random::Random;

/// What was asked of a driver, in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    Receive,
    Transmit,
}

pub struct Script {
    pub address: HardwareAddress,
    /// The address that it had at first.
    pub home: HardwareAddress,
    pub mtu: usize,
    pub checksum: ChecksumCapabilities,
    pub link: LinkState,
    /// Frames that the wire has brought.
    pub arrived: VecDeque<Vec<u8>>,
    /// Frames that the driver was given.
    pub sent: Vec<Vec<u8>>,
    /// How many bytes after an address aligned to 8 its frames begin, in both directions.
    pub misaligned_by: usize,
    /// Frames that may still be given to it.
    pub room: usize,
    /// Takes a frame from the wire when asked for a token, so that a dropped token loses it
    /// (enc28j60, tuntap).
    pub reads_early: bool,
    /// Frames lost because their token was dropped.
    pub lost: usize,
    /// Has a token pair only while there is room to transmit (channel drivers, STM32).
    pub pairs_need_room: bool,
    /// Has a token pair even without room, and loses the reply then (W5500).
    pub loses_replies: bool,
    /// Replies lost so.
    pub replies_lost: u64,
    /// Wakes its task whenever it has nothing to hand up (enc28j60).
    pub wakes_itself: bool,
    /// Refuses one token in three by the way, and wakes its task to try again (a busy bus).
    pub refuses: Option<Random>,
    /// Its interrupt comes late: [`Nic::interrupt`] wakes the task, however much has happened
    /// since.
    pub is_late: bool,
    /// What it says that it carries, if not `mtu`.
    pub reported_mtu: Option<usize>,
    /// Frames that were taken from it, and given to it.
    pub taken: u64,
    pub given: u64,
    /// The link state that its task has seen last.
    seen_link: LinkState,
    has_interrupt: bool,
    /// The one waker slot.
    pub waker: Option<Waker>,
    pub calls: Vec<Call>,
}

impl Script {
    /// Whether an interrupt is late.
    pub const fn has_interrupt(&self) -> bool {
        self.has_interrupt
    }
}

/// A driver, or a handle on one: copies are the same driver.
#[derive(Clone)]
pub struct Nic(Rc<RefCell<Script>>);

impl Nic {
    pub fn new(address: HardwareAddress, mtu: usize) -> Self {
        Self(Rc::new(RefCell::new(Script {
            address,
            home: address,
            mtu,
            checksum: ChecksumCapabilities::default(),
            link: LinkState::Up,
            arrived: VecDeque::new(),
            sent: Vec::new(),
            misaligned_by: 0,
            room: usize::MAX,
            reads_early: false,
            lost: 0,
            pairs_need_room: false,
            loses_replies: false,
            replies_lost: 0,
            wakes_itself: false,
            refuses: None,
            is_late: false,
            reported_mtu: None,
            taken: 0,
            given: 0,
            seen_link: LinkState::Down,
            has_interrupt: false,
            waker: None,
            calls: Vec::new(),
        })))
    }

    pub fn script<R>(&self, change: impl FnOnce(&mut Script) -> R) -> R {
        change(&mut self.0.borrow_mut())
    }

    /// A frame comes in from the wire, and the driver's interrupt wakes its task.
    pub fn arrive(&self, frame: Vec<u8>) {
        self.script(|script| script.arrived.push_back(frame));
        self.wake();
    }

    /// There is room for so many frames more.
    pub fn make_room(&self, frames: usize) {
        self.script(|script| script.room = frames);
        self.wake();
    }

    pub fn set_link(&self, link: LinkState) {
        self.script(|script| script.link = link);
        self.wake();
    }

    pub fn set_address(&self, address: HardwareAddress) {
        self.script(|script| script.address = address);
        self.wake();
    }

    /// The frames that were sent since the last call.
    pub fn take_sent(&self) -> Vec<Vec<u8>> {
        self.script(|script| core::mem::take(&mut script.sent))
    }

    /// The interrupt that is late, if there is one.
    pub fn interrupt(&self) {
        if self.script(|script| core::mem::take(&mut script.has_interrupt)) {
            self.wake_now();
        }
    }

    fn wake(&self) {
        if self.script(|script| script.is_late) {
            self.script(|script| script.has_interrupt = true);
        } else {
            self.wake_now();
        }
    }

    fn wake_now(&self) {
        let waker = self.script(|script| script.waker.take());
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether this token is refused.
    fn refuses(&self) -> bool {
        let refused = self.script(|script| {
            script
                .refuses
                .as_mut()
                .is_some_and(|random| random.below(3) == 0)
        });
        if refused {
            // By the waker that has just been registered.
            self.wake();
        }
        refused
    }

    fn register(&self, cx: &Context<'_>) {
        let evicted = self.script(|script| script.waker.replace(cx.waker().clone()));
        let same_task = evicted.is_none_or(|evicted| evicted.will_wake(cx.waker()));
        assert!(
            same_task,
            "a second task polls this driver, which has one waker slot"
        );
    }
}

impl Driver for Nic {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room)> {
        self.register(cx);
        if self.refuses() {
            return None;
        }
        let frame = self.script(|script| {
            script.calls.push(Call::Receive);
            if script.pairs_need_room && script.room == 0 {
                return None;
            }
            if script.reads_early {
                script.arrived.pop_front()
            } else {
                script.arrived.front().cloned()
            }
        });
        if frame.is_none() && self.script(|script| script.wakes_itself) {
            cx.waker().wake_by_ref();
        }
        frame.map(|frame| {
            (
                Received {
                    nic: self.clone(),
                    frame: Some(frame),
                },
                Room {
                    nic: self.clone(),
                    for_reply: true,
                },
            )
        })
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room> {
        self.register(cx);
        if self.refuses() {
            return None;
        }
        self.script(|script| {
            script.calls.push(Call::Transmit);
            (script.room > 0).then(|| Room {
                nic: self.clone(),
                for_reply: false,
            })
        })
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.register(cx);
        self.script(|script| {
            script.seen_link = script.link;
            script.link
        })
    }

    fn capabilities(&self) -> Capabilities {
        self.script(|script| {
            let mut capabilities = Capabilities::default();
            capabilities.max_transmission_unit = script.reported_mtu.unwrap_or(script.mtu);
            capabilities.checksum = script.checksum.clone();
            capabilities
        })
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.script(|script| script.address)
    }
}

/// Memory for a frame.
struct Memory {
    bytes: Vec<u8>,
    begins_at: usize,
    len: usize,
}

impl Memory {
    fn new(len: usize, misaligned_by: usize) -> Self {
        let bytes = vec![0xa5; len + 8 + misaligned_by];
        let begins_at = bytes.as_ptr().align_offset(8) + misaligned_by;
        Self {
            bytes,
            begins_at,
            len,
        }
    }

    fn frame(&mut self) -> &mut [u8] {
        &mut self.bytes[self.begins_at..][..self.len]
    }
}

pub struct Received {
    nic: Nic,
    frame: Option<Vec<u8>>,
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        let frame = self.frame.take().expect("consumed once");
        let misaligned_by = self.nic.script(|script| {
            if !script.reads_early {
                script.arrived.pop_front();
            }
            script.taken += 1;
            script.misaligned_by
        });
        let mut memory = Memory::new(frame.len(), misaligned_by);
        memory.frame().copy_from_slice(&frame);
        f(memory.frame())
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if self.frame.is_some() {
            self.nic
                .script(|script| script.lost += usize::from(script.reads_early));
        }
    }
}

pub struct Room {
    nic: Nic,
    /// Whether it came with a received frame.
    for_reply: bool,
}

impl TxToken for Room {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self { nic, for_reply } = self;
        let (mtu, room, misaligned_by) =
            nic.script(|script| (script.mtu, script.room, script.misaligned_by));
        assert!(
            for_reply || nic.script(|script| script.seen_link) == LinkState::Up,
            "a frame for a driver whose link is down"
        );
        if room == 0 && for_reply && nic.script(|script| script.loses_replies) {
            nic.script(|script| script.replies_lost += 1);
            return f(Memory::new(len, misaligned_by).frame());
        }
        assert!(room > 0, "a frame for a driver without room");
        assert!(len > 0, "a token spent on nothing");
        assert!(
            len <= mtu,
            "a frame of {len} bytes for a driver that carries {mtu}"
        );
        let mut memory = Memory::new(len, misaligned_by);
        let result = f(memory.frame());
        nic.script(|script| {
            script.given += 1;
            script.room = room.saturating_sub(usize::from(room != usize::MAX));
            script.sent.push(memory.frame().to_vec());
        });
        result
    }
}
