//! The tasks besides the router: the local stacks, probes, and those who wait for a conflict.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::sync::Arc;

use embassy_net_driver::{Driver, RxToken, TxToken};
use nat_core::Side;
use nat_embassy::{Control, LanDevice};

use crate::world::Flag;

/// Frames that a stack moves in one poll.
const BUDGET: usize = 6;

/// A local stack: it takes every frame, and sends what it has.
pub(super) struct Stack {
    pub(super) woken: Arc<Flag>,
    to_send: VecDeque<Vec<u8>>,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Stack {
    pub(super) fn new() -> Self {
        let woken = Arc::new(Flag::default());
        woken.set();
        Self {
            woken,
            to_send: VecDeque::new(),
            received: 0,
            sent: 0,
        }
    }

    pub(super) fn send(&mut self, frame: Vec<u8>) {
        self.to_send.push_back(frame);
        self.woken.set();
    }

    /// Frames that it has not sent yet.
    pub(super) fn backlog(&self) -> usize {
        self.to_send.len()
    }

    pub(super) fn poll(&mut self, device: &mut LanDevice<'static>) {
        self.woken.take();
        let waker = Waker::from(self.woken.clone());
        let mut cx = Context::from_waker(&waker);
        for _ in 0..BUDGET {
            if !self.receive(device, &mut cx) && !self.transmit(device, &mut cx) {
                return;
            }
        }
        self.woken.set();
    }

    fn receive(&mut self, device: &mut LanDevice<'static>, cx: &mut Context<'_>) -> bool {
        let Some((frame, _)) = device.receive(cx) else {
            return false;
        };
        frame.consume(|_| ());
        self.received += 1;
        true
    }

    fn transmit(&mut self, device: &mut LanDevice<'static>, cx: &mut Context<'_>) -> bool {
        let Some(frame) = self.to_send.front() else {
            return false;
        };
        let Some(token) = device.transmit(cx) else {
            return false;
        };
        token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
        self.to_send.pop_front();
        self.sent += 1;
        true
    }
}

/// A task of the application, which ends.
pub(super) struct Waiter {
    pub(super) woken: Arc<Flag>,
    pub(super) is_for_conflict: bool,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Waiter {
    fn new(is_for_conflict: bool, future: impl Future<Output = ()> + 'static) -> Self {
        let woken = Arc::new(Flag::default());
        woken.set();
        Self {
            woken,
            is_for_conflict,
            future: Box::pin(future),
        }
    }

    pub(super) fn probe(control: Control<'static>, side: Side, of: core::net::Ipv4Addr) -> Self {
        Self::new(false, async move {
            control.probe(side, of).await;
        })
    }

    pub(super) fn conflict(control: Control<'static>, side: Side) -> Self {
        Self::new(true, async move {
            control.conflict(side).await;
        })
    }

    /// Whether it has ended.
    pub(super) fn poll(&mut self) -> bool {
        self.woken.take();
        let waker = Waker::from(self.woken.clone());
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        polled == Poll::Ready(())
    }
}
