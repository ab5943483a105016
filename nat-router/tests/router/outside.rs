//! The DHCP client outside, on the wire: what it says and takes is tested without one, in
//! `src/dhcp/client`.

use core::net::Ipv4Addr;

use crate::world::isp::{GATEWAY, Neighbour};
use crate::world::*;
use embassy_net_driver::LinkState;
use embassy_time::{Duration, Instant, Timer};
use nat_router::Config;

const STATION: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];

#[test]
fn a_lease_configures_the_nat_the_stack_and_the_handle() {
    run(Config::default(), async |world| {
        let servers: [[u8; 4]; 6] = core::array::from_fn(|n| [9, 9, 9, n as u8 + 1]);
        world.isp.mtu.set(Some(1400));
        let address = world.isp.lease(77, &servers);
        let mut seen = 0;
        world.dhcp_client.changed(&mut seen).await;
        let lease = world.dhcp_client.lease().expect("a lease");
        assert_eq!(
            (lease.address, lease.gateway, lease.server),
            (cidr(address, 24), Some(GATEWAY), GATEWAY)
        );
        assert_eq!((lease.mtu, lease.seconds), (Some(1400), Some(600)));
        assert_eq!(
            lease.dns_servers.as_slice(),
            &servers[..5]
                .iter()
                .copied()
                .map(Ipv4Addr::from)
                .collect::<Vec<_>>()[..]
        );
        world.lease(address).await;
        assert_eq!(world.control.with_nat(|nat| nat.config().outside_mtu), 1400);
        world.outside.wait_config_up().await;
        let config = world.outside.config_v4().expect("a configuration");
        assert_eq!(
            (
                config.address.address(),
                config.gateway,
                config.dns_servers.len()
            ),
            (address, Some(GATEWAY), 3)
        );
    });
}

/// As hosters and mobile networks have it.
#[test]
fn a_lease_of_one_address_with_a_gateway_apart_lets_the_stack_send() {
    run(Config::default(), async |world| {
        let gateway = Ipv4Addr::new(203, 0, 113, 1);
        world.isp.mask.set(Ipv4Addr::BROADCAST);
        let address = world.isp.lease(77, &[]);
        world
            .isp
            .offer
            .borrow_mut()
            .as_mut()
            .expect("an offer")
            .gateway = gateway;
        world.lease(address).await;
        let lease = world.dhcp_client.lease().expect("a lease");
        assert_eq!(
            (lease.address, lease.gateway),
            (cidr(address, 32), Some(gateway))
        );
        let far = Ipv4Addr::new(192, 0, 2, 7);
        ask_echo(world, far).await;
        assert_eq!(world.isp.asked_by.get().map(|from| from.0), Some(address));
    });
}

async fn ask_echo(world: &World, far: Ipv4Addr) {
    use embassy_net::udp::{PacketMetadata, UdpSocket};
    let (mut meta, mut bytes) = ([[PacketMetadata::EMPTY; 2]; 2], [[0; 512]; 2]);
    let ([rx_meta, tx_meta], [rx, tx]) = (&mut meta, &mut bytes);
    let mut socket = UdpSocket::new(world.outside, rx_meta, rx, tx_meta, tx);
    socket.bind(5000).expect("a free port");
    socket
        .send_to(b"who am I?", (far, crate::world::isp::ECHO_PORT))
        .await
        .expect("sent");
    let mut answer = [0; 64];
    let (len, _) = socket.recv_from(&mut answer).await.expect("an answer");
    assert_eq!(&answer[..len], b"who am I?");
}

/// RFC 2131 section 3.1 (5), RFC 5227.
#[test]
fn an_address_that_another_station_has_is_declined_and_not_used() {
    run(Config::default(), async |world| {
        let address = world.isp.lease(77, &[]);
        world.isp.neighbour.set(Some(Neighbour {
            mac: STATION,
            address,
        }));
        while world.isp.declined.get().is_none() {
            Timer::after_millis(5).await;
        }
        assert_eq!(
            (world.isp.declined.get(), world.control.outside()),
            (Some(address), None)
        );
        let discovers = world.isp.discovers.get();
        Timer::after_secs(2).await;
        assert_eq!(
            (world.isp.discovers.get(), world.control.outside()),
            (discovers, None),
            "it waits for 10 s"
        );
    });
}

/// RFC 2131 section 3.1 (5), in real time. `dhcp::client::tests::figure5` has it in the time of the
/// client alone.
#[test]
#[ignore = "waits for ten seconds: `.ci/run waits`"]
fn ten_seconds_after_a_decline_the_client_begins_again() {
    run(Config::default(), async |world| {
        let address = world.isp.lease(77, &[]);
        world.isp.neighbour.set(Some(Neighbour {
            mac: STATION,
            address,
        }));
        while world.isp.declined.get().is_none() {
            Timer::after_millis(5).await;
        }
        let begun = Instant::now();
        world.isp.neighbour.set(None);
        world.lease(address).await;
        assert!(
            begun.elapsed() > Duration::from_secs(9),
            "{} ms",
            begun.elapsed().as_millis()
        );
    });
}

#[test]
fn a_release_leaves_before_the_address_is_gone() {
    run(Config::default(), async |world| {
        let address = world.isp.lease(77, &[]);
        world.lease(address).await;
        world.dhcp_client.release().await;
        Timer::after_millis(50).await;
        assert_eq!(world.isp.released.get(), Some(address));
        assert_eq!(
            (world.control.outside(), world.dhcp_client.lease()),
            (None, None)
        );
        world.dhcp_client.release().await;
    });
}

#[test]
fn with_a_static_configuration_there_is_nothing_to_give_back() {
    let mut config = Config::default();
    let address = embassy_net::Ipv4Cidr::new(Ipv4Addr::new(198, 51, 100, 9), 32);
    let gateway = Some(Ipv4Addr::new(203, 0, 113, 1));
    config.outside = Some(embassy_net::StaticConfigV4 {
        address,
        gateway,
        dns_servers: Default::default(),
    });
    run(config, async |world| {
        world.dhcp_client.release().await;
        let lease = world.dhcp_client.lease().expect("the configuration");
        assert_eq!(
            (lease.address, lease.gateway),
            (cidr(address.address(), 32), gateway)
        );
        assert!(world.control.outside().is_some() && world.outside.is_config_up());
    });
}

#[test]
fn an_interruption_of_the_link_keeps_the_sessions_where_the_address_comes_back() {
    run(Config::default(), async |world| {
        let address = world.isp.lease(77, &[]);
        world.lease(address).await;
        let discovers = world.isp.discovers.get();
        ask_echo(world, GATEWAY).await;
        let sessions = || world.control.with_nat(|nat| nat.sessions().count());
        assert_eq!(sessions(), 1);
        world.isp.wire.set_link(LinkState::Down);
        while world.control.outside().is_some() {
            Timer::after_millis(5).await;
        }
        assert_eq!((sessions(), world.dhcp_client.lease()), (1, None));
        world.isp.wire.set_link(LinkState::Up);
        world.lease(address).await;
        assert_eq!(
            (sessions(), world.isp.discovers.get()),
            (1, discovers),
            "the address was asked for at once"
        );
    });
}

#[test]
fn host_names_that_cannot_be_are_refused() {
    for name in ["ro_uter", "ro uter", "rüter", "a.b", &"x".repeat(64)] {
        let mut config = Config::default();
        config.host_name = Box::leak(name.to_owned().into_boxed_str());
        let memory = Box::leak(Box::new(nat_router::Memory::<8, 8, 8>::new()));
        let [(_, lan), (_, wan)] = ROUTER_MACS.map(wire::device);
        let error = nat_router::new(memory, config, [7; 32], lan, wan).err();
        assert_eq!(error, Some(nat_router::ConfigError::HostName), "{name}");
    }
}
