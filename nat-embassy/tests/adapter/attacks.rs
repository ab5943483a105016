//! Attacks on the router where frames matter: scans of its ports from outside, collisions with its
//! own flows, and frames that are not what they say. ARP has a file of its own.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use crate::world::frames::{
    BROADCAST, Mac, Seen, Station, Udp, arp_reply, as_arp, check_frame, echo_request, ethernet,
    icmp_of, ipv4_frame, tcp,
};
use crate::world::*;
use etherparse::{EtherType, Icmpv4Type, IpNumber, Ipv4Header, PacketBuilder};
use nat_core::{DropReason, PortRange, Side};
use nat_embassy::{FrameDrop, State};

/// Beyond the gateway.
const SCANNER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
/// On the wire outside.
const NEAR: Station = ([0x02, 0, 0, 0, 0, 0x66], Ipv4Addr::new(198, 51, 100, 66));

/// A router with a flow of the host and one of its own outside stack, both with the server.
struct Victims {
    w: World,
    /// The external ports: of the host's flow, and of the router's.
    host: u16,
    own: u16,
}

const OWN_PORT: u16 = 40_000;

impl Victims {
    fn new(dhcp_client: bool) -> Self {
        let mut config = config();
        config.nat.dhcp_client = dhcp_client;
        let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
        w.introduce();
        let host = w.open_session();
        let own = own_flow(&mut w, &from_router(OWN_PORT).build())
            .ports
            .expect("UDP")
            .0;
        Self { w, host, own }
    }

    /// Both flows get their answers, and no other host gets anything.
    #[track_caller]
    fn assert_served(&mut self, when: &str) {
        self.w.wan.arrive(from_gateway(&inbound(self.host)));
        self.w.wan.arrive(from_gateway(&inbound(self.own)));
        self.w.run();
        let answers: Vec<_> = check_all(&self.w.lan.take_sent())
            .into_iter()
            .map(|seen| seen.ports)
            .collect();
        assert_eq!(answers, [Some((53, 5000))], "{when}");
        let own = stack_datagrams(&mut self.w);
        assert_eq!(
            own.iter().map(|seen| seen.ports).collect::<Vec<_>>(),
            [Some((53, OWN_PORT))],
            "{when}"
        );
    }

    /// Nothing has come of what was sent: no frame on either side, nothing for the stack, no
    /// session.
    #[track_caller]
    fn assert_silent(&mut self, when: &str) {
        self.w.run();
        assert_eq!(
            self.w.wan.take_sent(),
            Vec::<Vec<u8>>::new(),
            "{when}: an answer"
        );
        assert_eq!(
            self.w.lan.take_sent(),
            Vec::<Vec<u8>>::new(),
            "{when}: it came in"
        );
        assert_eq!(
            stack_datagrams(&mut self.w),
            [],
            "{when}: it reached the stack"
        );
        assert_eq!(
            self.w.control.with_nat(|nat| nat.sessions().count()),
            2,
            "{when}"
        );
    }
}

fn from_router(src_port: u16) -> Udp {
    Udp {
        src: ROUTER_WAN.1,
        src_port,
        ..outbound()
    }
}

/// The outside stack sends a datagram: as which it leaves.
#[track_caller]
fn own_flow(w: &mut World, datagram: &[u8]) -> Seen {
    assert!(World::stack_sends(
        &mut w.wan_stack,
        &ipv4_frame(GATEWAY.0, ROUTER_WAN.0, datagram)
    ));
    w.run();
    let sent = w.wan.take_sent();
    let [frame] = &sent[..] else {
        panic!("one frame: {sent:02x?}")
    };
    check_frame(frame).1
}

/// The datagrams that the outside stack has got.
fn stack_datagrams(w: &mut World) -> Vec<Seen> {
    let frames: Vec<_> = core::iter::from_fn(|| World::stack_receives(&mut w.wan_stack)).collect();
    frames
        .iter()
        .filter(|frame| as_arp(frame).is_none())
        .map(|frame| check_frame(frame).1)
        .collect()
}

/// Frames of a scanner, from beyond the gateway and from beside it.
fn scanned(build: impl Fn(Ipv4Addr) -> Vec<u8>) -> [Vec<u8>; 2] {
    [(GATEWAY.0, SCANNER), NEAR].map(|(mac, from)| ipv4_frame(ROUTER_WAN.0, mac, &build(from)))
}

#[test]
fn no_tcp_port_of_the_router_answers_a_scan_and_nothing_passes() {
    let mut victims = Victims::new(false);
    for port in 0..=u16::MAX {
        let probe = |ack: bool| {
            scanned(|from| {
                tcp((from, 50_000), (ROUTER_WAN.1, port), |header| {
                    (header.syn, header.ack) = (!ack, ack);
                })
            })
        };
        probe(false)
            .into_iter()
            .chain(probe(true))
            .for_each(|frame| victims.w.wan.arrive(frame));
        if port % 64 == 63 {
            victims.assert_silent(&format!("TCP up to {port}"));
        }
    }
    victims.w.advance(100);
    victims.assert_silent("later");
    victims.assert_served("after the scan");
    let stats = victims.w.control.stats().outside;
    let others = 1 + 2; // The question of the gateway, and the answers of the server.
    assert_eq!(stats.received, 4 * 65_536 + others, "each was looked at");
    let dropped = victims
        .w
        .control
        .with_nat(|nat| nat.stats().dropped_total());
    assert_eq!(dropped, 4 * 65_536, "and dropped");
}

#[test]
fn no_udp_port_of_the_router_answers_a_scan_and_nothing_passes() {
    let mut victims = Victims::new(false);
    for port in 0..=u16::MAX {
        // From where a DNS server, a DHCP server and anybody would send. The ports of the flows are
        // among them.
        for src_port in [53, 67, 50_000] {
            scanned(|src| {
                Udp {
                    src,
                    src_port,
                    dst_port: port,
                    ..inbound(0)
                }
                .build()
            })
            .into_iter()
            .for_each(|frame| victims.w.wan.arrive(frame));
        }
        if port % 64 == 63 {
            victims.assert_silent(&format!("UDP up to {port}"));
        }
    }
    victims.w.advance(100);
    victims.assert_silent("later");
    victims.assert_served("after the scan");
    let dropped = |reason| {
        victims
            .w
            .control
            .with_nat(|nat| nat.stats().dropped(reason))
    };
    assert_eq!(
        dropped(DropReason::Filtered),
        2 * 6,
        "the ports of the flows, which the filter keeps"
    );
    assert_eq!(
        dropped(DropReason::NoMapping) + dropped(DropReason::PortZero),
        (65_536 - 2) * 6
    );
}

/// Only the port of the DHCP client is open, where there is one: from any port, since not all
/// servers send from theirs.
#[test]
fn of_all_ports_that_of_the_dhcp_client_alone_reaches_the_stack() {
    let mut victims = Victims::new(true);
    let mut reached = Vec::new();
    for port in 0..=u16::MAX {
        for src_port in [67, 50_000] {
            for frame in scanned(|src| {
                Udp {
                    src,
                    src_port,
                    dst_port: port,
                    ..inbound(0)
                }
                .build()
            }) {
                victims.w.wan.arrive(frame);
            }
            if port < 100 || port % 16 == 15 {
                victims.w.run();
                reached.extend(
                    stack_datagrams(&mut victims.w)
                        .into_iter()
                        .map(|seen| seen.ports),
                );
            }
        }
    }
    victims.assert_silent("but for these");
    assert_eq!(
        reached,
        [67, 67, 50_000, 50_000].map(|port| Some((port, 68)))
    );
}

#[test]
fn icmp_of_every_type_and_every_other_protocol_meet_silence() {
    let mut victims = Victims::new(false);
    for kind in 0..=u8::MAX {
        for code in [0, 1, 3, 4, 255] {
            let icmp = |src: Ipv4Addr| {
                let mut message = vec![kind, code, 0, 0, 0, 7, 0, 1];
                message.extend([0x5a; 56]);
                let sum = etherparse::checksum::Sum16BitWords::new()
                    .add_slice(&message)
                    .ones_complement();
                message[2..4].copy_from_slice(&sum.to_ne_bytes());
                of_protocol(src, IpNumber::ICMP, &message)
            };
            scanned(icmp)
                .into_iter()
                .for_each(|frame| victims.w.wan.arrive(frame));
        }
        let other = scanned(|src| of_protocol(src, IpNumber(kind), &[0x5a; 64]));
        other
            .into_iter()
            .for_each(|frame| victims.w.wan.arrive(frame));
        victims.assert_silent(&format!("ICMP type and protocol {kind}"));
    }
    victims.w.advance(1_000);
    victims.assert_silent("later");
    victims.assert_served("after that");
}

fn of_protocol(src: Ipv4Addr, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ip(etherparse::IpHeaders::Ipv4(
        Ipv4Header::new(
            payload.len() as u16,
            64,
            protocol,
            src.octets(),
            ROUTER_WAN.1.octets(),
        )
        .expect("fits"),
        Default::default(),
    ))
    .write(&mut bytes, protocol, payload)
    .expect("fits");
    bytes
}

/// Ports of the router's own stack that hosts have outside already, and the other way round, in a
/// range so small that any carelessness would show.
#[test]
fn flows_of_the_router_and_of_hosts_never_meet_in_a_port() {
    const FIRST: u16 = 40_000;
    const PORTS: u16 = 80;
    let mut config = config();
    config.nat.ports = PortRange::new(FIRST, FIRST + PORTS - 1).expect("ports");
    let state = Box::leak(Box::new(State::<128, 256, 16>::new()));
    let mut w = World::of(
        state,
        config,
        ethernet_nic(ROUTER_LAN),
        ethernet_nic(ROUTER_WAN),
    );
    w.introduce();
    let (mut of_host, mut of_router) = (BTreeMap::new(), BTreeMap::new());
    for src_port in FIRST..FIRST + PORTS / 3 {
        w.lan.arrive(from_host(&Udp {
            src_port,
            ..outbound()
        }));
        w.run();
        let external = check_all(&w.wan.take_sent())[0].ports.expect("UDP").0;
        of_host.insert(src_port, external);
        // The router sends from the port that the host sends from, and from the one that it has got
        // outside.
        for own in [src_port, external] {
            of_router.entry(own).or_insert_with(|| {
                own_flow(&mut w, &from_router(own).build())
                    .ports
                    .expect("UDP")
                    .0
            });
        }
    }
    let external: BTreeSet<_> = of_host.values().chain(of_router.values()).collect();
    assert_eq!(
        external.len(),
        of_host.len() + of_router.len(),
        "each port outside has one owner"
    );
    assert!(
        external.len() > 60,
        "the range is as good as full: {}",
        external.len()
    );
    for (inside, external) in &of_host {
        w.wan.arrive(from_gateway(&inbound(*external)));
        w.run();
        let seen = check_all(&w.lan.take_sent());
        assert_eq!(
            seen.iter()
                .map(|seen| (seen.dst, seen.ports))
                .collect::<Vec<_>>(),
            [(HOST.1, Some((53, *inside)))]
        );
        assert_eq!(stack_datagrams(&mut w), []);
    }
    for (own, external) in &of_router {
        w.wan.arrive(from_gateway(&inbound(*external)));
        w.run();
        let seen = stack_datagrams(&mut w);
        assert_eq!(
            seen.iter()
                .map(|seen| (seen.dst, seen.ports))
                .collect::<Vec<_>>(),
            [(ROUTER_WAN.1, Some((53, *own)))]
        );
        assert_eq!(w.lan.take_sent().len(), 0);
    }
}

#[test]
fn connections_and_pings_of_the_router_and_of_a_host_from_one_port_get_their_own_answers() {
    let mut w = World::acquainted();
    let syn = |from: Ipv4Addr| tcp((from, 6000), (SERVER, 80), |header| header.syn = true);
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &syn(HOST.1)));
    w.run();
    let host = check_all(&w.wan.take_sent())[0].ports.expect("TCP").0;
    // From the same port as the host, and from the one that the host has outside.
    let own = own_flow(&mut w, &syn(ROUTER_WAN.1)).ports.expect("TCP").0;
    let again = tcp((ROUTER_WAN.1, host), (SERVER, 80), |header| {
        header.syn = true;
    });
    let again = own_flow(&mut w, &again).ports.expect("TCP").0;
    assert_eq!(BTreeSet::from([host, own, again]).len(), 3);
    for (external, to_host, port) in [(host, true, 6000), (own, false, 6000), (again, false, host)]
    {
        let accept = tcp((SERVER, 80), (ROUTER_WAN.1, external), |header| {
            (header.syn, header.ack, header.acknowledgment_number) = (true, true, 1001);
        });
        w.wan.arrive(ipv4_frame(ROUTER_WAN.0, GATEWAY.0, &accept));
        w.run();
        let (inside, stack) = (check_all(&w.lan.take_sent()), stack_datagrams(&mut w));
        let (got, not) = if to_host {
            (inside, stack)
        } else {
            (stack, inside)
        };
        assert_eq!(
            got.iter().map(|seen| seen.ports).collect::<Vec<_>>(),
            [Some((80, port))]
        );
        assert_eq!(not, []);
    }

    // Pings with one identifier, to one server.
    w.lan.arrive(ipv4_frame(
        ROUTER_LAN.0,
        HOST.0,
        &echo_request(HOST.1, SERVER, 8),
    ));
    w.run();
    let of_host = w.wan.take_sent().remove(0);
    World::stack_sends(
        &mut w.wan_stack,
        &ipv4_frame(
            GATEWAY.0,
            ROUTER_WAN.0,
            &echo_request(ROUTER_WAN.1, SERVER, 8),
        ),
    );
    w.run();
    let of_router = w.wan.take_sent().remove(0);
    assert_ne!(of_host[38..40], of_router[38..40], "identifiers outside");
    for (request, to_host) in [(of_host, true), (of_router, false)] {
        w.wan.arrive(echoed(&request));
        w.run();
        assert_eq!(
            (w.lan.take_sent().len(), stack_datagrams(&mut w).len()),
            if to_host { (1, 0) } else { (0, 1) }
        );
    }
}

/// The answer to a ping that was sent outside.
fn echoed(frame: &[u8]) -> Vec<u8> {
    let Icmpv4Type::EchoRequest(echo) = icmp_of(frame).icmp_type else {
        panic!("no ping: {frame:02x?}");
    };
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(SERVER.octets(), ROUTER_WAN.1.octets(), 64)
        .icmpv4_echo_reply(echo.id, echo.seq)
        .write(&mut bytes, &check_frame(frame).1.payload)
        .expect("fits");
    ipv4_frame(ROUTER_WAN.0, GATEWAY.0, &bytes)
}

const FOREIGN: Mac = [0x02, 0, 0, 0, 0, 0x77];
const GROUP: Mac = [0x01, 0, 0x5e, 0, 0, 1];

/// Link headers that no packet for the router has, however good the packet, and what they count as.
fn bad_headers(router: Mac, sender: Mac) -> [(&'static str, Mac, Mac, EtherType, FrameDrop); 14] {
    use EtherType as E;
    use FrameDrop as D;
    [
        (
            "for another station",
            FOREIGN,
            sender,
            E::IPV4,
            D::OtherStation,
        ),
        (
            "for an all-zero address",
            [0; 6],
            sender,
            E::IPV4,
            D::OtherStation,
        ),
        ("for the sender", sender, sender, E::IPV4, D::OtherStation),
        (
            "for an IPv4 group, to one address",
            GROUP,
            sender,
            E::IPV4,
            D::Multicast,
        ),
        (
            "for an IPv6 group",
            [0x33, 0x33, 0, 0, 0, 1],
            sender,
            E::IPV4,
            D::Multicast,
        ),
        (
            "for bridges",
            [0x01, 0x80, 0xc2, 0, 0, 0],
            sender,
            E::IPV4,
            D::Multicast,
        ),
        (
            "for all, to one address",
            BROADCAST,
            sender,
            E::IPV4,
            D::LinkBroadcast,
        ),
        ("from a group", router, GROUP, E::IPV4, D::BadSource),
        ("from all", router, BROADCAST, E::IPV4, D::BadSource),
        (
            "from an all-zero address",
            router,
            [0; 6],
            E::IPV4,
            D::BadSource,
        ),
        (
            "from the router itself",
            router,
            router,
            E::IPV4,
            D::BadSource,
        ),
        ("IEEE 802.1Q", router, sender, E::VLAN_TAGGED_FRAME, D::Vlan),
        (
            "IEEE 802.1ad",
            router,
            sender,
            E::PROVIDER_BRIDGING,
            D::Vlan,
        ),
        (
            "IPv6 outside, IPv4 within",
            router,
            sender,
            E::IPV6,
            D::Ipv6,
        ),
    ]
}

#[test]
fn frames_that_are_not_what_they_say_are_dropped_on_either_side_in_the_midst_of_a_flow() {
    let ends = [
        (Side::Inside, ROUTER_LAN.0, HOST.0),
        (Side::Outside, ROUTER_WAN.0, GATEWAY.0),
    ];
    for (side, router, sender) in ends {
        for (label, destination, source, ethertype, reason) in bad_headers(router, sender) {
            let mut victims = Victims::new(false);
            let flow = if side == Side::Inside {
                outbound().build()
            } else {
                inbound(victims.host).build()
            };
            // A tag carries the true type behind it, and the packet is whole.
            let tag = if reason == FrameDrop::Vlan {
                &[0, 5, 0x08, 0x00][..]
            } else {
                &[]
            };
            let before = victims.w.control.stats();
            let nic = if side == Side::Inside {
                &victims.w.lan
            } else {
                &victims.w.wan
            };
            nic.arrive(ethernet(
                destination,
                source,
                ethertype,
                &[tag, &flow].concat(),
            ));
            victims.assert_silent(&format!("{side:?}, {label}"));
            let after = victims.w.control.stats();
            assert_eq!(after.side(side).dropped(reason), 1, "{side:?}, {label}");
            let total = |stats: &nat_embassy::FrameStats| {
                stats.inside.dropped_total() + stats.outside.dropped_total()
            };
            assert_eq!(total(&after), total(&before) + 1, "{side:?}, {label}");
            victims.assert_served(label);
        }
    }
}

/// Sources that no packet from inside has (BCP 38). Sent by a station that the router knows.
#[test]
fn a17_packets_from_inside_in_the_name_of_others_go_nowhere_and_teach_nothing() {
    use DropReason::{Martian, SpoofedSource};
    let rows: [(Ipv4Addr, DropReason); 12] = [
        (SERVER, SpoofedSource),
        (GATEWAY.1, SpoofedSource),
        (ROUTER_WAN.1, SpoofedSource),
        (ROUTER_LAN.1, SpoofedSource),
        (Ipv4Addr::new(192, 168, 78, 10), SpoofedSource),
        (Ipv4Addr::new(192, 168, 77, 0), SpoofedSource),
        (Ipv4Addr::new(10, 0, 0, 1), SpoofedSource),
        (Ipv4Addr::UNSPECIFIED, Martian),
        (Ipv4Addr::LOCALHOST, Martian),
        (Ipv4Addr::new(0, 1, 2, 3), Martian),
        (Ipv4Addr::new(240, 0, 0, 1), Martian),
        (Ipv4Addr::new(127, 255, 0, 1), Martian),
    ];
    for (src, reason) in rows {
        let mut victims = Victims::new(false);
        for dst in [SERVER, NEAR.1, ROUTER_WAN.1] {
            victims.w.lan.arrive(from_host(&Udp {
                src,
                dst,
                ..outbound()
            }));
        }
        victims.w.lan.arrive(ipv4_frame(
            ROUTER_LAN.0,
            HOST.0,
            &echo_request(src, SERVER, 8),
        ));
        victims.assert_silent(&format!("from {src}"));
        let dropped = |reason| {
            victims
                .w
                .control
                .with_nat(|nat| nat.stats().dropped(reason))
        };
        let land = u64::from(src == SERVER) * 2 + u64::from(src == ROUTER_WAN.1);
        assert_eq!(
            (dropped(reason), dropped(DropReason::Land)),
            (4 - land, land),
            "from {src}"
        );
        assert_eq!(
            victims.w.stack_frames(),
            Vec::<Vec<u8>>::new(),
            "from {src}: the inside stack gets nothing"
        );
        victims.assert_served(&format!("from {src}"));
    }
    // To all, and to the network's own: the frame layer knows that address.
    for src in [
        BROADCAST_ADDRESS,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 0, 0, 1),
    ] {
        let mut victims = Victims::new(false);
        victims.w.lan.arrive(from_host(&Udp { src, ..outbound() }));
        victims.assert_silent(&format!("from {src}"));
        assert_eq!(
            victims.w.inside_drops(FrameDrop::BadSource),
            1,
            "from {src}"
        );
    }
}

const BROADCAST_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 255);

/// Sources that no packet from outside has: inside addresses, and the router's own. Sent to the
/// ports of live flows.
#[test]
fn a22_packets_from_outside_in_the_name_of_the_inside_go_nowhere() {
    let rows = [
        HOST.1,
        OTHER_HOST.1,
        ROUTER_LAN.1,
        ROUTER_WAN.1,
        BROADCAST_ADDRESS,
        Ipv4Addr::new(192, 168, 77, 0),
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::new(240, 0, 0, 1),
    ];
    for src in rows {
        let mut victims = Victims::new(false);
        for dst_port in [victims.host, victims.own, 68, 80] {
            victims.w.wan.arrive(from_gateway(&Udp {
                src,
                ..inbound(dst_port)
            }));
        }
        victims.w.wan.arrive(ipv4_frame(
            ROUTER_WAN.0,
            GATEWAY.0,
            &echo_request(src, ROUTER_WAN.1, 8),
        ));
        victims.assert_silent(&format!("from {src}"));
        let dropped = |reason| {
            victims
                .w
                .control
                .with_nat(|nat| nat.stats().dropped(reason))
        };
        assert_eq!(
            dropped(DropReason::Martian) + dropped(DropReason::Land),
            5,
            "from {src}"
        );
        victims.assert_served(&format!("from {src}"));
    }
    // The frame layer knows the broadcast address of the outside network, which the engine does
    // not.
    for src in [
        Ipv4Addr::new(198, 51, 100, 255),
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(239, 1, 2, 3),
    ] {
        let mut victims = Victims::new(false);
        victims.w.wan.arrive(from_gateway(&Udp {
            src,
            ..inbound(victims.host)
        }));
        victims.assert_silent(&format!("from {src}"));
        assert_eq!(
            victims.w.outside_drops(FrameDrop::BadSource),
            1,
            "from {src}"
        );
    }
}

/// Packets straight to inside addresses, as an attacker on the wire outside can send them.
#[test]
fn packets_from_outside_to_inside_addresses_do_not_pass() {
    let mut victims = Victims::new(false);
    for last in 0..=255 {
        let dst = Ipv4Addr::new(192, 168, 77, last);
        victims.w.wan.arrive(ipv4_frame(
            ROUTER_WAN.0,
            NEAR.0,
            &Udp {
                src: NEAR.1,
                dst,
                ..inbound(5000)
            }
            .build(),
        ));
        victims.w.wan.arrive(ipv4_frame(
            ROUTER_WAN.0,
            NEAR.0,
            &echo_request(NEAR.1, dst, 8),
        ));
        victims
            .w
            .wan
            .arrive(ipv4_frame(BROADCAST, NEAR.0, &echo_request(NEAR.1, dst, 8)));
        victims.assert_silent(&format!("to {dst}"));
    }
    victims.assert_served("after that");
    assert_eq!(victims.w.outside_drops(FrameDrop::LinkBroadcast), 256);
}

/// A frame with the router's own station as its source, in ARP: what a loop brings back, or
/// somebody forges.
#[test]
fn arp_in_the_name_of_the_routers_own_station_is_dropped() {
    let mut w = World::acquainted();
    w.wan
        .arrive(arp_reply((ROUTER_WAN.0, GATEWAY.1), ROUTER_WAN));
    w.wan
        .arrive(arp_reply((ROUTER_WAN.0, ROUTER_WAN.1), ROUTER_WAN));
    w.run();
    assert_eq!(
        w.outside_drops(FrameDrop::BadSource),
        2,
        "by its link header"
    );
    for address in [GATEWAY.1, ROUTER_WAN.1] {
        let mut forged = arp_reply((ROUTER_WAN.0, address), ROUTER_WAN);
        forged[6..12].copy_from_slice(&FOREIGN);
        w.wan.arrive(forged);
    }
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::BadArp), 2, "by what it says");
    assert_eq!(
        w.wan.take_sent(),
        Vec::<Vec<u8>>::new(),
        "no announcement either: it is no other station"
    );
    w.open_session();
}
