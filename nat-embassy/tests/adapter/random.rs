//! Whatever arrives, and whatever changes meanwhile: no panic, and nothing leaves that must not.

use core::future::Future;
use core::net::Ipv4Addr;
use core::task::{Context, Waker};

use crate::world::frames::{
    Udp, arp_reply, arp_request, datagram_of, echo_request, ethertype_of, fragments, header_of,
    ipv4_frame, udp_of,
};
use crate::world::nic::Nic;
use crate::world::random::Random;
use crate::world::*;
use embassy_net_driver::LinkState;
use etherparse::{EtherType, IpNumber};
use nat_core::Side;

/// Some frame of somebody, now and then with a priority tag, cut, padded or with a few bytes that
/// are wrong.
pub(crate) fn any_frame(random: &mut Random, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut frame = random.choose(frames);
    if random.below(8) == 0 {
        frame.splice(12..12, [0x81, 0x00, (random.below(16) << 4) as u8, 0x00]);
    }
    if random.below(3) == 0 {
        for _ in 0..=random.below(3) {
            let at = random.below(frame.len().min(64));
            frame[at] = random.next() as u8;
        }
    }
    if random.below(8) == 0 {
        frame.resize(random.below(1600), 0x5a);
    }
    frame
}

pub(crate) fn frames_inside() -> Vec<Vec<u8>> {
    let mut frames: Vec<_> = (0..40u8)
        .map(|number| {
            let dst = Ipv4Addr::new(198, 51, 100, number);
            from_host(&Udp {
                src_port: 5000 + u16::from(number),
                dst,
                ..outbound()
            })
        })
        .collect();
    frames.extend([
        from_host(&outbound()),
        from_host(&Udp {
            dst: ROUTER_LAN.1,
            ..outbound()
        }),
        from_host(&Udp {
            dst: ROUTER_WAN.1,
            ..outbound()
        }),
        ipv4_frame(ROUTER_LAN.0, HOST.0, &echo_request(HOST.1, SERVER, 1400)),
        arp_request(HOST, ROUTER_LAN.1),
        arp_reply(HOST, ROUTER_LAN),
        ipv4_frame(
            ROUTER_LAN.0,
            HOST.0,
            &echo_request(HOST.1, ROUTER_WAN.1, 56),
        ),
    ]);
    let ping = echo_request(HOST.1, ROUTER_LAN.1, 3000);
    frames.extend(
        fragments(&ping, 1480)
            .iter()
            .map(|piece| ipv4_frame(ROUTER_LAN.0, HOST.0, piece)),
    );
    frames
}

pub(crate) fn frames_outside() -> Vec<Vec<u8>> {
    let mut frames: Vec<_> = (1..40u8)
        .map(|number| {
            arp_reply(
                ([2, 0, 0, 0, 3, number], Ipv4Addr::new(198, 51, 100, number)),
                ROUTER_WAN,
            )
        })
        .collect();
    frames.extend([
        from_gateway(&inbound(4000)),
        ipv4_frame(
            ROUTER_WAN.0,
            GATEWAY.0,
            &echo_request(SERVER, ROUTER_WAN.1, 56),
        ),
        arp_request(GATEWAY, ROUTER_WAN.1),
        gateway_answers(),
    ]);
    frames
}

/// The answer to a UDP packet that was sent outside.
pub(crate) fn answer_to(frame: &[u8]) -> Option<Vec<u8>> {
    if ethertype_of(frame) != EtherType::IPV4 {
        return None;
    }
    let datagram = datagram_of(frame);
    let header = header_of(datagram);
    if header.protocol != IpNumber::UDP || header.fragment_offset.value() != 0 {
        return None;
    }
    let udp = udp_of(datagram);
    Some(from_gateway(&Udp {
        src: header.destination.into(),
        src_port: udp.destination_port,
        dst: header.source.into(),
        dst_port: udp.source_port,
        payload: vec![1; 100],
    }))
}

fn disturb(random: &mut Random, nic: &Nic) {
    match random.below(4) {
        0 => nic.set_link(LinkState::Down),
        1 | 2 => nic.set_link(LinkState::Up),
        _ => nic.make_room(random.choose(&[0, 1, 2, 100_000])),
    }
}

#[track_caller]
fn assert_translated(frames: &[Vec<u8>], step: u32) {
    for frame in frames
        .iter()
        .filter(|frame| ethertype_of(frame) == EtherType::IPV4)
    {
        let source = Ipv4Addr::from(header_of(datagram_of(frame)).source);
        assert!(
            [ROUTER_WAN.1, OTHER_ADDRESS].contains(&source),
            "{source} leaves in step {step}"
        );
    }
}

const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 200);

#[test]
fn whatever_happens_nothing_untranslated_leaves_and_the_router_goes_on() {
    let mut config = config();
    config.nat.outside_ping = true;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.introduce();
    for nic in [&w.lan, &w.wan] {
        nic.script(|script| script.pairs_need_room = true);
    }
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let (inside, outside) = (frames_inside(), frames_outside());
    let mut answers = vec![from_gateway(&inbound(4000))];
    let own = ipv4_frame(
        GATEWAY.0,
        ROUTER_WAN.0,
        &Udp {
            src: ROUTER_WAN.1,
            ..outbound()
        }
        .build(),
    );
    let other = nat_embassy::Outside {
        address: cidr(OTHER_ADDRESS),
        ..OUTSIDE
    };
    let control = w.control;
    let mut probe = None;
    for step in 0..45_000 {
        match random.below(20) {
            0..=7 => w.lan.arrive(any_frame(&mut random, &inside)),
            8..=11 => w.wan.arrive(any_frame(&mut random, &outside)),
            12..=14 => w.wan.arrive(any_frame(&mut random, &answers)),
            15 => {
                let mut frame = any_frame(&mut random, core::slice::from_ref(&own));
                frame.truncate(nat_embassy::MAX_FRAME_LEN);
                World::stack_sends(&mut w.wan_stack, &frame);
            }
            16 => match random.below(4) {
                0 => {
                    _ = w
                        .control
                        .send_frame(random.choose(&[Side::Inside, Side::Outside]), &own);
                }
                1 => probe = None,
                2 => {
                    probe = Some(Box::pin(
                        control.probe(random.choose(&[Side::Inside, Side::Outside]), HOST.1),
                    ));
                }
                _ => _ = World::stack_receives(&mut w.lan_stack),
            },
            17 => disturb(&mut random, &w.lan.clone()),
            18 => disturb(&mut random, &w.wan.clone()),
            _ if random.below(8) == 0 => {
                w.control
                    .set_outside(random.choose(&[None, Some(OUTSIDE), Some(other)]));
            }
            _ => w.lan.arrive(from_host(&outbound())),
        }
        if random.below(2) == 0 {
            let millis = random.below(700) as u64;
            w.advance(millis);
        }
        let polled = probe
            .as_mut()
            .map(|probe| probe.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        if polled.is_some_and(|result| result.is_ready()) {
            probe = None;
        }
        let sent = w.wan.take_sent();
        assert_translated(&sent, step);
        answers = sent
            .iter()
            .filter_map(|frame| answer_to(frame))
            .chain(answers)
            .take(8)
            .collect();
        w.lan.take_sent();
    }

    let carried = w.control.with_nat(|nat| {
        (
            nat.stats().inside.packets_out,
            nat.stats().outside.packets_out,
        )
    });
    assert!(
        carried.0 > 100 && carried.1 > 1000,
        "not much has happened: {carried:?}"
    );

    // And it still works.
    for nic in [w.lan.clone(), w.wan.clone()] {
        nic.set_link(LinkState::Up);
        nic.make_room(usize::MAX);
    }
    w.control.set_outside(Some(OUTSIDE));
    let now = w.control.now();
    w.control.with_nat(|nat| nat.clear(now));
    w.run();
    w.advance(10_000);
    w.introduce();
    let external = w.open_session();
    w.wan.arrive(from_gateway(&inbound(external)));
    w.run();
    assert_eq!(check_all(&w.lan.take_sent()).len(), 1);
}
