//! Router firmware for an ESP32-C3 alone: a Wi-Fi access point inside, a Wi-Fi station outside. The
//! README beside it says what it does and how to flash it.
#![no_std]
#![no_main]

mod board;
mod wifi;

use embassy_executor::Spawner;
use embassy_net_driver::Driver;
use esp_backtrace as _;
use esp_radio::wifi::{Interface, WifiController};
use nat_router::{Config, Memory, NoLed, Runner, Services};
use static_cell::ConstStaticCell;

use board::{Board, Heartbeat};

esp_bootloader_esp_idf::esp_app_desc!();

/// Mappings that the NAT can hold. The environment variable `NAT_MAPPINGS` sets it when the firmware
/// is built.
const MAPPINGS: usize = nat_router::mappings(option_env!("NAT_MAPPINGS"), 512);

/// Sessions that the NAT can hold: hosts reach several servers from one port.
const SESSIONS: usize = 2 * MAPPINGS;

/// Hosts that the NAT and the DHCP server know, more than the access point has at a time.
const HOSTS: usize = 32;

/// What `.cargo/config.toml` sets.
const MTU: usize = 1514;

static ROUTER: ConstStaticCell<Memory<MAPPINGS, SESSIONS, HOSTS>> =
    ConstStaticCell::new(Memory::new());

/// Starts the chip and its radio, builds a router between the two networks, and spawns its three
/// tasks.
#[esp_rtos::main]
async fn main(spawner: Spawner) {
    let board = Board::start();
    let controller = wifi::start(board.radio).expect("a sound configuration");
    let (lan, wan) = (Interface::access_point(), Interface::station());
    if wan.capabilities().max_transmission_unit < MTU {
        log::warn!("built without .cargo/config.toml: packets of 1500 bytes are fragmented");
    }
    log::info!(
        "inside {:02x?}, outside {:02x?}, {MAPPINGS} mappings, {SESSIONS} sessions",
        lan.mac_address(),
        wan.mac_address()
    );
    let entropy = board::gather_entropy();
    let router = nat_router::new(ROUTER.take(), Config::default(), entropy, lan, wan);
    let router = router.expect("the default configuration is sound");

    spawner.spawn(forward(router.runner, board.heartbeat).expect("spawned once"));
    spawner.spawn(serve(router.services).expect("spawned once"));
    spawner.spawn(stay_joined(controller).expect("spawned once"));
}

#[embassy_executor::task]
async fn forward(runner: Runner<'static, Interface, Interface>, mut heartbeat: Heartbeat) -> ! {
    runner.run(move || heartbeat.feed()).await
}

#[embassy_executor::task]
async fn serve(services: Services) -> ! {
    services.run(NoLed).await
}

#[embassy_executor::task]
async fn stay_joined(controller: WifiController<'static>) -> ! {
    wifi::stay_joined(controller).await
}
