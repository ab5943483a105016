//! Endpoint 0.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};

use embassy_stm32::interrupt::typelevel::{Handler, OTG_FS};
use embassy_usb_driver::{ControlPipe, Driver, EndpointError};

use super::{Inner, PACKET, registers};

/// A transfer has begun that [`UsbControlPipe::setup`] has not returned.
static SETUP_WAITS: AtomicBool = AtomicBool::new(false);

/// Notes that another transfer has begun, and takes back what endpoint 0 has prepared for an
/// earlier one: the controller would send it in answer to the new one, and the driver would wait
/// until it has. It comes before the handler of the driver.
pub struct Events;

impl Handler<OTG_FS> for Events {
    unsafe fn on_interrupt() {
        if registers().doepint(0).read().stup() {
            take_back();
            SETUP_WAITS.store(true, Ordering::Relaxed);
        }
    }
}

/// Disables endpoint 0 towards the host, as the reference manual has it: no answer, then no
/// transfer, then no data.
fn take_back() {
    let otg = registers();
    let control = otg.diepctl(0);
    if !control.read().epena() {
        return;
    }
    control.modify(|w| w.set_snak(true));
    while !otg.diepint(0).read().inepne() {}
    control.modify(|w| {
        w.set_snak(true);
        w.set_epdis(true);
    });
    while control.read().epena() {}
    otg.grstctl().write(|w| {
        w.set_txfnum(0);
        w.set_txfflsh(true);
    });
    while otg.grstctl().read().txfflsh() {}
}

/// The endpoint 0.
pub struct UsbControlPipe(<Inner as Driver<'static>>::ControlPipe);

impl UsbControlPipe {
    pub(super) const fn new(inner: <Inner as Driver<'static>>::ControlPipe) -> Self {
        Self(inner)
    }

    fn poll_setup(&mut self, cx: &mut Context<'_>) -> Poll<[u8; 8]> {
        if SETUP_WAITS.load(Ordering::Relaxed) {
            self.drop_packet(cx);
        }
        let request = pin!(self.0.setup()).poll(cx);
        if request.is_ready() {
            SETUP_WAITS.store(false, Ordering::Relaxed);
        }
        request
    }

    /// Drops a packet that belongs to an earlier transfer. The controller accepts none of the new
    /// one before the driver has its request.
    fn drop_packet(&mut self, cx: &mut Context<'_>) {
        let mut packet = [0; PACKET];
        let _ = pin!(self.0.data_out(&mut packet, true, true)).poll(cx);
    }
}

impl ControlPipe for UsbControlPipe {
    fn max_packet_size(&self) -> usize {
        self.0.max_packet_size()
    }

    async fn setup(&mut self) -> [u8; 8] {
        poll_fn(|cx| cortex_m::interrupt::free(|_| self.poll_setup(cx))).await
    }

    async fn data_out(
        &mut self,
        buffer: &mut [u8],
        first: bool,
        last: bool,
    ) -> Result<usize, EndpointError> {
        unless_abandoned(self.0.data_out(buffer, first, last))
            .await
            .unwrap_or(Err(EndpointError::Disabled))
    }

    async fn data_in(&mut self, data: &[u8], first: bool, last: bool) -> Result<(), EndpointError> {
        unless_abandoned(self.0.data_in(data, first, last))
            .await
            .unwrap_or(Err(EndpointError::Disabled))
    }

    async fn accept(&mut self) {
        unless_abandoned(self.0.accept()).await;
    }

    async fn reject(&mut self) {
        self.0.reject().await;
    }

    async fn accept_set_address(&mut self, address: u8) {
        unless_abandoned(self.0.accept_set_address(address)).await;
    }
}

/// Does a part of a control transfer, unless the host resets the bus, begins another transfer, or
/// is unplugged.
async fn unless_abandoned<T>(part: impl Future<Output = T>) -> Option<T> {
    let mut part = pin!(part);
    wake_when_abandoned();
    let result = poll_fn(|cx| cortex_m::interrupt::free(|_| poll_part(part.as_mut(), cx))).await;
    if result.is_none() {
        cortex_m::interrupt::free(|_| take_back());
    }
    result
}

/// Without an interrupt in between, so that nothing is prepared for a transfer that is over.
fn poll_part<F: Future>(part: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
    if is_abandoned() {
        return Poll::Ready(None);
    }
    part.poll(cx).map(Some)
}

fn is_abandoned() -> bool {
    let otg = registers();
    SETUP_WAITS.load(Ordering::Relaxed)
        || otg.gintsts().read().usbrst()
        || otg.gotgint().read().sedet()
}

/// The driver's handler wakes the task of the bus, which is the one that waits here, at a reset of
/// the bus and at the end of its voltage. It has disabled these interrupts when another event came.
fn wake_when_abandoned() {
    cortex_m::interrupt::free(|_| {
        registers().gintmsk().modify(|enabled| {
            enabled.set_usbrst(true);
            enabled.set_otgint(true);
        });
    });
}
