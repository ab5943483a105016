//! The virtual devices that carry what is for the router itself.

use core::cell::RefCell;
use core::net::Ipv4Addr;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use embassy_net_driver_channel as channel;
use embassy_sync::waitqueue::MultiWakerRegistration;
use nat_core::Instant;
use zerocopy::IntoBytes;

use crate::FrameDrop;
use crate::discovery::Discovery;
use crate::ethernet::{Header, Mac};

/// The longest frame of a virtual device in bytes, link header included.
pub const MTU: usize = 1514;

/// Frames that a virtual device holds for its stack.
pub(crate) const RX_QUEUE: usize = 4;

/// Frames that a virtual device holds from its stack.
pub(crate) const TX_QUEUE: usize = 4;

pub(crate) type ChannelState = channel::State<MTU, RX_QUEUE, TX_QUEUE>;

/// The device on which the stack of the router's LAN side runs.
pub type LanDevice<'d> = LocalDevice<'d>;

/// The device on which the stack of the router's WAN side runs.
pub type WanDevice<'d> = LocalDevice<'d>;

/// A virtual network device: an ordinary `embassy_net::Stack` runs on it, for what is addressed to
/// the router itself.
///
/// It has the hardware address, the medium and the link state of the driver on its side. Its MTU is
/// what that side carries, up to [`MTU`]. It offloads no checksum, whatever the driver does,
/// because the NAT translates them.
pub struct LocalDevice<'d> {
    channel: channel::Device<'d, MTU>,
    max_frame: usize,
    watch: Option<&'d StackWatch>,
    /// The link state that the stack was told last.
    link: LinkState,
}

/// Who is woken when a stack gets or sends a frame, or its link changes: all that it learns, it
/// learns then. The stack's own notice wakes one task only, and two that wait for it would wake
/// each other for ever. A stack that runs for nothing wakes nobody, or else it would keep a task
/// awake that runs it and waits for it.
pub(crate) struct StackWatch(RefCell<MultiWakerRegistration<2>>);

impl StackWatch {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(MultiWakerRegistration::new()))
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.0.borrow_mut().register(waker);
    }

    fn wake(&self) {
        self.0.borrow_mut().wake();
    }
}

impl<'d> LocalDevice<'d> {
    pub(crate) fn new(channel: channel::Device<'d, MTU>, max_frame: usize) -> Self {
        Self {
            channel,
            max_frame: max_frame.min(MTU),
            watch: None,
            link: LinkState::Down,
        }
    }

    fn notify(&self) {
        if let Some(watch) = self.watch {
            watch.wake();
        }
    }

    /// Has `watch` told when the stack has learned something.
    pub(crate) fn watched_by(self, watch: &'d StackWatch) -> Self {
        Self {
            watch: Some(watch),
            ..self
        }
    }
}

impl Driver for LocalDevice<'_> {
    type RxToken<'a>
        = channel::RxToken<'a, MTU>
    where
        Self: 'a;
    type TxToken<'a>
        = channel::TxToken<'a, MTU>
    where
        Self: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let tokens = self.channel.receive(cx)?;
        if let Some(watch) = self.watch {
            watch.wake();
        }
        Some(tokens)
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        let token = self.channel.transmit(cx)?;
        if let Some(watch) = self.watch {
            watch.wake();
        }
        Some(token)
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        let state = self.channel.link_state(cx);
        if core::mem::replace(&mut self.link, state) != state {
            self.notify();
        }
        state
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.channel.capabilities();
        capabilities.max_transmission_unit = self.max_frame;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.channel.hardware_address()
    }
}

/// The lower end of a virtual device: the router's side.
pub(crate) struct StackPort<'d> {
    pub(crate) state: channel::StateRunner<'d>,
    pub(crate) inbox: Inbox<'d>,
    pub(crate) outbox: channel::TxRunner<'d, MTU>,
    /// How often the stack has looked for a DHCP server.
    pub(crate) discovery: Discovery,
    /// The neighbour that the stack was told of last, and when.
    pub(crate) introduced: Option<(Ipv4Addr, Mac, Instant)>,
}

/// The queue toward a local stack.
pub(crate) struct Inbox<'d> {
    rx: channel::RxRunner<'d, MTU>,
    /// Whether more frames would only overrun the queue, until the stack has run.
    pub(crate) needs_time: bool,
}

impl<'d> StackPort<'d> {
    pub(crate) fn new(runner: channel::Runner<'d, MTU>) -> Self {
        let (state, rx, outbox) = runner.split();
        let inbox = Inbox {
            rx,
            needs_time: false,
        };
        Self {
            state,
            inbox,
            outbox,
            discovery: Discovery::default(),
            introduced: None,
        }
    }
}

impl Inbox<'_> {
    /// Hands a frame to the stack.
    pub(crate) fn push(&mut self, header: Option<&Header>, body: &[u8]) -> Result<(), FrameDrop> {
        let header = header.map_or(&[][..], Header::as_bytes);
        let buffer = self.rx.try_rx_buf().ok_or(FrameDrop::LocalQueueFull)?;
        let (head, rest) = buffer
            .split_at_mut_checked(header.len())
            .ok_or(FrameDrop::Giant)?;
        head.copy_from_slice(header);
        rest.get_mut(..body.len())
            .ok_or(FrameDrop::Giant)?
            .copy_from_slice(body);
        self.rx.rx_done(header.len() + body.len());
        self.needs_time = self.rx.try_rx_buf().is_none();
        Ok(())
    }
}
