//! What happens to the router, and the frames of it.

use core::net::Ipv4Addr;

use arbitrary::Arbitrary;
use embassy_net_driver::{HardwareAddress, LinkState};
use etherparse::{ArpOperation, EtherType, PacketBuilder};
use nat_core::Side;
use nat_embassy::{MAX_FRAME_LEN, Outside};

use super::oracle::Oracle;
use super::stations::{LAN, OTHER_ADDRESS, PORTS, WAN};
use super::world::frames::{BROADCAST, Mac, Station, Udp, arp, ethernet};
use super::world::nic::Nic;
use super::world::{GATEWAY, HOST, OUTSIDE, ROUTER_LAN, ROUTER_WAN, World, cidr};

#[derive(Arbitrary, Clone, Debug)]
pub(super) enum Step {
    /// A frame arrives inside, or outside.
    Arrive {
        wan: bool,
        frame: Frame,
    },
    /// The answer to what was sent outside lately, from the gateway.
    Answer {
        index: u8,
        corruption: Corruption,
    },
    /// An ICMP error about it.
    Error {
        index: u8,
        kind: u8,
        corruption: Corruption,
    },
    /// One of the router's own stacks sends.
    Stack {
        wan: bool,
        frame: Frame,
    },
    /// One of them takes what waits for it.
    Take {
        wan: bool,
    },
    Room {
        wan: bool,
        frames: u8,
    },
    Link {
        wan: bool,
        up: bool,
    },
    Outside {
        choice: u8,
    },
    Pass {
        millis: u16,
    },
}

#[derive(Arbitrary, Clone, Debug)]
pub(super) struct Frame {
    /// Whether the link header is to all.
    broadcast: bool,
    from: u8,
    to: u8,
    body: Body,
    corruption: Corruption,
}

#[derive(Arbitrary, Clone, Debug)]
enum Body {
    Udp {
        port: u8,
        to_port: u8,
        len: u16,
        ttl: u8,
    },
    Tcp {
        port: u8,
        to_port: u8,
        flags: u8,
        seq: u32,
    },
    Echo {
        reply: bool,
        len: u8,
    },
    Arp {
        reply: bool,
    },
    Bytes {
        ethertype: u16,
        bytes: Vec<u8>,
    },
}

/// Bytes of a frame that are overwritten, and another length.
#[derive(Arbitrary, Clone, Debug)]
pub(super) struct Corruption {
    bytes: Option<[(u8, u8); 2]>,
    len: Option<u16>,
}

pub(super) fn perform(step: &Step, world: &mut World, oracle: &mut Oracle) {
    let nic = |world: &World, wan: bool| {
        if wan {
            world.wan.clone()
        } else {
            world.lan.clone()
        }
    };
    match step {
        Step::Arrive { wan, frame } => {
            let bytes = frame.build(*wan, false);
            arrive(&nic(world, *wan), &bytes, &frame.corruption, oracle);
        }
        Step::Answer { index, corruption } => {
            if let Some(answer) = oracle
                .left(*index)
                .map(|packet| crate::bytes::answer(packet, &[]))
            {
                arrive(&world.wan, &to_router(answer), corruption, oracle);
            }
        }
        Step::Error {
            index,
            kind,
            corruption,
        } => {
            let kinds = [(3, 3), (3, 4), (11, 0), (12, 0)];
            let (kind, code) = kinds[usize::from(*kind) % kinds.len()];
            if let Some(error) = oracle
                .left(*index)
                .map(|packet| crate::bytes::error(packet, &[20, kind, 21, code]))
            {
                arrive(&world.wan, &to_router(error), corruption, oracle);
            }
        }
        Step::Stack { wan, frame } => {
            // A stack knows its own station, so no byte of the link header is corrupted.
            let whole = frame.build(*wan, true);
            let body = frame.corruption.apply(whole[14..].to_vec());
            let bytes = strip(&nic(world, *wan), [&whole[..14], &body].concat());
            let device = if *wan {
                &mut world.wan_stack
            } else {
                &mut world.lan_stack
            };
            if (1..=MAX_FRAME_LEN
                .min(embassy_net_driver::Driver::capabilities(device).max_transmission_unit))
                .contains(&bytes.len())
            {
                oracle.note(&bytes);
                World::stack_sends(device, &bytes);
                if !wan {
                    oracle.own.push((Side::Inside, bytes));
                } else if bytes.get(12..14) == Some(&[8, 6]) {
                    oracle.own.push((Side::Outside, bytes));
                }
            }
        }
        Step::Take { wan } => {
            World::stack_receives(if *wan {
                &mut world.wan_stack
            } else {
                &mut world.lan_stack
            });
        }
        Step::Room { wan, frames } => nic(world, *wan).make_room(usize::from(frames % 4)),
        Step::Link { wan, up } => {
            nic(world, *wan).set_link(if *up { LinkState::Up } else { LinkState::Down })
        }
        Step::Outside { choice } => {
            let other = Outside {
                address: cidr(OTHER_ADDRESS),
                ..OUTSIDE
            };
            let alone = Outside {
                gateway: None,
                ..OUTSIDE
            };
            world.control.set_outside(
                [Some(OUTSIDE), Some(other), Some(alone), None][usize::from(choice % 4)],
            );
        }
        Step::Pass { millis } => world.advance(u64::from(*millis)),
    }
}

fn arrive(nic: &Nic, bytes: &[u8], corruption: &Corruption, oracle: &mut Oracle) {
    let frame = corruption.apply(strip(nic, bytes.to_vec()));
    oracle.note(&frame);
    nic.arrive(frame);
}

/// Drivers of bare IP have no link header.
fn strip(nic: &Nic, frame: Vec<u8>) -> Vec<u8> {
    let bare = nic.script(|script| script.address == HardwareAddress::Ip);
    if bare { frame[14..].to_vec() } else { frame }
}

fn to_router(mut datagram: Vec<u8>) -> Vec<u8> {
    crate::bytes::repair(&mut datagram);
    ethernet(ROUTER_WAN.0, GATEWAY.0, EtherType::IPV4, &datagram)
}

impl Frame {
    /// The frame with its link header. The router's own stacks send as the router.
    fn build(&self, wan: bool, own: bool) -> Vec<u8> {
        let (near, far) = if wan { (WAN, LAN) } else { (LAN, WAN) };
        let router = if wan { ROUTER_WAN } else { ROUTER_LAN };
        let sender = if own {
            router
        } else {
            near[usize::from(self.from) % 4]
        };
        let all: Vec<Station> = [far, near].concat();
        let target = match usize::from(self.to) {
            255 => (BROADCAST, Ipv4Addr::BROADCAST),
            number => all[number % all.len()],
        };
        let station: Mac = match (self.broadcast, own, wan) {
            (true, ..) => BROADCAST,
            (_, true, true) => GATEWAY.0,
            (_, true, false) => HOST.0,
            _ => router.0,
        };
        let (ethertype, body) = self.body.build(sender, target);
        ethernet(station, sender.0, ethertype, &body)
    }
}

impl Body {
    fn build(&self, sender: Station, target: Station) -> (EtherType, Vec<u8>) {
        let port = |number: u8| PORTS[usize::from(number) % PORTS.len()];
        let ip = |ttl| PacketBuilder::ipv4(sender.1.octets(), target.1.octets(), ttl);
        let mut bytes = Vec::new();
        match *self {
            Self::Udp {
                port: from,
                to_port,
                len,
                ttl,
            } if ttl >= 250 => {
                let payload = vec![0x5a; usize::from(len % 1472)];
                let (src, dst) = (sender.1, target.1);
                bytes = Udp {
                    src,
                    src_port: port(from),
                    dst,
                    dst_port: port(to_port),
                    payload,
                }
                .build();
            }
            Self::Udp {
                port: from,
                to_port,
                len,
                ttl,
            } => {
                let builder = ip(ttl).udp(port(from), port(to_port));
                builder
                    .write(&mut bytes, &vec![0x5a; usize::from(len % 1472)])
                    .expect("a datagram that fits");
                // So it may be cut.
                bytes[6] &= !0x40;
                crate::bytes::repair(&mut bytes);
            }
            Self::Tcp {
                port: from,
                to_port,
                flags,
                seq,
            } => {
                let mut builder = ip(64).tcp(port(from), port(to_port), seq, 1024);
                builder = if flags & 1 != 0 {
                    builder.fin()
                } else {
                    builder
                };
                builder = if flags & 2 != 0 {
                    builder.syn()
                } else {
                    builder
                };
                builder = if flags & 4 != 0 {
                    builder.rst()
                } else {
                    builder
                };
                builder = if flags & 16 != 0 {
                    builder.ack(1)
                } else {
                    builder
                };
                builder.write(&mut bytes, &[]).expect("a segment that fits");
            }
            Self::Echo { reply, len } => {
                let payload = vec![0x5a; usize::from(len)];
                let builder = if reply {
                    ip(64).icmpv4_echo_reply(7, 1)
                } else {
                    ip(64).icmpv4_echo_request(7, 1)
                };
                builder
                    .write(&mut bytes, &payload)
                    .expect("a message that fits");
            }
            Self::Arp { reply } => {
                let operation = if reply {
                    ArpOperation::REPLY
                } else {
                    ArpOperation::REQUEST
                };
                let asked = if reply { target } else { ([0; 6], target.1) };
                return (EtherType::ARP, arp(operation, sender, asked));
            }
            Self::Bytes {
                ethertype,
                ref bytes,
            } => return (EtherType(ethertype), bytes.clone()),
        }
        (EtherType::IPV4, bytes)
    }
}

impl Corruption {
    fn apply(&self, mut frame: Vec<u8>) -> Vec<u8> {
        for (index, value) in self.bytes.into_iter().flatten() {
            if let Some(byte) = frame.get_mut(usize::from(index)) {
                *byte = value;
            }
        }
        if let Some(len) = self.len {
            frame.resize(usize::from(len % 1600), 0x5a);
        }
        frame
    }
}
