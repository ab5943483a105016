//! Clients that ask over TCP.

use std::vec;

use simple_dns::rdata::{NULL, RData};
use simple_dns::{CLASS, Name, RCODE, ResourceRecord, TYPE};

use super::super::forwarder::Step;
use super::world::*;

#[test]
fn a_query_over_tcp_is_answered_from_here_or_asks_all_servers() {
    let mut lab = Lab::new();
    let mut answer = vec![0; 4096];
    let message = query(7, "router.lan", TYPE::A);
    let Step::Reply(len) = lab.forwarder.stream_query(&message, lab.now, &mut answer) else {
        panic!("not known");
    };
    let packet = parse(&answer[..len]);
    assert_eq!((packet.id(), packet.answers.len()), (7, 1));

    let message = query(8, "example.com", TYPE::A);
    let Step::Ask(servers, id) = lab.forwarder.stream_query(&message, lab.now, &mut answer) else {
        panic!("known");
    };
    assert_eq!(servers, SERVERS);
    let mut own = message.clone();
    own[..2].copy_from_slice(&id.to_be_bytes());
    // Longer than any datagram.
    let data = vec![7; 3000];
    let received = answer_to(&own, |packet| {
        let data = RData::NULL(10, NULL::new(&data).expect("it fits"));
        let name = Name::new_unchecked("example.com");
        packet
            .answers
            .push(ResourceRecord::new(name, CLASS::IN, 60, data));
    });
    answer[..received.len()].copy_from_slice(&received);
    let len = received.len();
    let len = lab
        .forwarder
        .stream_answer((&message, id), (&mut answer, len), lab.now)
        .expect("the answer");
    let packet = parse(&answer[..len]);
    assert_eq!(
        (packet.id(), packet.answers.len(), len),
        (8, 1, received.len())
    );
}

#[test]
fn an_answer_over_tcp_must_be_the_answer_to_the_query_and_not_a_failure() {
    let mut lab = Lab::new();
    let message = query(8, "example.com", TYPE::A);
    let mut with_id = message.clone();
    with_id[..2].copy_from_slice(&77_u16.to_be_bytes());
    let other = query(77, "example.org", TYPE::A);
    for received in [
        address(&message, ANSWER, 60),
        address(&other, ANSWER, 60),
        failure(&with_id, RCODE::ServerFailure),
        failure(&with_id, RCODE::Refused),
        with_id.clone(),
        vec![1, 2, 3],
    ] {
        let mut answer = received.clone();
        let len = answer.len();
        let taken = lab
            .forwarder
            .stream_answer((&message, 77), (&mut answer, len), lab.now);
        assert_eq!(taken, None);
    }
    let mut answer = [0; 512];
    let len = lab
        .forwarder
        .stream_failure(&message, &mut answer)
        .expect("room");
    assert_eq!(parse(&answer[..len]).rcode(), RCODE::ServerFailure);
}

#[test]
fn an_answer_over_tcp_is_kept_for_clients_over_udp() {
    let mut lab = Lab::new();
    let message = query(8, "example.com", TYPE::A);
    let mut answer = address(&message, ANSWER, 60);
    let len = answer.len();
    lab.forwarder
        .stream_answer((&message, 8), (&mut answer, len), lab.now);
    assert_eq!(
        lab.ask_name("example.com").expect("kept").addresses(),
        [ANSWER]
    );
}

/// What is left of a connection keeps a mapping of the NAT for minutes.
#[test]
fn connections_to_servers_are_limited() {
    let mut lab = Lab::new();
    let mut opened = 0;
    for _ in 0..1000 {
        opened += u32::from(lab.forwarder.may_connect(lab.now));
        lab.wait(100);
    }
    assert!((16 + 49..=16 + 51).contains(&opened), "{opened} in 100 s");
}
