//! Where the memory of a LAN lies.

#![cfg(target_os = "linux")]
#![allow(
    unsafe_code,
    reason = "the linker's symbols are foreign statics; only their addresses are taken"
)]

use nat_usb_lan::State;
use static_cell::ConstStaticCell;

static STATE: ConstStaticCell<State<4, 4>> = ConstStaticCell::new(State::new());

// SAFETY: GNU ld and LLD define both around what is zero at the start, and nothing reads them.
unsafe extern "C" {
    static __bss_start: u8;
    static _end: u8;
}

#[test]
fn a_new_state_is_all_zeros_so_that_it_costs_no_flash() {
    let zeros = (&raw const __bss_start).addr()..(&raw const _end).addr();
    let state = (&raw const STATE).addr();
    assert!(zeros.contains(&state), "{state:x} is not in {zeros:x?}");
}
