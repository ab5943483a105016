//! Blind attackers, and messages of any bytes.

use core::net::SocketAddrV4;
use std::vec::Vec;

use rand_core::Rng;
use rand_pcg::Pcg32;
use simple_dns::{RCODE, TYPE};

use super::world::*;

/// An attacker outside who knows when a query is sent, to which server and with which question, and
/// forges answers at full rate. The numbers are all different, so this is the best that it can do.
/// It must guess the port, too: of a million forged answers, with the right number in one of 65,536,
/// those that also have the right port are one in 64,512.
#[test]
fn blind_answers_at_full_rate_win_nothing() {
    let mut lab = Lab::new();
    let mut random = Pcg32::new(7, 7);
    let mut won = 0;
    for _ in 0..20 {
        lab.ask(client(10), &query(7, "bank.example", TYPE::A));
        let sent = lab.last_sent();
        let mut forged = address(
            &sent.message,
            "6.6.6.6".parse().expect("an address"),
            86_400,
        );
        for _ in 0..50_000 {
            let (id, port) = (random.next_u32() as u16, random.next_u32() as u16);
            // The NAT delivers what comes to the port of a socket.
            if port == sent.port {
                forged[..2].copy_from_slice(&id.to_be_bytes());
                lab.answer(&sent, &forged);
                won += lab.got.drain(..).count();
            }
        }
        lab.answer(&sent, &failure(&sent.message, RCODE::NameError));
        assert_eq!(
            lab.got.pop_front().expect("an answer").code(),
            RCODE::NameError
        );
        lab.wait(5000);
    }
    assert_eq!(won, 0);
    assert!(
        lab.ask_name("bank.example").is_none(),
        "nothing false is kept"
    );
}

/// An attacker who knows the port still has to guess the number, the server and the question.
#[test]
fn an_answer_counts_only_with_the_number_the_server_the_port_and_the_question_of_the_query() {
    let mut lab = Lab::new();
    lab.ask(client(10), &query(7, "bank.example", TYPE::A));
    let sent = lab.last_sent();
    let right = address(&sent.message, ANSWER, 300);
    let server = SocketAddrV4::new(sent.server, 53);
    let mut other_id = right.clone();
    other_id[1] ^= 1;
    let mut no_answer = right.clone();
    no_answer[2] &= 0x7f;
    let mut other_operation = right.clone();
    other_operation[2] |= 0x20;
    let of_other_question = |name, kind| {
        let mut other = query(0, name, kind);
        other[..2].copy_from_slice(&right[..2]);
        address(&other, ANSWER, 300)
    };
    let no_question = Vec::from(&right[..12]);
    for (socket, from, message) in [
        (sent.socket, server, &other_id),
        (1 - sent.socket, server, &right),
        (sent.socket, SocketAddrV4::new(sent.server, 5353), &right),
        (sent.socket, SocketAddrV4::new(SERVERS[1], 53), &right),
        (sent.socket, SocketAddrV4::new(ANSWER, 53), &right),
        (sent.socket, server, &no_answer),
        (sent.socket, server, &other_operation),
        (
            sent.socket,
            server,
            &of_other_question("bank.examplf", TYPE::A),
        ),
        (
            sent.socket,
            server,
            &of_other_question("a.bank.example", TYPE::A),
        ),
        (
            sent.socket,
            server,
            &of_other_question("bank.example", TYPE::AAAA),
        ),
        (sent.socket, server, &no_question),
    ] {
        lab.answer_from(socket, from, message);
        assert!(lab.got.is_empty(), "{socket} {from} {message:?}");
    }
    assert_eq!(lab.forwarder.stats.dropped_unexpected, 11);
    lab.answer(&sent, &right);
    assert_eq!(
        lab.got.pop_front().expect("an answer").addresses(),
        [ANSWER]
    );
}

/// The numbers of queries with one name that wait at the same time would all be right.
#[test]
fn a_host_cannot_make_the_forwarder_ask_one_question_many_times() {
    let mut lab = Lab::new();
    for number in 0..100 {
        lab.ask(client(10), &query(number, "bank.example", TYPE::A));
    }
    assert_eq!(lab.sent.len(), 1);
}

/// Names of answers in a circle, and pointers that lead on and on.
#[test]
fn compressed_names_that_never_end_do_no_harm() {
    let mut lab = Lab::new();
    for pointers in [1, 2, 100, 700] {
        lab.ask(client(10), &query(7, "example.com", TYPE::A));
        let sent = lab.last_sent();
        let mut answer = sent.message.clone();
        answer[2] |= 0x80;
        answer[7] = 1;
        let start = answer.len() as u16;
        for number in 0..pointers {
            let target = 0xc000 | (start + 2 * ((number + 1) % pointers));
            answer.extend(target.to_be_bytes());
        }
        answer.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 1, 2, 3, 4]);
        lab.answer(&sent, &answer);
        lab.wait(10_000);
        let got = lab.got.pop_front().expect("an answer");
        assert_eq!(got.code(), RCODE::ServerFailure, "{pointers}");
    }
}

/// A message with some bytes changed, cut off, or of random bytes only.
fn malformed(random: &mut Pcg32, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let mut below = |bound: usize| random.next_u32() as usize % bound.max(1);
    match below(4) {
        _ if message.is_empty() => {}
        0 => message.truncate(below(message.len())),
        1 => message = (0..below(600)).map(|_| below(256) as u8).collect(),
        _ => {
            for _ in 0..=below(6) {
                let at = below(message.len());
                message[at] = below(256) as u8;
            }
        }
    }
    message
}

/// The answer that there are no such records, to any query.
fn no_records(query: &[u8]) -> Vec<u8> {
    let name = query[12..].iter().position(|byte| *byte == 0);
    let end = 12 + name.expect("the root") + 5;
    let mut answer = query[..end].to_vec();
    answer[2] |= 0x80;
    answer[6..12].copy_from_slice(&[0, 0, 0, 1, 0, 0]);
    answer.extend([0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 60, 0, 22]);
    answer.extend([0; 21]);
    answer.push(60);
    answer
}

#[test]
fn malformed_messages_of_clients_and_servers_do_no_harm() {
    let mut lab = Lab::new();
    let mut random = Pcg32::new(3, 3);
    let names = [
        "example.com",
        "laptop.lan",
        "1.1.168.192.in-addr.arpa",
        "local",
        "",
    ];
    for round in 0..60_000_u32 {
        let name = names[round as usize % names.len()];
        let kind = TYPE::from((random.next_u32() % 70) as u16);
        let valid = query_edns(round as u16, name, kind, 1232);
        let message = match round % 3 {
            0 => valid,
            _ => malformed(&mut random, &valid),
        };
        lab.ask(client(10 + (round % 20) as u8), &message);
        if let Some(sent) = lab.sent.pop_front() {
            let valid = no_records(&sent.message);
            let answer = match round % 5 {
                0 => sent.message.clone(),
                1 => valid,
                _ => malformed(&mut random, &sent.message),
            };
            lab.answer(&sent, &answer);
            let mut answer = malformed(&mut random, &answer);
            // With the right number, and as an answer.
            if answer.len() > 12 + sent.message.len() {
                answer[..12].copy_from_slice(&sent.message[..12]);
                answer[2] |= 0x80;
                lab.answer(&sent, &answer);
            }
        }
        for got in lab.got.drain(..) {
            assert!(got.message.len() >= 12 && got.message[2] & 0x80 != 0);
        }
        lab.wait(u64::from(random.next_u32() % 40));
    }
    lab.wait(5000);
    assert_eq!(lab.forwarder.next_due(), None, "no query waits for ever");
    let stats = lab.forwarder.stats;
    assert!(
        stats.cached > 100 && stats.sent > 1000 && stats.refused > 1000,
        "{stats:?}"
    );
}
