//! The watchdog, and why the chip has started.

use embassy_stm32::peripherals::IWDG1;
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{Peri, pac};
use nat_router::WATCHDOG_TIMEOUT;

/// Feeds the watchdog.
pub struct Heartbeat(IndependentWatchdog<'static, IWDG1>);

impl Heartbeat {
    /// Logs why the chip has started, and starts the watchdog, which stops while a debugger halts
    /// the core.
    pub fn start(watchdog: Peri<'static, IWDG1>) -> Self {
        log_reset_reason();
        pac::DBGMCU.apb4fzr1().modify(|w| w.set_iwdg1(true));
        let mut watchdog = IndependentWatchdog::new(watchdog, WATCHDOG_TIMEOUT.as_micros() as u32);
        watchdog.unleash();
        Self(watchdog)
    }

    /// Gives the router another [`WATCHDOG_TIMEOUT`].
    pub fn feed(&mut self) {
        self.0.pet();
    }
}

fn log_reset_reason() {
    let reasons = pac::RCC.rsr().read();
    pac::RCC.rsr().modify(|w| w.set_rmvf(true));
    if reasons.iwdg1rstf() {
        defmt::error!("restarted by the watchdog: the router was stuck");
    } else if reasons.sftrstf() {
        defmt::error!("restarted after a fault, or by a debugger");
    } else {
        defmt::info!("started by power-on or reset");
    }
}
