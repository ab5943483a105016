//! Many stations at once: as many inside as the router has room for hosts, and more outside than it
//! remembers.

use core::net::Ipv4Addr;

use crate::world::frames::{
    Mac, Station, Udp, arp_reply, arp_request, as_arp, check_frame, ipv4_frame,
};
use crate::world::*;
use nat_embassy::{FrameDrop, State};

/// How long a station takes to answer what it is asked.
const LATENCY: u64 = 30;

fn host(number: u8) -> Station {
    (
        [0x02, 0, 0, 1, 0, number],
        Ipv4Addr::new(192, 168, 77, number),
    )
}

fn near(number: u8) -> Station {
    (
        [0x02, 0, 0, 2, 0, number],
        Ipv4Addr::new(198, 51, 100, number),
    )
}

/// A router with room for 254 hosts, which knows its gateway.
fn world() -> World {
    let state = Box::leak(Box::new(State::<512, 1024, 254>::new()));
    let mut w = World::of(
        state,
        config(),
        ethernet_nic(ROUTER_LAN),
        ethernet_nic(ROUTER_WAN),
    );
    w.wan.arrive(arp_request(GATEWAY, ROUTER_WAN.1));
    w.run();
    w.wan.take_sent();
    w
}

/// The station `mac` opens a session from the address of host `number`, after it asked for the
/// router. The external port.
fn open(w: &mut World, number: u8, mac: Mac) -> u16 {
    let address = host(number).1;
    w.lan.arrive(arp_request((mac, address), ROUTER_LAN.1));
    w.lan.arrive(ipv4_frame(
        ROUTER_LAN.0,
        mac,
        &Udp {
            src: address,
            ..outbound()
        }
        .build(),
    ));
    w.run();
    w.lan.take_sent();
    check_all(&w.wan.take_sent())[0].ports.expect("UDP").0
}

/// Answers still to come, and when.
#[derive(Default)]
struct Answers(Vec<(u64, Vec<u8>)>);

impl Answers {
    /// Takes what was sent on a side: who is asked for answers later. Returns the other frames.
    fn sort(
        &mut self,
        at: u64,
        sent: Vec<Vec<u8>>,
        router: Station,
        mac: impl Fn(Ipv4Addr) -> Mac,
    ) -> Vec<Vec<u8>> {
        let (questions, others): (Vec<_>, _) =
            sent.into_iter().partition(|frame| as_arp(frame).is_some());
        for question in questions {
            let address = as_arp(&question).expect("ARP").target_ipv4_addr();
            self.0
                .push((at + LATENCY, arp_reply((mac(address), address), router)));
        }
        others
    }

    fn due(&mut self, at: u64) -> Vec<Vec<u8>> {
        let (due, later) = core::mem::take(&mut self.0)
            .into_iter()
            .partition(|(when, _)| *when <= at);
        self.0 = later;
        due.into_iter().map(|(_, frame)| frame).collect()
    }
}

/// For three minutes, so that each has to confirm its address several times meanwhile.
#[test]
fn each_of_254_busy_hosts_gets_all_its_packets() {
    let mut w = world();
    let hosts: Vec<u8> = (2..=254).collect();
    let ports: Vec<u16> = hosts
        .iter()
        .map(|number| open(&mut w, *number, host(*number).0))
        .collect();
    let (mut answers, mut got, mut rounds) = (Answers::default(), vec![0; hosts.len()], 0);
    for at in (0..180_000).step_by(10) {
        for answer in answers.due(at) {
            w.lan.arrive(answer);
        }
        if at % 500 == 0 {
            rounds += 1;
            for port in &ports {
                w.wan.arrive(from_gateway(&inbound(*port)));
            }
        }
        w.run();
        for frame in answers.sort(at, w.lan.take_sent(), ROUTER_LAN, |address| {
            host(address.octets()[3]).0
        }) {
            let (header, seen) = check_frame(&frame);
            assert_eq!(header.destination, host(seen.dst.octets()[3]).0);
            got[usize::from(seen.dst.octets()[3] - 2)] += 1;
        }
        for frame in w.wan.take_sent() {
            if as_arp(&frame).is_some() {
                w.wan.arrive(gateway_answers());
            }
        }
        w.advance(10);
    }
    assert_eq!(got, vec![rounds; hosts.len()]);
    let stats = w.control.stats();
    // Answers are the stack's too, which does not run here.
    assert_eq!(
        stats.inside.dropped_total(),
        stats.inside.dropped(FrameDrop::LocalQueueFull)
    );
}

/// The station sends and receives under so many names, and a victim beside it downloads now and
/// then.
#[test]
fn a_station_with_many_names_costs_the_others_nothing() {
    for names in [40, 252] {
        let mut w = world();
        let victim = host(2);
        let mac = |address: Ipv4Addr| {
            if address == victim.1 {
                victim.0
            } else {
                host(3).0
            }
        };
        let ports: Vec<u16> = (0..=names)
            .map(|name| open(&mut w, 2 + name, mac(host(2 + name).1)))
            .collect();
        let (mut answers, mut sent, mut got) = (Answers::default(), 0, 0);
        for at in 0..3_000_u64 {
            for answer in answers.due(at) {
                w.lan.arrive(answer);
            }
            for packet in 0..4 {
                let name = 1 + (at * 4 + packet) % u64::from(names);
                w.wan.arrive(from_gateway(&inbound(ports[name as usize])));
            }
            if at % 10 == 5 {
                w.wan.arrive(from_gateway(&inbound(ports[0])));
                sent += 1;
            }
            w.run();
            let frames = answers.sort(at, w.lan.take_sent(), ROUTER_LAN, mac);
            got += frames
                .iter()
                .filter(|frame| destination_mac(frame) == victim.0)
                .count();
            w.advance(1);
        }
        assert_eq!(got, sent, "{names} names");
    }
}

/// A hundred servers of the outside network are spoken with ten times a second each; 63 have a
/// place beside the gateway. Those keep it and get everything: the others do not displace them.
#[test]
fn with_more_busy_neighbours_than_places_those_with_a_place_get_all_their_packets() {
    let mut w = world();
    w.lan.arrive(arp_request(HOST, ROUTER_LAN.1));
    w.run();
    w.lan.take_sent();
    let (mut answers, mut got) = (Answers::default(), [0; 100]);
    let rounds = 100;
    for at in 0..rounds * 100 {
        for answer in answers.due(at) {
            w.wan.arrive(answer);
        }
        let number = 100 + (at % 100) as u8;
        w.lan.arrive(from_host(&Udp {
            dst: near(number).1,
            ..outbound()
        }));
        w.run();
        for frame in answers.sort(at, w.wan.take_sent(), ROUTER_WAN, |address| {
            near(address.octets()[3]).0
        }) {
            let (header, seen) = check_frame(&frame);
            assert_eq!(header.destination, near(seen.dst.octets()[3]).0);
            got[usize::from(seen.dst.octets()[3] - 100)] += 1;
        }
        w.advance(1);
    }
    // The first rounds are lost, in which all of them are asked for at once, as far as 16 can be.
    let served = got.iter().filter(|count| **count >= rounds - 10).count();
    assert!(served >= 63, "{served}: {got:?}");
    // A displaced neighbour has no waiting packet left.
    w.advance(10_000);
    let (unresolved, full) = (FrameDrop::ArpUnresolved, FrameDrop::NeighboursFull);
    let lost = w.outside_drops(unresolved)
        + w.outside_drops(full)
        + w.outside_drops(FrameDrop::ArpPendingReplaced);
    assert_eq!(
        got.iter().sum::<u64>() + lost,
        rounds * 100,
        "each packet has left or is counted"
    );
}
