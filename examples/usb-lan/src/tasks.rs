//! The tasks that move blocks over USB, and tell the host that it may.

use embassy_futures::join::join3;
use embassy_futures::select::select;
use embassy_futures::yield_now;
use embassy_time::{Duration, Ticker};
use embassy_usb::UsbDevice;
use embassy_usb::driver::{Driver, EndpointError, EndpointIn, EndpointOut};

use crate::counters::{Counters, Tally};
use crate::link::{Follower, Link};
use crate::log::info;
use crate::ntb::check::declared_length;
use crate::ntb::{HEADER, LONGEST_BLOCK};
use crate::ring::Queue;
use crate::{Incoming, Outgoing, PACKET, class};

/// How often the counters are read. A line is logged if one has changed that does not count
/// ordinary traffic.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The task for the bus: it answers the host's requests, notifies it of the connection, and logs
/// rare events.
pub struct Bus<D: Driver<'static>> {
    pub(crate) device: UsbDevice<'static, D>,
    pub(crate) notify: D::EndpointIn,
    pub(crate) control_interface: u8,
    pub(crate) link: &'static Link,
    pub(crate) tally: &'static Tally,
}

impl<D: Driver<'static>> Bus<D> {
    /// Runs for ever.
    pub async fn run(self) -> ! {
        let Self {
            mut device,
            notify,
            control_interface,
            link,
            tally,
        } = self;
        let notify = tell_host(notify, control_interface, (link, tally));
        join3(device.run(), notify, report(tally)).await.0
    }
}

/// After each opening of the endpoints, tells the host the speed of the link and that it is up. The
/// order is that of NCM 1.0, section 7.1. A host that does not ask for notifications keeps this
/// waiting, and nothing else.
async fn tell_host(
    mut endpoint: impl EndpointIn,
    interface: u8,
    (link, tally): (&Link, &Tally),
) -> ! {
    loop {
        let session = link.opened(Follower::Notifier).await;
        tally.link_ups.add(1);
        let tell = async {
            endpoint.write(&class::speed(interface)).await?;
            endpoint.write(&class::connected(interface)).await?;
            core::future::pending::<Result<(), EndpointError>>().await
        };
        select(tell, link.ended(Follower::Notifier, session)).await;
        yield_now().await;
    }
}

async fn report(tally: &Tally) -> ! {
    let mut reported = Counters::default();
    let mut ticker = Ticker::every(REPORT_INTERVAL);
    loop {
        ticker.next().await;
        let counters = tally.counters();
        if counters.rare() != reported {
            info!(
                "USB inside: {:?}, last refusal: {:?}",
                counters,
                tally.last_refusal.get()
            );
            reported = counters.rare();
        }
    }
}

/// The task for blocks from the host.
pub struct Receiver<D: Driver<'static>> {
    pub(crate) endpoint: D::EndpointOut,
    pub(crate) rx: Queue<'static, Incoming>,
    pub(crate) link: &'static Link,
    pub(crate) tally: &'static Tally,
}

impl<D: Driver<'static>> Receiver<D> {
    /// Runs for ever.
    pub async fn run(mut self) -> ! {
        loop {
            let session = self.link.opened(Follower::Receiver).await;
            let ended = self.link.ended(Follower::Receiver, session);
            let mut received = 0;
            select(
                receive_blocks(&mut self.endpoint, self.rx, self.tally, &mut received),
                ended,
            )
            .await;
            self.tally.cut_blocks.add(u64::from(received > 0));
            // An endpoint that is not there any more fails at once: let the bus notice it.
            yield_now().await;
        }
    }
}

/// Receives blocks until the endpoint fails. `received` are the bytes of the block under way.
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "the other end of the queue never uses this slot meanwhile"
)]
async fn receive_blocks(
    endpoint: &mut impl EndpointOut,
    rx: Queue<'_, Incoming>,
    tally: &Tally,
    received: &mut usize,
) -> Result<(), EndpointError> {
    let mut ending_may_follow = false;
    loop {
        let mut block = rx.wait_free().await;
        let last_packet = read_block(endpoint, &mut block.bytes, received).await?;
        let len = core::mem::take(received);
        let is_ending = ending_may_follow && len < HEADER;
        ending_may_follow = last_packet == PACKET;
        if len == 0 || is_ending {
            continue;
        }
        block.open(len, tally);
        if !block.is_empty() {
            drop(block);
            rx.push();
        }
    }
}

/// A block ends with a packet that is not full, when it is as long as it says, or when it is as
/// long as the longest.
///
/// If its last packet is full, hosts differ in what follows: an empty packet as NCM demands, a byte
/// that belongs to no block (Windows 11), or nothing (Windows 10). Returns the length of the last
/// packet.
async fn read_block(
    endpoint: &mut impl EndpointOut,
    bytes: &mut [u8; LONGEST_BLOCK],
    received: &mut usize,
) -> Result<usize, EndpointError> {
    let mut len = 0;
    for at in (0..LONGEST_BLOCK).step_by(PACKET) {
        let packet = bytes.get_mut(at..at + PACKET).unwrap_or_default();
        len = endpoint.read(packet).await?;
        *received += len;
        if len < PACKET || declared_length(bytes) == *received {
            break;
        }
    }
    Ok(len)
}

/// The task for blocks to the host.
pub struct Sender<D: Driver<'static>> {
    pub(crate) endpoint: D::EndpointIn,
    pub(crate) tx: Queue<'static, Outgoing>,
    pub(crate) link: &'static Link,
    pub(crate) tally: &'static Tally,
}

impl<D: Driver<'static>> Sender<D> {
    /// Runs for ever.
    pub async fn run(mut self) -> ! {
        loop {
            let session = self.link.opened(Follower::Sender).await;
            let ended = self.link.ended(Follower::Sender, session);
            let mut under_way = false;
            select(
                send_blocks(&mut self.endpoint, self.tx, self.tally, &mut under_way),
                ended,
            )
            .await;
            self.tally.cut_blocks.add(u64::from(under_way));
            // Nothing of this session may reach the host in the next one.
            self.tx.clear();
            yield_now().await;
        }
    }
}

/// Sends blocks until the endpoint fails.
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "the other end of the queue never uses this slot meanwhile"
)]
async fn send_blocks(
    endpoint: &mut impl EndpointIn,
    tx: Queue<'_, Outgoing>,
    tally: &Tally,
    under_way: &mut bool,
) -> Result<(), EndpointError> {
    let mut sequence = 0_u16;
    loop {
        let mut block = tx.take().await;
        *under_way = true;
        let frames = block.frames() as u64;
        let bytes = block.close(sequence);
        for packet in bytes.chunks(PACKET) {
            endpoint.write(packet).await?;
        }
        tally.sent.add(frames);
        tally.sent_bytes.add(bytes.len() as u64);
        tally.sent_blocks.add(1);
        *under_way = false;
        sequence = sequence.wrapping_add(1);
        drop(block);
        tx.pop();
    }
}
