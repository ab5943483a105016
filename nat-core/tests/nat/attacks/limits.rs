//! A31 to A33: what the limits on answers reveal about the sessions of others, and what one host
//! can take of them.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use nat_core::{Config, Side, Verdict};

use crate::world::*;

const SERVER: SocketAddrV4 = at(S1, 53);
const VICTIM: SocketAddrV4 = at(H1, 3333);
const ROUNDS: u64 = 1000;

/// The default profile and that of a cloud gateway, both with a smaller MTU inside.
const PROFILES: [fn(nat_core::Cidr) -> Config; 2] = [Config::new, Config::gateway];

fn profile(new: fn(nat_core::Cidr) -> Config) -> World {
    World::sized::<256, 512, 16>(|config| {
        *config = new(inside());
        (
            config.limits.sessions_per_host,
            config.limits.mappings_per_host,
        ) = (Some(u16::MAX), Some(u16::MAX));
        config
            .external_addresses
            .push(N)
            .expect("there is room for one address");
        config.inside_mtu = 1000;
    })
}

/// A world with a victim's query to [`SERVER`], and an attacker who has sessions with both hosts
/// from many addresses.
struct Scene {
    w: World,
    /// The attacker's ends and the external endpoint of each, with what it sends by them.
    own: Vec<[Vec<u8>; 2]>,
    keep: Vec<Vec<u8>>,
    port: u16,
}

impl Scene {
    fn new(new: fn(nat_core::Cidr) -> Config) -> Self {
        let mut w = profile(new);
        let (mut own, mut keep) = (Vec::new(), Vec::new());
        for number in 0..12 {
            let (inside, evil) = (
                at([H1, H2][usize::from(number % 2)], 5000),
                at(evil(number), 443),
            );
            let external = w.open_udp(inside, evil);
            own.push(too_far(evil, external));
            keep.push(udp(inside, evil).bytes());
        }
        keep.push(udp(VICTIM, SERVER).bytes());
        let port = w.open_udp(VICTIM, SERVER).port();
        Self { w, own, keep, port }
    }

    /// One round of the attack: forged packets in the server's name to `ports`, in between packets
    /// of the attacker's own sessions, more than are answered. All the answers that the
    /// attacker sees, by session and in order.
    fn round(&mut self, before: bool, ports: impl Iterator<Item = u16>) -> Vec<bool> {
        self.w.advance(Duration::from_millis(1000));
        for packet in &self.keep {
            let _ = self.w.flood(packet.clone(), Side::Inside);
        }
        let mut seen = Vec::new();
        let mut send_own = |w: &mut World, times| {
            for [expired, too_big] in &self.own {
                for packet in core::iter::repeat_n(expired, times).chain([too_big]) {
                    seen.push(matches!(
                        w.flood(packet.clone(), Side::Outside),
                        Verdict::Reject(_)
                    ));
                }
            }
        };
        if before {
            send_own(&mut self.w, 3);
        }
        for port in ports {
            for packet in too_far(SERVER, at(N, port)) {
                let _ = self.w.flood(packet, Side::Outside);
            }
        }
        send_own(&mut self.w, 18);
        seen
    }
}

fn evil(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, 100 + number)
}

/// Packets for which an error is due if they are of a session.
fn too_far(from: SocketAddrV4, to: SocketAddrV4) -> [Vec<u8>; 2] {
    [
        udp(from, to).ttl(1).bytes(),
        udp(from, to).payload(&[7; 1200]).bytes(),
    ]
}

/// A31, CVE-2020-25705: the attacker sends forged packets of the server to many ports, and watches
/// the errors about its own sessions: those that are missing, and those that come beyond its limit.
/// Each round is played twice, with a forged packet that matches the victim's session and with one
/// that does not; the two differ in nothing that the attacker sees. So the best guess that can be
/// made of what it sees is right in half of the rounds.
#[test]
fn a31_errors_do_not_tell_whether_a_forged_packet_matched() {
    for new in PROFILES {
        let [mut hit, mut miss] = [Scene::new(new), Scene::new(new)];
        assert_eq!(hit.port, miss.port);
        let (mut differences, mut answers) = (0, 0_usize);
        for round in 0..ROUNDS {
            // Now and then so many that not all can be answered.
            let others = if round % 100 == 0 {
                1024..2524
            } else {
                1024..1032
            };
            let right = hit.port;
            let others = others.filter(|port| *port != right);
            let matching = core::iter::repeat_n(right, 5);
            let other = core::iter::repeat_n(1023, 5);
            let before = round % 4 == 3;
            let seen = [
                hit.round(before, matching.chain(others.clone())),
                miss.round(before, other.chain(others)),
            ];
            differences += usize::from(seen[0] != seen[1]);
            answers += seen[0].iter().filter(|answer| **answer).count();
        }
        assert_eq!(
            differences, 0,
            "of {ROUNDS} rounds show whether the port was right"
        );
        assert!(
            answers > 100_000,
            "the attacker gets its own errors: {answers}"
        );
        assert!(
            hit.w.stats().replies_rate_limited > 5_000,
            "and has met their limit"
        );
    }
}

/// A31: the search for the port as it was published: half of the ports at a time.
#[test]
fn a31_a_search_finds_no_port() {
    for new in PROFILES {
        let mut scene = Scene::new(new);
        let (mut low, mut high) = (1024_u16, u16::MAX);
        while low < high {
            let middle = low.midpoint(high);
            let seen = scene.round(false, low..=middle);
            let full = 12 * 20;
            if seen.iter().filter(|answer| **answer).count() < full {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        assert_ne!(low, scene.port);
    }
}

/// A31: during the attack some errors about the server's own packets still get through, so path MTU
/// discovery works.
#[test]
fn a31_a_flood_does_not_use_up_the_errors_of_others() {
    for new in PROFILES {
        let mut scene = Scene::new(new);
        let [expired, too_big] = too_far(SERVER, at(N, scene.port));
        let mut answered = [0, 0];
        for second in 0..100_u16 {
            let ports = (0..2000)
                .map(|number| 1024 + second + number * 30)
                .filter(|port| *port != scene.port);
            scene.round(true, ports.collect::<Vec<_>>().into_iter());
            for (packet, count) in [&expired, &too_big].into_iter().zip(&mut answered) {
                *count += usize::from(matches!(
                    scene.w.flood(packet.clone(), Side::Outside),
                    Verdict::Reject(_)
                ));
            }
        }
        assert!(
            answered[0] > 10 && answered[1] > 10,
            "{answered:?} of 100 times"
        );
    }
}

/// A32: a neighbour inside sends segments in the victim's name, and watches the RSTs about its own:
/// none comes, and none is missing, because the NAT knew one of the victim's connections or did
/// not.
#[test]
fn a32_resets_do_not_tell_whether_a_forged_segment_matched() {
    for has_sessions in [true, false] {
        let scene = |port: u16| {
            let mut w = World::new();
            w.open_tcp(at(H2, port), at(S1, 443));
            if has_sessions {
                w.open_udp(at(H1, 1), at(S2, 53));
            }
            w
        };
        let [mut hit, mut miss] = [scene(40_000), scene(40_001)];
        for round in 0..ROUNDS as u16 {
            let mut seen = [&mut hit, &mut miss].map(|w| {
                w.advance(Duration::from_millis(200));
                let own = |w: &mut World| -> Vec<bool> {
                    let segments = (0..8)
                        .map(|number| tcp(at(H1, 5000 + round * 8 + number), at(S2, 80), ACK));
                    segments
                        .map(|own| matches!(w.flood(own, Side::Inside), Verdict::Reject(_)))
                        .collect()
                };
                let before = own(w);
                let _ = w.flood(
                    tcp(at(H2, 40_000), at(S1, 443), ACK).seq(7).ack(8),
                    Side::Inside,
                );
                [before, own(w)]
            });
            let [first, second] = &mut seen;
            assert_eq!(
                first, second,
                "round {round} shows whether the port was right"
            );
        }
    }
}

/// A33: one host, with its own address or with many, causes a thousand errors a second, of either
/// kind. Each other host that has sessions gets all of its errors. A host without a session may
/// share a limit with some of the many addresses, and gets most of its errors.
#[test]
fn a33_no_host_takes_the_errors_of_another() {
    for (names, too_big) in [(1, false), (1, true), (200, false), (200, true)] {
        for has_sessions in [false, true] {
            let (mtu, expired) = errors_under_flood(names, too_big, has_sessions);
            if has_sessions || names == 1 {
                assert_eq!((mtu, expired), (50, 50), "{names} names");
            }
            assert!(
                mtu >= if too_big { 25 } else { 50 },
                "the MTU {mtu} of 50 times"
            );
        }
    }
}

/// How many errors H2 gets about the MTU, and about the time to live, of 50 each in five seconds.
fn errors_under_flood(names: u32, too_big: bool, has_sessions: bool) -> (usize, usize) {
    let mut w = World::sized::<256, 512, 16>(|config| config.outside_mtu = 1492);
    if has_sessions {
        w.open_udp(at(H2, 4000), at(S2, 80));
    }
    let (mut mtu, mut expired) = (0, 0);
    for milli in 0..5_000_u32 {
        w.advance(Duration::from_millis(1));
        let name = Ipv4Addr::new(192, 168, 1, 20 + (milli % names) as u8);
        let flood = udp(at(name, 5000), at(S1, 33_434));
        let _ = w.flood(
            if too_big {
                flood.payload(&[7; 1472])
            } else {
                flood.ttl(1)
            },
            Side::Inside,
        );
        if milli % 100 == 55 {
            let packet = udp(at(H2, 4000), at(S2, 80));
            let mut count_error = |packet: Datagram| {
                usize::from(matches!(w.flood(packet, Side::Inside), Verdict::Reject(_)))
            };
            mtu += count_error(packet.clone().payload(&[7; 1472]));
            expired += count_error(packet.ttl(1));
        }
    }
    (mtu, expired)
}
