//! Received fragments, and fragmentation.

use core::net::SocketAddrV4;
use core::time::Duration;

use crate::packet::{
    EXTERNAL, HOST, IPV4_FLAGS, Kind, ROUTER_INSIDE, SERVER, Seen, at, fragmentable, fragments_of,
    offset, payload, quoted, reassembled, seen, udp, udp_with, udp_with_ttl,
};
use crate::run::{Outcome, Record, Replay};

const T: Duration = Duration::from_micros(1_700_000_000_123_456);
/// The payload of a fragment for an MTU of 1500 bytes.
const PIECE: usize = 1480;

fn ms(millis: u64) -> Duration {
    T + Duration::from_millis(millis)
}

fn host() -> SocketAddrV4 {
    at(HOST, 5000)
}

fn server() -> SocketAddrV4 {
    at(SERVER, 53)
}

/// Bytes that depend on their position.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 31) >> 3) as u8).collect()
}

/// A datagram of three fragments.
fn pieces(from: SocketAddrV4, to: SocketAddrV4) -> Vec<Vec<u8>> {
    let pieces = fragments_of(&fragmentable(from, to, 7, &bytes(4000)), PIECE);
    assert_eq!(pieces.len(), 3);
    pieces
}

/// The external endpoint of [`host`]; the seed is fixed, so it is the same in every run.
fn external() -> SocketAddrV4 {
    seen(&Replay::new().lan(T, &udp(host(), server())).run().wan[0].1).from
}

fn packets(records: &[Record]) -> impl Iterator<Item = &Vec<u8>> {
    records.iter().map(|(_, packet)| packet)
}

/// The time in milliseconds after `T` and the offset of each fragment that left.
fn departures(records: &[Record]) -> Vec<(u64, usize)> {
    let millis = |time: &Duration| u64::try_from((*time - T).as_millis()).unwrap();
    records
        .iter()
        .map(|(time, packet)| (millis(time), offset(packet)))
        .collect()
}

#[track_caller]
fn check(fragments: &[Record], from: SocketAddrV4, to: SocketAddrV4, expected: &[u8]) {
    let whole = reassembled(fragments);
    assert_eq!(
        seen(&whole),
        Seen {
            from,
            to,
            ttl: 63,
            kind: Kind::Udp
        }
    );
    assert_eq!(payload(&whole), expected);
}

/// Fragments that arrive in `order`, one each millisecond: their verdicts, and when each leaves.
type Arrival = ([usize; 3], [&'static str; 3], [(u64, usize); 3]);

const ARRIVALS: [Arrival; 4] = [
    (
        [0, 1, 2],
        ["forward", "forward", "forward"],
        [(1, 0), (2, PIECE), (3, 2 * PIECE)],
    ),
    (
        [0, 2, 1],
        ["forward", "forward", "forward"],
        [(1, 0), (2, 2 * PIECE), (3, PIECE)],
    ),
    (
        [1, 0, 2],
        ["hold", "forward", "forward"],
        [(2, 0), (2, PIECE), (3, 2 * PIECE)],
    ),
    (
        [2, 1, 0],
        ["hold", "hold", "forward"],
        [(3, 0), (3, 2 * PIECE), (3, PIECE)],
    ),
];

fn verdicts_of(verdicts: [&str; 3], side: &str) -> [String; 3] {
    verdicts.map(|verdict| {
        if verdict == "hold" {
            verdict.to_owned()
        } else {
            format!("{verdict} {side}")
        }
    })
}

#[test]
fn held_fragments_leave_behind_the_first_and_with_its_timestamp() {
    let external = external();
    for (order, verdicts, expected) in ARRIVALS {
        let pieces = pieces(host(), server());
        let arrivals = order.iter().zip(1..);
        let outcome = arrivals
            .fold(Replay::new(), |replay, (i, at)| {
                replay.lan(ms(at), &pieces[*i])
            })
            .run();
        assert_eq!(
            outcome.verdicts(),
            verdicts_of(verdicts, "wan"),
            "{order:?}"
        );
        assert_eq!(departures(&outcome.wan), expected, "{order:?}");
        check(&outcome.wan, external, server(), &bytes(4000));
        assert!(outcome.lan.is_empty());
    }
}

#[test]
fn answers_in_fragments_come_back_in_the_same_way() {
    let external = external();
    for (order, verdicts, expected) in ARRIVALS {
        let pieces = pieces(server(), external);
        let query = Replay::new().lan(T, &udp(host(), server()));
        let arrivals = order.iter().zip(1..);
        let outcome = arrivals
            .fold(query, |replay, (i, at)| replay.wan(ms(at), &pieces[*i]))
            .run();
        assert_eq!(
            outcome.verdicts()[1..],
            verdicts_of(verdicts, "lan"),
            "{order:?}"
        );
        assert_eq!(departures(&outcome.lan), expected, "{order:?}");
        check(&outcome.lan, server(), host(), &bytes(4000));
        assert_eq!(outcome.wan.len(), 1, "nothing but the query");
    }
}

#[test]
fn held_fragments_of_both_sides_leave_on_the_right_side() {
    let external = external();
    let (out, back) = (pieces(host(), server()), pieces(server(), external));
    let outcome = Replay::new()
        .lan(T, &udp(host(), server()))
        .lan(ms(1), &out[2])
        .wan(ms(2), &back[2])
        .lan(ms(3), &out[1])
        .wan(ms(4), &back[1])
        .wan(ms(5), &back[0])
        .lan(ms(6), &out[0])
        .run();
    let expected = [
        "forward wan",
        "hold",
        "hold",
        "hold",
        "hold",
        "forward lan",
        "forward wan",
    ];
    assert_eq!(outcome.verdicts(), expected);
    assert_eq!(
        departures(&outcome.lan),
        [(5, 0), (5, 2 * PIECE), (5, PIECE)]
    );
    assert_eq!(
        departures(&outcome.wan[1..]),
        [(6, 0), (6, 2 * PIECE), (6, PIECE)]
    );
    check(&outcome.lan, server(), host(), &bytes(4000));
    check(&outcome.wan[1..], external, server(), &bytes(4000));
}

#[test]
fn a_held_fragment_has_a_line_of_json() {
    let outcome = Replay::new().lan(T, &pieces(host(), server())[1]).run();
    let expected =
        r#"{"time":1700000000.123456,"from":"lan","verdict":"hold","to":null,"reason":null}"#;
    assert_eq!(outcome.lines, [expected]);
    assert!(outcome.wan.is_empty() && outcome.lan.is_empty());
    assert!(
        outcome
            .summary
            .contains("lan-in=1 wan-in=0 forwarded=0 held=1 "),
        "{}",
        outcome.summary
    );
}

#[test]
fn fragments_of_a_refused_first_fragment_never_leave() {
    let dying = fragments_of(&udp_with_ttl_and_room(), PIECE);
    let outcome = Replay::new()
        .lan(ms(0), &dying[1])
        .lan(ms(1), &dying[0])
        .lan(ms(2), &dying[2])
        .run();
    assert_eq!(
        outcome.verdicts(),
        ["hold", "reject lan ttl-expired", "hold"]
    );
    assert_eq!(seen(&outcome.lan[0].1).kind, Kind::TimeExceeded);
    assert!(outcome.wan.is_empty());

    let unsolicited = pieces(server(), at(EXTERNAL, 9));
    let outcome = Replay::new()
        .wan(ms(0), &unsolicited[1])
        .wan(ms(1), &unsolicited[0])
        .run();
    assert_eq!(outcome.verdicts(), ["hold", "drop no-mapping"]);
    assert!(outcome.lan.is_empty() && outcome.wan.is_empty());
}

/// A datagram of three fragments on its last hop.
fn udp_with_ttl_and_room() -> Vec<u8> {
    let mut packet = udp_with(host(), server(), 1, &bytes(4000));
    // The DF flag is in the header, whose checksum `fragments_of` recomputes.
    packet[IPV4_FLAGS] = 0;
    packet
}

#[test]
fn held_fragments_expire() {
    let pieces = pieces(host(), server());
    let wait = |millis| {
        Replay::new()
            .lan(ms(0), &pieces[1])
            .lan(ms(millis), &pieces[0])
            .run()
    };
    assert_eq!(departures(&wait(1_900).wan), [(1_900, 0), (1_900, PIECE)]);
    assert_eq!(departures(&wait(60_000).wan), [(60_000, 0)]);
}

#[test]
fn datagrams_larger_than_the_mtu_leave_in_fragments_without_df() {
    let external = external();
    for (len, offsets) in [
        (1400, &[0][..]),
        (1401, &[0, 1376]),
        (1500, &[0, 1376]),
        (2800, &[0, 1376, 2752]),
    ] {
        let sent = bytes(len - 28);
        let outcome = Replay::new()
            .lan(T, &fragmentable(host(), server(), 7, &sent))
            .options("--wan-mtu 1400")
            .run();
        assert_eq!(outcome.verdicts(), ["forward wan"], "{len}");
        assert_eq!(
            departures(&outcome.wan),
            offsets
                .iter()
                .map(|offset| (0, *offset))
                .collect::<Vec<_>>(),
            "{len}"
        );
        assert!(
            packets(&outcome.wan).all(|packet| packet.len() <= 1400),
            "{len}"
        );
        check(&outcome.wan, external, server(), &sent);

        let query = Replay::new().lan(T, &udp(host(), server()));
        let answer = fragmentable(server(), external, 7, &sent);
        let outcome = query.wan(ms(3), &answer).options("--lan-mtu 1400").run();
        assert_eq!(outcome.verdicts(), ["forward wan", "forward lan"], "{len}");
        assert_eq!(
            departures(&outcome.lan),
            offsets
                .iter()
                .map(|offset| (3, *offset))
                .collect::<Vec<_>>(),
            "{len}"
        );
        assert!(
            packets(&outcome.lan).all(|packet| packet.len() <= 1400),
            "{len}"
        );
        check(&outcome.lan, server(), host(), &sent);
    }
}

#[test]
fn held_fragments_are_fragmented_again_for_a_smaller_mtu() {
    let pieces = pieces(host(), server());
    let replay = Replay::new()
        .lan(ms(1), &pieces[2])
        .lan(ms(2), &pieces[1])
        .lan(ms(3), &pieces[0]);
    let outcome = replay.options("--wan-mtu 1300").run();
    assert_eq!(outcome.verdicts(), ["hold", "hold", "forward wan"]);
    let (first, last, middle) = ([0, 1280], [2 * PIECE], [PIECE, PIECE + 1280]);
    let expected: Vec<_> = [&first[..], &last, &middle]
        .concat()
        .into_iter()
        .map(|offset| (3, offset))
        .collect();
    assert_eq!(departures(&outcome.wan), expected);
    assert!(packets(&outcome.wan).all(|packet| packet.len() <= 1300));
    check(&outcome.wan, external(), server(), &bytes(4000));
}

#[test]
fn datagrams_with_df_are_rejected_with_the_mtu() {
    let too_big = udp_with(host(), server(), 64, &bytes(1401 - 28));
    let outcome = Replay::new()
        .lan(T, &too_big)
        .options("--wan-mtu 1400")
        .run();
    assert_eq!(outcome.verdicts(), ["reject lan packet-too-big"]);
    assert!(outcome.wan.is_empty());
    needs_fragmentation(&outcome.lan, (ROUTER_INSIDE, HOST), (HOST, SERVER), 1400);

    let outcome = answered_with(1301, "--lan-mtu 1300");
    assert_eq!(
        outcome.verdicts(),
        ["forward wan", "reject wan packet-too-big"]
    );
    assert!(outcome.lan.is_empty());
    needs_fragmentation(
        &outcome.wan[1..],
        (EXTERNAL, SERVER),
        (SERVER, EXTERNAL),
        1300,
    );
}

/// A query, and an answer of `len` bytes that must not be fragmented.
fn answered_with(len: usize, options: &str) -> Outcome {
    let answer = udp_with(server(), external(), 64, &bytes(len - 28));
    Replay::new()
        .lan(T, &udp_with_ttl(host(), server(), 64))
        .wan(T, &answer)
        .options(options)
        .run()
}

type Route = (core::net::Ipv4Addr, core::net::Ipv4Addr);

#[track_caller]
fn needs_fragmentation(answers: &[Record], route: Route, quoted_route: Route, mtu: u16) {
    let [(time, error)] = answers else {
        panic!("{answers:?}")
    };
    let answer = seen(error);
    assert_eq!((answer.from, answer.to), (at(route.0, 0), at(route.1, 0)));
    assert_eq!(
        (*time, answer.kind, quoted(error)),
        (T, Kind::FragmentationNeeded(mtu), quoted_route)
    );
}
