//! A fault of the processor, or a panic, restarts the router.

use cortex_m_rt::{ExceptionFrame, exception};

// After a stack overflow there is no memory for the exception frame, so the core locks up, and the
// watchdog restarts the board.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!(
        "fault at {=u32:#010x}, called from {=u32:#010x}",
        frame.pc(),
        frame.lr()
    );
    cortex_m::peripheral::SCB::sys_reset()
}
