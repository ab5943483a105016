//! The limits of one inside host: RFC 6888 REQ-4 and REQ-5.

use core::net::SocketAddrV4;
use core::time::Duration;

use crate::packet::{HOST, PEER, SERVER, at, ping, syn, udp};
use crate::run::Replay;

const T: Duration = Duration::from_secs(1_700_000_000);

const FORWARD: &str = "forward wan";
const LIMIT: &str = "reject lan host-limit";
const RATE: &str = "reject lan host-rate";

fn server(port: u16) -> SocketAddrV4 {
    at(SERVER, port)
}

/// The verdicts on these packets, all at the same time.
#[track_caller]
fn verdicts(packets: &[Vec<u8>], options: &str) -> Vec<String> {
    packets
        .iter()
        .fold(Replay::new(), |replay, packet| replay.lan(T, packet))
        .options(options)
        .run()
        .verdicts()
}

#[test]
fn a_hosts_mappings_are_limited() {
    let packets = [
        udp(at(HOST, 5000), server(53)),
        udp(at(HOST, 5001), server(53)),
        udp(at(HOST, 5002), server(53)),
        udp(at(HOST, 5001), server(54)),
        udp(at(PEER, 5000), server(53)),
    ];
    assert_eq!(
        verdicts(&packets, "--host-mappings 2"),
        [FORWARD, FORWARD, LIMIT, FORWARD, FORWARD]
    );
    assert_eq!(
        verdicts(&packets, "--host-limit 2"),
        [FORWARD, FORWARD, LIMIT, LIMIT, FORWARD],
        "sessions"
    );
}

/// REQ-4b: two of each protocol.
#[test]
fn each_protocol_has_a_separate_limit() {
    let packets = [
        syn(at(HOST, 5000), server(80)),
        syn(at(HOST, 5001), server(80)),
        udp(at(HOST, 5000), server(53)),
        udp(at(HOST, 5001), server(53)),
        ping(at(HOST, 1), SERVER),
        ping(at(HOST, 2), SERVER),
    ];
    for (options, refused) in [
        ("--host-tcp-mappings 1", 1),
        ("--host-udp-mappings 1", 3),
        ("--host-icmp-mappings 1", 5),
    ] {
        let mut expected = [FORWARD; 6];
        // A half-open connection is evicted for a new one.
        if refused != 1 {
            expected[refused] = LIMIT;
        }
        assert_eq!(verdicts(&packets, options), expected, "{options}");
    }
}

#[test]
fn the_sessions_of_a_mapping_are_limited() {
    let packets = [
        udp(at(HOST, 5000), server(1)),
        udp(at(HOST, 5000), server(2)),
        udp(at(HOST, 5000), server(3)),
        udp(at(HOST, 5001), server(3)),
    ];
    assert_eq!(
        verdicts(&packets, "--mapping-sessions 2"),
        [FORWARD, FORWARD, LIMIT, FORWARD]
    );
}

/// REQ-4c: a burst of two, then one a second.
#[test]
fn the_rate_of_new_mappings_and_sessions_is_limited() {
    let mapping = |port| udp(at(HOST, port), server(53));
    let session = |port| udp(at(HOST, 5000), server(port));
    let second = T + Duration::from_secs(1);
    let run = |packets: [Vec<u8>; 5], options: &str| {
        let [one, two, three, four, five] = packets;
        let replay = Replay::new()
            .lan(T, &one)
            .lan(T, &two)
            .lan(T, &three)
            .lan(second, &four)
            .lan(second, &five);
        replay.options(options).run().verdicts()
    };
    let limited = [FORWARD, FORWARD, RATE, FORWARD, RATE];
    assert_eq!(
        run([1, 2, 3, 4, 5].map(mapping), "--mapping-rate 2+1/s"),
        limited
    );
    assert_eq!(
        run([1, 2, 3, 4, 5].map(session), "--session-rate 2+1/s"),
        limited
    );
    assert_eq!(
        run([1, 2, 3, 4, 5].map(session), "--mapping-rate 2+1/s"),
        [FORWARD; 5],
        "one mapping"
    );
    assert_eq!(
        run([1, 2, 3, 4, 5].map(mapping), "--mapping-rate 5+1/s"),
        [FORWARD; 5]
    );
}
