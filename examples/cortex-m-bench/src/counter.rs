//! SysTick as a stopwatch.

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

use crate::board;

const TOP: u32 = 0x00ff_ffff;

pub struct Counter {
    /// The cost of reading it twice.
    overhead: u32,
}

impl Counter {
    pub fn start(mut systick: SYST) -> Self {
        systick.set_clock_source(SystClkSource::Core);
        systick.set_reload(TOP);
        systick.clear_current();
        systick.enable_counter();
        let mut counter = Self { overhead: 0 };
        let (_, overhead) = counter.measure(|| ());
        counter.overhead = overhead;
        counter
    }

    /// The result of `f`, and its cycles, or on the simulated Cortex-M4 its instructions.
    #[inline(never)]
    pub fn measure<T>(&self, f: impl FnOnce() -> T) -> (T, u32) {
        let before = SYST::get_current();
        let result = f();
        let ticks = before.wrapping_sub(SYST::get_current()) & TOP;
        (result, board::units(ticks).saturating_sub(self.overhead))
    }
}
