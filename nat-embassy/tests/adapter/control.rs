//! What the application changes while the router runs.

use core::net::Ipv4Addr;
use core::pin::pin;
use core::task::{Context, Waker};
use std::sync::mpsc::{Sender, channel};

use crate::world::frames::{Udp, arp_request, check_frame, icmp_kind};
use crate::world::*;
use embassy_net_driver::LinkState;
use nat_core::{Event, EventHook, PortForward, Protocol, Side};
use nat_embassy::{FrameDrop, Outside};

const NEW_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 200);
const NEW_GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 254);
const NEW: Outside = Outside {
    address: cidr(NEW_ADDRESS),
    gateway: Some(NEW_GATEWAY),
};

#[test]
fn the_addresses_are_announced_when_the_link_comes_up() {
    let mut w = World::new();
    w.wan.set_link(LinkState::Down);
    w.lan.set_link(LinkState::Down);
    w.run();
    w.wan.set_link(LinkState::Up);
    w.lan.set_link(LinkState::Up);
    w.run();
    assert_eq!(w.wan.take_sent(), [arp_request(ROUTER_WAN, ROUTER_WAN.1)]);
    assert_eq!(w.lan.take_sent(), [arp_request(ROUTER_LAN, ROUTER_LAN.1)]);
}

#[test]
fn a_new_address_is_announced_and_used() {
    let mut w = World::acquainted();
    w.open_session();
    w.control.set_outside(Some(NEW));
    assert!(w.is_woken());
    w.run();
    assert_eq!(
        w.wan.take_sent(),
        [arp_request((ROUTER_WAN.0, NEW_ADDRESS), NEW_ADDRESS)]
    );
    assert_eq!(
        w.control.with_nat(|nat| nat.external_addresses().to_vec()),
        [NEW_ADDRESS]
    );

    // The old gateway is not even on the mind; the new one is asked for, from the new address.
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(
        w.wan.take_sent(),
        [arp_request((ROUTER_WAN.0, NEW_ADDRESS), NEW_GATEWAY)]
    );
    w.wan.arrive(arp_request(GATEWAY, ROUTER_WAN.1));
    w.run();
    assert_eq!(w.wan.take_sent().len(), 0, "no answer for the old address");
}

#[test]
fn packets_that_wait_are_flushed_when_the_address_or_the_link_changes() {
    let mut w = World::new();
    w.lan.arrive(from_host(&outbound()));
    w.run();
    w.control.set_outside(Some(NEW));
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::Flushed), 1);
    w.lan.arrive(from_host(&outbound()));
    w.run();
    w.wan.set_link(LinkState::Down);
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::Flushed), 2);
    w.wan.take_sent();
    w.wan.set_link(LinkState::Up);
    w.run();
    w.advance(10_000);
    assert_eq!(
        asked(&w.wan.take_sent()),
        [NEW_ADDRESS],
        "nothing but the announcement"
    );
}

#[test]
fn the_same_configuration_again_changes_nothing() {
    let mut w = World::acquainted();
    w.open_session();
    w.control.set_outside(Some(OUTSIDE));
    w.run();
    assert_eq!(w.wan.take_sent().len(), 0);
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(check_frame(&w.wan.take_sent()[0]).0.destination, GATEWAY.0);
}

#[test]
fn another_gateway_keeps_the_sessions() {
    let mut w = World::acquainted();
    let external = w.open_session();
    w.control.set_outside(Some(Outside {
        gateway: Some(NEW_GATEWAY),
        ..OUTSIDE
    }));
    w.run();
    w.wan.take_sent();
    w.wan.arrive(from_gateway(&inbound(external)));
    w.run();
    assert_eq!(check_all(&w.lan.take_sent()).len(), 1);
}

#[test]
fn without_an_outside_address_nothing_is_answered_there_and_hosts_get_errors() {
    let mut w = World::acquainted();
    w.control.set_outside(None);
    w.run();
    w.wan.arrive(arp_request(GATEWAY, ROUTER_WAN.1));
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(w.wan.take_sent().len(), 0);
    let sent = w.lan.take_sent();
    assert_eq!(icmp_kind(&sent[0]), (3, 0), "net unreachable");
}

#[test]
fn further_addresses_stay_beside_every_primary_one() {
    let further = Ipv4Addr::new(198, 51, 100, 78);
    let mut config = config();
    config.outside = None;
    config.nat.external_addresses.extend([further, NEW_ADDRESS]);
    let w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let addresses = || w.control.with_nat(|nat| nat.external_addresses().to_vec());
    assert!(addresses().is_empty());
    w.control.set_outside(Some(OUTSIDE));
    assert_eq!(addresses(), [ROUTER_WAN.1, further, NEW_ADDRESS]);
    w.control.set_outside(Some(NEW));
    assert_eq!(addresses(), [NEW_ADDRESS, further]);
    w.control.set_outside(None);
    assert!(addresses().is_empty());
}

#[test]
fn too_many_addresses_are_refused_when_the_router_is_built() {
    let mut config = config();
    config
        .nat
        .external_addresses
        .extend((1..=8).map(|last| Ipv4Addr::new(198, 51, 100, 200 + last)));
    let state = Box::leak(Box::new(nat_embassy::State::<4, 8, 2>::new()));
    let built = nat_embassy::new(
        state,
        config,
        SEED,
        ethernet_nic(ROUTER_LAN),
        ethernet_nic(ROUTER_WAN),
    );
    assert_eq!(
        built.err().expect("nine addresses").field,
        "external_addresses"
    );
}

#[test]
fn a_lease_that_cannot_work_counts_as_none() {
    let w = World::new();
    w.control.set_outside(Some(Outside {
        address: cidr(Ipv4Addr::LOCALHOST),
        gateway: None,
    }));
    assert_eq!(w.control.with_nat(|nat| nat.external_addresses().len()), 0);
}

#[test]
fn a_port_forward_lets_the_outside_in() {
    let mut w = World::acquainted();
    let forward = PortForward::new(
        Protocol::Udp,
        8080,
        core::net::SocketAddrV4::new(HOST.1, 80),
    );
    w.control
        .with_nat(|nat| nat.add_port_forward(forward))
        .unwrap();
    w.wan.arrive(from_gateway(&inbound(8080)));
    w.run();
    assert_eq!(check_all(&w.lan.take_sent())[0].ports, Some((53, 80)));
}

#[test]
fn counters_tell_the_sides_apart() {
    let mut w = World::acquainted();
    w.wan.arrive(vec![0; 13]);
    w.run();
    let stats = w.control.stats();
    let runts = [Side::Inside, Side::Outside].map(|side| stats.side(side).dropped(FrameDrop::Runt));
    assert_eq!(runts, [0, 1]);
}

#[test]
fn the_router_follows_the_configuration_of_its_outside_stack() {
    let mut w = World::with(
        {
            let mut config = config();
            config.outside = None;
            config
        },
        ethernet_nic(ROUTER_LAN),
        ethernet_nic(ROUTER_WAN),
    );
    // The world stays whole: it gets the device of another router.
    let wan_stack = core::mem::replace(&mut w.wan_stack, World::new().wan_stack);
    let resources = Box::leak(Box::new(embassy_net::StackResources::<2>::new()));
    let (stack, _runner) =
        embassy_net::new(wan_stack, embassy_net::Config::default(), resources, 1);
    let control = w.control;
    let addresses = || control.with_nat(|nat| nat.external_addresses().to_vec());
    let mut follow = pin!(control.follow(stack));
    let mut look = || {
        // A look every 100 ms.
        std::thread::sleep(core::time::Duration::from_millis(120));
        assert!(
            follow
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    };
    look();
    assert!(addresses().is_empty());
    let fixed = |address: Ipv4Addr| {
        embassy_net::ConfigV4::Static(embassy_net::StaticConfigV4 {
            address: embassy_net::Ipv4Cidr::new(address, 24),
            gateway: Some(GATEWAY.1),
            dns_servers: Default::default(),
        })
    };
    for address in [ROUTER_WAN.1, NEW_ADDRESS] {
        stack.set_config_v4(fixed(address));
        look();
        assert_eq!(addresses(), [address]);
    }
    // A short interruption: the NAT keeps the address for its sessions, and the router says nothing
    // under it.
    stack.set_config_v4(embassy_net::ConfigV4::None);
    look();
    assert_eq!((addresses(), control.outside()), (vec![NEW_ADDRESS], None));
    w.run();
    w.wan.take_sent();
    w.wan.arrive(arp_request(GATEWAY, NEW_ADDRESS));
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(w.wan.take_sent(), Vec::<Vec<u8>>::new());
    assert_eq!(
        w.control
            .stats()
            .side(Side::Outside)
            .dropped(FrameDrop::NoRoute),
        1
    );
    stack.set_config_v4(fixed(NEW_ADDRESS));
    look();
    w.run();
    w.wan.arrive(arp_request(GATEWAY, NEW_ADDRESS));
    w.run();
    assert!(!w.wan.take_sent().is_empty());
    control.set_outside(None);
    assert!(addresses().is_empty());
}

#[test]
fn the_clock_of_the_platform_drives_the_router() {
    let state = Box::leak(Box::new(nat_embassy::State::<4, 8, 2>::new()));
    let (lan, wan) = (ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let (_control, _lan, _wan, runner) =
        nat_embassy::new(state, config(), SEED, lan.clone(), wan.clone()).unwrap();
    lan.arrive(from_host(&Udp {
        payload: vec![],
        ..outbound()
    }));
    let run = runner.run(|| {});
    let three_questions = async {
        while asked(&wan.script(|script| script.sent.clone()))
            .iter()
            .filter(|address| **address == GATEWAY.1)
            .count()
            < 2
        {
            embassy_futures::yield_now().await;
        }
    };
    let start = std::time::Instant::now();
    let timeout = embassy_time::with_timeout(embassy_time::Duration::from_secs(5), three_questions);
    match embassy_futures::block_on(embassy_futures::select::select(run, timeout)) {
        embassy_futures::select::Either::First(never) => never,
        embassy_futures::select::Either::Second(asked) => asked.expect("a second question"),
    }
    assert!(start.elapsed() >= core::time::Duration::from_millis(990));
}

struct Hook(Sender<Event>);

impl EventHook for Hook {
    fn on_event(&mut self, event: &Event) {
        self.0.send(*event).expect("the test listens");
    }
}

/// RFC 6888 REQ-12: the application hears of mappings, those too that end because the outside
/// address has changed.
#[test]
fn the_application_hears_of_mappings() {
    let mut w = World::acquainted();
    let (hook, events) = channel();
    w.control.set_event_hook(Box::leak(Box::new(Hook(hook))));
    w.open_session();
    w.control.set_outside(Some(NEW));
    let reported: Vec<Event> = events.try_iter().collect();
    let [
        Event::MappingCreated(created),
        Event::MappingDeleted(deleted),
    ] = reported[..]
    else {
        panic!("{reported:?}")
    };
    assert_eq!(
        (created.inside, created.external),
        (deleted.inside, deleted.external)
    );
    assert_eq!(
        (*created.inside.ip(), *deleted.external.ip()),
        (HOST.1, ROUTER_WAN.1)
    );
}

/// An address that the application adds is the NAT's until the application takes it away, whatever
/// the outside does.
#[test]
fn addresses_added_at_run_time_outlast_changes_of_the_outside() {
    let [configured, added, drained] = [78, 79, 80].map(|last| Ipv4Addr::new(198, 51, 100, last));
    let mut config = config();
    config.nat.external_addresses.push(configured).unwrap();
    let w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let addresses = || w.control.with_nat(|nat| nat.external_addresses().to_vec());
    let now = w.control.now();
    w.control
        .with_nat(|nat| {
            nat.set_external_addresses(&[ROUTER_WAN.1, configured, added, drained], now)
        })
        .unwrap();
    w.control.set_outside(Some(Outside {
        gateway: Some(NEW_GATEWAY),
        ..OUTSIDE
    }));
    assert_eq!(addresses(), [ROUTER_WAN.1, configured, added, drained]);
    assert!(w.control.with_nat(|nat| nat.drain_external_address(
        drained,
        core::time::Duration::from_secs(1),
        now
    )));
    w.control.set_outside(Some(NEW));
    assert_eq!(addresses(), [NEW_ADDRESS, configured, added]);
    w.control.set_outside(None);
    assert_eq!(addresses(), Vec::<Ipv4Addr>::new());
    w.control.set_outside(Some(OUTSIDE));
    assert_eq!(addresses(), [ROUTER_WAN.1, configured, added]);
    w.control
        .with_nat(|nat| nat.set_external_addresses(&[ROUTER_WAN.1, added], now))
        .unwrap();
    w.control.set_outside(Some(NEW));
    assert_eq!(addresses(), [NEW_ADDRESS, added]);
}

/// The primary address is the outside's, and does not stay when the outside has another.
#[test]
fn a_primary_address_that_was_taken_away_and_back_goes_with_the_outside() {
    let w = World::new();
    let (now, further) = (w.control.now(), Ipv4Addr::new(198, 51, 100, 78));
    for list in [&[further][..], &[further, ROUTER_WAN.1]] {
        w.control
            .with_nat(|nat| nat.set_external_addresses(list, now))
            .unwrap();
    }
    w.control.set_outside(Some(NEW));
    assert_eq!(
        w.control.with_nat(|nat| nat.external_addresses().to_vec()),
        [NEW_ADDRESS, further]
    );
}

/// Without an outside, the addresses of the application are left alone by the stack that is
/// followed.
#[test]
fn following_wakes_the_router_only_when_something_has_changed() {
    let mut config = config();
    config.outside = None;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let wan_stack = core::mem::replace(&mut w.wan_stack, World::new().wan_stack);
    let resources = Box::leak(Box::new(embassy_net::StackResources::<2>::new()));
    let (stack, _runner) =
        embassy_net::new(wan_stack, embassy_net::Config::default(), resources, 1);
    let (control, now) = (w.control, w.control.now());
    let mut follow = pin!(control.follow(stack));
    // Whether the first of four looks woke the router, and whether any other did.
    let mut looks = |w: &mut World| {
        let woken = [0; 4].map(|_| {
            w.run();
            std::thread::sleep(core::time::Duration::from_millis(120));
            assert!(
                follow
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
            w.is_woken()
        });
        (woken[0], woken[1..].contains(&true))
    };
    assert_eq!(looks(&mut w), (false, false), "no configuration at all");
    let added = Ipv4Addr::new(198, 51, 100, 78);
    control
        .with_nat(|nat| nat.set_external_addresses(&[added], now))
        .unwrap();
    assert_eq!(
        looks(&mut w),
        (false, false),
        "an address of the application's"
    );
    assert_eq!(
        control.with_nat(|nat| nat.external_addresses().to_vec()),
        [added]
    );
    // One that works, and one that the NAT refuses.
    for (address, works) in [(ROUTER_WAN.1, true), (Ipv4Addr::LOCALHOST, false)] {
        stack.set_config_v4(embassy_net::ConfigV4::Static(embassy_net::StaticConfigV4 {
            address: embassy_net::Ipv4Cidr::new(address, 24),
            gateway: None,
            dns_servers: Default::default(),
        }));
        assert_eq!(looks(&mut w), (true, false), "{address}");
        assert_eq!(control.outside().is_some(), works, "{address}");
    }
    stack.set_config_v4(embassy_net::ConfigV4::None);
    assert_eq!(looks(&mut w), (false, false), "it was not in force");
}

#[test]
fn a_driver_without_room_for_a_datagram_is_named() {
    use embassy_net_driver::HardwareAddress;
    let nics =
        [0, 14, 81].map(|frame| nic::Nic::new(HardwareAddress::Ethernet(ROUTER_LAN.0), frame));
    for small in nics
        .into_iter()
        .chain([nic::Nic::new(HardwareAddress::Ip, 67)])
    {
        for (name, lan, wan) in [
            ("lan", small.clone(), ethernet_nic(ROUTER_WAN)),
            ("wan", ethernet_nic(ROUTER_LAN), small.clone()),
        ] {
            let state = Box::leak(Box::new(nat_embassy::State::<4, 8, 2>::new()));
            let error = nat_embassy::new(state, config(), SEED, lan, wan)
                .err()
                .expect("no room");
            assert_eq!(error.field, name);
            assert!(error.problem.contains("driver"), "{error}");
        }
    }
    // What the user did set is still called by its name.
    let mut config = config();
    config.nat.inside_mtu = 67;
    let state = Box::leak(Box::new(nat_embassy::State::<4, 8, 2>::new()));
    let error = nat_embassy::new(
        state,
        config,
        SEED,
        ethernet_nic(ROUTER_LAN),
        ethernet_nic(ROUTER_WAN),
    )
    .err();
    assert_eq!(error.expect("too small").field, "inside_mtu");
}

#[derive(Default)]
struct Woken(core::sync::atomic::AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, core::sync::atomic::Ordering::Relaxed);
    }
}

/// It wakes when the stack gets a frame, as with a lease, or its link changes, and at no other time
/// worth a word.
#[test]
fn following_an_idle_stack_wakes_no_task() {
    let mut config = config();
    config.outside = None;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let wan_stack = core::mem::replace(&mut w.wan_stack, World::new().wan_stack);
    let resources = Box::leak(Box::new(embassy_net::StackResources::<2>::new()));
    let (stack, mut runner) =
        embassy_net::new(wan_stack, embassy_net::Config::default(), resources, 1);
    let woken = std::sync::Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let is_woken = || woken.0.swap(false, core::sync::atomic::Ordering::Relaxed);
    let control = w.control;
    let mut follow = pin!(control.follow(stack));
    assert!(
        follow
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    std::thread::sleep(core::time::Duration::from_millis(400));
    assert!(!is_woken(), "nothing has happened");

    let mut run = pin!(runner.run());
    let mut run_stack = || {
        assert!(
            run.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    };
    run_stack();
    assert!(is_woken(), "the stack has seen its link");
    assert!(
        follow
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    run_stack();
    assert!(!is_woken(), "a stack without work keeps no task awake");

    stack.set_config_v4(embassy_net::ConfigV4::Static(embassy_net::StaticConfigV4 {
        address: embassy_net::Ipv4Cidr::new(ROUTER_WAN.1, 24),
        gateway: Some(GATEWAY.1),
        dns_servers: Default::default(),
    }));
    w.wan.arrive(gateway_answers());
    w.run();
    run_stack();
    assert!(is_woken(), "the stack has got a frame");
    assert!(
        follow
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(control.outside(), Some(OUTSIDE));
    std::thread::sleep(core::time::Duration::from_millis(400));
    assert!(!is_woken(), "nothing has happened since");
}
