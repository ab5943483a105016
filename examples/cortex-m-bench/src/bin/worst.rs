//! Searches for the costliest packet in each mode and at each table load, and prints it.
#![no_std]
#![no_main]

use cortex_m_bench::board::{self, Console};
use cortex_m_bench::costliest;
use cortex_m_bench::counter::Counter;
use cortex_m_bench::trial::search::{Aim, Place, search};
use cortex_m_bench::trial::world::{Load, Mode};
use nat_core::Side;

/// Packets of each search.
const TRIALS: u32 = match option_env!("TRIALS") {
    Some(number) => match u32::from_str_radix(number, 10) {
        Ok(number) => number,
        Err(_) => panic!("TRIALS is no number"),
    },
    None => 20_000,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    let mut console = Console::open();
    let core = cortex_m::Peripherals::take().expect("taken only here");
    let counter = Counter::start(core.SYST);
    let mut memory = costliest::memory();
    for from in [Side::Outside, Side::Inside] {
        for aim in Aim::ALL {
            for mode in Mode::ALL {
                for load in Load::ALL {
                    let place = Place {
                        mode,
                        load,
                        from,
                        aim,
                    };
                    let found = search(place, TRIALS, &mut memory, &counter);
                    console.line(format_args!(
                        "    Kept {{ place: Place {{ mode: Mode::{mode:?}, load: Load::{load:?}, from: Side::{from:?}, aim: Aim::{aim:?} }}, scene: {:?} }}, // {} {:?}",
                        found.scene, found.cost, found.verdict,
                    ));
                }
            }
        }
    }
    console.line(format_args!("done"));
    board::exit()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = info;
    cortex_m::asm::udf()
}
