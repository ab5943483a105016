//! The cost of a packet in the engine, and of a frame in the router around it.
#![no_std]
#![no_main]

use cortex_m_bench::board::{self, Console, UNIT};
use cortex_m_bench::counter::Counter;
use cortex_m_bench::{costliest, engine, router};

#[cortex_m_rt::entry]
fn main() -> ! {
    let mut console = Console::open();
    let core = cortex_m::Peripherals::take().expect("taken only here");
    let counter = Counter::start(core.SYST);
    console.line(format_args!(
        "{UNIT}                        sessions   46 bytes 1500 bytes"
    ));
    engine::run(&counter, &mut console);
    router::run(&counter, &mut console);
    costliest::run(&counter, &mut console);
    console.line(format_args!("done"));
    board::exit()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = info;
    cortex_m::asm::udf()
}
