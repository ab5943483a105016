//! The two tasks: signs of life, the LED, and a host that routes through them.

use core::cell::Cell;
use core::net::Ipv4Addr;
use core::pin::pin;

use crate::world::isp::{ECHO_PORT, GATEWAY};
use crate::world::wire::{device, join_ends};
use crate::world::*;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{Config as StackConfig, DhcpConfig, StackResources, StaticConfigV4};
use embassy_net_driver::LinkState;
use embassy_time::{Duration, Instant, Timer};
use nat_router::{Config, HEARTBEAT_INTERVAL, Memory, Pattern};

#[test]
fn heartbeats_come_without_traffic() {
    let memory = Box::leak(Box::new(Memory::<8, 8, 8>::new()));
    let [(_lan, lan), (_wan, wan)] = ROUTER_MACS.map(device);
    let router = nat_router::new(memory, Config::default(), [7; 32], lan, wan)
        .expect("a sound configuration");
    let signs = Cell::new(0_u32);
    let mut forwarding = pin!(router.runner.run(|| signs.set(signs.get() + 1)));
    let (woken, start) = (Woken::new(), Instant::now());
    for second in 1..=3 {
        let polls = execute(&mut forwarding, &woken, start + Duration::from_secs(second));
        let signs = signs.take();
        assert!(
            (1..20).contains(&signs) && signs == polls,
            "second {second}: {signs} signs, {polls} polls"
        );
    }
}

#[test]
fn heartbeats_come_from_forwarding_alone() {
    run_tasks(Tasks::ServicesOnly, Config::default(), async |world| {
        Timer::after(HEARTBEAT_INTERVAL * 2).await;
        assert_eq!(world.life.get(), 0);
        assert!(!world.led.levels().is_empty(), "the services run");
    });
}

/// The levels of the LED for a while, each rounded to a tick of 100 ms, without those at both ends
/// that were cut off.
async fn led(world: &World, millis: u64) -> Vec<(bool, u64)> {
    world.led.forget();
    Timer::after_millis(millis).await;
    let levels = world.led.levels();
    levels
        .iter()
        .skip(1)
        .map(|(level, millis)| (*level, (millis + 50) / 100))
        .collect()
}

#[test]
fn the_led_distinguishes_no_link_no_lease_and_routing() {
    run(Config::default(), async |world| {
        world.isp.wire.set_link(LinkState::Down);
        Timer::after_millis(250).await;
        let fast = led(world, 800).await;
        assert!(
            fast.len() >= 3 && fast.iter().all(|(_, ticks)| *ticks <= 3),
            "{fast:?}"
        );
        world.isp.wire.set_link(LinkState::Up);
        Timer::after_millis(250).await;
        let slow = led(world, 2600).await;
        assert!(
            slow.len() >= 2 && slow.iter().all(|(_, ticks)| (4..=8).contains(ticks)),
            "{slow:?}"
        );
    });
}

#[test]
fn the_led_blinks_off_briefly_while_the_router_routes() {
    run(Config::default(), async |world| {
        world.lease(world.isp.lease(77, &[])).await;
        Timer::after_millis(250).await;
        let levels = led(world, 4600).await;
        let winks = levels.iter().filter(|(level, _)| !level).count();
        assert!(
            winks >= 1
                && levels.iter().all(|(level, ticks)| if *level {
                    *ticks >= 15
                } else {
                    *ticks <= 4
                }),
            "{levels:?}"
        );
    });
}

#[test]
fn the_patterns_are_as_documented() {
    let lit = |pattern: Pattern, millis: u64| (0..millis).filter(|at| pattern.is_lit(*at)).count();
    assert_eq!(
        [
            lit(Pattern::NoLink, 1000),
            lit(Pattern::NoLease, 1000),
            lit(Pattern::Routing, 2000)
        ],
        [500, 500, 1900]
    );
    let changes = |pattern: Pattern, millis: u64| {
        (1..millis)
            .filter(|at| pattern.is_lit(*at) != pattern.is_lit(at - 1))
            .count()
    };
    assert_eq!(
        [
            changes(Pattern::NoLink, 1000),
            changes(Pattern::NoLease, 1000),
            changes(Pattern::Routing, 4000)
        ],
        [9, 1, 3]
    );
    assert_eq!(
        [(false, true), (true, false), (true, true)].map(|(link, up)| Pattern::of(link, up)),
        [Pattern::NoLink, Pattern::NoLease, Pattern::Routing]
    );
}

#[test]
fn a_host_that_is_plugged_in_gets_an_address_and_reaches_a_server_outside() {
    run(Config::default(), async |world| {
        let external = world.isp.lease(77, &[[9, 9, 9, 9]]);
        world.lease(external).await;
        let (end, nic) = device([0x02, 0, 0, 0, 0, 0x0a]);
        let resources = Box::leak(Box::new(StackResources::<4>::new()));
        let (host, mut runner) = embassy_net::new(
            nic,
            StackConfig::dhcpv4(DhcpConfig::default()),
            resources,
            42,
        );
        let test = async {
            host.wait_config_up().await;
            let StaticConfigV4 {
                address,
                gateway,
                dns_servers,
            } = host.config_v4().unwrap();
            assert!(
                cidr(ROUTER, 24).contains(address.address()) && address.prefix_len() == 24,
                "{address}"
            );
            assert_eq!(
                (gateway, &dns_servers[..]),
                (Some(ROUTER), &[Ipv4Addr::new(9, 9, 9, 9)][..])
            );
            ask_echo(host).await;
            assert_eq!(world.isp.asked_by.get().map(|from| from.0), Some(external));
        };
        let everything = both(runner.run(), join_ends(&end, &world.lan));
        embassy_futures::select::select(everything, test).await;
    });
}

async fn ask_echo(host: embassy_net::Stack<'_>) {
    let (mut meta, mut bytes) = ([[PacketMetadata::EMPTY; 2]; 2], [[0; 512]; 2]);
    let ([rx_meta, tx_meta], [rx, tx]) = (&mut meta, &mut bytes);
    let mut socket = UdpSocket::new(host, rx_meta, rx, tx_meta, tx);
    socket.bind(5000).unwrap();
    socket
        .send_to(b"who am I?", (GATEWAY, ECHO_PORT))
        .await
        .unwrap();
    let mut answer = [0; 64];
    let (len, from) = socket.recv_from(&mut answer).await.unwrap();
    assert_eq!(
        (&answer[..len], from.endpoint),
        (&b"who am I?"[..], (GATEWAY, ECHO_PORT).into())
    );
}

/// RFC 2131 section 4.1: a client waits 4 s at first until it tries again.
#[test]
fn a_provider_that_refuses_is_asked_once_more_and_then_every_few_seconds() {
    run(Config::default(), async |world| {
        world.isp.refuses.set(true);
        let address = world.isp.lease(77, &[]);
        Timer::after_secs(3).await;
        assert_eq!(world.isp.discovers.get(), 2);
        world.isp.refuses.set(false);
        world.lease(address).await;
        assert_eq!(world.isp.discovers.get(), 3);
    });
}
