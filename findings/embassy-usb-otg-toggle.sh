#!/usr/bin/env bash
# embassy-usb-synopsys-otg 0.3.3: an endpoint that the host selects again does not begin with DATA0.
#
# Guess:   after SET_INTERFACE, SET_CONFIGURATION and the end of a halt, the first packet of an endpoint is DATA0 (USB 2.0,
#          sections 9.1.1.5 and 9.4.5). The controller's bit for that is SD0PID, bit 28 of DIEPCTL and DOEPCTL.
# Instead: it is set at a reset of the bus only, so every other packet is lost after such a request. The registers are
#          memory here; it keeps the bits that were written.
# Seen:
# | IN endpoint, selected: SD0PID 0
# | IN endpoint, halt ended: SD0PID 0
# | OUT endpoint, selected: SD0PID 0
# | OUT endpoint, halt ended: SD0PID 0
. "$(dirname "$0")/crate.sh"

program otg <<'RUST'
mod otg;

use embassy_usb_driver::{Bus, Driver as _, Endpoint, EndpointType};
use otg::{DIEPCTL1, DOEPCTL1, Registers};

const SD0PID: u32 = 1 << 28;

fn main() {
    let registers = Registers::new();
    let mut driver = registers.driver();
    let to_host = driver.alloc_endpoint_in(EndpointType::Bulk, None, 64, 0).unwrap();
    let from_host = driver.alloc_endpoint_out(EndpointType::Bulk, None, 64, 0).unwrap();
    let (mut bus, _control) = driver.start(64);
    for (name, address, control) in [
        ("IN", to_host.info().addr, DIEPCTL1),
        ("OUT", from_host.info().addr, DOEPCTL1),
    ] {
        let bit = || u32::from(registers.get(control) & SD0PID != 0);
        bus.endpoint_set_enabled(address, false);
        bus.endpoint_set_enabled(address, true);
        println!("{name} endpoint, selected: SD0PID {}", bit());
        bus.endpoint_set_stalled(address, true);
        bus.endpoint_set_stalled(address, false);
        println!("{name} endpoint, halt ended: SD0PID {}", bit());
    }
}
RUST
check 'embassy-usb-synopsys-otg = "=0.3.3"' 'embassy-usb-driver = "=0.2.2"' \
    'critical-section = { version = "=1.2.0", features = ["std"] }'
