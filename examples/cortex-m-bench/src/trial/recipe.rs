//! A packet as a list of choices, so that a search can vary it, and so that it means the same when
//! the engine draws other ports.

use core::net::Ipv4Addr;

use nat_core::Side;

use crate::packets::{EXTERNAL, GATEWAY, MAX_LEN, ROUTER};

/// The number of choices.
pub const CHOICES: usize = 24;
/// The choice of the fragment fields: the first two are of a whole datagram.
const FRAGMENT: usize = 12;
/// The longest list of options, of an IPv4 or of a TCP header.
const MAX_OPTIONS: usize = 40;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SERVER: [u8; 4] = [203, 0, 113, 1];
const SERVICE: u16 = 443;

/// The choices: each number is taken modulo what there is to choose from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Recipe(pub [u8; CHOICES]);

/// What a packet can refer to: the external port of a session by its number.
pub trait Sessions {
    /// How many there are, at least one.
    fn count(&self) -> usize;
    /// The inside endpoint of a session.
    fn inside(&self, number: usize) -> ([u8; 4], u16);
    /// Its external port.
    fn external_port(&self, number: usize) -> u16;
}

/// A packet that a recipe has made, and how it is passed to the engine.
pub struct Made {
    pub len: usize,
    /// Whether it begins at an odd address.
    pub odd: bool,
    /// The milliseconds since the packet before.
    pub pause: u64,
}

#[derive(Clone, Copy)]
struct Ends {
    source: ([u8; 4], u16),
    destination: ([u8; 4], u16),
}

impl Recipe {
    /// The same packet, which is no fragment.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.0[FRAGMENT] %= 2;
        self
    }

    fn choice<T: Copy>(&self, number: usize, choices: &[T]) -> T {
        choices[usize::from(self.0[number]) % choices.len()]
    }

    /// The number of a session, of those that there are.
    fn session(&self, choices: [usize; 2], sessions: &impl Sessions) -> usize {
        let [high, low] = choices.map(|choice| usize::from(self.0[choice]));
        (high * 256 + low) % sessions.count()
    }

    /// Writes the packet to the start of `buffer`, which has room for the longest one.
    pub fn write(&self, buffer: &mut [u8], from: Side, sessions: &impl Sessions) -> Made {
        let ends = self.ends(from, sessions);
        let protocol = self.choice(2, &[UDP, UDP, TCP, TCP, ICMP, ICMP, ICMP, 47]);
        let shape = Shape {
            options: self.choice(10, &[0, 0, 0, 1, 2, 3, 4, 5]),
            fragment: self.choice(
                FRAGMENT,
                &[0x4000, 0, 0, 0x2000, 0x2000 | 3, 185, 0x2000 | 185, 3],
            ),
            ttl: self.choice(8, &[64, 64, 64, 2, 1, 0]),
            identification: self.choice(13, &[0, 1, 2, 3]) * u16::from(self.0[13] | 1),
        };
        let begin = header(buffer, protocol, shape, &ends);
        let end = match protocol {
            TCP => begin + self.tcp(&mut buffer[begin..], &ends),
            UDP => begin + 8,
            ICMP => begin + self.icmp(&mut buffer[begin..], from, &ends, sessions),
            _ => begin,
        };
        let wanted = self.choice(9, &[0, 0, 46, 100, 577, MAX_LEN - 1, MAX_LEN, MAX_LEN]);
        let len = end.max(wanted);
        buffer[end..len].fill(7);
        if protocol == UDP {
            buffer[begin..begin + 2].copy_from_slice(&ends.source.1.to_be_bytes());
            buffer[begin + 2..begin + 4].copy_from_slice(&ends.destination.1.to_be_bytes());
            buffer[begin + 4..begin + 6].copy_from_slice(&((len - begin) as u16).to_be_bytes());
            buffer[begin + 6..begin + 8].fill(0);
        }
        self.sum_up(&mut buffer[..len], begin);
        Made {
            len,
            odd: self.0[22] % 4 == 1,
            pause: self.choice(23, &[0, 1, 1, 100]),
        }
    }

    fn ends(&self, from: Side, sessions: &impl Sessions) -> Ends {
        let session = self.session([5, 6], sessions);
        let other = [203, 0, self.0[6] % 4, self.0[5]];
        let (inside, external) = (sessions.inside(session), sessions.external_port(session));
        let ports = [
            SERVICE,
            53,
            67,
            0,
            u16::from_be_bytes([self.0[3], self.0[7]]),
        ];
        let nat = EXTERNAL.octets();
        let further = [nat[0], nat[1], nat[2], nat[3] + self.0[1] % 8];
        let hosts = [
            inside.0,
            inside.0,
            inside.0,
            [10, 0, 0, self.0[5]],
            ROUTER.octets(),
        ];
        match from {
            Side::Outside => Ends {
                source: (
                    self.choice(
                        0,
                        &[
                            SERVER,
                            SERVER,
                            other,
                            GATEWAY.octets(),
                            nat,
                            inside.0,
                            [0; 4],
                        ],
                    ),
                    self.choice(3, &ports),
                ),
                destination: (
                    self.choice(
                        1,
                        &[nat, nat, nat, further, inside.0, ROUTER.octets(), [255; 4]],
                    ),
                    self.choice(
                        4,
                        &[external, external, external, u16::from(self.0[6]), 8080, 68],
                    ),
                ),
            },
            Side::Inside => Ends {
                source: (
                    self.choice(0, &hosts),
                    self.choice(3, &[inside.1, inside.1, 53, 20_000 + ports[4] % 999]),
                ),
                destination: (
                    self.choice(
                        1,
                        &[
                            SERVER,
                            SERVER,
                            other,
                            nat,
                            further,
                            inside.0,
                            ROUTER.octets(),
                            [10, 0, 0, 255],
                        ],
                    ),
                    self.choice(
                        4,
                        &[SERVICE, SERVICE, 53, external, 8080, u16::from(self.0[6])],
                    ),
                ),
            },
        }
    }

    /// Writes a TCP header, and returns its length.
    fn tcp(&self, buffer: &mut [u8], ends: &Ends) -> usize {
        let options: &[u8] = self.choice(
            11,
            &[
                &[],
                &[],
                &[2, 4, 5, 180],
                &[1; MAX_OPTIONS],
                &MANY_OPTIONS,
                &[2, 0, 0, 0],
            ],
        );
        let (own, other) = (1_000_000_u32, 7_000_000_u32);
        let sequence = self.choice(21, &[own, own + 1, other, other + 1, own + 9999, u32::MAX]);
        let acknowledgment = self.choice(21, &[0, other + 1, own + 1, own, 5]);
        buffer[..2].copy_from_slice(&ends.source.1.to_be_bytes());
        buffer[2..4].copy_from_slice(&ends.destination.1.to_be_bytes());
        buffer[4..8].copy_from_slice(&sequence.to_be_bytes());
        buffer[8..12].copy_from_slice(&acknowledgment.to_be_bytes());
        buffer[12] = ((20 + options.len()) / 4 << 4) as u8;
        buffer[13] = self.choice(7, &[2, 2, 0x12, 0x10, 0x18, 0x11, 4, 0x14, 0, 3, 0x3f]);
        buffer[14..20].copy_from_slice(&[0xff, 0xff, 0, 0, 0, 0]);
        buffer[20..20 + options.len()].copy_from_slice(options);
        20 + options.len()
    }

    /// Writes an ICMP message: a query, a reply or an error about a packet. Returns its length.
    fn icmp(&self, buffer: &mut [u8], from: Side, ends: &Ends, sessions: &impl Sessions) -> usize {
        let kinds = [
            (8, 0),
            (0, 0),
            (3, 1),
            (3, 3),
            (3, 4),
            (11, 0),
            (12, 0),
            (5, 0),
            (13, 0),
        ];
        let (kind, code) = self.choice(15, &kinds);
        buffer[..8].copy_from_slice(&[kind, code, 0, 0, 0, 0, 5, 0]);
        if matches!(kind, 0 | 8 | 13) {
            let identifier = if from == Side::Outside {
                ends.destination.1
            } else {
                ends.source.1
            };
            buffer[4..6].copy_from_slice(&identifier.to_be_bytes());
            return 8;
        }
        8 + self.quote(&mut buffer[8..], from, sessions)
    }

    /// Writes the packet that an error is about, and returns its length.
    fn quote(&self, buffer: &mut [u8], from: Side, sessions: &impl Sessions) -> usize {
        let session = self.session([18, 19], sessions);
        let (inside, port) = (sessions.inside(session), sessions.external_port(session));
        let (server, nat) = ((SERVER, SERVICE), (EXTERNAL.octets(), port));
        let further = (EXTERNAL.octets(), 1 + u16::from(self.0[19]));
        let sent = match from {
            Side::Outside => [
                (nat, server),
                (nat, server),
                (nat, nat),
                (further, server),
                (server, nat),
            ],
            Side::Inside => [
                (server, inside),
                (server, inside),
                (nat, inside),
                (further, inside),
                (inside, server),
            ],
        };
        let (source, destination) = self.choice(17, &sent);
        let ends = Ends {
            source,
            destination,
        };
        let protocol = self.choice(16, &[UDP, TCP, ICMP, 47]);
        let shape = Shape {
            options: self.choice(14, &[0, 0, 1, 2, 3, 4, 5]),
            fragment: self.choice(20, &[0x4000, 0x4000, 0, 0x2000, 185]),
            ttl: 1,
            identification: u16::from(self.0[13]),
        };
        let begin = header(buffer, protocol, shape, &ends);
        let transport = match protocol {
            TCP => self.tcp(&mut buffer[begin..], &ends),
            UDP | ICMP => {
                buffer[begin..begin + 8].copy_from_slice(&[0, 0, 0, 0, 0, 8, 0x12, 0x34]);
                buffer[begin..begin + 2].copy_from_slice(&ends.source.1.to_be_bytes());
                buffer[begin + 2..begin + 4].copy_from_slice(&ends.destination.1.to_be_bytes());
                if protocol == ICMP {
                    buffer[begin..begin + 4].copy_from_slice(&[8, 0, 0x12, 0x34]);
                    buffer[begin + 4..begin + 6].copy_from_slice(&ends.source.1.to_be_bytes());
                }
                8
            }
            _ => 8,
        };
        let len = begin + self.choice(11, &[8, 8, transport, transport.min(20), 4]);
        let whole = [len, 576, 1400][usize::from(self.0[20]) / 8 % 3].max(begin + transport);
        buffer[2..4].copy_from_slice(&(whole as u16).to_be_bytes());
        buffer[10..12].fill(0);
        let checksum = !sum(&buffer[..begin], 0);
        buffer[10..12].copy_from_slice(&checksum.to_be_bytes());
        len
    }

    /// Writes the lengths and the checksums, of which the transport's may be wrong or absent.
    fn sum_up(&self, packet: &mut [u8], begin: usize) {
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet[10..12].fill(0);
        let checksum = !sum(&packet[..begin], 0);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        let (protocol, begins) = (
            packet[9],
            u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff == 0,
        );
        let place = match protocol {
            ICMP => 2,
            TCP => 16,
            UDP => 6,
            _ => return,
        };
        if !begins || begin + place + 2 > packet.len() || self.0[14] >= 240 {
            return;
        }
        let pseudo = if protocol == ICMP {
            0
        } else {
            u32::from(sum(&packet[12..20], 0)) + u32::from(protocol) + (packet.len() - begin) as u32
        };
        packet[begin + place..begin + place + 2].fill(0);
        let checksum = !sum(&packet[begin..], pseudo);
        packet[begin + place..begin + place + 2].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// No option ends early: MSS, window scale, timestamps, SACK permitted, two SACK blocks.
const MANY_OPTIONS: [u8; 36] = [
    3, 3, 7, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1, 4, 2, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0,
    0, 4, 2, 4, 5,
];

struct Shape {
    options: u8,
    fragment: u16,
    ttl: u8,
    identification: u16,
}

/// Writes an IPv4 header without its total length and checksum, and returns its length.
fn header(buffer: &mut [u8], protocol: u8, shape: Shape, ends: &Ends) -> usize {
    let options: &[u8] = match shape.options {
        0 => &[],
        // No operation, ten words of them; record route, the longest; timestamp; router alert.
        1 => &[1; 4],
        2 => &[1; MAX_OPTIONS],
        3 => &[
            7, 39, 4, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        4 => &[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        // Behind many others, a source route.
        _ => &[
            1, 1, 1, 1, 148, 4, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 131, 7, 4, 10, 0, 0, 2, 0,
        ],
    };
    let len = 20 + options.len();
    buffer[..12].fill(0);
    buffer[0] = 0x40 | (len / 4) as u8;
    buffer[4..6].copy_from_slice(&shape.identification.to_be_bytes());
    buffer[6..8].copy_from_slice(&shape.fragment.to_be_bytes());
    buffer[8] = shape.ttl;
    buffer[9] = protocol;
    buffer[12..16].copy_from_slice(&ends.source.0);
    buffer[16..20].copy_from_slice(&ends.destination.0);
    buffer[20..len].copy_from_slice(options);
    len
}

/// The one's complement sum of `bytes` and `initial`, folded to 16 bits.
fn sum(bytes: &[u8], initial: u32) -> u16 {
    let mut sum = initial;
    let (pairs, rest) = bytes.as_chunks::<2>();
    for pair in pairs {
        sum += u32::from(u16::from_be_bytes(*pair));
    }
    if let [last] = rest {
        sum += u32::from(*last) << 8;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The address of an inside host by its number.
pub fn host(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, (number % 8) as u8 + 2)
}
