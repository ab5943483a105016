#!/usr/bin/env bash
# embassy-usb-synopsys-otg 0.3.3: a packet that nobody has read outlives the end of its endpoint and of its transfer.
#
# Guess:   an endpoint that is selected again begins with the next packet of the host. A control transfer fails by itself.
# Instead: the driver keeps a packet until somebody reads it. An endpoint that was closed and opened begins with one of
#          before, and the next one is lost. A control endpoint that has got data where it expects an empty packet never
#          gives it back: after that every transfer with a status from the host fails, also after a reset of the bus.
# Seen:
# | read before closing: waits
# | read after a packet, closed and opened: [7, 7, 7, 7]
# | status of a transfer, after data in its place: Err(BufferOverflow)
# | status of the next transfer: Err(BufferOverflow)
# | status after a reset of the bus: Err(BufferOverflow)
. "$(dirname "$0")/crate.sh"

program otg <<'RUST'
mod otg;

use embassy_usb_driver::{Bus, ControlPipe, Driver as _, Endpoint, EndpointOut, EndpointType};
use otg::{Registers, settle};

fn main() {
    let registers = Registers::new();
    let mut driver = registers.driver();
    let mut from_host = driver.alloc_endpoint_out(EndpointType::Bulk, None, 64, 0).unwrap();
    let (mut bus, mut control) = driver.start(64);
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

    registers.receive(0, 8);
    let mut status = || settle(control.data_in(&[], true, true)).unwrap();
    println!("status of a transfer, after data in its place: {:?}", status());
    println!("status of the next transfer: {:?}", status());
    registers.reset_bus();
    settle(bus.poll());
    println!("status after a reset of the bus: {:?}", status());
}
RUST
check 'embassy-usb-synopsys-otg = "=0.3.3"' 'embassy-usb-driver = "=0.2.2"' \
    'critical-section = { version = "=1.2.0", features = ["std"] }'
