//! A forwarder, and messages for it.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::boxed::Box;
use std::collections::VecDeque;
use std::string::{String, ToString};
use std::vec::Vec;

use nat_core::Cidr;
use simple_dns::rdata::{A, OPT, RData, SOA};
use simple_dns::{
    CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE,
};

use super::super::forwarder::{Forwarder, Memory, Output, RebindingProtection};
use super::super::local::Local;

pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
pub(super) const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(8, 8, 8, 8)];
pub(super) const ANSWER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

/// A forwarder with room for this many queries and clients.
pub(super) const QUERIES: usize = 8;
pub(super) const WAITERS: usize = 12;
pub(super) const CACHE: usize = 2048;

pub(super) fn inside() -> Cidr {
    Cidr::new(ROUTER, 24).expect("a network")
}

/// A client at this address of the inside network.
pub(super) fn client(last: u8) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, last), 40_000)
}

/// A query that the forwarder has sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) socket: usize,
    /// The port that the socket had.
    pub(super) port: u16,
    pub(super) server: Ipv4Addr,
    pub(super) message: Vec<u8>,
}

impl Sent {
    pub(super) fn id(&self) -> u16 {
        parse(&self.message).id()
    }
}

/// An answer that a client got.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) client: SocketAddrV4,
    pub(super) message: Vec<u8>,
}

impl Got {
    pub(super) fn packet(&self) -> Packet<'_> {
        parse(&self.message)
    }

    pub(super) fn code(&self) -> RCODE {
        self.packet().rcode()
    }

    /// The IPv4 addresses in the answer.
    pub(super) fn addresses(&self) -> Vec<Ipv4Addr> {
        let packet = self.packet();
        let answers = packet.answers.iter();
        answers
            .filter_map(|record| match &record.rdata {
                RData::A(A { address }) => Some(Ipv4Addr::from_bits(*address)),
                _ => None,
            })
            .collect()
    }

    pub(super) fn ttls(&self) -> Vec<u32> {
        let packet = self.packet();
        let records = packet.answers.iter().chain(&packet.name_servers);
        records.map(|record| record.ttl).collect()
    }
}

pub(super) fn parse(message: &[u8]) -> Packet<'_> {
    Packet::parse(message).expect("a sound message")
}

pub(super) struct Lab {
    pub(super) forwarder: Forwarder<'static>,
    /// In milliseconds.
    pub(super) now: u64,
    ports: [u16; 2],
    pub(super) sent: VecDeque<Sent>,
    pub(super) got: VecDeque<Got>,
}

impl Lab {
    /// A forwarder with both servers.
    pub(super) fn new() -> Self {
        let mut lab = Self::of(Local {
            inside: inside(),
            domain: "lan",
            clients: None,
        });
        lab.set_servers(&SERVERS);
        lab
    }

    pub(super) fn of(local: Local<'static>) -> Self {
        Self::with(local, None)
    }

    pub(super) fn with(local: Local<'static>, protection: Option<RebindingProtection>) -> Self {
        let memory = Box::leak(Box::new(Memory::<QUERIES, WAITERS, 1024, CACHE>::new()));
        Self {
            forwarder: Forwarder::new(memory, local, protection, [1, 2]),
            now: 1000,
            ports: [0; 2],
            sent: VecDeque::new(),
            got: VecDeque::new(),
        }
    }

    pub(super) fn set_servers(&mut self, servers: &[Ipv4Addr]) {
        self.forwarder.set_servers(servers, self.now);
        self.carry_out();
        self.expire();
    }

    pub(super) fn ask(&mut self, from: SocketAddrV4, message: &[u8]) {
        self.forwarder.query(from, message, self.now);
        self.carry_out();
    }

    /// Asks for the addresses of `name`, and returns the answer if there is one at once.
    pub(super) fn ask_name(&mut self, name: &str) -> Option<Got> {
        self.ask(client(10), &query(7, name, TYPE::A));
        self.got.pop_front()
    }

    /// The query sent last; the others are forgotten.
    #[track_caller]
    pub(super) fn last_sent(&mut self) -> Sent {
        let last = self.sent.pop_back().expect("a query");
        self.sent.clear();
        last
    }

    /// Lets a server answer a query.
    pub(super) fn answer(&mut self, sent: &Sent, message: &[u8]) {
        let from = SocketAddrV4::new(sent.server, 53);
        self.answer_from(sent.socket, from, message);
    }

    pub(super) fn answer_from(&mut self, socket: usize, from: SocketAddrV4, message: &[u8]) {
        self.forwarder.answer(socket, from, message, self.now);
        self.carry_out();
    }

    pub(super) fn wait(&mut self, millis: u64) {
        let end = self.now + millis;
        while let Some(due) = self.forwarder.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.expire();
        }
        self.now = end;
    }

    fn expire(&mut self) {
        while self.forwarder.expire(self.now) {
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.forwarder.output(self.now) {
            match output {
                Output::Bind { socket, port } => self.ports[socket] = port,
                Output::ToServer {
                    socket,
                    server,
                    message,
                } => self.sent.push_back(Sent {
                    socket,
                    port: self.ports[socket],
                    server,
                    message: message.to_vec(),
                }),
                Output::ToClient { client, message } => self.got.push_back(Got {
                    client,
                    message: message.to_vec(),
                }),
            }
        }
    }
}

/// A query for `name`.
pub(super) fn query(id: u16, name: &str, kind: TYPE) -> Vec<u8> {
    query_with(id, name, kind, None)
}

/// A query with an EDNS record with this size.
pub(super) fn query_edns(id: u16, name: &str, kind: TYPE, size: u16) -> Vec<u8> {
    query_with(id, name, kind, Some(size))
}

fn query_with(id: u16, name: &str, kind: TYPE, size: Option<u16>) -> Vec<u8> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        Name::new_unchecked(name),
        QTYPE::TYPE(kind),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    *packet.opt_mut() = size.map(|udp_packet_size| OPT {
        opt_codes: Vec::new(),
        udp_packet_size,
        version: 0,
    });
    packet.build_bytes_vec().expect("a message")
}

/// Sets the type of the question. simple-dns reads no question of a type that it does not know.
pub(super) fn set_kind(message: &mut [u8], kind: u16) {
    let name = message[12..]
        .iter()
        .position(|byte| *byte == 0)
        .expect("the root");
    message[12 + name + 1..12 + name + 3].copy_from_slice(&kind.to_be_bytes());
}

/// Sets the DO bit of a message that ends with an EDNS record without options.
pub(super) fn set_dnssec_ok(message: &mut [u8]) {
    let flags = message.len() - 4;
    message[flags] = 0x80;
}

/// The answer to a query, which `change` fills in.
pub(super) fn answer_to<'a>(query: &[u8], change: impl FnOnce(&mut Packet<'a>)) -> Vec<u8> {
    let query = parse(query);
    let mut packet = Packet::new_reply(query.id());
    packet.questions = query
        .questions
        .iter()
        .cloned()
        .map(Question::into_owned)
        .collect();
    packet.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    *packet.opt_mut() = query.opt().map(|_| OPT {
        opt_codes: Vec::new(),
        udp_packet_size: 1232,
        version: 0,
    });
    change(&mut packet);
    packet.build_bytes_vec_compressed().expect("a message")
}

/// The name of the question.
pub(super) fn name_of(query: &[u8]) -> String {
    parse(query).questions[0].qname.to_string()
}

/// An answer with one address.
pub(super) fn address(query: &[u8], address: Ipv4Addr, ttl: u32) -> Vec<u8> {
    let name = name_of(query);
    let name = Name::new_unchecked(&name);
    answer_to(query, |packet| {
        packet.answers.push(record(&name, ttl, address));
    })
}

pub(super) fn record<'a>(name: &Name<'a>, ttl: u32, address: Ipv4Addr) -> ResourceRecord<'a> {
    let data = RData::A(A {
        address: address.to_bits(),
    });
    ResourceRecord::new(name.clone(), CLASS::IN, ttl, data)
}

/// An answer without records.
pub(super) fn failure(query: &[u8], code: RCODE) -> Vec<u8> {
    answer_to(query, |packet| *packet.rcode_mut() = code)
}

/// An answer that says that there is no such name, with a SOA record of this TTL and minimum.
pub(super) fn no_name(query: &[u8], code: RCODE, ttl: u32, minimum: u32) -> Vec<u8> {
    answer_to(query, |packet| {
        *packet.rcode_mut() = code;
        packet.name_servers.push(ResourceRecord::new(
            Name::new_unchecked("example"),
            CLASS::IN,
            ttl,
            RData::SOA(SOA {
                mname: Name::new_unchecked("ns.example"),
                rname: Name::new_unchecked("admin.example"),
                serial: 1,
                refresh: 3600,
                retry: 600,
                expire: 86_400,
                minimum,
            }),
        ));
    })
}

/// A message with another operation than a query.
pub(super) fn with_opcode(opcode: OPCODE) -> Vec<u8> {
    let mut message = query(7, "example.com", TYPE::A);
    message[2] = message[2] & 0x87 | (opcode as u8) << 3;
    message
}
