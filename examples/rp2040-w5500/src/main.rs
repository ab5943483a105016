//! Router firmware for an RP2040 with two W5500. The README beside it says what it does and how to
//! flash it. All that is specific to this board is in [`board`].
#![no_std]
#![no_main]

mod board;

use defmt_rtt as _;
use embassy_executor::Spawner;
use nat_router::{Config, LEASES, Memory, Runner, Services};
use nat_rp2040::{Chip, Heartbeat};
use nat_w5500::{Device, State};
use panic_probe as _;
use static_cell::ConstStaticCell;

use board::{Board, InsideRunner, Led, OutsideRunner};

/// Mappings that the NAT can hold. The environment variable `NAT_MAPPINGS` sets it when the firmware
/// is built.
const MAPPINGS: usize = nat_router::mappings(option_env!("NAT_MAPPINGS"), 2048);

/// Sessions that the NAT can hold.
const SESSIONS: usize = nat_rp2040::sessions(MAPPINGS);

/// Frames that each queue between a W5500 and the router can hold.
const QUEUE: usize = 16;

/// How many of the received frames in a queue can be longer than 128 bytes, and how many of those
/// to send. With only two of these, the router works through long frames one by one, and needs a
/// quarter more cycles for each.
const LONG_RX: usize = 2;
const LONG_TX: usize = 3;

type Queues = State<QUEUE, QUEUE, LONG_RX, LONG_TX>;

// As many hosts as the DHCP server has leases.
static ROUTER: ConstStaticCell<Memory<MAPPINGS, SESSIONS, LEASES>> =
    ConstStaticCell::new(Memory::new());
static INSIDE: ConstStaticCell<Queues> = ConstStaticCell::new(State::new());
static OUTSIDE: ConstStaticCell<Queues> = ConstStaticCell::new(State::new());

/// Starts the board, builds a router between its two ports, and spawns its five tasks.
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
        "inside {=[u8; 6]:02x}, outside {=[u8; 6]:02x}, {} mappings, {} sessions",
        inside_mac,
        outside_mac,
        MAPPINGS,
        SESSIONS
    );

    let (lan, inside) = nat_w5500::new(inside_mac, INSIDE.take(), inside);
    let inside = inside.with_name("W5500 inside");
    let (wan, outside) = nat_w5500::new(outside_mac, OUTSIDE.take(), outside);
    let outside = outside.with_name("W5500 outside");
    let chips = [
        Chip::new("inside", inside.monitor()),
        Chip::new("outside", outside.monitor()),
    ];
    let router = nat_router::new(ROUTER.take(), Config::default(), entropy, lan, wan);
    let router = defmt::unwrap!(router, "the default configuration is sound");

    spawner.spawn(drive_inside(inside).expect("spawned once"));
    spawner.spawn(drive_outside(outside).expect("spawned once"));
    spawner.spawn(forward(router.runner, heartbeat).expect("spawned once"));
    spawner.spawn(serve(router.services, led).expect("spawned once"));
    spawner.spawn(watch(chips).expect("spawned once"));
}

// A task of embassy cannot be generic, so each firmware wraps the loops of the libraries in tasks of
// its own types.
#[embassy_executor::task]
async fn drive_inside(chip: InsideRunner) -> ! {
    chip.run().await
}

#[embassy_executor::task]
async fn drive_outside(chip: OutsideRunner) -> ! {
    chip.run().await
}

#[embassy_executor::task]
async fn forward(
    runner: Runner<'static, Device<'static>, Device<'static>>,
    mut heartbeat: Heartbeat,
) -> ! {
    runner.run(move || heartbeat.feed()).await
}

#[embassy_executor::task]
async fn serve(services: Services, led: Led) -> ! {
    services.run(led).await
}

#[embassy_executor::task]
async fn watch(chips: [Chip; 2]) -> ! {
    nat_rp2040::watch(chips).await
}
