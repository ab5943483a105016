//! A USB device controller with a host behind it that does what it is told, and takes every packet.

use core::cell::RefCell;
use core::future::{Future, pending, poll_fn};
use core::task::Poll;
use std::collections::VecDeque;
use std::rc::Rc;

use embassy_usb_driver::{
    Bus, ControlPipe, Direction, Driver, Endpoint, EndpointAddress, EndpointAllocError,
    EndpointError, EndpointIn, EndpointInfo, EndpointOut, EndpointType, Event, Unsupported,
};

/// What is on its way between the host and the device.
#[derive(Default)]
pub(super) struct Wires {
    pub(super) events: VecDeque<Event>,
    pub(super) requests: VecDeque<[u8; 8]>,
    /// Packets to the device.
    pub(super) out: VecDeque<Vec<u8>>,
    /// Packets of the bulk endpoint to the host.
    pub(super) into_host: Vec<Vec<u8>>,
    /// The endpoints that the device has enabled, by address.
    enabled: Vec<u8>,
    /// Grows with everything that the device does.
    pub(super) steps: usize,
}

impl Wires {
    fn is_enabled(&self, endpoint: &EndpointInfo) -> bool {
        self.enabled.contains(&endpoint.addr.into())
    }
}

#[derive(Clone, Default)]
pub(super) struct Controller {
    pub(super) wires: Rc<RefCell<Wires>>,
    allocated: u8,
}

impl Controller {
    fn allocate(
        &mut self,
        kind: EndpointType,
        packet: u16,
        interval: u8,
        direction: Direction,
    ) -> FuzzedEndpoint {
        self.allocated += 1;
        FuzzedEndpoint {
            wires: self.wires.clone(),
            info: EndpointInfo {
                addr: EndpointAddress::from_parts(self.allocated.into(), direction),
                ep_type: kind,
                max_packet_size: packet,
                interval_ms: interval,
            },
        }
    }
}

impl Driver<'static> for Controller {
    type EndpointOut = FuzzedEndpoint;
    type EndpointIn = FuzzedEndpoint;
    type ControlPipe = FuzzedPipe;
    type Bus = FuzzedBus;

    fn alloc_endpoint_out(
        &mut self,
        kind: EndpointType,
        _: Option<EndpointAddress>,
        packet: u16,
        interval: u8,
    ) -> Result<FuzzedEndpoint, EndpointAllocError> {
        Ok(self.allocate(kind, packet, interval, Direction::Out))
    }

    fn alloc_endpoint_in(
        &mut self,
        kind: EndpointType,
        _: Option<EndpointAddress>,
        packet: u16,
        interval: u8,
    ) -> Result<FuzzedEndpoint, EndpointAllocError> {
        Ok(self.allocate(kind, packet, interval, Direction::In))
    }

    fn start(self, _: u16) -> (FuzzedBus, FuzzedPipe) {
        (FuzzedBus(self.wires.clone()), FuzzedPipe(self.wires))
    }
}

/// Waits until `take` finds something on the wires.
fn wait<T>(
    wires: &Rc<RefCell<Wires>>,
    mut take: impl FnMut(&mut Wires) -> Option<T>,
) -> impl Future<Output = T> {
    poll_fn(move |_| {
        let mut wires = wires.borrow_mut();
        match take(&mut wires) {
            Some(found) => {
                wires.steps += 1;
                Poll::Ready(found)
            }
            None => Poll::Pending,
        }
    })
}

pub(super) struct FuzzedEndpoint {
    wires: Rc<RefCell<Wires>>,
    info: EndpointInfo,
}

impl Endpoint for FuzzedEndpoint {
    fn info(&self) -> &EndpointInfo {
        &self.info
    }

    async fn wait_enabled(&mut self) {
        wait(&self.wires, |wires| {
            wires.is_enabled(&self.info).then_some(())
        })
        .await;
    }
}

impl EndpointOut for FuzzedEndpoint {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, EndpointError> {
        wait(&self.wires, |wires| {
            if !wires.is_enabled(&self.info) {
                return Some(Err(EndpointError::Disabled));
            }
            let packet = wires.out.pop_front()?;
            let Some(place) = buffer.get_mut(..packet.len()) else {
                return Some(Err(EndpointError::BufferOverflow));
            };
            place.copy_from_slice(&packet);
            Some(Ok(packet.len()))
        })
        .await
    }
}

impl EndpointIn for FuzzedEndpoint {
    async fn write(&mut self, packet: &[u8]) -> Result<(), EndpointError> {
        let mut wires = self.wires.borrow_mut();
        if !wires.is_enabled(&self.info) {
            return Err(EndpointError::Disabled);
        }
        assert!(packet.len() <= self.info.max_packet_size.into());
        wires.steps += 1;
        if self.info.ep_type == EndpointType::Bulk {
            wires.into_host.push(packet.to_vec());
        }
        Ok(())
    }
}

pub(super) struct FuzzedPipe(Rc<RefCell<Wires>>);

impl ControlPipe for FuzzedPipe {
    fn max_packet_size(&self) -> usize {
        64
    }

    async fn setup(&mut self) -> [u8; 8] {
        wait(&self.0, |wires| wires.requests.pop_front()).await
    }

    async fn data_out(&mut self, _: &mut [u8], _: bool, _: bool) -> Result<usize, EndpointError> {
        Ok(0)
    }

    async fn data_in(&mut self, _: &[u8], _: bool, _: bool) -> Result<(), EndpointError> {
        Ok(())
    }

    async fn accept(&mut self) {}

    async fn reject(&mut self) {
        panic!("the host asks only for what every device has");
    }

    async fn accept_set_address(&mut self, _: u8) {}
}

pub(super) struct FuzzedBus(Rc<RefCell<Wires>>);

impl Bus for FuzzedBus {
    async fn enable(&mut self) {}

    async fn disable(&mut self) {}

    async fn poll(&mut self) -> Event {
        let event = wait(&self.0, |wires| wires.events.pop_front()).await;
        if matches!(event, Event::Reset) {
            self.0.borrow_mut().enabled.clear();
        }
        event
    }

    fn endpoint_set_enabled(&mut self, address: EndpointAddress, enabled: bool) {
        let mut wires = self.0.borrow_mut();
        let address = u8::from(address);
        wires.enabled.retain(|other| *other != address);
        if enabled {
            wires.enabled.push(address);
        }
    }

    fn endpoint_set_stalled(&mut self, _: EndpointAddress, _: bool) {}

    fn endpoint_is_stalled(&mut self, _: EndpointAddress) -> bool {
        false
    }

    async fn remote_wakeup(&mut self) -> Result<(), Unsupported> {
        pending().await
    }
}
