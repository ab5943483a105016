//! A NUCLEO-H743ZI2 with nothing wired to it: all that is specific to this board.
//!
//! The Ethernet MAC with the board's LAN8742 is outside. The user's USB connector (CN13) is inside,
//! on OTG FS: DM PA11, DP PA12, and the bus voltage on PA9. PG6 is the switch that gives the
//! connector 5 V, for a board that is a host; it stays off.

use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::peripherals::{RNG, USB_OTG_FS};
use embassy_stm32::{bind_interrupts, eth, rng, usb};
use nat_router::mac_addresses;
use nat_stm32h7::{BusErrors, EthernetParts, Events, Heartbeat, Nic, UsbDriver};
use nat_usb_lan::{Identity, MacAddresses, TEST_IDS};

/// The board has power of its own, and takes none from this connector.
const MILLIAMPERES: u16 = 0;

bind_interrupts!(struct Interrupts {
    ETH => BusErrors, eth::InterruptHandler;
    OTG_FS => Events, usb::InterruptHandler<USB_OTG_FS>;
    RNG => rng::InterruptHandler<RNG>;
});

/// The status LED, lit while high.
pub(crate) type Led = Output<'static>;

/// The parts of the board, ready for use.
pub(crate) struct Board {
    pub(crate) usb: UsbDriver,
    pub(crate) outside: Nic,
    /// The MAC address outside, and those of both ends inside, the same at every start.
    pub(crate) outside_mac: [u8; 6],
    pub(crate) usb_macs: MacAddresses,
    /// The same at every start, and different for each board.
    pub(crate) unique_id: [u8; 12],
    /// Different at every start.
    pub(crate) entropy: [u8; 32],
    pub(crate) led: Led,
    pub(crate) heartbeat: Heartbeat,
}

impl Board {
    /// Sets up the clocks, starts the watchdog, and logs why the board has started.
    pub(crate) fn start() -> Self {
        let p = nat_stm32h7::init();
        let heartbeat = Heartbeat::start(p.IWDG1);
        let unique_id = embassy_stm32::uid::uid();
        let [inside_mac, outside_mac] = mac_addresses(&unique_id);
        let entropy = nat_stm32h7::gather_entropy(p.RNG, Interrupts);
        // Off for as long as the board runs, so it is never dropped.
        core::mem::forget(Output::new(p.PG6, Level::Low, Speed::Low));
        let outside = EthernetParts {
            eth: p.ETH,
            sma: p.ETH_SMA,
            reference_clock: p.PA1,
            mdio: p.PA2,
            carrier: p.PA7,
            transmit_1: p.PB13,
            mdc: p.PC1,
            receive_0: p.PC4,
            receive_1: p.PC5,
            transmit_enable: p.PG11,
            transmit_0: p.PG13,
        };
        Self {
            usb: UsbDriver::new(p.USB_OTG_FS, Interrupts, p.PA12, p.PA11),
            outside: nat_stm32h7::ethernet(outside, Interrupts, outside_mac),
            outside_mac,
            usb_macs: MacAddresses {
                router: inside_mac,
                host: nat_router::host_mac_address(&unique_id),
            },
            unique_id,
            entropy,
            led: Output::new(p.PB0, Level::Low, Speed::Low),
            heartbeat,
        }
    }
}

/// The USB identity of the board with this id: what its descriptors say.
pub(crate) fn identity(unique_id: &[u8; 12]) -> Identity<'_> {
    Identity {
        ids: TEST_IDS,
        manufacturer: "nat-core",
        product: "NAT router (NUCLEO-H743ZI2)",
        serial: unique_id,
        milliamperes: MILLIAMPERES,
    }
}
