//! ARP probes that the application asks for.

use core::future::Future;
use core::net::Ipv4Addr;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use nat_core::{Side, Width};

use super::Control;
use crate::shared::Shared;

/// The future of [`Control::probe`].
#[must_use = "futures do nothing unless polled"]
pub struct Probing<'d, W: Width = u16> {
    shared: &'d Shared<'d, W>,
    side: Side,
    address: Ipv4Addr,
    /// The slot of the probe, from the poll that got one until the result.
    slot: Option<usize>,
}

impl<W: Width> Future for Probing<'_, W> {
    type Output = Option<[u8; 6]>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            shared,
            side,
            address,
            slot,
        } = &mut *self;
        if address.is_unspecified() || address.is_broadcast() || address.is_multicast() {
            return Poll::Ready(None);
        }
        shared.with(|inner| {
            let index = match *slot {
                Some(index) => index,
                None => {
                    let index = ready!(inner.probes.begin(*side, *address, cx.waker()));
                    // The runner sends the first packet.
                    inner.waker.wake();
                    *slot.insert(index)
                }
            };
            let answer = ready!(inner.probes.poll(index, cx.waker()));
            *slot = None;
            inner.probes.release(index);
            Poll::Ready(answer.map(|station| station.octets()))
        })
    }
}

impl<W: Width> Drop for Probing<'_, W> {
    fn drop(&mut self) {
        if let Some(index) = self.slot {
            self.shared.with(|inner| inner.probes.release(index));
        }
    }
}

impl<'d, W: Width> Control<'d, W> {
    /// Finds out by ARP whether a station on `side` has `address`, as RFC 5227 section 2.1.1
    /// describes. A DHCP server does so before it offers the address, and a DHCP client before it
    /// uses it. Returns the hardware address of the first station that answered.
    ///
    /// Three probes are sent, 250 ms apart. Their sender address is 0.0.0.0, so that no station
    /// learns anything from them, and the side needs no configuration. Any ARP packet by which a
    /// station claims the address is an answer. So is the probe of another station for it, since
    /// that station is about to use it. The router's own packets are not.
    ///
    /// The result is `None` 1 s after the first probe if no station has answered. It is `None` at
    /// once if no probe can be sent: the link of that side is down or goes down, the side has no
    /// Ethernet, or no station can have the address. If the driver is full for the whole second,
    /// the result is `None`, too.
    ///
    /// Eight addresses can be probed at a time; further callers wait for their turn first. The
    /// probe begins when the future is first polled, and ends when it is dropped. Meanwhile, the
    /// runner must run.
    pub const fn probe(&self, side: Side, address: Ipv4Addr) -> Probing<'d, W> {
        Probing {
            shared: self.shared,
            side,
            address,
            slot: None,
        }
    }
}
