//! The watchdog, and why the chip has started.

use embassy_rp::Peri;
use embassy_rp::peripherals::WATCHDOG;
use embassy_rp::watchdog::{ResetReason, Watchdog};
use nat_router::WATCHDOG_TIMEOUT;

/// In the watchdog's first scratch register: the second one holds the address of a fault.
const FAULT_RECORDED: u32 = 0x4641_554c;

/// Feeds the watchdog.
pub struct Heartbeat(Watchdog);

impl Heartbeat {
    /// Logs why the chip has started, and starts the watchdog.
    pub fn start(watchdog: Peri<'static, WATCHDOG>) -> Self {
        let mut watchdog = Watchdog::new(watchdog);
        log_reset_reason(&mut watchdog);
        watchdog.pause_on_debug(true);
        watchdog.start(WATCHDOG_TIMEOUT);
        Self(watchdog)
    }

    /// Gives the router another [`WATCHDOG_TIMEOUT`].
    pub fn feed(&mut self) {
        self.0.feed(WATCHDOG_TIMEOUT);
    }
}

fn log_reset_reason(watchdog: &mut Watchdog) {
    let fault = (watchdog.get_scratch(0) == FAULT_RECORDED).then(|| watchdog.get_scratch(1));
    watchdog.set_scratch(0, 0);
    match (watchdog.reset_reason(), fault) {
        (_, Some(pc)) => defmt::error!("restarted after a fault at {=u32:#010x}", pc),
        (Some(ResetReason::Forced), _) => defmt::info!("restarted on request"),
        (Some(ResetReason::TimedOut), _) => {
            defmt::error!("restarted by the watchdog: the router was stuck");
        }
        (None, _) => defmt::info!("started by power-on or reset"),
    }
}

/// Makes the watchdog restart the board at once. The next start logs `pc`.
pub(crate) fn restart_after_fault(pc: u32) -> ! {
    // SAFETY: nothing else runs any more.
    let mut watchdog = Watchdog::new(unsafe { WATCHDOG::steal() });
    watchdog.set_scratch(0, FAULT_RECORDED);
    watchdog.set_scratch(1, pc);
    watchdog.trigger_reset();
    loop {
        core::hint::spin_loop();
    }
}
