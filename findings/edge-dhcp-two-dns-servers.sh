#!/usr/bin/env bash
# edge-dhcp 0.8.0: a list of two addresses is written as an option whose length counts the first alone.
#
# Guess:   two DNS servers are option 6 with 8 bytes (RFC 2132 section 3.8), as the crate itself reads them.
# Instead: the length is written before each address: 6, 4, the first, 4, the second. A reader takes the second length for the
#          code of an option (4, time servers), whose length is then the first byte of the second address. Routers likewise.
# Seen:
# | one: 06 04 09 09 09 09 ff
# | two: 06 04 09 09 09 09 04 08 08 08 08 ff
# | two, read again: Err(DataUnderflow)
. "$(dirname "$0")/crate.sh"

program <<'RUST'
use std::net::Ipv4Addr;

use edge_dhcp::{DhcpOption, Ipv4Addrs, Options, Packet};

const OPTIONS: usize = 240;
const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(8, 8, 8, 8)];

fn main() {
    println!("one: {}", hex(&write(&SERVERS[..1])[OPTIONS..]));
    let two = write(&SERVERS);
    println!("two: {}", hex(&two[OPTIONS..]));
    println!("two, read again: {:?}", Packet::decode(&two).map(|packet| packet.options));
}

fn write(servers: &[Ipv4Addr]) -> Vec<u8> {
    let options = [DhcpOption::DomainNameServer(Ipv4Addrs::new(servers))];
    let packet = Packet::new_request([0x02, 0, 0, 0, 0, 1], 7, 0, None, false, Options::new(&options));
    let mut buffer = [0; 600];
    let message = packet.encode(&mut buffer).expect("room");
    let end = message.iter().rposition(|byte| *byte == 255).expect("an end");
    message[..=end].to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
RUST
check 'edge-dhcp = { version = "=0.8.0", default-features = false }'
