//! `--mapping`, `--tcp-filtering` and `--profile`.

use core::net::SocketAddrV4;
use core::time::Duration;
use std::collections::HashSet;

use crate::packet::{
    EXTERNAL, HOST, ROUTER_INSIDE, SERVER, at, mss, ping, seen, syn, syn_with_mss, udp,
};
use crate::run::{Outcome, Replay};

const T: Duration = Duration::from_secs(1_700_000_000);

/// The external endpoints of packets that left to the WAN.
fn sources(outcome: &Outcome) -> Vec<SocketAddrV4> {
    outcome
        .wan
        .iter()
        .map(|(_, packet)| seen(packet).from)
        .collect()
}

/// RFC 4787 section 4.1: one external endpoint for all, or one for each remote endpoint.
#[test]
fn the_mapping_is_of_the_configured_kind() {
    for (options, expected) in [
        ("--profile rfc", 1),
        ("--mapping endpoint-independent", 1),
        ("--mapping address-and-port-dependent", 8),
        ("--profile gateway", 8),
        ("--profile gateway --mapping endpoint-independent", 1),
        ("--mapping address-and-port-dependent --profile rfc", 8),
    ] {
        let to = |port| udp(at(HOST, 5000), at(SERVER, port));
        let replay = (1..=8).fold(Replay::new(), |replay, port| {
            replay.lan(T, &to(port)).lan(T, &to(port))
        });
        let outcome = replay.options(options).run();
        assert_eq!(outcome.verdicts(), ["forward wan"; 16], "{options}");
        assert_eq!(
            sources(&outcome).iter().collect::<HashSet<_>>().len(),
            expected,
            "{options}"
        );
    }
}

/// RFC 5382 REQ-3b: an unsolicited datagram and an unsolicited SYN, each to an external endpoint of
/// its protocol.
#[test]
fn tcp_and_udp_have_separate_filters() {
    let stranger = at([203, 0, 113, 6].into(), 4000);
    let replay = || {
        Replay::new()
            .lan(T, &udp(at(HOST, 5000), at(SERVER, 53)))
            .lan(T, &syn(at(HOST, 5001), at(SERVER, 80)))
    };
    let open = "endpoint-independent";
    let shut = "address-and-port-dependent";
    for (filtering, tcp_filtering, expected) in [
        (shut, None, ["drop filtered", "drop filtered"]),
        (open, None, ["forward lan", "forward lan"]),
        (open, Some(shut), ["forward lan", "drop filtered"]),
        (shut, Some(open), ["drop filtered", "forward lan"]),
    ] {
        let tcp = tcp_filtering.map_or_else(String::new, |kind| format!(" --tcp-filtering {kind}"));
        let options = format!("--filtering {filtering}{tcp}");
        let external = sources(&replay().options(&options).run());
        let replay = replay()
            .wan(T, &udp(stranger, external[0]))
            .wan(T, &syn(stranger, external[1]));
        assert_eq!(
            replay.options(&options).run().verdicts()[2..],
            expected,
            "{options}"
        );
    }
}

/// Everything that `Config::gateway` sets has an effect, and its option overrides it.
#[test]
fn the_gateway_profile_is_that_of_cloud_gateways_and_options_override_it() {
    let low = at(HOST, 500);
    let run = |options: &str| {
        let replay = Replay::new()
            .lan(T, &syn_with_mss(low, at(SERVER, 80), 1460))
            .lan(T, &ping(at(HOST, 1), ROUTER_INSIDE));
        let outcome = replay.options(&format!("--wan-mtu 1400 {options}")).run();
        let (_, first) = &outcome.wan[0];
        (
            seen(first).from.port() >= 1024,
            mss(first),
            outcome.verdicts()[1].clone(),
        )
    };
    let refused = || "drop echo-refused".to_owned();
    let answered = || "local".to_owned();
    assert_eq!(run("--profile rfc"), (false, 1460, answered()));
    assert_eq!(run("--profile gateway"), (true, 1360, refused()));
    assert_eq!(
        run("--profile gateway --low-ports 1-1023"),
        (false, 1360, refused())
    );
    assert_eq!(
        run("--profile gateway --mss-clamp no"),
        (true, 1460, refused())
    );
    assert_eq!(
        run("--profile gateway --lan-ping"),
        (true, 1360, answered())
    );
    assert_eq!(
        run("--profile rfc --lan-ping no --mss-clamp"),
        (false, 1360, refused())
    );
}

/// RFC 7857 section 3: a remote host cannot use the external port that another one has seen.
#[test]
fn overlapping_mappings_admit_only_their_remote_endpoint() {
    let query = udp(at(HOST, 5000), at(SERVER, 53));
    let replay = || {
        Replay::new()
            .lan(T, &query)
            .options("--mapping address-and-port-dependent")
    };
    let external = sources(&replay().run())[0];
    assert_eq!(*external.ip(), EXTERNAL);
    let outcome = replay()
        .wan(T, &udp(at(SERVER, 53), external))
        .wan(T, &udp(at(SERVER, 54), external))
        .run();
    assert_eq!(
        outcome.verdicts(),
        ["forward wan", "forward lan", "drop no-mapping"]
    );
}
