#!/usr/bin/env bash
# edge-dhcp 0.8.0: the server offers an address again at once after a client has declined it.
#
# A client declines an address that it finds in use; the server must then mark it as not available (RFC 2131 section 4.3.3).
# Guess:   the next client is offered another address.
# Instead: the server removes the lease and with it all memory of the address, so that it is the first that is free again.
# Seen:
# | the first client is offered 192.168.1.50
# | declined, then the first client is offered 192.168.1.50
# | declined, then the second client is offered 192.168.1.50
. "$(dirname "$0")/crate.sh"

program <<'RUST'
use std::net::Ipv4Addr;

use edge_dhcp::server::{Server, ServerOptions};
use edge_dhcp::{DhcpOption, MessageType, Options, Packet};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

fn main() {
    let mut server = Server::<fn() -> u64, 64>::new(|| 1000, SERVER);
    let address = offer(&mut server, 1).expect("an offer");
    println!("the first client is offered {address}");
    take_and_decline(&mut server, address);
    println!("declined, then the first client is offered {}", offer(&mut server, 1).expect("an offer"));
    println!("declined, then the second client is offered {}", offer(&mut server, 2).expect("an offer"));
}

fn offer(server: &mut Server<fn() -> u64, 64>, client: u8) -> Option<Ipv4Addr> {
    say(server, client, &[DhcpOption::MessageType(MessageType::Discover)])
}

/// The client asks for the address, finds that a host has it, and declines it.
fn take_and_decline(server: &mut Server<fn() -> u64, 64>, address: Ipv4Addr) {
    for kind in [MessageType::Request, MessageType::Decline] {
        let options = [
            DhcpOption::MessageType(kind),
            DhcpOption::RequestedIpAddress(address),
            DhcpOption::ServerIdentifier(SERVER),
        ];
        say(server, 1, &options);
    }
}

/// The address in the answer of the server.
fn say(server: &mut Server<fn() -> u64, 64>, client: u8, options: &[DhcpOption<'_>]) -> Option<Ipv4Addr> {
    let message = Packet::new_request([0x02, 0, 0, 0, 0, client], 7, 0, None, false, Options::new(options));
    let configuration = ServerOptions::new(SERVER, None);
    server.handle_request(&mut Options::buf(), &configuration, &message).map(|answer| answer.yiaddr)
}
RUST
check 'edge-dhcp = { version = "=0.8.0", default-features = false }'
