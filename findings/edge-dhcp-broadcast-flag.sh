#!/usr/bin/env bash
# edge-dhcp 0.8.0: the broadcast flag is read and written in the wrong byte.
#
# The flag is the highest of the 16 bits of the field `flags` (RFC 2131 figure 2), 0x80 0x00 in a message.
# Guess:   so is Packet::broadcast.
# Instead: it is 0x00 0x80, which other implementations do not take for the flag, and theirs is not seen.
# Seen:
# | written with broadcast true: 00 80
# | read with the flag set: broadcast false
. "$(dirname "$0")/crate.sh"

program <<'RUST'
use edge_dhcp::{DhcpOption, MessageType, Options, Packet};

const FLAGS: usize = 10;

fn main() {
    let options = [DhcpOption::MessageType(MessageType::Discover)];
    let packet = Packet::new_request([0x02, 0, 0, 0, 0, 1], 7, 0, None, true, Options::new(&options));
    let mut message = packet.encode(&mut [0; 600]).expect("room").to_vec();
    println!("written with broadcast true: {:02x} {:02x}", message[FLAGS], message[FLAGS + 1]);

    message[FLAGS..FLAGS + 2].copy_from_slice(&[0x80, 0x00]);
    println!("read with the flag set: broadcast {}", Packet::decode(&message).expect("DHCP").broadcast);
}
RUST
check 'edge-dhcp = { version = "=0.8.0", default-features = false }'
