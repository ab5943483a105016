//! The DHCP server inside.

mod world;

use core::net::Ipv4Addr;

use edge_dhcp::{DhcpOption, MessageType};
use nat_router::{Config, ConfigError, DhcpServer, LEASES, SHORT_LEASE_SECONDS};
use rand_core::Rng;
use rand_pcg::Pcg32;
use world::client::Client;
use world::wire::BROADCAST;
use world::*;

const DNS: [[u8; 4]; 5] = [[9, 9, 9, 9], [1, 1, 1, 1], [8, 8, 8, 8], [8, 8, 4, 4], [9, 9, 9, 10]];

/// An address of the inside network.
fn inside(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, last)
}

/// A router with this pool.
fn pool(first: u8, last: u8) -> Config {
    let mut config = Config::default();
    config.dhcp_server = Some(DhcpServer { first: inside(first), last: inside(last), lease_seconds: 3600 });
    config
}

#[test]
fn a_client_gets_an_address_with_the_gateway_and_the_dns_servers_of_the_outside() {
    run(Config::default(), async |world| {
        world.lease(world.isp.lease(77, &DNS)).await;
        let said = Client::new(&world.lan, 1).obtain().await.unwrap();
        assert_eq!((said.kind, said.server, &said.gateway[..]), (Some(MessageType::Ack), Some(ROUTER), &[ROUTER][..]));
        assert_eq!((said.mask, said.seconds), (Some(Ipv4Addr::new(255, 255, 255, 0)), Some(3600)));
        assert_eq!(said.dns, DNS.map(Ipv4Addr::from));
        assert_eq!(said.broadcast, Some(inside(255).octets().to_vec()));
        assert!((inside(100)..=inside(163)).contains(&said.address.unwrap()), "{said:?}");
        assert_eq!(said.to, Some((BROADCAST, Ipv4Addr::BROADCAST)));
    });
}

#[test]
fn without_an_outside_lease_leases_are_short_and_have_no_dns_server() {
    run(Config::default(), async |world| {
        let said = Client::new(&world.lan, 1).obtain().await.unwrap();
        assert_eq!((said.seconds, said.dns), (Some(SHORT_LEASE_SECONDS), vec![]));
        assert_eq!(said.gateway, [ROUTER]);
    });
}

#[test]
fn a_renewal_tells_the_dns_servers_that_the_outside_has_by_then_to_the_client_alone() {
    run(Config::default(), async |world| {
        world.lease(world.isp.lease(77, &DNS)).await;
        let mut client = Client::new(&world.lan, 1);
        client.address = client.obtain().await.unwrap().address;
        world.isp.wire.set_link(embassy_net_driver::LinkState::Down);
        let address = world.isp.lease(78, &[[8, 8, 8, 8]]);
        while world.outside.is_config_up() {
            embassy_time::Timer::after_millis(5).await;
        }
        world.isp.wire.set_link(embassy_net_driver::LinkState::Up);
        world.lease(address).await;
        let said = client.request(&[]).await.unwrap();
        assert_eq!((said.kind, said.address), (Some(MessageType::Ack), client.address));
        assert_eq!(said.dns, [Ipv4Addr::new(8, 8, 8, 8)]);
        assert_eq!(said.to, Some((client.mac, client.address.unwrap())));
    });
}

#[test]
fn the_same_client_gets_the_same_address_again_also_from_a_router_that_was_off() {
    let obtain = || {
        run(Config::default(), async |world| {
            let client = Client::new(&world.lan, 42);
            let [first, second] = [client.obtain().await.unwrap(), client.obtain().await.unwrap()];
            assert_eq!(first.address, second.address);
            first.address
        })
    };
    assert_eq!(obtain(), obtain());
}

#[test]
fn no_two_clients_get_the_same_address_and_an_exhausted_pool_is_silent() {
    run(pool(100, 103), async |world| {
        let mut addresses = Vec::new();
        for last in 0..4 {
            addresses.push(Client::new(&world.lan, last).obtain().await.unwrap().address.unwrap());
        }
        addresses.sort_unstable();
        assert_eq!(addresses, [inside(100), inside(101), inside(102), inside(103)]);
        assert_eq!(Client::new(&world.lan, 4).discover().await, None);
        let mut leaving = Client::new(&world.lan, 2);
        leaving.address = leaving.obtain().await.unwrap().address;
        let options = [DhcpOption::MessageType(MessageType::Release), DhcpOption::ServerIdentifier(ROUTER)];
        assert_eq!(leaving.ask(&options).await, None);
        assert_eq!(Client::new(&world.lan, 4).obtain().await.unwrap().address, leaving.address);
    });
}

#[test]
fn the_address_of_the_router_is_never_leased() {
    run(pool(1, 2), async |world| {
        assert_eq!(Client::new(&world.lan, 1).obtain().await.unwrap().address, Some(inside(2)));
        assert_eq!(Client::new(&world.lan, 2).discover().await, None);
        let said = Client::new(&world.lan, 2).select(ROUTER).await.unwrap();
        assert_eq!(said.kind, Some(MessageType::Nak));
    });
}

#[test]
fn requests_for_what_cannot_be_are_refused_to_all() {
    run(pool(100, 103), async |world| {
        let owner = Client::new(&world.lan, 1).obtain().await.unwrap().address.unwrap();
        let client = Client::new(&world.lan, 2);
        for wrong in [owner, inside(99), inside(104), inside(255), Ipv4Addr::new(10, 0, 0, 5)] {
            // One who starts anew and remembers an address says so without naming a server.
            let said = client.request(&[DhcpOption::RequestedIpAddress(wrong)]).await.unwrap();
            assert_eq!((said.kind, said.address), (Some(MessageType::Nak), None), "{wrong}");
            assert_eq!(said.to, Some((BROADCAST, Ipv4Addr::BROADCAST)));
            assert_eq!((said.seconds, said.dns, said.gateway, said.broadcast), (None, vec![], vec![], None));
        }
    });
}

#[test]
fn a_client_keeps_its_address_when_the_router_starts_anew() {
    run(pool(100, 103), async |world| {
        let client = Client::new(&world.lan, 1);
        let said = client.request(&[DhcpOption::RequestedIpAddress(inside(102))]).await.unwrap();
        assert_eq!((said.kind, said.address), (Some(MessageType::Ack), Some(inside(102))));
    });
}

#[test]
fn a_request_for_another_server_is_not_answered_and_frees_the_offer() {
    run(pool(100, 100), async |world| {
        let client = Client::new(&world.lan, 1);
        assert_eq!(client.discover().await.unwrap().address, Some(inside(100)));
        assert_eq!(Client::new(&world.lan, 2).discover().await, None);
        let other =
            [DhcpOption::ServerIdentifier(inside(9)), DhcpOption::RequestedIpAddress(Ipv4Addr::new(10, 0, 0, 5))];
        assert_eq!(client.request(&other).await, None);
        assert_eq!(Client::new(&world.lan, 2).obtain().await.unwrap().address, Some(inside(100)));
    });
}

#[test]
fn a_declined_address_is_leased_to_nobody_and_only_its_client_can_decline_it() {
    run(pool(100, 101), async |world| {
        let client = Client::new(&world.lan, 1);
        let address = client.obtain().await.unwrap().address.unwrap();
        let decline = [
            DhcpOption::MessageType(MessageType::Decline),
            DhcpOption::ServerIdentifier(ROUTER),
            DhcpOption::RequestedIpAddress(address),
        ];
        assert_eq!(Client::new(&world.lan, 9).ask(&decline).await, None);
        assert_eq!(client.obtain().await.unwrap().address, Some(address));
        assert_eq!(client.ask(&decline).await, None);
        let other = client.obtain().await.unwrap().address.unwrap();
        assert_ne!(other, address);
        assert_eq!(Client::new(&world.lan, 2).discover().await, None);
    });
}

#[test]
fn inform_is_answered_about_the_network_and_without_an_address() {
    run(Config::default(), async |world| {
        world.lease(world.isp.lease(77, &DNS)).await;
        let mut client = Client::new(&world.lan, 1);
        client.address = Some(inside(20));
        let said = client.ask(&[DhcpOption::MessageType(MessageType::Inform)]).await.unwrap();
        assert_eq!((said.kind, said.address, said.seconds), (Some(MessageType::Ack), None, None));
        assert_eq!((said.gateway, said.dns), (vec![ROUTER], DNS.map(Ipv4Addr::from).to_vec()));
        assert_eq!(said.to, Some((client.mac, inside(20))));
    });
}

#[test]
fn the_identifier_of_a_client_is_given_back() {
    run(Config::default(), async |world| {
        let id = [0xff, 1, 2, 3, 4, 0, 1, 0, 1, 9, 9];
        let client = Client::new(&world.lan, 1);
        let discover = [DhcpOption::MessageType(MessageType::Discover), DhcpOption::ClientIdentifier(&id)];
        assert_eq!(client.ask(&discover).await.unwrap().client_id.as_deref(), Some(&id[..]));
    });
}

#[test]
fn who_claims_an_address_that_is_not_his_does_not_hold_up_the_answers_to_others() {
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
        stranger.send(packet.encode(&mut [0; 400]).unwrap().to_vec()).await;
        let asked = embassy_time::Instant::now();
        assert!(Client::new(&world.lan, 1).obtain().await.is_some());
        assert!(asked.elapsed().as_millis() < 900, "{} ms", asked.elapsed().as_millis());
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
        let place = below(bytes.len());
        match below(3) {
            0 => bytes[place] = below(256) as u8,
            1 => bytes.truncate(place.max(1)),
            // Options that lie about their length.
            _ => bytes.extend([below(256) as u8, below(256) as u8, 1]),
        }
    }
    bytes
}

#[test]
fn ten_thousand_malformed_requests_leave_the_server_alive() {
    run(Config::default(), async |world| {
        let client = Client::new(&world.lan, 1);
        let kind = [DhcpOption::MessageType(MessageType::Discover), DhcpOption::RequestedIpAddress(inside(120))];
        let packet = edge_dhcp::Packet::new_request([2; 6], 7, 0, None, false, edge_dhcp::Options::new(&kind));
        let discover = packet.encode(&mut [0; 400]).unwrap().to_vec();
        let mut random = Pcg32::new(1, 1);
        for _ in 0..10_000 {
            client.send(malformed(&mut random, &discover)).await;
            while world.lan.try_receive().is_some() {}
        }
        // Answers that are still under way.
        embassy_time::Timer::after_millis(200).await;
        while world.lan.try_receive().is_some() {}
        assert!(client.obtain().await.is_some());
    });
}

#[test]
fn pools_that_cannot_work_are_refused() {
    let refused = |first: Ipv4Addr, last: Ipv4Addr, lease_seconds: u32| {
        let mut config = Config::default();
        config.dhcp_server = Some(DhcpServer { first, last, lease_seconds });
        let memory = Box::leak(Box::new(nat_router::Memory::<8, 8, 8>::new()));
        let [(_, lan), (_, wan)] = ROUTER_MACS.map(wire::device);
        match nat_router::new(memory, config, [7; 32], lan, wan) {
            Ok(_) => panic!("{first} to {last} for {lease_seconds} s"),
            Err(error) => error,
        }
    };
    for (first, last, because) in [
        (inside(0), inside(10), "not of hosts"),
        (inside(200), inside(255), "not of hosts"),
        (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 9), "not of hosts"),
        (inside(20), inside(10), "ends before"),
        (inside(100), inside(100 + LEASES as u8), "more than 64"),
        (ROUTER, ROUTER, "router's own"),
    ] {
        let error = refused(first, last, 60);
        assert!(error.to_string().contains(because), "{first} to {last}: {error}");
        assert!(matches!(error, ConfigError::DhcpServer(_)));
    }
    assert!(refused(inside(10), inside(20), 0).to_string().contains("no time"));
}

#[test]
fn the_default_pool_suits_networks_of_every_size() {
    for (bits, expected) in
        [(8, Some((100, 163))), (24, Some((100, 163))), (26, Some((31, 62))), (30, Some((1, 2))), (31, None)]
    {
        let pool = DhcpServer::of(cidr(ROUTER, bits));
        let last = |address: Ipv4Addr| address.octets()[3];
        assert_eq!(pool.map(|pool| (last(pool.first), last(pool.last))), expected, "/{bits}");
    }
}
