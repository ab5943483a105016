#!/usr/bin/env bash
# smoltcp 0.13.1 and 0.14.0: the DHCP client takes no lease without a subnet mask.
#
# A server need not send option 1 (RFC 2131 table 3: MAY).
# Guess:   the client has a lease, with a default for the prefix length.
# Instead: it ignores the ACK, asks again, and goes back to discovery after five requests.
# Seen:
# | with a mask: 198.51.100.9/24, router 198.51.100.1
# | without a mask, after 40 s: no lease
. "$(dirname "$0")/crate.sh"

program wire dhcp <<'RUST'
mod dhcp;
mod wire;

use dhcp::{Client, LEASE_OF_AN_HOUR, ROUTER, SUBNET_MASK};

fn main() {
    for (name, mask) in [("with a mask", &SUBNET_MASK[..]), ("without a mask, after 40 s", &[])] {
        let mut client = Client::new();
        client.obtain(&[mask, &ROUTER, &LEASE_OF_AN_HOUR].concat(), &[]);
        println!("{name}: {}", client.describe_lease());
    }
}
RUST
for version in 0.13.1 0.14.0; do
    features='"std", "medium-ethernet", "proto-ipv4", "socket-dhcpv4"'
    check "smoltcp = { version = \"=$version\", default-features = false, features = [$features] }"
done
