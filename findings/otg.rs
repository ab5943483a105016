//! A Synopsys OTG controller whose registers are memory: it keeps what was written.
#![allow(dead_code)]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use embassy_usb_synopsys_otg::otg_v1::Otg;
use embassy_usb_synopsys_otg::{Config, Driver, OtgInstance, PhyType, State, on_interrupt};

const GRSTCTL: usize = 0x10;
const GINTSTS: usize = 0x14;
const GRXSTSP: usize = 0x20;
const DIEPCTL0: usize = 0x900;
pub const DIEPCTL1: usize = 0x920;
const DTXFSTS0: usize = 0x918;
const DOEPCTL0: usize = 0xb00;
pub const DOEPCTL1: usize = 0xb20;
const FIFO: usize = 0x1000;
const BYTES: usize = 0x10000;
const ACTIVE: u32 = 1 << 15;
const ENABLED: u32 = 1 << 31;
const FLUSHES: u32 = 3 << 4;
const RECEIVED: u32 = 1 << 4;
const RESET: u32 = 1 << 12;
const DATA_RECEIVED: u32 = 2 << 17;
const ENDPOINTS: usize = 4;

static STATE: State<ENDPOINTS> = State::new();

#[derive(Clone, Copy)]
pub struct Registers(&'static [AtomicU32]);

impl Registers {
    pub fn new() -> Self {
        let words: Vec<_> = (0..BYTES / 4).map(|_| AtomicU32::new(0)).collect();
        let registers = Self(words.leak());
        // Endpoint 0 is always active.
        registers.set(DIEPCTL0, ACTIVE);
        registers.set(DOEPCTL0, ACTIVE);
        registers.set(DTXFSTS0, 16);
        thread::spawn(move || registers.finish());
        registers
    }

    /// Flushes are over soon, and the host takes what endpoint 0 has for it.
    fn finish(self) {
        loop {
            self.0[GRSTCTL / 4].fetch_and(!FLUSHES, Ordering::SeqCst);
            self.0[DIEPCTL0 / 4].fetch_and(!ENABLED, Ordering::SeqCst);
            thread::sleep(Duration::from_micros(100));
        }
    }

    pub fn get(&self, register: usize) -> u32 {
        self.0[register / 4].load(Ordering::SeqCst)
    }

    fn set(&self, register: usize, value: u32) {
        self.0[register / 4].store(value, Ordering::SeqCst);
    }

    fn otg(&self) -> Otg {
        // SAFETY: all registers are in this memory, which is never freed.
        unsafe { Otg::from_ptr(self.0.as_ptr() as *mut ()) }
    }

    pub fn driver(&self) -> Driver<'static, ENDPOINTS> {
        let instance = OtgInstance {
            regs: self.otg(),
            state: &STATE,
            fifo_depth_words: 320,
            endpoint_count: ENDPOINTS,
            phy_type: PhyType::InternalFullSpeed,
            extra_rx_fifo_words: 30,
            calculate_trdt_fn: |_| 6,
        };
        Driver::new(vec![0; 256].leak(), instance, Config::default())
    }

    /// The host sends a packet of sevens.
    pub fn receive(&self, endpoint: u32, length: u32) {
        self.set(FIFO, 0x07070707);
        self.set(GRXSTSP, DATA_RECEIVED | length << 4 | endpoint);
        self.set(GINTSTS, RECEIVED);
        let registers = *self;
        // The driver takes packets until there are none. Those after the first one find its place taken.
        let end = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            registers.set(GINTSTS, 0);
        });
        // SAFETY: nothing else uses the controller meanwhile.
        unsafe { on_interrupt(self.otg(), &STATE, ENDPOINTS) };
        end.join().unwrap();
    }

    pub fn reset_bus(&self) {
        self.set(GINTSTS, RESET);
    }
}

/// The result, if there is one soon.
pub fn settle<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..50 {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(result);
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}
