//! A host or server: an embassy-net stack on a wire.

use core::net::Ipv4Addr;

use embassy_executor::Spawner;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{Config, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_net_driver::Driver;

use super::addresses::{ISP, Machine, PREFIX_LEN};
use super::wire::{Port, Wire};

/// Sockets of one stack: those of its servers, of the steps, of DNS and of DHCP.
const SOCKETS: usize = 16;

/// A machine with a running stack.
#[derive(Clone, Copy)]
pub(super) struct Host {
    pub(super) name: &'static str,
    pub(super) address: Ipv4Addr,
    pub(super) stack: Stack<'static>,
}

impl Host {
    /// Plugs `machine` into `wire` and starts its stack.
    pub(super) fn boot(
        spawner: Spawner,
        wire: &Wire,
        machine: Machine,
        gateway: Option<Ipv4Addr>,
    ) -> Self {
        let Machine { name, mac, address } = machine;
        let config = Config::ipv4_static(StaticConfigV4 {
            address: Ipv4Cidr::new(address, PREFIX_LEN),
            gateway,
            dns_servers: [ISP.address].into_iter().collect(),
        });
        let (stack, runner) = new_stack(wire.plug(mac), config);
        spawner.spawn(run_stack(runner).expect("there is a task for every machine"));
        Self {
            name,
            address,
            stack,
        }
    }
}

#[embassy_executor::task(pool_size = 4)]
async fn run_stack(mut runner: embassy_net::Runner<'static, Port>) -> ! {
    runner.run().await
}

/// A stack on `driver`, and its runner. The memory is leaked, because the demo ends with its
/// process. Without entropy the ports can be guessed, which is harmless here.
pub(super) fn new_stack<D: Driver>(
    driver: D,
    config: Config,
) -> (Stack<'static>, embassy_net::Runner<'static, D>) {
    let resources = Box::leak(Box::new(StackResources::<SOCKETS>::new()));
    embassy_net::new(
        driver,
        config,
        resources,
        getrandom::u64().unwrap_or_default(),
    )
}

/// The memory of a UDP socket that holds a few datagrams.
pub(super) struct UdpMemory {
    received: [PacketMetadata; 4],
    sent: [PacketMetadata; 4],
    received_bytes: [u8; 2048],
    sent_bytes: [u8; 2048],
}

impl UdpMemory {
    /// Unused memory.
    pub(super) fn new() -> Self {
        Self {
            received: [PacketMetadata::EMPTY; 4],
            sent: [PacketMetadata::EMPTY; 4],
            received_bytes: [0; 2048],
            sent_bytes: [0; 2048],
        }
    }

    /// A socket of `host` with this memory, bound to `port`, or to any port if 0.
    pub(super) fn socket(&mut self, host: Host, port: u16) -> UdpSocket<'_> {
        let Self {
            received,
            sent,
            received_bytes,
            sent_bytes,
        } = self;
        let mut socket = UdpSocket::new(host.stack, received, received_bytes, sent, sent_bytes);
        socket.bind(port).expect("a new socket can be bound");
        socket
    }
}
