#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, doc = "\n# Features\n")]
#![cfg_attr(docsrs, doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

// The application's side.
mod clock;
mod counters;
mod fault;
mod runner;

// The ways of a frame.
mod device;
mod queue;
mod receiver;
mod sender;

// The chip.
mod bus;
mod chip;
mod registers;

mod log;

use embedded_hal::digital::{InputPin, OutputPin};
use embedded_hal::spi::SpiBus;
use embedded_hal_async::digital::Wait;
use embedded_hal_async::spi::SpiBus as AsyncSpiBus;

pub use chip::Filter;
pub use clock::{Clock, EmbassyTime};
pub use counters::{Counters, Monitor};
pub use device::{Device, RxToken, TxToken};
pub use fault::Fault;
pub use runner::Runner;

use bus::Bus;
use chip::Chip;
use counters::Tally;
use device::Link;
use queue::Queue;
use receiver::Receiver;
use sender::Sender;

/// The longest frame to send, with its header and without its frame check sequence.
const MTU: usize = 1514;

/// The longest frame that is received: one with an IEEE 802.1Q tag, which may only give a priority.
const LONGEST: usize = MTU + 4;

/// The longest frame that is polled, unless [`Runner::with_poll_limit`] sets another limit.
const POLL_LIMIT: usize = 32;

/// All the memory of a driver: a queue of received frames, and one of frames to send.
///
/// They hold `N_RX` and `N_TX` frames, at 152 bytes each. Of these, `LONG_RX` and `LONG_TX` can be
/// longer than 128 bytes, at 1.5 KiB each. The driver works through short frames in batches, so a
/// queue should hold eight to sixteen. Of long frames, three keep the bus busy.
///
/// It is all zeros when new, so a `static` of it takes RAM only and no flash.
pub struct State<
    const N_RX: usize,
    const N_TX: usize,
    const LONG_RX: usize = N_RX,
    const LONG_TX: usize = N_TX,
> {
    rx: Queue<N_RX, LONG_RX>,
    tx: Queue<N_TX, LONG_TX>,
    link: Link,
    tally: Tally,
}

impl<const N_RX: usize, const N_TX: usize, const LONG_RX: usize, const LONG_TX: usize>
    State<N_RX, N_TX, LONG_RX, LONG_TX>
{
    /// Unused memory.
    pub const fn new() -> Self {
        Self {
            rx: Queue::new(),
            tx: Queue::new(),
            link: Link::new(),
            tally: Tally::new(),
        }
    }
}

impl<const N_RX: usize, const N_TX: usize, const LONG_RX: usize, const LONG_TX: usize> Default
    for State<N_RX, N_TX, LONG_RX, LONG_TX>
{
    fn default() -> Self {
        Self::new()
    }
}

/// The connections of a chip.
pub struct Pins<Spi, Cs, Int, Reset> {
    /// The bus, with no other device on it: SPI mode 3 or 0, most significant bit first, at least
    /// 1 MHz.
    pub bus: Spi,
    /// SCSn, high while idle.
    pub cs: Cs,
    /// INTn.
    pub int: Int,
    /// RSTn.
    pub reset: Reset,
}

/// Builds a driver for the chip at `pins`, which gets the address `mac`.
///
/// [`Runner::run`] sets up the chip. The link is down until then.
pub fn new<
    'd,
    const N_RX: usize,
    const N_TX: usize,
    const LONG_RX: usize,
    const LONG_TX: usize,
    Spi,
    Cs,
    Int,
    Reset,
>(
    mac: [u8; 6],
    state: &'d mut State<N_RX, N_TX, LONG_RX, LONG_TX>,
    pins: Pins<Spi, Cs, Int, Reset>,
) -> (Device<'d>, Runner<'d, Spi, Cs, Int, Reset>)
where
    Spi: SpiBus<u8> + AsyncSpiBus<u8>,
    Cs: OutputPin,
    Int: InputPin + Wait,
    Reset: OutputPin,
{
    let State {
        rx,
        tx,
        link,
        tally,
    } = &*state;
    let (rx, tx) = (rx.channel(), tx.channel());
    let Pins {
        bus,
        cs,
        int,
        reset,
    } = pins;
    let runner = Runner {
        name: "W5500",
        mac,
        filter: Filter::Own,
        chip: Chip {
            bus: Bus::new(bus, cs, POLL_LIMIT),
        },
        int,
        reset,
        clock: EmbassyTime,
        receiver: Receiver::new(rx, tally),
        sender: Sender::new(tx, tally),
        link,
        link_up: false,
        tally,
    };
    (
        Device {
            rx,
            tx,
            link,
            mac,
            tally,
        },
        runner,
    )
}
