//! The DHCP server inside.

use core::net::Ipv4Addr;

use crate::world::client::Client;
use crate::world::wire::Udp;
use crate::world::*;
use edge_dhcp::{DhcpOption, MessageType};
use embassy_time::{Duration, Instant, Timer};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use nat_router::{Config, ConfigError, DhcpServer, SHORT_LEASE_SECONDS};
use rand_core::Rng;
use rand_pcg::Pcg32;

const DNS: [[u8; 4]; 5] = [
    [9, 9, 9, 9],
    [1, 1, 1, 1],
    [8, 8, 8, 8],
    [8, 8, 4, 4],
    [9, 9, 9, 10],
];

/// An address of the inside network.
fn inside(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, last)
}

/// A router with this pool.
fn pool(first: u8, last: u8) -> Config {
    let mut config = Config::default();
    config.dhcp_server = Some(DhcpServer {
        first: inside(first),
        last: inside(last),
        lease_seconds: 3600,
    });
    config
}

#[test]
fn a_client_gets_an_address_with_the_gateway_and_the_dns_servers_of_the_outside() {
    run(Config::default(), async |world| {
        world.lease(world.isp.lease(77, &DNS)).await;
        let said = Client::new(&world.lan, 1).obtain().await.unwrap();
        assert_eq!(
            (said.kind, said.server, &said.gateway[..]),
            (Some(MessageType::Ack), Some(ROUTER), &[ROUTER][..])
        );
        assert_eq!(
            (said.mask, said.seconds),
            (Some(Ipv4Addr::new(255, 255, 255, 0)), Some(3600))
        );
        assert_eq!(said.dns, DNS.map(Ipv4Addr::from));
        assert_eq!(said.broadcast, Some(inside(255).octets().to_vec()));
        assert!(
            (inside(100)..=inside(163)).contains(&said.address.unwrap()),
            "{said:?}"
        );
        // The client can receive more than broadcasts, as it has not said otherwise (RFC 2131
        // section 4.1).
        assert_eq!(
            said.to,
            Some((Client::new(&world.lan, 1).mac, said.address.unwrap()))
        );
    });
}

#[test]
fn without_an_outside_lease_leases_are_short_and_have_no_dns_server() {
    run(Config::default(), async |world| {
        let said = Client::new(&world.lan, 1).obtain().await.unwrap();
        assert_eq!(
            (said.seconds, said.dns),
            (Some(SHORT_LEASE_SECONDS), vec![])
        );
        assert_eq!(said.gateway, [ROUTER]);
    });
}

#[test]
fn a_renewal_has_the_current_dns_servers_and_goes_to_the_client_alone() {
    run(Config::default(), async |world| {
        world.lease(world.isp.lease(77, &DNS)).await;
        let mut client = Client::new(&world.lan, 1);
        client.address = client.obtain().await.unwrap().address;
        world.isp.wire.set_link(embassy_net_driver::LinkState::Down);
        let address = world.isp.lease(78, &[[8, 8, 8, 8]]);
        while world.outside.is_config_up() {
            Timer::after_millis(5).await;
        }
        world.isp.wire.set_link(embassy_net_driver::LinkState::Up);
        world.lease(address).await;
        let said = client.request(&[]).await.unwrap();
        assert_eq!(
            (said.kind, said.address),
            (Some(MessageType::Ack), client.address)
        );
        assert_eq!(said.dns, [Ipv4Addr::new(8, 8, 8, 8)]);
        assert_eq!(said.to, Some((client.mac, client.address.unwrap())));
    });
}

#[test]
fn the_same_client_gets_the_same_address_again_also_from_a_router_that_was_off() {
    let obtain = || {
        run(Config::default(), async |world| {
            let client = Client::new(&world.lan, 42);
            let [first, second] = [
                client.obtain().await.unwrap(),
                client.obtain().await.unwrap(),
            ];
            assert_eq!(first.address, second.address);
            first.address
        })
    };
    assert_eq!(obtain(), obtain());
}

#[test]
fn a_client_that_claims_a_foreign_address_does_not_delay_the_answers_to_others() {
    run(Config::default(), async |world| {
        let stranger = Client::new(&world.lan, 9);
        // From nowhere, about an address that answers no ARP.
        let packet = edge_dhcp::Packet::new_request(
            stranger.mac,
            7,
            0,
            Some(inside(150)),
            false,
            edge_dhcp::Options::new(&[DhcpOption::MessageType(MessageType::Request)]),
        );
        stranger
            .send(packet.encode(&mut [0; 400]).unwrap().to_vec())
            .await;
        let asked = Instant::now();
        assert!(Client::new(&world.lan, 1).obtain().await.is_some());
        // The probe takes a second.
        assert!(
            asked.elapsed().as_millis() < 1400,
            "{} ms",
            asked.elapsed().as_millis()
        );
    });
}

/// The frames that the router sends inside, for so long.
async fn frames(world: &World, millis: u64) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let end = Instant::now() + Duration::from_millis(millis);
    while Instant::now() < end {
        frames.extend(world.lan.try_receive());
        Timer::after_millis(1).await;
    }
    frames
}

/// Whether the lengths and checksums in a frame with a UDP datagram are right.
fn is_sound(frame: &[u8]) -> bool {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (packet.net, packet.transport)
    else {
        return false;
    };
    let (header, udp_header) = (ip.header().to_header(), udp.to_header());
    header.header_checksum == header.calc_header_checksum()
        && udp_header.checksum
            == udp_header
                .calc_checksum_ipv4(&header, udp.payload())
                .unwrap()
        && frame.len() == 14 + usize::from(header.total_len)
        && usize::from(udp_header.length) == 8 + udp.payload().len()
}

#[test]
fn many_new_clients_are_served_at_once_and_one_with_a_lease_meanwhile() {
    run(Config::default(), async |world| {
        let mut settled = Client::new(&world.lan, 0);
        settled.address = settled.obtain().await.unwrap().address;
        let discover = [DhcpOption::MessageType(MessageType::Discover)];
        let renew = [DhcpOption::MessageType(MessageType::Request)];
        let start = Instant::now();
        for last in 1..=6 {
            Client::new(&world.lan, last).say(&discover).await;
        }
        let renewed = settled.ask(&renew).await.unwrap();
        assert_eq!(
            (renewed.kind, renewed.address),
            (Some(MessageType::Ack), settled.address)
        );
        assert!(
            start.elapsed().as_millis() < 500,
            "{} ms",
            start.elapsed().as_millis()
        );
        let frames = frames(world, 1500).await;
        let offers: Vec<_> = frames
            .iter()
            .filter_map(|frame| Udp::read(frame).map(|udp| (udp, frame)))
            .collect();
        assert_eq!(offers.len(), 6);
        let mut addresses: Vec<_> = offers.iter().map(|(udp, _)| udp.to.0).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 6);
        for (udp, frame) in offers {
            assert!(is_sound(frame), "{frame:02x?}");
            assert_eq!(
                (udp.macs.0, udp.from, udp.to.1),
                (ROUTER_MACS[0], (ROUTER, 67), 68)
            );
        }
    });
}

#[test]
fn a_host_with_a_static_address_in_the_pool_keeps_it() {
    run(pool(100, 101), async |world| {
        let station = [0x02, 0, 0, 0, 0x20, 1];
        let mut addresses = Vec::new();
        for last in 0..2 {
            let client = Client::new(&world.lan, last);
            client
                .say(&[DhcpOption::MessageType(MessageType::Discover)])
                .await;
            let end = Instant::now() + Duration::from_millis(1500);
            while Instant::now() < end {
                let Some(frame) = world.lan.try_receive() else {
                    Timer::after_millis(1).await;
                    continue;
                };
                if let Some(answer) = wire::arp_answer(&frame, station, inside(100)) {
                    world.lan.send(&answer).await;
                }
                addresses.extend(Udp::read(&frame).map(|udp| udp.to.0));
            }
        }
        assert_eq!(addresses, [inside(101)], "for the first client alone");
    });
}

#[test]
fn a_message_as_long_as_the_link_carries_is_answered() {
    run(Config::default(), async |world| {
        let client = Client::new(&world.lan, 1);
        let options = [DhcpOption::MessageType(MessageType::Discover)];
        let packet = edge_dhcp::Packet::new_request(
            client.mac,
            7,
            0,
            None,
            false,
            edge_dhcp::Options::new(&options),
        );
        let mut message = packet.encode(&mut [0; 400]).unwrap().to_vec();
        message.truncate(243);
        while message.len() < 1472 - 1 {
            let len = (1472 - 1 - message.len() - 2).min(255);
            message.extend([224, len as u8]);
            message.resize(message.len() + len, 7);
        }
        message.push(255);
        client.send(message).await;
        let frames = frames(world, 1300).await;
        assert_eq!(
            frames
                .iter()
                .filter(|frame| Udp::read(frame).is_some())
                .count(),
            1
        );
    });
}

/// A discovery with a few of its bytes changed, cut off or added, or nothing but noise.
fn malformed(random: &mut Pcg32, discover: &[u8]) -> Vec<u8> {
    let mut below = |bound: usize| random.next_u32() as usize % bound;
    if below(10) == 0 {
        return (0..below(600)).map(|_| below(256) as u8).collect();
    }
    let mut bytes = discover.to_vec();
    for _ in 0..=below(4) {
        let index = below(bytes.len());
        match below(3) {
            0 => bytes[index] = below(256) as u8,
            1 => bytes.truncate(index.max(1)),
            // Options with a wrong length.
            _ => bytes.extend([below(256) as u8, below(256) as u8, 1]),
        }
    }
    bytes
}

#[test]
fn ten_thousand_malformed_requests_leave_the_server_alive() {
    run(Config::default(), async |world| {
        let client = Client::new(&world.lan, 1);
        let kind = [
            DhcpOption::MessageType(MessageType::Discover),
            DhcpOption::RequestedIpAddress(inside(120)),
        ];
        let packet = edge_dhcp::Packet::new_request(
            [2; 6],
            7,
            0,
            None,
            false,
            edge_dhcp::Options::new(&kind),
        );
        let discover = packet.encode(&mut [0; 400]).unwrap().to_vec();
        let mut random = Pcg32::new(1, 1);
        for _ in 0..10_000 {
            client.send(malformed(&mut random, &discover)).await;
            while world.lan.try_receive().is_some() {}
        }
        // Answers that are still under way.
        Timer::after_millis(200).await;
        while world.lan.try_receive().is_some() {}
        // By now all addresses are reserved for made-up clients, which this test ignores.
        let informed = Client {
            address: Some(inside(20)),
            ..client
        };
        assert!(
            informed
                .ask(&[DhcpOption::MessageType(MessageType::Inform)])
                .await
                .is_some()
        );
    });
}

#[test]
fn pools_that_cannot_work_are_refused() {
    let refused = |first: Ipv4Addr, last: Ipv4Addr, lease_seconds: u32| {
        let mut config = Config::default();
        config.dhcp_server = Some(DhcpServer {
            first,
            last,
            lease_seconds,
        });
        let memory = Box::leak(Box::new(nat_router::Memory::<8, 8, 64>::new()));
        let [(_, lan), (_, wan)] = ROUTER_MACS.map(wire::device);
        match nat_router::new(memory, config, [7; 32], lan, wan) {
            Ok(_) => panic!("{first} to {last} for {lease_seconds} s"),
            Err(error) => error,
        }
    };
    for (first, last, because) in [
        (inside(0), inside(10), "not of hosts"),
        (inside(200), inside(255), "not of hosts"),
        (
            Ipv4Addr::new(10, 0, 0, 1),
            Ipv4Addr::new(10, 0, 0, 9),
            "not of hosts",
        ),
        (inside(20), inside(10), "ends before"),
        (
            inside(100),
            inside(164),
            "more addresses than the memory has hosts",
        ),
        (ROUTER, ROUTER, "router's own"),
    ] {
        let error = refused(first, last, 60);
        assert!(
            error.to_string().contains(because),
            "{first} to {last}: {error}"
        );
        assert!(matches!(error, ConfigError::DhcpServer(_)));
    }
    assert!(
        refused(inside(10), inside(20), 0)
            .to_string()
            .contains("no time")
    );
}

#[test]
fn a_pool_has_as_many_addresses_as_the_memory_has_hosts_and_the_default_pool_no_more() {
    let sound = |config: Config| {
        let memory = Box::leak(Box::new(nat_router::Memory::<8, 8, 4>::new()));
        let [(_, lan), (_, wan)] = ROUTER_MACS.map(wire::device);
        nat_router::new(memory, config, [7; 32], lan, wan).is_ok()
    };
    assert_eq!(
        [pool(100, 103), pool(100, 104), Config::default()].map(sound),
        [true, false, true]
    );
    let pool = DhcpServer {
        first: inside(2),
        last: inside(254),
        lease_seconds: 60,
    };
    assert_eq!(
        [253, 252].map(|hosts| pool.check(cidr(ROUTER, 24), hosts).is_ok()),
        [true, false]
    );
}

#[test]
fn the_default_pool_suits_networks_of_every_size() {
    for (bits, expected) in [
        (8, Some((100, 163))),
        (24, Some((100, 163))),
        (26, Some((31, 62))),
        (30, Some((1, 2))),
        (31, None),
    ] {
        let pool = DhcpServer::of(cidr(ROUTER, bits));
        let last = |address: Ipv4Addr| address.octets()[3];
        assert_eq!(
            pool.map(|pool| (last(pool.first), last(pool.last))),
            expected,
            "/{bits}"
        );
    }
}
