//! The end of the LAN for a stack or a router.

use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};

use crate::counters::Tally;
use crate::link::{Follower, Link};
use crate::ring::Queue;
use crate::{Incoming, MTU, Outgoing};

/// The driver for the stack or the router, on the same executor as the tasks.
///
/// A received frame is returned even if the transmit queue is full. Otherwise a router with traffic
/// both ways would starve one direction, because the other one fills each slot that becomes free. A
/// reply for which there is no room is dropped, and counted as
/// [`unsent_full`](crate::Counters::unsent_full).
pub struct Device {
    pub(crate) rx: Queue<'static, Incoming>,
    pub(crate) tx: Queue<'static, Outgoing>,
    pub(crate) link: &'static Link,
    pub(crate) tally: &'static Tally,
    pub(crate) mac: [u8; 6],
}

impl Driver for Device {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(RxToken, TxToken)> {
        let Self { rx, .. } = *self;
        rx.poll_oldest(cx.waker())
            .then(|| (RxToken { rx }, self.tx_token()))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<TxToken> {
        let token = self.tx_token();
        // Without a link, the frame is taken and dropped.
        if self.link.is_up() && !token.has_room(MTU) {
            self.tx.register_producer(cx.waker());
            return None;
        }
        Some(token)
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.link.register(Follower::Router, cx.waker());
        if self.link.is_up() {
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

impl Device {
    fn tx_token(&self) -> TxToken {
        TxToken {
            tx: self.tx,
            link: self.link,
            tally: self.tally,
        }
    }
}

/// A received frame. It stays the next one until it is consumed.
pub struct RxToken {
    rx: Queue<'static, Incoming>,
}

impl embassy_net_driver::RxToken for RxToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        let Some(mut block) = self.rx.oldest() else {
            return f(&mut []);
        };
        let result = f(block.next_frame());
        if block.is_empty() {
            drop(block);
            self.rx.pop();
        }
        result
    }
}

/// Permission to transmit a frame of up to 1514 bytes.
pub struct TxToken {
    tx: Queue<'static, Outgoing>,
    link: &'static Link,
    tally: &'static Tally,
}

impl TxToken {
    /// Whether there is room for a frame of `len` bytes.
    fn has_room(&self, len: usize) -> bool {
        self.tx.newest().is_some_and(|block| block.has_room(len)) || self.tx.free().is_some()
    }
}

impl embassy_net_driver::TxToken for TxToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let len = len.min(MTU);
        if !self.link.is_up() {
            self.tally.unsent_link_down.add(1);
            return drop_frame(len, f);
        }
        if let Some(mut block) = self.tx.newest()
            && block.has_room(len)
        {
            return f(block.add(len));
        }
        let Some(mut block) = self.tx.free() else {
            self.tally.unsent_full.add(1);
            return drop_frame(len, f);
        };
        block.clear();
        let result = f(block.add(len));
        drop(block);
        self.tx.push();
        result
    }
}

/// Lets `f` write a frame that is dropped. Not inlined, because the frame takes 1.5 KiB of the
/// stack.
#[cold]
#[inline(never)]
fn drop_frame<R>(len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut frame = [0; MTU];
    f(frame.get_mut(..len).unwrap_or_default())
}
