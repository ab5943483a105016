//! The virtual devices between the router and its own stacks: the stack's end is a [`LocalDevice`],
//! the router's end a [`StackInterface`].

use core::cell::RefCell;
use core::net::Ipv4Addr;
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use embassy_net_driver_channel as channel;
use embassy_sync::waitqueue::MultiWakerRegistration;
use nat_core::Instant;
use zerocopy::IntoBytes;

use crate::discovery::Discovery;
use crate::ethernet::{Header, Mac};
use crate::medium::{Medium, Properties};
use crate::stats::FrameDrop;

/// The longest frame of a virtual device in bytes, link header included.
pub const MAX_FRAME_LEN: usize = 1514;

/// Frames that a virtual device queues for its stack.
const RX_QUEUE: usize = 4;

/// Frames that a virtual device queues from its stack. A stack whose queue is full waits, so nothing
/// is lost if they are few.
const TX_QUEUE: usize = 2;

pub(crate) type ChannelState = channel::State<MAX_FRAME_LEN, RX_QUEUE, TX_QUEUE>;

/// The device on which the stack of the router's LAN side runs.
pub type LanDevice<'d> = LocalDevice<'d>;

/// The device on which the stack of the router's WAN side runs.
pub type WanDevice<'d> = LocalDevice<'d>;

/// A virtual network device. An ordinary `embassy_net::Stack` on it receives what is addressed to
/// the router itself.
///
/// It has the hardware address, the medium and the link state of the driver on its side. Its frames
/// are as long as those of that driver, up to [`MAX_FRAME_LEN`]. It never offloads checksums, even
/// if the driver does, because the NAT translates the stack's packets.
pub struct LocalDevice<'d> {
    channel: channel::Device<'d, MAX_FRAME_LEN>,
    max_frame: usize,
    watch: Option<&'d StackWatch>,
    /// The link state that the stack read last.
    link: LinkState,
}

/// Wakes the tasks that wait for a change of a stack's configuration: when the stack receives or
/// sends a frame, or its link changes, because only then can a lease begin or end.
///
/// The stack's own notice is no use for this. It wakes one task only, so two tasks that wait for it
/// would wake each other for ever. And it comes at every poll of the stack, even an idle one, which
/// would keep a task awake that runs the stack and waits for it.
pub(crate) struct StackWatch(RefCell<MultiWakerRegistration<2>>);

impl StackWatch {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(MultiWakerRegistration::new()))
    }

    #[cfg(feature = "embassy-net")]
    pub(crate) fn register(&self, waker: &core::task::Waker) {
        self.0.borrow_mut().register(waker);
    }

    fn wake(&self) {
        self.0.borrow_mut().wake();
    }
}

impl<'d> LocalDevice<'d> {
    fn new(channel: channel::Device<'d, MAX_FRAME_LEN>, max_frame: usize) -> Self {
        Self {
            channel,
            max_frame: max_frame.min(MAX_FRAME_LEN),
            watch: None,
            link: LinkState::Down,
        }
    }

    fn notify(&self) {
        if let Some(watch) = self.watch {
            watch.wake();
        }
    }

    /// Notifies `watch` when the configuration of the stack may have changed.
    pub(crate) fn watched_by(self, watch: &'d StackWatch) -> Self {
        Self {
            watch: Some(watch),
            ..self
        }
    }
}

impl Driver for LocalDevice<'_> {
    type RxToken<'a>
        = channel::RxToken<'a, MAX_FRAME_LEN>
    where
        Self: 'a;
    type TxToken<'a>
        = channel::TxToken<'a, MAX_FRAME_LEN>
    where
        Self: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let tokens = self.channel.receive(cx)?;
        // Not by `notify`, because the tokens borrow the device.
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

/// The router's end of a virtual device.
pub(crate) struct StackInterface<'d> {
    pub(crate) state: channel::StateRunner<'d>,
    pub(crate) inbox: Inbox<'d>,
    pub(crate) outbox: channel::TxRunner<'d, MAX_FRAME_LEN>,
    /// Limits how often the stack looks for a DHCP server.
    pub(crate) discovery: Discovery,
    /// The neighbour with which the stack's ARP cache was last primed, and when.
    pub(crate) primed: Option<(Ipv4Addr, Mac, Instant)>,
}

/// The queue toward a local stack.
pub(crate) struct Inbox<'d> {
    rx: channel::RxRunner<'d, MAX_FRAME_LEN>,
    /// Whether the queue is full, so that the stack should run before more frames are moved.
    pub(crate) needs_time: bool,
}

impl<'d> StackInterface<'d> {
    /// Makes both ends of the virtual device for a driver with these properties, which carries
    /// datagrams of up to `mtu` bytes.
    pub(crate) fn new(
        state: &'d mut ChannelState,
        properties: &Properties,
        mtu: u16,
    ) -> (Self, LocalDevice<'d>) {
        let (runner, device) = channel::new(state, properties.address);
        let max_frame = usize::from(mtu) + Medium::of(properties.address).header_len();
        let (state, rx, outbox) = runner.split();
        let inbox = Inbox {
            rx,
            needs_time: false,
        };
        let interface = Self {
            state,
            inbox,
            outbox,
            discovery: Discovery::default(),
            primed: None,
        };
        (interface, LocalDevice::new(device, max_frame))
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
