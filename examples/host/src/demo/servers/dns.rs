//! The provider's DNS server, with one name in its zone.

use core::net::Ipv4Addr;

use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE};

use crate::demo::addresses::{WEB, WEB_NAME};
use crate::demo::host::{Host, UdpMemory};

const PORT: u16 = 53;

/// The TTL of an answer, in seconds.
const TTL: u32 = 60;

/// Answers queries for [`WEB_NAME`], and NXDOMAIN for all other names.
#[embassy_executor::task]
pub(super) async fn serve(host: Host) -> ! {
    let mut memory = UdpMemory::new();
    let socket = memory.socket(host, PORT);
    let mut query = [0; 512];
    loop {
        // What cannot be read or sent is lost. The client retries.
        let Ok((len, from)) = socket.recv_from(&mut query).await else {
            continue;
        };
        if let Some(reply) = answer(&query[..len]) {
            let _ = socket.send_to(&reply, from.endpoint).await;
        }
    }
}

fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    reply.questions = query.questions;
    let answers: Vec<_> = reply.questions.iter().filter_map(record).collect();
    if answers.is_empty() {
        *reply.rcode_mut() = RCODE::NameError;
    }
    reply.answers = answers;
    reply.build_bytes_vec().ok()
}

fn record(question: &Question<'_>) -> Option<ResourceRecord<'static>> {
    let name = Name::new_unchecked(WEB_NAME);
    let asked = question.qname == name && question.qtype == QTYPE::TYPE(TYPE::A);
    asked.then(|| ResourceRecord::new(name, CLASS::IN, TTL, address(WEB.address)))
}

fn address(address: Ipv4Addr) -> RData<'static> {
    RData::A(A {
        address: address.to_bits(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &'static str, kind: TYPE) -> (RCODE, Vec<Ipv4Addr>) {
        let mut query = Packet::new_query(7);
        query.questions.push(Question::new(
            Name::new_unchecked(name),
            kind.into(),
            CLASS::IN.into(),
            false,
        ));
        let reply = answer(&query.build_bytes_vec().unwrap()).unwrap();
        let reply = Packet::parse(&reply).unwrap();
        assert_eq!(reply.id(), 7);
        let addresses = reply.answers.iter().map(|record| match &record.rdata {
            RData::A(a) => Ipv4Addr::from_bits(a.address),
            other => panic!("{other:?}"),
        });
        (reply.rcode(), addresses.collect())
    }

    #[test]
    fn the_web_server_has_a_name_and_nobody_else() {
        assert_eq!(ask(WEB_NAME, TYPE::A), (RCODE::NoError, vec![WEB.address]));
        assert_eq!(ask("www.example.net", TYPE::A), (RCODE::NameError, vec![]));
    }

    #[test]
    fn garbage_gets_no_answer() {
        assert_eq!(answer(b"garbage"), None);
    }
}
