//! The server against the tables of RFC 2131, with a clock and stations that the tests hold.
//! Messages are built and read by edge-dhcp.

use core::net::Ipv4Addr;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use edge_dhcp::{DhcpOption, MessageType, Options, Packet};
use nat_core::Cidr;
use rand_core::Rng;
use rand_pcg::Pcg32;

use super::leases::{IN_USE_SECONDS, Mac};
use super::news::News;
use super::server::{Answer, Moment, Outcome, SHORT_LEASE_SECONDS};
use super::{Identity, Memory, Server, field};
use crate::config::DhcpServer;

const ROUTER: Ipv4Addr = inside(1);
const EVERYBODY: (Mac, Ipv4Addr) = ([0xff; 6], Ipv4Addr::BROADCAST);
const LEASE_SECONDS: u32 = 3600;

/// An address of the inside network.
const fn inside(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, last)
}

/// The server and the stations of its network.
struct Lab {
    server: Server<'static>,
    now: u32,
    dns: Option<Vec<Ipv4Addr>>,
    /// Who answers ARP.
    stations: BTreeMap<Ipv4Addr, Mac>,
    news: Vec<News>,
    /// The addresses probed so far.
    probes: Vec<Ipv4Addr>,
}

/// A client, and how it sends.
#[derive(Clone, Debug)]
struct Client {
    mac: Mac,
    id: Option<Vec<u8>>,
    broadcast: bool,
    /// `ciaddr`.
    current: Option<Ipv4Addr>,
}

/// What the server said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Said {
    kind: Option<MessageType>,
    address: Option<Ipv4Addr>,
    current: Option<Ipv4Addr>,
    seconds: Option<u32>,
    gateway: Vec<Ipv4Addr>,
    dns: Vec<Ipv4Addr>,
    id: Option<Vec<u8>>,
    chaddr: Mac,
    transaction: u32,
    broadcast: bool,
    to: Option<(Mac, Ipv4Addr)>,
}

fn client(last: u8) -> Client {
    Client {
        mac: [0x02, 0, 0, 0, 0x10, last],
        id: None,
        broadcast: false,
        current: None,
    }
}

impl Client {
    fn message(&self, transaction: u32, options: &[DhcpOption<'_>]) -> Vec<u8> {
        let mut options = options.to_vec();
        options.extend(self.id.as_deref().map(DhcpOption::ClientIdentifier));
        let packet = Packet::new_request(
            self.mac,
            transaction,
            0,
            self.current,
            false,
            Options::new(&options),
        );
        let mut message = packet.encode(&mut [0; 800]).expect("room").to_vec();
        // edge-dhcp has the flag in the other byte.
        message[field::FLAGS] = if self.broadcast { field::BROADCAST } else { 0 };
        message
    }
}

impl Lab {
    /// A server with the addresses from `first` to `last`.
    fn new(first: u8, last: u8) -> Self {
        let config = DhcpServer {
            first: inside(first),
            last: inside(last),
            lease_seconds: LEASE_SECONDS,
        };
        let memory = Box::leak(Box::new(Memory::<254>::new()));
        let network = Cidr::new(ROUTER, 24).expect("a network");
        Self {
            server: Server::new(
                (&mut memory.leases, &mut memory.identifiers),
                &config,
                network,
                Identity::new([1, 2]),
            ),
            now: 100,
            dns: Some(vec![Ipv4Addr::new(9, 9, 9, 9)]),
            stations: BTreeMap::new(),
            news: Vec::new(),
            probes: Vec::new(),
        }
    }

    /// The same with a server that remembers nothing.
    fn restart(&mut self, first: u8, last: u8) {
        *self = Self {
            stations: core::mem::take(&mut self.stations),
            ..Self::new(first, last)
        };
    }

    /// The answer that comes at once.
    fn hear(&mut self, datagram: &[u8]) -> Option<Said> {
        let mut buffer = [0; 548];
        let moment = Moment {
            now: self.now,
            dns: self.dns.as_deref(),
        };
        let outcome = self.server.hear(datagram, moment, &mut buffer);
        self.take(outcome, &buffer)
    }

    /// Ends the probe of `address`.
    fn end_probe(&mut self, address: Ipv4Addr) -> Option<Said> {
        let mut buffer = [0; 548];
        let moment = Moment {
            now: self.now,
            dns: self.dns.as_deref(),
        };
        let outcome = self.server.probed(
            address,
            self.stations.get(&address).copied(),
            moment,
            &mut buffer,
        );
        self.take(outcome, &buffer)
    }

    fn next_probe(&mut self) -> Option<Ipv4Addr> {
        let address = self.server.next_probe(self.now)?;
        self.probes.push(address);
        Some(address)
    }

    /// Sends the probes that are due, which takes a second if there is no answer, and returns the
    /// answers of the server.
    fn probe(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        loop {
            let addresses: Vec<_> = core::iter::from_fn(|| self.next_probe()).collect();
            if addresses.is_empty() {
                return said;
            }
            self.now += u32::from(
                addresses
                    .iter()
                    .any(|address| !self.stations.contains_key(address)),
            );
            said.extend(
                addresses
                    .into_iter()
                    .filter_map(|address| self.end_probe(address)),
            );
        }
    }

    /// The answer to a message, at once or after a probe.
    fn ask(&mut self, client: &Client, options: &[DhcpOption<'_>]) -> Option<Said> {
        let message = client.message(0x1234_5678, options);
        let at_once = self.hear(&message);
        let mut later = self.probe();
        assert!(
            later.len() + usize::from(at_once.is_some()) <= 1,
            "{at_once:?} {later:?}"
        );
        let said = at_once.or_else(|| later.pop())?;
        assert_eq!(
            (said.chaddr, said.transaction, said.broadcast),
            (client.mac, 0x1234_5678, client.broadcast)
        );
        assert_eq!(
            said.id, client.id,
            "the identifier is given back (RFC 6842)"
        );
        Some(said)
    }

    fn discover(&mut self, client: &Client) -> Option<Said> {
        self.ask(client, &[DhcpOption::MessageType(MessageType::Discover)])
    }

    fn request(&mut self, client: &Client, options: &[DhcpOption<'_>]) -> Option<Said> {
        self.ask(
            client,
            &[&[DhcpOption::MessageType(MessageType::Request)], options].concat(),
        )
    }

    fn select(&mut self, client: &Client, address: Ipv4Addr) -> Option<Said> {
        self.request(
            client,
            &[
                DhcpOption::RequestedIpAddress(address),
                DhcpOption::ServerIdentifier(ROUTER),
            ],
        )
    }

    fn reboot(&mut self, client: &Client, address: Ipv4Addr) -> Option<Said> {
        self.request(client, &[DhcpOption::RequestedIpAddress(address)])
    }

    /// What a client with this address sends to keep it.
    fn renew(&mut self, client: &Client, address: Ipv4Addr) -> Option<Said> {
        self.request(
            &Client {
                current: Some(address),
                ..client.clone()
            },
            &[],
        )
    }

    /// Gets an address as clients do, and uses it from now on.
    fn obtain(&mut self, client: &Client) -> Option<Ipv4Addr> {
        let offer = self.discover(client)?;
        assert_eq!(offer.kind, Some(MessageType::Offer));
        let ack = self.select(client, offer.address?)?;
        assert_eq!(
            (ack.kind, ack.address),
            (Some(MessageType::Ack), offer.address)
        );
        self.stations.insert(ack.address?, client.mac);
        ack.address
    }

    fn release(&mut self, client: &Client, address: Ipv4Addr) {
        let options = [
            DhcpOption::MessageType(MessageType::Release),
            DhcpOption::ServerIdentifier(ROUTER),
        ];
        assert_eq!(
            self.ask(
                &Client {
                    current: Some(address),
                    ..client.clone()
                },
                &options
            ),
            None
        );
        self.stations.remove(&address);
    }

    fn decline(&mut self, client: &Client, address: Ipv4Addr) {
        let options = [
            DhcpOption::MessageType(MessageType::Decline),
            DhcpOption::ServerIdentifier(ROUTER),
            DhcpOption::RequestedIpAddress(address),
        ];
        assert_eq!(self.ask(client, &options), None);
    }

    fn take(&mut self, outcome: Outcome, buffer: &[u8]) -> Option<Said> {
        self.news.extend(outcome.news);
        let Answer { len, to } = outcome.answer?;
        assert!((300..=548).contains(&len), "{len}");
        let packet = Packet::decode(&buffer[..len]).expect("a sound message");
        assert!(packet.reply);
        let some = |address: Ipv4Addr| Some(address).filter(|address| !address.is_unspecified());
        let mut said = Said {
            address: some(packet.yiaddr),
            current: some(packet.ciaddr),
            chaddr: packet.chaddr[..6].try_into().expect("six bytes"),
            transaction: packet.xid,
            broadcast: buffer[field::FLAGS] == field::BROADCAST,
            to: Some(to),
            ..Said::default()
        };
        for option in packet.options.iter() {
            match option {
                DhcpOption::MessageType(kind) => said.kind = Some(kind),
                DhcpOption::ServerIdentifier(server) => assert_eq!(server, ROUTER),
                DhcpOption::Router(addresses) => said.gateway = addresses.iter().collect(),
                DhcpOption::DomainNameServer(addresses) => said.dns = addresses.iter().collect(),
                DhcpOption::IpAddressLeaseTime(seconds) => said.seconds = Some(seconds),
                DhcpOption::ClientIdentifier(id) => said.id = Some(id.to_vec()),
                _ => {}
            }
        }
        Some(said)
    }
}

/// RFC 2131 section 2.2: "the allocating server SHOULD probe the reused address before allocating
/// the address".
#[test]
fn a_new_address_is_probed_before_a_client_hears_of_it() {
    let mut lab = Lab::new(100, 163);
    let host1 = client(1);
    let discover = host1.message(7, &[DhcpOption::MessageType(MessageType::Discover)]);
    assert_eq!(lab.hear(&discover), None);
    let address = lab.next_probe().expect("an address to probe");
    assert_eq!(lab.next_probe(), None);
    let offer = lab.end_probe(address).expect("an offer");
    assert_eq!(
        (offer.kind, offer.address, offer.transaction),
        (Some(MessageType::Offer), Some(address), 7)
    );
    // What was offered is leased without another probe, and renewed without one.
    assert_eq!(
        lab.select(&host1, address).and_then(|said| said.kind),
        Some(MessageType::Ack)
    );
    assert_eq!(
        lab.renew(&host1, address).and_then(|said| said.kind),
        Some(MessageType::Ack)
    );
    assert_eq!(
        lab.discover(&host1).and_then(|said| said.address),
        Some(address)
    );
    assert_eq!(lab.probes, [address]);
}

#[test]
fn clients_with_a_lease_are_served_while_the_addresses_of_others_are_probed() {
    let mut lab = Lab::new(100, 163);
    let host1 = client(1);
    let address = lab.obtain(&host1).expect("an address");
    let mut probed = Vec::new();
    for last in 2..20 {
        let discover = client(last).message(
            u32::from(last),
            &[DhcpOption::MessageType(MessageType::Discover)],
        );
        assert_eq!(lab.hear(&discover), None);
        probed.extend(lab.next_probe());
        let renewal = Client {
            current: Some(address),
            ..host1.clone()
        };
        let renewal = renewal.message(9, &[DhcpOption::MessageType(MessageType::Request)]);
        assert_eq!(
            lab.hear(&renewal).and_then(|said| said.kind),
            Some(MessageType::Ack)
        );
    }
    assert_eq!(probed.len(), 18);
    let offers: Vec<_> = probed
        .iter()
        .filter_map(|address| lab.end_probe(*address))
        .collect();
    assert!(
        offers.iter().map(|offer| offer.transaction).eq(2..20),
        "each waiting client has its answer"
    );
}

#[test]
fn a_client_that_asks_again_while_it_waits_is_answered_once_with_its_latest_transaction() {
    let mut lab = Lab::new(100, 163);
    let discover = |transaction| {
        client(1).message(
            transaction,
            &[DhcpOption::MessageType(MessageType::Discover)],
        )
    };
    assert_eq!(lab.hear(&discover(7)), None);
    let address = lab.next_probe().expect("an address to probe");
    assert_eq!(lab.hear(&discover(8)), None);
    assert_eq!(lab.next_probe(), None);
    assert_eq!(lab.end_probe(address).map(|said| said.transaction), Some(8));
    assert_eq!(lab.end_probe(address), None);
}

#[test]
fn a_static_host_in_the_pool_keeps_its_address_and_is_logged() {
    let mut lab = Lab::new(100, 101);
    let station = [0x02, 0, 0, 0, 0x20, 1];
    lab.stations.insert(inside(100), station);
    assert_eq!(lab.obtain(&client(1)), Some(inside(101)));
    lab.release(&client(1), inside(101));
    assert_eq!(lab.obtain(&client(2)), Some(inside(101)));
    let in_use = News::InUse {
        address: inside(100),
        station,
    };
    let reports = lab.news.iter().filter(|news| **news == in_use).count();
    // Whether it was tried at all before the other depends on the hash of the client.
    assert!(
        reports <= 1
            && lab
                .probes
                .iter()
                .filter(|address| **address == inside(100))
                .count()
                == reports
    );
    assert_eq!(lab.discover(&client(3)), None);
    assert!(lab.news.contains(&in_use));
    // It is tried again when it may be free.
    lab.stations.clear();
    lab.now += IN_USE_SECONDS;
    assert_eq!(lab.obtain(&client(3)), Some(inside(100)));
}

#[test]
fn a_request_for_an_address_that_another_station_uses_is_refused() {
    let mut lab = Lab::new(100, 163);
    lab.stations.insert(inside(110), [0x02, 0, 0, 0, 0x20, 1]);
    let said = lab.reboot(&client(1), inside(110)).expect("an answer");
    assert_eq!(
        (said.kind, said.to),
        (Some(MessageType::Nak), Some(EVERYBODY))
    );
}

#[test]
fn after_a_restart_no_two_hosts_get_one_address_and_those_that_have_one_keep_it() {
    let mut lab = Lab::new(100, 131);
    let old: Vec<_> = (0..16).map(client).collect();
    let had: Vec<_> = old
        .iter()
        .map(|client| lab.obtain(client).expect("an address"))
        .collect();
    lab.restart(100, 131);
    // The search for an address begins where it began for the others.
    for last in 32..48 {
        let address = lab.obtain(&client(last)).expect("an address");
        assert!(!had.contains(&address), "{address} is in use");
    }
    assert!(
        lab.news
            .iter()
            .any(|news| matches!(news, News::InUse { .. }))
    );
    // The others renew, though the server has found some of their addresses in use.
    for (client, address) in old.iter().zip(had) {
        let said = lab.renew(client, address).expect("an answer");
        assert_eq!(
            (said.kind, said.address),
            (Some(MessageType::Ack), Some(address))
        );
    }
}

#[test]
fn a_client_keeps_the_address_that_it_alone_answers_for() {
    let mut lab = Lab::new(100, 163);
    let host1 = client(1);
    lab.stations.insert(inside(120), host1.mac);
    for ask in [Lab::renew, Lab::reboot] {
        lab.restart(100, 163);
        let (begin, said) = (
            lab.now,
            ask(&mut lab, &host1, inside(120)).expect("an answer"),
        );
        assert_eq!(
            (said.kind, said.address),
            (Some(MessageType::Ack), Some(inside(120)))
        );
        assert_eq!(lab.now, begin, "it has not waited");
    }
    lab.restart(100, 163);
    let asks = [
        DhcpOption::MessageType(MessageType::Discover),
        DhcpOption::RequestedIpAddress(inside(120)),
    ];
    assert_eq!(
        lab.ask(&host1, &asks).and_then(|said| said.address),
        Some(inside(120))
    );
}

/// Behind one hardware address there may be several clients: what one has, another that did not ask
/// for it does not get.
#[test]
fn an_address_that_is_in_use_behind_the_same_hardware_address_is_not_offered() {
    let mut lab = Lab::new(100, 163);
    let [one, other] = [b"one", b"two"].map(|id| Client {
        id: Some(id.to_vec()),
        ..client(1)
    });
    let address = lab.obtain(&one).expect("an address");
    lab.restart(100, 163);
    assert_ne!(lab.obtain(&other), Some(address));
    assert!(lab.news.contains(&News::InUse {
        address,
        station: one.mac
    }));
    assert_eq!(
        lab.renew(&one, address).and_then(|said| said.kind),
        Some(MessageType::Ack)
    );
}

/// RFC 2131 section 4.2: "the server MUST use that identifier".
#[test]
fn the_client_identifier_distinguishes_clients_and_not_the_hardware_address() {
    let mut lab = Lab::new(100, 163);
    let with = |last: u8, id: &[u8]| Client {
        id: Some(id.to_vec()),
        ..client(last)
    };
    let one = lab.obtain(&with(1, b"\0A"));
    let other = lab.obtain(&with(1, b"\0B"));
    assert!(one.is_some() && other.is_some() && one != other);
    assert_eq!(
        lab.obtain(&with(2, b"\0A")),
        one,
        "another hardware address, and the same client"
    );
    assert_eq!(lab.obtain(&with(3, b"\0B")), other);
    // Identifiers that begin or end alike.
    let long = |last: u8| [&[0xff; 250][..], &[last]].concat();
    let addresses = [
        b"\0A\0".to_vec(),
        b"A\0".to_vec(),
        vec![0; 2],
        long(1),
        long(2),
    ]
    .map(|id| lab.obtain(&with(1, &id)));
    let mut all: Vec<_> = addresses
        .into_iter()
        .chain([one, other])
        .map(|address| address.expect("an address"))
        .collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 7);
}

#[test]
fn a_client_without_an_identifier_is_that_whose_identifier_is_its_hardware_address() {
    let mut lab = Lab::new(100, 163);
    let plain = client(1);
    let id = [&[1][..], &plain.mac].concat();
    let address = lab.obtain(&plain);
    assert_eq!(
        lab.obtain(&Client {
            id: Some(id),
            ..plain
        }),
        address
    );
    // Less than two bytes are no identifier (RFC 2132 section 9.14), and not given back.
    let mut message = client(1).message(7, &[DhcpOption::MessageType(MessageType::Discover)]);
    message.truncate(243);
    message.extend([61, 1, 9, 255]);
    assert_eq!(
        lab.hear(&message).map(|said| (said.address, said.id)),
        Some((address, None))
    );
    assert_ne!(lab.obtain(&client(2)), address);
}

/// RFC 2131 section 4.1, the table of where answers go, without relay agents.
#[test]
fn answers_go_to_where_the_client_can_receive_them() {
    for broadcast in [false, true] {
        let mut lab = Lab::new(100, 163);
        let host1 = Client {
            broadcast,
            ..client(1)
        };
        let offer = lab.discover(&host1).expect("an offer");
        let address = offer.address.expect("an address");
        let new = if broadcast {
            EVERYBODY
        } else {
            (host1.mac, address)
        };
        assert_eq!(offer.to, Some(new));
        let ack = lab.select(&host1, address).expect("an answer");
        assert_eq!((ack.to, ack.current), (Some(new), None));
        // The flag does not matter to who has an address.
        let renewal = lab.renew(&host1, address).expect("an answer");
        assert_eq!(
            (renewal.to, renewal.current),
            (Some((host1.mac, address)), Some(address))
        );
        let nak = lab.reboot(&host1, inside(99)).expect("an answer");
        assert_eq!(
            (nak.kind, nak.to),
            (Some(MessageType::Nak), Some(EVERYBODY))
        );
        let nak = lab.renew(&host1, inside(99)).expect("an answer");
        assert_eq!(
            (nak.kind, nak.to, nak.current),
            (Some(MessageType::Nak), Some(EVERYBODY), None)
        );
    }
}

#[test]
fn answers_after_a_probe_go_to_the_same_places() {
    for broadcast in [false, true] {
        let mut lab = Lab::new(100, 163);
        let host1 = Client {
            broadcast,
            id: Some(vec![0xff; 19]),
            ..client(1)
        };
        let said = lab.reboot(&host1, inside(110)).expect("an answer");
        assert_eq!(
            said.to,
            Some(if broadcast {
                EVERYBODY
            } else {
                (host1.mac, inside(110))
            })
        );
        lab.restart(100, 163);
        let said = lab.renew(&host1, inside(110)).expect("an answer");
        assert_eq!(
            (said.to, said.current),
            (Some((host1.mac, inside(110))), Some(inside(110)))
        );
    }
}

/// RFC 2131 section 4.3.2.
#[test]
fn clients_that_come_from_another_network_are_refused_at_once() {
    let mut lab = Lab::new(100, 163);
    for foreign in [
        Ipv4Addr::new(10, 1, 2, 3),
        Ipv4Addr::new(192, 168, 1, 110),
        Ipv4Addr::BROADCAST,
        inside(255),
    ] {
        for ask in [Lab::renew, Lab::reboot] {
            let said = ask(&mut lab, &client(1), foreign).expect("an answer");
            assert_eq!(
                (said.kind, said.address, said.to),
                (Some(MessageType::Nak), None, Some(EVERYBODY)),
                "{foreign}"
            );
            assert_eq!(
                (said.seconds, said.dns, said.gateway),
                (None, vec![], vec![])
            );
        }
    }
    assert!(lab.probes.is_empty());
}

#[test]
fn requests_for_what_the_client_cannot_have_are_refused() {
    let mut lab = Lab::new(100, 103);
    let owner = lab.obtain(&client(1)).expect("an address");
    for wrong in [owner, inside(99), inside(104), ROUTER, inside(0)] {
        assert_eq!(
            lab.reboot(&client(2), wrong).and_then(|said| said.kind),
            Some(MessageType::Nak),
            "{wrong}"
        );
    }
}

#[test]
fn a_request_for_another_server_is_not_answered_and_frees_the_offer() {
    let mut lab = Lab::new(100, 100);
    let other = [
        DhcpOption::ServerIdentifier(inside(9)),
        DhcpOption::RequestedIpAddress(Ipv4Addr::new(10, 0, 0, 5)),
    ];
    assert_eq!(
        lab.discover(&client(1)).and_then(|said| said.address),
        Some(inside(100))
    );
    assert_eq!(lab.discover(&client(2)), None);
    assert_eq!(lab.request(&client(1), &other), None);
    assert_eq!(
        lab.discover(&client(2)).and_then(|said| said.address),
        Some(inside(100))
    );
    assert_eq!(lab.request(&client(2), &other), None);
    // Also an offer that is not ripe yet.
    let discover = client(3).message(7, &[DhcpOption::MessageType(MessageType::Discover)]);
    assert_eq!(lab.hear(&discover), None);
    assert_eq!(lab.request(&client(3), &other), None);
    assert_eq!(lab.obtain(&client(4)), Some(inside(100)));
}

#[test]
fn a_declined_address_is_not_leased_for_a_while_and_only_its_client_can_decline_it() {
    let mut lab = Lab::new(100, 101);
    let host1 = client(1);
    let address = lab.obtain(&host1).expect("an address");
    lab.decline(&client(9), address);
    assert_eq!(
        lab.renew(&host1, address).and_then(|said| said.kind),
        Some(MessageType::Ack)
    );
    lab.decline(&host1, address);
    assert_eq!(
        lab.news.last(),
        Some(&News::Declined {
            address,
            mac: host1.mac
        })
    );
    assert_eq!(
        lab.reboot(&host1, address).and_then(|said| said.kind),
        Some(MessageType::Nak)
    );
    let other = lab.obtain(&host1).expect("another address");
    assert_ne!(other, address);
    assert_eq!(lab.discover(&client(2)), None);
    lab.now += IN_USE_SECONDS;
    lab.stations.clear();
    assert_eq!(lab.obtain(&client(2)), Some(address));
}

#[test]
fn what_a_client_releases_it_gets_again_after_a_probe_or_another_client_does() {
    let mut lab = Lab::new(100, 103);
    let clients: Vec<_> = (1..5).map(client).collect();
    let had: Vec<_> = clients
        .iter()
        .map(|client| lab.obtain(client).expect("an address"))
        .collect();
    lab.release(&clients[1], had[1]);
    lab.probes.clear();
    assert_eq!(lab.obtain(&clients[1]), Some(had[1]));
    assert_eq!(lab.probes, [had[1]]);
    lab.release(&clients[2], had[2]);
    assert_eq!(lab.obtain(&client(9)), Some(had[2]));
    assert_eq!(lab.discover(&clients[2]), None);
    // A client cannot release the address of another.
    lab.release(&client(9), had[0]);
    lab.stations.insert(had[0], clients[0].mac);
    assert_eq!(lab.discover(&clients[2]), None);
}

#[test]
fn inform_is_answered_about_the_network_without_an_address_or_a_lease() {
    let mut lab = Lab::new(100, 100);
    let inform = [DhcpOption::MessageType(MessageType::Inform)];
    let host1 = Client {
        current: Some(inside(20)),
        ..client(1)
    };
    let said = lab.ask(&host1, &inform).expect("an answer");
    assert_eq!(
        (said.kind, said.address, said.seconds),
        (Some(MessageType::Ack), None, None)
    );
    assert_eq!(
        (said.gateway, said.dns),
        (vec![ROUTER], vec![Ipv4Addr::new(9, 9, 9, 9)])
    );
    assert_eq!(
        (said.to, said.current),
        (Some((host1.mac, inside(20))), Some(inside(20)))
    );
    let foreign = Client {
        current: Some(Ipv4Addr::new(10, 1, 2, 3)),
        ..client(1)
    };
    assert_eq!(lab.ask(&foreign, &inform), None);
    assert_eq!(
        lab.obtain(&client(2)),
        Some(inside(100)),
        "no address was taken"
    );
}

#[test]
fn leases_are_short_only_while_the_outside_is_not_configured() {
    let mut lab = Lab::new(100, 163);
    lab.dns = None;
    let said = lab.discover(&client(1)).expect("an offer");
    assert_eq!(
        (said.seconds, said.dns),
        (Some(SHORT_LEASE_SECONDS), vec![])
    );
    let dns: Vec<_> = (1..=5).map(|last| Ipv4Addr::new(9, 9, 9, last)).collect();
    lab.dns = Some(dns.clone());
    let said = lab
        .select(&client(1), said.address.expect("an address"))
        .expect("an answer");
    assert_eq!((said.seconds, &said.dns), (Some(LEASE_SECONDS), &dns));
    // After the longest identifier there is room for fewer.
    let long = Client {
        id: Some(vec![7; 255]),
        ..client(2)
    };
    let said = lab.discover(&long).expect("an offer");
    assert_eq!(
        (said.seconds, &said.dns[..]),
        (Some(LEASE_SECONDS), &dns[..3])
    );
}

#[test]
fn a_full_pool_is_reported_and_a_lease_that_ends_frees_an_address() {
    let mut lab = Lab::new(100, 103);
    for last in 0..4 {
        lab.obtain(&client(last)).expect("an address");
    }
    assert_eq!(lab.discover(&client(9)), None);
    assert_eq!(lab.news.last(), Some(&News::Full { mac: client(9).mac }));
    lab.now += LEASE_SECONDS;
    // All four are still there.
    assert_eq!(lab.discover(&client(9)), None);
    assert_eq!(lab.news.last(), Some(&News::Full { mac: client(9).mac }));
    lab.now += IN_USE_SECONDS;
    lab.stations.remove(&inside(102));
    assert_eq!(lab.obtain(&client(9)), Some(inside(102)));
}

#[test]
fn a_pool_of_all_hosts_is_leased_to_the_last_address() {
    let mut lab = Lab::new(1, 254);
    let mut addresses: Vec<_> = (0..253)
        .map(|last| lab.obtain(&client(last)).expect("an address"))
        .collect();
    assert_eq!(lab.discover(&client(253)), None);
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 253);
    assert!(!addresses.contains(&ROUTER));
}

/// More identifiers at once than can be kept: clients without a slot ask again, and then have their
/// answer at once.
#[test]
fn clients_with_long_identifiers_get_their_offer_now_or_when_they_ask_again() {
    let mut lab = Lab::new(100, 163);
    let clients = (0..20_u8).map(|last| Client {
        id: Some(vec![last; 19 + 2 * usize::from(last)]),
        ..client(last)
    });
    let mut clients: Vec<_> = clients.collect();
    clients.insert(
        0,
        Client {
            id: Some(vec![7; 255]),
            ..client(20)
        },
    );
    let discover = [DhcpOption::MessageType(MessageType::Discover)];
    for client in &clients {
        assert_eq!(lab.hear(&client.message(1, &discover)), None);
    }
    let offers = lab.probe();
    assert!((8..20).contains(&offers.len()), "{}", offers.len());
    for offer in &offers {
        assert!(
            clients
                .iter()
                .any(|client| client.mac == offer.chaddr && client.id == offer.id)
        );
    }
    for client in clients
        .iter()
        .filter(|client| !offers.iter().any(|offer| offer.chaddr == client.mac))
    {
        let offer = lab
            .hear(&client.message(2, &discover))
            .expect("an offer at once");
        assert_eq!(offer.id, client.id);
    }
}

#[test]
fn what_comes_through_a_relay_agent_is_ignored() {
    let mut lab = Lab::new(100, 163);
    let mut discover = client(1).message(1, &[DhcpOption::MessageType(MessageType::Discover)]);
    discover[field::GIADDR].copy_from_slice(&[10, 5, 5, 1]);
    assert_eq!((lab.hear(&discover), lab.next_probe()), (None, None));
}

/// A message with a few of its bytes changed, cut off or added, or nothing but noise.
fn malformed(random: &mut Pcg32, message: &[u8]) -> Vec<u8> {
    let mut below = |bound: usize| random.next_u32() as usize % bound;
    if below(10) == 0 {
        return (0..below(600)).map(|_| below(256) as u8).collect();
    }
    let mut bytes = message.to_vec();
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
fn malformed_requests_do_no_harm() {
    let mut lab = Lab::new(100, 163);
    let mut random = Pcg32::new(1, 1);
    for round in 0..50_000 {
        let kinds = [
            MessageType::Discover,
            MessageType::Request,
            MessageType::Decline,
            MessageType::Release,
        ];
        let kind = DhcpOption::MessageType(kinds[round % 4]);
        let asked = DhcpOption::RequestedIpAddress(inside(100 + (round % 70) as u8));
        let message = client(round as u8).message(7, &[kind, asked]);
        lab.hear(&malformed(&mut random, &message));
        lab.probe();
    }
    lab.now += LEASE_SECONDS;
    assert!(lab.obtain(&client(1)).is_some());
}

/// Clients and stations that come and go, move, ask for anything, and lose answers: no client gets
/// an address that another one has.
#[test]
fn no_address_is_ever_given_to_two() {
    for seed in 0..40 {
        run_random(&mut Pcg32::new(seed, 1));
    }
}

fn run_random(random: &mut Pcg32) {
    let mut below = |bound: u32| random.next_u32() % bound;
    let mut lab = Lab::new(100, 100 + below(12) as u8);
    // What each client was given, and until when.
    let mut given: BTreeMap<u8, (Ipv4Addr, u32)> = BTreeMap::new();
    for _ in 0..400 {
        let last = below(16) as u8;
        let id = (!last.is_multiple_of(3)).then(|| vec![last; 1 + usize::from(last) * 2]);
        let who = Client {
            id,
            broadcast: below(2) == 0,
            ..client(last)
        };
        let address = inside(98 + below(16) as u8);
        let had = given.get(&last).map(|(address, _)| *address);
        let said = match below(9) {
            0..=2 => {
                let offer = lab.discover(&who);
                offer.and_then(|offer| lab.select(&who, offer.address.expect("an address")))
            }
            3 => lab.reboot(&who, had.unwrap_or(address)),
            4 => lab.renew(&who, had.unwrap_or(address)),
            5 => {
                if let Some(had) = had.filter(|_| below(2) == 0) {
                    lab.release(&who, had);
                    given.remove(&last);
                }
                None
            }
            6 => {
                // A static host, where no client is.
                if address != ROUTER && !lab.stations.contains_key(&address) {
                    lab.stations.insert(address, [0x02, 0, 0, 0, 0x30, last]);
                }
                None
            }
            7 => {
                lab.stations.retain(|_, mac| mac[4] != 0x30);
                None
            }
            _ => {
                lab.now += below(5) * 500;
                None
            }
        };
        let now = lab.now;
        // A client whose lease is over uses its address no longer.
        given.retain(|last, (address, until)| {
            let lives = *until > now;
            if !lives && lab.stations.get(address) == Some(&client(*last).mac) {
                lab.stations.remove(address);
            }
            lives
        });
        let Some(said) = said else { continue };
        if said.kind == Some(MessageType::Nak) {
            continue;
        }
        let address = said.address.expect("an address");
        assert!(
            given
                .iter()
                .all(|(other, (taken, _))| *other == last || *taken != address),
            "{address} given to two"
        );
        let station = lab.stations.get(&address).copied();
        assert!(
            station.is_none_or(|station| station == who.mac),
            "{address} is in use by {station:?}"
        );
        if let Some((old, _)) =
            given.insert(last, (address, now + said.seconds.expect("a lease time")))
        {
            lab.stations.remove(&old);
        }
        lab.stations.insert(address, who.mac);
    }
}

/// With a DNS forwarder on the router, clients need not wait for the outside.
#[cfg(feature = "dns")]
#[test]
fn with_a_dns_forwarder_clients_get_the_router_and_have_names() {
    use core::cell::RefCell;

    use super::tests_of_names::{NONE, table};

    let names = table(Box::leak(Box::new(RefCell::new([NONE; 8]))));
    let local_dns = super::LocalDns {
        names,
        domain: "lan",
    };
    let lab = Lab::new(100, 107);
    let mut lab = Lab {
        server: lab.server.with_local_dns(Some(local_dns)),
        dns: None,
        ..lab
    };
    let name = DhcpOption::HostName("Lap Top");
    let discover = [DhcpOption::MessageType(MessageType::Discover), name];
    let offer = lab.ask(&client(1), &discover).expect("an offer");
    let address = offer.address.expect("an address");
    assert_eq!(
        (offer.seconds, offer.dns),
        (Some(LEASE_SECONDS), vec![ROUTER])
    );
    assert_eq!(
        names.address_of(b"lap-top", lab.now),
        None,
        "not leased yet"
    );
    // The name of the DISCOVER stays.
    let said = lab.select(&client(1), address).expect("an answer");
    assert_eq!(said.kind, Some(MessageType::Ack));
    assert_eq!(names.address_of(b"lap-top", lab.now), Some(address));
    assert_eq!(names.address_of(b"lap-top", lab.now + LEASE_SECONDS), None);
    lab.release(&client(1), address);
    assert_eq!(names.address_of(b"lap-top", lab.now), None);
}
