//! A fault of the processor, or a panic, restarts the router.

use cortex_m_rt::{ExceptionFrame, exception};

use crate::heartbeat::restart_after_fault;

// A stack overflow ends here only if there is memory for the exception frame. Otherwise the core
// locks up, and the watchdog restarts the board.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!(
        "fault at {=u32:#010x}, called from {=u32:#010x}",
        frame.pc(),
        frame.lr()
    );
    restart_after_fault(frame.pc())
}
