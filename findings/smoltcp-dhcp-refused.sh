#!/usr/bin/env bash
# smoltcp 0.13.1 and 0.14.0: the DHCP client starts over without any pause when a server refuses its request.
#
# Guess:   discovery after a NAK waits, at the latest after the first few; RetryConfig::discover_timeout is 10 s.
# Instead: that is the wait for an OFFER. With a server that refuses each request, discovery goes round as fast as the two
#          can exchange messages.
# Seen:
# | 100 requests refused: 101 DISCOVER without time passing
. "$(dirname "$0")/crate.sh"

program wire dhcp <<'RUST'
mod dhcp;
mod wire;

use dhcp::{Client, LEASE_OF_AN_HOUR, SUBNET_MASK};
use smoltcp::wire::DhcpMessageType;

fn main() {
    let mut client = Client::new();
    let (mut discovers, mut refused) = (0, 0);
    let options = [SUBNET_MASK, LEASE_OF_AN_HOUR].concat();
    for _ in 0..1000 {
        for message in client.poll() {
            match message.kind {
                DhcpMessageType::Discover => {
                    discovers += 1;
                    client.answer(&message, DhcpMessageType::Offer, &options, &[]);
                }
                _ => {
                    refused += 1;
                    client.answer(&message, DhcpMessageType::Nak, &[], &[]);
                }
            }
        }
        if refused == 100 && discovers > refused {
            break;
        }
    }
    println!("{refused} requests refused: {discovers} DISCOVER without time passing");
}
RUST
for version in 0.13.1 0.14.0; do
    features='"std", "medium-ethernet", "proto-ipv4", "socket-dhcpv4"'
    check "smoltcp = { version = \"=$version\", default-features = false, features = [$features] }"
done
