//! What happens when the processor cannot go on, which is also how a panic ends: the router
//! restarts.

use cortex_m_rt::{ExceptionFrame, exception};

use crate::board;

// A stack that has grown too large comes here only if there is room for the frame; else the core
// locks up, and the watchdog restarts the board when no sign of life comes.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!(
        "fault at {=u32:#010x}, called from {=u32:#010x}",
        frame.pc(),
        frame.lr()
    );
    board::restart_after_fault(frame.pc())
}
