#!/usr/bin/env bash
# edge-dhcp 0.8.0: a message with pad options is refused.
#
# A pad (0) is a single byte without a length, and may stand between options to align them (RFC 2132 section 3.1).
# Guess:   pads are skipped.
# Instead: the byte behind a pad is taken for its length.
# Seen:
# | without a pad: Ok
# | with a pad before the message type: Err(DataUnderflow)
. "$(dirname "$0")/crate.sh"

program <<'RUST'
use edge_dhcp::Packet;

const DISCOVER: [u8; 3] = [53, 1, 1];
const PAD: u8 = 0;
const END: u8 = 255;

fn main() {
    println!("without a pad: {}", read(&[&DISCOVER[..], &[END]].concat()));
    println!("with a pad before the message type: {}", read(&[&[PAD], &DISCOVER[..], &[END]].concat()));
}

fn read(options: &[u8]) -> String {
    let mut message = vec![0; 240];
    message[..4].copy_from_slice(&[1, 1, 6, 0]);
    message[28..34].copy_from_slice(&[0x02, 0, 0, 0, 0, 1]);
    message[236..].copy_from_slice(&[99, 130, 83, 99]);
    message.extend(options);
    Packet::decode(&message).map_or_else(|error| format!("Err({error:?})"), |_| "Ok".to_string())
}
RUST
check 'edge-dhcp = { version = "=0.8.0", default-features = false }'
