//! What the router itself sends: `--icmp-errors`, `--icmp-error-rate`, `--exhaustion-error`,
//! `--lan-ping`, `--wan-ping`.

use core::time::Duration;

use crate::packet::{
    EXTERNAL, HOST, Kind, ROUTER_INSIDE, SERVER, at, ping, seen, udp, udp_with_ttl,
};
use crate::run::Replay;

const T: Duration = Duration::from_secs(1_700_000_000);

/// RFC 5508 REQ-9: the TTL of one datagram outward and of one inward expires.
#[test]
fn errors_go_to_the_configured_sides() {
    let query = udp(at(HOST, 5000), at(SERVER, 53));
    let external = seen(&Replay::new().lan(T, &query).run().wan[0].1).from;
    for (options, expected) in [
        (
            "--profile rfc",
            ["reject lan ttl-expired", "reject wan ttl-expired"],
        ),
        (
            "--icmp-errors both",
            ["reject lan ttl-expired", "reject wan ttl-expired"],
        ),
        (
            "--icmp-errors lan",
            ["reject lan ttl-expired", "drop ttl-expired"],
        ),
        (
            "--icmp-errors wan",
            ["drop ttl-expired", "reject wan ttl-expired"],
        ),
        (
            "--icmp-errors none",
            ["drop ttl-expired", "drop ttl-expired"],
        ),
    ] {
        let replay = Replay::new()
            .lan(T, &query)
            .lan(T, &udp_with_ttl(at(HOST, 5000), at(SERVER, 53), 1));
        let outcome = replay
            .wan(T, &udp_with_ttl(at(SERVER, 53), external, 1))
            .options(options)
            .run();
        assert_eq!(outcome.verdicts()[1..], expected, "{options}");
        let said = (outcome.lan.len(), outcome.wan.len() - 1);
        let rejected = expected.map(|verdict| usize::from(verdict.starts_with("reject")));
        assert_eq!(said, (rejected[0], rejected[1]), "{options}");
    }
}

#[test]
fn errors_are_limited_to_the_configured_rate() {
    let dying = udp_with_ttl(at(HOST, 5000), at(SERVER, 53), 1);
    let packets = || {
        (0..4)
            .fold(Replay::new(), |replay, _| replay.lan(T, &dying))
            .lan(T + Duration::from_secs(1), &dying)
    };
    let (said, silent) = ("reject lan ttl-expired", "drop ttl-expired");
    let verdicts = packets()
        .options("--icmp-error-rate 2+1/s")
        .run()
        .verdicts();
    assert_eq!(verdicts, [said, said, silent, silent, said]);
    assert_eq!(packets().run().verdicts(), [said; 5]);
}

#[test]
fn a_host_without_a_session_gets_the_configured_error() {
    for (options, expected) in [
        ("--profile rfc", Some(13)),
        ("--exhaustion-error administratively-prohibited", Some(13)),
        ("--exhaustion-error host-unreachable", Some(1)),
        ("--exhaustion-error none", None),
    ] {
        let replay = (5000..5002).fold(Replay::new(), |replay, port| {
            replay.lan(T, &udp(at(HOST, port), at(SERVER, 53)))
        });
        let outcome = replay.options(&format!("--host-limit 1 {options}")).run();
        let seen_error = outcome.lan.first().map(|(_, error)| seen(error).kind);
        assert_eq!(seen_error, expected.map(Kind::Unreachable), "{options}");
        let verdict = if expected.is_some() {
            "reject lan host-limit"
        } else {
            "drop host-limit"
        };
        assert_eq!(outcome.verdicts(), ["forward wan", verdict], "{options}");
    }
}

/// RFC 5508 REQ-10a: packets for the router's stack are `local`.
#[test]
fn pings_reach_the_router_if_configured() {
    for (options, expected) in [
        ("--profile rfc", ["local", "drop echo-refused"]),
        ("--lan-ping no", ["drop echo-refused", "drop echo-refused"]),
        ("--wan-ping", ["local", "local"]),
        ("--wan-ping no", ["local", "drop echo-refused"]),
        (
            "--profile gateway",
            ["drop echo-refused", "drop echo-refused"],
        ),
        (
            "--profile gateway --lan-ping yes --wan-ping yes",
            ["local", "local"],
        ),
    ] {
        let replay = Replay::new()
            .lan(T, &ping(at(HOST, 7), ROUTER_INSIDE))
            .wan(T, &ping(at(SERVER, 7), EXTERNAL));
        assert_eq!(
            replay.options(options).run().verdicts(),
            expected,
            "{options}"
        );
    }
}
