//! Real stacks on both sides of a running router, and on the router itself.

use core::net::Ipv4Addr;

use crate::world::frames::Station;
use crate::world::*;
use embassy_futures::block_on;
use embassy_futures::join::{join, join3, join4};
use embassy_futures::select::{Either, select};
use embassy_net::tcp::TcpSocket;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{Config, IpEndpoint, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_net_driver::{Driver, HardwareAddress, LinkState};
use embassy_net_driver_channel as channel;
use embassy_time::{Duration, with_timeout};
use nat_embassy::State;

const QUEUE: usize = 8;
const SERVER: Station = ([0x02, 0, 0, 0, 0, 0x50], Ipv4Addr::new(198, 51, 100, 80));

type Device = channel::Device<'static, 1514>;
type Plug = channel::Runner<'static, 1514>;

fn device(station: Station) -> (Plug, Device) {
    let state = Box::leak(Box::new(channel::State::<1514, QUEUE, QUEUE>::new()));
    channel::new(state, HardwareAddress::Ethernet(station.0))
}

/// Joins two devices by a wire.
async fn wire(one: Plug, other: Plug) {
    let (state, mut to_one, mut from_one) = one.split();
    let (other_state, mut to_other, mut from_other) = other.split();
    state.set_link_state(LinkState::Up);
    other_state.set_link_state(LinkState::Up);
    join(
        carry(&mut from_one, &mut to_other),
        carry(&mut from_other, &mut to_one),
    )
    .await;
}

async fn carry(
    from: &mut channel::TxRunner<'static, 1514>,
    to: &mut channel::RxRunner<'static, 1514>,
) {
    loop {
        let frame = from.tx_buf().await;
        let len = frame.len();
        to.rx_buf().await[..len].copy_from_slice(frame);
        to.rx_done(len);
        from.tx_done();
    }
}

fn stack<D: Driver>(
    device: D,
    address: Ipv4Addr,
    gateway: Ipv4Addr,
) -> (Stack<'static>, embassy_net::Runner<'static, D>) {
    let config = Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(address, 24),
        gateway: Some(gateway),
        dns_servers: Default::default(),
    });
    embassy_net::new(
        device,
        config,
        Box::leak(Box::new(StackResources::<4>::new())),
        42,
    )
}

struct Stacks {
    host: Stack<'static>,
    server: Stack<'static>,
    router_outside: Stack<'static>,
}

/// Runs `test` on a router with a host inside and a server outside.
fn run<F: Future>(test: impl FnOnce(Stacks) -> F) -> F::Output {
    let ((lan_plug, lan), (wan_plug, wan)) = (device(ROUTER_LAN), device(ROUTER_WAN));
    let ((host_plug, host), (server_plug, server)) = (device(HOST), device(SERVER));
    let state = Box::leak(Box::new(State::<64, 128, 16>::new()));
    let config = nat_embassy::Config::new(nat_core::Config::new(cidr(ROUTER_LAN.1)));
    let (control, lan_device, wan_device, router) =
        nat_embassy::new(state, config, SEED, lan, wan).unwrap();
    let (host, mut host_runner) = stack(host, HOST.1, ROUTER_LAN.1);
    let (server, mut server_runner) = stack(server, SERVER.1, GATEWAY.1);
    let (_inside, mut inside_runner) = stack(lan_device, ROUTER_LAN.1, ROUTER_LAN.1);
    let (router_outside, mut outside_runner) = stack(wan_device, ROUTER_WAN.1, GATEWAY.1);
    let wires = join(wire(lan_plug, host_plug), wire(wan_plug, server_plug));
    let own = join3(
        inside_runner.run(),
        outside_runner.run(),
        control.follow(router_outside),
    );
    let everything = join4(
        router.run(|| {}),
        join(host_runner.run(), server_runner.run()),
        own,
        wires,
    );
    let test = with_timeout(
        Duration::from_secs(20),
        test(Stacks {
            host,
            server,
            router_outside,
        }),
    );
    match block_on(select(everything, test)) {
        Either::First(_) => unreachable!("none of them ends"),
        Either::Second(result) => result.expect("within 20 s"),
    }
}

struct UdpMemory {
    meta: [[PacketMetadata; 4]; 2],
    bytes: [Vec<u8>; 2],
}

impl UdpMemory {
    fn new() -> Self {
        Self {
            meta: [[PacketMetadata::EMPTY; 4]; 2],
            bytes: Default::default(),
        }
    }

    fn socket(&mut self, stack: Stack<'static>, port: u16) -> UdpSocket<'_> {
        let Self {
            meta: [rx_meta, tx_meta],
            bytes: [rx, tx],
        } = self;
        rx.resize(4096, 0);
        tx.resize(4096, 0);
        let mut socket = UdpSocket::new(stack, rx_meta, rx, tx_meta, tx);
        socket.bind(port).expect("a free port");
        socket
    }
}

#[test]
fn udp_reaches_the_server_from_the_external_address_and_the_answer_the_host() {
    run(async |stacks: Stacks| {
        let (mut client_memory, mut server_memory) = (UdpMemory::new(), UdpMemory::new());
        let client = client_memory.socket(stacks.host, 5000);
        let server = server_memory.socket(stacks.server, 53);
        let echo = async {
            let mut buffer = [0; 2048];
            let (len, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(from.endpoint.addr, ROUTER_WAN.1.into());
            server.send_to(&buffer[..len], from).await.unwrap();
        };
        let ask = async {
            // The first packet of all: it waits while the router resolves the server's address.
            client.send_to(&[7; 1472], (SERVER.1, 53)).await.unwrap();
            let mut buffer = [0; 2048];
            let (len, from) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!(
                (&buffer[..len], from.endpoint),
                (&[7; 1472][..], IpEndpoint::new(SERVER.1.into(), 53))
            );
        };
        join(echo, ask).await;
    });
}

/// Sends `len` bytes that can be recognised, while the other end checks them.
async fn send_pattern(socket: &mut TcpSocket<'_>, len: usize, key: u8) {
    let bytes: Vec<u8> = pattern(len, key).collect();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let sent = socket.write(rest).await.expect("an open connection");
        rest = &rest[sent..];
    }
    socket.flush().await.expect("an open connection");
    socket.close();
}

async fn receive_pattern(socket: &mut TcpSocket<'_>, len: usize, key: u8) {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer).await.expect("an open connection") {
            0 => break,
            count => received.extend_from_slice(&buffer[..count]),
        }
    }
    assert!(
        received.iter().copied().eq(pattern(len, key)),
        "{} bytes of {len}",
        received.len()
    );
}

fn pattern(len: usize, key: u8) -> impl Iterator<Item = u8> {
    (0..len).map(move |at| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8 ^ key)
}

/// A connection to the server that carries `len` bytes each way.
async fn exchange(client: Stack<'static>, server: Stack<'static>, port: u16, len: usize) {
    let mut memory = [(); 4].map(|()| vec![0; 8192]);
    let [client_rx, client_tx, server_rx, server_tx] = &mut memory;
    let mut from = TcpSocket::new(client, client_rx, client_tx);
    let mut to = TcpSocket::new(server, server_rx, server_tx);
    let (accepted, connected) = join(to.accept(port), from.connect((SERVER.1, port))).await;
    accepted.expect("a client");
    connected.expect("a server");
    assert_eq!(to.remote_endpoint().unwrap().addr, ROUTER_WAN.1.into());
    let upload = async {
        send_pattern(&mut from, len, 1).await;
        receive_pattern(&mut from, len, 2).await;
    };
    let download = async {
        receive_pattern(&mut to, len, 1).await;
        send_pattern(&mut to, len, 2).await;
    };
    join(upload, download).await;
}

#[test]
fn tcp_carries_data_both_ways() {
    run(|stacks| exchange(stacks.host, stacks.server, 80, 200_000));
}

#[test]
fn the_router_itself_and_a_host_use_the_external_address_at_the_same_time() {
    run(async |stacks: Stacks| {
        let own = exchange(stacks.router_outside, stacks.server, 8080, 50_000);
        join(own, exchange(stacks.host, stacks.server, 80, 50_000)).await;
    });
}
