#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(test)]
extern crate std;

// The application's side.
mod counters;
mod device;
mod tasks;

// The class.
mod class;
mod link;

// The ways of a frame.
mod incoming;
mod ntb;
mod ring;

mod log;

use core::cell::RefCell;

use embassy_usb::driver::Driver;
use embassy_usb::{Builder, Config, UsbVersion};
use heapless::String;
use static_cell::StaticCell;

pub use counters::{Counters, Monitor};
pub use device::{Device, RxToken, TxToken};
pub use ntb::check::Refusal;
pub use tasks::{Bus, Receiver, Sender};

use class::Control;
use counters::Tally;
use incoming::Incoming;
use link::Link;
use ntb::compose::Block as Outgoing;
use ring::Ring;

/// The longest frame to send, with its header and without its frame check sequence.
const MTU: usize = 1514;

/// The longest frame that is received: one with an IEEE 802.1Q tag, which may only give a priority.
const LONGEST_FRAME: usize = MTU + 4;

const ETHERNET_HEADER: usize = 14;

/// A packet of a bulk endpoint at full speed.
const PACKET: usize = 64;

/// The memory of a LAN: `N_RX` blocks from the host and `N_TX` blocks to the host, 2 KiB each. A
/// block holds one long frame, or several short ones.
///
/// It is all zeros when new, so a `static` of it takes RAM only and no flash.
pub struct State<const N_RX: usize, const N_TX: usize> {
    rx: Ring<Incoming, N_RX>,
    tx: Ring<Outgoing, N_TX>,
    link: Link,
    tally: Tally,
    control: StaticCell<Control>,
    serial: String<SERIAL_DIGITS>,
    descriptors: [u8; CONFIGURATION_BYTES],
    capabilities: [u8; CAPABILITIES_BYTES],
    requests: [u8; REQUEST_BYTES],
}

/// Digits of the longest serial number.
const SERIAL_DIGITS: usize = 32;
/// The configuration takes 94 bytes.
const CONFIGURATION_BYTES: usize = 128;
/// The binary object store, which USB 2.0 does not have. `embassy-usb` writes it all the same.
const CAPABILITIES_BYTES: usize = 16;
/// Room for a string of 62 characters.
const REQUEST_BYTES: usize = 128;

impl<const N_RX: usize, const N_TX: usize> State<N_RX, N_TX> {
    /// Unused memory.
    pub const fn new() -> Self {
        Self {
            rx: Ring::new([const { RefCell::new(Incoming::new()) }; N_RX]),
            tx: Ring::new([const { RefCell::new(Outgoing::new()) }; N_TX]),
            link: Link::new(),
            tally: Tally::new(),
            control: StaticCell::new(),
            serial: String::new(),
            descriptors: [0; CONFIGURATION_BYTES],
            capabilities: [0; CAPABILITIES_BYTES],
            requests: [0; REQUEST_BYTES],
        }
    }
}

impl<const N_RX: usize, const N_TX: usize> Default for State<N_RX, N_TX> {
    fn default() -> Self {
        Self::new()
    }
}

/// Who the device says it is.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The ids of vendor and product.
    pub ids: (u16, u16),
    /// The vendor's name, at most 62 characters.
    pub manufacturer: &'static str,
    /// The product's name, at most 62 characters.
    pub product: &'static str,
    /// The serial number, different for each board. Its first 16 bytes are shown in hexadecimal.
    pub serial: &'a [u8],
    /// The most current that the device takes from the bus, in mA, up to 500; 0 for a board with power
    /// of its own.
    pub milliamperes: u16,
}

/// The ids of a pid.codes test product: for use at home and in a laboratory only, because other
/// projects use it as well (<https://pid.codes/1209/0001/>). Who distributes boards needs ids of
/// their own; pid.codes gives a product id to any open-source project with a public repository.
pub const TEST_IDS: (u16, u16) = (0x1209, 0x0001);

/// The MAC addresses of both ends of the USB link, which must differ.
#[derive(Clone, Copy, Debug)]
pub struct MacAddresses {
    /// The router's.
    pub router: [u8; 6],
    /// That of the network interface that the host gets.
    pub host: [u8; 6],
}

/// A LAN: a driver for the router, and three tasks to spawn.
pub struct UsbLan<D: Driver<'static>> {
    /// The driver for the router.
    pub device: Device,
    /// The task for the bus.
    pub bus: Bus<D>,
    /// The task for blocks from the host.
    pub receiver: Receiver<D>,
    /// The task for blocks to the host.
    pub sender: Sender<D>,
    /// Reads the counters.
    pub monitor: Monitor,
}

/// Builds a LAN over the USB device controller of `driver`, on which nothing else is.
///
/// The link is down until the host selects it.
///
/// # Panics
///
/// If the driver has too few endpoints: two in and one out, besides those for control. If more than
/// 500 mA are asked for.
pub fn new<const N_RX: usize, const N_TX: usize, D: Driver<'static>>(
    state: &'static mut State<N_RX, N_TX>,
    driver: D,
    identity: Identity<'_>,
    macs: MacAddresses,
) -> UsbLan<D> {
    let State {
        rx,
        tx,
        link,
        tally,
        control,
        serial,
        descriptors,
        capabilities,
        requests,
    } = state;
    let (rx, tx, link, tally) = (rx.queue(), tx.queue(), &*link, &*tally);
    *serial = class::digits(identity.serial);
    let config = config(identity, serial);
    let mut builder = Builder::new(driver, config, descriptors, capabilities, &mut [], requests);
    let (handler, endpoints) = class::describe(&mut builder, macs.host, (link, tally, tx));
    builder.handler(control.init(handler));
    UsbLan {
        device: Device {
            rx,
            tx,
            link,
            tally,
            mac: macs.router,
        },
        bus: Bus {
            device: builder.build(),
            notify: endpoints.notify,
            control_interface: endpoints.control_interface,
            link,
            tally,
        },
        receiver: Receiver {
            endpoint: endpoints.out,
            rx,
            link,
            tally,
        },
        sender: Sender {
            endpoint: endpoints.into_host,
            tx,
            link,
            tally,
        },
        monitor: Monitor(tally),
    }
}

/// A device that does not wake the host.
fn config(identity: Identity<'_>, serial: &'static str) -> Config<'static> {
    let (vendor, product) = identity.ids;
    let mut config = Config::new(vendor, product);
    // Without the descriptors of USB 2.1, which this device has no use for.
    config.bcd_usb = UsbVersion::Two;
    config.manufacturer = Some(identity.manufacturer);
    config.product = Some(identity.product);
    config.serial_number = Some(serial);
    config.max_packet_size_0 = PACKET as u8;
    config.max_power = identity.milliamperes;
    config.self_powered = identity.milliamperes == 0;
    config.supports_remote_wakeup = false;
    config
}
