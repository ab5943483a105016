//! Verdicts, and where they are reported.

use core::time::Duration;

use pcap_file::{DataLink, Endianness, TsResolution};

use crate::packet::{
    EXTERNAL, HOST, Kind, ROUTER_INSIDE, SERVER, Seen, ack, at, mss, quoted, seen, syn,
    syn_with_mss, udp, udp_with, udp_with_ttl,
};
use crate::run::Replay;

const T: Duration = Duration::from_micros(1_700_000_000_123_456);

/// The external port of the first packet from the LAN. It is the same in every run, because the seed
/// is fixed.
#[track_caller]
fn external_port(packet: &[u8]) -> u16 {
    let outcome = Replay::new().lan(T, packet).run();
    assert_eq!(outcome.verdicts(), ["forward wan"]);
    seen(&outcome.wan[0].1).from.port()
}

#[test]
fn a_query_leaves_translated_and_its_answer_comes_back_in_every_kind_of_capture() {
    let query = udp(at(HOST, 5000), at(SERVER, 53));
    let port = external_port(&query);
    let answer = udp(at(SERVER, 53), at(EXTERNAL, port));
    for resolution in [TsResolution::MicroSecond, TsResolution::NanoSecond] {
        for endianness in [Endianness::Little, Endianness::Big] {
            for datalink in [DataLink::RAW, DataLink::IPV4] {
                let mut replay = Replay::new()
                    .lan(T, &query)
                    .wan(T + Duration::from_micros(1), &answer);
                (replay.resolution, replay.endianness, replay.datalink) =
                    (resolution, endianness, datalink);
                let outcome = replay.run();
                let expected = Seen {
                    from: at(EXTERNAL, port),
                    to: at(SERVER, 53),
                    ttl: 63,
                    kind: Kind::Udp,
                };
                assert_eq!(seen(&outcome.wan[0].1), expected);
                let expected = Seen {
                    from: at(SERVER, 53),
                    to: at(HOST, 5000),
                    ttl: 63,
                    kind: Kind::Udp,
                };
                assert_eq!(seen(&outcome.lan[0].1), expected);
                assert_eq!(
                    (outcome.wan[0].0, outcome.lan[0].0),
                    (T, T + Duration::from_micros(1))
                );
                assert_eq!(outcome.verdicts(), ["forward wan", "forward lan"]);
            }
        }
    }
}

#[test]
fn a_line_of_json_has_time_side_verdict_and_reason() {
    let outcome = Replay::new()
        .lan(T, &udp(at(HOST, 5000), at(SERVER, 53)))
        .wan(
            T + Duration::from_secs(1),
            &udp(at(SERVER, 53), at(EXTERNAL, 9)),
        )
        .run();
    assert_eq!(
        outcome.lines,
        [
            r#"{"time":1700000000.123456,"from":"lan","verdict":"forward","to":"wan","reason":null}"#,
            r#"{"time":1700000001.123456,"from":"wan","verdict":"drop","to":null,"reason":"no-mapping"}"#,
        ]
    );
}

#[test]
fn json_has_exact_nanoseconds_and_captures_have_microseconds() {
    let mut replay = Replay::new().lan(
        Duration::new(1_700_000_000, 123_456_789),
        &udp(at(HOST, 5000), at(SERVER, 53)),
    );
    replay.resolution = TsResolution::NanoSecond;
    let outcome = replay.run();
    assert!(
        outcome.lines[0].starts_with(r#"{"time":1700000000.123456789,"#),
        "{}",
        outcome.lines[0]
    );
    assert_eq!(outcome.wan[0].0, T);
}

#[test]
fn of_two_packets_with_the_same_time_the_lans_is_first() {
    let query = udp(at(HOST, 5000), at(SERVER, 53));
    let answer = udp(at(SERVER, 53), at(EXTERNAL, external_port(&query)));
    let outcome = Replay::new().lan(T, &query).wan(T, &answer).run();
    assert_eq!(outcome.verdicts(), ["forward wan", "forward lan"]);
    let early = Replay::new()
        .lan(T, &query)
        .wan(T - Duration::from_micros(1), &answer)
        .run();
    assert_eq!(early.verdicts(), ["drop no-mapping", "forward wan"]);
}

#[test]
fn nothing_unsolicited_comes_in() {
    let outcome = Replay::new()
        .wan(T, &udp(at(SERVER, 53), at(EXTERNAL, 5000)))
        .wan(T, &syn(at(SERVER, 40000), at(EXTERNAL, 80)))
        .run();
    assert_eq!(outcome.verdicts(), ["drop no-mapping", "drop no-mapping"]);
    assert!(outcome.lan.is_empty() && outcome.wan.is_empty());
}

#[test]
fn every_record_gets_a_verdict_even_empty_and_random_ones() {
    let cut = &udp(at(HOST, 5000), at(SERVER, 53))[..24];
    let outcome = Replay::new()
        .lan(T, &[])
        .lan(T, &[0x45; 7])
        .lan(T, &[0xff; 60])
        .lan(T, cut)
        .wan(T, &[0; 40])
        .run();
    assert_eq!(
        outcome.verdicts(),
        [
            "drop truncated",
            "drop truncated",
            "drop bad-version",
            "drop bad-total-length",
            "drop bad-version"
        ]
    );
    assert!(outcome.lan.is_empty() && outcome.wan.is_empty());
}

#[test]
fn link_padding_is_removed() {
    let query = udp(at(HOST, 5000), at(SERVER, 53));
    let mut padded = query.clone();
    padded.extend([0; 11]);
    let outcome = Replay::new().lan(T, &padded).run();
    assert_eq!(outcome.wan[0].1.len(), query.len());
}

#[test]
fn an_answer_of_the_router_is_written_on_the_side_that_the_packet_came_from() {
    let dying = udp_with_ttl(at(HOST, 5000), at(SERVER, 53), 1);
    let outcome = Replay::new().lan(T, &dying).run();
    assert_eq!(outcome.verdicts(), ["reject lan ttl-expired"]);
    assert!(outcome.wan.is_empty());
    let (time, error) = &outcome.lan[0];
    let answer = seen(error);
    assert_eq!(
        (answer.from, answer.to, answer.kind),
        (at(ROUTER_INSIDE, 0), at(HOST, 0), Kind::TimeExceeded)
    );
    assert_eq!((*time, quoted(error)), (T, (HOST, SERVER)));

    let query = udp(at(HOST, 5000), at(SERVER, 53));
    let dying = udp_with_ttl(at(SERVER, 53), at(EXTERNAL, external_port(&query)), 1);
    let outcome = Replay::new().lan(T, &query).wan(T, &dying).run();
    assert_eq!(
        outcome.verdicts(),
        ["forward wan", "reject wan ttl-expired"]
    );
    assert_eq!(quoted(&outcome.wan[1].1), (SERVER, EXTERNAL));
    assert!(outcome.lan.is_empty());
}

#[test]
fn a_segment_without_a_session_is_reset_toward_the_inside() {
    let outcome = Replay::new()
        .lan(T, &ack(at(HOST, 5000), at(SERVER, 80)))
        .run();
    assert_eq!(outcome.verdicts(), ["reject lan no-session"]);
    let expected = (at(SERVER, 80), at(HOST, 5000), Kind::Reset);
    let reset = seen(&outcome.lan[0].1);
    assert_eq!((reset.from, reset.to, reset.kind), expected);
}

#[test]
fn packets_for_the_router_itself_are_not_written() {
    let outcome = Replay::new()
        .lan(T, &udp(at(HOST, 5000), at(ROUTER_INSIDE, 53)))
        .run();
    assert_eq!(outcome.verdicts(), ["local"]);
    assert!(outcome.lan.is_empty() && outcome.wan.is_empty());
}

#[test]
fn port_forwards_admit_packets_from_outside() {
    let outcome = Replay::new()
        .wan(T, &syn(at(SERVER, 40000), at(EXTERNAL, 8080)))
        .options("--forward tcp:8080=192.168.77.10:80 --forward udp:53=192.168.77.11:5353")
        .run();
    assert_eq!(outcome.verdicts(), ["forward lan"]);
    let arrived = seen(&outcome.lan[0].1);
    assert_eq!(
        (arrived.from, arrived.to),
        (at(SERVER, 40000), at(HOST, 80))
    );
}

#[test]
fn filtering_decides_who_may_answer() {
    let query = udp(at(HOST, 5000), at(SERVER, 53));
    let port = external_port(&query);
    let same_address = udp(at(SERVER, 54), at(EXTERNAL, port));
    let anyone = udp(at([203, 0, 113, 6].into(), 53), at(EXTERNAL, port));
    for (filtering, expected) in [
        (
            "address-and-port-dependent",
            ["drop filtered", "drop filtered"],
        ),
        ("address-dependent", ["forward lan", "drop filtered"]),
        ("endpoint-independent", ["forward lan", "forward lan"]),
    ] {
        let replay = Replay::new()
            .lan(T, &query)
            .wan(T, &same_address)
            .wan(T, &anyone);
        let outcome = replay.options(&format!("--filtering {filtering}")).run();
        assert_eq!(outcome.verdicts()[1..], expected, "{filtering}");
    }
}

#[test]
fn a_host_at_its_limit_gets_an_icmp_error() {
    let replay = (0..3).fold(Replay::new(), |replay, i| {
        replay.lan(T, &udp(at(HOST, 5000 + i), at(SERVER, 53)))
    });
    let verdicts = replay.options("--host-limit 2").run().verdicts();
    assert_eq!(
        verdicts,
        ["forward wan", "forward wan", "reject lan host-limit"]
    );
}

#[test]
fn the_mtus_limit_packets_and_are_reported_to_the_sender() {
    let sized = |len: usize| udp_with(at(HOST, 5000), at(SERVER, 53), 64, &vec![0; len - 28]);
    let replay = Replay::new()
        .lan(T, &sized(1400))
        .lan(T, &sized(1401))
        .options("--wan-mtu 1400");
    assert_eq!(
        replay.run().verdicts(),
        ["forward wan", "reject lan packet-too-big"]
    );

    let query = sized(100);
    let answer = |len: usize| {
        udp_with(
            at(SERVER, 53),
            at(EXTERNAL, external_port(&query)),
            64,
            &vec![0; len - 28],
        )
    };
    let replay = Replay::new()
        .lan(T, &query)
        .wan(T, &answer(1300))
        .wan(T, &answer(1301))
        .options("--lan-mtu 1300");
    assert_eq!(
        replay.run().verdicts(),
        ["forward wan", "forward lan", "reject wan packet-too-big"]
    );
}

#[test]
fn the_mss_is_lowered_only_if_configured() {
    let syn = syn_with_mss(at(HOST, 5000), at(SERVER, 80), 1460);
    for (options, expected) in [
        ("--wan-mtu 1400", 1460),
        ("--wan-mtu 1400 --mss-clamp", 1360),
        ("--mss-clamp", 1460),
    ] {
        let outcome = Replay::new().lan(T, &syn).options(options).run();
        assert_eq!(outcome.verdicts(), ["forward wan"]);
        assert_eq!(seen(&outcome.wan[0].1).kind, Kind::Syn);
        assert_eq!(mss(&outcome.wan[0].1), expected, "{options}");
    }
}

#[test]
fn secondary_external_addresses_are_used_and_a_host_keeps_one() {
    let hosts = (10..40).flat_map(|host| [(host, 5000), (host, 6000)]);
    let replay = hosts.fold(Replay::new(), |replay, (host, port)| {
        replay.lan(
            T,
            &udp(at([192, 168, 77, host].into(), port), at(SERVER, 53)),
        )
    });
    let outcome = replay
        .options("--wan-address 198.51.100.78 --wan-address 198.51.100.79")
        .run();
    let sources: Vec<_> = outcome
        .wan
        .iter()
        .map(|(_, packet)| *seen(packet).from.ip())
        .collect();
    assert!(
        sources.chunks(2).all(|pair| pair[0] == pair[1]),
        "{sources:?}"
    );
    for last in [77, 78, 79] {
        assert!(
            sources.contains(&[198, 51, 100, last].into()),
            "{sources:?}"
        );
    }
}

#[test]
fn runs_repeat_and_another_seed_gives_other_ports() {
    let replay = |options: &str| {
        let hosts = (0..20).fold(Replay::new(), |replay, i| {
            replay.lan(T, &udp(at(HOST, 5000 + i), at(SERVER, 53)))
        });
        if options.is_empty() {
            hosts
        } else {
            hosts.options(options)
        }
        .run()
        .wan
    };
    assert_eq!(replay(""), replay(""));
    assert_ne!(
        replay(""),
        replay("--seed 000102030405060708090a0b0c0d0e0f")
    );
}

#[test]
fn the_summary_counts_what_happened() {
    let outcome = Replay::new()
        .lan(T, &udp(at(HOST, 5000), at(SERVER, 53)))
        .wan(T, &udp(at(SERVER, 53), at(EXTERNAL, 9)))
        .wan(T, &[0; 3])
        .run();
    let stats = outcome.summary.lines().last().unwrap();
    assert_eq!(
        stats,
        "stats: lan-in=1 wan-in=2 forwarded=1 held=0 local=0 rejected=0 dropped=2 sessions-created=1 sessions-expired=0"
    );
    for name in ["no-mapping", "truncated", "PacketsDropCount"] {
        assert!(outcome.summary.contains(name), "{}", outcome.summary);
    }
}
