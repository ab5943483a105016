//! The USB controller OTG FS, with a driver that does what the host expects when it changes its
//! mind.
//!
//! `embassy-stm32` 0.6 (`embassy-usb-synopsys-otg` 0.3) differs from that in four ways:
//!
//! - It waits in a control transfer until the host has taken the answer, or has sent its data. If
//!   the host resets the bus or begins another transfer instead, the driver goes on waiting, and
//!   the device is lost to the host until power-off ([`control`]).
//! - A control endpoint can keep a packet that nobody takes, and then fails further transfers
//!   ([`control`]).
//! - A packet that nobody has read when an endpoint is closed is the first one after it is opened
//!   again ([`out`]).
//! - Packets do not begin with DATA0 after the host has selected an alternate setting, or has ended
//!   a halt (USB 2.0, sections 9.1.1.5 and 9.4.5).

mod control;
mod out;

use embassy_stm32::Peri;
use embassy_stm32::interrupt::typelevel::{Binding, OTG_FS};
use embassy_stm32::pac::{self, otg::Otg};
use embassy_stm32::peripherals::{PA11, PA12, USB_OTG_FS};
use embassy_stm32::usb::{self, Config, InterruptHandler};
use embassy_usb_driver::{
    Bus, Driver, EndpointAddress, EndpointAllocError, EndpointType, Event, Unsupported,
};
use static_cell::ConstStaticCell;

pub use control::{Events, UsbControlPipe};
pub use out::UsbOut;

/// A packet at full speed.
const PACKET: usize = 64;

/// Where the driver puts a packet of each endpoint from the host: of endpoint 0, and of the one for
/// blocks.
static PACKETS: ConstStaticCell<[u8; 2 * PACKET]> = ConstStaticCell::new([0; 2 * PACKET]);

type Inner = usb::Driver<'static, USB_OTG_FS>;

/// The driver of the USB controller.
pub struct UsbDriver(Inner);

impl UsbDriver {
    /// The bus voltage is at PA9, so the driver knows when the cable is pulled. `irq` shows that
    /// [`Events`] and [`InterruptHandler`] handle the controller's interrupt.
    ///
    /// # Panics
    ///
    /// If it is called twice.
    pub fn new(
        usb: Peri<'static, USB_OTG_FS>,
        irq: impl Binding<OTG_FS, InterruptHandler<USB_OTG_FS>> + Binding<OTG_FS, Events> + 'static,
        plus: Peri<'static, PA12>,
        minus: Peri<'static, PA11>,
    ) -> Self {
        let mut config = Config::default();
        config.vbus_detection = true;
        let packets = PACKETS.take();
        Self(usb::Driver::new_fs(usb, irq, plus, minus, packets, config))
    }
}

impl Driver<'static> for UsbDriver {
    type EndpointOut = UsbOut;
    type EndpointIn = <Inner as Driver<'static>>::EndpointIn;
    type ControlPipe = UsbControlPipe;
    type Bus = UsbBus;

    fn alloc_endpoint_out(
        &mut self,
        kind: EndpointType,
        address: Option<EndpointAddress>,
        packet: u16,
        interval: u8,
    ) -> Result<UsbOut, EndpointAllocError> {
        self.0
            .alloc_endpoint_out(kind, address, packet, interval)
            .map(UsbOut::new)
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
        (UsbBus(bus), UsbControlPipe::new(control))
    }
}

/// The bus.
pub struct UsbBus(<Inner as Driver<'static>>::Bus);

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
        // Without an interrupt in between, which would take a packet.
        cortex_m::interrupt::free(|_| {
            self.0.endpoint_set_enabled(address, enabled);
            if enabled {
                begin_with_data0(address);
                out::note_opened(address);
            }
        });
    }

    fn endpoint_set_stalled(&mut self, address: EndpointAddress, stalled: bool) {
        self.0.endpoint_set_stalled(address, stalled);
        if !stalled {
            begin_with_data0(address);
        }
    }

    fn endpoint_is_stalled(&mut self, address: EndpointAddress) -> bool {
        self.0.endpoint_is_stalled(address)
    }

    async fn remote_wakeup(&mut self) -> Result<(), Unsupported> {
        self.0.remote_wakeup().await
    }
}

fn begin_with_data0(address: EndpointAddress) {
    let index = address.index();
    cortex_m::interrupt::free(|_| {
        if address.is_in() {
            registers()
                .diepctl(index)
                .modify(|w| w.set_sd0pid_sevnfrm(true));
        } else {
            registers()
                .doepctl(index)
                .modify(|w| w.set_sd0pid_sevnfrm(true));
        }
    });
}

fn registers() -> Otg {
    pac::USB_OTG_FS
}
