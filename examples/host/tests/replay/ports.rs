//! `--ports`, `--low-ports`, `--reserved-ports`, `--port-parity`, and the quarantine.

use core::ops::RangeInclusive;
use core::time::Duration;

use crate::packet::{HOST, SERVER, at, ping, seen, syn, udp};
use crate::run::Replay;

const T: Duration = Duration::from_secs(1_700_000_000);

fn after(secs: u64) -> Duration {
    T + Duration::from_secs(secs)
}

/// The external ports of one datagram from each of these inside ports.
#[track_caller]
fn external_ports(inside: RangeInclusive<u16>, options: &str) -> Vec<u16> {
    let count = inside.clone().count();
    let replay = inside.fold(Replay::new(), |replay, port| {
        replay.lan(T, &udp(at(HOST, port), at(SERVER, 53)))
    });
    let outcome = replay.options(options).run();
    assert_eq!(outcome.wan.len(), count, "{options}");
    outcome
        .wan
        .iter()
        .map(|(_, packet)| seen(packet).from.port())
        .collect()
}

#[test]
fn external_ports_are_of_the_given_ranges() {
    let all_of =
        |ports: &[u16], range: RangeInclusive<u16>| ports.iter().all(|port| range.contains(port));
    let options = "--ports 40000-40019 --low-ports 600-609 --reserved 0";
    assert!(
        all_of(&external_ports(5000..=5019, options), 40_000..=40_019),
        "every one of 20 is used"
    );
    assert!(
        all_of(&external_ports(501..=510, options), 600..=609),
        "every one of 10 is used"
    );
    assert!(
        all_of(&external_ports(501..=540, "--ports 40000-49999"), 1..=1023),
        "low ones stay low"
    );
    assert!(all_of(
        &external_ports(501..=540, "--ports 40000-49999 --profile gateway"),
        40_000..=49_999
    ));
}

#[test]
fn pings_have_identifiers_of_the_range() {
    let replay = (1..=4).fold(Replay::new(), |replay, id| {
        replay.lan(T, &ping(at(HOST, id), SERVER))
    });
    let outcome = replay.options("--ports 40000-40003 --reserved 0").run();
    let mut ids: Vec<u16> = outcome
        .wan
        .iter()
        .map(|(_, packet)| seen(packet).from.port())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, [40_000, 40_001, 40_002, 40_003]);
}

#[test]
fn no_mapping_gets_a_reserved_port() {
    let options = "--ports 40000-40003 --reserved-ports 40000-40002";
    assert_eq!(external_ports(5000..=5000, options), [40_003]);
    let replay = Replay::new()
        .lan(T, &udp(at(HOST, 5000), at(SERVER, 53)))
        .lan(T, &udp(at(HOST, 5001), at(SERVER, 53)));
    assert_eq!(
        replay.options(options).run().verdicts(),
        ["forward wan", "reject lan ports-exhausted"]
    );
}

/// RFC 4787 REQ-4.
#[test]
fn parity_is_preserved_if_configured() {
    let like_inside = |options: &str| {
        let ports = external_ports(5000..=5039, options);
        (5000..=5039)
            .zip(ports)
            .filter(|(inside, external)| inside % 2 == external % 2)
            .count()
    };
    assert_eq!(like_inside("--port-parity"), 40);
    assert!(like_inside("--profile rfc") < 40);
}

/// RFC 6888 REQ-8: the only port was freed 300 s after the first packet.
#[test]
fn a_freed_port_is_quarantined_for_the_configured_time() {
    let run = |options: &str, at_secs: u64| {
        let query = |port| udp(at(HOST, port), at(SERVER, 9));
        let replay = Replay::new()
            .lan(T, &query(5000))
            .lan(after(at_secs), &query(5001));
        replay
            .options(&format!("--ports 40000 {options}"))
            .run()
            .verdicts()[1]
            .clone()
    };
    for (options, delay) in [("--quarantine 120", 120), ("--quarantine 5", 5)] {
        assert_eq!(
            run(options, 300 + delay - 1),
            "reject lan ports-exhausted",
            "{options}"
        );
        assert_eq!(run(options, 300 + delay + 1), "forward wan", "{options}");
    }
    assert_eq!(
        run("--profile rfc", 419),
        "reject lan ports-exhausted",
        "the default is 120 s"
    );
    assert_eq!(
        run("--profile rfc", 421),
        "forward wan",
        "the default is 120 s"
    );
    assert_eq!(run("--quarantine 0", 301), "forward wan");
    assert_eq!(
        run("--mapping address-and-port-dependent", 301),
        "forward wan",
        "the remote endpoint identifies the session"
    );
}

#[test]
fn a_freed_tcp_port_is_quarantined_only_if_configured() {
    let run = |options: &str, at_secs: u64| {
        let open = |port| syn(at(HOST, port), at(SERVER, 80));
        let replay = Replay::new()
            .lan(T, &open(5000))
            .lan(after(at_secs), &open(5001));
        replay
            .options(&format!(
                "--ports 40000 --timeout tcp-partially-open=10 {options}"
            ))
            .run()
            .verdicts()[1]
            .clone()
    };
    assert_eq!(
        run("--quarantine 120", 9),
        "forward wan",
        "half open, it makes room for another of its host"
    );
    assert_eq!(run("--quarantine 120", 11), "forward wan");
    assert_eq!(run("--tcp-quarantine 60", 69), "reject lan ports-exhausted");
    assert_eq!(run("--tcp-quarantine 60", 71), "forward wan");
}

/// RFC 6888 REQ-8, after a restart: it is unknown which ports were in use before.
#[test]
fn the_quarantine_applies_after_a_start_if_configured() {
    let query = udp(at(HOST, 5000), at(SERVER, 53));
    let replay = Replay::new()
        .lan(T, &query)
        .lan(T, &syn(at(HOST, 5000), at(SERVER, 80)));
    let replay = replay
        .lan(after(59), &query)
        .lan(after(61), &query)
        .options("--quarantine 60 --quarantine-after-start");
    let expected = [
        "reject lan quarantine",
        "forward wan",
        "reject lan quarantine",
        "forward wan",
    ];
    assert_eq!(replay.run().verdicts(), expected);
}
