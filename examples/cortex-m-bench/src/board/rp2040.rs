//! An RP2040, simulated or real: lines go to UART0 on GPIO 0.

use embassy_rp::uart::{Blocking, Config, UartTx};
use embedded_io::Write;

/// SysTick counts cycles.
pub const UNIT: &str = "cycles";

pub struct Console(UartTx<'static, Blocking>);

impl Console {
    pub fn open() -> Self {
        let board = embassy_rp::init(embassy_rp::config::Config::default());
        Self(UartTx::new_blocking(
            board.UART0,
            board.PIN_0,
            Config::default(),
        ))
    }

    pub fn line(&mut self, line: core::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a UART takes bytes");
    }
}

pub const fn units(ticks: u32) -> u32 {
    ticks
}

pub fn exit() -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}
