//! Packets of the router itself, on its outside stack.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::world::*;
use nat_core::{DropReason, Side};

const UNSPECIFIED: SocketAddrV4 = at(Ipv4Addr::UNSPECIFIED, 68);
const EVERYONE: SocketAddrV4 = at(Ipv4Addr::BROADCAST, 67);

/// What the router sends is translated like a host's packets, and answers are the router's.
#[test]
fn the_router_talks_to_the_outside() {
    let mut w = World::new();
    let query = w.router_sends(udp(at(N, 5353), at(S1, 53))).forwarded();
    assert_eq!(*query.source().ip(), N);
    let answer = w
        .inbound(udp(at(S1, 53), query.source()))
        .local(Side::Outside);
    assert_eq!(answer.destination(), at(N, 5353));
    let syn = w
        .router_sends(tcp(at(N, 4000), at(S1, 80), SYN).seq(10))
        .forwarded();
    let answer = w
        .inbound(tcp(at(S1, 80), syn.source(), SYN | ACK).ack(11))
        .local(Side::Outside);
    assert_eq!(answer.destination(), at(N, 4000));
    let ping = w.router_sends(echo_request(N, S1, 7)).forwarded();
    assert_eq!(
        w.inbound(echo_reply(S1, N, ping.query_id()))
            .local(Side::Outside)
            .query_id(),
        7
    );
}

/// Only answers reach the router: what the outside starts by itself does not.
#[test]
fn unsolicited_packets_do_not_reach_the_router() {
    let mut w = World::new();
    let query = w.router_sends(udp(at(N, 5353), at(S1, 53))).forwarded();
    w.inbound(udp(at(S2, 53), query.source()))
        .dropped(DropReason::Filtered);
    w.inbound(udp(at(S1, 53), at(N, 22)))
        .dropped(DropReason::NoMapping);
    w.inbound(tcp(at(S1, 53), at(N, 22), SYN))
        .dropped(DropReason::NoMapping);
    w.inbound(echo_request(S1, N, 7))
        .refusal()
        .expect("a refusal");
}

/// The ports of the router and of its hosts never collide.
#[test]
fn the_routers_ports_do_not_collide_with_its_hosts() {
    let mut w = World::with(|config| {
        config.ports = nat_core::PortRange::new(30000, 30031).expect("32 ports");
    });
    let mut ports = std::collections::HashSet::new();
    for i in 0..16 {
        let of_router = w
            .router_sends(udp(at(N, 30000 + i), at(S1, 53)))
            .forwarded()
            .source();
        let of_host = w.open_udp(at(H1, 30000 + i), at(S1, 53));
        assert!(ports.insert(of_router.port()) && ports.insert(of_host.port()));
        assert_eq!(
            w.inbound(udp(at(S1, 53), of_host))
                .forwarded()
                .destination(),
            at(H1, 30000 + i)
        );
        assert_eq!(
            w.inbound(udp(at(S1, 53), of_router))
                .local(Side::Outside)
                .destination(),
            at(N, 30000 + i)
        );
    }
}

/// The router's own packets come from an external address; nothing else of its stack leaves.
#[test]
fn only_packets_from_an_external_address_leave_the_router() {
    let mut w = World::new();
    for source in [
        ROUTER,
        H1,
        S1,
        N2,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::LOCALHOST,
    ] {
        let outcome = w.router_sends(udp(at(source, 5000), at(S1, 53)));
        assert!(!outcome.is_forwarded(), "{source}: {outcome:?}");
    }
    assert_eq!(w.sessions(), []);
}

/// Errors about what the router sent are the router's too, with the quote as it sent it.
#[test]
fn errors_about_the_routers_packets_reach_it() {
    let mut w = World::new();
    let sent = udp(at(N, 5353), at(S1, 53));
    let left = w.router_sends(&sent).forwarded();
    let error = w
        .inbound(icmp_error(S1, N, (3, 3), &left.bytes()))
        .local(Side::Outside);
    assert_eq!(
        (error.quote().source(), error.quote().destination()),
        (at(N, 5353), at(S1, 53))
    );
    assert_eq!(error.quote().body, Packet::parse(&sent.bytes()).body);
}

/// What the router's stack reports about an answer leaves with the external endpoint in its quote.
#[test]
fn errors_of_the_router_leave_with_the_external_endpoint() {
    let mut w = World::new();
    let left = w.router_sends(udp(at(N, 5353), at(S1, 53))).forwarded();
    let answer = w
        .inbound(udp(at(S1, 53), left.source()))
        .local(Side::Outside);
    let error = w
        .router_sends(icmp_error(N, S1, (3, 3), &answer.bytes()))
        .forwarded();
    assert_eq!(error.quote().destination(), left.source());
}

/// The router is no hop on the way of its own packets, and is reached by those that have no hop
/// left.
#[test]
fn the_routers_packets_cost_no_hop() {
    let mut w = World::new();
    for ttl in [1, 64] {
        let left = w
            .router_sends(udp(at(N, 5353), at(S1, 53)).ttl(ttl))
            .forwarded();
        assert_eq!(left.ttl(), ttl);
        let answer = w
            .inbound(udp(at(S1, 53), left.source()).ttl(ttl))
            .local(Side::Outside);
        assert_eq!(answer.ttl(), ttl);
    }
}

/// The MTU of the inside is nothing to packets for the router; that of the outside holds for what
/// it sends.
#[test]
fn the_outside_mtu_holds_for_the_router() {
    let mut w = World::with(|config| (config.outside_mtu, config.inside_mtu) = (1400, 1280));
    let packet = |len: usize| udp(at(N, 5353), at(S1, 53)).payload(&vec![7; len - 28]);
    let left = w.router_sends(packet(1400)).forwarded();
    w.router_sends(packet(1401))
        .dropped(DropReason::PacketTooBig);
    w.inbound(udp(at(S1, 53), left.source()).payload(&[7; 1372]))
        .local(Side::Outside);
}

/// A DHCP exchange: requests leave and answers arrive before there is an address, unchanged and
/// without state.
#[test]
fn a_dhcp_client_gets_its_lease() {
    let mut w = World::with(|config| {
        config.dhcp_client = true;
        config.external_addresses.clear();
    });
    let discover = udp(UNSPECIFIED, EVERYONE);
    assert_eq!(
        w.router_sends(&discover).forwarded().bytes(),
        discover.bytes()
    );
    let offers = [
        udp(at(S1, 67), at(Ipv4Addr::BROADCAST, 68)),
        // RFC 2131 section 4.1: unicast to the address that is being offered.
        udp(at(S1, 67), at(N, 68)),
        udp(at(S1, 67), at(Ipv4Addr::new(10, 9, 8, 7), 68)),
    ];
    for offer in offers {
        assert_eq!(
            w.inbound(&offer).local(Side::Outside).bytes(),
            offer.bytes()
        );
    }
    assert_eq!(w.sessions(), []);
}

/// Renewals go by unicast from the address.
#[test]
fn a_dhcp_client_renews_its_lease() {
    let mut w = World::with(|config| config.dhcp_client = true);
    let renewal = udp(at(N, 68), at(S1, 67));
    assert_eq!(
        w.router_sends(&renewal).forwarded().bytes(),
        renewal.bytes()
    );
    w.inbound(udp(at(S1, 67), at(N, 68))).local(Side::Outside);
}

/// What a DHCP client sends is not translated, but the link carries no more of it than of anything
/// else. Found by fuzzing: it left whole, whatever its size.
#[test]
fn a_dhcp_message_larger_than_the_link_leaves_in_fragments_or_not_at_all() {
    let mut w = World::with(|config| (config.dhcp_client, config.outside_mtu) = (true, 576));
    for source in [UNSPECIFIED, at(N, 68)] {
        let message = |len: usize| udp(source, EVERYONE).payload(&vec![7; len - 28]);
        assert_eq!(
            w.router_sends(message(576)).forwarded().bytes(),
            message(576).bytes()
        );
        assert_eq!(
            w.router_sends(message(577).may_fragment())
                .fragmented()
                .len(),
            2
        );
        w.router_sends(message(577))
            .dropped(DropReason::PacketTooBig);
    }
}

/// Without a DHCP client nothing of DHCP passes.
#[test]
fn dhcp_is_closed_without_a_client() {
    let mut w = World::new();
    assert!(!w.router_sends(udp(UNSPECIFIED, EVERYONE)).is_forwarded());
    for destination in [Ipv4Addr::BROADCAST, N] {
        assert!(
            w.inbound(udp(at(S1, 67), at(destination, 68)))
                .refusal()
                .is_some()
        );
    }
}

/// A DHCP client inside asks by broadcast from no address, from one of this network, and from the
/// one that it had in another network (RFC 2131 section 4.3.2). Nothing else comes in from such a
/// source, and no station passes for the router.
#[test]
fn a_dhcp_client_of_another_network_reaches_the_server_inside() {
    let mut w = World::new();
    let [foreign, link_local] = [Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(169, 254, 7, 7)];
    for source in [Ipv4Addr::UNSPECIFIED, H1, foreign, link_local] {
        w.outbound(udp(at(source, 68), EVERYONE))
            .local(Side::Inside);
    }
    for impossible in [
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(0, 1, 2, 3),
        link_local,
    ] {
        w.outbound(udp(at(impossible, 68), at(S1, 67)))
            .dropped(DropReason::Martian);
    }
    for impossible in [
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(0, 1, 2, 3),
    ] {
        w.outbound(udp(at(impossible, 68), EVERYONE))
            .dropped(DropReason::Martian);
    }
    w.outbound(udp(at(ROUTER, 68), EVERYONE))
        .dropped(DropReason::SpoofedSource);
    for (from, to) in [
        (67, EVERYONE),
        (68, at(Ipv4Addr::BROADCAST, 69)),
        (68, at(ROUTER, 67)),
        (68, at(S1, 67)),
    ] {
        w.outbound(udp(at(foreign, from), to))
            .dropped(DropReason::SpoofedSource);
    }
    w.outbound(tcp(at(foreign, 68), EVERYONE, SYN))
        .dropped(DropReason::SpoofedSource);
}

/// UDP to port 68 is for the DHCP client, from whatever port, since some servers and relays do not
/// send from 67 (RFC 2131 section 4.1 names the port that they send to). No dynamic mapping takes
/// that port.
#[test]
fn the_dhcp_port_is_the_dhcp_clients_only() {
    let mut w = World::with(|config| {
        config.dhcp_client = true;
        config.low_ports = nat_core::PortRange::new(67, 69).expect("three ports");
        config.excluded_ports = nat_core::PortSet::EMPTY;
    });
    for port in [67, 53, 1067, 65535] {
        w.inbound(udp(at(S1, port), at(N, 68))).local(Side::Outside);
        w.inbound(udp(at(S1, port), at(Ipv4Addr::new(10, 9, 8, 7), 68)))
            .local(Side::Outside);
    }
    w.inbound(tcp(at(S1, 67), at(N, 68), SYN))
        .dropped(DropReason::NoMapping);
    w.inbound(udp(at(S1, 67), at(N, 69)))
        .dropped(DropReason::NoMapping);
    for port in [100, 101] {
        assert_ne!(w.open_udp(at(H1, port), at(S1, 53)).port(), 68);
    }
    w.outbound(udp(at(H1, 102), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
}

/// A later fragment has no ports, though its bytes look like those of DHCP.
#[test]
fn a_fragment_does_not_pass_for_dhcp() {
    let mut w = World::with(|config| config.dhcp_client = true);
    for (more, offset) in [(true, 0), (true, 9), (false, 9)] {
        let fragment = |mut packet: Datagram| {
            packet.ip.dont_fragment = false;
            packet.ip.more_fragments = more;
            packet.ip.fragment_offset = offset.try_into().expect("13 bits");
            packet
        };
        let outcome = w.inbound(fragment(udp(at(S1, 67), at(N, 68))));
        // What comes right behind a first fragment that was refused is not held.
        let dropped = matches!(
            outcome,
            Outcome::Dropped(DropReason::NoMapping | DropReason::Fragment)
        );
        assert!(dropped || matches!(outcome, Outcome::Held), "{outcome:?}");
        if let Outcome::Forwarded(packet) = w.router_sends(fragment(udp(at(N, 68), at(S1, 67)))) {
            assert_ne!(
                packet.source().port(),
                68,
                "translated like any first fragment"
            );
        }
    }
}

/// A DHCP server outside has an address of one host, and not one of ours.
#[test]
fn dhcp_from_an_impossible_source_is_dropped() {
    let mut w = World::with(|config| config.dhcp_client = true);
    for source in [
        N,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 0, 0, 1),
    ] {
        let outcome = w.inbound(udp(at(source, 67), at(Ipv4Addr::BROADCAST, 68)));
        assert!(
            matches!(outcome, Outcome::Dropped(_)),
            "{source}: {outcome:?}"
        );
    }
}

/// U7: the networks may turn out to overlap only with the lease, so a server may have any address
/// of the inside network, the router's too, and offer one of it.
#[test]
fn dhcp_works_where_the_networks_overlap() {
    let mut w = World::with(|config| {
        config.dhcp_client = true;
        config.external_addresses.clear();
    });
    let offered = Ipv4Addr::new(192, 168, 1, 77);
    for server in [Ipv4Addr::new(192, 168, 1, 254), ROUTER] {
        w.inbound(udp(at(server, 67), at(Ipv4Addr::BROADCAST, 68)))
            .local(Side::Outside);
        w.inbound(udp(at(server, 67), at(offered, 68)))
            .local(Side::Outside);
    }
    for address in [offered, ROUTER] {
        w.set_external_addresses(&[address])
            .expect("an address that works");
        let external = w.open_udp(at(H1, 5000), at(S1, 53));
        assert_eq!(*external.ip(), address);
        w.inbound(udp(at(S1, 53), external)).forwarded();
    }
}

/// Malformed packets of the router's stack are dropped like anyone's.
#[test]
fn malformed_packets_of_the_router_are_dropped() {
    let mut w = World::new();
    let mut packet = udp(at(N, 5353), at(S1, 53)).bytes();
    packet[field::HEADER_CHECKSUM.start + 1] ^= 1;
    w.router_sends(packet)
        .dropped(DropReason::BadHeaderChecksum);
    w.router_sends(vec![]).dropped(DropReason::Truncated);
}

/// The router's sessions are listed with its external address inside, and end in their time.
#[test]
fn the_routers_sessions_end_like_any() {
    let mut w = World::new();
    let left = w.router_sends(udp(at(N, 5353), at(S1, 53))).forwarded();
    assert_eq!(w.sessions().len(), 1);
    w.advance(secs(301));
    assert_eq!(w.sessions(), []);
    w.inbound(udp(at(S1, 53), left.source()))
        .dropped(DropReason::NoMapping);
}

/// A changed address ends the router's own sessions on the old one.
#[test]
fn the_routers_sessions_end_with_its_address() {
    let mut w = World::new();
    w.router_sends(udp(at(N, 5353), at(S1, 53))).forwarded();
    w.set_external_addresses(&[N2])
        .expect("the address can work");
    assert_eq!(w.sessions(), []);
    assert!(!w.router_sends(udp(at(N, 5353), at(S1, 53))).is_forwarded());
    assert_eq!(
        *w.router_sends(udp(at(N2, 5353), at(S1, 53)))
            .forwarded()
            .source()
            .ip(),
        N2
    );
}
