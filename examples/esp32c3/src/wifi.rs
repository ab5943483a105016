//! The Wi-Fi: an access point inside, and a station in the network of the provider outside. Both
//! share one radio, and so one channel.

use embassy_time::{Duration, Timer, with_timeout};
use esp_hal::peripherals::WIFI;
use esp_radio::wifi::ap::AccessPointConfig;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{
    AuthenticationMethodConfig, Config, ControllerConfig, PowerSaveMode, WifiController, WifiError,
};
use nat_wifi::{ACCESS_POINT_HELP, Network, PROVIDER_HELP};

/// Both are set when the firmware is built.
const PROVIDER: Network = Network::to_join(
    option_env!("WIFI_SSID"),
    option_env!("WIFI_PASSWORD"),
    PROVIDER_HELP,
);
const ACCESS_POINT: Network = Network::to_offer(
    option_env!("AP_SSID"),
    option_env!("AP_PASSWORD"),
    ACCESS_POINT_HELP,
);

/// Frames in each of the queues between the radio and the router. Those to send share one queue, so
/// that of the slower side fills it.
const QUEUE: usize = 10;

/// The most hosts inside, of the ten that the chip supports.
const MOST_HOSTS: u16 = 8;

/// How long the radio may take to join.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the state of the radio is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Between two attempts to join.
const PAUSE: Duration = Duration::from_secs(5);

/// Switches the radio on, and offers the network inside. The radio never sleeps: a router has no
/// time to.
pub(crate) fn start(radio: WIFI<'static>) -> Result<WifiController<'static>, WifiError> {
    let config = ControllerConfig::default()
        .with_rx_queue_size(QUEUE)
        .with_tx_queue_size(QUEUE)
        .with_initial_config(Config::AccessPointStation(station()?, access_point()?));
    let mut controller = WifiController::new(radio, config)?;
    controller.set_power_saving(PowerSaveMode::None)?;
    Ok(controller)
}

fn station() -> Result<StationConfig, WifiError> {
    Ok(StationConfig::default()
        .with_ssid(PROVIDER.ssid.try_into()?)
        .with_authentication(authentication(PROVIDER)?))
}

fn access_point() -> Result<AccessPointConfig, WifiError> {
    Ok(AccessPointConfig::default()
        .with_ssid(ACCESS_POINT.ssid.try_into()?)
        .with_authentication(authentication(ACCESS_POINT)?)
        .with_max_connections(MOST_HOSTS))
}

/// WPA2, unless the network is open. As a station, at least that: WPA3 is taken, too.
fn authentication(network: Network) -> Result<AuthenticationMethodConfig, WifiError> {
    if network.is_open() {
        return Ok(AuthenticationMethodConfig::Open);
    }
    Ok(AuthenticationMethodConfig::Wpa2Personal(
        network.password.try_into()?,
    ))
}

/// Keeps the router in the network of the provider, for ever.
pub(crate) async fn stay_joined(mut controller: WifiController<'static>) -> ! {
    let ssid = PROVIDER.ssid;
    loop {
        match with_timeout(JOIN_TIMEOUT, controller.connect_async()).await {
            Ok(Ok(joined)) => log::info!("Wi-Fi: joined {ssid} on channel {}", joined.channel),
            Ok(Err(error)) => log::warn!("Wi-Fi: cannot join {ssid}: {error:?}"),
            Err(_) => log::warn!("Wi-Fi: no answer from {ssid}"),
        }
        wait_while_joined(&controller).await;
        log::warn!("Wi-Fi: not in {ssid}");
        Timer::after(PAUSE).await;
    }
}

/// Waits for the driver's word that the network is lost. It might be missed among others, so that
/// the state is looked at, too.
async fn wait_while_joined(controller: &WifiController<'static>) {
    while controller.is_connected() {
        // Either way, the state says what is true.
        _ = with_timeout(LOOK_INTERVAL, controller.wait_for_disconnect_async()).await;
    }
}
