//! Router firmware for a NUCLEO-H743ZI2 with a W5500. The README beside it says what it does and
//! how to flash it. All that is specific to this board is in [`board`].
#![no_std]
#![no_main]

mod board;

use defmt_rtt as _;
use embassy_executor::Spawner;
use nat_router::{Config, LEASES, Memory, Runner, Services};
use nat_stm32h7::{Heartbeat, Nic};
use nat_w5500::{Device, State};
use panic_probe as _;
use static_cell::ConstStaticCell;

use board::{Board, InsideRunner, Led};

/// Mappings that the NAT can hold. The environment variable `NAT_MAPPINGS` sets it when the firmware
/// is built.
const MAPPINGS: usize = nat_router::mappings(option_env!("NAT_MAPPINGS"), 2048);

/// Frames that each queue between the W5500 and the router can hold.
const QUEUE: usize = 8;

/// Sessions that the NAT can hold.
const SESSIONS: usize = nat_stm32h7::sessions(MAPPINGS);

// As many hosts as the DHCP server has leases.
static ROUTER: ConstStaticCell<Memory<MAPPINGS, SESSIONS, LEASES>> =
    ConstStaticCell::new(Memory::new());
static INSIDE: ConstStaticCell<State<QUEUE, QUEUE>> = ConstStaticCell::new(State::new());

/// Starts the board, builds a router between its two ports, and spawns its three tasks.
#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let Board {
        inside,
        outside,
        macs: [inside_mac, outside_mac],
        entropy,
        led,
        heartbeat,
    } = Board::start();
    defmt::info!(
        "inside {=[u8; 6]:02x}, outside {=[u8; 6]:02x}, {} mappings",
        inside_mac,
        outside_mac,
        MAPPINGS
    );

    let (lan, inside) = nat_w5500::new(inside_mac, INSIDE.take(), inside);
    let router = nat_router::new(ROUTER.take(), Config::default(), entropy, lan, outside);
    let router = defmt::unwrap!(router, "the default configuration is sound");

    spawner.spawn(drive_inside(inside).expect("spawned once"));
    spawner.spawn(forward(router.runner, heartbeat).expect("spawned once"));
    spawner.spawn(serve(router.services, led).expect("spawned once"));
}

// A task of embassy cannot be generic, so each firmware wraps the loops of the libraries in tasks of
// its own types.
#[embassy_executor::task]
async fn drive_inside(chip: InsideRunner) -> ! {
    chip.run().await
}

#[embassy_executor::task]
async fn forward(runner: Runner<'static, Device<'static>, Nic>, mut heartbeat: Heartbeat) -> ! {
    runner.run(move || heartbeat.feed()).await
}

#[embassy_executor::task]
async fn serve(services: Services, led: Led) -> ! {
    services.run(led).await
}
