//! Numbered packets of several flows, both ways: what is lost, disordered, doubled or changed
//! shows.

use std::collections::BTreeMap;

use nat_core::{Side, Width};

use super::frames::{Seen, Udp, arp_reply, as_arp, check_frame};
use super::nic::Nic;
use super::*;

/// The flows of the host, each with its port, and all with the same server.
pub struct Traffic {
    /// The flow of each external port.
    flows: BTreeMap<u16, u16>,
    /// The number of the next packet, by its flow and the side it leaves by.
    next: BTreeMap<(u16, bool), u32>,
    /// The number of the packet seen last.
    last: BTreeMap<(u16, bool), u32>,
    /// Packets sent on their way, and packets seen to leave: outward, inward.
    pub sent: [u64; 2],
    pub seen: [u64; 2],
}

impl Traffic {
    /// Opens `count` flows of the host in a world where nothing is lost yet.
    #[track_caller]
    pub fn open<W: Width>(w: &mut World<W>, count: u16) -> Self {
        let mut flows = BTreeMap::new();
        for flow in 0..count {
            w.lan.arrive(from_host(&Udp {
                src_port: 5000 + flow,
                ..outbound()
            }));
            w.run();
            let sent = check_all(&w.wan.take_sent());
            let [
                Seen {
                    ports: Some((external, _)),
                    ..
                },
            ] = sent[..]
            else {
                panic!("one packet: {sent:?}")
            };
            assert!(
                flows.insert(external, flow).is_none(),
                "one external port for two flows"
            );
        }
        Self {
            flows,
            next: BTreeMap::new(),
            last: BTreeMap::new(),
            sent: [0; 2],
            seen: [0; 2],
        }
    }

    /// The next packet of `flow` arrives, to leave by `to`.
    pub fn send<W: Width>(&mut self, w: &World<W>, flow: u16, to: Side) {
        let outward = to == Side::Outside;
        let number = self.next.entry((flow, outward)).or_insert(0);
        *number += 1;
        let payload = payload(flow, *number);
        if outward {
            w.lan.arrive(from_host(&Udp {
                src_port: 5000 + flow,
                payload,
                ..outbound()
            }));
        } else {
            let (external, _) = self
                .flows
                .iter()
                .find(|(_, of)| **of == flow)
                .expect("an open flow");
            w.wan.arrive(from_gateway(&Udp {
                payload,
                ..inbound(*external)
            }));
        }
        self.sent[usize::from(!outward)] += 1;
    }

    /// Checks what has left on both sides since. Returns what is not of these flows.
    #[track_caller]
    pub fn collect<W: Width>(&mut self, w: &World<W>) -> Vec<(Side, Vec<u8>)> {
        let (outward, inward) = (w.wan.take_sent(), w.lan.take_sent());
        let sides = [(Side::Outside, outward), (Side::Inside, inward)];
        let frames = sides
            .into_iter()
            .flat_map(|(side, frames)| frames.into_iter().map(move |frame| (side, frame)));
        frames
            .filter(|(side, frame)| as_arp(frame).is_some() || !self.check(*side, frame))
            .collect()
    }

    /// Whether the frame that leaves by `side` carries a packet of these flows, which is as it was
    /// sent then, and later than the one before.
    #[track_caller]
    fn check(&mut self, side: Side, frame: &[u8]) -> bool {
        let (header, seen) = check_frame(frame);
        let outward = side == Side::Outside;
        let (flow, stations) = match (outward, seen.ports) {
            (true, Some((external, 53))) => (
                self.flows.get(&external).copied(),
                (ROUTER_WAN.0, GATEWAY.0),
            ),
            (false, Some((53, port))) => (port.checked_sub(5000), (ROUTER_LAN.0, HOST.0)),
            _ => return false,
        };
        let Some(flow) = flow else { return false };
        assert_eq!((header.source, header.destination), stations);
        let number = u32::from_be_bytes(seen.payload[2..6].try_into().expect("a number"));
        assert_eq!(seen.payload, payload(flow, number), "changed under way");
        let last = self.last.insert((flow, outward), number).unwrap_or(0);
        assert!(number > last, "packet {number} of flow {flow} after {last}");
        self.seen[usize::from(!outward)] += 1;
        true
    }

    /// Packets that have not been seen to leave: outward, inward.
    pub fn missing(&self) -> [u64; 2] {
        [self.sent[0] - self.seen[0], self.sent[1] - self.seen[1]]
    }
}

/// What the packet `number` of `flow` carries: of every length, and different in all.
fn payload(flow: u16, number: u32) -> Vec<u8> {
    let len = 6 + (number as usize * 131 + usize::from(flow) * 17) % 1467;
    let mut payload = [&flow.to_be_bytes()[..], &number.to_be_bytes()].concat();
    payload.extend((payload.len()..len).map(|at| (at as u32 * 7 + number + u32::from(flow)) as u8));
    payload
}

/// The host and the gateway answer, where they are asked for in `frames`.
pub fn neighbours_answer<W: Width>(w: &World<W>, frames: &[(Side, Vec<u8>)]) {
    for (side, frame) in frames {
        let Some(question) = as_arp(frame) else {
            continue;
        };
        let (nic, station, router): (&Nic, _, _) = match side {
            Side::Inside => (&w.lan, HOST, ROUTER_LAN),
            Side::Outside => (&w.wan, GATEWAY, ROUTER_WAN),
        };
        if question.operation == etherparse::ArpOperation::REQUEST
            && question.target_ipv4_addr() == station.1
        {
            nic.arrive(arp_reply(station, router));
        }
    }
}
