//! The client on the router's stack outside.

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

/// Messages that can wait: real networks have more than one server.
const QUEUE: usize = 4;

/// How long a station has to say that it has the address before the address is used. The probe goes
/// on while it is.
const PROBE_WAIT: Duration = Duration::from_millis(200);

/// How long a message may take to leave before it is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a RELEASE may take from the stack to the driver.
const FAREWELL: Duration = Duration::from_millis(200);

/// Refusals told on the log each second.
const LINES: u8 = 2;

/// The memory of the client.
pub(crate) struct Memory {
    /// Written before they are used: empty metadata is not all zeros.
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
    mut client: Client,
    shared: &Shared,
) -> ! {
    let Memory {
        received_metadata,
        sent_metadata,
        received,
        sent,
        message,
    } = memory;
    let (received_metadata, sent_metadata) = (
        received_metadata.write([PacketMetadata::EMPTY; QUEUE]),
        sent_metadata.write([PacketMetadata::EMPTY]),
    );
    let mut socket = UdpSocket::new(stack, received_metadata, received, sent_metadata, sent);
    let outside = Configured {
        stack,
        control,
        shared,
        mtu: control.with_nat(|nat| nat.config().outside_mtu),
    };
    let mut limiter = LogLimiter::new(LINES);
    loop {
        if !socket.is_open() {
            let _ = socket.bind(DHCP_CLIENT_PORT);
        }
        take_mac(&mut client, stack);
        let up = stack.is_link_up();
        client.set_link(up, now());
        let released = shared.is_release_asked();
        if released {
            client.release();
        }
        while socket.may_recv() {
            let heard = socket.recv_from_with(|datagram, from| {
                let IpAddress::Ipv4(source) = from.endpoint.addr;
                client.handle(datagram, source, now())
            });
            log_refusal(heard.await, &mut limiter);
        }
        while let Some(action) = client.poll(now(), message) {
            match action {
                Action::Send { from, to, len } => {
                    send(
                        &mut socket,
                        message.get(..len).unwrap_or_default(),
                        from,
                        to,
                    )
                    .await;
                }
                Action::Probe(address) => {
                    probe(&mut client, &outside, message, address, &mut limiter).await;
                }
                change => outside.change(change),
            }
        }
        if released {
            shared.released();
        }
        wait(&socket, (stack, up), shared, client.poll_at()).await;
    }
}

/// Some drivers know their address only once they run.
#[allow(
    irrefutable_let_patterns,
    reason = "where Ethernet is the only medium of embassy-net"
)]
fn take_mac(client: &mut Client, stack: Stack<'_>) {
    if let HardwareAddress::Ethernet(address) = stack.hardware_address() {
        client.set_mac(address.0);
    }
}

fn now() -> nat_core::Instant {
    nat_core::Instant::from_millis(Instant::now().as_millis())
}

/// Waits until there is something to do: a message, a link that is not as it `was`, the wish of the
/// application, or the time.
///
/// The socket's own ways to wait wake its stack whenever they are polled, and a stack in the same
/// task would wake them in turn, for ever. But then the stack is also polled before this, so a look
/// at each poll misses nothing.
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
        // What cannot leave is as good as lost on the way.
        let _ = socket.send_to(datagram, to).await;
        socket.flush().await;
    };
    if with_timeout(SEND_TIMEOUT, sent).await.is_err() {
        // Only a socket that is closed forgets what it has.
        socket.close();
    }
    if !from.is_unspecified() {
        // Before the address from which it leaves is taken away.
        Timer::after(FAREWELL).await;
    }
}

/// Probes `address`. After a short while without an answer it is used, but given back if an answer
/// comes later.
async fn probe<W: Width>(
    client: &mut Client,
    outside: &Configured<'_, W>,
    message: &mut [u8],
    address: Ipv4Addr,
    limiter: &mut LogLimiter,
) {
    let control = outside.control;
    let mut probe = pin!(control.probe(Side::Outside, address));
    let taken = match select(Pin::as_mut(&mut probe), Timer::after(PROBE_WAIT)).await {
        Either::First(station) => station.is_some(),
        Either::Second(()) => {
            client.probed(false, now());
            while let Some(Action::Use(lease)) = client.poll(now(), message) {
                outside.change(Action::Use(lease));
            }
            // The application may be about to end.
            let asked = poll_fn(|cx| {
                outside.shared.register(cx.waker());
                if outside.shared.is_release_asked() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            matches!(select(probe, asked).await, Either::First(Some(_)))
        }
    };
    log_refusal(client.probed(taken, now()), limiter);
}

fn log_refusal(heard: Heard, limiter: &mut LogLimiter) {
    let Heard::Refused(server, reason) = heard else {
        return;
    };
    let Some(suppressed) = limiter.allow(Instant::now().as_millis()) else {
        return;
    };
    warning!(
        "outside: DHCP server {}: not taken: {} ({} more suppressed)",
        server,
        reason.as_str(),
        suppressed
    );
}

/// What the client configures.
struct Configured<'a, W: Width> {
    stack: Stack<'a>,
    control: Control<'static, W>,
    shared: &'a Shared,
    /// The MTU outside without a lease that lowers it.
    mtu: u16,
}

impl<W: Width> Configured<'_, W> {
    fn change(&self, change: Action) {
        match change {
            Action::Use(lease) => self.configure(lease),
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
        // It is no less than the least.
        let _ = self.control.with_nat(|nat| nat.set_mtu(Side::Outside, mtu));
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
/// stack's own address, since smoltcp believes no ARP of a station that is not: the adapter answers
/// for all stations, and knows the true way.
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
