//! `--timeout`: each timer by its name.

use core::net::SocketAddrV4;
use core::time::Duration;

use nat_core::Side;

use crate::packet::{HOST, SERVER, ack, at, fin, ping, pong, rst, seen, syn, syn_ack, udp};
use crate::run::Replay;

const T: Duration = Duration::from_secs(1_700_000_000);

/// The remote endpoint.
fn web() -> SocketAddrV4 {
    at(SERVER, 80)
}

fn host() -> SocketAddrV4 {
    at(HOST, 5000)
}

/// A packet of a session; the external endpoint must be known.
type Packet = (Side, fn(SocketAddrV4) -> Vec<u8>);

const SYN: Packet = (Side::Inside, |_| syn(host(), web()));
const SYN_ACK: Packet = (Side::Outside, |external| syn_ack(web(), external));
const ACK: Packet = (Side::Inside, |_| ack(host(), web()));
const FIN: Packet = (Side::Inside, |_| fin(host(), web()));
const PEER_FIN: Packet = (Side::Outside, |external| fin(web(), external));
const PEER_RST: Packet = (Side::Outside, |external| rst(web(), external));
const PEER_ACK: Packet = (Side::Outside, |external| ack(web(), external));
const DATAGRAM: Packet = (Side::Inside, |_| udp(host(), web()));
const PEER_DATAGRAM: Packet = (Side::Outside, |external| udp(web(), external));
const QUERY: Packet = (Side::Inside, |_| udp(host(), at(SERVER, 53)));
const ANSWER: Packet = (Side::Outside, |external| udp(at(SERVER, 53), external));
const PING: Packet = (Side::Inside, |_| ping(at(HOST, 7), SERVER));
const PONG: Packet = (Side::Outside, |external| pong(SERVER, external));

fn add(replay: Replay, time: Duration, (side, packet): Packet, external: SocketAddrV4) -> Replay {
    match side {
        Side::Inside => replay.lan(time, &packet(external)),
        Side::Outside => replay.wan(time, &packet(external)),
    }
}

/// The verdict on `probe` this many seconds after the last packet of `session`.
#[track_caller]
fn verdict(session: &[Packet], probe: Packet, secs: u64, options: &str) -> String {
    let (_, first) = session[0];
    let external = seen(&Replay::new().lan(T, &first(host())).run().wan[0].1).from;
    let mut time = T;
    let mut replay = Replay::new().options(options);
    for packet in session {
        time += Duration::from_secs(1);
        replay = add(replay, time, *packet, external);
    }
    let outcome = add(replay, time + Duration::from_secs(secs), probe, external).run();
    let verdicts = outcome.verdicts();
    assert!(
        verdicts[..session.len()]
            .iter()
            .all(|verdict| verdict.starts_with("forward")),
        "{options}: {verdicts:?}"
    );
    verdicts.last().unwrap().clone()
}

/// Each is set to 30 s alone: without it the session lives longer.
#[test]
fn every_timeout_is_as_configured() {
    let open = [SYN, SYN_ACK, ACK];
    let closing = [SYN, SYN_ACK, ACK, FIN, PEER_FIN];
    let reset = [SYN, SYN_ACK, ACK, PEER_RST];
    let sessions: [(&str, &[Packet], Packet); 7] = [
        ("udp", &[DATAGRAM], PEER_DATAGRAM),
        ("dns", &[QUERY], ANSWER),
        ("tcp-partially-open", &[SYN], SYN_ACK),
        ("tcp-established", &open, PEER_ACK),
        ("tcp-closing", &closing, PEER_ACK),
        ("tcp-reset", &reset, PEER_ACK),
        ("icmp", &[PING], PONG),
    ];
    for (name, session, probe) in sessions {
        let option = format!("--timeout {name}=30");
        assert_eq!(
            verdict(session, probe, 29, &option),
            "forward lan",
            "{name}"
        );
        assert_eq!(
            verdict(session, probe, 31, &option),
            "drop no-mapping",
            "{name}"
        );
        // The default of DNS is 30 s.
        let by_default = if name == "dns" {
            "drop no-mapping"
        } else {
            "forward lan"
        };
        assert_eq!(
            verdict(session, probe, 31, "--profile rfc"),
            by_default,
            "{name}"
        );
        let others = sessions
            .iter()
            .map(|(name, ..)| *name)
            .filter(|other| *other != name);
        let others: Vec<String> = others
            .map(|other| format!("--timeout {other}=30"))
            .collect();
        assert_eq!(
            verdict(session, probe, 31, &others.join(" ")),
            by_default,
            "{name}"
        );
    }
}

#[test]
fn dns_has_a_separate_timeout() {
    assert_eq!(
        verdict(&[QUERY], ANSWER, 29, "--timeout udp=10"),
        "forward lan"
    );
    assert_eq!(
        verdict(&[QUERY], ANSWER, 31, "--timeout udp=30 --timeout dns=60"),
        "forward lan"
    );
}

#[test]
fn a_timeout_overrides_the_profile() {
    let open = [SYN, SYN_ACK, ACK];
    assert_eq!(
        verdict(&open, PEER_ACK, 351, "--profile gateway"),
        "drop no-mapping"
    );
    assert_eq!(
        verdict(
            &open,
            PEER_ACK,
            351,
            "--timeout tcp-established=7440 --profile gateway"
        ),
        "forward lan"
    );
}
