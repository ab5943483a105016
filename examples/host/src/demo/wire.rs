//! An Ethernet segment in memory: a switch with a bounded queue for each port.

use core::cell::{Ref, RefCell};
use core::task::{Context, Waker};
use std::collections::VecDeque;
use std::rc::Rc;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

use super::addresses::Mac;
use super::tap::{Tap, source};

/// Frames that a port queues for its reader. Further ones are lost, as on a real switch.
const QUEUE_FRAMES: usize = 512;

/// The largest frame, Ethernet header included.
const MAX_FRAME: usize = 1514;

/// A segment. Clones share the same segment.
#[derive(Clone)]
pub(super) struct Wire(Rc<RefCell<Segment>>);

struct Segment {
    sockets: Vec<Socket>,
    tap: Tap,
}

/// One socket of the switch.
struct Socket {
    mac: Mac,
    link: LinkState,
    queue: VecDeque<Vec<u8>>,
    /// One waker, as in drivers of real interfaces: only one task may poll a port.
    waker: Option<Waker>,
}

impl Wire {
    /// A segment without interfaces, observed by `tap`.
    pub(super) fn new(tap: Tap) -> Self {
        Self(Rc::new(RefCell::new(Segment {
            sockets: Vec::new(),
            tap,
        })))
    }

    /// Plugs in a network interface with the address `mac`.
    pub(super) fn plug(&self, mac: Mac) -> Port {
        let mut segment = self.0.borrow_mut();
        segment.sockets.push(Socket {
            mac,
            link: LinkState::Up,
            queue: VecDeque::new(),
            waker: None,
        });
        Port {
            wire: self.clone(),
            index: segment.sockets.len() - 1,
        }
    }

    /// Puts `frame` on the wire. Its source address decides which port it seems to come from.
    pub(super) fn inject(&self, frame: &[u8]) {
        let mut segment = self.0.borrow_mut();
        let from = segment
            .sockets
            .iter()
            .position(|socket| source(frame) == Some(socket.mac));
        segment.carry(from, frame);
    }

    /// Takes the link of `mac` down or up. Down, frames queued for it are lost.
    pub(super) fn set_link(&self, mac: Mac, link: LinkState) {
        let mut segment = self.0.borrow_mut();
        for socket in segment
            .sockets
            .iter_mut()
            .filter(|socket| socket.mac == mac)
        {
            socket.link = link;
            socket.queue.clear();
            socket.wake();
        }
    }

    /// How many frames are queued for `mac`.
    pub(super) fn backlog(&self, mac: Mac) -> usize {
        self.0
            .borrow()
            .sockets
            .iter()
            .filter(|socket| socket.mac == mac)
            .map(|socket| socket.queue.len())
            .sum()
    }

    /// The segment's observer.
    pub(super) fn tap(&self) -> Ref<'_, Tap> {
        Ref::map(self.0.borrow(), |segment| &segment.tap)
    }

    /// Ends the capture, if there is one. Fails if it is not complete.
    pub(super) fn finish_capture(&self) -> anyhow::Result<()> {
        self.0.borrow_mut().tap.finish_capture()
    }
}

impl Segment {
    /// Delivers `frame`, which the socket `from` sent, to its receivers.
    fn carry(&mut self, from: Option<usize>, frame: &[u8]) {
        if from.is_some_and(|from| self.sockets[from].link == LinkState::Down) {
            return;
        }
        self.tap.see(frame);
        let known = self
            .sockets
            .iter()
            .any(|socket| frame.starts_with(&socket.mac));
        for (index, socket) in self.sockets.iter_mut().enumerate() {
            if Some(index) != from && (!known || frame.starts_with(&socket.mac)) {
                socket.accept(frame);
            }
        }
    }
}

impl Socket {
    fn accept(&mut self, frame: &[u8]) {
        if self.link == LinkState::Up && self.queue.len() < QUEUE_FRAMES {
            self.queue.push_back(frame.to_vec());
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn register(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(registered) => registered.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
    }
}

/// A network interface on a segment.
pub(super) struct Port {
    wire: Wire,
    index: usize,
}

impl Port {
    fn send(&self, frame: &[u8]) {
        self.wire.0.borrow_mut().carry(Some(self.index), frame);
    }

    fn with_socket<R>(&self, cx: &Context<'_>, f: impl FnOnce(&mut Socket) -> R) -> R {
        let socket = &mut self.wire.0.borrow_mut().sockets[self.index];
        socket.register(cx.waker());
        f(socket)
    }
}

impl Driver for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Sending<'_>)> {
        let frame = self.with_socket(cx, |socket| socket.queue.pop_front())?;
        Some((Received(frame), Sending(self)))
    }

    fn transmit(&mut self, _cx: &mut Context<'_>) -> Option<Sending<'_>> {
        Some(Sending(self))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.with_socket(cx, |socket| socket.link)
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.wire.0.borrow().sockets[self.index].mac)
    }
}

/// A received frame.
pub(super) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

/// The right to send one frame.
pub(super) struct Sending<'a>(&'a Port);

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.send(&frame);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = [2, 0, 0, 0, 0, 0xa];
    const B: Mac = [2, 0, 0, 0, 0, 0xb];
    const C: Mac = [2, 0, 0, 0, 0, 0xc];

    fn frame(to: Mac, from: Mac, payload: &[u8]) -> Vec<u8> {
        [&to[..], &from[..], &[0x88, 0xb5], payload].concat()
    }

    fn receive(port: &mut Port) -> Option<Vec<u8>> {
        let (token, _) = port.receive(&mut Context::from_waker(Waker::noop()))?;
        Some(token.consume(|frame| frame.to_vec()))
    }

    fn three_ports() -> (Wire, Port, Port, Port) {
        let wire = Wire::new(Tap::default());
        let (a, b, c) = (wire.plug(A), wire.plug(B), wire.plug(C));
        (wire, a, b, c)
    }

    #[test]
    fn unicast_reaches_its_port_only() {
        let (_wire, mut a, mut b, mut c) = three_ports();
        a.send(&frame(B, A, b"hello"));
        assert_eq!(receive(&mut b), Some(frame(B, A, b"hello")));
        assert_eq!(receive(&mut a), None);
        assert_eq!(receive(&mut c), None);
    }

    #[test]
    fn broadcast_and_unknown_addresses_reach_every_other_port() {
        let (_wire, mut a, mut b, mut c) = three_ports();
        for to in [[0xff; 6], [2, 0, 0, 0, 0, 0xd]] {
            a.send(&frame(to, A, b"who"));
            assert!(
                receive(&mut a).is_none() && receive(&mut b).is_some() && receive(&mut c).is_some(),
                "{to:x?}"
            );
        }
    }

    #[test]
    fn an_injected_frame_does_not_come_back_to_its_source() {
        let (wire, mut a, mut b, mut c) = three_ports();
        wire.inject(&frame([0xff; 6], A, b"as if from a"));
        assert!(
            receive(&mut a).is_none() && receive(&mut b).is_some() && receive(&mut c).is_some()
        );
        wire.inject(&frame(A, [9; 6], b"from nowhere"));
        assert!(receive(&mut a).is_some() && receive(&mut b).is_none());
    }

    #[test]
    fn a_full_port_loses_frames_and_stops_nobody() {
        let (wire, a, mut b, mut c) = three_ports();
        for n in 0..=QUEUE_FRAMES {
            a.send(&frame(B, A, &n.to_be_bytes()));
        }
        assert_eq!(wire.backlog(B), QUEUE_FRAMES);
        a.send(&frame(C, A, b"others"));
        assert!(receive(&mut c).is_some());
        assert_eq!(receive(&mut b), Some(frame(B, A, &0_usize.to_be_bytes())));
    }

    #[test]
    fn a_cut_cable_carries_nothing_either_way() {
        let (wire, a, mut b, mut c) = three_ports();
        a.send(&frame(B, A, b"lost with the cable"));
        wire.set_link(B, LinkState::Down);
        a.send(&frame(B, A, b"lost"));
        b.send(&frame(C, B, b"lost"));
        wire.set_link(B, LinkState::Up);
        assert!(receive(&mut b).is_none() && receive(&mut c).is_none());
        assert_eq!(wire.tap().frames_from(B), 0);
        a.send(&frame(B, A, b"link up"));
        assert!(receive(&mut b).is_some());
    }
}
