//! Router firmware for one W5500-EVB-Pico: USB inside, its W5500 outside. The README beside it says
//! what it does and how to flash it. All that is specific to this board is in [`board`].
#![no_std]
#![no_main]

mod board;

use defmt_rtt as _;
use embassy_executor::Spawner;
use nat_router::{Config, LEASES, Memory, Runner, Services};
use nat_rp2040::{Chip, Heartbeat, UsbDriver};
use nat_usb_lan::UsbLan;
use nat_w5500::State;
use panic_probe as _;
use static_cell::ConstStaticCell;

use board::{Board, Led, OutsideRunner};

/// Mappings that the NAT can hold. The environment variable `NAT_MAPPINGS` sets it when the firmware
/// is built.
const MAPPINGS: usize = nat_router::mappings(option_env!("NAT_MAPPINGS"), 2048);

/// Sessions that the NAT can hold.
const SESSIONS: usize = nat_rp2040::sessions(MAPPINGS);

/// Frames that each queue between the W5500 and the router can hold.
const QUEUE: usize = 16;

/// How many of the received frames in a queue can be longer than 128 bytes, and how many of those
/// to send.
const LONG_RX: usize = 2;
const LONG_TX: usize = 3;

/// Blocks that each queue between USB and the router can hold.
const BLOCKS: usize = 4;

type Queues = State<QUEUE, QUEUE, LONG_RX, LONG_TX>;

// As many hosts as the DHCP server has leases.
static ROUTER: ConstStaticCell<Memory<MAPPINGS, SESSIONS, LEASES>> =
    ConstStaticCell::new(Memory::new());
static INSIDE: ConstStaticCell<nat_usb_lan::State<BLOCKS, BLOCKS>> =
    ConstStaticCell::new(nat_usb_lan::State::new());
static OUTSIDE: ConstStaticCell<Queues> = ConstStaticCell::new(State::new());

/// Starts the board, builds a router between its two ports, and spawns its seven tasks.
#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let board = Board::start();
    defmt::info!(
        "inside {=[u8; 6]:02x}, outside {=[u8; 6]:02x}, {} mappings, {} sessions",
        board.usb_macs.router,
        board.outside_mac,
        MAPPINGS,
        SESSIONS
    );

    let identity = board::identity(&board.unique_id);
    let inside = nat_usb_lan::new(INSIDE.take(), board.usb, identity, board.usb_macs);
    let (wan, outside) = nat_w5500::new(board.outside_mac, OUTSIDE.take(), board.outside);
    let outside = outside.with_name("W5500 outside");
    let chips = [Chip::new("outside", outside.monitor())];
    let UsbLan { device: lan, .. } = inside;
    let router = nat_router::new(ROUTER.take(), Config::default(), board.entropy, lan, wan);
    let router = defmt::unwrap!(router, "the default configuration is sound");

    spawner.spawn(drive_bus(inside.bus).expect("spawned once"));
    spawner.spawn(receive_inside(inside.receiver).expect("spawned once"));
    spawner.spawn(send_inside(inside.sender).expect("spawned once"));
    spawner.spawn(drive_outside(outside).expect("spawned once"));
    spawner.spawn(forward(router.runner, board.heartbeat).expect("spawned once"));
    spawner.spawn(serve(router.services, board.led).expect("spawned once"));
    spawner.spawn(watch(chips).expect("spawned once"));
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
async fn drive_outside(chip: OutsideRunner) -> ! {
    chip.run().await
}

#[embassy_executor::task]
async fn forward(
    runner: Runner<'static, nat_usb_lan::Device, nat_w5500::Device<'static>>,
    mut heartbeat: Heartbeat,
) -> ! {
    runner.run(move || heartbeat.feed()).await
}

#[embassy_executor::task]
async fn serve(services: Services, led: Led) -> ! {
    services.run(led).await
}

#[embassy_executor::task]
async fn watch(chips: [Chip; 1]) -> ! {
    nat_rp2040::watch(chips).await
}
