//! A whole router in memory: `cargo run --example household`. A host inside leases an address from the
//! router's DHCP server, and asks a server outside, which says whom it saw.

use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::task::{Context, Poll};

use embassy_futures::block_on;
use embassy_futures::join::{join, join5};
use embassy_futures::select::{Either, select};
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{Config, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_net_driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel as channel;
use embassy_time::{Duration, with_timeout};
use nat_router::{Memory, NoLed};
use static_cell::ConstStaticCell;

type Device = channel::Device<'static, 1514>;
type Plug = channel::Runner<'static, 1514>;

static MEMORY: ConstStaticCell<Memory<128, 256, 16>> = ConstStaticCell::new(Memory::new());

const ROUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 80);
const PORT: u16 = 7;

fn main() {
    let [(lan_plug, lan), (wan_plug, wan)] = [1, 2].map(device);
    let [(host_plug, host), (server_plug, server)] = [10, 80].map(device);

    // The router's address inside is 192.168.77.1. Without `outside`, it would lease one.
    let mut config = nat_router::Config::default();
    config.outside = Some(static_config(ROUTER));
    let router =
        nat_router::new(MEMORY.take(), config, [7; 32], lan, wan).expect("a sound configuration");

    let (host, mut host_runner) = stack(host, Config::dhcpv4(Default::default()));
    let (server, mut server_runner) = stack(server, Config::ipv4_static(static_config(SERVER)));
    let network = join5(
        router.runner.run(|| {}),
        router.services.run(NoLed),
        join(host_runner.run(), server_runner.run()),
        wire(lan_plug, host_plug),
        wire(wan_plug, server_plug),
    );
    let host = with_timeout(Duration::from_secs(20), ask(host));
    match block_on(select(join(network, serve(server)), host)) {
        Either::First(_) => unreachable!("none of them ends"),
        Either::Second(result) => result.expect("an answer within 20 s"),
    }
    router.control.with_nat(|nat| {
        for session in nat.sessions() {
            println!("session: {} as {}", session.inside, session.external);
        }
    });
}

/// The host gets an address, and asks the server who it is.
async fn ask(host: Stack<'_>) {
    host.wait_config_up().await;
    let config = host.config_v4().expect("a lease");
    println!(
        "the host has {}, and its gateway is {:?}",
        config.address, config.gateway
    );
    let (mut rx_meta, mut rx, mut tx_meta, mut tx) = buffers();
    let mut socket = UdpSocket::new(host, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    socket.bind(5000).expect("a free port");
    socket
        .send_to(b"who am I?", (SERVER, PORT))
        .await
        .expect("a route");
    let mut answer = [0; 64];
    let (len, _) = socket.recv_from(&mut answer).await.expect("room for it");
    println!("the server saw {}", String::from_utf8_lossy(&answer[..len]));
}

/// Answers each datagram with the endpoint that it came from.
async fn serve(server: Stack<'_>) {
    let (mut rx_meta, mut rx, mut tx_meta, mut tx) = buffers();
    let mut socket = UdpSocket::new(server, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    socket.bind(PORT).expect("a free port");
    loop {
        let mut question = [0; 64];
        let (_, from) = socket.recv_from(&mut question).await.expect("room for it");
        let answer = format!("{}", from.endpoint);
        socket
            .send_to(answer.as_bytes(), from)
            .await
            .expect("a route");
    }
}

type Buffers = (
    [PacketMetadata; 4],
    [u8; 512],
    [PacketMetadata; 4],
    [u8; 512],
);

fn buffers() -> Buffers {
    (
        [PacketMetadata::EMPTY; 4],
        [0; 512],
        [PacketMetadata::EMPTY; 4],
        [0; 512],
    )
}

fn static_config(address: Ipv4Addr) -> StaticConfigV4 {
    StaticConfigV4 {
        address: Ipv4Cidr::new(address, 24),
        gateway: None, // both are in the same network
        dns_servers: Default::default(),
    }
}

fn stack(device: Device, config: Config) -> (Stack<'static>, embassy_net::Runner<'static, Device>) {
    let resources = Box::leak(Box::new(StackResources::<3>::new()));
    embassy_net::new(device, config, resources, 42)
}

/// A device in memory, and the end of its wire.
fn device(number: u8) -> (Plug, Device) {
    let state = Box::leak(Box::new(channel::State::<1514, 8, 8>::new()));
    channel::new(state, HardwareAddress::Ethernet([0x02, 0, 0, 0, 0, number]))
}

/// Joins two devices by a wire. A frame without room at the other end is lost.
async fn wire(one: Plug, other: Plug) {
    let (state, mut to_one, mut from_one) = one.split();
    let (other_state, mut to_other, mut from_other) = other.split();
    state.set_link_state(LinkState::Up);
    other_state.set_link_state(LinkState::Up);
    poll_fn(|cx| {
        while carry(&mut from_one, &mut to_other, cx) || carry(&mut from_other, &mut to_one, cx) {}
        Poll::<()>::Pending
    })
    .await;
}

/// Carries one frame. Returns whether there was one.
fn carry(
    from: &mut channel::TxRunner<'static, 1514>,
    to: &mut channel::RxRunner<'static, 1514>,
    cx: &mut Context<'_>,
) -> bool {
    let Poll::Ready(frame) = from.poll_tx_buf(cx) else {
        return false;
    };
    if let Some(buffer) = to.try_rx_buf() {
        buffer[..frame.len()].copy_from_slice(frame);
        let len = frame.len();
        to.rx_done(len);
    }
    from.tx_done();
    true
}
