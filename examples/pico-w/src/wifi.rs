//! The Wi-Fi outside: a station in the network of the provider, which it joins again whenever it
//! has lost it.

use core::convert::Infallible;

use cyw43::{
    A4, Aligned, Control, JoinOptions, NetDriver, PowerManagementMode, Runner, SpiBus, State,
};
use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_rp::gpio::Output;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer, with_timeout};
use embedded_hal::digital::{ErrorType, OutputPin};
use nat_rp2040::Heartbeat;
use nat_wifi::{Network, PROVIDER_HELP};
use static_cell::StaticCell;

use crate::board::{RadioPins, RadioSpi};
use crate::nvram::NVRAM;

/// Set when the firmware is built.
const PROVIDER: Network = Network::to_join(
    option_env!("WIFI_SSID"),
    option_env!("WIFI_PASSWORD"),
    PROVIDER_HELP,
);

/// The chip's own firmware, and its table of what each country permits.
static FIRMWARE: &Aligned<A4, [u8]> = &Aligned(*cyw43_firmware::CYW43_43439A0);
static REGULATIONS: &[u8] = cyw43_firmware::CYW43_43439A0_CLM;

/// How long the chip may take to join, which it sometimes does without an end.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two attempts to join.
const PAUSE: Duration = Duration::from_secs(5);

/// Between the chip's word that it has joined, and the link of the router.
const LINK_TIMEOUT: Duration = Duration::from_secs(2);

/// The pin of the Wi-Fi chip that the LED is on.
const LED: u8 = 0;

/// The task that moves frames to and from the chip.
pub(crate) type RadioRunner = Runner<'static, SpiBus<Output<'static>, RadioSpi>>;

/// Loads the chip's firmware, which takes a second, and gives the driver for the router, the task
/// to spawn at once, and what [`start`] takes.
pub(crate) async fn load(pins: RadioPins) -> (NetDriver<'static>, Control<'static>, RadioRunner) {
    static STATE: StaticCell<State> = StaticCell::new();
    let state = STATE.init_with(State::new);
    cyw43::new(state, pins.power, pins.spi, FIRMWARE, NVRAM).await
}

/// Starts the radio, which takes a second. Afterwards the driver knows its MAC address. The radio
/// never sleeps: a router has no time to.
pub(crate) async fn start(control: &mut Control<'static>, heartbeat: &mut Heartbeat) {
    heartbeat.feed();
    control.init(REGULATIONS).await;
    heartbeat.feed();
    control
        .set_power_management(PowerManagementMode::None)
        .await;
}

/// Keeps the router in the network of the provider, for ever, and shows `led` on the board.
/// `outside` is the router's stack outside, which knows whether there is a link.
pub(crate) async fn stay_joined(mut control: Control<'static>, outside: Stack<'static>) -> ! {
    loop {
        match with_timeout(JOIN_TIMEOUT, control.join(PROVIDER.ssid, options())).await {
            Ok(Ok(())) => {
                defmt::info!("Wi-Fi: joined {=str}", PROVIDER.ssid);
                while_joined(&mut control, outside).await;
                defmt::warn!("Wi-Fi: lost {=str}", PROVIDER.ssid);
            }
            Ok(Err(error)) => defmt::warn!("Wi-Fi: cannot join {=str}: {}", PROVIDER.ssid, error),
            Err(_) => defmt::warn!("Wi-Fi: no answer from {=str}", PROVIDER.ssid),
        }
        show_led(&mut control, Timer::after(PAUSE)).await;
    }
}

/// Ends when the network is lost.
async fn while_joined(control: &mut Control<'static>, outside: Stack<'static>) {
    if with_timeout(LINK_TIMEOUT, outside.wait_link_up())
        .await
        .is_ok()
    {
        show_led(control, outside.wait_link_down()).await;
    }
}

/// WPA2 or WPA3, whichever the network has.
fn options() -> JoinOptions<'static> {
    if PROVIDER.is_open() {
        JoinOptions::new_open()
    } else {
        JoinOptions::new(PROVIDER.password.as_bytes())
    }
}

/// What the LED shall show. The chip shows it, because the LED is on one of its pins.
static SHOWN: Signal<CriticalSectionRawMutex, bool> = Signal::new();

/// Shows on the LED what the router says, until `end`.
async fn show_led(control: &mut Control<'static>, end: impl Future<Output = ()>) {
    let mut end = core::pin::pin!(end);
    while let Either::First(lit) = select(SHOWN.wait(), end.as_mut()).await {
        control.gpio_set(LED, lit).await;
    }
}

/// The LED as the router sees it. It stands still while the chip joins a network.
pub(crate) struct Led;

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        SHOWN.signal(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        SHOWN.signal(true);
        Ok(())
    }
}
