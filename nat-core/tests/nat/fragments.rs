//! Fragments follow their first (RFC 4787 REQ-14), datagrams that are too large leave in pieces,
//! and identifications do not collide (RFC 6864): standards U13a, U14, U14a, A13 to A16, C13, X10.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use std::collections::HashSet;

use crate::world::*;
use nat_core::{
    DropReason, Filtering, Fragmenter, Instant, Nat, Seed, SessionState, Side, Tables, Verdict,
};

const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// A way through the world: by which side a datagram of this kind comes in, and what it is.
#[derive(Clone, Copy, Debug)]
enum Path {
    Out,
    In,
    Hairpin,
    ToRouter,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Echo,
    Tcp,
    Udp,
}

const KINDS: [Kind; 3] = [Kind::Echo, Kind::Tcp, Kind::Udp];

/// All that exist: pings do not hairpin.
fn paths() -> impl Iterator<Item = (Path, Kind)> {
    let all = [Path::Out, Path::In, Path::Hairpin, Path::ToRouter];
    let pairs = all
        .into_iter()
        .flat_map(|path| KINDS.map(|kind| (path, kind)));
    pairs.filter(|(path, kind)| !matches!((path, kind), (Path::Hairpin, Kind::Echo)))
}

/// A datagram that may come by `way`, with a session for it, and where it should arrive: the ends
/// without ports for an echo, whose identifier is the second port.
struct Flow {
    path: Path,
    datagram: Datagram,
    ends: (SocketAddrV4, SocketAddrV4),
}

impl Flow {
    #[track_caller]
    fn open(w: &mut World, path: Path, kind: Kind) -> Self {
        let (datagram, ends) = match kind {
            Kind::Echo => Self::echo(w, path),
            Kind::Udp => Self::udp(w, path),
            Kind::Tcp => Self::tcp(w, path),
        };
        let mut random = fastrand::Rng::with_seed(3);
        let datagram = datagram
            .payload(&random_bytes(&mut random, 301))
            .may_fragment();
        Self {
            path,
            datagram,
            ends,
        }
    }

    fn udp(w: &mut World, path: Path) -> (Datagram, (SocketAddrV4, SocketAddrV4)) {
        let (host, server) = (at(H1, 5000), at(S1, 53));
        let external = match path {
            Path::ToRouter => w
                .router_sends(udp(at(N, 5353), server))
                .forwarded()
                .source(),
            _ => w.open_udp(host, server),
        };
        match path {
            Path::Out => (udp(host, server), (external, server)),
            Path::In => (udp(server, external), (server, host)),
            Path::ToRouter => (udp(server, external), (server, at(N, 5353))),
            Path::Hairpin => {
                let second = w.open_udp(at(H2, 7000), server);
                (udp(host, second), (external, at(H2, 7000)))
            }
        }
    }

    fn tcp(w: &mut World, path: Path) -> (Datagram, (SocketAddrV4, SocketAddrV4)) {
        let (host, server) = (at(H1, 5000), at(S1, 80));
        match path {
            Path::Out | Path::In => {
                let connection = w.open_tcp(host, server);
                match path {
                    Path::Out => (connection.inside_sends(ACK), (connection.external, server)),
                    _ => (connection.outside_sends(ACK), (server, host)),
                }
            }
            Path::ToRouter => {
                let external = w
                    .router_sends(tcp(at(N, 4000), server, SYN).seq(10))
                    .forwarded()
                    .source();
                (
                    tcp(server, external, SYN | ACK).seq(90).ack(11),
                    (server, at(N, 4000)),
                )
            }
            Path::Hairpin => {
                let public = at(N, 8080);
                let (protocol, inside_port) = (nat_core::Protocol::Tcp, 80);
                let forward = nat_core::PortForward::new(protocol, 8080, at(H2, inside_port));
                w.nat
                    .add_port_forward(forward)
                    .expect("the port forward is accepted");
                let seen = w
                    .outbound(tcp(host, public, SYN).seq(100))
                    .forwarded()
                    .source();
                w.outbound(tcp(at(H2, 80), seen, SYN | ACK).seq(900).ack(101))
                    .forwarded();
                (tcp(host, public, ACK).seq(101).ack(901), (seen, at(H2, 80)))
            }
        }
    }

    fn echo(w: &mut World, path: Path) -> (Datagram, (SocketAddrV4, SocketAddrV4)) {
        let router = matches!(path, Path::ToRouter);
        let id = match path {
            Path::ToRouter => w
                .router_sends(echo_request(N, S1, 7))
                .forwarded()
                .query_id(),
            _ => w.open_echo(H1, S1, 7),
        };
        match path {
            Path::Out => (echo_request(H1, S1, 7), (at(N, id), at(S1, 0))),
            _ => (
                echo_reply(S1, N, id),
                (at(S1, 0), at(if router { N } else { H1 }, 7)),
            ),
        }
    }

    #[track_caller]
    fn sends(&self, w: &mut World, packet: impl Into<Vec<u8>>) -> Outcome {
        match self.path {
            Path::Out | Path::Hairpin => w.outbound(packet),
            Path::In | Path::ToRouter => w.inbound(packet),
        }
    }

    /// What arrived of a packet that was let through.
    #[track_caller]
    fn arrived(&self, outcome: Outcome) -> Packet {
        match self.path {
            Path::ToRouter => outcome.local(Side::Outside),
            _ => outcome.forwarded(),
        }
    }

    /// Sends `packet`, and gives what leaves at once: it, unless it waits, and what had waited for
    /// it.
    #[track_caller]
    fn sends_and_gets(&self, w: &mut World, packet: impl Into<Vec<u8>>) -> Vec<Packet> {
        let outcome = self.sends(w, packet);
        let released = w
            .take_released()
            .into_iter()
            .map(|outcome| self.arrived(outcome))
            .collect();
        if matches!(outcome, Outcome::Held) {
            released
        } else {
            [vec![self.arrived(outcome)], released].concat()
        }
    }

    /// Holds the datagram that a receiver joins from `pieces` against the one that was sent.
    #[track_caller]
    fn check_whole(&self, pieces: &[Packet]) {
        let whole = reassemble(pieces);
        assert!(
            !whole.is_first_fragment() && !whole.is_later_fragment(),
            "not all of it: {whole:?}"
        );
        assert_eq!((whole.source(), whole.destination()), self.ends);
        assert!(whole.is_intact(), "the checksum over the whole: {whole:?}");
        assert_eq!(
            whole.payload(),
            Packet::parse(&self.datagram.bytes()).payload()
        );
    }
}

#[track_caller]
fn offsets(packets: &[Packet]) -> Vec<usize> {
    packets.iter().map(Packet::offset).collect()
}

/// U14, C13: three fragments in all orders, on all ways: what is joined of them is the datagram,
/// rightly addressed, with the right checksum. The world checks that no byte behind the header of a
/// later fragment changes.
#[test]
fn fragments_arrive_in_all_orders() {
    for (path, kind) in paths() {
        for order in ORDERS {
            let mut w = World::new();
            let flow = Flow::open(&mut w, path, kind);
            let fragments = flow.datagram.cut(&[104, 96]);
            let mut arrived = Vec::new();
            for number in order {
                let known = arrived.len();
                let left = flow.sends_and_gets(&mut w, &fragments[number]);
                arrived.extend(left);
                let first_came =
                    order.iter().position(|n| *n == 0) <= order.iter().position(|n| *n == number);
                assert_eq!(
                    arrived.len() > known,
                    first_came,
                    "{path:?} {kind:?} {order:?}: {number}"
                );
            }
            assert_eq!(arrived.len(), 3, "{path:?} {kind:?} {order:?}");
            flow.check_whole(&arrived);
        }
    }
}

/// U14: the same with every fragment twice, in all orders: what is joined is the datagram. A copy
/// of the first joins the others of its datagram under their identification.
#[test]
fn fragments_may_come_twice() {
    for (path, kind) in paths() {
        for order in ORDERS {
            for at_once in [true, false] {
                let mut w = World::new();
                let flow = Flow::open(&mut w, path, kind);
                let fragments = flow.datagram.cut(&[104, 96]);
                let twice: Vec<_> = if at_once {
                    order.iter().flat_map(|n| [*n, *n]).collect()
                } else {
                    [order, order].concat()
                };
                let mut arrived = Vec::new();
                for number in twice {
                    arrived.extend(flow.sends_and_gets(&mut w, &fragments[number]));
                }
                assert_eq!(arrived.len(), 6, "{path:?} {kind:?} {order:?}");
                flow.check_whole(&arrived);
            }
        }
    }
}

/// U14: the first goes ahead, and those that waited follow in the order in which they came, even
/// twice.
#[test]
fn fragments_are_released_in_order_of_arrival() {
    for (path, kind) in paths() {
        let mut w = World::new();
        let flow = Flow::open(&mut w, path, kind);
        let fragments = flow.datagram.cut(&[104, 96]);
        for number in [2, 1, 2, 1] {
            flow.sends(&mut w, &fragments[number]).held();
        }
        let left = flow.sends_and_gets(&mut w, &fragments[0]);
        assert_eq!(offsets(&left), [0, 200, 104, 200, 104], "{path:?} {kind:?}");
        flow.check_whole(&left);
        assert_eq!((w.stats().held, w.stats().released), (4, 4));
        let again = flow.sends_and_gets(&mut w, &fragments[2]);
        assert_eq!(offsets(&again), [200]);
    }
}

/// U14, T, I: the largest datagram there is, in 45 fragments.
#[test]
fn the_largest_datagram_passes() {
    for (path, kind) in paths() {
        let mut w = World::new();
        let mut flow = Flow::open(&mut w, path, kind);
        let header = if kind == Kind::Tcp { 40 } else { 28 };
        flow.datagram = flow.datagram.payload(&vec![0xA7; 65_535 - header]);
        let fragments = flow.datagram.cut(&[1480; 44]);
        let arrived: Vec<_> = fragments
            .iter()
            .flat_map(|fragment| flow.sends_and_gets(&mut w, fragment))
            .collect();
        assert_eq!(arrived.len(), 45);
        flow.check_whole(&arrived);
    }
}

/// U14: datagrams between the same hosts, with fragments that come in turns, each on its own way.
#[test]
fn interleaved_datagrams_keep_apart() {
    let mut w = World::new();
    let flows = [
        Flow::open(&mut w, Path::In, Kind::Udp),
        Flow::open(&mut w, Path::In, Kind::Echo),
    ];
    let other = w.open_udp(at(H2, 6000), at(S1, 53));
    let third = udp(at(S1, 53), other)
        .payload(&[3; 301])
        .id(9)
        .may_fragment();
    let third = Flow {
        path: Path::In,
        datagram: third,
        ends: (at(S1, 53), at(H2, 6000)),
    };
    let flows = [&flows[0], &flows[1], &third];
    let mut arrived = [const { Vec::new() }; 3];
    for number in [2, 0, 1] {
        for (flow, arrived) in flows.iter().zip(&mut arrived) {
            arrived.extend(flow.sends_and_gets(&mut w, &flow.datagram.cut(&[104, 96])[number]));
        }
    }
    for (flow, arrived) in flows.iter().zip(&arrived) {
        flow.check_whole(arrived);
    }
}

/// A16: what one side sends is not joined to what comes from the other, nor across protocols or
/// hosts.
#[test]
fn the_key_is_all_of_its_parts() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let datagram = udp(at(S1, 53), external).payload(&[1; 100]).may_fragment();
    let fragments = datagram.cut(&[48]);
    w.inbound(&fragments[0]).forwarded();
    let later = fragments[1].clone();
    w.inbound(&later).forwarded();
    w.inbound(later.clone().id(0x1235)).held();
    let mut of_another = later.clone();
    of_another.ip.source = S2.octets();
    w.inbound(&of_another).held();
    let mut of_tcp = later.clone();
    of_tcp.ip.protocol = etherparse::IpNumber::TCP;
    w.inbound(&of_tcp).held();
    // The same addresses by the other side: an inside host poses as none of the outside.
    w.outbound(&later).dropped(DropReason::SpoofedSource);
}

/// A16: an inside host adds nothing to what comes from outside, where networks overlap and
/// addresses mean nothing.
#[test]
fn the_key_includes_the_side() {
    // A carrier whose addresses are those of the inside network.
    let mut w = World::with(|config| {
        config.external_addresses.clear();
        config
            .external_addresses
            .push(Ipv4Addr::new(192, 168, 1, 200))
            .expect("one address");
    });
    let outer = Ipv4Addr::new(192, 168, 1, 200);
    let neighbour = at(H2, 53);
    let external = w
        .outbound(udp(at(H1, 5000), neighbour))
        .forwarded()
        .source();
    assert_eq!(*external.ip(), outer);
    let fragments = udp(neighbour, external)
        .payload(&[1; 100])
        .may_fragment()
        .cut(&[48]);
    w.inbound(&fragments[0]).forwarded();
    // The host of the inside network that has the neighbour's address.
    w.outbound(&fragments[1]).held();
    w.inbound(&fragments[1]).forwarded();
}

/// A first fragment that may not come in releases nothing and changes nothing: what waits goes on
/// waiting for one that may.
#[test]
fn a_refused_first_changes_nothing_for_what_waits() {
    for kind in [Kind::Udp, Kind::Tcp] {
        let mut w = World::new();
        let external = w.open_udp(at(H1, 5000), at(S1, 53));
        let stranger = match kind {
            Kind::Tcp => tcp(at(S2, 53), at(N, 80), SYN),
            _ => udp(at(S2, 53), external),
        };
        let fragments = stranger.payload(&[7; 200]).may_fragment().cut(&[96, 48]);
        w.inbound(&fragments[2]).held();
        w.inbound(&fragments[1]).held();
        assert!(matches!(w.inbound(&fragments[0]), Outcome::Dropped(_)));
        assert_eq!(w.stats().released, 0);
        // Now it may come in.
        if kind == Kind::Udp {
            assert_eq!(w.open_udp(at(H1, 5000), at(S2, 53)), external);
            let arrived = [vec![w.inbound(&fragments[0]).forwarded()], w.released()].concat();
            assert_eq!(offsets(&arrived), [0, 144, 96]);
            assert!(reassemble(&arrived).is_intact());
        }
    }
}

/// The same inside: a first fragment that is answered with an error.
#[test]
fn an_answered_first_changes_nothing_for_what_waits() {
    let mut w = World::new();
    let fragments = udp(at(H1, 5000), at(S1, 53))
        .payload(&[7; 200])
        .may_fragment()
        .cut(&[96]);
    w.outbound(&fragments[1]).held();
    w.outbound(fragments[0].clone().ttl(1))
        .rejected(DropReason::TtlExpired);
    assert_eq!(w.sessions(), []);
    let first = w.outbound(&fragments[0]).forwarded();
    assert!(reassemble(&[vec![first], w.released()].concat()).is_intact());
    assert_eq!(w.sessions().len(), 1);
}

/// What comes right behind a first that was refused is not held, so the next datagram of the same
/// identification does not get it; nor does it get what an earlier one left behind where that
/// overlaps its own.
#[test]
fn remains_of_a_refused_datagram_do_not_join_the_next() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let of = |byte, len| {
        udp(at(S2, 53), external)
            .payload(&vec![byte; len])
            .id(0)
            .may_fragment()
    };
    for fragment in of(1, 200).cut(&[96, 48]) {
        w.inbound(&fragment).refusal().expect("the filter is shut");
    }
    w.open_udp(at(H1, 5000), at(S2, 53));
    for byte in 2..20 {
        let fragments = of(byte, 200).cut(&[96, 48]);
        let arrived: Vec<_> = fragments
            .iter()
            .map(|fragment| w.inbound(fragment).forwarded())
            .collect();
        assert_eq!(w.released().len(), 0);
        assert!(reassemble(&arrived).is_intact());
    }
    // Left behind at other places: over the first, and over one another.
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let of = |byte, len| {
        udp(at(S1, 53), external)
            .payload(&vec![byte; len])
            .id(0)
            .may_fragment()
    };
    w.inbound(&of(1, 200).cut(&[48])[1]).held();
    let fragments = of(2, 200).cut(&[96]);
    w.inbound(&fragments[1]).held();
    let arrived = [vec![w.inbound(&fragments[0]).forwarded()], w.released()].concat();
    assert_eq!(arrived.len(), 2);
    assert!(reassemble(&arrived).is_intact());
}

/// RFC 6146 section 4: a fragment waits two seconds for its first, and no longer.
#[test]
fn fragments_wait_for_two_seconds() {
    for (waited, released) in [(1_999, 1), (2_000, 0), (2_001, 0), (60_000, 0)] {
        let mut w = World::new();
        let flow = Flow::open(&mut w, Path::Out, Kind::Udp);
        let fragments = flow.datagram.cut(&[104]);
        flow.sends(&mut w, &fragments[1]).held();
        w.jump(core::time::Duration::from_millis(waited));
        flow.sends(&mut w, &fragments[0]).forwarded();
        assert_eq!(w.released().len(), released, "after {waited} ms");
    }
}

/// A fragment that may not go on when its first has come: it is not held any more, and counts as
/// dropped.
#[test]
fn a_fragment_that_is_released_and_dropped_counts_as_dropped() {
    let mut w = World::new();
    let flow = Flow::open(&mut w, Path::Out, Kind::Udp);
    let fragments = flow.datagram.cut(&[104]);
    flow.sends(&mut w, fragments[1].clone().ttl(1)).held();
    assert_eq!((w.stats().held, w.stats().dropped_total()), (1, 0));
    flow.sends(&mut w, &fragments[0]).forwarded();
    let [Outcome::Dropped(DropReason::TtlExpired)] = w.take_released()[..] else {
        panic!("its TTL has expired");
    };
    assert_eq!((w.stats().held, w.stats().released), (0, 0));
    assert_eq!(w.stats().dropped(DropReason::TtlExpired), 1);
}

/// A first fragment shows the way for fifteen seconds.
#[test]
fn a_first_shows_the_way_for_fifteen_seconds() {
    for (waited, forwarded) in [(14_999, true), (15_000, false), (3_600_000, false)] {
        let mut w = World::new();
        let flow = Flow::open(&mut w, Path::In, Kind::Udp);
        let fragments = flow.datagram.cut(&[104]);
        flow.sends(&mut w, &fragments[0]).forwarded();
        w.jump(core::time::Duration::from_millis(waited));
        let outcome = flow.sends(&mut w, &fragments[1]);
        assert_eq!(outcome.is_forwarded(), forwarded, "after {waited} ms");
        assert!(forwarded || matches!(outcome, Outcome::Held));
    }
}

/// A datagram whose first fragment left two seconds ago gives up its slot, but only if no slot is
/// free.
#[test]
fn a_first_fragment_displaces_others_only_if_it_must() {
    for (others, forwarded) in [(3, true), (4, false)] {
        let mut w = World::fragmenting::<4, 4>(|_| ());
        let flow = Flow::open(&mut w, Path::Out, Kind::Udp);
        let fragments = flow.datagram.cut(&[104]);
        flow.sends(&mut w, &fragments[0]).forwarded();
        w.jump(secs(2));
        for number in 0..others {
            w.inbound(stray(number)).held();
        }
        assert_eq!(
            flow.sends(&mut w, &fragments[1]).is_forwarded(),
            forwarded,
            "after {others} others"
        );
    }
}

/// A15: a host that sends many takes its own places, not those of others.
#[test]
fn a_host_does_not_take_the_places_of_others() {
    let mut w = World::fragmenting::<4, 4>(|_| ());
    let of = |host, id| {
        udp(at(host, 5000), at(S1, 53))
            .payload(&[7; 200])
            .may_fragment()
            .id(id)
            .cut(&[96])
    };
    for host in [H2, H3] {
        w.outbound(&of(host, 1)[0]).forwarded();
    }
    for id in 0..20 {
        w.outbound(&of(H1, id)[0]).forwarded();
        w.jump(core::time::Duration::from_millis(1));
    }
    w.outbound(&of(H1, 19)[1]).forwarded();
    w.outbound(&of(H1, 18)[1]).forwarded();
    for host in [H2, H3] {
        w.outbound(&of(host, 1)[1]).forwarded();
    }
}

/// A fragment without its first: what a stranger sends. All different.
fn stray(number: u32) -> Datagram {
    let source = Ipv4Addr::from_bits(S1.to_bits() & !0xFF | (number % 200 + 1));
    udp(at(source, 1), at(N, 1))
        .may_fragment()
        .id((number / 200) as u16)
        .fragment(800, true)
        .body(&[0; 64])
}

/// U14a, A15: under 10,000 fragments without a first nothing else is lost: neither what is whole
/// nor what comes in order.
#[test]
fn a_flood_of_later_fragments_harms_no_session() {
    let mut w = World::new();
    let flows: Vec<_> = paths()
        .filter(|(path, kind)| matches!((path, kind), (Path::In | Path::Out, _) | (_, Kind::Udp)))
        .map(|(path, kind)| Flow::open(&mut w, path, kind))
        .collect();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for number in 0..10_000 {
        let outcome = w.inbound(stray(number));
        assert!(
            matches!(
                outcome,
                Outcome::Held | Outcome::Dropped(DropReason::Fragment)
            ),
            "{outcome:?}"
        );
        let remote = [at(S1, 53), at(S1, 54), at(S2, 99)][number as usize % 3];
        assert_eq!(w.open_udp(at(H1, 5000), remote), external);
        w.inbound(udp(remote, external)).forwarded();
        if number % 100 == 99 {
            let flow = &flows[number as usize / 100 % flows.len()];
            let datagram = flow.datagram.clone().id(number as u16);
            let arrived: Vec<_> = datagram
                .cut(&[104, 96])
                .iter()
                .flat_map(|f| flow.sends_and_gets(&mut w, f))
                .collect();
            flow.check_whole(&arrived);
            w.jump(core::time::Duration::from_millis(2_500));
            w.advance(secs(0));
        }
    }
    assert!(
        w.stats().dropped(DropReason::Fragment) > 8_000,
        "the flood has filled what there is"
    );
}

/// U14a, A15: datagrams of several hosts in turns, more than there are slots, all within a
/// millisecond: the oldest, which is complete, gives up its slot, and not the newest.
#[test]
fn datagrams_in_order_come_through_in_turns_at_any_rate() {
    let hosts = [H1, H2, H3];
    let mut w = World::new();
    for id in 0..200 {
        let datagrams = hosts.map(|host| {
            udp(at(host, 5000), at(S1, 53))
                .payload(&[7; 301])
                .may_fragment()
                .id(id)
        });
        let fragments = datagrams.map(|datagram| datagram.cut(&[104, 96]));
        for number in 0..3 {
            for fragments in &fragments {
                assert!(
                    w.outbound(&fragments[number]).is_forwarded(),
                    "{id}, {number}: {:?}",
                    fragments[number]
                );
            }
        }
    }
}

/// A15: in-order datagrams pass at any rate, whichever other datagrams are under way.
#[test]
fn datagrams_in_order_come_through_at_any_rate() {
    let mut w = World::new();
    let flows: Vec<_> = paths()
        .filter(|(path, _)| !matches!(path, Path::ToRouter | Path::Hairpin))
        .map(|(path, kind)| Flow::open(&mut w, path, kind))
        .collect();
    for number in 0..300 {
        for flow in &flows {
            let datagram = flow.datagram.clone().id(number);
            let arrived: Vec<_> = datagram
                .cut(&[104, 96])
                .iter()
                .flat_map(|f| flow.sends_and_gets(&mut w, f))
                .collect();
            flow.check_whole(&arrived);
        }
    }
}

/// U14: datagrams that come last fragment first do so for ever, also beside others that come in
/// order.
#[test]
fn datagrams_out_of_order_come_through_for_ever() {
    let mut w = World::new();
    let flows: Vec<_> = [Path::In, Path::Out]
        .into_iter()
        .flat_map(|path| KINDS.map(|kind| (path, kind)))
        .map(|(path, kind)| Flow::open(&mut w, path, kind))
        .collect();
    for number in 0..200 {
        for (flow, order) in flows.iter().zip(ORDERS.iter().cycle()) {
            let fragments = flow.datagram.clone().id(number).cut(&[104, 96]);
            let arrived: Vec<_> = order
                .iter()
                .flat_map(|n| flow.sends_and_gets(&mut w, &fragments[*n]))
                .collect();
            flow.check_whole(&arrived);
            w.jump(core::time::Duration::from_millis(350));
        }
    }
}

/// A15: the memory for waiting fragments is bounded, and a new one is dropped when it is full.
#[test]
fn fragments_are_dropped_when_the_memory_is_full() {
    let mut w = World::new();
    for number in 0..8 {
        w.inbound(stray(number)).held();
    }
    w.inbound(stray(8)).dropped(DropReason::Fragment);
    let flow = Flow::open(&mut w, Path::Out, Kind::Udp);
    flow.sends(&mut w, &flow.datagram.cut(&[104])[1])
        .dropped(DropReason::Fragment);
    w.jump(secs(2));
    flow.sends(&mut w, &flow.datagram.cut(&[104])[1]).held();
    assert_eq!(w.stats().held, 9);
}

/// A15: after a flood all slots are free.
#[test]
fn slots_are_free_after_a_flood() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for number in 0..100 {
        let _ = w.inbound(stray(number));
    }
    w.jump(secs(2));
    for (number, id) in (0..4).map(|number| (number, 100 + number)) {
        let datagram = udp(at(S1, 53), external)
            .payload(&[number as u8; 200])
            .may_fragment()
            .id(id);
        w.inbound(&datagram.cut(&[96])[1]).held();
    }
    for number in 200..204 {
        w.inbound(stray(number)).held();
    }
}

/// A15: datagrams, not bytes, may run out first; then too what is new is dropped, and what is known
/// is not.
#[test]
fn datagrams_are_bounded_too() {
    let mut w = World::fragmenting::<3, 8>(|_| ());
    let flow = Flow::open(&mut w, Path::Out, Kind::Udp);
    let fragments = flow.datagram.cut(&[104, 96]);
    flow.sends(&mut w, &fragments[0]).forwarded();
    w.inbound(stray(1)).held();
    w.inbound(stray(2)).held();
    w.inbound(stray(3)).dropped(DropReason::Fragment);
    w.inbound(stray(1).fragment(864, true)).held();
    flow.sends(&mut w, &fragments[1]).forwarded();
    // A first fragment takes the place of what waits.
    let other = Flow::open(&mut w, Path::In, Kind::Udp);
    let fragments = other.datagram.cut(&[104, 96]);
    other.sends(&mut w, &fragments[0]).forwarded();
    other.sends(&mut w, &fragments[1]).forwarded();
    flow.sends(&mut w, flow.datagram.cut(&[104, 96]).remove(2))
        .forwarded();
}

/// A15: one source may use all of the memory while no other source needs it. What it has beyond
/// half is given to other sources, its newest first; by fragments and by datagrams.
#[test]
fn a_source_keeps_half_of_the_memory_at_most() {
    let of_source = |number: u32, source: Ipv4Addr| {
        let mut packet = stray(number * 200);
        packet.ip.source = source.octets();
        packet
    };
    let mut w = World::new();
    for number in 0..8 {
        w.inbound(of_source(number, ATTACKER)).held();
    }
    w.inbound(of_source(8, ATTACKER))
        .dropped(DropReason::Fragment);
    w.inbound(of_source(7, ATTACKER).fragment(1600, true))
        .dropped(DropReason::Fragment);
    for number in 0..4 {
        w.inbound(of_source(number, S2)).held();
    }
    w.inbound(of_source(4, S2)).dropped(DropReason::Fragment);
    w.inbound(of_source(4, ATTACKER))
        .dropped(DropReason::Fragment);
    let mut w = World::fragmenting::<4, 100>(|_| ());
    for number in 0..4 {
        w.inbound(of_source(number, ATTACKER)).held();
    }
    w.inbound(of_source(4, ATTACKER))
        .dropped(DropReason::Fragment);
    w.inbound(of_source(3, ATTACKER).fragment(1600, true))
        .held();
    for number in 0..2 {
        w.inbound(of_source(number, S2)).held();
    }
    w.inbound(of_source(2, S2)).dropped(DropReason::Fragment);
}

/// U14: however many datagrams a second come last fragment first, those that have passed give up
/// their slots.
#[test]
fn datagrams_in_reverse_come_through_at_any_rate() {
    let mut w = World::fragmenting::<4, 4>(|_| ());
    let flows = [
        Flow::open(&mut w, Path::In, Kind::Udp),
        Flow::open(&mut w, Path::Out, Kind::Tcp),
    ];
    for number in 0..300 {
        for flow in &flows {
            let fragments = flow.datagram.clone().id(number).cut(&[104, 96]);
            let arrived: Vec<_> = fragments
                .iter()
                .rev()
                .flat_map(|f| flow.sends_and_gets(&mut w, f))
                .collect();
            flow.check_whole(&arrived);
        }
    }
}

/// What is larger than a place for it does not wait.
#[test]
fn only_what_fits_waits() {
    let mut w = World::with(|config| config.outside_mtu = 9000);
    let flow = Flow::open(&mut w, Path::Out, Kind::Udp);
    let datagram = flow.datagram.clone().payload(&[7; 6000]);
    let fragments = datagram.cut(&[1480, 1480, 1488]);
    flow.sends(&mut w, &fragments[1]).held();
    flow.sends(&mut w, &fragments[2])
        .dropped(DropReason::Fragment);
    flow.sends(&mut w, &fragments[0]).forwarded();
    assert_eq!(w.released().len(), 1);
    flow.sends(&mut w, &fragments[2]).forwarded();
}

/// A13: a first fragment without a whole transport header is dropped, and nothing follows it.
#[test]
fn tiny_first_fragments_are_dropped() {
    for (kind, len) in [(Kind::Tcp, 8), (Kind::Tcp, 16), (Kind::Tcp, 24)] {
        let mut w = World::new();
        let flow = Flow::open(&mut w, Path::Out, kind);
        // With options the header is of 32 bytes.
        let datagram = flow
            .datagram
            .clone()
            .tcp_options(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        let fragments = datagram.cut(&[len]);
        if len > 8 {
            flow.sends(&mut w, &fragments[1]).held();
        }
        flow.sends(&mut w, &fragments[0])
            .dropped(DropReason::BadTransportLength);
        flow.sends(&mut w, &datagram.cut(&[32])[0]).forwarded();
        assert_eq!(w.take_released().len(), 0);
    }
    for kind in [Kind::Udp, Kind::Echo] {
        let mut w = World::new();
        let flow = Flow::open(&mut w, Path::Out, kind);
        // Eight bytes are the whole header of these.
        let fragments = flow.datagram.cut(&[8, 8]);
        let arrived: Vec<_> = fragments
            .iter()
            .flat_map(|f| flow.sends_and_gets(&mut w, f))
            .collect();
        flow.check_whole(&arrived);
    }
}

/// A14: of TCP nothing may stand at the place of its flags but the first fragment.
#[test]
fn tcp_fragments_over_the_flags_are_dropped() {
    let mut w = World::new();
    for path in [Path::Out, Path::In, Path::Hairpin] {
        let flow = Flow::open(&mut w, path, Kind::Tcp);
        let fragments = flow.datagram.cut(&[104]);
        let over = flow.datagram.clone().fragment(8, false).body(&[0xFF; 32]);
        flow.sends(&mut w, &over).dropped(DropReason::BadFragment);
        flow.sends(&mut w, &fragments[0]).forwarded();
        flow.sends(&mut w, &over).dropped(DropReason::BadFragment);
        flow.sends(&mut w, &fragments[1]).forwarded();
    }
}

/// A14, RFC 6864: identifications come again, at once, of one session or of two: each first is
/// processed by itself, and what follows goes its way. Toward the outside each datagram has an
/// identification of its own.
#[test]
fn an_identification_may_come_again() {
    for (path, kind) in paths() {
        let mut w = World::new();
        let mut flow = Flow::open(&mut w, path, kind);
        let mut ids = HashSet::new();
        for number in 0..70_u8 {
            flow.datagram = flow.datagram.payload(&[number; 301]).id(0);
            let fragments = flow.datagram.cut(&[104, 96]);
            let arrived: Vec<_> = fragments
                .iter()
                .flat_map(|f| flow.sends_and_gets(&mut w, f))
                .collect();
            assert_eq!(arrived.len(), 3);
            flow.check_whole(&arrived);
            ids.insert(arrived[0].ip.identification);
        }
        assert_eq!(
            ids.len(),
            if matches!(path, Path::Out | Path::Hairpin) {
                70
            } else {
                1
            },
            "{path:?} {kind:?}"
        );
    }
}

/// A14: a second first fragment with other ports, for another host, takes its followers along; one
/// that is refused does not.
#[test]
fn later_fragments_follow_the_last_first_that_was_let_through() {
    let mut w = World::new();
    let hosts = [H1, H2];
    let externals = hosts.map(|host| w.open_udp(at(host, 5000), at(S1, 53)));
    for turn in 0..20_u8 {
        let number = usize::from(turn % 2);
        let datagram = udp(at(S1, 53), externals[number])
            .payload(&[turn; 200])
            .may_fragment()
            .id(0);
        let fragments = datagram.cut(&[104]);
        let mut arrived = vec![w.inbound(&fragments[0]).forwarded()];
        // To an unused port, and of the same port at its last hop.
        let refused = udp(at(S1, 53), at(N, 1))
            .payload(&[9; 200])
            .may_fragment()
            .id(0)
            .cut(&[104]);
        w.inbound(&refused[0]).dropped(DropReason::NoMapping);
        let other = udp(at(S1, 53), externals[1 - number])
            .payload(&[9; 200])
            .may_fragment()
            .id(0)
            .ttl(1)
            .cut(&[104]);
        w.inbound(&other[0]).rejected(DropReason::TtlExpired);
        arrived.push(w.inbound(&fragments[1]).forwarded());
        let whole = reassemble(&arrived);
        assert!(
            whole.is_intact() && whole.destination() == at(hosts[number], 5000),
            "{whole:?}"
        );
        w.jump(secs(1));
    }
}

/// A14: fragments that are due go the way of the first that let them go, whatever comes before they
/// are taken out.
#[test]
fn due_fragments_keep_their_way() {
    let mut tables = Tables::<16, 16>::new();
    let mut memory = nat_core::Fragments::<2, 2>::new();
    let nat =
        Nat::new(&mut tables, config(), Seed::new([7; 16])).expect("the configuration can work");
    let mut nat = nat.with_fragments(&mut memory);
    let now = Instant::from_secs(1);
    let of = |byte: u8| {
        udp(at(H1, 5000), at(S1, 53))
            .payload(&[byte; 200])
            .may_fragment()
            .id(0)
            .cut(&[104])
    };
    let send = |nat: &mut Nat<'_>, datagram: &Datagram| {
        let mut packet = datagram.bytes();
        (
            nat.process(&mut packet, Side::Inside, now),
            Packet::parse(&packet),
        )
    };
    assert_eq!(send(&mut nat, &of(1)[1]).0, Verdict::Hold);
    let (_, first) = send(&mut nat, &of(1)[0]);
    let (_, next) = send(&mut nat, &of(2)[0]);
    assert_ne!(first.ip.identification, next.ip.identification);
    let mut buffer = [0; 1500];
    assert!(matches!(
        nat.release(&mut buffer, now),
        Some(Verdict::Forward { .. })
    ));
    assert!(reassemble(&[first, Packet::parse(&buffer)]).is_intact());
    assert_eq!(nat.release(&mut buffer, now), None);
    let (_, last) = send(&mut nat, &of(2)[1]);
    assert!(reassemble(&[next, last]).is_intact());
}

/// U14: through a router that does nothing else, a datagram needs a place for each fragment that
/// comes before its first: all of four in reverse, or the last of 45.
#[test]
fn an_idle_router_lets_one_source_use_all_places() {
    for (path, kind) in paths() {
        let mut w = World::fragmenting::<16, 4>(|_| ());
        let mut flow = Flow::open(&mut w, path, kind);
        let fragments = flow.datagram.cut(&[104, 48, 48, 40]);
        let arrived: Vec<_> = fragments
            .iter()
            .rev()
            .flat_map(|f| flow.sends_and_gets(&mut w, f))
            .collect();
        assert_eq!(arrived.len(), 5);
        flow.check_whole(&arrived);
        flow.datagram = flow.datagram.payload(&[0xA7; 65_000]).id(77);
        let mut fragments = flow.datagram.cut(&[1480; 43]);
        fragments.rotate_right(1);
        let arrived: Vec<_> = fragments
            .iter()
            .flat_map(|f| flow.sends_and_gets(&mut w, f))
            .collect();
        assert_eq!(arrived.len(), 44);
        flow.check_whole(&arrived);
    }
}

/// A16: beyond 65,535 bytes there is no datagram.
#[test]
fn fragments_beyond_the_largest_datagram_are_dropped() {
    let mut w = World::new();
    let flow = Flow::open(&mut w, Path::Out, Kind::Udp);
    flow.sends(&mut w, &flow.datagram.cut(&[104])[0])
        .forwarded();
    let at_end = |len| {
        flow.datagram
            .clone()
            .fragment(65_504, false)
            .body(&vec![0; len])
    };
    flow.sends(&mut w, at_end(11)).forwarded();
    flow.sends(&mut w, at_end(12))
        .dropped(DropReason::BadFragment);
    flow.sends(
        &mut w,
        flow.datagram
            .clone()
            .fragment(65_528, false)
            .body(&[0; 1400]),
    )
    .dropped(DropReason::BadFragment);
    flow.sends(&mut w, at_end(8).options(&[148, 4, 0, 0]))
        .dropped(DropReason::BadFragment);
    flow.sends(&mut w, at_end(7).options(&[148, 4, 0, 0]))
        .forwarded();
}

/// A16: all fragments but the last are of whole words, and none is empty.
#[test]
fn ragged_and_empty_fragments_are_dropped() {
    let mut w = World::new();
    let flow = Flow::open(&mut w, Path::In, Kind::Udp);
    let first = flow.datagram.cut(&[104])[0].clone();
    let later = |len: usize, more| {
        flow.datagram
            .clone()
            .fragment(104, more)
            .body(&vec![0; len])
    };
    let Datagram { body, .. } = flow.datagram.clone().cut(&[100]).remove(0);
    let mut ragged_first = first.clone();
    ragged_first.body = body;
    flow.sends(&mut w, &ragged_first)
        .dropped(DropReason::BadFragment);
    flow.sends(&mut w, &first).forwarded();
    for len in [1, 7, 9, 100] {
        flow.sends(&mut w, later(len, true))
            .dropped(DropReason::BadFragment);
        flow.sends(&mut w, later(len, false)).forwarded();
    }
    for more in [true, false] {
        flow.sends(&mut w, later(0, more))
            .dropped(DropReason::BadFragment);
    }
    flow.sends(&mut w, flow.datagram.clone().fragment(0, true).body(&[]))
        .dropped(DropReason::BadFragment);
    flow.sends(&mut w, later(96, true)).forwarded();
}

/// A16: a fragment may forbid that it is cut further.
#[test]
fn fragments_may_carry_df() {
    for path in [Path::Out, Path::In] {
        let mut w = World::with(|config| (config.outside_mtu, config.inside_mtu) = (400, 400));
        let mut flow = Flow::open(&mut w, path, Kind::Udp);
        flow.datagram.ip.dont_fragment = true;
        let arrived: Vec<_> = flow
            .datagram
            .cut(&[104, 96])
            .iter()
            .flat_map(|f| flow.sends_and_gets(&mut w, f))
            .collect();
        assert!(
            arrived.iter().all(|packet| packet.ip.dont_fragment),
            "DF is never cleared"
        );
        flow.check_whole(&arrived);
        // Too large for the link: the first is answered, others are not.
        flow.datagram = flow.datagram.payload(&[7; 1000]).id(77);
        let fragments = flow.datagram.cut(&[400, 200]);
        flow.sends(&mut w, &fragments[0])
            .rejected(DropReason::PacketTooBig);
        let fragments = flow.datagram.cut(&[104, 400]);
        flow.sends(&mut w, &fragments[0]).forwarded();
        flow.sends(&mut w, &fragments[1])
            .dropped(DropReason::PacketTooBig);
    }
}

/// L9: a fragment whose time to live is used up goes nowhere; only a first is answered.
#[test]
fn fragments_expire() {
    for path in [Path::Out, Path::In, Path::Hairpin] {
        let mut w = World::new();
        let flow = Flow::open(&mut w, path, Kind::Udp);
        let fragments = flow.datagram.cut(&[104]);
        flow.sends(&mut w, fragments[0].clone().ttl(1))
            .rejected(DropReason::TtlExpired);
        flow.sends(&mut w, fragments[0].clone().ttl(2)).forwarded();
        flow.sends(&mut w, fragments[1].clone().ttl(1))
            .dropped(DropReason::TtlExpired);
        assert_eq!(
            flow.sends(&mut w, fragments[1].clone().ttl(2))
                .forwarded()
                .ttl(),
            1
        );
    }
}

/// U14: when the clock of milliseconds has gone round, after 2^32 of them, nothing of a turn ago
/// comes to life again: neither what waited nor what was open, in one step of the clock or in
/// several.
#[test]
fn fragments_do_not_come_back_with_the_clock() {
    let fragments = udp(at(H1, 5000), at(S1, 53))
        .payload(&[7; 301])
        .may_fragment()
        .cut(&[104]);
    let turn = Duration::from_millis(1 << 32);
    for steps in [1, 2, 3] {
        let mut w = World::new();
        w.outbound(&fragments[1]).held();
        let wait = |w: &mut World| (0..steps).for_each(|_| pass(w, turn / steps));
        wait(&mut w);
        w.outbound(&fragments[0]).forwarded();
        assert_eq!(w.take_released().len(), 0, "{steps} steps");
        wait(&mut w);
        w.outbound(&fragments[1]).held();
    }
}

/// U14: the same where the clock never goes far at once.
#[test]
fn fragments_do_not_come_back_in_small_steps() {
    let fragments = udp(at(H1, 5000), at(S1, 53))
        .payload(&[7; 301])
        .may_fragment()
        .cut(&[104]);
    let mut w = World::new().starting_at(Instant::from_millis((1 << 31) - 1000));
    w.outbound(&fragments[1]).held();
    let end = w.now().saturating_add(Duration::from_millis(1 << 32));
    let mut step = Duration::from_millis(1500); // to where it still waits
    while w.now() < end {
        w.jump(step.min(end.saturating_duration_since(w.now())));
        assert_eq!(w.nat.release(&mut [0; 1500], w.now()), None);
        step = Duration::from_millis(14_999);
    }
    w.outbound(&fragments[0]).forwarded();
    assert_eq!(w.take_released().len(), 0);
}

/// Lets time pass, and has a packet come at the end of it.
fn pass(w: &mut World, time: Duration) {
    w.advance(time);
    w.outbound(udp(at(H2, 5000), at(S1, 53))).forwarded();
}

/// What is for the router itself costs no hop.
#[test]
fn fragments_for_the_router_may_be_at_their_last_hop() {
    let mut w = World::new();
    let mut flow = Flow::open(&mut w, Path::ToRouter, Kind::Udp);
    flow.datagram = flow.datagram.ttl(1);
    let fragments = flow.datagram.cut(&[104, 96]);
    let arrived: Vec<_> = [1, 0, 2]
        .iter()
        .flat_map(|n| flow.sends_and_gets(&mut w, &fragments[*n]))
        .collect();
    assert_eq!(arrived.len(), 3);
    assert!(arrived.iter().all(|packet| packet.ttl() == 1));
    flow.check_whole(&arrived);
}

/// Fragments to the router's inside address are its stack's to join.
#[test]
fn fragments_for_the_router_inside_are_local() {
    let mut w = World::without_fragments();
    let datagram = echo_request(H1, ROUTER, 7)
        .payload(&[7; 200])
        .may_fragment();
    for number in [1, 0, 0, 1] {
        let fragment = &datagram.cut(&[96])[number];
        assert_eq!(
            w.outbound(fragment).local(Side::Inside).bytes(),
            fragment.bytes(),
            "as it came"
        );
    }
}

/// The router's own stack may send fragments, and datagrams larger than the link, like any host.
#[test]
fn the_router_sends_fragments() {
    for order in ORDERS {
        let mut w = World::new();
        let external = w
            .router_sends(udp(at(N, 5353), at(S1, 53)))
            .forwarded()
            .source();
        let datagram = udp(at(N, 5353), at(S1, 53))
            .payload(&[7; 301])
            .may_fragment();
        let fragments = datagram.cut(&[104, 96]);
        let mut left = Vec::new();
        for number in order {
            let outcome = w.router_sends(&fragments[number]);
            if !matches!(outcome, Outcome::Held) {
                left.push(outcome.forwarded());
            }
            left.extend(w.released());
        }
        let whole = reassemble(&left);
        assert_eq!(
            (whole.source(), whole.destination()),
            (external, at(S1, 53))
        );
        assert!(whole.is_intact() && left.len() == 3, "{order:?}");
        assert!(
            left.iter().all(|packet| packet.ttl() == 64),
            "the router's own packets have not hopped yet"
        );
    }
    let mut w = World::new();
    for fragment in udp(at(N, 5353), at(S1, 53))
        .payload(&[7; 301])
        .may_fragment()
        .ttl(1)
        .cut(&[104])
    {
        assert_eq!(
            w.router_sends(fragment).forwarded().ttl(),
            1,
            "as a trace of the route asks for"
        );
    }
    let mut w = World::with(|config| config.outside_mtu = 576);
    w.router_sends(
        udp(at(N, 5353), at(S1, 53))
            .payload(&[7; 1000])
            .may_fragment(),
    )
    .fragmented();
}

/// U13a: datagrams larger than the link leave in pieces on all ways, with options too, which the
/// world checks; so do fragments.
#[test]
fn large_datagrams_and_fragments_are_cut() {
    // Of what every piece carries, of what only the first does, and both, at odd places.
    let options: [&[u8]; 5] = [
        &[],
        &[148, 4, 0, 0],
        &[30, 4, 1, 2],
        &[1, 30, 3, 9, 158, 7, 1, 2, 3, 4, 5, 1],
        &[148, 4, 0, 0, 1, 1, 158, 6, 1, 2, 3, 4, 0, 130, 3, 0],
    ];
    for (path, kind) in paths().filter(|(path, _)| !matches!(path, Path::ToRouter)) {
        for mtu in [68, 69, 75, 76, 77, 130, 600] {
            let mut w = World::new();
            let mut flow = Flow::open(&mut w, path, kind);
            for side in [Side::Inside, Side::Outside] {
                w.nat.set_mtu(side, mtu).expect("68 bytes are an MTU");
            }
            for options in options {
                flow.datagram = flow
                    .datagram
                    .payload(&[0x5A; 1600])
                    .options(options)
                    .id(mtu);
                let pieces = flow.sends(&mut w, &flow.datagram).fragmented();
                flow.check_whole(&pieces);
                let fragments = flow.datagram.clone().id(mtu + 1).cut(&[800]);
                let mut pieces = flow.sends(&mut w, &fragments[0]).fragmented();
                pieces.extend(flow.sends(&mut w, &fragments[1]).fragmented());
                // The NAT's pieces of the second may have fewer options than those of the first:
                // all of them join.
                flow.check_whole(&pieces);
                w.jump(secs(15));
            }
        }
    }
}

/// U13a, X10: the fragments of one datagram share a new identification, which is not that of another
/// host's.
#[test]
fn new_fragments_of_two_hosts_do_not_mix() {
    let mut w = World::new();
    let ids = [H1, H2].map(|host| {
        let large = udp(at(host, 5000), at(S1, 53))
            .payload(&[7; 3000])
            .id(0x1234)
            .may_fragment();
        let pieces = w.outbound(large).fragmented();
        let ids: HashSet<_> = pieces.iter().map(|piece| piece.ip.identification).collect();
        assert_eq!((pieces.len(), ids.len()), (3, 1));
        ids
    });
    assert_ne!(ids[0], ids[1]);
}

/// U13a: fragments that waited are cut too when they leave.
#[test]
fn released_fragments_are_cut() {
    let mut w = World::with(|config| config.outside_mtu = 500);
    let mut flow = Flow::open(&mut w, Path::Out, Kind::Udp);
    flow.datagram = flow.datagram.payload(&[7; 1500]);
    let fragments = flow.datagram.cut(&[200, 1000]);
    flow.sends(&mut w, &fragments[1]).held();
    let mut pieces = vec![flow.sends(&mut w, &fragments[0]).forwarded()];
    pieces.extend(w.take_released().into_iter().flat_map(Outcome::fragmented));
    pieces.push(flow.sends(&mut w, &fragments[2]).forwarded());
    assert_eq!(pieces.len(), 5);
    flow.check_whole(&pieces);
}

/// U13, X10: what must not be fragmented is answered, on all ways.
#[test]
fn large_datagrams_with_df_are_answered() {
    for (path, kind) in paths().filter(|(path, _)| !matches!(path, Path::ToRouter)) {
        let mut w = World::new();
        let flow = Flow::open(&mut w, path, kind);
        for side in [Side::Inside, Side::Outside] {
            w.nat.set_mtu(side, 200).expect("200 bytes are an MTU");
        }
        let mut datagram = flow.datagram.clone();
        datagram.ip.dont_fragment = true;
        let answer = flow
            .sends(&mut w, &datagram)
            .rejected(DropReason::PacketTooBig);
        assert_eq!(
            (answer.icmp_type(), answer.icmp_rest()),
            ((3, 4), [0, 0, 0, 200])
        );
    }
}

/// X10: the same identification of two hosts leaves as two; that of an atomic datagram means
/// nothing and stays.
#[test]
fn identifications_of_hosts_do_not_collide() {
    let mut w = World::new();
    let mut seen = HashSet::new();
    for round in 0..1000 {
        for host in [H1, H2, H3] {
            let left = w
                .outbound(udp(at(host, 5000), at(S1, 53)).id(0x1234).may_fragment())
                .forwarded();
            assert!(
                seen.insert(left.ip.identification),
                "repeated in round {round}"
            );
            let atomic = w
                .outbound(udp(at(host, 5000), at(S1, 53)).id(0x1234))
                .forwarded();
            assert_eq!(atomic.ip.identification, 0x1234);
        }
    }
}

/// X10: DF does not make a fragment atomic.
#[test]
fn identifications_of_fragments_with_df_do_not_collide() {
    let mut w = World::new();
    let ids = [H1, H2].map(|host| {
        let fragments = udp(at(host, 5000), at(S1, 53))
            .payload(&[7; 200])
            .id(0x1234)
            .cut(&[96]);
        let ids: HashSet<_> = fragments
            .iter()
            .map(|f| w.outbound(f).forwarded().ip.identification)
            .collect();
        assert_eq!(ids.len(), 1, "all fragments of a datagram share one");
        ids
    });
    assert_ne!(ids[0], ids[1]);
}

/// RFC 7739 section 5: what one destination sees says nothing about packets to another.
#[test]
fn identifications_do_not_tell_of_other_destinations() {
    let mut w = World::new();
    let mut next = |remote| {
        w.outbound(udp(at(H1, 5000), remote).may_fragment())
            .forwarded()
            .ip
            .identification
    };
    let ids = [at(S1, 53), at(S2, 53), at(TRANSIT, 53), at(S1, 53)].map(&mut next);
    assert!(
        ids.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 3),
        "{ids:?} follow each other"
    );
}

/// X10: nor at an inside host that gets them by hairpin.
#[test]
fn identifications_of_hairpins_do_not_collide() {
    let mut w = World::new();
    let server = w.open_udp(at(H3, 7000), at(S1, 53));
    let ids = [H1, H2].map(|host| {
        let packet = udp(at(host, 5000), server).id(0x1234).may_fragment();
        w.outbound(packet).forwarded().ip.identification
    });
    assert_ne!(ids[0], ids[1]);
    let atomic = w.outbound(udp(at(H1, 5000), server).id(0x1234)).forwarded();
    assert_eq!(atomic.ip.identification, 0x1234);
}

/// X10: each boot numbers from a different start, so one boot says nothing about the next.
#[test]
fn first_identifications_depend_on_the_seed() {
    let firsts: HashSet<u16> = (1..=100)
        .map(|seed| {
            let mut tables = Tables::<4, 4>::new();
            let mut nat = Nat::new(&mut tables, config(), Seed::new([seed; 16]))
                .expect("the configuration can work");
            let mut packet = udp(at(H1, 5000), at(S1, 53)).may_fragment().bytes();
            let verdict = nat.process(&mut packet, Side::Inside, Instant::from_secs(1));
            assert!(matches!(verdict, Verdict::Forward { .. }));
            Packet::parse(&packet).ip.identification
        })
        .collect();
    assert!(firsts.len() > 95, "{} different of 100", firsts.len());
}

/// X10: all fragments of a datagram share its new identification, and two hosts' fragments do not
/// mix at the server.
#[test]
fn fragments_of_two_hosts_do_not_mix() {
    let mut w = World::new();
    let hosts = [at(H1, 5000), at(H2, 5000)];
    let externals = hosts.map(|host| w.open_udp(host, at(S1, 53)));
    let of = |host: SocketAddrV4| {
        udp(host, at(S1, 53))
            .payload(&host.ip().octets().repeat(60))
            .may_fragment()
            .cut(&[104])
    };
    let mut left: Vec<Packet> = Vec::new();
    for number in [1, 0] {
        for host in hosts {
            let outcome = w.outbound(&of(host)[number]);
            left.extend(w.released());
            if number == 0 {
                left.push(outcome.forwarded());
            }
        }
    }
    let ids: HashSet<_> = left.iter().map(|packet| packet.ip.identification).collect();
    assert_eq!((left.len(), ids.len()), (4, 2));
    for id in ids {
        let of_id: Vec<_> = left
            .iter()
            .filter(|packet| packet.ip.identification == id)
            .cloned()
            .collect();
        let whole = reassemble(&of_id);
        assert!(
            whole.is_intact() && externals.contains(&whole.source()),
            "{whole:?}"
        );
    }
}

/// X10: what comes in keeps the identification of its sender, the only thing that distinguishes its
/// datagrams.
#[test]
fn identifications_from_outside_stay() {
    let mut w = World::new();
    let flow = Flow::open(&mut w, Path::In, Kind::Udp);
    for fragment in flow.datagram.clone().id(0xBEEF).cut(&[104, 96]) {
        assert_eq!(
            flow.sends(&mut w, fragment).forwarded().ip.identification,
            0xBEEF
        );
    }
}

/// A fragment that waits opens nothing and keeps nothing alive; its first does.
#[test]
fn later_fragments_touch_no_session() {
    let mut w = World::new();
    let flow = Flow::open(&mut w, Path::Out, Kind::Udp);
    let fragments = flow.datagram.cut(&[104, 96]);
    w.advance(secs(299));
    flow.sends(&mut w, &fragments[2]).held();
    assert_eq!(w.session(at(H1, 5000), at(S1, 53)).expires_in, secs(1));
    flow.sends(&mut w, &fragments[0]).forwarded();
    assert_eq!(w.released().len(), 1);
    assert_eq!(w.session(at(H1, 5000), at(S1, 53)).expires_in, secs(300));
    w.advance(secs(1));
    flow.sends(&mut w, &fragments[1]).forwarded();
    assert_eq!(w.session(at(H1, 5000), at(S1, 53)).expires_in, secs(299));
}

/// U14: a first fragment opens a session like any packet, even if its fragments came before it.
#[test]
fn a_first_fragment_opens_a_session() {
    for kind in KINDS {
        let mut w = World::new();
        let datagram = match kind {
            Kind::Echo => echo_request(H1, S1, 7),
            Kind::Tcp => tcp(at(H1, 5000), at(S1, 80), SYN),
            Kind::Udp => udp(at(H1, 5000), at(S1, 53)),
        };
        let fragments = datagram.payload(&[7; 200]).may_fragment().cut(&[96]);
        w.outbound(&fragments[1]).held();
        assert_eq!(w.sessions(), []);
        w.outbound(&fragments[0]).forwarded();
        assert_eq!((w.released().len(), w.sessions().len()), (1, 1));
    }
}

/// The filter is asked about the first only: where it admits strangers, so do their fragments come
/// in.
#[test]
fn the_filter_decides_on_the_first() {
    let mut w = World::with(|config| config.filtering = Filtering::EndpointIndependent);
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let fragments = udp(at(S2, 9), external)
        .payload(&[7; 200])
        .may_fragment()
        .cut(&[96]);
    w.inbound(&fragments[1]).held();
    w.inbound(&fragments[0]).forwarded();
    assert_eq!(w.released().len(), 1);
    assert_eq!(w.sessions().len(), 1, "strangers make no state");
}

/// T: a FIN in fragments moves the connection on.
#[test]
fn a_fragmented_segment_moves_its_connection() {
    let mut w = World::new();
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    let fragments = connection
        .inside_sends(FIN | ACK)
        .payload(&[7; 200])
        .may_fragment()
        .cut(&[96]);
    w.outbound(&fragments[0]).forwarded();
    w.outbound(&fragments[1]).forwarded();
    assert_eq!(connection.state(&w), SessionState::InsideFin);
}

/// I4a: an error in fragments cannot be checked, so it goes nowhere.
#[test]
fn fragmented_errors_are_dropped() {
    let mut w = World::new();
    let left = w
        .outbound(udp(at(H1, 5000), at(S1, 53)).payload(&[7; 300]))
        .forwarded();
    let error = icmp_error(TRANSIT, N, (3, 3), &left.bytes()).may_fragment();
    let fragments = error.cut(&[104]);
    w.inbound(&fragments[1]).held();
    assert!(matches!(w.inbound(&fragments[0]), Outcome::Dropped(_)));
    assert_eq!(w.stats().released, 0);
}

/// A18, I10e: later fragments of protocols that are not translated do not wait for a first that
/// never passes, and are not answered; the first is, inside.
#[test]
fn fragments_of_unknown_protocols_are_dropped() {
    let mut w = World::new();
    for protocol in [0, 2, 41, 47, 50, 51, 132, 255] {
        for fragment in raw(S1, N, protocol, &[0; 200]).may_fragment().cut(&[96]) {
            w.inbound(&fragment).dropped(DropReason::UnknownProtocol);
        }
        let fragments = raw(H1, S1, protocol, &[0; 200]).may_fragment().cut(&[96]);
        w.outbound(&fragments[0])
            .rejected(DropReason::UnknownProtocol);
        w.outbound(&fragments[1])
            .dropped(DropReason::UnknownProtocol);
    }
}

/// When the external address changes, nothing leaves from the old one any more, nor follows an old
/// way in.
#[test]
fn fragments_do_not_outlive_their_address() {
    for path in [Path::Out, Path::In] {
        let mut w = World::new();
        let flow = Flow::open(&mut w, path, Kind::Udp);
        let fragments = flow.datagram.cut(&[104, 96]);
        flow.sends(&mut w, &fragments[0]).forwarded();
        flow.sends(&mut w, &fragments[1]).forwarded();
        w.set_external_addresses(&[N2])
            .expect("the address can work");
        w.set_external_addresses(&[N])
            .expect("the address can work");
        assert!(!flow.sends(&mut w, &fragments[2]).is_forwarded());
    }
}

/// Each fragment counts once where it came in and once where it went out, whether or not it waited.
#[test]
fn fragments_are_counted() {
    let mut w = World::new();
    let flow = Flow::open(&mut w, Path::Out, Kind::Udp);
    let before = w.stats().clone();
    let fragments = flow.datagram.cut(&[104, 96]);
    for number in [1, 0, 2] {
        flow.sends_and_gets(&mut w, &fragments[number]);
    }
    let after = w.stats();
    let bytes: usize = fragments
        .iter()
        .map(|fragment| fragment.bytes().len())
        .sum();
    let came = (
        after.inside.packets_in - before.inside.packets_in,
        after.inside.bytes_in - before.inside.bytes_in,
    );
    let left = (
        after.outside.packets_out - before.outside.packets_out,
        after.outside.bytes_out - before.outside.bytes_out,
    );
    assert_eq!((came, left), ((3, bytes as u64), (3, bytes as u64)));
    assert_eq!(
        (
            after.forwarded - before.forwarded,
            after.held,
            after.released
        ),
        (2, 1, 1)
    );
}

/// What cannot be fragmented is not: an MTU too small for eight bytes of payload, too short a
/// buffer, no datagram at all.
#[test]
fn fragmenting_ends_where_a_fragment_does_not_fit() {
    let datagram = udp(at(H1, 5000), at(S1, 53))
        .payload(&[7; 100])
        .may_fragment()
        .bytes();
    let mut buffer = [0; 200];
    for mtu in 0..28 {
        assert_eq!(
            Fragmenter::new(&datagram, mtu).emit(&mut buffer),
            None,
            "for a link of {mtu} bytes"
        );
    }
    assert_eq!(Fragmenter::new(&datagram, 28).emit(&mut buffer), Some(28));
    assert_eq!(Fragmenter::new(&datagram, 68).emit(&mut buffer[..67]), None);
    assert_eq!(
        Fragmenter::new(&datagram[..60], 68).emit(&mut buffer),
        None,
        "not all of the datagram"
    );
    assert_eq!(Fragmenter::new(&[], 68).emit(&mut buffer), None);
    let mut whole = Fragmenter::new(&datagram, 128);
    assert_eq!(
        (whole.emit(&mut buffer), whole.emit(&mut [])),
        (Some(128), None)
    );
    assert_eq!(buffer[..128], datagram[..], "what fits is one piece");
}

/// U14, A14: datagrams of several sources with few identifications, whose fragments come in all
/// orders, mixed with firsts that are refused. Everybody has finished one datagram before beginning
/// the next, so all within the memory arrive; each piece of every datagram leaves with the
/// addresses and the identification of its first.
#[test]
fn random_datagrams_are_delivered_whole_or_not_at_all() {
    let mut random = fastrand::Rng::with_seed(29);
    let mut w = World::fragmenting::<16, 16>(|_| ());
    let senders: Vec<_> = [H1, H2, H3]
        .into_iter()
        .flat_map(|host| [(host, S1), (host, S2)])
        .collect();
    let ends: Vec<_> = senders
        .iter()
        .map(|(host, server)| w.open_udp(at(*host, 5000), at(*server, 53)))
        .collect();
    for round in 0..300_u32 {
        // One host asks each server, and one is answered by it: ways in and out at once.
        let mut steps = Vec::new();
        let mut sent = Vec::new();
        for (number, server) in [S1, S2].into_iter().enumerate() {
            let sender = random.usize(..3) * 2 + number;
            let host = senders[sender].0;
            for (out, datagram) in [
                (true, udp(at(host, 5000), at(server, 53))),
                (false, udp(at(server, 53), ends[sender])),
            ] {
                let payload = random_bytes(&mut random, 300);
                let datagram = datagram
                    .payload(&payload)
                    .may_fragment()
                    .id(random.u16(..2));
                let mut fragments = datagram.cut(&[64, 56, 48, 40][..random.usize(1..5)]);
                random.shuffle(&mut fragments);
                steps.push((sent.len(), out, fragments));
                sent.push((payload, Vec::new()));
            }
        }
        while !steps.is_empty() {
            let chosen = random.usize(..steps.len());
            let (number, out, fragments) = &mut steps[chosen];
            let fragment = fragments.pop().expect("a fragment");
            if fragment.ip.fragment_offset.value() == 0 {
                // Forged, to an unused port or at its last hop.
                let mut forged = fragment.clone().ttl(1);
                forged.ip.time_to_live = 1;
                let refused = if *out {
                    w.outbound(forged)
                } else {
                    w.inbound(forged)
                };
                assert!(
                    matches!(refused, Outcome::Rejected(DropReason::TtlExpired, _)),
                    "{refused:?}"
                );
            }
            let outcome = if *out {
                w.outbound(fragment)
            } else {
                w.inbound(fragment)
            };
            if !matches!(outcome, Outcome::Held) {
                sent[*number].1.push(outcome.forwarded());
            }
            sent[*number].1.extend(w.released());
            if fragments.is_empty() {
                steps.swap_remove(chosen);
            }
        }
        for (payload, arrived) in sent {
            let whole = reassemble(&arrived);
            assert!(
                whole.is_intact() && whole.payload() == payload,
                "round {round}: {whole:?}"
            );
        }
        // Beyond the time for which later fragments follow a first.
        w.jump(secs(random.u64(15..20)));
        for (host, server) in &senders {
            w.open_udp(at(*host, 5000), at(*server, 53));
        }
    }
}

/// Random fragments by both sides with random times between: the world checks all that leaves.
#[test]
fn random_fragments_break_nothing() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut left = 0;
    for _ in 0..30 {
        let mut w = World::fragmenting::<5, 4>(|_| ());
        let flows: Vec<_> = paths()
            .map(|(path, kind)| Flow::open(&mut w, path, kind))
            .collect();
        for _ in 0..600 {
            let flow = &flows[random.usize(..flows.len())];
            let fragments = flow.datagram.clone().id(random.u16(..4)).cut(&[104, 96]);
            let mut fragment = fragments[random.usize(..3)].clone();
            if random.u8(..20) == 0 {
                fragment = fragment.fragment(random.usize(..400) * 8, random.bool());
            }
            left +=
                usize::from(flow.sends(&mut w, fragment).is_forwarded()) + w.take_released().len();
            w.jump(core::time::Duration::from_millis(random.u64(..800)));
        }
    }
    assert!(left > 3000, "{left} fragments have left");
}
