//! Any bytes at every entry point: the parsers of the libraries are private, so each is reached through
//! what is public.
//!
//! The first byte of an input chooses the entry point, see [`Entry`], the second has options; the rest goes
//! in.
//!
//! - Nothing panics, whatever the bytes and their length.
//! - What is not forwarded is unchanged. What is forwarded or taken in is a datagram for etherparse
//!   and smoltcp too, so no parser here is more lenient than both; and none is refused for a header
//!   checksum that etherparse finds right.
//! - Link padding behind a datagram changes nothing.
//! - The fragments of anything are no larger than the MTU, and a larger buffer changes nothing of
//!   an answer.

use etherparse::checksum::Sum16BitWords;
use nat_core::{
    DropReason, Fragmenter, Fragments, Instant, MAX_HELD_LEN, Nat, Reply, SessionProtocol, Side,
    Tables, Verdict,
};

use crate::{bytes, frames, packet, reference, word};

#[derive(Clone, Copy)]
enum Entry {
    /// A datagram from inside, from outside, or of the router's own.
    Inside,
    Outside,
    Local,
    /// A packet that an ICMP error from outside quotes, as if it were of a session; options: type
    /// and code of the error.
    Quote,
    /// What follows the fixed header of a TCP SYN from inside.
    Segment,
    /// What follows the fixed IPv4 header of a UDP datagram from inside; options: words of the
    /// header beyond five.
    Header,
    /// A frame from inside, or from outside.
    LanFrame,
    WanFrame,
    /// A datagram to be fragmented: two bytes of MTU, two of an offset to continue from.
    Fragmenter,
    /// A packet that is answered, though another was rejected: two bytes of the buffer's length
    /// first.
    Answer,
}

use Entry::{Answer, Header, Inside, LanFrame, Local, Outside, Quote, Segment, WanFrame};
const ENTRIES: [Entry; 10] = [
    Inside,
    Outside,
    Local,
    Quote,
    Segment,
    Header,
    LanFrame,
    WanFrame,
    Entry::Fragmenter,
    Answer,
];

/// Sends the bytes through their entry point, and returns what became of them.
pub fn run(data: &[u8]) -> Vec<String> {
    let Some((&[entry, options], data)) = data.split_first_chunk::<2>() else {
        return Vec::new();
    };
    // Bit 0 of the options: checksums are made right first.
    let repaired = |mut datagram: Vec<u8>| {
        if options & 1 != 0 {
            bytes::repair(&mut datagram);
        }
        datagram
    };
    match ENTRIES[usize::from(entry) % ENTRIES.len()] {
        Inside => datagram(&repaired(data.to_vec()), Entrance::From(Side::Inside)),
        Outside => datagram(&repaired(data.to_vec()), Entrance::From(Side::Outside)),
        Local => datagram(&repaired(data.to_vec()), Entrance::Local),
        Quote => datagram(
            &repaired(quoting(data, options)),
            Entrance::From(Side::Outside),
        ),
        Segment => datagram(&repaired(syn(data)), Entrance::From(Side::Inside)),
        Header => datagram(
            &repaired(long_header(data, options)),
            Entrance::From(Side::Inside),
        ),
        LanFrame => frames::one(false, data),
        WanFrame => frames::one(true, data),
        Entry::Fragmenter => fragments(data),
        Answer => answer(data),
    }
}

#[derive(Clone, Copy)]
enum Entrance {
    From(Side),
    Local,
}

const HEADER: [u8; 20] = [
    0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 17, 0, 0, 192, 168, 1, 10, 198, 51, 100, 10,
];

/// A datagram with this header and payload, and no other length than it has.
fn ipv4(change: impl FnOnce(&mut [u8; 20]), payload: &[u8]) -> Vec<u8> {
    let mut header = HEADER;
    change(&mut header);
    let payload = &payload[..payload.len().min(60_000)];
    header[2..4].copy_from_slice(&((20 + payload.len()) as u16).to_be_bytes());
    [&header[..], payload].concat()
}

fn quoting(quote: &[u8], options: u8) -> Vec<u8> {
    let kind = [3, 11, 12, 3][usize::from(options >> 1) % 4];
    let code = if options & 6 == 6 { 4 } else { 0 };
    let mut icmp = [&[kind, code, 0, 0, 0, options >> 3, 5, 0], quote].concat();
    write_external_port(&mut icmp[8..]);
    let change = |header: &mut [u8; 20]| {
        header[9] = 1;
        header[12..16].copy_from_slice(&[198, 51, 100, 254]);
        header[16..20].copy_from_slice(&[203, 0, 113, 1]);
    };
    ipv4(change, &icmp)
}

/// Makes the quoted packet one that has left by a session of the primed NAT.
fn write_external_port(quote: &mut [u8]) {
    let (mut tables, mut fragments) = (Tables::new(), Fragments::new());
    let mut nat = packet::nat(&mut tables, &mut fragments, OPTIONS);
    prime(&mut nat);
    let (protocol, index) = match quote.get(9) {
        Some(1) => (SessionProtocol::Icmp, 24),
        Some(6) => (SessionProtocol::Tcp, 20),
        _ => (SessionProtocol::Udp, 20),
    };
    let session = nat.sessions().find(|session| session.protocol == protocol);
    if let (Some(session), Some(field)) = (session, quote.get_mut(index..index + 2)) {
        field.copy_from_slice(&session.external.port().to_be_bytes());
    }
}

fn syn(rest: &[u8]) -> Vec<u8> {
    let words = (rest.len() / 4).min(10) as u8;
    let segment = [
        &[
            0x9c,
            0x40,
            1,
            0xbb,
            0,
            0,
            0x10,
            0,
            0,
            0,
            0,
            0,
            (5 + words) << 4,
            2,
            0xff,
            0xff,
            0,
            0,
            0,
            0,
        ],
        rest,
    ]
    .concat();
    ipv4(|header| header[9] = 6, &segment)
}

fn long_header(rest: &[u8], options: u8) -> Vec<u8> {
    ipv4(|header| header[0] += (options >> 1) % 11, rest)
}

/// A NAT with a UDP session, a TCP session and a ping under way.
fn prime(nat: &mut Nat<'_>) {
    let mut send = |payload: &[u8], protocol: u8| {
        let mut datagram = ipv4(|header| header[9] = protocol, payload);
        bytes::repair(&mut datagram);
        nat.process(&mut datagram, Side::Inside, NOW)
    };
    let opened = [
        send(&[0x13, 0x88, 0, 53, 0, 8, 0, 0], 17),
        send(
            &[
                0x13, 0x88, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0,
            ],
            6,
        ),
        send(&[8, 0, 0, 0, 0, 7, 0, 1], 1),
    ];
    assert!(
        opened
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Forward { .. })),
        "{opened:?}"
    );
}

const NOW: Instant = Instant::from_secs(1000);
/// MSS clamping, and a small MTU outside.
const OPTIONS: u8 = 1 << 5 | 1 << 7;

fn datagram(sent: &[u8], entrance: Entrance) -> Vec<String> {
    let (verdict, buffer) = process(sent, entrance);
    if let Some((_, total)) = bytes::lengths(sent) {
        let padded = [&sent[..total], &[0xee; 7]].concat();
        let (with_padding, other) = process(&padded, entrance);
        assert_eq!(
            word(&verdict),
            word(&with_padding),
            "padding has changed the verdict"
        );
        assert_eq!(
            buffer[..total],
            other[..total],
            "padding has changed the packet"
        );
    }
    match verdict {
        Verdict::Forward { len, .. } | Verdict::Fragment { len, .. } => {
            reference::check_whole(&buffer[..len])
        }
        // What is for the router itself is for its stack to parse.
        Verdict::Local { len, .. } => _ = reference::check_ipv4(&buffer[..len]),
        Verdict::Drop(_) | Verdict::Hold | Verdict::Reject(_) => {
            assert_eq!(sent, buffer, "it was changed")
        }
    }
    if verdict == Verdict::Drop(DropReason::BadHeaderChecksum) {
        // etherparse's sum of a header that it has parsed leaves out the reserved bit.
        let header = &sent[..etherparse::Ipv4HeaderSlice::from_slice(sent)
            .expect("etherparse takes it for IPv4")
            .slice()
            .len()];
        assert_ne!(
            Sum16BitWords::new().add_slice(header).ones_complement(),
            0,
            "its header checksum is right"
        );
    }
    vec![word(&verdict)]
}

/// What a new NAT does with a packet, and what has become of the bytes.
fn process(sent: &[u8], entrance: Entrance) -> (Verdict, Vec<u8>) {
    let (mut tables, mut fragments) = (Tables::new(), Fragments::new());
    let mut nat = packet::nat(&mut tables, &mut fragments, OPTIONS);
    prime(&mut nat);
    let mut buffer = sent.to_vec();
    let verdict = match entrance {
        Entrance::From(side) => nat.process(&mut buffer, side, NOW),
        Entrance::Local => nat.process_local(&mut buffer, NOW),
    };
    let mut waiting = [0; MAX_HELD_LEN];
    assert!(
        nat.release(&mut waiting, NOW).is_none(),
        "nothing has waited"
    );
    (verdict, buffer)
}

fn fragments(data: &[u8]) -> Vec<String> {
    let Some((&[high, low, position_high, position_low], data)) = data.split_first_chunk::<4>()
    else {
        return Vec::new();
    };
    let mtu = u16::from_be_bytes([high, low]);
    let position = usize::from(u16::from_be_bytes([position_high, position_low]));
    let mut fragmenter = Fragmenter::resume(data, mtu, position);
    let (mut buffer, mut count) = (vec![0; usize::from(mtu)], 0);
    while let Some(len) = fragmenter.emit(&mut buffer) {
        assert!(
            len <= usize::from(mtu),
            "a fragment of {len} bytes for an MTU of {mtu}"
        );
        count += 1;
        assert!(count <= 8192, "more fragments than a datagram has words");
    }
    vec![format!("{count} fragments")]
}

/// An answer of the NAT to one packet is written for another, into a buffer of any length.
fn answer(data: &[u8]) -> Vec<String> {
    let Some((&[high, low], data)) = data.split_first_chunk::<2>() else {
        return Vec::new();
    };
    let len = usize::from(u16::from_be_bytes([high, low])) % (2 * Reply::MAX_LEN);
    let (mut tables, mut fragments) = (Tables::new(), Fragments::new());
    let mut nat = packet::nat(&mut tables, &mut fragments, OPTIONS);
    let mut expired = ipv4(|header| header[8] = 1, &[0x13, 0x88, 0, 53, 0, 8, 0, 0]);
    let mut stray = ipv4(
        |header| header[9] = 6,
        &[
            0x13, 0x88, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 16, 4, 0, 0, 0, 0, 0,
        ],
    );
    let mut words = Vec::new();
    for rejected in [&mut expired, &mut stray] {
        bytes::repair(rejected);
        let Verdict::Reject(reply) = nat.process(rejected, Side::Inside, NOW) else {
            panic!("not rejected")
        };
        let (mut buffer, mut whole) = (vec![0; len], [0; Reply::MAX_LEN]);
        let emitted = [reply.emit(data, &mut buffer), reply.emit(data, &mut whole)];
        if let [Some(short), Some(long)] = emitted {
            assert_eq!(
                buffer[..short],
                whole[..long],
                "a larger buffer has changed the answer"
            );
        }
        words.push(if emitted[0].is_some() {
            "answer".to_owned()
        } else {
            "none".to_owned()
        });
    }
    words
}
