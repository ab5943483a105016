//! A wire in memory, for the demo and the tests.

use core::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of a wire: a device that carries IP datagrams.
pub struct End {
    received: Queue,
    sent: Queue,
}

/// A wire with two ends.
pub fn wire() -> (End, End) {
    let (one, other) = (Queue::default(), Queue::default());
    let end = |received: &Queue, sent: &Queue| End {
        received: received.clone(),
        sent: sent.clone(),
    };
    (end(&one, &other), end(&other, &one))
}

impl Device for End {
    type RxToken<'a> = Datagram;
    type TxToken<'a> = Room;

    fn receive(&mut self, _: Instant) -> Option<(Datagram, Room)> {
        let datagram = self.received.borrow_mut().pop_front()?;
        Some((Datagram(datagram), Room(self.sent.clone())))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room> {
        Some(Room(self.sent.clone()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = super::MTU;
        capabilities
    }
}

/// A received datagram.
pub struct Datagram(Vec<u8>);

impl RxToken for Datagram {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for a datagram.
pub struct Room(Queue);

impl TxToken for Room {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut datagram = vec![0; len];
        let result = f(&mut datagram);
        self.0.borrow_mut().push_back(datagram);
        result
    }
}
