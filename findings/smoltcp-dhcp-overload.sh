#!/usr/bin/env bash
# smoltcp 0.13.1 and 0.14.0: the DHCP client does not read options in the field `file`.
#
# Option 52 says that the fields `file` or `sname` hold more options (RFC 2131 section 4.1, RFC 2132 section 9.3).
# Guess:   a router in that field is the router of the lease.
# Instead: the lease has no router.
# Seen:
# | router in the options field: 198.51.100.9/24, router 198.51.100.1
# | router in the field file: 198.51.100.9/24, no router
. "$(dirname "$0")/crate.sh"

program wire dhcp <<'RUST'
mod dhcp;
mod wire;

use dhcp::{Client, LEASE_OF_AN_HOUR, ROUTER, SUBNET_MASK};

const FILE_HOLDS_OPTIONS: [u8; 3] = [52, 1, 1];
const END: [u8; 1] = [255];

fn main() {
    show("router in the options field", &ROUTER, &[]);
    show("router in the field file", &FILE_HOLDS_OPTIONS, &[&ROUTER[..], &END].concat());
}

fn show(name: &str, option: &[u8], file: &[u8]) {
    let mut client = Client::new();
    client.obtain(&[&SUBNET_MASK, option, &LEASE_OF_AN_HOUR].concat(), file);
    println!("{name}: {}", client.describe_lease());
}
RUST
for version in 0.13.1 0.14.0; do
    features='"std", "medium-ethernet", "proto-ipv4", "socket-dhcpv4"'
    check "smoltcp = { version = \"=$version\", default-features = false, features = [$features] }"
done
