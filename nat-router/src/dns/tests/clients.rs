//! What clients get: transparency (RFC 5625), sizes, and refusals.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::vec;
use std::vec::Vec;

use simple_dns::rdata::{NULL, OPTCode, RData};
use simple_dns::{CLASS, Name, OPCODE, Packet, PacketFlag, RCODE, ResourceRecord, TYPE};

use super::world::*;

#[test]
fn a_query_is_answered_by_the_first_server() {
    let mut lab = Lab::new();
    lab.ask(client(10), &query(7, "www.Example.com", TYPE::A));
    let sent = lab.last_sent();
    assert_eq!(
        (sent.server, name_of(&sent.message).as_str()),
        (SERVERS[0], "www.Example.com")
    );
    assert!(lab.got.is_empty(), "nothing is known yet");
    lab.answer(&sent, &address(&sent.message, ANSWER, 300));
    let got = lab.got.pop_front().expect("an answer");
    assert_eq!((got.client, got.packet().id()), (client(10), 7));
    assert_eq!((got.addresses(), got.ttls()), (vec![ANSWER], vec![300]));
    assert!(lab.got.is_empty() && lab.forwarder.next_due().is_none());
}

/// RFC 5625 section 4.1: what the proxy does not know passes through it.
#[test]
fn records_types_and_options_that_nobody_knows_pass() {
    let mut lab = Lab::new();
    let mut query = query_edns(7, "example.com", TYPE::A, 1232);
    let len = query.len();
    // An option, at the end of the EDNS record.
    query[len - 2..].copy_from_slice(&6_u16.to_be_bytes());
    query.extend([0xfd, 0xe9, 0, 2, 0xab, 0xcd]);
    let plain = query.clone();
    set_kind(&mut query, 65_400);
    lab.ask(client(10), &query);
    let sent = lab.last_sent();
    assert_eq!(sent.message[2..], query[2..], "but for the number");
    let mut unknown = answer_to(&plain, |packet| {
        let data = NULL::new(b"\x01\xff").expect("short");
        let name = Name::new_unchecked("example.com");
        let data = RData::NULL(65_400, data);
        packet
            .answers
            .push(ResourceRecord::new(name, CLASS::IN, 60, data));
        let option = OPTCode {
            code: 65_001,
            data: vec![1, 2, 3].into(),
        };
        packet
            .opt_mut()
            .as_mut()
            .expect("EDNS")
            .opt_codes
            .push(option);
    });
    set_kind(&mut unknown, 65_400);
    unknown[..2].copy_from_slice(&sent.message[..2]);
    lab.answer(&sent, &unknown);
    let got = lab.got.pop_front().expect("an answer");
    assert_eq!(
        got.message[4..],
        unknown[4..],
        "but for the number and the flags"
    );
}

#[test]
fn the_question_comes_back_as_the_client_wrote_it() {
    let mut lab = Lab::new();
    lab.ask(client(10), &query(7, "WwW.eXample.com", TYPE::A));
    let sent = lab.last_sent();
    let lower = sent.message.to_ascii_lowercase();
    // The type and the flags have no letters.
    let mut answer = address(&lower, ANSWER, 300);
    answer[..2].copy_from_slice(&sent.message[..2]);
    lab.answer(&sent, &answer);
    let got = lab.got.pop_front().expect("an answer");
    assert_eq!(name_of(&got.message), "WwW.eXample.com");
    // And from the cache.
    let got = lab.ask_name("www.EXAMPLE.com").expect("from the cache");
    assert_eq!(name_of(&got.message), "www.EXAMPLE.com");
    assert_eq!(got.addresses(), [ANSWER]);
}

#[test]
fn an_answer_never_claims_to_be_checked() {
    let mut lab = Lab::new();
    let mut message = query(7, "example.com", TYPE::A);
    message[3] |= 0x20;
    lab.ask(client(10), &message);
    let sent = lab.last_sent();
    let answer = answer_to(&sent.message, |packet| {
        packet.set_flags(PacketFlag::AUTHENTIC_DATA);
    });
    assert!(parse(&answer).has_flags(PacketFlag::AUTHENTIC_DATA));
    lab.answer(&sent, &answer);
    let got = lab.got.pop_front().expect("an answer");
    assert!(!got.packet().has_flags(PacketFlag::AUTHENTIC_DATA));
}

/// An answer with so many addresses, 16 bytes each.
fn long_answer(query: &[u8], addresses: u8) -> Vec<u8> {
    let name = name_of(query);
    let name = Name::new_unchecked(&name);
    answer_to(query, |packet| {
        for last in 0..addresses {
            let address = Ipv4Addr::new(203, 0, 113, last);
            packet.answers.push(record(&name, 300, address));
        }
    })
}

fn is_truncated(packet: &Packet<'_>) -> bool {
    packet.has_flags(PacketFlag::TRUNCATION)
}

/// RFC 1035 section 4.2.1, RFC 6891 section 6.2.5.
#[test]
fn an_answer_is_never_longer_than_the_client_accepts() {
    for (size, addresses, truncated) in [
        (None, 29, false),
        (None, 31, true),
        (Some(100), 29, false),
        (Some(100), 31, true),
        (Some(1232), 70, false),
        (Some(700), 42, true),
        (Some(4096), 80, true),
    ] {
        let mut lab = Lab::new();
        let message = match size {
            None => query(7, "example.com", TYPE::A),
            Some(size) => query_edns(7, "example.com", TYPE::A, size),
        };
        lab.ask(client(10), &message);
        let sent = lab.last_sent();
        let asked = parse(&sent.message).opt().map(|opt| opt.udp_packet_size);
        assert_eq!(
            asked,
            size.map(|size| size.min(1232)),
            "no fragments are asked for"
        );
        let long = long_answer(&sent.message, addresses);
        lab.answer(&sent, &long);
        let got = lab.got.pop_front().expect("an answer");
        let packet = got.packet();
        assert_eq!(is_truncated(&packet), truncated, "{size:?} {addresses}");
        assert!(got.message.len() <= usize::from(size.unwrap_or(512).clamp(512, 1232)));
        assert_eq!(packet.opt().is_some(), size.is_some());
        assert_eq!(
            packet.answers.len(),
            if truncated { 0 } else { addresses.into() }
        );
    }
}

#[test]
fn a_truncated_answer_of_a_server_reaches_the_client_and_is_not_kept() {
    let mut lab = Lab::new();
    for _ in 0..2 {
        lab.ask(client(10), &query(7, "example.com", TYPE::A));
        let sent = lab.last_sent();
        let mut answer = address(&sent.message, ANSWER, 300);
        answer[2] |= 0x02;
        lab.answer(&sent, &answer);
        let got = lab.got.pop_front().expect("an answer");
        assert!(is_truncated(&got.packet()) && got.addresses().is_empty());
    }
}

#[test]
fn other_operations_are_not_implemented_and_malformed_queries_are_refused() {
    let mut lab = Lab::new();
    for (message, code) in [
        (with_opcode(OPCODE::Notify), RCODE::NotImplemented),
        (with_opcode(OPCODE::Update), RCODE::NotImplemented),
        (vec![0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], RCODE::FormatError),
        (
            vec![
                0, 7, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1,
            ],
            RCODE::FormatError,
        ),
        (
            vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1],
            RCODE::FormatError,
        ),
        (
            vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 4, 0, 1, 0, 1],
            RCODE::FormatError,
        ),
    ] {
        lab.ask(client(10), &message);
        let got = lab.got.pop_front().expect("an answer");
        assert_eq!(
            (got.code(), got.packet().id(), got.message.len()),
            (code, 7, 12)
        );
    }
    for kind in [252_u16, 251] {
        lab.ask(client(10), &query(7, "example.com", TYPE::Unknown(kind)));
        assert_eq!(
            lab.got.pop_front().expect("an answer").code(),
            RCODE::Refused
        );
    }
    assert!(lab.sent.is_empty());
}

#[test]
fn answers_and_messages_from_elsewhere_are_ignored() {
    let mut lab = Lab::new();
    let mut answer = query(7, "example.com", TYPE::A);
    answer[2] |= 0x80;
    lab.ask(client(10), &answer);
    lab.ask(client(10), &answer[..11]);
    let message = query(7, "router.lan", TYPE::A);
    for from in [
        SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 5), 5000),
        SocketAddrV4::new(ROUTER, 5000),
        SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 255), 5000),
        SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 0), 5000),
        SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 10), 0),
    ] {
        lab.ask(from, &message);
    }
    assert!(lab.got.is_empty() && lab.sent.is_empty());
    assert_eq!(lab.forwarder.stats.dropped_stray, 7);
}

#[test]
fn the_same_question_of_many_clients_is_asked_once() {
    let mut lab = Lab::new();
    for last in 10..20 {
        lab.ask(client(last), &query(last.into(), "example.com", TYPE::A));
    }
    // The same client repeats itself.
    lab.ask(client(10), &query(10, "example.com", TYPE::A));
    assert_eq!(lab.sent.len(), 1);
    let sent = lab.last_sent();
    lab.answer(&sent, &address(&sent.message, ANSWER, 300));
    let got: Vec<_> = lab
        .got
        .iter()
        .map(|got| (got.client, got.packet().id(), got.addresses()))
        .collect();
    let expected: Vec<_> = (10..20)
        .map(|last| (client(last), u16::from(last), vec![ANSWER]))
        .collect();
    assert_eq!(got, expected);
}

#[test]
fn a_host_that_asks_too_much_loses_its_own_queries() {
    let mut lab = Lab::new();
    let flood = |lab: &mut Lab, from: u32, to: u32| {
        for number in from..to {
            let name = std::format!("{number}.example.com");
            lab.ask(client(66), &query(number as u16, &name, TYPE::A));
        }
    };
    flood(&mut lab, 0, 100);
    assert_eq!(lab.sent.len(), QUERIES, "the rest was dropped");
    // Others get room, one after the other, until they have as much as the flood.
    for last in 10..14 {
        lab.ask(client(last), &query(1, "www.example.net", TYPE::AAAA));
        lab.ask(
            client(last),
            &query(2, &std::format!("h{last}.example.net"), TYPE::A),
        );
    }
    flood(&mut lab, 100, 200);
    let sent: Vec<_> = lab.sent.iter().cloned().collect();
    for sent in sent {
        lab.answer(&sent, &failure(&sent.message, RCODE::NameError));
    }
    for last in 10..14 {
        let got = lab
            .got
            .iter()
            .filter(|got| got.client == client(last))
            .count();
        assert_eq!(got, 2, "client {last}");
    }
    assert!(lab.forwarder.stats.dropped_full > 100);
}
