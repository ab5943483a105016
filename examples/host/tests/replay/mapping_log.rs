//! The log of mappings: RFC 6888 REQ-11c and REQ-12.

use core::time::Duration;
use std::fs;

use serde_json::Value;

use crate::packet::{EXTERNAL, HOST, PEER, SERVER, at, syn, udp};
use crate::run::{Files, Record, Replay};

const T: Duration = Duration::from_micros(1_700_000_000_123_456);

/// The mapping log of a run on these packets from the LAN.
#[track_caller]
fn log(packets: &[Record], options: &str) -> Vec<String> {
    let files = Files::new();
    Replay::new().write(&files.path("lan-in"), packets);
    let options: Vec<_> = options.split_whitespace().map(str::to_owned).collect();
    let output = files.replay(&["lan-in", "mapping-log"], &options);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::read_to_string(files.path("mapping-log"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn after(secs: u64) -> Duration {
    T + Duration::from_secs(secs)
}

/// G12: a line when a mapping is created and when it is deleted, and none for its other sessions.
#[test]
fn a_mapping_has_a_line_when_it_begins_and_when_it_ends() {
    let packets = [
        (T, udp(at(HOST, 5000), at(SERVER, 53))),
        (after(1), udp(at(HOST, 5000), at(SERVER, 54))),
        (after(1000), udp(at(HOST, 5000), at(EXTERNAL, 9))),
    ];
    let lines = log(&packets, "");
    let external = serde_json::from_str::<Value>(&lines[0]).unwrap()["external"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(external.starts_with("198.51.100.77:"), "{external}");
    let ends = format!(
        r#""protocol":"udp","inside":"192.168.77.10:5000","external":"{external}","forward":false"#
    );
    let expected = [
        format!(r#"{{"time":1700000000.123000,"event":"created",{ends},"reason":null}}"#),
        // 300 s after the second session's packet, though nothing happened then.
        format!(r#"{{"time":1700000301.123000,"event":"deleted",{ends},"reason":null}}"#),
    ];
    assert_eq!(lines, expected);
}

/// G11c: a line for each session refused, with the reason.
#[test]
fn a_refused_session_has_a_line() {
    let packets = [
        (T, udp(at(HOST, 5000), at(SERVER, 53))),
        (after(1), udp(at(HOST, 5001), at(SERVER, 53))),
        (after(2), syn(at(HOST, 5001), at(SERVER, 80))),
    ];
    let line = |secs: u64, protocol: &str| {
        format!(
            r#"{{"time":{secs}.123000,"event":"refused","protocol":"{protocol}","inside":"192.168.77.10","#
        ) + r#""external":null,"forward":null,"reason":"host-limit"}"#
    };
    assert_eq!(
        log(&packets, "--host-limit 1")[1..],
        [line(1_700_000_001, "udp"), line(1_700_000_002, "tcp")]
    );
}

/// G12: port forwards are mappings from the first packet on.
#[test]
fn port_forwards_have_a_line() {
    let packets = [(T, udp(at(PEER, 80), at(SERVER, 53)))];
    let lines = log(&packets, "--forward udp:8080=192.168.77.11:80");
    let expected = r#"{"time":1700000000.123000,"event":"created","protocol":"udp","inside":"192.168.77.11:80","#
        .to_owned()
        + r#""external":"198.51.100.77:8080","forward":true,"reason":null}"#;
    assert_eq!(lines, [expected], "the session has none of its own");
}

/// G12: the log contains no destination.
#[test]
fn the_log_holds_no_destination() {
    let server = at(SERVER, 443);
    let packets = [
        (T, udp(at(HOST, 4999), server)),
        (after(1), udp(at(HOST, 5000), server)),
        (after(2), udp(at(HOST, 5001), server)),
        (after(10_000), udp(at(PEER, 5001), server)),
    ];
    let lines = log(&packets, "--host-limit 2");
    let events: Vec<_> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone())
        .collect();
    assert_eq!(
        events,
        [
            "created", "created", "refused", "deleted", "deleted", "created"
        ]
    );
    assert!(
        lines
            .iter()
            .all(|line| !line.contains(&SERVER.to_string()) && !line.contains(":443")),
        "{lines:#?}"
    );
}

/// A log that cannot be written fails the run in one line.
#[test]
fn a_log_that_cannot_be_written_is_an_error() {
    let files = Files::new();
    Replay::new().write(
        &files.path("lan-in"),
        &[(T, udp(at(HOST, 5000), at(SERVER, 53)))],
    );
    fs::create_dir(files.path("mapping-log")).unwrap();
    let output = files.replay(&["lan-in", "mapping-log"], &[]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), message.lines().count()),
        (Some(2), 1),
        "{message}"
    );
    assert!(
        message.contains("cannot write") && message.contains("mapping-log"),
        "{message}"
    );
}

/// A full disk is noticed, although lines are buffered.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let files = Files::new();
    Replay::new().write(
        &files.path("lan-in"),
        &[(T, udp(at(HOST, 5000), at(SERVER, 53)))],
    );
    let output = files.replay(
        &["lan-in"],
        &["--mapping-log".to_owned(), "/dev/full".to_owned()],
    );
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("cannot write /dev/full"), "{message}");
}
