//! The timestamps are the clock.

use core::time::Duration;

use crate::packet::{EXTERNAL, HOST, Kind, SERVER, ack, at, seen, syn, syn_ack, udp};
use crate::run::{Outcome, Replay};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A query at `start`, and its answer after `later`.
#[track_caller]
fn query_and_answer(start: Duration, later: Duration) -> Outcome {
    let query = udp(at(HOST, 5000), at(SERVER, 9));
    let first = Replay::new().lan(start, &query).run();
    let port = seen(&first.wan[0].1).from.port();
    Replay::new()
        .lan(start, &query)
        .wan(start + later, &udp(at(SERVER, 9), at(EXTERNAL, port)))
        .run()
}

#[test]
fn sessions_expire_by_the_timestamps_wherever_the_clock_starts() {
    let starts =
        [0, 1_700_000_000_000, (1 << 32) - 1, (1 << 32) - 150_000].map(Duration::from_millis);
    for start in starts {
        let within = query_and_answer(start, Duration::from_secs(299));
        assert_eq!(
            within.verdicts(),
            ["forward wan", "forward lan"],
            "{start:?}"
        );
        assert_eq!(within.lan[0].0, start + Duration::from_secs(299));
        let beyond = query_and_answer(start, Duration::from_secs(302));
        assert_eq!(
            beyond.verdicts(),
            ["forward wan", "drop no-mapping"],
            "{start:?}"
        );
        assert!(
            beyond.summary.contains("sessions-expired=1"),
            "{}",
            beyond.summary
        );
    }
}

#[test]
fn the_clock_may_jump_by_years() {
    let start = Duration::from_secs(1);
    let query = udp(at(HOST, 5000), at(SERVER, 9));
    let outcome = Replay::new()
        .lan(start, &query)
        .lan(start + 40 * YEAR, &query)
        .lan(start + 80 * YEAR, &query)
        .run();
    assert_eq!(outcome.verdicts(), ["forward wan"; 3]);
    assert!(
        outcome
            .summary
            .contains("sessions-created=3 sessions-expired=2"),
        "{}",
        outcome.summary
    );
}

#[test]
fn records_of_one_capture_keep_their_order_if_its_clock_steps_back() {
    let start = Duration::from_secs(1000);
    let query = |port| udp(at(HOST, port), at(SERVER, 9));
    let outcome = Replay::new()
        .lan(start, &query(5000))
        .lan(start - Duration::from_secs(9), &query(5001))
        .wan(start + Duration::from_secs(1), &[])
        .run();
    let times: Vec<u64> = outcome.wan.iter().map(|(time, _)| time.as_secs()).collect();
    assert_eq!(times, [1000, 991]);
    assert_eq!(
        outcome.verdicts(),
        ["forward wan", "forward wan", "drop truncated"]
    );
}

#[test]
fn the_gateway_profile_ends_idle_connections_after_350_seconds_with_a_reset_to_the_inside() {
    let start = Duration::from_secs(50);
    let second = Duration::from_secs(1);
    let open = syn(at(HOST, 5000), at(SERVER, 80));
    let port = seen(&Replay::new().lan(start, &open).run().wan[0].1)
        .from
        .port();
    let replay = |profile: &str, idle: u64| {
        Replay::new()
            .lan(start, &open)
            .wan(start, &syn_ack(at(SERVER, 80), at(EXTERNAL, port)))
            .lan(start + second, &ack(at(HOST, 5000), at(SERVER, 80)))
            .lan(
                start + second + Duration::from_secs(idle),
                &ack(at(HOST, 5000), at(SERVER, 80)),
            )
            .options(&format!("--profile {profile}"))
            .run()
    };
    assert_eq!(replay("gateway", 349).verdicts()[3], "forward wan");
    assert_eq!(replay("rfc", 7439).verdicts()[3], "forward wan");
    for (profile, idle) in [("gateway", 352), ("rfc", 7442)] {
        let outcome = replay(profile, idle);
        assert_eq!(outcome.verdicts()[3], "reject lan no-session", "{profile}");
        assert_eq!(outcome.wan.len(), 2, "nothing toward the outside");
        assert_eq!(seen(&outcome.lan[1].1).kind, Kind::Reset);
    }
}
