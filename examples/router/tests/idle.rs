//! A router without traffic.

mod world;

use core::future::{Future, poll_fn};
use core::pin::pin;

use embassy_futures::block_on;
use embassy_time::{Duration, with_timeout};
use nat_router::{Config, Memory, NoLed};
use world::ROUTER_MACS;
use world::wire::device;

#[test]
fn the_services_sleep_while_there_is_nothing_to_do() {
    let memory = Box::leak(Box::new(Memory::<64, 128, 16>::new()));
    let [(_lan, lan), (_wan, wan)] = ROUTER_MACS.map(device);
    let router = nat_router::new(memory, Config::default(), [7; 32], lan, wan).expect("a sound configuration");
    let mut services = pin!(router.services.run(NoLed));
    let mut polls = 0;
    let counted = poll_fn(|cx| {
        polls += 1;
        services.as_mut().poll(cx)
    });
    block_on(with_timeout(Duration::from_secs(1), counted)).expect_err("the services never end");
    // Ten ticks of 100 ms for each of two timers, and a few for the stacks.
    assert!((10..60).contains(&polls), "{polls} polls in a second");
}
