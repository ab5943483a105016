//! The end of the driver for a stack or a router.

use core::cell::Cell;
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};

use crate::MTU;
use crate::counters::Tally;
use crate::queue::{Channel, LongPacket, Packet, Waiting};

/// Whether the link is up.
pub(crate) struct Link {
    up: Cell<bool>,
    waiting: Waiting,
}

impl Link {
    pub(crate) const fn new() -> Self {
        Self {
            up: Cell::new(false),
            waiting: Waiting::new(),
        }
    }

    pub(crate) fn set(&self, up: bool) {
        self.up.set(up);
        self.waiting.wake();
    }
}

/// The driver for the stack or the router, on the same executor as the runner.
///
/// A received frame is returned even if the transmit queue is full. Otherwise a router with traffic
/// both ways would starve one direction, because the other one fills each slot that becomes free. A
/// reply for which there is no slot is dropped, and counted as
/// [`unsent_full`](crate::Counters::unsent_full).
pub struct Device<'d> {
    pub(crate) rx: Channel<'d>,
    pub(crate) tx: Channel<'d>,
    pub(crate) link: &'d Link,
    pub(crate) mac: [u8; 6],
    pub(crate) tally: &'d Tally,
}

impl Driver for Device<'_> {
    type RxToken<'a>
        = RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let device = &*self;
        let has_frame = device.rx.poll_frame(cx.waker());
        has_frame.then_some((RxToken { device }, TxToken { device }))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        let device = &*self;
        let has_room = device.tx.poll_room(cx.waker());
        has_room.then_some(TxToken { device })
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.link.waiting.register(cx.waker());
        if self.link.up.get() {
            LinkState::Up
        } else {
            LinkState::Down
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

/// A received frame. It stays the next one until it is consumed.
pub struct RxToken<'a> {
    device: &'a Device<'a>,
}

impl embassy_net_driver::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        let rx = &self.device.rx;
        let Some(mut packet) = rx.oldest() else {
            return f(&mut []);
        };
        let result = f(packet.frame());
        rx.pop();
        result
    }
}

/// Permission to transmit a frame of up to 1514 bytes.
pub struct TxToken<'a> {
    device: &'a Device<'a>,
}

impl embassy_net_driver::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Device { tx, tally, .. } = self.device;
        let len = len.min(MTU);
        let free = tx.has_room().then(|| tx.free(len)).flatten();
        let Some(mut packet) = free else {
            tally.unsent_full.add(1);
            return drop_frame(len, f);
        };
        let result = f(packet.resize(len));
        tx.push(len);
        result
    }
}

/// Lets `f` write a frame that is dropped. Not inlined, because the frame takes 1.5 KiB of the
/// stack.
#[cold]
#[inline(never)]
fn drop_frame<R>(len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    let packet: &mut Packet = &mut LongPacket::new();
    f(packet.resize(len))
}
