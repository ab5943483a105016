//! Names that are not looked up outside, and protection against rebinding.

use core::cell::RefCell;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::boxed::Box;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use simple_dns::rdata::{AAAA, NULL, RData};
use simple_dns::{CLASS, Name, RCODE, ResourceRecord, TYPE};

use super::super::forwarder::RebindingProtection;
use super::super::local::{Local, is_domain};
use super::world::*;
use crate::dhcp::tests_of_names::{publish, table};

const LAPTOP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 107);

/// A forwarder without servers, whose DHCP server has leased an address to `laptop` until second
/// 100.
fn lab() -> Lab {
    let names = table(Box::leak(Box::new(RefCell::new(
        [crate::dhcp::tests_of_names::NONE; 64],
    ))));
    publish(names, LAPTOP, b"laptop", 100);
    Lab::of(Local {
        inside: inside(),
        domain: "home.lan",
        clients: Some(names),
    })
}

fn ask(lab: &mut Lab, name: &str, kind: TYPE) -> Got {
    lab.ask(client(10), &query(7, name, kind));
    assert!(lab.sent.is_empty(), "{name} is looked up outside");
    lab.got.pop_front().expect("an answer")
}

fn pointer(got: &Got) -> Option<String> {
    match &got.packet().answers.first()?.rdata {
        RData::PTR(pointer) => Some(pointer.0.to_string()),
        _ => None,
    }
}

#[test]
fn the_router_and_dhcp_clients_have_names_and_their_addresses_too() {
    let mut lab = lab();
    for (name, address) in [
        ("router.home.lan", ROUTER),
        ("ROUTER.Home.Lan", ROUTER),
        ("laptop.home.lan", LAPTOP),
        ("laptop", LAPTOP),
        ("router", ROUTER),
    ] {
        let got = ask(&mut lab, name, TYPE::A);
        assert_eq!(
            (got.code(), got.addresses()),
            (RCODE::NoError, vec![address]),
            "{name}"
        );
        // The name exists, without an IPv6 address.
        let got = ask(&mut lab, name, TYPE::AAAA);
        assert_eq!(
            (got.code(), got.packet().answers.len()),
            (RCODE::NoError, 0)
        );
        assert_eq!(got.packet().name_servers.len(), 1);
    }
    for (name, expected) in [
        ("1.77.168.192.in-addr.arpa", "router.home.lan"),
        ("107.77.168.192.in-addr.arpa", "laptop.home.lan"),
        ("1.0.0.127.in-addr.arpa", "localhost"),
    ] {
        assert_eq!(
            pointer(&ask(&mut lab, name, TYPE::PTR)).as_deref(),
            Some(expected)
        );
    }
}

#[test]
fn a_name_ends_with_its_lease() {
    let mut lab = lab();
    lab.now = 99_999;
    assert_eq!(
        ask(&mut lab, "laptop.home.lan", TYPE::A).addresses(),
        [LAPTOP]
    );
    lab.now = 100_000;
    assert_eq!(
        ask(&mut lab, "laptop.home.lan", TYPE::A).code(),
        RCODE::NameError
    );
    let reverse = ask(&mut lab, "107.77.168.192.in-addr.arpa", TYPE::PTR);
    assert_eq!(reverse.code(), RCODE::NameError);
}

/// RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 6303, RFC 7793; and names without a dot.
#[test]
fn names_that_only_mean_something_inside_do_not_leave() {
    let mut lab = lab();
    lab.set_servers(&SERVERS);
    for name in [
        "desktop.home.lan",
        "a.laptop.home.lan",
        "desktop",
        "printer.local",
        "a.invalid",
        "a.test",
        "a.onion",
        "a.home.arpa",
        "9.77.168.192.in-addr.arpa",
        "1.0.0.10.in-addr.arpa",
        "1.0.31.172.in-addr.arpa",
        "1.0.64.100.in-addr.arpa",
        "1.2.3.d.f.ip6.arpa",
    ] {
        let got = ask(&mut lab, name, TYPE::A);
        assert_eq!(got.code(), RCODE::NameError, "{name}");
        let packet = got.packet();
        let RData::SOA(soa) = &packet.name_servers[0].rdata else {
            panic!("no SOA record for {name}");
        };
        assert_eq!(soa.minimum, packet.name_servers[0].ttl);
        assert!(name.ends_with(&packet.name_servers[0].name.to_string()));
    }
}

#[test]
fn other_names_are_looked_up() {
    let mut lab = lab();
    lab.set_servers(&SERVERS);
    for (name, kind) in [
        ("example.com", TYPE::A),
        ("home.lan.example.com", TYPE::A),
        ("xhome.lan", TYPE::A),
        ("lan", TYPE::NS),
        ("com", TYPE::Unknown(43)),
        ("8.8.8.8.in-addr.arpa", TYPE::PTR),
        ("1.0.32.172.in-addr.arpa", TYPE::PTR),
    ] {
        lab.ask(client(10), &query(7, name, kind));
        assert!(
            lab.sent.pop_front().is_some() && lab.got.is_empty(),
            "{name}"
        );
        lab.wait(10_000);
        lab.sent.clear();
        lab.got.clear();
    }
}

/// RFC 6761 section 6.3.
#[test]
fn localhost_is_the_host_itself() {
    let mut lab = lab();
    for name in ["localhost", "a.LOCALHOST"] {
        assert_eq!(
            ask(&mut lab, name, TYPE::A).addresses(),
            [Ipv4Addr::LOCALHOST]
        );
        let got = ask(&mut lab, name, TYPE::AAAA);
        let RData::AAAA(AAAA { address }) = got.packet().answers[0].rdata else {
            panic!("{:?}", got.packet());
        };
        assert_eq!(Ipv6Addr::from_bits(address), Ipv6Addr::LOCALHOST);
        assert_eq!(ask(&mut lab, name, TYPE::MX).packet().answers.len(), 0);
    }
}

/// RFC 6891 section 7: "Lack of presence of an OPT record in a request MUST be taken as an
/// indication that the requestor does not implement any part of this specification and that the
/// responder MUST NOT include an OPT record in its response", and the reverse in 6.1.1.
#[test]
fn answers_made_here_have_an_edns_record_if_the_query_has_one() {
    let mut lab = lab();
    for name in ["laptop.home.lan", "desktop.home.lan", "example.com"] {
        assert!(ask(&mut lab, name, TYPE::A).packet().opt().is_none());
        lab.ask(client(10), &query_edns(7, name, TYPE::A, 4096));
        let got = lab.got.pop_front().expect("an answer");
        assert_eq!(
            got.packet().opt().map(|opt| opt.udp_packet_size),
            Some(1232)
        );
    }
}

/// The longest name that exists, in the longest zone.
#[test]
fn the_longest_names_are_answered() {
    let label = "a".repeat(63);
    let mut lab = lab();
    lab.set_servers(&SERVERS);
    let long = std::format!("{label}.{label}.{label}.{}.test", "b".repeat(56));
    lab.ask(client(10), &query_edns(7, &long, TYPE::A, 1232));
    assert_eq!(
        lab.got.pop_front().expect("an answer").code(),
        RCODE::NameError
    );
    let zeros = "0.".repeat(31);
    let long = std::format!("{label}.{label}.{}.{zeros}ip6.arpa", "b".repeat(52));
    lab.ask(client(10), &query_edns(7, &long, TYPE::PTR, 1232));
    assert_eq!(
        lab.got.pop_front().expect("an answer").code(),
        RCODE::NameError
    );
}

#[test]
fn a_domain_has_labels_of_letters_digits_and_hyphens() {
    for domain in ["lan", "home.example", "a-1", &"a".repeat(63)] {
        assert!(is_domain(domain), "{domain}");
    }
    for domain in ["", ".lan", "lan.", "a..b", "a_b", "ä", &"a".repeat(64)] {
        assert!(!is_domain(domain), "{domain}");
    }
}

// --- Rebinding

fn protected() -> Lab {
    let local = Local {
        inside: inside(),
        domain: "lan",
        clients: None,
    };
    let protection = RebindingProtection {
        exceptions: &["plex.direct"],
    };
    let mut lab = Lab::with(local, Some(protection));
    lab.set_servers(&SERVERS);
    lab
}

/// Has a server answer with this record, and returns the number of records that the client gets.
fn answered(lab: &mut Lab, name: &str, kind: u16, data: &[u8]) -> usize {
    lab.ask(client(10), &query(7, name, TYPE::from(kind)));
    let sent = lab.last_sent();
    let answer = answer_to(&sent.message, |packet| {
        let data = RData::NULL(kind, NULL::new(data).expect("short"));
        let name = Name::new_unchecked(name);
        packet
            .answers
            .push(ResourceRecord::new(name, CLASS::IN, 0, data));
    });
    lab.answer(&sent, &answer);
    let got = lab.got.pop_front().expect("an answer");
    assert_eq!(got.code(), RCODE::NoError);
    let count = u16::from_be_bytes([got.message[6], got.message[7]]);
    usize::from(count)
}

#[test]
fn a_public_name_with_an_inside_address_gets_an_empty_answer() {
    let v6 = |text: &str| {
        text.parse::<Ipv6Addr>()
            .expect("an address")
            .octets()
            .to_vec()
    };
    let hint = |key: u16, address: &[u8]| -> Vec<u8> {
        let mut data = vec![0, 1, 1, b'a', 0, 0, 1, 0, 3, 2, b'h', b'2'];
        data.extend(key.to_be_bytes());
        data.extend((address.len() as u16).to_be_bytes());
        data.extend(address);
        data
    };
    let mut lab = protected();
    let bad: Vec<(u16, Vec<u8>)> = vec![
        (1, vec![192, 168, 77, 5]),
        (1, vec![10, 0, 0, 1]),
        (1, vec![172, 31, 0, 1]),
        (1, vec![127, 0, 0, 1]),
        (1, vec![169, 254, 1, 1]),
        (1, vec![0, 0, 0, 0]),
        (28, v6("::1")),
        (28, v6("::")),
        (28, v6("fd00::1")),
        (28, v6("fe80::1")),
        (28, v6("::ffff:192.168.1.1")),
        (28, v6("64:ff9b::10.0.0.1")),
        (65, hint(4, &[203, 0, 113, 5, 10, 0, 0, 1])),
        (64, hint(6, &v6("fd00::1"))),
    ];
    for (kind, data) in &bad {
        assert_eq!(
            answered(&mut lab, "evil.example", *kind, data),
            0,
            "{kind} {data:?}"
        );
        assert_eq!(
            answered(&mut lab, "a.plex.direct", *kind, data),
            1,
            "an exception"
        );
        let mut open = Lab::new();
        assert_eq!(
            answered(&mut open, "evil.example", *kind, data),
            1,
            "without protection"
        );
    }
    assert_eq!(lab.forwarder.stats.rebinding, bad.len() as u32);
    for (kind, data) in [
        (1, vec![203, 0, 113, 5]),
        (1, vec![100, 64, 0, 1]),
        (28, v6("2001:db8::1")),
        (28, v6("64:ff9b::203.0.113.5")),
        (65, hint(4, &[203, 0, 113, 5])),
        (16, vec![4, 10, 0, 0, 1]),
    ] {
        assert_eq!(
            answered(&mut lab, "good.example", kind, &data),
            1,
            "{kind} {data:?}"
        );
    }
}
