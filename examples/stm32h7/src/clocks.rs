//! The clocks.

use embassy_stm32::pac::crs::vals::Syncsrc;
use embassy_stm32::{Config, Peripherals, pac, rcc};

/// In the register of the clock recovery: the frames of OTG FS, which the reference manual calls
/// USB2.
const FRAMES_OF_OTG_FS: u8 = 3;

/// Sets up the clocks and the instruction cache. Call it once, first.
///
/// The core runs at 400 MHz and the buses at 200 MHz, from the internal oscillator, which works
/// whatever the jumpers are. Output Q of PLL1 is 61.5 MHz, for SPI1. USB and the random numbers get
/// the internal oscillator of 48 MHz, which the frames of the USB host keep in step.
///
/// Code runs from flash, which needs two wait states. The D-cache stays off: see `memory.x`.
pub fn init() -> Peripherals {
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.SCB.enable_icache();
    }
    let peripherals = embassy_stm32::init(config());
    follow_frames_of_otg_fs();
    peripherals
}

fn config() -> Config {
    let mut config = Config::default();
    let clocks = &mut config.rcc;
    clocks.hsi = Some(rcc::HSIPrescaler::DIV1);
    clocks.hsi48 = Some(rcc::Hsi48Config {
        sync_from_usb: true,
    });
    clocks.pll1 = Some(core_pll());
    clocks.sys = rcc::Sysclk::PLL1_P;
    clocks.voltage_scale = rcc::VoltageScale::Scale1;
    clocks.mux.usbsel = rcc::mux::Usbsel::HSI48;
    clocks.ahb_pre = rcc::AHBPrescaler::DIV2;
    clocks.apb1_pre = rcc::APBPrescaler::DIV2;
    clocks.apb2_pre = rcc::APBPrescaler::DIV2;
    clocks.apb3_pre = rcc::APBPrescaler::DIV2;
    clocks.apb4_pre = rcc::APBPrescaler::DIV2;
    config
}

/// 800 MHz from 64, of which P takes half and Q a 13th.
fn core_pll() -> rcc::Pll {
    rcc::Pll {
        source: rcc::PllSource::HSI,
        prediv: rcc::PllPreDiv::DIV4,
        mul: rcc::PllMul::MUL50,
        fracn: None,
        divp: Some(rcc::PllDiv::DIV2),
        divq: Some(rcc::PllDiv::DIV13),
        divr: None,
    }
}

/// `embassy-stm32` 0.6 makes the clock recovery follow the frames of USB1, which is OTG HS. Without
/// frames the oscillator is as exact as it was trimmed in production: USB needs 0.25 %.
fn follow_frames_of_otg_fs() {
    pac::CRS
        .cfgr()
        .modify(|w| w.set_syncsrc(Syncsrc::from_bits(FRAMES_OF_OTG_FS)));
}
