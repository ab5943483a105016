//! Router firmware for a NUCLEO-H743ZI2: USB inside, its own Ethernet outside. The README beside it
//! says what it does and how to flash it. All that is specific to this board is in [`board`].
#![no_std]
#![no_main]

mod board;

use defmt_rtt as _;
use embassy_executor::Spawner;
use nat_router::{Config, LEASES, Memory, Runner, Services};
use nat_stm32h7::{Heartbeat, Nic, UsbDriver};
use nat_usb_lan::UsbLan;
use panic_probe as _;
use static_cell::ConstStaticCell;

use board::{Board, Led};

/// Mappings that the NAT can hold. The environment variable `NAT_MAPPINGS` sets it when the firmware
/// is built.
const MAPPINGS: usize = nat_router::mappings(option_env!("NAT_MAPPINGS"), 2048);

/// Sessions that the NAT can hold.
const SESSIONS: usize = nat_stm32h7::sessions(MAPPINGS);

/// Blocks that each queue between USB and the router can hold.
const BLOCKS: usize = 8;

// As many hosts as the DHCP server has leases.
static ROUTER: ConstStaticCell<Memory<MAPPINGS, SESSIONS, LEASES>> =
    ConstStaticCell::new(Memory::new());
static INSIDE: ConstStaticCell<nat_usb_lan::State<BLOCKS, BLOCKS>> =
    ConstStaticCell::new(nat_usb_lan::State::new());

/// Starts the board, builds a router between its two ports, and spawns its five tasks.
#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let board = Board::start();
    defmt::info!(
        "inside {=[u8; 6]:02x}, outside {=[u8; 6]:02x}, {} mappings",
        board.usb_macs.router,
        board.outside_mac,
        MAPPINGS
    );

    let identity = board::identity(&board.unique_id);
    let inside = nat_usb_lan::new(INSIDE.take(), board.usb, identity, board.usb_macs);
    let UsbLan { device: lan, .. } = inside;
    let router = nat_router::new(
        ROUTER.take(),
        Config::default(),
        board.entropy,
        lan,
        board.outside,
    );
    let router = defmt::unwrap!(router, "the default configuration is sound");

    spawner.spawn(drive_bus(inside.bus).expect("spawned once"));
    spawner.spawn(receive_inside(inside.receiver).expect("spawned once"));
    spawner.spawn(send_inside(inside.sender).expect("spawned once"));
    spawner.spawn(forward(router.runner, board.heartbeat).expect("spawned once"));
    spawner.spawn(serve(router.services, board.led).expect("spawned once"));
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
async fn forward(runner: Runner<'static, nat_usb_lan::Device, Nic>, mut heartbeat: Heartbeat) -> ! {
    runner.run(move || heartbeat.feed()).await
}

#[embassy_executor::task]
async fn serve(services: Services, led: Led) -> ! {
    services.run(led).await
}
