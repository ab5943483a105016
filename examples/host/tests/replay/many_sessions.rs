//! More sessions at once than 16 bits can count.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use std::collections::HashSet;

use crate::packet::{EXTERNAL, SERVER, at, seen, udp_with};
use crate::run::{Outcome, Replay};

/// An inside endpoint and its remote endpoint.
type Session = (SocketAddrV4, SocketAddrV4);

const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 6);
const LARGE: &str = "--mappings 131072 --sessions 131072 --host-limit 65535 --reserved 0";

/// The endpoints of `hosts` hosts with `ports` ports each.
fn endpoints(hosts: u8, ports: u16) -> impl Iterator<Item = SocketAddrV4> {
    let host = |number| Ipv4Addr::new(192, 168, 77, 10 + number);
    (0..hosts).flat_map(move |number| (0..ports).map(move |port| at(host(number), 10_000 + port)))
}

/// One packet of each session, then one back to each of the `external` endpoints.
fn replay(sessions: &[Session], external: &[SocketAddrV4], options: &str) -> Outcome {
    let packet = |from, to| udp_with(from, to, 64, &[]);
    let mut replay = Replay::new().options(options);
    for (inside, remote) in sessions {
        replay = replay.lan(Duration::from_secs(1), &packet(*inside, *remote));
    }
    for ((_, remote), external) in sessions.iter().zip(external) {
        replay = replay.wan(Duration::from_secs(2), &packet(*remote, *external));
    }
    replay.run()
}

/// Opens every session, then answers every one. Returns the external endpoint
/// of each.
#[track_caller]
fn translated(sessions: &[Session], options: &str) -> Vec<SocketAddrV4> {
    let leave = |outcome: &Outcome| -> Vec<Session> {
        let packets = outcome.wan.iter().map(|(_, packet)| seen(packet));
        packets.map(|seen| (seen.from, seen.to)).collect()
    };
    let left = leave(&replay(sessions, &[], options));
    assert!(
        left.iter()
            .map(|(_, to)| to)
            .eq(sessions.iter().map(|(_, remote)| remote)),
        "{} left",
        left.len()
    );
    assert_eq!(
        left.iter().collect::<HashSet<_>>().len(),
        sessions.len(),
        "two sessions look the same outside"
    );

    let external: Vec<SocketAddrV4> = left.iter().map(|(from, _)| *from).collect();
    let outcome = replay(sessions, &external, options);
    assert!(
        leave(&outcome) == left,
        "translated otherwise the second time"
    );
    let answers = outcome.lan.iter().map(|(_, packet)| seen(packet));
    let answers: Vec<Session> = answers.map(|seen| (seen.to, seen.from)).collect();
    assert!(
        answers == sessions,
        "{} answers came back, or to another",
        answers.len()
    );
    let created = format!("sessions-created={} sessions-expired=0 ", sessions.len());
    assert!(
        format!("{} ", outcome.summary.trim_end()).contains(&created),
        "{}",
        outcome.summary
    );
    external
}

#[test]
fn eighty_thousand_endpoints_are_translated_at_once() {
    let sessions: Vec<Session> = endpoints(8, 10_000)
        .map(|inside| (inside, at(SERVER, 53)))
        .collect();
    let options = format!(
        "{LARGE} --wan-address 198.51.100.78 --wan-address 198.51.100.79 --wan-address 198.51.100.80"
    );
    let external = translated(&sessions, &options);
    assert_eq!(external.iter().collect::<HashSet<_>>().len(), 80_000);
}

/// 55,000 inside endpoints, each with sessions to two servers.
fn two_destinations() -> Vec<Session> {
    let servers = [at(SERVER, 53), at(OTHER_SERVER, 53)];
    servers
        .into_iter()
        .flat_map(|server| endpoints(11, 5_000).map(move |inside| (inside, server)))
        .collect()
}

/// RFC 7857 section 3: a port in use for one destination is free for another, so there are
/// more mappings than ports.
#[test]
fn a_hundred_and_ten_thousand_sessions_over_two_destinations_share_one_external_address() {
    let external = translated(
        &two_destinations(),
        &format!("{LARGE} --mapping address-and-port-dependent"),
    );
    assert!(external.iter().all(|external| *external.ip() == EXTERNAL));
    let [one, other] = [&external[..55_000], &external[55_000..]]
        .map(|external| external.iter().collect::<HashSet<_>>());
    assert_eq!((one.len(), other.len()), (55_000, 55_000), "a port each");
    assert!(
        one.intersection(&other).count() >= 2 * 55_000 - 65_535,
        "both have most ports"
    );
    assert!(
        external[..55_000] != external[55_000..],
        "a mapping for each session, not for each endpoint inside"
    );
}

/// Counted in the mapping log: one for each session if mappings overlap, else one for both destinations.
#[test]
fn overlapping_mappings_are_as_many_as_their_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("mappings.jsonl");
    for (mapping, expected) in [
        ("address-and-port-dependent", 110_000),
        ("endpoint-independent", 55_000),
    ] {
        let options = format!(
            "{LARGE} --mapping {mapping} --mapping-log {}",
            log.display()
        );
        let outcome = replay(&two_destinations(), &[], &options);
        assert!(
            outcome.summary.contains("sessions-created=110000 "),
            "{mapping}: {}",
            outcome.summary
        );
        let created = std::fs::read_to_string(&log)
            .unwrap()
            .matches(r#""event":"created""#)
            .count();
        assert_eq!(created, expected, "{mapping}");
    }
}

#[test]
fn small_tables_have_the_stated_size() {
    let sessions: Vec<Session> = endpoints(1, 8)
        .map(|inside| (inside, at(SERVER, 53)))
        .collect();
    let one_more = [
        &sessions[..],
        &[(at(Ipv4Addr::new(192, 168, 77, 10), 9), at(SERVER, 53))],
    ]
    .concat();
    let outcome = replay(
        &one_more,
        &[],
        "--mappings 8 --sessions 8 --host-limit 16 --reserved 0",
    );
    assert!(
        outcome
            .summary
            .starts_with("tables: 8 mappings, 16 sessions, 8 hosts\n"),
        "{}",
        outcome.summary
    );
    let mut expected = ["forward wan"; 9].map(str::to_owned);
    expected[8] = "reject lan mapping-table-full".to_owned();
    assert_eq!(outcome.verdicts(), expected);
}
