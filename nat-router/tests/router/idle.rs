//! A router without traffic.

use core::pin::pin;

use crate::world::wire::device;
use crate::world::{ROUTER_MACS, Woken, execute};
use embassy_time::{Duration, Instant};
use nat_router::{Config, DnsForwarder, Memory, NoLed};

#[test]
fn the_services_sleep_while_there_is_nothing_to_do() {
    let memory = Box::leak(Box::new(Memory::<64, 128, 16>::new()));
    let [(_lan, lan), (_wan, wan)] = ROUTER_MACS.map(device);
    let mut config = Config::default();
    config.dns_forwarder = Some(DnsForwarder::default());
    let router = nat_router::new(memory, config, [7; 32], lan, wan).expect("a sound configuration");
    let mut services = pin!(router.services.run(NoLed));
    let polls = execute(
        &mut services,
        &Woken::new(),
        Instant::now() + Duration::from_secs(1),
    );
    // Ten ticks of 100 ms of the timer that looks at the outside, and a few for the stacks.
    assert!((10..60).contains(&polls), "{polls} polls in a second");
}
