//! A TAP device as an embassy-net driver.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::os::fd::AsFd;

use async_io::{Async, Timer};
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

const ETHERNET_HEADER: usize = 14;
/// The longest frame that the kernel can send.
const MAX_FRAME: usize = 65_535 + ETHERNET_HEADER;
/// How often a device that is down is polled.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Opens the TAP device `name`, or creates it. The name is not used later, so the device may be moved
/// and renamed.
pub(crate) fn open(name: &str) -> io::Result<SyncDevice> {
    let device = DeviceBuilder::new()
        .name(name)
        .layer(Layer::L2)
        .inherit_enable_state()
        .build_sync()?;
    device.set_nonblocking(true)?;
    Ok(device)
}

/// Makes the device's transmit queue at least `frames` long.
///
/// The kernel drops frames when the queue is full. With its default of 1,000 frames, bursts of a fast
/// connection are lost, which halves its speed. Only queued frames take memory, about 2.3 kB each at
/// an MTU of 1,500 bytes.
pub(crate) fn lengthen_queue(device: &SyncDevice, frames: u32) -> io::Result<()> {
    // A longer queue was set on purpose.
    if device.tx_queue_len()? >= frames {
        Ok(())
    } else {
        device.set_tx_queue_len(frames)
    }
}

/// The router's end of a TAP device. The kernel's end belongs to the hosts.
pub(crate) struct Tap<D> {
    device: Async<D>,
    address: [u8; 6],
    link: Link,
    received: Frame,
    sent: Vec<u8>,
}

/// The frame that was read last. It stays until a token consumes it.
struct Frame {
    buffer: Box<[u8]>,
    len: Option<usize>,
}

/// The last known link state, and when to poll again.
enum Link {
    Up,
    Down(Timer),
}

impl<D: AsFd> Tap<D> {
    /// A driver for `device` with the MAC address `address`.
    ///
    /// Its MTU is the longest frame that the kernel can send. The NAT's MTU limits what leaves, and
    /// longer frames may arrive.
    pub(crate) fn new(device: D, address: [u8; 6]) -> io::Result<Self> {
        Ok(Self {
            device: Async::new_nonblocking(device)?,
            address,
            link: Link::Down(Timer::after(Duration::ZERO)),
            received: Frame {
                buffer: vec![0; MAX_FRAME].into_boxed_slice(),
                len: None,
            },
            sent: vec![0; MAX_FRAME],
        })
    }

    /// Whether a frame is available. If not, `cx` is woken when one may be.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> bool {
        while self.received.len.is_none() {
            match rustix::io::read(self.device.get_ref(), &mut *self.received.buffer) {
                Ok(len) => {
                    self.link = Link::Up;
                    self.received.len = Some(len);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match self.device.poll_readable(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return self.wait_for_link(cx),
                    Poll::Pending => return false,
                },
                Err(_) => return self.wait_for_link(cx),
            }
        }
        true
    }

    /// Records that the device is down, and wakes `cx` for the next poll. Returns false.
    fn wait_for_link(&mut self, cx: &mut Context<'_>) -> bool {
        self.link.lost();
        self.poll_link(cx)
    }

    /// Whether the device is up. If not, `cx` is woken for the next poll.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> bool {
        while let Link::Down(again) = &mut self.link {
            if Pin::new(again).poll(cx).is_pending() {
                return false;
            }
            self.link = if is_up(self.device.get_ref()) {
                Link::Up
            } else {
                Link::Down(Timer::after(LOOK_AGAIN))
            };
        }
        true
    }
}

impl Link {
    fn lost(&mut self) {
        *self = Self::Down(Timer::after(LOOK_AGAIN));
    }
}

/// A TAP device can be written to if it exists and is up.
fn is_up(device: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&device, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let [ready] = match poll(&mut fds, Some(&at_once)) {
        Ok(_) => fds,
        Err(_) => return false,
    };
    ready.revents() == PollFlags::OUT
}

impl<D: AsFd> Driver for Tap<D> {
    type RxToken<'a>
        = RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a, D>
    where
        Self: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        if !self.poll_frame(cx) {
            return None;
        }
        let Self {
            device,
            link,
            received,
            sent,
            ..
        } = self;
        Some((
            RxToken { frame: received },
            TxToken {
                device,
                link,
                buffer: sent,
            },
        ))
    }

    fn transmit(&mut self, _cx: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        let Self {
            device, link, sent, ..
        } = self;
        Some(TxToken {
            device,
            link,
            buffer: sent,
        })
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        if self.poll_link(cx) {
            LinkState::Up
        } else {
            LinkState::Down
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

impl<D> fmt::Debug for Tap<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A received frame. If the token is dropped without being consumed, the next token gets the frame.
pub(crate) struct RxToken<'a> {
    frame: &'a mut Frame,
}

impl embassy_net_driver::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        let len = self.frame.len.take().unwrap_or(0);
        f(self.frame.buffer.get_mut(..len).unwrap_or_default())
    }
}

/// The right to send one frame.
pub(crate) struct TxToken<'a, D> {
    device: &'a Async<D>,
    link: &'a mut Link,
    buffer: &'a mut Vec<u8>,
}

impl<D: AsFd> embassy_net_driver::TxToken for TxToken<'_, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        let frame = &mut self.buffer[..len];
        let result = f(frame);
        // A frame that the kernel rejects is lost, as on an unplugged cable.
        if rustix::io::write(self.device.get_ref(), frame).is_err_and(|error| error != Errno::AGAIN)
        {
            self.link.lost();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::Waker;
    use std::os::unix::net::UnixDatagram;
    use std::sync::Arc;
    use std::task::Wake;

    use embassy_net_driver::{RxToken as _, TxToken as _};

    use super::*;

    /// A driver, and the other end of its device in place of the kernel.
    fn tap() -> (Tap<UnixDatagram>, UnixDatagram) {
        let (ours, kernels) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Tap::new(ours, [2, 0, 0, 0, 0, 1]).unwrap(), kernels)
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[track_caller]
    fn received(tap: &mut Tap<UnixDatagram>) -> Vec<u8> {
        let (rx, _) = tap
            .receive(&mut Context::from_waker(Waker::noop()))
            .expect("a frame");
        rx.consume(|frame| frame.to_vec())
    }

    #[test]
    fn a_frame_stays_until_it_is_consumed() {
        let (mut tap, kernel) = tap();
        kernel.send(b"first").unwrap();
        kernel.send(b"second").unwrap();
        assert!(
            tap.receive(&mut Context::from_waker(Waker::noop()))
                .is_some()
        );
        assert_eq!(received(&mut tap), b"first");
        assert_eq!(received(&mut tap), b"second");
    }

    #[test]
    fn frames_may_be_longer_than_the_mtu() {
        let (mut tap, kernel) = tap();
        kernel.send(&[7; 9014]).unwrap();
        assert_eq!(received(&mut tap), [7; 9014]);
        assert!(tap.capabilities().max_transmission_unit > 9014);
    }

    #[test]
    fn the_task_is_woken_when_a_frame_arrives() {
        let (mut tap, kernel) = tap();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        assert!(tap.receive(&mut Context::from_waker(&waker)).is_none());
        kernel.send(b"frame").unwrap();
        for _ in 0..200 {
            if wakes.0.load(Ordering::SeqCst) > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(wakes.0.load(Ordering::SeqCst) > 0);
        assert_eq!(received(&mut tap), b"frame");
    }

    #[test]
    fn frames_are_sent_as_they_were_written() {
        let (mut tap, kernel) = tap();
        let token = tap
            .transmit(&mut Context::from_waker(Waker::noop()))
            .expect("a token");
        token.consume(3, |frame| frame.copy_from_slice(b"abc"));
        let mut buffer = [0; 16];
        assert_eq!(kernel.recv(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], b"abc");
    }

    #[test]
    fn a_dead_device_takes_the_link_down_instead_of_panicking_or_spinning() {
        let (mut tap, kernel) = tap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(tap.link_state(&mut cx) == LinkState::Up);
        drop(kernel);
        tap.transmit(&mut cx)
            .expect("a token")
            .consume(3, |frame| frame.fill(1));
        assert!(tap.link_state(&mut cx) == LinkState::Down);
        assert!(tap.receive(&mut cx).is_none());
    }
}
