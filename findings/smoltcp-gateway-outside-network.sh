#!/usr/bin/env bash
# smoltcp 0.13.1 and 0.14.0: a gateway that is not in a network of the interface is asked for by ARP, and its answer ignored.
#
# Cloud and access networks lease a /32 with a gateway outside it.
# Guess:   a route that is accepted is used.
# Instead: the station sends ARP requests for the gateway, believes ARP of its own networks only, and sends no packet.
# Seen:
# | 198.51.100.9/24 through 198.51.100.1: 1 ARP answer, 1 datagram sent in 20 s
# | 198.51.100.9/32 through 203.0.113.1: ARP answered each time, 0 datagrams sent in 20 s
. "$(dirname "$0")/crate.sh"

program wire <<'RUST'
mod wire;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpCidr, Ipv4Address, Ipv4Cidr};
use wire::{OWN, Wire};

const ADDRESS: Ipv4Address = Ipv4Address::new(198, 51, 100, 9);
const FAR: Ipv4Address = Ipv4Address::new(192, 0, 2, 7);

fn main() {
    let (answers, sent) = send(24, Ipv4Address::new(198, 51, 100, 1));
    println!("198.51.100.9/24 through 198.51.100.1: {answers} ARP answer, {sent} datagram sent in 20 s");
    let (answers, sent) = send(32, Ipv4Address::new(203, 0, 113, 1));
    let answered = if answers > 1 { "each time" } else { "at most once" };
    println!("198.51.100.9/32 through 203.0.113.1: ARP answered {answered}, {sent} datagrams sent in 20 s");
}

/// Sends one datagram to another network; returns how many ARP answers came, and how many datagrams left.
fn send(prefix_len: u8, gateway: Ipv4Address) -> (usize, usize) {
    let (mut now, mut wire, mut sockets) = (Instant::from_secs(1000), Wire::default(), SocketSet::new(Vec::new()));
    let mut interface = Interface::new(Config::new(OWN.into()), &mut wire, now);
    let address = IpCidr::Ipv4(Ipv4Cidr::new(ADDRESS, prefix_len));
    interface.update_ip_addrs(|addresses| addresses.push(address).expect("room"));
    interface.routes_mut().add_default_ipv4_route(gateway).expect("the route is accepted");

    let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; 4], vec![0; 512]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.bind(5000).expect("a port");
    socket.send_slice(b"hello", (FAR, 53)).expect("room");
    sockets.add(socket);

    let mut sent = 0;
    for _ in 0..200 {
        interface.poll(now, &mut wire, &mut sockets);
        sent += wire.sent().len();
        now += Duration::from_millis(100);
    }
    (wire.arp_answers, sent)
}
RUST
for version in 0.13.1 0.14.0; do
    features='"std", "medium-ethernet", "proto-ipv4", "socket-udp"'
    check "smoltcp = { version = \"=$version\", default-features = false, features = [$features] }"
done
