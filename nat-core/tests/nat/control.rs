//! Configuration and what may change while the NAT runs.

use core::net::Ipv4Addr;
use core::time::Duration;

use crate::world::*;
use nat_core::{
    Cidr, Config, ConfigError, DropReason, ExhaustionError, Filtering, Hairpinning, Mapping, Nat,
    PortForward, PortRange, Protocol, Seed, SessionProtocol, Side, Tables, Timeouts,
};

fn build(config: Config, seed: Seed) -> Result<(), ConfigError> {
    let mut tables = Tables::<4, 4, 4>::new();
    Nat::new(&mut tables, config, seed).map(drop)
}

/// A configuration that cannot work is refused, and the error names the field.
#[track_caller]
fn refused(field: &str, change: impl FnOnce(&mut Config)) {
    let mut config = config();
    change(&mut config);
    let error = build(config.clone(), SEED).expect_err(field);
    assert!(error.field.starts_with(field), "{error} is about {field}");
    assert!(!error.problem.is_empty());
    assert_eq!(
        error.to_string(),
        format!("{}: {}", error.field, error.problem)
    );
}

fn addresses(config: &mut Config, addresses: &[Ipv4Addr]) {
    config.external_addresses.clear();
    config.external_addresses.extend(addresses.iter().copied());
}

/// R4: a seed without entropy is an error, not a silent default.
#[test]
fn a_seed_of_zeros_is_refused() {
    let error = build(config(), Seed::new([0; 16])).expect_err("no entropy");
    assert_eq!(error.field, "seed");
    build(
        config(),
        Seed::new([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    )
    .expect("some entropy");
}

/// The seed is a secret: it is not printed.
#[test]
fn the_seed_is_not_printed() {
    assert_eq!(format!("{:?}", Seed::new(*b"0123456789abcdef")), "Seed(..)");
}

/// The inside network has a host address for the router, and room for hosts.
#[test]
fn an_inside_network_that_cannot_work_is_refused() {
    let networks = [
        ("0.0.0.0", 24),
        ("192.168.1.0", 24),
        ("192.168.1.255", 24),
        ("192.168.1.1", 32),
        ("192.168.1.1", 0),
        ("127.0.0.1", 8),
        ("224.0.0.1", 24),
        ("255.255.255.254", 24),
    ];
    for (address, len) in networks {
        let inside = Cidr::new(address.parse().expect("an address"), len).expect("a prefix length");
        refused("inside", |config| config.inside = inside);
    }
    for (address, len) in [
        ("192.168.1.1", 24),
        ("10.0.0.1", 8),
        ("172.16.0.1", 30),
        ("192.168.1.1", 16),
    ] {
        let inside = Cidr::new(address.parse().expect("an address"), len).expect("a prefix length");
        let mut config = config();
        config.inside = inside;
        build(config, SEED).unwrap_or_else(|error| panic!("{inside}: {error}"));
    }
}

/// External addresses that no packet may carry, or that are not the NAT's alone.
#[test]
fn external_addresses_that_cannot_work_are_refused() {
    for wrong in [
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "169.254.0.1",
        "192.168.1.0",
        "192.168.1.255",
    ] {
        let wrong = wrong.parse().expect("an address");
        refused("external_addresses", |config| addresses(config, &[wrong]));
        refused("external_addresses", |config| {
            addresses(config, &[N, wrong]);
        });
    }
    refused("external_addresses", |config| {
        addresses(config, &[N, N2, N]);
    });
}

/// Everything else that cannot work.
#[test]
fn values_that_cannot_work_are_refused() {
    refused("inside_mtu", |config| config.inside_mtu = 67);
    refused("outside_mtu", |config| config.outside_mtu = 67);
    let mut smallest = config();
    (smallest.inside_mtu, smallest.outside_mtu) = (68, 68);
    build(smallest, SEED).expect("68 bytes is an MTU");
    let timers: [fn(&mut Timeouts) -> &mut Duration; 7] = [
        |t| &mut t.udp,
        |t| t.dns.insert(secs(300)),
        |t| &mut t.tcp_partially_open,
        |t| &mut t.tcp_established,
        |t| &mut t.tcp_closing,
        |t| &mut t.tcp_reset,
        |t| &mut t.icmp,
    ];
    for timer in timers {
        for wrong in [
            Duration::ZERO,
            Duration::from_millis(999),
            Timeouts::MAX + Duration::from_millis(1),
            Duration::MAX,
        ] {
            refused("timeouts", |config| *timer(&mut config.timeouts) = wrong);
        }
        for right in [secs(1), Timeouts::MAX] {
            let mut config = config();
            *timer(&mut config.timeouts) = right;
            build(config, SEED).expect("the limits themselves are allowed");
        }
    }
}

/// Values that cannot be built at all.
#[test]
fn ranges_and_prefixes_are_right_by_construction() {
    assert_eq!(PortRange::new(0, 10), None);
    assert_eq!(PortRange::new(11, 10), None);
    let range = PortRange::new(10, 10).expect("a port");
    assert!(range.contains(10) && !range.contains(9) && !range.contains(11));
    assert_eq!(Cidr::new(ROUTER, 33), None);
    let net = inside();
    assert!(net.contains(H1) && !net.contains(S1));
    assert_eq!(net.broadcast(), Some(Ipv4Addr::new(192, 168, 1, 255)));
    assert_eq!(net.network(), Some(Ipv4Addr::new(192, 168, 1, 0)));
    assert_eq!(Cidr::new(ROUTER, 31).and_then(|net| net.broadcast()), None);
    assert!(Cidr::new(ROUTER, 0).is_some_and(|net| net.contains(S1)));
    assert_eq!(net.to_string(), "192.168.1.1/24");
}

/// The policy for an address that is taken away: its sessions end, those of the others live on.
#[test]
fn sessions_end_with_their_external_address() {
    let mut w = World::with(|config| addresses(config, &[N, N2, N3]));
    let hosts: Vec<_> = (10..50)
        .map(|host| at(Ipv4Addr::new(192, 168, 1, host), 5000))
        .take(14)
        .collect();
    let externals: Vec<_> = hosts
        .iter()
        .map(|host| w.open_udp(*host, at(S1, 53)))
        .collect();
    let kept = *externals[0].ip();
    w.set_external_addresses(&[kept])
        .expect("the address can work");
    assert_eq!(w.nat.external_addresses(), [kept]);
    assert!(
        w.sessions()
            .iter()
            .all(|session| *session.external.ip() == kept)
    );
    for (host, external) in hosts.iter().zip(&externals) {
        let outcome = w.inbound(udp(at(S1, 53), *external));
        if *external.ip() == kept {
            assert_eq!(outcome.forwarded().destination(), *host);
            assert_eq!(
                w.open_udp(*host, at(S1, 53)),
                *external,
                "a kept session keeps its endpoint"
            );
        } else {
            outcome.dropped(DropReason::NotForUs);
            assert_eq!(*w.open_udp(*host, at(S1, 53)).ip(), kept);
        }
    }
}

/// A new address: old sessions are gone, the inside learns it by a RST, and new ones work at once.
#[test]
fn a_changed_address_resets_connections_toward_the_inside() {
    let mut w = World::new();
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.set_external_addresses(&[N2])
        .expect("the address can work");
    assert_eq!(w.sessions(), []);
    w.inbound(connection.outside_sends(ACK))
        .dropped(DropReason::NotForUs);
    w.outbound(connection.inside_sends(ACK))
        .rejected(DropReason::NoSession);
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    assert_eq!(*connection.external.ip(), N2);
}

/// Addresses that stay, in any order, affect no session.
#[test]
fn setting_the_same_addresses_changes_nothing() {
    let mut w = World::with(|config| addresses(config, &[N, N2]));
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let before = w.sessions();
    w.set_external_addresses(&[N, N2])
        .expect("the addresses can work");
    w.set_external_addresses(&[N2, N])
        .expect("the addresses can work");
    w.set_external_addresses(&[N3, N2, N])
        .expect("the addresses can work");
    assert_eq!(w.sessions(), before);
    assert_eq!(
        w.inbound(udp(at(S1, 53), external))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
    assert_eq!(
        w.open_udp(at(H1, 5001), at(S1, 53)).ip(),
        external.ip(),
        "a host stays on its address"
    );
}

/// An outage: without an address inside hosts get errors, and everything works again afterwards.
#[test]
fn an_address_may_go_and_come_back() {
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.set_external_addresses(&[])
        .expect("no address is a state");
    assert_eq!(w.sessions(), []);
    w.outbound(udp(at(H1, 5000), at(S1, 53)))
        .rejected(DropReason::AddressMissing);
    w.set_external_addresses(&[N])
        .expect("the address can work");
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.inbound(udp(at(S1, 53), external)).forwarded();
}

/// A wrong list of addresses is refused as a whole.
#[test]
fn wrong_addresses_change_nothing() {
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    let before = w.sessions();
    let too_many: Vec<_> = (1..=nat_core::MAX_EXTERNAL_ADDRESSES as u8 + 1)
        .map(|i| Ipv4Addr::new(203, 0, 113, i))
        .collect();
    for wrong in [
        &[N2, Ipv4Addr::BROADCAST][..],
        &[N2, N2],
        &[Ipv4Addr::UNSPECIFIED],
        &[Ipv4Addr::BROADCAST],
        &too_many,
    ] {
        let error = w.set_external_addresses(wrong).expect_err("a wrong list");
        assert_eq!(error.field, "external_addresses");
        assert_eq!(w.nat.external_addresses(), [N]);
        assert_eq!(w.sessions(), before);
    }
    w.set_external_addresses(&too_many[1..])
        .expect("one fewer fit");
}

/// MTUs can change, and impossible ones are refused.
#[test]
fn an_mtu_may_change() {
    let mut w = World::new();
    let big = || udp(at(H1, 5000), at(S1, 53)).payload(&[7; 1400]);
    w.outbound(big()).forwarded();
    w.nat
        .set_mtu(Side::Outside, 1280)
        .expect("1280 bytes is an MTU");
    w.outbound(big()).rejected(DropReason::PacketTooBig);
    for side in [Side::Inside, Side::Outside] {
        let error = w.nat.set_mtu(side, 67).expect_err("67 bytes is no MTU");
        assert!(error.field.ends_with("mtu"), "{error}");
    }
    w.nat
        .set_mtu(Side::Outside, 1500)
        .expect("1500 bytes is an MTU");
    w.outbound(big()).forwarded();
}

/// `clear` ends everything that traffic made, and leaves what was configured.
#[test]
fn clear_ends_all_but_port_forwards() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(30000, 30003).expect("four ports"));
    let forward = PortForward::new(Protocol::Udp, 53, at(H2, 53));
    w.nat
        .add_port_forward(forward)
        .expect("the port forward is accepted");
    w.outbound(udp(at(H2, 53), at(S1, 9))).forwarded();
    let mut external = at(N, 1);
    for i in 0..4 {
        external = w.open_udp(at(H1, 5000 + i), at(S1, 53));
    }
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.clear();
    assert_eq!(w.sessions(), []);
    assert_eq!(w.nat.poll_timeout(), None);
    w.inbound(udp(at(S1, 53), external))
        .dropped(DropReason::NoMapping);
    w.outbound(connection.inside_sends(ACK))
        .rejected(DropReason::NoSession);
    assert_eq!(w.nat.port_forwards().collect::<Vec<_>>(), [forward]);
    w.inbound(udp(at(S1, 9), at(N, 53))).forwarded();
    for i in 0..4 {
        w.open_udp(at(H1, 6000 + i), at(S1, 53));
    }
}

/// Sessions are listed with both endpoints, as they are.
#[test]
fn sessions_are_listed_as_they_are() {
    let mut w = World::new();
    let udp_external = w.open_udp(at(H1, 5000), at(S1, 53));
    let connection = w.open_tcp(at(H2, 5000), at(S2, 80));
    let id = w.open_echo(H1, S2, 7);
    let list: Vec<_> = w
        .sessions()
        .iter()
        .map(|s| (s.protocol, s.inside, s.external, s.remote, s.is_static))
        .collect();
    let expected = [
        (
            SessionProtocol::Icmp,
            at(H1, 7),
            at(N, id),
            at(S2, 0),
            false,
        ),
        (
            SessionProtocol::Tcp,
            at(H2, 5000),
            connection.external,
            at(S2, 80),
            false,
        ),
        (
            SessionProtocol::Udp,
            at(H1, 5000),
            udp_external,
            at(S1, 53),
            false,
        ),
    ];
    assert_eq!(list, expected);
}

/// Two NATs in one program know nothing of each other.
#[test]
fn two_nats_do_not_share_state() {
    let mut a = World::new();
    let mut b = World::new();
    let external = a.open_udp(at(H1, 5000), at(S1, 53));
    b.inbound(udp(at(S1, 53), external))
        .dropped(DropReason::NoMapping);
    assert_eq!(b.sessions(), []);
}

/// RFC 4787 REQ-11: the same packets at the same times with the same seed give the same NAT.
#[test]
fn a_seed_repeats_a_run() {
    let run = || {
        let mut w = World::new();
        (0..50)
            .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)).port())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

/// Tables of zeros: a `static` of them needs no flash.
#[test]
fn tables_fit_a_static() {
    static TABLES: std::sync::Mutex<Tables<16, 32, 4>> = std::sync::Mutex::new(Tables::new());
    let mut tables = TABLES.lock().expect("no test has panicked with it");
    let mut nat = Nat::new(&mut tables, config(), SEED).expect("the configuration can work");
    let mut packet = udp(at(H1, 5000), at(S1, 53)).bytes();
    let verdict = nat.process(&mut packet, Side::Inside, nat_core::Instant::default());
    assert!(matches!(verdict, nat_core::Verdict::Forward { .. }));
}

/// Tables that were used before are cleaned by a new NAT.
#[test]
fn a_new_nat_forgets_what_its_tables_held() {
    let mut tables = Tables::<16, 32, 4>::new();
    let mut nat = Nat::new(&mut tables, config(), SEED).expect("the configuration can work");
    let mut packet = udp(at(H1, 5000), at(S1, 53)).bytes();
    let _ = nat.process(&mut packet, Side::Inside, nat_core::Instant::default());
    assert_eq!(nat.sessions().count(), 1);
    drop(nat);
    let nat = Nat::new(&mut tables, config(), SEED).expect("the configuration can work");
    assert_eq!(nat.sessions().count(), 0);
    assert_eq!(nat.poll_timeout(), None);
}

/// G1: who changes nothing gets what the RFCs ask for, and where they leave a choice the one that
/// lets least in.
#[test]
fn the_defaults_are_those_of_the_rfcs() {
    let config = Config::new(inside());
    assert_eq!(config.mapping, Mapping::EndpointIndependent);
    assert_eq!(
        (config.filtering, config.tcp_filtering),
        (Filtering::AddressAndPortDependent, None)
    );
    assert_eq!(config.hairpinning, Hairpinning::Unfiltered);
    assert_eq!(config.timeouts, Timeouts::RFC);
    assert_eq!(
        config.exhaustion_error,
        ExhaustionError::AdministrativelyProhibited
    );
    assert!(
        config.inside_icmp_errors
            && config.outside_icmp_errors
            && config.inside_ping
            && !config.outside_ping
    );
    let ranges = (
        PortRange::new(1024, 65535).expect("ports"),
        PortRange::new(1, 1023).expect("ports"),
    );
    assert_eq!((config.ports, config.low_ports), ranges);
    assert!(
        config.one_to_one.is_empty() && config.dmz_host.is_none() && config.untranslated.is_empty()
    );
}
