//! An ESP32-C3: all that is specific to this chip. Nothing is connected to it.

use esp_hal::clock::CpuClock;
use esp_hal::peripherals::{TIMG1, WIFI};
use esp_hal::ram;
use esp_hal::rng::Trng;
use esp_hal::time::Duration;
use esp_hal::timer::timg::{MwdtStage, TimerGroup, Wdt};
use log::LevelFilter;
use nat_router::WATCHDOG_TIMEOUT;

/// Memory for the radio, which it uses for its buffers and tasks: all that is left when the boot
/// loader has ended, and a part of the rest.
const RECLAIMED_HEAP: usize = 64 * 1024;
const OTHER_HEAP: usize = 64 * 1024;

/// The parts of the chip, ready for use.
pub(crate) struct Board {
    pub(crate) radio: WIFI<'static>,
    pub(crate) heartbeat: Heartbeat,
}

impl Board {
    /// Sets up the clocks, the log, the heap and the scheduler that the radio needs, starts the
    /// watchdog, and logs why the chip has started.
    pub(crate) fn start() -> Self {
        let config = esp_hal::Config::default().with_cpu_clock(CpuClock::max());
        let p = esp_hal::init(config);
        esp_println::logger::init_logger(LevelFilter::Info);
        log::info!("started: {:?}", esp_hal::system::reset_reason());
        esp_alloc::heap_allocator!(#[ram(reclaimed)] size: RECLAIMED_HEAP);
        esp_alloc::heap_allocator!(size: OTHER_HEAP);
        esp_rtos::start(TimerGroup::new(p.TIMG0).timer0, p.FROM_CPU_INTR0);
        Self {
            radio: p.WIFI,
            heartbeat: Heartbeat::start(TimerGroup::new(p.TIMG1).wdt),
        }
    }
}

/// 256 bits that are different at every start. The radio, which must be on, is their source.
///
/// # Panics
///
/// While the radio is off.
pub(crate) fn gather_entropy() -> [u8; 32] {
    let mut bits = [0; 32];
    Trng::try_new().expect("the radio is on").read(&mut bits);
    bits
}

/// Feeds the watchdog.
pub(crate) struct Heartbeat(Wdt<TIMG1<'static>>);

impl Heartbeat {
    fn start(mut watchdog: Wdt<TIMG1<'static>>) -> Self {
        watchdog.enable();
        let timeout = Duration::from_micros(WATCHDOG_TIMEOUT.as_micros());
        watchdog.set_timeout(MwdtStage::Stage0, timeout);
        watchdog.feed();
        Self(watchdog)
    }

    /// Gives the router another [`WATCHDOG_TIMEOUT`].
    pub(crate) fn feed(&mut self) {
        self.0.feed();
    }
}
