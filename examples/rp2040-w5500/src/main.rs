//! Router firmware for an RP2040 with two W5500. What it does and how to flash it is in the README
//! beside it; what belongs to this board is in [`board`].
#![no_std]
#![no_main]

mod board;
mod chips;
mod entropy;
mod fault;
mod filled_spi;
mod spi_dma;

use defmt_rtt as _;
use embassy_executor::Spawner;
use nat_core::Side;
use nat_router::{Config, Forwarding, Memory, Services, mac_address};
use nat_w5500::{Device, State};
use panic_probe as _;
use static_cell::ConstStaticCell;

use board::{Board, Heartbeat, InsideRunner, Led, OutsideRunner};
use chips::Chip;

/// Mappings that the NAT can hold. The environment variable `NAT_FLOWS` sets it when the firmware
/// is built.
const MAPPINGS: usize = match option_env!("NAT_FLOWS") {
    Some(flows) => match usize::from_str_radix(flows, 10) {
        Ok(flows) => flows,
        Err(_) => panic!("NAT_FLOWS is not a number"),
    },
    None => 1024,
};

/// Sessions that the NAT can hold: two for each mapping, because hosts reach several servers from
/// one port.
const SESSIONS: usize = 2 * MAPPINGS;

/// Inside hosts: as many as the DHCP server has leases.
const HOSTS: usize = nat_router::LEASES;

/// Frames that can wait in each direction between a W5500 and the router.
const QUEUE: usize = 8;

static ROUTER: ConstStaticCell<Memory<MAPPINGS, SESSIONS, HOSTS>> =
    ConstStaticCell::new(Memory::new());
static INSIDE: ConstStaticCell<State<QUEUE, QUEUE>> = ConstStaticCell::new(State::new());
static OUTSIDE: ConstStaticCell<State<QUEUE, QUEUE>> = ConstStaticCell::new(State::new());

/// Brings the board up, puts a router between its two ports, and leaves it to five tasks.
#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let Board {
        inside,
        outside,
        unique_id,
        entropy,
        led,
        heartbeat,
    } = Board::start();
    let [inside_mac, outside_mac] =
        [Side::Inside, Side::Outside].map(|side| mac_address(&unique_id, side));
    defmt::info!(
        "inside {=[u8; 6]:02x}, outside {=[u8; 6]:02x}, {} mappings",
        inside_mac,
        outside_mac,
        MAPPINGS
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
    spawner.spawn(forward(router.forwarding, heartbeat).expect("spawned once"));
    spawner.spawn(serve(router.services, led).expect("spawned once"));
    spawner.spawn(watch(chips).expect("spawned once"));
}

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
    forwarding: Forwarding<Device<'static>, Device<'static>>,
    mut heartbeat: Heartbeat,
) -> ! {
    forwarding.run(move || heartbeat.give()).await
}

#[embassy_executor::task]
async fn serve(services: Services, led: Led) -> ! {
    services.run(led).await
}

#[embassy_executor::task]
async fn watch(chips: [Chip; 2]) -> ! {
    chips::watch(chips).await
}
