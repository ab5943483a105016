//! An endpoint for packets from the host.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicU16, Ordering};
use core::task::Poll;

use embassy_usb_driver::{
    Driver, Endpoint, EndpointAddress, EndpointError, EndpointInfo, EndpointOut,
};

use super::{Inner, PACKET, registers};

/// One bit for each endpoint that was opened, and may hold a packet of before.
static OPENED: AtomicU16 = AtomicU16::new(0);

/// Lets the endpoint refuse packets until the first read, which drops what the driver still has.
pub(super) fn note_opened(address: EndpointAddress) {
    if address.is_in() || address.index() == 0 {
        return;
    }
    registers()
        .doepctl(address.index())
        .modify(|w| w.set_snak(true));
    OPENED.fetch_or(1 << address.index(), Ordering::Relaxed);
}

/// An endpoint for packets from the host.
pub struct UsbOut(<Inner as Driver<'static>>::EndpointOut);

impl UsbOut {
    pub(super) const fn new(inner: <Inner as Driver<'static>>::EndpointOut) -> Self {
        Self(inner)
    }

    /// Drops a packet of an earlier session, and accepts packets.
    async fn begin(&mut self) -> Result<(), EndpointError> {
        let index = self.0.info().addr.index();
        let mut old = [0; PACKET];
        let mut read = pin!(self.0.read(&mut old));
        let outcome = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await;
        match outcome {
            Poll::Ready(result) => result.map(|_| ()),
            Poll::Pending => {
                accept_packets(index);
                Ok(())
            }
        }
    }
}

fn accept_packets(index: usize) {
    cortex_m::interrupt::free(|_| registers().doepctl(index).modify(|w| w.set_cnak(true)));
}

impl Endpoint for UsbOut {
    fn info(&self) -> &EndpointInfo {
        self.0.info()
    }

    async fn wait_enabled(&mut self) {
        self.0.wait_enabled().await;
    }
}

impl EndpointOut for UsbOut {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, EndpointError> {
        let bit = 1 << self.0.info().addr.index();
        if OPENED.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
            self.begin().await?;
        }
        self.0.read(buffer).await
    }
}
