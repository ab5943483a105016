//! The quarantine of freed external ports: `State` has memory for it.

use core::time::Duration;

use crate::world::*;
use nat_core::PortRange;
use nat_embassy::State;

/// A router that has three external ports for hosts, and room to keep `FREED` of them in
/// quarantine.
fn world<const FREED: usize>() -> World {
    let mut config = config();
    config.nat.ports = PortRange::new(40_000, 40_002).expect("ports");
    config.nat.limits.reserved_per_host = Some(0);
    let state = Box::leak(Box::new(State::<64, 128, 16, 4, FREED>::new()));
    let mut w = World::of(
        state,
        config,
        ethernet_nic(ROUTER_LAN),
        ethernet_nic(ROUTER_WAN),
    );
    w.introduce();
    w
}

/// The external port that a new session of the host gets, if any.
fn open(w: &mut World, src_port: u16) -> Option<u16> {
    w.lan.arrive(from_host(&frames::Udp {
        src_port,
        ..outbound()
    }));
    w.run();
    w.lan.take_sent();
    let sent = check_all(&w.wan.take_sent());
    sent.first().map(|seen| seen.ports.expect("UDP").0)
}

/// RFC 6888 REQ-8: with nothing set but the ports, one that was freed waits for two minutes.
#[test]
fn a_freed_port_waits_two_minutes() {
    let mut w = world::<64>();
    let ends = w
        .control
        .with_nat(|nat| nat.config().timeouts.udp)
        .as_millis() as u64;
    for port in [5000, 5001, 5002] {
        assert!(open(&mut w, port).is_some());
    }
    w.advance(ends + 1);
    assert_eq!(w.control.with_nat(|nat| nat.sessions().count()), 0);
    w.introduce();
    assert_eq!(open(&mut w, 6000), None, "all three wait");
    w.advance(Duration::from_secs(121).as_millis() as u64);
    w.introduce();
    assert!(open(&mut w, 6000).is_some(), "and wait no longer than that");
}

/// Where there is room for one only, the others are free at once.
#[test]
fn the_memory_says_how_many_wait() {
    let mut w = world::<1>();
    let ends = w
        .control
        .with_nat(|nat| nat.config().timeouts.udp)
        .as_millis() as u64;
    for port in [5000, 5001, 5002] {
        assert!(open(&mut w, port).is_some());
    }
    w.advance(ends + 1);
    w.introduce();
    let opened = [6000, 6001, 6002].map(|port| open(&mut w, port).is_some());
    assert_eq!(opened, [true, true, false]);
}
