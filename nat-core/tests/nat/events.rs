//! Events about mappings: RFC 6888 REQ-11c and REQ-12.
//!
//! The world listens in every test of every file, and holds what it hears against the mappings
//! there are.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::thread;

use crate::world::*;
use nat_core::{
    DropReason, Event, EventHook, MappingEvent, Nat, PortForward, PortRange, Protocol, Refusal,
    SessionProtocol, Side, Tables, Verdict,
};

const FORWARD: PortForward = PortForward::new(Protocol::Udp, 40_000, at(H2, 53));

/// An event about a mapping, without the time: `+` or `-`, its ends, and whether it is a port
/// forward.
type Line = (char, SocketAddrV4, SocketAddrV4, bool);

#[track_caller]
fn lines(events: Vec<Event>) -> Vec<Line> {
    let line = |sign, m: MappingEvent| (sign, m.inside, m.external, m.is_static);
    let lines = events.into_iter().map(|event| match event {
        Event::MappingCreated(mapping) => line('+', mapping),
        Event::MappingDeleted(mapping) => line('-', mapping),
        other => panic!("expected a mapping: {other:?}"),
    });
    lines.collect()
}

#[track_caller]
fn only_mapping(w: &mut World) -> MappingEvent {
    match w.events()[..] {
        [Event::MappingCreated(mapping) | Event::MappingDeleted(mapping)] => mapping,
        ref other => panic!("expected one mapping: {other:?}"),
    }
}

#[track_caller]
fn only_refusal(w: &mut World) -> Refusal {
    match w.events()[..] {
        [Event::SessionRefused(refusal)] => refusal,
        ref other => panic!("expected one refusal: {other:?}"),
    }
}

/// A world in which every dynamic mapping has port 40000, whichever address it is on.
fn one_port() -> World {
    World::with(|config| {
        config
            .external_addresses
            .push(N2)
            .expect("there is room for two");
        config.ports = PortRange::new(40_000, 40_000).expect("one port");
    })
}

/// A host whose mappings are on `external`, with one to `S1`.
fn host_on(w: &mut World, external: Ipv4Addr) -> SocketAddrV4 {
    for host in 20..80 {
        let inside = at(Ipv4Addr::new(192, 168, 1, host), 5000);
        if let Outcome::Forwarded(packet) = w.outbound(udp(inside, at(S1, 53)))
            && *packet.source().ip() == external
        {
            w.events();
            return inside;
        }
    }
    panic!("no host was given {external}");
}

/// G12: a mapping is reported once when it begins and once when it ends, however many sessions it
/// has, with its protocol, both endpoints and the time.
#[test]
fn a_mapping_is_reported_when_it_begins_and_when_it_ends() {
    let mut w = World::new();
    let (inside, begin) = (at(H1, 5000), w.now());
    let external = w.open_udp(inside, at(S1, 53));
    let created = w.events();
    let [Event::MappingCreated(mapping)] = created[..] else {
        panic!("{created:?}")
    };
    assert_eq!(
        (mapping.protocol, mapping.inside, mapping.external),
        (SessionProtocol::Udp, inside, external)
    );
    assert_eq!((mapping.at, mapping.is_static), (begin, false));

    w.advance(secs(10));
    w.open_udp(inside, at(S2, 53));
    w.inbound(udp(at(S1, 53), external)).forwarded();
    w.advance(secs(299));
    assert_eq!(w.events(), [], "the second session keeps the mapping");
    w.advance(secs(1));
    let mut gone = mapping;
    gone.at = w.now();
    assert_eq!(w.events(), [Event::MappingDeleted(gone)]);
}

/// G12: each protocol has mappings of its own; for ICMP the ports are query identifiers.
#[test]
fn mappings_of_all_protocols_are_reported() {
    let mut w = World::new();
    let inside = at(H1, 7);
    let id = w.open_echo(H1, S1, 7);
    let echo = only_mapping(&mut w);
    assert_eq!(
        (echo.protocol, echo.inside, echo.external),
        (SessionProtocol::Icmp, inside, at(N, id))
    );
    let external = w.open_tcp(inside, at(S1, 80)).external;
    let tcp = only_mapping(&mut w);
    assert_eq!(
        (tcp.protocol, tcp.inside, tcp.external),
        (SessionProtocol::Tcp, inside, external)
    );
    let external = w.open_udp(inside, at(S1, 53));
    let udp = only_mapping(&mut w);
    assert_eq!(
        (udp.protocol, udp.inside, udp.external),
        (SessionProtocol::Udp, inside, external)
    );
}

/// G12: the router's own mappings are reported like those of hosts.
#[test]
fn the_routers_own_mappings_are_reported() {
    let mut w = World::new();
    let external = w
        .router_sends(udp(at(N, 5000), at(S1, 53)))
        .forwarded()
        .source();
    assert_eq!(lines(w.events()), [('+', at(N, 5000), external, false)]);
    w.advance(secs(300));
    assert_eq!(lines(w.events()), [('-', at(N, 5000), external, false)]);
}

/// G12: packets from outside and dropped packets make no mapping, so no event reports one.
#[test]
fn packets_that_change_no_mapping_are_not_reported() {
    let mut w = World::new();
    w.inbound(udp(at(ATTACKER, 53), at(N, 40_000)))
        .dropped(DropReason::NoMapping);
    w.outbound(udp(at(S1, 5000), at(S2, 53)))
        .dropped(DropReason::SpoofedSource);
    w.outbound(tcp(at(H1, 5000), at(S1, 80), ACK))
        .rejected(DropReason::NoSession);
    assert_eq!(w.events(), []);
}

/// G12: a mapping whose time is up is deleted by the next call, and has the time of that; by a
/// small step of the clock or a large one.
#[test]
fn the_time_of_a_deletion_is_that_of_the_call() {
    for late in [secs(7), secs(7000), secs(7_000_000)] {
        let mut w = World::new();
        w.open_udp(at(H1, 5000), at(S1, 53));
        w.advance(secs(299));
        w.events();
        w.jump(secs(1) + late);
        assert_eq!(w.events(), [], "no call was made");
        w.inbound(udp(at(S2, 53), at(N, 1)))
            .dropped(DropReason::NoMapping);
        assert_eq!(only_mapping(&mut w).at, w.now(), "{late:?} late");
    }
}

/// G12: an endpoint that is so late that its packet finds its own mapping overdue: that ends first,
/// then another begins.
#[test]
fn an_overdue_mapping_ends_before_it_begins_again() {
    let mut w = World::new();
    let externals: Vec<_> = (0..100)
        .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)))
        .collect();
    w.advance(secs(290));
    w.events();
    w.jump(secs(20));
    let external = w.open_udp(at(H1, 5099), at(S1, 53));
    let reported = lines(w.events());
    let own: Vec<_> = reported
        .iter()
        .copied()
        .filter(|line| line.1 == at(H1, 5099))
        .collect();
    assert_eq!(
        own,
        [
            ('-', at(H1, 5099), externals[99], false),
            ('+', at(H1, 5099), external, false)
        ]
    );
    assert_eq!(
        reported.len(),
        64 + 2,
        "64 that were most overdue, and this one"
    );
}

/// G12: TCP sessions that close take their mappings with them once they are done.
#[test]
fn the_mapping_of_a_closed_connection_is_deleted() {
    let mut w = World::new();
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    let mapping = only_mapping(&mut w);
    w.outbound(connection.inside_sends(RST)).forwarded();
    assert_eq!(w.events(), [], "the session lives on for a while");
    w.advance(secs(7440));
    let deleted = only_mapping(&mut w);
    assert_eq!(
        (deleted.inside, deleted.external),
        (mapping.inside, mapping.external)
    );
    assert!(
        deleted.at < w.now(),
        "long before an open one would have ended"
    );
}

/// G12: `clear` ends every mapping.
#[test]
fn clearing_is_reported() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.events();
    w.clear();
    assert_eq!(lines(w.events()), [('-', at(H1, 5000), external, false)]);
}

/// G12: a port forward has a mapping as long as it has sessions, and its removal ends that.
#[test]
fn the_mapping_of_a_port_forward_is_reported() {
    let mut w = World::new();
    w.nat.add_port_forward(FORWARD).expect("there is room");
    w.inbound(udp(at(S1, 99), at(N, 40_000))).forwarded();
    assert_eq!(w.events(), []);
    for remote in [at(S1, 99), at(S2, 99)] {
        w.outbound(udp(at(H2, 53), remote)).forwarded();
    }
    assert_eq!(lines(w.events()), [('+', at(H2, 53), at(N, 40_000), true)]);
    assert!(w.remove_port_forward(&FORWARD));
    assert_eq!(lines(w.events()), [('-', at(H2, 53), at(N, 40_000), true)]);
    assert!(!w.remove_port_forward(&FORWARD));
    assert_eq!(w.events(), []);
}

/// G12: a port forward ends the mappings that are in its way; one that is refused changes nothing.
#[test]
fn a_port_forward_takes_the_place_of_mappings() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let own = w.open_udp(at(H2, 53), at(S1, 53));
    w.events();
    let forward = PortForward {
        external_port: external.port(),
        ..FORWARD
    };
    w.nat.add_port_forward(forward).expect("there is room");
    let mut reported = lines(w.events());
    reported.sort();
    assert_eq!(
        reported,
        [
            ('-', at(H1, 5000), external, false),
            ('-', at(H2, 53), own, false)
        ]
    );
    w.nat
        .add_port_forward(forward)
        .expect_err("it is there already");
    assert_eq!(w.events(), []);
}

/// G12: where external ports overlap, each remote endpoint has a mapping, and each is reported.
#[test]
fn overlapping_mappings_are_reported_one_by_one() {
    let mut w = World::with(|config| {
        config.mapping = nat_core::Mapping::AddressAndPortDependent;
        config.ports = PortRange::new(40_000, 40_000).expect("a port");
    });
    for (host, remote) in [(H1, at(S1, 53)), (H1, at(S2, 53)), (H2, at(S1, 54))] {
        w.open_udp(at(host, 5000), remote);
        assert_eq!(
            lines(w.events()),
            [('+', at(host, 5000), at(N, 40_000), false)]
        );
    }
    w.advance(secs(300));
    assert_eq!(w.events().len(), 3);
}

/// G12: what drains is deleted when its time is up, with the address that it had.
#[test]
fn the_end_of_draining_is_reported() {
    let mut w = World::with(|config| config.external_addresses.extend([N2]));
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.events();
    let now = w.now();
    assert!(w.nat.drain_external_address(*external.ip(), secs(100), now));
    w.advance(secs(99));
    assert_eq!(w.events(), []);
    w.advance(secs(1));
    assert_eq!(lines(w.events()), [('-', at(H1, 5000), external, false)]);
}

/// G12: a mapping that is deleted because its address has gone is reported with that address.
/// Mappings whose address stays are not reported, even if its position in the list changes.
#[test]
fn mappings_of_a_lost_address_are_deleted_with_that_address() {
    let mut w = one_port();
    let (stays, goes) = (host_on(&mut w, N2), host_on(&mut w, N));
    w.set_external_addresses(&[N3, N2]).expect("addresses");
    assert_eq!(lines(w.events()), [('-', goes, at(N, 40_000), false)]);
    w.set_external_addresses(&[N2, N3]).expect("addresses");
    assert_eq!(w.events(), []);
    w.clear();
    assert_eq!(lines(w.events()), [('-', stays, at(N2, 40_000), false)]);
}

/// G12: a port forward moves with the primary address: its mapping ends, and so does a dynamic one
/// that it meets there.
#[test]
fn the_mapping_of_a_port_forward_that_moves_is_deleted() {
    let mut w = one_port();
    let other = host_on(&mut w, N2);
    w.nat.add_port_forward(FORWARD).expect("there is room");
    w.outbound(udp(at(H2, 53), at(S1, 99))).forwarded();
    w.events();
    w.set_external_addresses(&[N2, N]).expect("addresses");
    let mut reported = lines(w.events());
    reported.sort();
    let mut expected = [
        ('-', at(H2, 53), at(N, 40_000), true),
        ('-', other, at(N2, 40_000), false),
    ];
    expected.sort();
    assert_eq!(reported, expected);
    w.set_external_addresses(&[N2, N3]).expect("addresses");
    assert_eq!(w.events(), [], "the primary address has stayed");
}

/// G11c: each session that is refused by a limit or a full table is reported once, with the reason
/// of the verdict.
#[test]
fn each_refused_session_is_reported() {
    #[track_caller]
    fn refused(mut w: World, reason: DropReason) {
        w.events();
        w.advance(secs(1));
        w.outbound(tcp(at(H2, 5000), at(S2, 80), SYN))
            .rejected(reason);
        let refusal = only_refusal(&mut w);
        assert_eq!(
            (refusal.reason, refusal.protocol),
            (reason, SessionProtocol::Tcp)
        );
        assert_eq!((refusal.inside, refusal.at), (H2, w.now()));
    }
    let mut w = World::sized::<8, 1, 8>(|_| ());
    w.open_udp(at(H1, 5000), at(S1, 53));
    refused(w, DropReason::SessionTableFull);
    let mut w = World::sized::<1, 8, 8>(|_| ());
    w.open_udp(at(H1, 5000), at(S1, 53));
    refused(w, DropReason::MappingTableFull);
    let mut w = World::sized::<8, 8, 1>(|_| ());
    w.open_udp(at(H1, 5000), at(S1, 53));
    refused(w, DropReason::HostTableFull);
    let mut w = World::with(|config| config.limits.sessions_per_host = Some(1));
    w.open_udp(at(H2, 5000), at(S1, 53));
    refused(w, DropReason::HostLimit);
    let mut w =
        World::with(|config| config.ports = PortRange::new(40_000, 40_000).expect("one port"));
    w.open_tcp(at(H1, 5000), at(S1, 80));
    refused(w, DropReason::PortsExhausted);
}

/// G11c: a refusal is reported even if the limit on errors suppresses the answer to the host, and
/// for the router's own sessions too.
#[test]
fn silent_refusals_are_reported() {
    let mut w = World::sized::<8, 1, 8>(|config| config.limits.icmp_error_burst = 1);
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.events();
    w.outbound(udp(at(H1, 5001), at(S1, 53)))
        .rejected(DropReason::SessionTableFull);
    assert_eq!(only_refusal(&mut w).reason, DropReason::SessionTableFull);
    w.outbound(udp(at(H1, 5001), at(S1, 53)))
        .dropped(DropReason::SessionTableFull);
    assert_eq!(only_refusal(&mut w).reason, DropReason::SessionTableFull);
    w.router_sends(udp(at(N, 5000), at(S1, 53)))
        .dropped(DropReason::SessionTableFull);
    assert_eq!(only_refusal(&mut w).inside, N);
}

/// G12: no event contains the destination, neither its address nor its port: `Debug` shows every
/// field.
#[test]
fn events_hold_no_destination() {
    let mut w = World::with(|config| {
        config.limits.sessions_per_host = Some(2);
        config.ports = PortRange::new(40_000, 40_999).expect("ports");
    });
    let destination = at(Ipv4Addr::new(100, 99, 98, 97), 61_234);
    w.open_udp(at(H1, 5000), destination);
    w.open_tcp(at(H1, 5001), destination);
    w.outbound(udp(at(H1, 5002), destination))
        .rejected(DropReason::HostLimit);
    w.advance(secs(7440));
    let events = w.events();
    assert_eq!(
        events.len(),
        5,
        "two mappings that come and go, and a refusal: {events:?}"
    );
    for event in events {
        let text = format!("{event:?}");
        assert!(
            !text.contains("100.99.98.97") && !text.contains("61234"),
            "{text}"
        );
    }
}

fn random_operation(w: &mut World, random: &mut fastrand::Rng) {
    match random.u8(..40) {
        0..32 => random_packet(w, random),
        32..34 => w.advance(secs(random.u64(..200))),
        34..36 => w.jump(secs(random.u64(..40))),
        _ => random_change(w, random),
    }
}

fn random_packet(w: &mut World, random: &mut fastrand::Rng) {
    let host = [H1, H2, H3][random.usize(..3)];
    let (inside, remote) = (
        at(host, 5000 + random.u16(..4)),
        at([S1, S2][random.usize(..2)], 80 + random.u16(..2)),
    );
    let external = at([N, N2][random.usize(..2)], 40_000 + random.u16(..6));
    let flags = [SYN, SYN | ACK, ACK, RST | ACK, FIN | ACK][random.usize(..5)];
    let _ = match random.u8(..16) {
        0..6 => w.outbound(udp(inside, remote)),
        6..8 => w.outbound(udp(inside, external)),
        8..10 => w.outbound(echo_request(host, S1, inside.port())),
        10..14 => w.outbound(tcp(inside, remote, flags)),
        14 => w.inbound(udp(remote, external)),
        _ => w.inbound(tcp(remote, external, flags)),
    };
}

/// What the application may change. Some of it is refused.
fn random_change(w: &mut World, random: &mut fastrand::Rng) {
    let protocol = [Protocol::Tcp, Protocol::Udp][random.usize(..2)];
    let external_port = 40_000 + random.u16(..6);
    match random.u8(..10) {
        0..4 => {
            let inside_address = [H1, H2, H3][random.usize(..3)];
            let inside_port = 5000 + random.u16(..4);
            let _ = w.nat.add_port_forward(PortForward::new(
                protocol,
                external_port,
                at(inside_address, inside_port),
            ));
        }
        4..6 => {
            let forward = w.nat.port_forwards().next();
            forward.map(|forward| w.remove_port_forward(&forward));
        }
        6..9 => {
            let addresses: [&[Ipv4Addr]; 5] = [&[N], &[N2, N], &[N, N2], &[N3, N2], &[]];
            w.set_external_addresses(addresses[random.usize(..5)])
                .expect("addresses");
        }
        _ => w.clear(),
    }
}

/// G12, G11c: the events alone say at any time which mappings there are; the world compares after
/// each step. Every refusal is reported.
#[test]
fn the_live_mappings_follow_from_the_events_alone() {
    let (mut created, mut deleted, mut refused) = (0, 0, 0);
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut w = World::sized::<10, 16, 3>(|config| {
            config.ports = PortRange::new(40_000, 40_005).expect("ports");
            config.limits.sessions_per_host = Some(9);
        });
        let mut refusals = 0;
        for _ in 0..400 {
            random_operation(&mut w, &mut random);
            for event in w.events() {
                match event {
                    Event::MappingCreated(_) => created += 1,
                    Event::MappingDeleted(_) => deleted += 1,
                    _ => refusals += 1,
                }
            }
        }
        assert_eq!(refusals, refused_by_limits(&w), "seed {seed}");
        refused += refusals;
    }
    assert!(
        created > 1000 && deleted > 1000 && refused > 1000,
        "{created} created, {deleted} deleted, {refused} refused"
    );
}

/// Packets that were refused by limits or full tables.
fn refused_by_limits(w: &World) -> u64 {
    use DropReason::{
        HostLimit, HostTableFull, IndexFull, MappingTableFull, PortsExhausted, SessionTableFull,
    };
    let reasons = [
        HostLimit,
        HostTableFull,
        IndexFull,
        MappingTableFull,
        PortsExhausted,
        SessionTableFull,
    ];
    reasons
        .iter()
        .map(|reason| w.stats().dropped(*reason) + w.stats().rejected(*reason))
        .sum()
}

/// A NAT with a hook moves to another thread, as one without does.
#[test]
fn a_nat_with_a_hook_can_be_sent_to_another_thread() {
    struct Count(usize);
    impl EventHook for Count {
        fn on_event(&mut self, _: &Event) {
            self.0 += 1;
        }
    }
    let (mut tables, mut count) = (Tables::<4, 4, 4>::new(), Count(0));
    let mut nat = Nat::new(&mut tables, config(), SEED).expect("the configuration can work");
    nat.set_event_hook(&mut count);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut packet: Vec<u8> = udp(at(H1, 5000), at(S1, 53)).into();
            let _ = nat.process(&mut packet, Side::Inside, nat_core::Instant::from_secs(1));
            nat.clear(nat_core::Instant::from_secs(1));
        });
    });
    assert_eq!(count.0, 2, "created and deleted");
}

/// G12: what the application ends, ends at the time that it gives, however long no packet has come.
#[test]
fn what_the_application_ends_is_reported_with_its_own_time() {
    let forward = PortForward::new(Protocol::Udp, 8080, at(H1, 80));
    type End = fn(&mut World, &PortForward);
    let ends: [End; 3] = [
        |w, _| w.clear(),
        |w, forward| assert!(w.remove_port_forward(forward)),
        |w, _| {
            w.set_external_addresses(&[N2])
                .expect("the address can work");
        },
    ];
    for end in ends {
        let mut w = World::new();
        w.nat
            .add_port_forward(forward)
            .expect("a forward that works");
        w.open_udp(at(H1, 80), at(S1, 53));
        w.events();
        w.jump(secs(100));
        end(&mut w, &forward);
        let events = w.events();
        let [Event::MappingDeleted(deleted)] = events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(deleted.at, w.now());
    }
}

/// When a session ends does not depend on when it is asked.
#[test]
fn the_end_of_a_session_is_the_same_however_old_the_clock_of_the_engine_is() {
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    let ends = w.now().saturating_add(secs(300));
    let at_first = w.sessions()[0];
    assert_eq!(
        (at_first.expires_at, at_first.expires_in),
        (ends, secs(300))
    );
    w.jump(secs(100));
    assert_eq!(w.sessions(), [at_first]);
    let now = w.now();
    w.nat.handle_timeout(now);
    assert_eq!(
        (w.sessions()[0].expires_at, w.sessions()[0].expires_in),
        (ends, secs(200))
    );
}

/// A hook that was cleared gets no more events.
#[test]
fn a_hook_can_be_taken_away() {
    let (mut tables, mut count) = (Tables::<4, 4, 4>::new(), Silent);
    let mut nat = Nat::new(&mut tables, config(), SEED).expect("the configuration can work");
    nat.set_event_hook(&mut count);
    nat.clear_event_hook();
    let mut packet: Vec<u8> = udp(at(H1, 5000), at(S1, 53)).into();
    assert!(matches!(
        nat.process(&mut packet, Side::Inside, nat_core::Instant::from_secs(1)),
        Verdict::Forward { .. }
    ));
}

struct Silent;

impl EventHook for Silent {
    fn on_event(&mut self, event: &Event) {
        panic!("{event:?}");
    }
}
