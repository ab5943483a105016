//! What is logged.

use core::cell::RefCell;
use core::net::Ipv4Addr;

use crate::world::client::Client;
use crate::world::wire::{Udp, arp_answer};
use crate::world::*;
use edge_dhcp::{DhcpOption, MessageType};
use embassy_net::{Ipv4Cidr, StaticConfigV4};
use embassy_net_driver::LinkState;
use embassy_time::{Instant, Timer};
use nat_router::{Config, DhcpServer};

thread_local! {
    /// The lines of this thread. All tasks of a test run on its thread.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Sink;

impl log::Log for Sink {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(format!("{}: {}", record.level(), record.args())));
    }

    fn flush(&self) {}
}

/// Runs `test` with the log caught.
fn run_logged<T>(config: Config, test: impl AsyncFnOnce(&World) -> T) -> T {
    // Another test may have been first.
    let _ = log::set_logger(&Sink);
    log::set_max_level(log::LevelFilter::Info);
    run(config, test)
}

/// The lines so far that have this in them.
fn lines(with: &str) -> Vec<String> {
    LINES.with_borrow(|lines| {
        lines
            .iter()
            .filter(|line| line.contains(with))
            .cloned()
            .collect()
    })
}

async fn wait_for(with: &str) -> String {
    loop {
        if let Some(line) = lines(with).pop() {
            return line;
        }
        Timer::after_millis(5).await;
    }
}

#[test]
fn the_outside_lease_is_logged_when_it_comes_and_goes() {
    run_logged(Config::default(), async |world| {
        world.isp.lease(77, &[[9, 9, 9, 9], [1, 1, 1, 1]]);
        let line = wait_for("outside: address").await;
        let expected =
            "INFO: outside: address 198.51.100.77/24, gateway 198.51.100.1, DNS 9.9.9.9 1.1.1.1";
        assert!(line.starts_with(expected), "{line}");
        world.isp.wire.set_link(LinkState::Down);
        wait_for("INFO: outside: address lost").await;
        Timer::after_millis(300).await;
        assert_eq!(lines("outside: address").len(), 2, "{:?}", lines(""));
    });
}

#[test]
fn an_outside_network_that_overlaps_the_inside_is_warned_of_with_what_to_do() {
    run_logged(Config::default(), async |world| {
        world.isp.lease(77, &[]);
        let offer = world
            .isp
            .offer
            .borrow()
            .clone()
            .map(|offer| crate::world::isp::Offer {
                address: Ipv4Addr::new(192, 168, 77, 50),
                gateway: Ipv4Addr::new(192, 168, 77, 254),
                ..offer
            });
        *world.isp.offer.borrow_mut() = offer;
        let line = wait_for("overlaps").await;
        assert!(line.starts_with(
            "WARN: the outside network 192.168.77.0/24 overlaps the inside network 192.168.77.0/24"
        ));
        assert!(
            line.contains("give the inside another network, such as 10.77.0.1/24"),
            "{line}"
        );
    });
}

#[test]
fn networks_apart_are_not_warned_of() {
    let mut config = Config::default();
    let address = Ipv4Cidr::new(Ipv4Addr::new(192, 168, 78, 2), 24);
    config.outside = Some(StaticConfigV4 {
        address,
        gateway: None,
        dns_servers: Default::default(),
    });
    run_logged(config, async |_| {
        wait_for("outside: address 192.168.78.2/24").await;
        Timer::after_millis(150).await;
        assert_eq!(lines("overlaps"), Vec::<String>::new());
    });
}

#[test]
fn a_lease_inside_is_logged_once_and_its_renewal_is_not() {
    run_logged(Config::default(), async |world| {
        let client = Client::new(&world.lan, 0x2a);
        let address = client.obtain().await.unwrap().address.unwrap();
        client.obtain().await.unwrap();
        let expected = format!("INFO: DHCP: {address} leased to 02:00:00:00:10:2a for 60 s");
        assert_eq!(lines("DHCP:").len(), 1);
        assert!(
            lines("DHCP:")[0].starts_with(&expected),
            "{:?}",
            lines("DHCP:")
        );
    });
}

#[test]
fn a_flood_of_leases_is_logged_four_times_a_second() {
    run_logged(Config::default(), async |world| {
        let start = Instant::now();
        let request = [DhcpOption::MessageType(MessageType::Request)];
        for last in 0..16 {
            // It has the address already, and answers the probe for it: so no second passes for
            // each.
            let address = Some(Ipv4Addr::new(192, 168, 77, 100 + last));
            let client = Client {
                address,
                ..Client::new(&world.lan, last)
            };
            assert_eq!(
                client.ask(&request).await.unwrap().kind,
                Some(MessageType::Ack)
            );
        }
        let lines_written = lines("DHCP:").len() as u64;
        let most = 4 * (start.elapsed().as_secs() + 1);
        assert!(
            (4..=most).contains(&lines_written),
            "{lines_written} of {most}"
        );
    });
}

#[test]
fn a_full_pool_an_address_in_use_and_one_declined_are_logged() {
    let mut config = Config::default();
    let address = Ipv4Addr::new(192, 168, 77, 100);
    config.dhcp_server = Some(DhcpServer {
        first: address,
        last: address,
        lease_seconds: 3600,
    });
    run_logged(config, async |world| {
        let owner = Client {
            address: Some(address),
            ..Client::new(&world.lan, 1)
        };
        // The line about a missing address is logged at most once a minute.
        let discover = [DhcpOption::MessageType(MessageType::Discover)];
        let newcomer = Client::new(&world.lan, 2);
        newcomer.say(&discover).await;
        while world
            .lan
            .try_receive()
            .and_then(|frame| arp_answer(&frame, owner.mac, address))
            .is_none()
        {
            Timer::after_millis(1).await;
        }
        // The announcement of the address is an answer, too.
        let mut announcement = vec![0xff; 6];
        announcement.extend(owner.mac);
        announcement.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        announcement.extend(owner.mac);
        announcement.extend(address.octets());
        announcement.extend([0; 6]);
        announcement.extend(address.octets());
        world.lan.send(&announcement).await;
        let line = wait_for("in use by").await;
        let expected = "WARN: DHCP: 192.168.77.100 is in use by 02:00:00:00:10:01, which has no lease of it: not leased to";
        assert!(line.starts_with(expected), "{line}");
        for _ in 0..5 {
            newcomer.say(&discover).await;
        }
        let line = wait_for("no address for").await;
        assert!(
            line.starts_with("WARN: DHCP: no address for 02:00:00:00:10:02: all 1 of the pool are"),
            "{line}"
        );
        let request = [DhcpOption::MessageType(MessageType::Request)];
        assert_eq!(
            owner.ask(&request).await.unwrap().kind,
            Some(MessageType::Ack)
        );
        let options = [
            DhcpOption::ServerIdentifier(ROUTER),
            DhcpOption::RequestedIpAddress(address),
        ];
        Client {
            address: None,
            ..owner
        }
        .say(
            &[
                &[DhcpOption::MessageType(MessageType::Decline)],
                &options[..],
            ]
            .concat(),
        )
        .await;
        let line = wait_for("declined by").await;
        assert!(
            line.starts_with("WARN: DHCP: 192.168.77.100 declined by 02:00:00:00:10:01, which"),
            "{line}"
        );
        assert_eq!(lines("no address for").len(), 1);
    });
}

#[test]
fn refused_sessions_are_logged_once_a_second_with_the_count_of_the_others() {
    let mut config = Config::default();
    config.nat.limits.sessions_per_host = Some(1);
    run_logged(config, async |world| {
        world.lease(world.isp.lease(77, &[])).await;
        let client = Client::new(&world.lan, 1);
        let from = client.obtain().await.unwrap().address.unwrap();
        let send = async |port: u16| {
            let udp = Udp {
                macs: (client.mac, ROUTER_MACS[0]),
                from: (from, port),
                to: (Ipv4Addr::new(203, 0, 113, 1), 53),
                payload: vec![0; 8],
            };
            world.lan.send(&udp.frame()).await;
            while world.lan.try_receive().is_some() {}
        };
        let start = Instant::now();
        // The first has a session.
        for port in 5000..5041 {
            send(port).await;
        }
        Timer::after_millis(1100).await;
        send(5041).await;
        Timer::after_millis(50).await;
        let lines_written = lines("refused");
        let most = start.elapsed().as_secs() as usize + 1;
        assert!(
            (2..=most).contains(&lines_written.len()),
            "{lines_written:?}"
        );
        let line = format!("WARN: refused UDP session of {from}: host-limit (");
        let suppressed = |lines_written: &String| {
            lines_written
                .strip_prefix(&line)?
                .strip_suffix(" more suppressed)")?
                .parse::<usize>()
                .ok()
        };
        let suppressed: usize = lines_written
            .iter()
            .map(|lines_written| {
                suppressed(lines_written).unwrap_or_else(|| panic!("{lines_written}"))
            })
            .sum();
        assert_eq!(suppressed + lines_written.len(), 41);
    });
}

#[test]
#[ignore = "waits for ten seconds: `.ci/run waits`"]
fn statistics_are_logged_every_ten_seconds_in_two_lines() {
    run_logged(Config::default(), async |world| {
        // The first is due 10 s after the start of the process, in which other tests have run.
        if Instant::now() > Instant::from_secs(3) {
            wait_for("tables:").await;
            LINES.take();
        }
        world.lease(world.isp.lease(77, &[])).await;
        let client = Client::new(&world.lan, 1);
        let from = client.obtain().await.unwrap().address.unwrap();
        let send = async |from: Ipv4Addr, port: u16, to: u16| {
            let (macs, payload) = ((client.mac, ROUTER_MACS[0]), vec![0; 8]);
            let udp = Udp {
                macs,
                from: (from, port),
                to: (crate::world::isp::GATEWAY, to),
                payload,
            };
            world.lan.send(&udp.frame()).await;
        };
        // A mapping that is gone when the line is lines_written.
        send(from, 4999, 9).await;
        while world.control.with_nat(|nat| nat.sessions().count()) == 0 {
            Timer::after_millis(1).await;
        }
        let now = world.control.now();
        world.control.with_nat(|nat| nat.clear(now));
        send(from, 5000, 7).await;
        send(from, 5001, 7).await;
        send(Ipv4Addr::new(172, 16, 0, 1), 5002, 7).await;
        wait_for("10 s:").await;
        let [traffic, tables] = [lines("10 s:"), lines("tables:")];
        assert_eq!((traffic.len(), tables.len()), (1, 1));
        assert_eq!(
            tables[0],
            "INFO: tables: 2 sessions (most 2), 2 mappings (most 2), 1 hosts"
        );
        let (out, rest) = traffic[0]
            .strip_prefix("INFO: 10 s: ")
            .unwrap()
            .split_once(" packets out, ")
            .unwrap();
        // The router's own requests for a lease are among them.
        assert!((5..10).contains(&out.parse().unwrap()), "{out}");
        // No host answers ARP for the client.
        assert_eq!(
            rest,
            "2 in; dropped since the start 3: arp-unresolved 2, spoofed-source 1, - 0"
        );
    });
}
