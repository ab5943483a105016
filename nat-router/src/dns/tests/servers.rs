//! Which server is asked, and when.

use core::net::Ipv4Addr;
use std::vec::Vec;

use simple_dns::{RCODE, TYPE};

use super::world::*;

#[test]
fn the_next_server_is_asked_when_one_is_silent() {
    let mut lab = Lab::new();
    lab.ask(client(10), &query(7, "example.com", TYPE::A));
    lab.wait(1200);
    assert_eq!(lab.sent.len(), 2);
    assert_eq!([lab.sent[0].server, lab.sent[1].server], SERVERS);
    assert_ne!(lab.sent[0].id(), lab.sent[1].id());
    let second = lab.last_sent();
    lab.answer(&second, &address(&second.message, ANSWER, 0));
    assert_eq!(
        lab.got.pop_front().expect("an answer").addresses(),
        [ANSWER]
    );
    // It is asked first for a minute.
    let first_asked = |lab: &mut Lab| {
        lab.ask(client(10), &query(7, "example.com", TYPE::A));
        let sent = lab.last_sent();
        lab.answer(&sent, &failure(&sent.message, RCODE::NameError));
        sent.server
    };
    assert_eq!(first_asked(&mut lab), SERVERS[1]);
    lab.wait(58_000);
    assert_eq!(first_asked(&mut lab), SERVERS[1]);
    lab.wait(2000);
    assert_eq!(first_asked(&mut lab), SERVERS[0]);
}

#[test]
fn a_late_answer_counts_until_the_query_is_given_up() {
    let mut lab = Lab::new();
    lab.ask(client(10), &query(7, "example.com", TYPE::A));
    let first = lab.sent[0].clone();
    lab.wait(4000);
    lab.answer(&first, &address(&first.message, ANSWER, 300));
    assert_eq!(
        lab.got.pop_front().expect("an answer").addresses(),
        [ANSWER]
    );
    lab.answer(&first, &address(&first.message, ANSWER, 300));
    assert!(lab.got.is_empty(), "it counts once");
}

#[test]
fn a_server_that_fails_is_followed_by_the_next_at_once() {
    for code in [RCODE::ServerFailure, RCODE::Refused] {
        let mut lab = Lab::new();
        lab.ask(client(10), &query(7, "example.com", TYPE::A));
        let first = lab.last_sent();
        lab.answer(&first, &failure(&first.message, code));
        let second = lab.last_sent();
        assert_eq!((second.server, lab.got.len()), (SERVERS[1], 0));
        lab.answer(&second, &address(&second.message, ANSWER, 300));
        assert_eq!(
            lab.got.pop_front().expect("an answer").addresses(),
            [ANSWER]
        );
    }
}

#[test]
fn when_all_servers_fail_the_client_hears_at_once() {
    let mut lab = Lab::new();
    lab.ask(client(10), &query(7, "example.com", TYPE::A));
    for _ in SERVERS {
        let sent = lab.last_sent();
        lab.answer(&sent, &failure(&sent.message, RCODE::ServerFailure));
    }
    let got = lab.got.pop_front().expect("an answer");
    assert_eq!((got.code(), got.packet().id()), (RCODE::ServerFailure, 7));
    assert!(lab.sent.is_empty() && lab.forwarder.next_due().is_none());
}

#[test]
fn a_failure_does_not_hide_the_answer_of_a_slow_server() {
    let mut lab = Lab::new();
    lab.ask(client(10), &query(7, "example.com", TYPE::A));
    lab.wait(1200);
    let [first, second] = [lab.sent[0].clone(), lab.sent[1].clone()];
    lab.answer(&second, &failure(&second.message, RCODE::Refused));
    assert!(lab.got.is_empty());
    lab.answer(&first, &address(&first.message, ANSWER, 300));
    assert_eq!(
        lab.got.pop_front().expect("an answer").addresses(),
        [ANSWER]
    );
}

/// Resolvers give up after five seconds, and take SERVFAIL as a reason to ask elsewhere.
#[test]
fn when_all_servers_are_silent_the_client_hears_within_five_seconds() {
    for servers in [&SERVERS[..], &SERVERS[..1]] {
        let mut lab = Lab::new();
        lab.set_servers(servers);
        lab.ask(client(10), &query(7, "example.com", TYPE::A));
        lab.wait(4300);
        assert!(lab.got.is_empty());
        let asked: Vec<_> = lab.sent.iter().map(|sent| sent.server).collect();
        assert_eq!(asked.len(), 4);
        assert!(servers.iter().all(|server| asked.contains(server)));
        lab.wait(200);
        let got = lab.got.pop_front().expect("an answer");
        assert_eq!((got.code(), got.packet().id()), (RCODE::ServerFailure, 7));
        assert_eq!(lab.forwarder.next_due(), None, "nothing is left");
    }
}

#[test]
fn without_servers_the_client_hears_at_once() {
    let mut lab = Lab::new();
    lab.set_servers(&[]);
    let got = lab.ask_name("example.com").expect("an answer");
    assert_eq!(got.code(), RCODE::ServerFailure);
    let got = lab.ask_name("router.lan").expect("an answer");
    assert_eq!(got.addresses(), [ROUTER], "which needs no server");
}

#[test]
fn queries_that_wait_when_the_servers_change_are_sent_to_the_new_ones() {
    let mut lab = Lab::new();
    lab.ask(client(10), &query(7, "example.com", TYPE::A));
    let old = lab.last_sent();
    let new = Ipv4Addr::new(1, 1, 1, 1);
    lab.set_servers(&[new]);
    let sent = lab.last_sent();
    assert_eq!(sent.server, new);
    lab.answer(&old, &address(&old.message, ANSWER, 300));
    assert!(lab.got.is_empty(), "the old server does not count");
    lab.answer(&sent, &address(&sent.message, ANSWER, 300));
    assert_eq!(
        lab.got.pop_front().expect("an answer").addresses(),
        [ANSWER]
    );
}

#[test]
fn queries_that_wait_when_the_outside_goes_down_fail_at_once() {
    let mut lab = Lab::new();
    lab.ask(client(10), &query(7, "example.com", TYPE::A));
    lab.set_servers(&[]);
    assert_eq!(
        lab.got.pop_front().expect("an answer").code(),
        RCODE::ServerFailure
    );
}

#[test]
fn the_router_does_not_ask_itself() {
    let mut lab = Lab::new();
    lab.set_servers(&[ROUTER]);
    let got = lab.ask_name("example.com").expect("an answer");
    assert_eq!(got.code(), RCODE::ServerFailure);
}

/// Ports are mappings of the NAT, of which nothing limits the router's own.
#[test]
fn a_port_is_used_for_five_seconds_at_most_and_few_are_used() {
    let mut lab = Lab::new();
    let mut ports = Vec::new();
    for number in 0..1000_u16 {
        lab.ask(
            client(10),
            &query(7, &std::format!("{number}.com"), TYPE::A),
        );
        let sent = lab.last_sent();
        lab.answer(&sent, &failure(&sent.message, RCODE::NameError));
        lab.got.clear();
        if ports.last() != Some(&sent.port) {
            ports.push(sent.port);
        }
        lab.wait(100);
    }
    assert!((19..=21).contains(&ports.len()), "{} in 100 s", ports.len());
    let mut distinct = ports.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ports.len());
    // One that is idle gets another port for its next query.
    lab.wait(5000);
    lab.ask(client(10), &query(7, "example.com", TYPE::A));
    assert_ne!(Some(&lab.last_sent().port), ports.last());
}
