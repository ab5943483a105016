//! A driver and its chip on a board, with a clock that only the test and the SPI bus move.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses another part of the model"
)]

pub mod chip;
mod pins;

use core::cell::{Cell, RefCell, RefMut};
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake;

use embassy_net_driver::{Driver, LinkState, RxToken, TxToken};
use embassy_time::Instant;
use nat_w5500::{Clock, Counters, Device, Fault, Filter, Monitor, Pins, State};

use chip::{Access, Chip};
pub use pins::Failing;
use pins::{Cs, Int, Reset, Spi};

pub const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0a];
pub const MILLISECOND: u64 = 1_000_000;

pub struct Board {
    chip: Rc<RefCell<Chip>>,
    pub spi_fails: Rc<Cell<Failing>>,
    dma: Rc<RefCell<Alarm>>,
    clock: TestClock,
    pub device: Device<'static>,
    runner: Pin<Box<dyn Future<Output = ()>>>,
    monitor: Monitor<'static>,
    woken: Arc<Flag>,
    /// Whether the driver must make no mistakes. With a chip that lies it cannot but make some.
    pub checks: bool,
    /// How often the runner was polled.
    pub polls: u64,
}

/// How the driver is set up.
#[derive(Clone, Copy)]
pub struct Setup {
    pub poll_limit: Option<usize>,
    pub filter: Filter,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            poll_limit: None,
            filter: Filter::Own,
        }
    }
}

/// When to wake whom.
#[derive(Default)]
pub struct Alarm {
    pub at: Option<u64>,
    pub waker: Option<Waker>,
}

impl Alarm {
    fn strike(&mut self, now: u64) {
        if self.at.is_some_and(|at| at <= now)
            && let Some(waker) = self.waker.take()
        {
            self.at = None;
            waker.wake();
        }
    }
}

#[derive(Clone)]
struct TestClock {
    chip: Rc<RefCell<Chip>>,
    alarm: Rc<RefCell<Alarm>>,
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.chip.borrow().now / 1000)
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            if self.now() >= at {
                return Poll::Ready(());
            }
            *self.alarm.borrow_mut() = Alarm {
                at: Some(at.as_micros() * 1000),
                waker: Some(cx.waker().clone()),
            };
            Poll::Pending
        })
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Board {
    /// A driver with four buffers each way whose chip was found and whose link is up.
    pub fn up() -> Self {
        Self::up_with::<4, 4>(Setup::default())
    }

    pub fn up_with<const N_RX: usize, const N_TX: usize>(setup: Setup) -> Self {
        let mut board = Self::new::<N_RX, N_TX>(setup);
        board.run_for(20 * MILLISECOND);
        assert!(board.is_link_up());
        board.chip().accesses.clear();
        board
    }

    /// A driver that has not begun.
    pub fn new<const N_RX: usize, const N_TX: usize>(setup: Setup) -> Self {
        let chip = Rc::new(RefCell::new(Chip::new()));
        let (dma, spi_fails) = (
            Rc::<RefCell<Alarm>>::default(),
            Rc::<Cell<Failing>>::default(),
        );
        let clock = TestClock {
            chip: chip.clone(),
            alarm: Rc::default(),
        };
        let bus = Spi {
            chip: chip.clone(),
            dma: dma.clone(),
            fails: spi_fails.clone(),
        };
        let pins = Pins {
            bus,
            cs: Cs(chip.clone()),
            int: Int(chip.clone()),
            reset: Reset(chip.clone()),
        };
        let state: Box<State<N_RX, N_TX>> = Box::default();
        let state = Box::leak(state);
        let (device, runner) = nat_w5500::new(MAC, state, pins);
        let mut runner = runner.with_filter(setup.filter).with_clock(clock.clone());
        if let Some(limit) = setup.poll_limit {
            runner = runner.with_poll_limit(limit);
        }
        let monitor = runner.monitor();
        let runner = Box::pin(async { match runner.run().await {} });
        let woken = Arc::new(Flag(true.into()));
        Self {
            chip,
            spi_fails,
            dma,
            clock,
            device,
            runner,
            monitor,
            woken,
            checks: true,
            polls: 0,
        }
    }

    pub fn chip(&self) -> RefMut<'_, Chip> {
        self.chip.borrow_mut()
    }

    pub fn now(&self) -> u64 {
        self.chip().now
    }

    pub fn counters(&self) -> Counters {
        self.monitor.counters()
    }

    pub fn last_fault(&self) -> Option<Fault> {
        self.monitor.last_fault()
    }

    pub fn is_link_up(&mut self) -> bool {
        self.device
            .link_state(&mut Context::from_waker(Waker::noop()))
            == LinkState::Up
    }

    /// Lets the driver run and time pass, for `time` nanoseconds.
    pub fn run_for(&mut self, time: u64) {
        let end = self.now() + time;
        while self.step(end) {}
    }

    /// The same, with a stack that takes all that it is handed, and returns it.
    pub fn receive_for(&mut self, time: u64) -> Vec<Vec<u8>> {
        let end = self.now() + time;
        let mut frames = Vec::new();
        loop {
            frames.extend(core::iter::from_fn(|| self.receive()));
            if !self.step(end) {
                return frames;
            }
        }
    }

    /// Polls the driver if it was woken, and lets time pass until the next event if not, but not
    /// beyond `end`.
    pub fn step(&mut self, end: u64) -> bool {
        if self.now() > end {
            return false;
        }
        if self.is_woken() {
            self.poll();
            return true;
        }
        let alarm = self.clock.alarm.borrow().at;
        let next = alarm
            .into_iter()
            .chain(self.next_hardware_event())
            .min()
            .filter(|next| *next <= end);
        self.advance(next.unwrap_or(end));
        next.is_some()
    }

    /// Whether the driver was woken since it was polled last.
    pub fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Polls the driver, woken or not.
    pub fn poll(&mut self) {
        self.woken.0.store(false, Ordering::Relaxed);
        self.polls += 1;
        let waker = Waker::from(self.woken.clone());
        let _ = self.runner.as_mut().poll(&mut Context::from_waker(&waker));
    }

    /// When the bus, the chip or the wire does something next. The driver's own alarm is none of
    /// them.
    pub fn next_hardware_event(&self) -> Option<u64> {
        let dma = self.dma.borrow().at;
        dma.into_iter().chain(self.chip().next_event()).min()
    }

    /// Lets the time pass until `to`, and wakes whom that wakes.
    pub fn advance(&self, to: u64) {
        self.chip().advance(to);
        self.clock.alarm.borrow_mut().strike(to);
        self.dma.borrow_mut().strike(to);
    }

    /// The next frame for the stack.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut cx = Context::from_waker(Waker::noop());
        let (frame, _) = self.device.receive(&mut cx)?;
        Some(frame.consume(|frame| frame.to_vec()))
    }

    /// The stack sends a frame. Returns whether there was room.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        let token = self
            .device
            .transmit(&mut Context::from_waker(Waker::noop()));
        token
            .map(|token| token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame)))
            .is_some()
    }

    pub fn take_accesses(&self) -> Vec<Access> {
        core::mem::take(&mut self.chip().accesses)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if self.checks && !std::thread::panicking() {
            assert_eq!(
                self.chip().mistakes,
                Vec::<String>::new(),
                "the driver must not do this"
            );
        }
    }
}

/// A frame for the driver of `length` bytes that differs from one with another `number`.
pub fn frame(number: usize, length: usize) -> Vec<u8> {
    let header = [&MAC[..], &[0x02, 0, 0, 0, 0, 0x0b, 0x08, 0x00]].concat();
    let mut frame: Vec<u8> = (0..length).map(|at| (at * 7 + number * 13) as u8).collect();
    let known = length.min(header.len());
    frame[..known].copy_from_slice(&header[..known]);
    if let Some(place) = frame.get_mut(14..16) {
        place.copy_from_slice(&(number as u16).to_be_bytes());
    }
    frame
}
