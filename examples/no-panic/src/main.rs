//! All that the engine offers, with a panic handler that cannot be linked: if this links, no panic
//! is left in it.
#![no_std]
#![no_main]

mod exercise;

#[cfg(not(feature = "find"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        // Nobody defines it. The linker drops this function, and with it the want of a definition,
        // if none calls it.
        safe fn a_panic_is_left__run_find_panics() -> !;
    }
    a_panic_is_left__run_find_panics()
}

#[cfg(feature = "find")]
#[panic_handler]
#[inline(never)]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Where the linker begins to look for what is needed.
#[unsafe(no_mangle)]
extern "C" fn everything() {
    let _ = (exercise::narrow(), exercise::wide());
    #[cfg(feature = "prove")]
    panic_on_purpose();
}

#[cfg(feature = "prove")]
fn panic_on_purpose() {
    let ports = core::hint::black_box([5000_u16, 5001]);
    core::hint::black_box(ports[core::hint::black_box(1)]);
}
