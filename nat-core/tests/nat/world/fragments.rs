//! Datagrams in pieces: as a sender cuts them, as a link receives them, and as a receiver joins
//! them again.

use etherparse::{IpNumber, Ipv4Header};

use super::build::{Body, fix_header_checksum};
use super::{Datagram, Packet, field};

/// In the byte of the flags.
const MORE_FRAGMENTS: u8 = 0x20;

/// What the fragments of a datagram have in common.
pub(crate) type Key = ([u8; 4], [u8; 4], u16, IpNumber);

impl Packet {
    pub(crate) fn key(&self) -> Key {
        (
            self.ip.source,
            self.ip.destination,
            self.ip.identification,
            self.ip.protocol,
        )
    }

    /// The offset of the payload in the whole datagram, in bytes.
    pub(crate) fn offset(&self) -> usize {
        usize::from(self.ip.fragment_offset.byte_offset())
    }

    pub(crate) fn is_later_fragment(&self) -> bool {
        self.offset() != 0
    }

    pub(crate) fn is_first_fragment(&self) -> bool {
        self.offset() == 0 && self.ip.more_fragments
    }

    /// RFC 6864: whole, and to stay so.
    pub(crate) fn is_atomic(&self) -> bool {
        self.ip.dont_fragment && !self.is_later_fragment() && !self.is_first_fragment()
    }
}

impl Datagram {
    /// The fragments of this datagram: of `lens` bytes of payload, and the rest. All have the whole
    /// header.
    pub(crate) fn cut(&self, lens: &[usize]) -> Vec<Self> {
        let whole = Packet::parse(&self.bytes());
        let mut rest = &whole.body[..];
        let mut fragments = Vec::new();
        for len in lens.iter().copied().map(Some).chain([None]) {
            let (body, after) = rest.split_at(len.unwrap_or(rest.len()));
            let start = whole.body.len() - rest.len();
            fragments.push(self.clone().fragment(start, len.is_some()).body(body));
            rest = after;
        }
        fragments
    }

    /// The header of a fragment `start` bytes into its datagram, with more to come or not.
    pub(crate) fn fragment(mut self, start: usize, more: bool) -> Self {
        self.ip.fragment_offset = u16::try_from(start / 8)
            .ok()
            .and_then(|words| words.try_into().ok())
            .expect("13 bits");
        self.ip.more_fragments = more;
        self
    }

    /// Bytes behind the IPv4 header, instead of a transport header.
    pub(crate) fn body(mut self, bytes: &[u8]) -> Self {
        self.body = Body::Raw(bytes.to_vec());
        self
    }
}

/// What a receiver makes of `pieces`, in whatever order they came, some perhaps twice. A part of a
/// datagram if the first or the last is missing.
#[track_caller]
pub(crate) fn reassemble(pieces: &[Packet]) -> Packet {
    let mut pieces = pieces.to_vec();
    pieces.sort_by_key(Packet::offset);
    pieces.dedup_by(|again, before| again.bytes() == before.bytes());
    let first = pieces.first().expect("a fragment").clone();
    let mut body = Vec::new();
    for piece in &pieces {
        assert_eq!(
            piece.key(),
            first.key(),
            "fragments of two datagrams: {first:?}\n{piece:?}"
        );
        assert_eq!(
            piece.offset(),
            first.offset() + body.len(),
            "a gap or an overlap before {piece:?}"
        );
        body.extend(&piece.body);
    }
    let mut header = first.bytes()[..first.ip.header_len()].to_vec();
    let more = pieces.iter().all(|piece| piece.ip.more_fragments);
    header[field::FLAGS] = if more {
        header[field::FLAGS] | MORE_FRAGMENTS
    } else {
        header[field::FLAGS] & !MORE_FRAGMENTS
    };
    let total = u16::try_from(header.len() + body.len()).expect("a datagram of 64 KiB at most");
    header[field::TOTAL_LENGTH].copy_from_slice(&total.to_be_bytes());
    fix_header_checksum(&mut header);
    Packet::parse(&[header, body].concat())
}

/// Holds the pieces of `whole` against RFC 791 section 3.2, in the order in which they leave.
#[track_caller]
pub(crate) fn check_fragments(whole: &[u8], pieces: &[Packet], mtu: u16) {
    assert!(pieces.len() > 1, "nothing was cut");
    assert_eq!(
        reassemble(pieces).bytes(),
        whole,
        "the pieces are not the datagram"
    );
    assert!(
        pieces.is_sorted_by_key(Packet::offset),
        "pieces leave in order"
    );
    let options = &whole[20..field::header_len(whole)];
    let (last, others) = pieces.split_last().expect("pieces");
    for (number, piece) in pieces.iter().enumerate() {
        let len = piece.bytes().len();
        assert!(
            len <= usize::from(mtu),
            "a piece of {len} bytes for a link of {mtu}"
        );
        piece.check_header_checksum("a piece");
        assert_eq!(usize::from(piece.ip.total_len), len);
        assert_eq!(
            piece.bytes()[field::FLAGS] & 0xC0,
            0,
            "a piece with reserved bit or DF: {piece:?}"
        );
        let expected = if number == 0 {
            options.to_vec()
        } else {
            copied(options)
        };
        assert_eq!(
            piece.ip.options.as_slice(),
            expected,
            "options of piece {number}"
        );
        assert_eq!(
            (piece.ttl(), piece.bytes()[field::TOS]),
            (whole[field::TTL], whole[field::TOS]),
            "TTL and TOS are the datagram's"
        );
    }
    for piece in others {
        assert!(
            piece.ip.more_fragments,
            "a last fragment before others: {piece:?}"
        );
        assert_eq!(
            piece.body.len() % 8,
            0,
            "a fragment of odd length: {piece:?}"
        );
        assert!(
            piece.bytes().len() + 8 > usize::from(mtu),
            "a piece smaller than need be: {piece:?}"
        );
    }
    let whole = Ipv4Header::from_slice(whole).expect("a header").0;
    assert_eq!(
        last.ip.more_fragments, whole.more_fragments,
        "the last piece is as last as what was cut"
    );
}

/// The options of every fragment but the first: those with the copied flag.
fn copied(options: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut index = 0;
    while index < options.len() && options[index] != 0 {
        let len = if options[index] == 1 {
            1
        } else {
            usize::from(options[index + 1])
        };
        if options[index] & 0x80 != 0 {
            kept.extend(&options[index..index + len]);
        }
        index += len;
    }
    kept.resize(kept.len().next_multiple_of(4), 0);
    kept
}
