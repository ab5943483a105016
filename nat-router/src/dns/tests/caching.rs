//! What is kept, and for how long (RFC 2181, RFC 2308).

use std::vec;
use std::vec::Vec;

use simple_dns::rdata::{CNAME, RData};
use simple_dns::{CLASS, Name, RCODE, ResourceRecord, TYPE};

use super::world::*;

/// Asks for `name`, lets the server give this answer, and returns whether it is kept.
fn is_kept(lab: &mut Lab, message: &[u8], answer: impl FnOnce(&[u8]) -> Vec<u8>) -> bool {
    lab.ask(client(10), message);
    let sent = lab.last_sent();
    lab.answer(&sent, &answer(&sent.message));
    assert!(lab.got.pop_front().is_some());
    lab.ask(client(11), message);
    let is_asked_again = lab.sent.pop_front().is_some();
    assert_eq!(lab.got.pop_front().is_some(), !is_asked_again);
    !is_asked_again
}

#[test]
fn an_answer_is_kept_until_its_shortest_ttl_is_over() {
    let mut lab = Lab::new();
    let message = query(7, "example.com", TYPE::A);
    assert!(is_kept(&mut lab, &message, |query| {
        answer_to(query, |packet| {
            let name = Name::new_unchecked("example.com");
            packet.answers.push(record(&name, 300, ANSWER));
            packet.answers.push(record(&name, 60, ANSWER));
        })
    }));
    lab.wait(59_000);
    let got = lab.ask_name("EXAMPLE.com").expect("from the cache");
    assert_eq!((got.ttls(), got.packet().id()), (vec![241, 1], 7));
    lab.wait(1000);
    assert!(lab.ask_name("example.com").is_none());
    assert_eq!(lab.forwarder.stats.cached, 2);
}

#[test]
fn answers_with_a_ttl_of_zero_or_an_impossible_one_are_not_kept() {
    for ttl in [0, 1 << 31, u32::MAX] {
        let message = query(7, "example.com", TYPE::A);
        assert!(!is_kept(&mut Lab::new(), &message, |query| address(
            query, ANSWER, ttl
        )));
    }
}

#[test]
fn a_long_ttl_is_kept_for_a_day() {
    let mut lab = Lab::new();
    let message = query(7, "example.com", TYPE::A);
    assert!(is_kept(&mut lab, &message, |query| address(
        query, ANSWER, 1_000_000
    )));
    lab.wait(86_399_000);
    assert_eq!(lab.ask_name("example.com").expect("kept").ttls(), [913_601]);
    lab.wait(1000);
    assert!(lab.ask_name("example.com").is_none());
}

/// RFC 2308 section 5.
#[test]
fn the_absence_of_a_name_or_a_record_is_kept_for_the_minimum_of_its_soa_record() {
    for code in [RCODE::NameError, RCODE::NoError] {
        for (ttl, minimum) in [(30, 600), (600, 30)] {
            let mut lab = Lab::new();
            let message = query(7, "example.com", TYPE::A);
            assert!(is_kept(&mut lab, &message, |query| no_name(
                query, code, ttl, minimum
            )));
            lab.wait(29_000);
            assert_eq!(lab.ask_name("example.com").expect("kept").code(), code);
            lab.wait(1000);
            assert!(lab.ask_name("example.com").is_none());
        }
    }
}

#[test]
fn the_absence_of_a_name_is_kept_for_an_hour_at_most() {
    let mut lab = Lab::new();
    let message = query(7, "example.com", TYPE::A);
    assert!(is_kept(&mut lab, &message, |query| {
        no_name(query, RCODE::NameError, 86_400, 86_400)
    }));
    lab.wait(3_599_000);
    assert!(lab.ask_name("example.com").is_some());
    lab.wait(1000);
    assert!(lab.ask_name("example.com").is_none());
}

#[test]
fn what_has_no_soa_record_or_is_a_failure_is_not_kept() {
    let message = query(7, "example.com", TYPE::A);
    for code in [
        RCODE::NameError,
        RCODE::NoError,
        RCODE::FormatError,
        RCODE::NotImplemented,
    ] {
        assert!(
            !is_kept(&mut Lab::new(), &message, |query| failure(query, code)),
            "{code:?}"
        );
    }
    for code in [RCODE::ServerFailure, RCODE::Refused] {
        let mut lab = Lab::new();
        lab.set_servers(&SERVERS[..1]);
        assert!(
            !is_kept(&mut lab, &message, |query| failure(query, code)),
            "{code:?}"
        );
    }
    // An alias without the records of what it is an alias for.
    assert!(!is_kept(&mut Lab::new(), &message, |query| {
        answer_to(query, |packet| {
            let alias = RData::CNAME(CNAME(Name::new_unchecked("other.example")));
            let name = Name::new_unchecked("example.com");
            packet
                .answers
                .push(ResourceRecord::new(name, CLASS::IN, 300, alias));
        })
    }));
}

#[test]
fn an_answer_to_a_query_without_recursion_is_not_kept() {
    let mut message = query(7, "example.com", TYPE::A);
    message[2] &= !1;
    assert!(!is_kept(&mut Lab::new(), &message, |query| address(
        query, ANSWER, 300
    )));
}

#[test]
fn answers_with_dnssec_records_are_kept_apart() {
    let mut lab = Lab::new();
    let plain = query(7, "example.com", TYPE::A);
    let edns = query_edns(7, "example.com", TYPE::A, 1232);
    let mut dnssec = edns.clone();
    set_dnssec_ok(&mut dnssec);
    let mut unchecked = plain.clone();
    unchecked[3] |= 0x10;
    assert!(is_kept(&mut lab, &edns, |query| address(
        query, ANSWER, 300
    )));
    // The same answer, without the EDNS record.
    lab.ask(client(12), &plain);
    let got = lab.got.pop_front().expect("from the cache");
    assert!(got.packet().opt().is_none() && got.addresses() == [ANSWER]);
    lab.ask(client(12), &edns);
    let got = lab.got.pop_front().expect("from the cache");
    assert_eq!(
        got.packet().opt().map(|opt| opt.udp_packet_size),
        Some(1232)
    );
    for other in [dnssec, unchecked] {
        assert!(is_kept(&mut lab, &other, |query| address(
            query, ANSWER, 300
        )));
    }
    assert_eq!(lab.forwarder.stats.sent, 3);
}

#[test]
fn other_types_of_a_name_are_other_answers() {
    let mut lab = Lab::new();
    assert!(is_kept(
        &mut lab,
        &query(7, "example.com", TYPE::A),
        |query| { address(query, ANSWER, 300) }
    ));
    // 65 and 97 are the same letter in both cases.
    for kind in [28, 65, 97] {
        let mut message = query(7, "example.com", TYPE::A);
        set_kind(&mut message, kind);
        assert!(is_kept(&mut lab, &message, |query| {
            let mut query = query.to_vec();
            set_kind(&mut query, 1);
            let mut answer = no_name(&query, RCODE::NoError, 300, 300);
            set_kind(&mut answer, kind);
            answer
        }));
    }
}

#[test]
fn a_full_cache_loses_the_oldest_answers_and_what_is_over_first() {
    let mut lab = Lab::new();
    let name = |number: u32| std::format!("{number}.example.com");
    for number in 0..200 {
        let ttl = if number == 199 { 1 } else { 300 };
        let message = query(7, &name(number), TYPE::A);
        assert!(is_kept(&mut lab, &message, |query| address(
            query, ANSWER, ttl
        )));
    }
    let before: Vec<u32> = (150..200)
        .filter(|number| lab.ask_name(&name(*number)).is_some())
        .collect();
    assert!((20..45).contains(&before.len()), "{before:?}");
    assert_eq!(
        before,
        ((200 - before.len() as u32)..200).collect::<Vec<_>>()
    );
}

#[test]
fn an_answer_that_would_displace_a_quarter_of_the_others_is_not_kept() {
    let message = query_edns(7, "example.com", TYPE::A, 1232);
    let answer = |addresses: u8| {
        move |query: &[u8]| {
            answer_to(query, |packet| {
                let name = Name::new_unchecked("example.com");
                for _ in 0..addresses {
                    packet.answers.push(record(&name, 300, ANSWER));
                }
            })
        }
    };
    assert!(is_kept(&mut Lab::new(), &message, answer(28)));
    assert!(!is_kept(&mut Lab::new(), &message, answer(35)));
}

#[test]
fn other_servers_begin_with_an_empty_cache() {
    let mut lab = Lab::new();
    let message = query(7, "example.com", TYPE::A);
    assert!(is_kept(&mut lab, &message, |query| address(
        query, ANSWER, 300
    )));
    lab.set_servers(&SERVERS);
    assert!(lab.ask_name("example.com").is_some(), "the same servers");
    lab.set_servers(&SERVERS[1..]);
    assert!(lab.ask_name("example.com").is_none());
}
