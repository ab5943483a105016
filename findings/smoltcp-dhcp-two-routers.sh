#!/usr/bin/env bash
# smoltcp 0.13.1 and 0.14.0: a DHCP lease with two routers has none.
#
# Option 3 is a list of routers in order of preference (RFC 2132 section 3.5).
# Guess:   the client takes the first.
# Instead: the option counts only if it is 4 bytes long; a list of two is left out, and the lease has no router.
# Seen:
# | one router: 198.51.100.9/24, router 198.51.100.1
# | two routers: 198.51.100.9/24, no router
. "$(dirname "$0")/crate.sh"

program wire dhcp <<'RUST'
mod dhcp;
mod wire;

use dhcp::{Client, LEASE_OF_AN_HOUR, ROUTER, SUBNET_MASK, TWO_ROUTERS};

fn main() {
    for (name, routers) in [("one router", &ROUTER[..]), ("two routers", &TWO_ROUTERS[..])] {
        let mut client = Client::new();
        client.obtain(&[&SUBNET_MASK[..], routers, &LEASE_OF_AN_HOUR].concat(), &[]);
        println!("{name}: {}", client.describe_lease());
    }
}
RUST
for version in 0.13.1 0.14.0; do
    features='"std", "medium-ethernet", "proto-ipv4", "socket-dhcpv4"'
    check "smoltcp = { version = \"=$version\", default-features = false, features = [$features] }"
done
