//! QEMU's MPS2 board with a Cortex-M4, with `-icount shift=10`: lines go to the terminal.

use cortex_m_semihosting::{debug, hprintln};
use embassy_time_driver::Driver;

/// Each instruction takes 1024 ns there.
pub const UNIT: &str = "instructions";

pub struct Console;

impl Console {
    pub fn open() -> Self {
        Self
    }

    pub fn line(&mut self, line: core::fmt::Arguments<'_>) {
        hprintln!("{}", line);
    }
}

pub const fn units(ticks: u32) -> u32 {
    const NANOS_PER_TICK: u32 = 40;
    ticks * NANOS_PER_TICK / 1024
}

pub fn exit() -> ! {
    debug::exit(debug::EXIT_SUCCESS);
    loop {
        cortex_m::asm::wfi();
    }
}

/// The router gets the time as an argument, so this clock is constant.
struct NoClock;

impl Driver for NoClock {
    fn now(&self) -> u64 {
        0
    }

    fn schedule_wake(&self, _at: u64, _waker: &core::task::Waker) {}
}

embassy_time_driver::time_driver_impl!(static CLOCK: NoClock = NoClock);
