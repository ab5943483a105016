#!/usr/bin/env bash
# embassy-usb-synopsys-otg 0.3.3: a packet that nobody has read outlives the end of its endpoint.
#
# Guess:   an endpoint that is selected again begins with the next packet of the host.
# Instead: the driver keeps a packet until somebody reads it. An endpoint that was closed and opened begins with one of
#          before, and the next one is lost.
# Seen:
# | read before closing: waits
# | read after a packet, closed and opened: [7, 7, 7, 7]
. "$(dirname "$0")/crate.sh"

program otg <<'RUST'
mod otg;

use embassy_usb_driver::{Bus, Driver as _, Endpoint, EndpointOut, EndpointType};
use otg::{Registers, settle};

fn main() {
    let registers = Registers::new();
    let mut driver = registers.driver();
    let mut from_host = driver.alloc_endpoint_out(EndpointType::Bulk, None, 64, 0).unwrap();
    let (mut bus, _control) = driver.start(64);
    let address = from_host.info().addr;

    bus.endpoint_set_enabled(address, true);
    let mut packet = [0; 64];
    let waits = settle(from_host.read(&mut packet)).is_none();
    println!("read before closing: {}", if waits { "waits" } else { "is done" });
    registers.receive(1, 4);
    bus.endpoint_set_enabled(address, false);
    bus.endpoint_set_enabled(address, true);
    let read = settle(from_host.read(&mut packet)).unwrap().unwrap();
    println!("read after a packet, closed and opened: {:?}", &packet[..read]);
}
RUST
check 'embassy-usb-synopsys-otg = "=0.3.3"' 'embassy-usb-driver = "=0.2.2"' \
    'critical-section = { version = "=1.2.0", features = ["std"] }'
