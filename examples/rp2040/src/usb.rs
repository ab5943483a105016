//! The USB controller, with a driver that does what the host expects when it changes its mind.
//!
//! `embassy-rp` 0.10 waits in a control transfer until the host has taken the answer, or has sent
//! its data. If the host resets the bus instead, because its cable was pulled, the driver goes on
//! waiting: the device keeps its old address, the host finds no device, and that lasts until
//! power-off. If the host begins another transfer, it gets the answer to the one before. And when
//! the host ends the halt of an endpoint, the packets must begin with DATA0 again (USB 2.0, section
//! 9.4.5), which they do not.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use embassy_rp::interrupt::typelevel::{Binding, Handler, USBCTRL_IRQ};
use embassy_rp::peripherals::USB;
use embassy_rp::usb::{self, Endpoint, In, InterruptHandler, Out};
use embassy_rp::{Peri, pac};
use embassy_usb_driver::{
    Bus, ControlPipe, Driver, EndpointAddress, EndpointAllocError, EndpointError, EndpointType,
    Event, Unsupported,
};

/// The driver of the USB controller.
pub struct UsbDriver(usb::Driver<'static, USB>);

impl UsbDriver {
    /// `irq` shows that [`SetupHandler`] and [`InterruptHandler`] handle the controller's
    /// interrupts.
    pub fn new(
        usb: Peri<'static, USB>,
        irq: impl Binding<USBCTRL_IRQ, InterruptHandler<USB>> + Binding<USBCTRL_IRQ, SetupHandler>,
    ) -> Self {
        Self(usb::Driver::new(usb, irq))
    }
}

/// Takes back what endpoint 0 has prepared for an earlier transfer, as soon as another one begins.
/// The controller would send it in answer to the new one. It comes before [`InterruptHandler`].
pub struct SetupHandler;

impl Handler<USBCTRL_IRQ> for SetupHandler {
    unsafe fn on_interrupt() {
        if pac::USB.ints().read().setup_req() {
            take_back();
        }
    }
}

fn take_back() {
    pac::USB_DPRAM.ep_in_buffer_control(0).write(|_| {});
    pac::USB_DPRAM.ep_out_buffer_control(0).write(|_| {});
}

impl Driver<'static> for UsbDriver {
    type EndpointOut = Endpoint<'static, USB, Out>;
    type EndpointIn = Endpoint<'static, USB, In>;
    type ControlPipe = UsbControlPipe;
    type Bus = UsbBus;

    fn alloc_endpoint_out(
        &mut self,
        kind: EndpointType,
        address: Option<EndpointAddress>,
        packet: u16,
        interval: u8,
    ) -> Result<Self::EndpointOut, EndpointAllocError> {
        self.0.alloc_endpoint_out(kind, address, packet, interval)
    }

    fn alloc_endpoint_in(
        &mut self,
        kind: EndpointType,
        address: Option<EndpointAddress>,
        packet: u16,
        interval: u8,
    ) -> Result<Self::EndpointIn, EndpointAllocError> {
        self.0.alloc_endpoint_in(kind, address, packet, interval)
    }

    fn start(self, control_packet: u16) -> (UsbBus, UsbControlPipe) {
        let (bus, control) = self.0.start(control_packet);
        (UsbBus(bus), UsbControlPipe(control))
    }
}

/// The bus.
pub struct UsbBus(usb::Bus<'static, USB>);

impl Bus for UsbBus {
    async fn enable(&mut self) {
        self.0.enable().await;
    }

    async fn disable(&mut self) {
        self.0.disable().await;
    }

    async fn poll(&mut self) -> Event {
        self.0.poll().await
    }

    fn endpoint_set_enabled(&mut self, address: EndpointAddress, enabled: bool) {
        self.0.endpoint_set_enabled(address, enabled);
    }

    fn endpoint_set_stalled(&mut self, address: EndpointAddress, stalled: bool) {
        self.0.endpoint_set_stalled(address, stalled);
        if !stalled && is_enabled(address) {
            // Begins with DATA0.
            self.0.endpoint_set_enabled(address, true);
        }
    }

    fn endpoint_is_stalled(&mut self, address: EndpointAddress) -> bool {
        self.0.endpoint_is_stalled(address)
    }

    async fn remote_wakeup(&mut self) -> Result<(), Unsupported> {
        self.0.remote_wakeup().await
    }
}

fn is_enabled(address: EndpointAddress) -> bool {
    let Some(index) = address.index().checked_sub(1) else {
        return false;
    };
    if address.is_in() {
        pac::USB_DPRAM.ep_in_control(index).read().enable()
    } else {
        pac::USB_DPRAM.ep_out_control(index).read().enable()
    }
}

/// The endpoint 0.
pub struct UsbControlPipe(usb::ControlPipe<'static, USB>);

impl ControlPipe for UsbControlPipe {
    fn max_packet_size(&self) -> usize {
        self.0.max_packet_size()
    }

    async fn setup(&mut self) -> [u8; 8] {
        self.0.setup().await
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

/// Does a part of a control transfer, unless the host resets the bus or begins another transfer.
async fn unless_abandoned<T>(part: impl Future<Output = T>) -> Option<T> {
    if is_abandoned() {
        return None;
    }
    let mut part = pin!(part);
    wake_when_abandoned();
    let result = poll_fn(|cx| {
        let progress = part.as_mut().poll(cx);
        // Checked afterwards, because the interrupt makes an endpoint look as if it were done.
        if is_abandoned() {
            Poll::Ready(None)
        } else {
            progress.map(Some)
        }
    })
    .await;
    if result.is_none() {
        take_back();
    }
    result
}

fn is_abandoned() -> bool {
    let status = pac::USB.sie_status().read();
    status.bus_reset() || status.setup_rec()
}

/// The handler of `embassy-rp` wakes the task of the bus, which is the one that waits here, at both
/// events. It has disabled each of these interrupts when it came last.
fn wake_when_abandoned() {
    cortex_m::interrupt::free(|_| {
        pac::USB.inte().modify(|enabled| {
            enabled.set_bus_reset(true);
            enabled.set_setup_req(true);
        });
    });
}
