//! The depth of the stack, by paint: the free stack is filled with a pattern before a call, and
//! searched for the deepest word without it after.

use core::ptr;

/// The bytes below the stack pointer that are painted. No call may take more.
const PAINTED: usize = 8192;
const PAINT: u32 = 0x5afe_5afe;

/// Where the stack ends at a call.
#[derive(Clone, Copy)]
pub struct Painted(usize);

/// Paints below the stack pointer of the caller, which calls the function to measure next.
#[inline(always)]
pub fn paint() -> Painted {
    let end = cortex_m::register::msp::read() as usize;
    let mut word = end - PAINTED;
    while word < end {
        // SAFETY: the stack has room for it (`memory-*.x`), nothing below the stack pointer is in
        // use, and no interrupt is enabled. A call of `memset` would need the stack itself.
        unsafe { ptr::write_volatile(word as *mut u32, PAINT) };
        word += 4;
    }
    Painted(end)
}

impl Painted {
    /// The bytes that were used since.
    pub fn used(self) -> usize {
        let mut word = self.0 - PAINTED;
        // SAFETY: as in `paint`.
        while word < self.0 && unsafe { ptr::read_volatile(word as *const u32) } == PAINT {
            word += 4;
        }
        self.0 - word
    }
}
