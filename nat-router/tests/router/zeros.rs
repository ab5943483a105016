//! The section that the memory of a router is in.

#![cfg(target_os = "linux")]
#![allow(
    unsafe_code,
    reason = "the linker's symbols are foreign statics; only their addresses are taken"
)]

use nat_router::{Memory, WideMemory};
use static_cell::ConstStaticCell;

static MEMORY: ConstStaticCell<Memory<512, 1024>> = ConstStaticCell::new(Memory::new());
static WIDE: ConstStaticCell<WideMemory<512, 1024>> = ConstStaticCell::new(WideMemory::wide());

// SAFETY: GNU ld and LLD define both around what is zero at the start, and nothing reads them.
unsafe extern "C" {
    static __bss_start: u8;
    static _end: u8;
}

#[test]
fn new_memory_is_all_zeros_so_that_it_costs_no_flash() {
    let zeros = (&raw const __bss_start).addr()..(&raw const _end).addr();
    for memory in [(&raw const MEMORY).addr(), (&raw const WIDE).addr()] {
        assert!(zeros.contains(&memory), "{memory:x} is not in {zeros:x?}");
    }
}
