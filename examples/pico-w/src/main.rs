//! Router firmware for one Raspberry Pi Pico W: USB inside, its Wi-Fi outside. The README beside it
//! says what it does and how to flash it. All that is specific to this board is in [`board`].
#![no_std]
#![no_main]

mod board;
mod nvram;
mod wifi;

use cyw43::NetDriver;
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::Stack;
use nat_router::{Config, LEASES, Memory, Runner, Services};
use nat_rp2040::{Heartbeat, UsbDriver};
use nat_usb_lan::UsbLan;
use panic_probe as _;
use static_cell::ConstStaticCell;

use board::Board;
use wifi::{Led, RadioRunner};

/// Mappings that the NAT can hold. The environment variable `NAT_MAPPINGS` sets it when the firmware
/// is built.
const MAPPINGS: usize = nat_router::mappings(option_env!("NAT_MAPPINGS"), 1024);

/// Sessions that the NAT can hold.
const SESSIONS: usize = nat_rp2040::sessions(MAPPINGS);

/// Blocks that each queue between USB and the router can hold.
const BLOCKS: usize = 4;

// As many hosts as the DHCP server has leases.
static ROUTER: ConstStaticCell<Memory<MAPPINGS, SESSIONS, LEASES>> =
    ConstStaticCell::new(Memory::new());
static INSIDE: ConstStaticCell<nat_usb_lan::State<BLOCKS, BLOCKS>> =
    ConstStaticCell::new(nat_usb_lan::State::new());

/// Starts the board and its radio, builds a router between its two ports, and spawns its seven
/// tasks.
#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let mut board = Board::start();
    board.heartbeat.feed();
    let (wan, mut control, radio) = wifi::load(board.radio).await;
    spawner.spawn(drive_radio(radio).expect("spawned once"));
    wifi::start(&mut control, &mut board.heartbeat).await;

    let identity = board::identity(&board.unique_id);
    let inside = nat_usb_lan::new(INSIDE.take(), board.usb, identity, board.usb_macs);
    let UsbLan { device: lan, .. } = inside;
    let router = nat_router::new(ROUTER.take(), Config::default(), board.entropy, lan, wan);
    let router = defmt::unwrap!(router, "the default configuration is sound");
    defmt::info!("{} mappings, {} sessions", MAPPINGS, SESSIONS);

    spawner.spawn(drive_bus(inside.bus).expect("spawned once"));
    spawner.spawn(receive_inside(inside.receiver).expect("spawned once"));
    spawner.spawn(send_inside(inside.sender).expect("spawned once"));
    spawner.spawn(forward(router.runner, board.heartbeat).expect("spawned once"));
    spawner.spawn(serve(router.services).expect("spawned once"));
    spawner.spawn(stay_joined(control, router.outside).expect("spawned once"));
}

#[embassy_executor::task]
async fn drive_bus(bus: nat_usb_lan::Bus<UsbDriver>) -> ! {
    bus.run().await
}

#[embassy_executor::task]
async fn receive_inside(receiver: nat_usb_lan::Receiver<UsbDriver>) -> ! {
    receiver.run().await
}

#[embassy_executor::task]
async fn send_inside(sender: nat_usb_lan::Sender<UsbDriver>) -> ! {
    sender.run().await
}

#[embassy_executor::task]
async fn drive_radio(radio: RadioRunner) -> ! {
    radio.run().await
}

#[embassy_executor::task]
async fn stay_joined(control: cyw43::Control<'static>, outside: Stack<'static>) -> ! {
    wifi::stay_joined(control, outside).await
}

#[embassy_executor::task]
async fn forward(
    runner: Runner<'static, nat_usb_lan::Device, NetDriver<'static>>,
    mut heartbeat: Heartbeat,
) -> ! {
    runner.run(move || heartbeat.feed()).await
}

#[embassy_executor::task]
async fn serve(services: Services) -> ! {
    services.run(Led).await
}
