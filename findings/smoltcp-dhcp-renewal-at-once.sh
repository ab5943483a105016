#!/usr/bin/env bash
# smoltcp 0.13.1 and 0.14.0: with a renewal time (T1) of 0 the DHCP client renews its lease at every poll.
#
# Option 58 is a number of seconds without a least value (RFC 2132 section 9.11).
# Guess:   a least time passes between two renewals, as RetryConfig::min_renew_timeout (60 s) suggests.
# Instead: that time is for renewals without an answer. Each ACK with T1 = 0 is followed by the next REQUEST at once.
# Seen:
# | T1 left to the client: 0 renewals in 100 polls without time passing
# | T1 of 0 s: 100 renewals in 100 polls without time passing
. "$(dirname "$0")/crate.sh"

program wire dhcp <<'RUST'
mod dhcp;
mod wire;

use dhcp::{Client, LEASE_OF_AN_HOUR, ROUTER, SUBNET_MASK};
use smoltcp::wire::DhcpMessageType;

const T1_OF_ZERO: [u8; 6] = [58, 4, 0, 0, 0, 0];

fn main() {
    show("T1 left to the client", &[]);
    show("T1 of 0 s", &T1_OF_ZERO);
}

fn show(name: &str, t1: &[u8]) {
    let options = [&SUBNET_MASK, &ROUTER, &LEASE_OF_AN_HOUR, t1].concat();
    let mut client = Client::new();
    client.obtain(&options, &[]);
    // The client asks for the hardware address of the server, and holds back its messages to it for a second.
    client.poll();
    client.wait(5);
    client.poll().iter().for_each(|message| client.answer(message, DhcpMessageType::Ack, &options, &[]));
    let mut renewals = 0;
    for _ in 0..100 {
        for message in client.poll() {
            renewals += 1;
            client.answer(&message, DhcpMessageType::Ack, &options, &[]);
        }
    }
    println!("{name}: {renewals} renewals in 100 polls without time passing");
}
RUST
for version in 0.13.1 0.14.0; do
    features='"std", "medium-ethernet", "proto-ipv4", "socket-dhcpv4"'
    check "smoltcp = { version = \"=$version\", default-features = false, features = [$features] }"
done
