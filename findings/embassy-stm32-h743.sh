#!/usr/bin/env bash
# embassy-stm32 0.6.0, STM32H743: what it writes to three registers.
#
# Guess:   Hsi48Config::sync_from_usb lets the clock recovery follow the frames of the USB controller in use. PLLs that are
#          not configured leave the source and the divider of PLL1 as they are. The tail pointers of the Ethernet DMA are
#          addresses of descriptors.
# Instead: SYNCSRC is 2, which is OTG HS on this chip (its USB1), also for OTG FS (USB2, which is 3). For each PLL that is
#          not configured, all of RCC_PLLCKSELR is written as 0, while PLL1 runs. Both tail pointers get the address of a
#          local variable, so they never stop the DMA, which may then read a descriptor while the driver gives it back:
#          reports of that on this chip's family are embassy-rs/embassy#2129 and oxidecomputer/hubris#750.
# Seen:
# | CRS_CFGR: SYNCSRC 2
# | RCC_PLLCKSELR: source 2, divider 4, PLL1 off
# | RCC_PLLCKSELR: source 0, divider 0, PLL1 on
# | RCC_PLLCKSELR: source 0, divider 0, PLL1 on
# | ETH_DMACTXDTPR: on the stack
#
# Needs the target thumbv7em-none-eabihf, and Python with venv: the program runs on the unicorn engine, with registers that
# are memory.
. "$(dirname "$0")/crate.sh"

program <<'RUST'
#![no_std]
#![no_main]

use core::task::{Context, Waker};

use cortex_m_rt::entry;
use embassy_net_driver::{Driver, TxToken};
use embassy_stm32::eth::{Ethernet, InterruptHandler, PacketQueue};
use embassy_stm32::{Config, bind_interrupts, rcc, time::mhz};
use panic_halt as _;

bind_interrupts!(struct Interrupts { ETH => InterruptHandler; });

static mut QUEUE: PacketQueue<4, 4> = PacketQueue::new();

#[entry]
fn main() -> ! {
    let mut config = Config::default();
    config.rcc.hsi48 = Some(rcc::Hsi48Config { sync_from_usb: true });
    config.rcc.hse = Some(rcc::Hse { freq: mhz(8), mode: rcc::HseMode::Bypass });
    config.rcc.pll1 = Some(rcc::Pll {
        source: rcc::PllSource::HSE,
        prediv: rcc::PllPreDiv::DIV4,
        mul: rcc::PllMul::MUL200,
        fracn: None,
        divp: Some(rcc::PllDiv::DIV2),
        divq: None,
        divr: None,
    });
    let p = embassy_stm32::init(config);
    let queue = unsafe { &mut *(&raw mut QUEUE) };
    let mut ethernet = Ethernet::new(
        queue, p.ETH, Interrupts, p.PA1, p.PA7, p.PC4, p.PC5, p.PG13, p.PB13, p.PG11, [2, 0, 0, 0, 0, 1], p.ETH_SMA,
        p.PA2, p.PC1,
    );
    let mut context = Context::from_waker(Waker::noop());
    if let Some(token) = ethernet.transmit(&mut context) {
        token.consume(60, |frame| frame.fill(0));
    }
    cortex_m::asm::bkpt();
    loop {}
}
RUST
cat >>"$folder/manifest" <<'TOML'
embassy-stm32 = { version = "=0.6.0", features = ["stm32h743zi"] }
embassy-net-driver = "=0.2.0"
cortex-m = { version = "=0.7.10", features = ["critical-section-single-core"] }
cortex-m-rt = "=0.7.7"
panic-halt = "=1.0.0"

[profile.dev]
opt-level = 1
TOML
cp "$folder/manifest" "$folder/finding/Cargo.toml"
cat >"$folder/finding/memory.x" <<'LD'
MEMORY { FLASH : ORIGIN = 0x08000000, LENGTH = 2048K  RAM : ORIGIN = 0x24000000, LENGTH = 512K }
_stack_start = 0x20020000;
_stack_end = 0x20000000;
LD
echo "with embassy-stm32 = \"=0.6.0\""
target=thumbv7em-none-eabihf
(
    cd "$folder/finding" &&
    RUSTFLAGS="-C link-arg=-Tlink.x -C link-arg=--nmagic" cargo build --quiet --target "$target" &&
    python3 -m venv "$folder/python" &&
    "$folder/python/bin/pip" install --quiet --disable-pip-version-check unicorn==2.1.4 pyelftools==0.32
) || exit 2
"$folder/python/bin/python" "$here/stm32h743.py" "${CARGO_TARGET_DIR:-$folder/finding/target}/$target/debug/finding" |
    tee "$folder/printed"
expected
