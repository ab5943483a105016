//! The DNS forwarder: a host inside, the router, and a DNS server outside.

use core::net::Ipv4Addr;

use crate::world::client::Client;
use crate::world::isp::{GATEWAY, MAC};
use crate::world::wire::{Udp, device, join_ends};
use crate::world::*;
use embassy_net::dns::DnsQueryType;
use embassy_net::{Config as StackConfig, DhcpConfig, StackResources};
use embassy_time::{Instant, Timer};
use nat_router::{Config, ConfigError, DnsForwarder};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, RCODE, ResourceRecord};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

fn config() -> Config {
    let mut config = Config::default();
    config.dns_forwarder = Some(DnsForwarder::default());
    config
}

#[test]
fn dhcp_clients_get_the_router_as_dns_server_before_the_outside_is_configured() {
    run(config(), async |world| {
        let said = Client::new(&world.lan, 1).obtain().await.unwrap();
        assert_eq!((said.seconds, said.dns), (Some(3600), vec![ROUTER]));
    });
}

#[test]
fn a_domain_that_is_no_name_is_refused() {
    let mut config = config();
    let mut forwarder = DnsForwarder::default();
    forwarder.domain = "home lan";
    config.dns_forwarder = Some(forwarder);
    let memory = Box::leak(Box::new(nat_router::Memory::<8, 8, 8>::new()));
    let [(_lan, lan), (_wan, wan)] = ROUTER_MACS.map(device);
    let router = nat_router::new(memory, config, [7; 32], lan, wan);
    assert_eq!(router.err(), Some(ConfigError::DnsDomain));
}

/// The answer of the DNS server outside: [`ADDRESS`] for every name.
fn serve(udp: &Udp) -> Udp {
    let query = Packet::parse(&udp.payload).expect("a query");
    let mut answer = Packet::new_reply(query.id());
    answer.questions.clone_from(&query.questions);
    let address = RData::A(A {
        address: ADDRESS.to_bits(),
    });
    let name: Name<'_> = query.questions[0].qname.clone();
    let record = ResourceRecord::new(name, CLASS::IN, 300, address);
    answer.answers.push(record);
    *answer.rcode_mut() = RCODE::NoError;
    Udp {
        macs: (MAC, udp.macs.0),
        from: udp.to,
        to: udp.from,
        payload: answer.build_bytes_vec().expect("an answer"),
    }
}

#[test]
fn a_host_that_is_plugged_in_resolves_names_through_the_router() {
    run(config(), async |world| {
        let (end, nic) = device([0x02, 0, 0, 0, 0, 0x0a]);
        let resources = Box::leak(Box::new(StackResources::<4>::new()));
        let dhcp = StackConfig::dhcpv4(DhcpConfig::default());
        let (host, mut runner) = embassy_net::new(nic, dhcp, resources, 42);
        let test = async {
            host.wait_config_up().await;
            assert_eq!(host.config_v4().unwrap().dns_servers[..], [ROUTER]);
            let resolve = async |name| {
                let start = Instant::now();
                let found = host.dns_query(name, DnsQueryType::A).await;
                let found = found.map(|addresses| addresses.first().copied());
                (found.ok().flatten(), start.elapsed().as_millis())
            };
            assert_eq!(resolve("router.lan").await.0, Some(ROUTER.into()));
            // Not even an address outside yet.
            let (found, millis) = resolve("www.example.com").await;
            assert!(found.is_none() && millis < 500, "{found:?} {millis} ms");
            world.isp.resolver.set(Some(serve));
            world.lease(world.isp.lease(77, &[GATEWAY.octets()])).await;
            Timer::after_millis(50).await;
            for _ in 0..2 {
                assert_eq!(resolve("www.example.com").await.0, Some(ADDRESS.into()));
            }
            assert_eq!(
                world.isp.resolved.get(),
                1,
                "the second one is from the cache"
            );
        };
        let everything = both(runner.run(), join_ends(&end, &world.lan));
        embassy_futures::select::select(everything, test).await;
    });
}
