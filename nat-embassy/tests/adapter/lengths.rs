//! Frames of every length that a driver can hand up: too short, cut short, and too long.

use crate::world::frames::{
    Mac, Udp, arp_reply, arp_request, as_arp, datagram_of, echo_request, header_of, ipv4_frame,
    set_header,
};
use crate::world::nic::Nic;
use crate::world::*;
use etherparse::IpNumber;
use nat_core::{DropReason, Side};
use nat_embassy::{FrameDrop, FrameStats};

/// The longest frame that any driver's buffer holds.
const LONGEST: usize = 65_549;

/// A router with a session, and its external port.
fn with_session() -> (World, u16) {
    let mut w = World::acquainted();
    let external = w.open_session();
    (w, external)
}

fn ends(w: &World) -> [(Side, Nic, Mac, Mac); 2] {
    [
        (Side::Inside, w.lan.clone(), ROUTER_LAN.0, HOST.0),
        (Side::Outside, w.wan.clone(), ROUTER_WAN.0, GATEWAY.0),
    ]
}

fn dropped_by_nat(w: &World) -> u64 {
    w.control.with_nat(|nat| nat.stats().dropped_total())
}

fn dropped(stats: &FrameStats) -> u64 {
    stats.inside.dropped_total() + stats.outside.dropped_total()
}

/// The next good frames pass both ways, and they alone.
#[track_caller]
fn assert_goes_on(w: &mut World, external: u16, after: &str) {
    w.lan.arrive(from_host(&outbound()));
    w.wan.arrive(from_gateway(&inbound(external)));
    w.run();
    let (outward, inward) = (check_all(&w.wan.take_sent()), check_all(&w.lan.take_sent()));
    assert_eq!(
        outward
            .iter()
            .map(|seen| &seen.payload[..])
            .collect::<Vec<_>>(),
        [b"question"],
        "after {after}"
    );
    assert_eq!(
        inward
            .iter()
            .map(|seen| &seen.payload[..])
            .collect::<Vec<_>>(),
        [b"answer"],
        "after {after}"
    );
}

#[test]
fn frames_too_short_for_a_link_header_are_runts_and_the_next_one_passes() {
    let (mut w, external) = with_session();
    for len in 0..14 {
        for byte in [0x00, 0x02, 0xff] {
            for (side, nic, ..) in ends(&w) {
                let before = w.control.stats().side(side).dropped(FrameDrop::Runt);
                nic.arrive(vec![byte; len]);
                w.run();
                assert_eq!(
                    w.control.stats().side(side).dropped(FrameDrop::Runt),
                    before + 1,
                    "{len} bytes of {byte}"
                );
            }
            assert_goes_on(&mut w, external, &format!("{len} bytes of {byte}"));
        }
    }
}

/// Each ends within its IP header, or within its transport header, or before what its total length
/// says.
#[test]
fn datagrams_cut_anywhere_are_counted_once_and_the_next_one_passes() {
    for (side, whole) in [
        (Side::Inside, outbound().build()),
        (
            Side::Outside,
            Udp {
                payload: b"answer".to_vec(),
                ..inbound(0)
            }
            .build(),
        ),
        (Side::Inside, echo_request(HOST.1, SERVER, 32)),
    ] {
        for len in 0..whole.len() {
            let (mut w, external) = with_session();
            let (_, nic, to, from) = ends(&w)
                .into_iter()
                .find(|end| end.0 == side)
                .expect("two sides");
            let before = (dropped_by_nat(&w), dropped(&w.control.stats()));
            nic.arrive(ipv4_frame(to, from, &whole[..len]));
            w.run();
            assert_eq!(
                (w.lan.take_sent().len(), w.wan.take_sent().len()),
                (0, 0),
                "{side:?}, {len} bytes"
            );
            assert_eq!(
                (dropped_by_nat(&w), dropped(&w.control.stats())),
                (before.0 + 1, before.1)
            );
            let reason = if len < 20 {
                DropReason::Truncated
            } else {
                DropReason::BadTotalLength
            };
            assert_eq!(
                w.control.with_nat(|nat| nat.stats().dropped(reason)),
                1,
                "{side:?}, {len} bytes"
            );
            assert_goes_on(&mut w, external, &format!("{side:?}, {len} bytes"));
        }
    }
}

#[test]
fn giants_of_every_size_are_counted_on_the_side_they_came_from_and_the_next_frame_passes() {
    let (mut w, external) = with_session();
    let lengths = (1519..1600)
        .chain((1600..LONGEST).step_by(1_777))
        .chain([LONGEST]);
    for len in lengths {
        for (side, nic, to, from) in ends(&w) {
            // A header that is sound, so that nothing but the length speaks against it.
            let good = if side == Side::Inside {
                outbound().build()
            } else {
                inbound(external).build()
            };
            let mut frame = ipv4_frame(to, from, &good);
            frame.resize(len, 0xee);
            let before = w.control.stats();
            nic.arrive(frame);
            w.run();
            let after = w.control.stats();
            let counted = after.side(side).dropped(FrameDrop::Giant)
                - before.side(side).dropped(FrameDrop::Giant);
            assert_eq!(
                (counted, dropped(&after) - dropped(&before)),
                (1, 1),
                "{side:?}, {len} bytes"
            );
            assert_eq!(
                (w.lan.take_sent().len(), w.wan.take_sent().len()),
                (0, 0),
                "{side:?}, {len} bytes"
            );
        }
        assert_goes_on(&mut w, external, &format!("{len} bytes"));
    }
}

#[test]
fn a_giant_claim_of_the_header_alone_makes_nothing_longer() {
    let (mut w, external) = with_session();
    for claimed in [0_u16, 19, 37, 1_501, 9_000, 65_535] {
        let mut datagram = outbound().build();
        set_header(&mut datagram, |header| header.total_len = claimed);
        let before = dropped_by_nat(&w);
        w.lan.arrive(from_host_as(&datagram));
        w.run();
        assert_eq!(dropped_by_nat(&w), before + 1, "{claimed}");
        assert_goes_on(&mut w, external, &format!("a claim of {claimed}"));
    }
}

fn from_host_as(datagram: &[u8]) -> Vec<u8> {
    ipv4_frame(ROUTER_LAN.0, HOST.0, datagram)
}

/// A driver that hands up jumbo frames, on either side of one that carries none.
#[test]
fn jumbo_frames_are_refused_where_they_would_leave_and_the_next_frame_passes() {
    for jumbo_inside in [true, false] {
        let nics = [ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN)];
        nics[usize::from(!jumbo_inside)].script(|script| script.mtu = 9_014);
        let [lan, wan] = nics;
        let mut w = World::with(config(), lan, wan);
        w.introduce();
        let external = w.open_session();
        for len in [1_473, 3_000, 8_972] {
            let payload = vec![4; len];
            if jumbo_inside {
                w.lan.arrive(from_host(&Udp {
                    payload,
                    ..outbound()
                }));
            } else {
                w.wan.arrive(from_gateway(&Udp {
                    payload,
                    ..inbound(external)
                }));
            }
            w.run();
            let sent = [w.lan.take_sent(), w.wan.take_sent()].concat();
            assert!(sent.iter().all(|frame| frame.len() <= 1_514), "{len} bytes");
            assert!(
                sent.iter().all(|frame| as_arp(frame).is_some()
                    || header_of(datagram_of(frame)).protocol == IpNumber::ICMP),
                "nothing of the jumbo itself"
            );
            assert_goes_on(
                &mut w,
                external,
                &format!("{len} bytes, inside: {jumbo_inside}"),
            );
        }
    }
}

#[test]
fn arp_longer_than_a_packet_counts_as_padded_and_shorter_as_bad() {
    let mut w = World::acquainted();
    let whole = arp_request(HOST, ROUTER_LAN.1);
    for len in [42, 60, 64, 1_514, 1_518] {
        let mut frame = whole.clone();
        frame.resize(len, 0xee);
        w.lan.arrive(frame);
        w.run();
        assert_eq!(
            w.lan.take_sent(),
            [arp_reply(ROUTER_LAN, HOST)],
            "{len} bytes"
        );
    }
    for len in 14..42 {
        w.lan.arrive(whole[..len].to_vec());
        w.run();
        assert_eq!(w.lan.take_sent(), Vec::<Vec<u8>>::new(), "{len} bytes");
    }
    assert_eq!(w.inside_drops(FrameDrop::BadArp), 28);
}
