//! Every feature of the engine, with a panic handler that cannot be linked: if this links, no panic is
//! reachable.
#![no_std]
#![no_main]

mod exercise;

#[cfg(not(feature = "find"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        // Not defined anywhere. If nothing calls this function, the linker removes it together with
        // the reference.
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

/// The entry point, from which the linker finds what is needed.
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
