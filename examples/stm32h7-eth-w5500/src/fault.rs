//! What happens when the processor cannot go on, which is also how a panic ends: the router
//! restarts.

use cortex_m_rt::{ExceptionFrame, exception};

// A stack that has grown too large locks the core up, as there is no room for the frame, and the
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
