//! Two hosts, a router and a server in memory, each with a stack of embassy-net: `cargo run --example
//! two_hosts`. Both hosts send from the same port, and the server says whom it saw.

use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::task::{Context, Poll};

use embassy_futures::block_on;
use embassy_futures::join::{join, join3, join4};
use embassy_futures::select::{Either, select};
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_net_driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel as channel;
use embassy_time::{Duration, with_timeout};
use nat_core::Seed;
use nat_embassy::{Config, Outside, State};
use static_cell::ConstStaticCell;

type Device = channel::Device<'static, 1514>;
type Plug = channel::Runner<'static, 1514>;

static STATE: ConstStaticCell<State<128, 256>> = ConstStaticCell::new(State::new());

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
const HOSTS: [Ipv4Addr; 2] = [
    Ipv4Addr::new(192, 168, 77, 10),
    Ipv4Addr::new(192, 168, 77, 11),
];
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 80);
const PORT: u16 = 7;

fn main() {
    let [(lan_plug, lan), (wan_plug, wan)] = [1, 2].map(device);
    let [
        (first_plug, first),
        (second_plug, second),
        (server_plug, server),
    ] = [10, 11, 80].map(device);

    let inside = "192.168.77.1/24".parse().expect("an address and a prefix");
    let mut config = Config::new(nat_core::Config::new(inside));
    config.outside = Some(Outside {
        address: "198.51.100.77/24".parse().expect("an address and a prefix"),
        gateway: None, // the server is in that network
    });
    let (control, _lan_device, _wan_device, router) =
        nat_embassy::new(STATE.take(), config, Seed::new([7; 16]), lan, wan)
            .expect("a sound configuration");

    let (first, mut first_runner) = stack(first, HOSTS[0], Some(ROUTER));
    let (second, mut second_runner) = stack(second, HOSTS[1], Some(ROUTER));
    let (server, mut server_runner) = stack(server, SERVER, None);
    let network = join4(
        router.run(|| {}),
        join3(first_runner.run(), second_runner.run(), server_runner.run()),
        switch([lan_plug, first_plug, second_plug]),
        switch([wan_plug, server_plug]),
    );
    let hosts = join(ask(first), ask(second));
    let hosts = with_timeout(Duration::from_secs(10), hosts);
    match block_on(select(join(network, serve(server)), hosts)) {
        Either::First(_) => unreachable!("none of them ends"),
        Either::Second(result) => result.expect("answers within 10 s"),
    };
    control.with_nat(|nat| {
        for session in nat.sessions() {
            println!("session: {} as {}", session.inside, session.external);
        }
    });
    let forwarded = control.with_nat(|nat| nat.stats().forwarded);
    println!("{forwarded} packets forwarded");
}

/// A host asks the server who it is.
async fn ask(host: Stack<'_>) {
    let (mut rx_meta, mut rx, mut tx_meta, mut tx) = buffers();
    let mut socket = UdpSocket::new(host, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    socket.bind(5000).expect("a free port");
    socket
        .send_to(b"who am I?", (SERVER, PORT))
        .await
        .expect("a route");
    let mut answer = [0; 64];
    let (len, _) = socket.recv_from(&mut answer).await.expect("room for it");
    let address = host
        .config_v4()
        .expect("a static configuration")
        .address
        .address();
    println!(
        "{address}: the server saw {}",
        String::from_utf8_lossy(&answer[..len])
    );
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

fn stack(
    device: Device,
    address: Ipv4Addr,
    gateway: Option<Ipv4Addr>,
) -> (Stack<'static>, embassy_net::Runner<'static, Device>) {
    let config = embassy_net::Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(address, 24),
        gateway,
        dns_servers: Default::default(),
    });
    let resources = Box::leak(Box::new(StackResources::<2>::new()));
    embassy_net::new(device, config, resources, 42)
}

/// A device in memory, and the end of its wire.
fn device(number: u8) -> (Plug, Device) {
    let state = Box::leak(Box::new(channel::State::<1514, 8, 8>::new()));
    channel::new(state, HardwareAddress::Ethernet([0x02, 0, 0, 0, 0, number]))
}

/// Carries each frame of one plug to all others, and drops it where there is no room.
async fn switch<const N: usize>(plugs: [Plug; N]) {
    let mut plugs = plugs.map(|plug| plug.split());
    for (state, _, _) in &plugs {
        state.set_link_state(LinkState::Up);
    }
    poll_fn(|cx| {
        while (0..N).any(|from| carry(&mut plugs, from, cx)) {}
        Poll::<()>::Pending
    })
    .await;
}

type Ends = (
    channel::StateRunner<'static>,
    channel::RxRunner<'static, 1514>,
    channel::TxRunner<'static, 1514>,
);

/// Carries one frame. Returns whether there was one.
fn carry(plugs: &mut [Ends], from: usize, cx: &mut Context<'_>) -> bool {
    let Poll::Ready(frame) = plugs[from].2.poll_tx_buf(cx) else {
        return false;
    };
    let frame = frame.to_vec();
    plugs[from].2.tx_done();
    for (number, (_, rx, _)) in plugs.iter_mut().enumerate() {
        if number != from
            && let Some(buffer) = rx.try_rx_buf()
        {
            buffer[..frame.len()].copy_from_slice(&frame);
            rx.rx_done(frame.len());
        }
    }
    true
}
