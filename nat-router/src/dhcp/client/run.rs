//! The client on the router's stack outside, and how a lease reaches the NAT.
//!
//! [`Client`] decides, and returns [`Action::Use`]. [`Configured::configure`] then sets the outside
//! MTU of the NAT, gives the address and the gateway to [`Control::set_outside`], and configures
//! the stack. `Control::set_outside` gives the address to
//! [`nat_core::Nat::set_external_addresses`], which ends the sessions of the address before, and
//! the gateway to the ARP cache. It is carried out in `nat-embassy/src/shared/outside.rs`.

use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::net::Ipv4Addr;
use core::pin::{Pin, pin};
use core::task::Poll;

use embassy_futures::select::{Either, select};
use embassy_net::udp::{PacketMetadata, UdpMetadata, UdpSocket};
use embassy_net::{ConfigV4, HardwareAddress, IpAddress, Ipv4Cidr, Stack, StaticConfigV4};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use nat_core::{Side, Width};
use nat_embassy::{Control, Outside};
use smoltcp::wire::{DHCP_CLIENT_PORT, DHCP_SERVER_PORT};

use super::handle::Shared;
use super::lease::Lease;
use super::machine::{Action, Client, Heard};
use super::request;
use crate::log::warning;
use crate::log_limiter::LogLimiter;

/// Messages that can be queued: real networks have more than one server.
const QUEUE: usize = 4;

/// The time in which a station must answer the probe before the address is used. The probe
/// continues while the address is in use.
const PROBE_WAIT: Duration = Duration::from_millis(200);

/// The time after which a message that has not left is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The time that a RELEASE may need from the stack to the driver.
const RELEASE_DELAY: Duration = Duration::from_millis(200);

/// Refusals logged each second.
const LINES: u8 = 2;

/// The memory of the client.
pub(crate) struct Memory {
    /// Initialized at run time: empty metadata is not all zeros.
    received_metadata: MaybeUninit<[PacketMetadata; QUEUE]>,
    sent_metadata: MaybeUninit<[PacketMetadata; 1]>,
    received: [u8; 1536],
    sent: [u8; request::MAX_LEN],
    message: [u8; request::MAX_LEN],
}

impl Memory {
    pub(crate) const fn new() -> Self {
        Self {
            received_metadata: MaybeUninit::uninit(),
            sent_metadata: MaybeUninit::uninit(),
            received: [0; 1536],
            sent: [0; request::MAX_LEN],
            message: [0; request::MAX_LEN],
        }
    }
}

/// Configures `stack` and the NAT by DHCP. It must be polled in one task with the stack's runner,
/// and after it.
pub(crate) async fn run<W: Width>(
    stack: Stack<'_>,
    control: Control<'static, W>,
    memory: &mut Memory,
    client: Client,
    shared: &Shared,
) -> ! {
    let Memory {
        received_metadata,
        sent_metadata,
        received,
        sent,
        message,
    } = memory;
    let received_metadata = received_metadata.write([PacketMetadata::EMPTY; QUEUE]);
    let sent_metadata = sent_metadata.write([PacketMetadata::EMPTY]);
    let mut socket = UdpSocket::new(stack, received_metadata, received, sent_metadata, sent);
    let mut task = Task {
        client,
        outside: Configured {
            stack,
            control,
            shared,
            mtu: control.with_nat(|nat| nat.config().outside_mtu),
        },
        message,
        limiter: LogLimiter::new(LINES),
    };
    loop {
        if !socket.is_open() {
            let _ = socket.bind(DHCP_CLIENT_PORT);
        }
        set_mac(&mut task.client, stack);
        let up = stack.is_link_up();
        task.client.set_link(up, now());
        // Read once, because the application may ask while messages are sent: then the next turn
        // carries the release out.
        let is_release = shared.is_release_asked();
        if is_release {
            task.client.release();
        }
        // Messages first, because an answer makes the repetition of its request unnecessary.
        task.receive(&mut socket).await;
        task.act(&mut socket).await;
        if is_release {
            shared.released();
        }
        wait(&socket, (stack, up), shared, task.client.poll_at()).await;
    }
}

/// The client with all that its actions need, except the socket.
struct Task<'a, W: Width> {
    client: Client,
    outside: Configured<'a, W>,
    message: &'a mut [u8],
    limiter: LogLimiter,
}

impl<W: Width> Task<'_, W> {
    /// Processes the messages that the socket has received.
    async fn receive(&mut self, socket: &mut UdpSocket<'_>) {
        while socket.may_recv() {
            let client = &mut self.client;
            let heard = socket.recv_from_with(|datagram, from| {
                let IpAddress::Ipv4(source) = from.endpoint.addr;
                client.handle(datagram, source, now())
            });
            let heard = heard.await;
            self.log_refusal(heard);
        }
    }

    /// Carries out the client's actions until it has none.
    async fn act(&mut self, socket: &mut UdpSocket<'_>) {
        while let Some(action) = self.client.poll(now(), self.message) {
            match action {
                Action::Send { from, to, len } => {
                    let message = self.message.get(..len).unwrap_or_default();
                    send(socket, message, from, to).await;
                }
                Action::Probe(address) => self.probe(address).await,
                change => self.outside.change(change),
            }
        }
    }

    /// Probes `address`. After a short time without an answer the address is used, but given up
    /// again if an answer comes later.
    async fn probe(&mut self, address: Ipv4Addr) {
        let mut probe = pin!(self.outside.control.probe(Side::Outside, address));
        let is_taken = match select(Pin::as_mut(&mut probe), Timer::after(PROBE_WAIT)).await {
            Either::First(station) => station.is_some(),
            Either::Second(()) => {
                self.client.probed(false, now());
                while let Some(Action::Use(lease)) = self.client.poll(now(), self.message) {
                    self.outside.change(Action::Use(lease));
                }
                // A release does not wait for the end of the probe: the application may be about
                // to end.
                let release = self.outside.release_asked();
                matches!(select(probe, release).await, Either::First(Some(_)))
            }
        };
        let heard = self.client.probed(is_taken, now());
        self.log_refusal(heard);
    }

    fn log_refusal(&mut self, heard: Heard) {
        let Heard::Refused(server, reason) = heard else {
            return;
        };
        let Some(suppressed) = self.limiter.allow(Instant::now().as_millis()) else {
            return;
        };
        warning!(
            "outside: DHCP server {}: not taken: {} ({} more suppressed)",
            server,
            reason.as_str(),
            suppressed
        );
    }
}

/// Updates the hardware address, which some drivers know only when they run.
#[allow(
    irrefutable_let_patterns,
    reason = "where Ethernet is the only medium of embassy-net"
)]
fn set_mac(client: &mut Client, stack: Stack<'_>) {
    if let HardwareAddress::Ethernet(address) = stack.hardware_address() {
        client.set_mac(address.0);
    }
}

fn now() -> nat_core::Instant {
    nat_core::Instant::from_millis(Instant::now().as_millis())
}

/// Waits until there is something to do: a message, a change of the link, a release that the
/// application asks for, or the time `at`.
///
/// It does not use the socket's own ways to wait. These wake the stack whenever they are polled,
/// and a stack in the same task would wake them in turn, for ever. Since the stack is polled before
/// this in the same task, it is enough to look at the socket in each poll.
async fn wait(
    socket: &UdpSocket<'_>,
    (stack, was): (Stack<'_>, bool),
    shared: &Shared,
    at: Option<nat_core::Instant>,
) {
    let something = poll_fn(|cx| {
        shared.register(cx.waker());
        let happened = socket.may_recv() || stack.is_link_up() != was || shared.is_release_asked();
        if happened {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    let at = at.map_or(Instant::MAX, |at| {
        Instant::try_from_millis(at.as_millis()).unwrap_or(Instant::MAX)
    });
    select(something, Timer::at(at)).await;
}

async fn send(socket: &mut UdpSocket<'_>, datagram: &[u8], from: Ipv4Addr, to: Ipv4Addr) {
    let to = UdpMetadata {
        local_address: Some(from.into()),
        ..(to, DHCP_SERVER_PORT).into()
    };
    let sent = async {
        // A message that cannot be sent counts as lost on the way.
        let _ = socket.send_to(datagram, to).await;
        socket.flush().await;
    };
    if with_timeout(SEND_TIMEOUT, sent).await.is_err() {
        // Closing the socket is the only way to drop its message.
        socket.close();
    }
    if !from.is_unspecified() {
        // It must leave before its source address is removed.
        Timer::after(RELEASE_DELAY).await;
    }
}

/// The parts that the client configures.
struct Configured<'a, W: Width> {
    stack: Stack<'a>,
    control: Control<'static, W>,
    shared: &'a Shared,
    /// The outside MTU without a lease that lowers it.
    mtu: u16,
}

impl<W: Width> Configured<'_, W> {
    /// Waits until the application asks for a release.
    async fn release_asked(&self) {
        poll_fn(|cx| {
            self.shared.register(cx.waker());
            if self.shared.is_release_asked() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn change(&self, change: Action) {
        match change {
            Action::Use(lease) => self.configure(lease),
            // The stack first, so that it sends nothing that the NAT has no address for.
            Action::Suspend => {
                self.shared.set_lease(None);
                self.stack.set_config_v4(ConfigV4::None);
                self.control.suspend_outside();
            }
            Action::Forget => {
                self.shared.set_lease(None);
                self.stack.set_config_v4(ConfigV4::None);
                self.control.set_outside(None);
            }
            Action::Send { .. } | Action::Probe(_) => {}
        }
    }

    fn configure(&self, lease: Lease) {
        let mtu = lease.mtu.map_or(self.mtu, |mtu| mtu.min(self.mtu));
        // A lease's MTU is never below the minimum, so this cannot fail.
        let _ = self.control.with_nat(|nat| nat.set_mtu(Side::Outside, mtu));
        // The NAT before the stack, which may send as soon as it is configured.
        self.control.set_outside(Some(Outside {
            address: lease.address,
            gateway: lease.gateway,
        }));
        let config = stack_config(&lease);
        if self.shared.set_lease(Some(lease)) || self.stack.config_v4().is_none() {
            self.stack.set_config_v4(ConfigV4::Static(config));
        }
    }
}

/// The configuration of the stack outside. A gateway that is not in the network is replaced by the
/// stack's own address, since smoltcp ignores ARP replies from outside the network. The adapter
/// answers for every address, and knows the true gateway.
pub(crate) fn stack_config(lease: &Lease) -> StaticConfigV4 {
    let own = lease.address.address();
    let mut dns_servers = heapless::Vec::new();
    for server in &lease.dns_servers {
        if dns_servers.push(*server).is_err() {
            break;
        }
    }
    StaticConfigV4 {
        address: Ipv4Cidr::new(own, lease.address.prefix_len()),
        gateway: lease.gateway.map(|gateway| {
            if lease.address.contains(gateway) {
                gateway
            } else {
                own
            }
        }),
        dns_servers,
    }
}
