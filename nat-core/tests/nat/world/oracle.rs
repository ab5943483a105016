//! What every packet that leaves must satisfy, read with etherparse and summed from scratch.

use core::fmt;
use core::net::{Ipv4Addr, SocketAddrV4};

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, Ipv4Header, TcpHeader, TcpSlice};
use nat_core::{Config, Reply, Side};

use super::{RST, SYN, field};

const QUERIES: [u8; 2] = [8, 13];
const QUERY_REPLIES: [u8; 2] = [0, 14];
const ERRORS: [u8; 5] = [3, 4, 5, 11, 12];

/// An IPv4 datagram, link padding cut off.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Packet {
    pub(crate) ip: Ipv4Header,
    /// The header's bytes: etherparse drops the reserved bit.
    header: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// The packet that an ICMP error quotes: a header and as much of the body as there is.
pub(crate) type Quote = Packet;

impl Packet {
    #[track_caller]
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let packet = Self::parse_quote(bytes);
        let total = usize::from(packet.ip.total_len);
        assert!(
            total <= bytes.len(),
            "{total} bytes of a datagram in {} bytes",
            bytes.len()
        );
        let body = packet.body[..total - packet.ip.header_len()].to_vec();
        Self { body, ..packet }
    }

    #[track_caller]
    fn parse_quote(bytes: &[u8]) -> Self {
        let (ip, body) = Ipv4Header::from_slice(bytes).expect("an IPv4 header");
        let header = bytes[..bytes.len() - body.len()].to_vec();
        Self {
            ip,
            header,
            body: body.to_vec(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.header[..], &self.body].concat()
    }

    pub(crate) fn ttl(&self) -> u8 {
        self.ip.time_to_live
    }

    pub(crate) fn source(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip.source.into(), self.ports().0)
    }

    pub(crate) fn destination(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip.destination.into(), self.ports().1)
    }

    /// What follows the transport header; for ICMP what follows its first eight bytes.
    #[track_caller]
    pub(crate) fn payload(&self) -> &[u8] {
        if self.is(IpNumber::TCP) {
            &self.body[self.tcp().header_len()..]
        } else {
            &self.body[field::ICMP_QUOTE]
        }
    }

    #[track_caller]
    pub(crate) fn tcp(&self) -> TcpHeader {
        assert!(self.is(IpNumber::TCP), "not TCP: {self:?}");
        TcpHeader::from_slice(&self.body).expect("a TCP header").0
    }

    /// The flags as the byte that builders take.
    #[track_caller]
    pub(crate) fn tcp_flags(&self) -> u8 {
        assert!(self.is(IpNumber::TCP), "not TCP: {self:?}");
        self.body[13]
    }

    /// Type and code of an ICMP message.
    #[track_caller]
    pub(crate) fn icmp_type(&self) -> (u8, u8) {
        assert!(self.is(IpNumber::ICMP), "not ICMP: {self:?}");
        (self.body[0], self.body[1])
    }

    /// Bytes 4 to 7 of an ICMP message.
    #[track_caller]
    pub(crate) fn icmp_rest(&self) -> [u8; 4] {
        assert!(self.is(IpNumber::ICMP), "not ICMP: {self:?}");
        self.body[field::ICMP_REST].try_into().expect("four bytes")
    }

    #[track_caller]
    pub(crate) fn query_id(&self) -> u16 {
        let [high, low, ..] = self.icmp_rest();
        u16::from_be_bytes([high, low])
    }

    /// The transport checksum in the packet.
    #[track_caller]
    pub(crate) fn checksum(&self) -> u16 {
        let index = match self.ip.protocol {
            IpNumber::ICMP => 2,
            IpNumber::TCP => 16,
            IpNumber::UDP => 6,
            other => panic!("no checksum in {other:?}"),
        };
        word(&self.body, index)
    }

    #[track_caller]
    pub(crate) fn quote(&self) -> Self {
        Self::parse_quote(&self.body[8..self.quote_end()])
    }

    /// What follows the quote of an ICMP error.
    fn extensions(&self) -> &[u8] {
        &self.body[self.quote_end()..]
    }

    /// RFC 4884 section 4.5: where the quote of an ICMP error ends, in words, if extensions follow:
    /// a structure of version 2, behind at least the headers that every quote has.
    #[track_caller]
    fn quote_end(&self) -> usize {
        assert!(self.is_icmp_error(), "not an ICMP error: {self:?}");
        let words = usize::from(self.body[5]);
        let end = 8 + words * 4;
        let headers = self
            .body
            .get(8)
            .map_or(20, |first| usize::from(first & 15).max(5) * 4)
            + 8;
        let extended = words * 4 >= headers && self.body.get(end) == Some(&0x20);
        if extended { end } else { self.body.len() }
    }

    fn is(&self, protocol: IpNumber) -> bool {
        self.ip.protocol == protocol
    }

    fn is_icmp_error(&self) -> bool {
        self.is(IpNumber::ICMP) && !self.is_later_fragment() && ERRORS.contains(&self.body[0])
    }

    /// Source and destination port; the identifier of an ICMP query is on the side of the one that
    /// asked. Zeros for what has none, such as later fragments.
    fn ports(&self) -> (u16, u16) {
        match self.ip.protocol {
            _ if self.is_later_fragment() => (0, 0),
            IpNumber::TCP | IpNumber::UDP => (word(&self.body, 0), word(&self.body, 2)),
            IpNumber::ICMP if QUERIES.contains(&self.body[0]) => (word(&self.body, 4), 0),
            IpNumber::ICMP if QUERY_REPLIES.contains(&self.body[0]) => (0, word(&self.body, 4)),
            _ => (0, 0),
        }
    }

    /// The bytes of the body that translation may change: ports or identifier, and the checksum.
    fn translated_fields(&self) -> &'static [(usize, usize)] {
        match self.ip.protocol {
            _ if self.is_later_fragment() => &[],
            IpNumber::TCP => &[(0, 4), (16, 18)],
            IpNumber::UDP => &[(0, 4), (6, 8)],
            IpNumber::ICMP if self.is_icmp_error() => &[(2, 4), (8, usize::MAX)],
            IpNumber::ICMP => &[(2, 6)],
            _ => &[],
        }
    }

    /// The body with all that translation may change set to zero.
    fn untranslated_part(&self) -> Vec<u8> {
        let mut body = self.body.clone();
        for &(start, end) in self.translated_fields() {
            let end = end.min(body.len());
            if start < end {
                body[start..end].fill(0);
            }
        }
        body
    }

    /// Whether the transport checksum of a whole datagram is right.
    pub(crate) fn is_intact(&self) -> bool {
        self.checksum_error() == ChecksumError::None
    }

    /// How far the transport checksum is from a right one; of a first fragment, how far that of
    /// what is there.
    fn checksum_error(&self) -> ChecksumError {
        let mut sum = Sum16BitWords::new();
        let index = match self.ip.protocol {
            IpNumber::ICMP => 2,
            IpNumber::TCP => 16,
            IpNumber::UDP => 6,
            _ => return ChecksumError::NoChecksum,
        };
        if self.is_later_fragment()
            || self.body.len() < index + 2
            || (self.is(IpNumber::UDP) && word(&self.body, index) == 0)
        {
            return ChecksumError::NoChecksum;
        }
        let mut summed = &self.body[..];
        if self.is(IpNumber::UDP) {
            let declared = word(&self.body, 4);
            summed = &summed[..usize::from(declared).min(summed.len())];
            sum = sum.add_2bytes(declared.to_be_bytes());
        }
        if self.is(IpNumber::TCP) {
            // The segment's own length, also where only its start is quoted.
            let length = usize::from(self.ip.total_len).saturating_sub(self.ip.header_len());
            sum = sum.add_2bytes((length as u16).to_be_bytes());
        }
        if !self.is(IpNumber::ICMP) {
            sum = sum
                .add_4bytes(self.ip.source)
                .add_4bytes(self.ip.destination);
            sum = sum.add_2bytes([0, self.ip.protocol.0]);
        }
        match sum.add_slice(summed).ones_complement() {
            0 => ChecksumError::None,
            error => ChecksumError::By(error.to_be()),
        }
    }

    #[track_caller]
    pub(crate) fn check_header_checksum(&self, what: &str) {
        let sum = Sum16BitWords::new()
            .add_slice(&self.header)
            .ones_complement();
        assert_eq!(sum, 0, "IPv4 header checksum of {what}: {self:?}");
    }

    fn with_id(&self, id: u16) -> Self {
        let mut packet = self.clone();
        packet.header[field::IDENTIFICATION].copy_from_slice(&id.to_be_bytes());
        packet
    }

    /// The header with all that translation and forwarding may change set to zero.
    fn untranslated_header(&self) -> Vec<u8> {
        let mut header = self.header.clone();
        header[field::TTL] = 0;
        header[field::CHECKSUM_AND_ADDRESSES].fill(0);
        header
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} -> {} {:?} ttl {}:",
            self.source(),
            self.destination(),
            self.ip.protocol,
            self.ttl()
        )?;
        self.bytes()
            .iter()
            .try_for_each(|byte| write!(f, " {byte:02x}"))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ChecksumError {
    None,
    By(u16),
    NoChecksum,
}

/// The way of a forwarded packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Path {
    Out,
    In,
    /// From inside to an external address, and so back inside.
    Hairpin,
    FromRouter,
}

/// Holds a forwarded packet against what came in: nothing but what must change has changed, and no
/// inside address leaves.
#[track_caller]
pub(crate) fn check_forwarded(sent: &[u8], out: &[u8], path: Path, config: &Config) {
    let (before, after) = (Packet::parse(sent), Packet::parse(out));
    assert_eq!(
        out.len(),
        usize::from(after.ip.total_len),
        "the verdict's length is the datagram's"
    );
    after.check_header_checksum("the packet");
    if !(path == Path::FromRouter && before.ttl() == after.ttl()) {
        assert_eq!(after.ttl(), before.ttl() - 1, "TTL");
    }
    // RFC 6864: what is not atomic gets an identification of the external address, and nothing else
    // gets another.
    let untranslated = path == Path::Out && is_untranslated(&before, &after, config);
    let renumbered = path != Path::In && !before.is_atomic() && !untranslated;
    check_same_header(
        &before,
        &if renumbered {
            after.with_id(before.ip.identification)
        } else {
            after.clone()
        },
    );
    check_addresses(&before, &after, path, config);
    if untranslated {
        assert_eq!(
            (before.source(), &before.body),
            (after.source(), &after.body),
            "nothing of it is translated"
        );
    }
    let segment = before.is(IpNumber::TCP) && !before.is_later_fragment();
    let clamped = config.mss_clamp && segment && before.tcp_flags() & SYN != 0;
    if !clamped {
        assert_eq!(
            before.untranslated_part(),
            after.untranslated_part(),
            "bytes that translation has no business with"
        );
    }
    check_same_checksum_error(&before, &after);
    if before.is_icmp_error() && !untranslated {
        check_quote(&before.quote(), &after.quote(), path, config);
        assert_eq!(
            before.extensions(),
            after.extensions(),
            "extensions of an error"
        );
    }
}

/// Whether a packet goes to a destination that is reached without translation (RFC 6888 REQ-6); an
/// error, about a packet from there. A later fragment does not show its ports, so its source
/// decides.
fn is_untranslated(before: &Packet, after: &Packet, config: &Config) -> bool {
    let quote = before.is_icmp_error().then(|| before.quote());
    let (remote, protocol) = match &quote {
        Some(quote) => (quote.source(), quote.ip.protocol),
        None => (before.destination(), before.ip.protocol),
    };
    let has_ports = matches!(protocol, IpNumber::TCP | IpNumber::UDP);
    config
        .untranslated
        .iter()
        .filter(|entry| entry.network.contains(*remote.ip()))
        .any(|entry| match entry.ports {
            None => true,
            Some(_) if before.is_later_fragment() => before.source() == after.source(),
            Some(ports) => has_ports && ports.contains(remote.port()),
        })
}

/// Holds a packet for the router's own stacks, translated back or untouched, against what came in.
#[track_caller]
pub(crate) fn check_local(sent: &[u8], out: &[u8]) {
    let (before, after) = (Packet::parse(sent), Packet::parse(out));
    assert_eq!(
        out.len(),
        usize::from(after.ip.total_len),
        "the verdict's length is the datagram's"
    );
    after.check_header_checksum("the packet");
    check_same_header(&before, &after);
    assert_eq!(
        before.untranslated_part(),
        after.untranslated_part(),
        "bytes that translation has no business with"
    );
    check_same_checksum_error(&before, &after);
}

/// All fields of the header but TTL, addresses and checksum are the same.
#[track_caller]
fn check_same_header(before: &Packet, after: &Packet) {
    let (before, after) = (before.untranslated_header(), after.untranslated_header());
    assert_eq!(
        before, after,
        "header fields that translation has no business with"
    );
}

#[track_caller]
fn check_addresses(before: &Packet, after: &Packet, path: Path, config: &Config) {
    let (source, destination) = (after.source(), after.destination());
    if path == Path::In {
        assert_eq!(before.source(), source, "the remote endpoint stays");
        let known = config
            .external_addresses
            .contains(before.destination().ip());
        assert!(
            known || before.destination() == destination,
            "to an inside address, and translated: {after:?}"
        );
    } else if path == Path::Out && is_untranslated(before, after, config) {
        assert!(
            config.inside.contains(*source.ip()),
            "{source} is not an inside host: {after:?}"
        );
    } else {
        assert!(
            config.external_addresses.contains(source.ip()),
            "{source} is not an external address: {after:?}"
        );
    }
    if matches!(path, Path::In | Path::Hairpin) {
        let inside = config.inside.contains(*destination.ip())
            && *destination.ip() != config.inside.address();
        assert!(inside, "{destination} is not an inside host: {after:?}");
    } else {
        assert_eq!(
            before.destination(),
            destination,
            "the remote endpoint stays"
        );
    }
}

/// A right checksum stays right, none stays none, and a wrong one stays as wrong as it was.
#[track_caller]
fn check_same_checksum_error(before: &Packet, after: &Packet) {
    if before.is(IpNumber::UDP)
        && !before.is_later_fragment()
        && before.body.len() >= 8
        && before.checksum() != 0
    {
        assert_ne!(
            after.checksum(),
            0,
            "a UDP checksum has become the sign for none"
        );
    }
    let (was, is) = (before.checksum_error(), after.checksum_error());
    assert_eq!(was, is, "transport checksum:\n{before:?}\n{after:?}");
}

#[track_caller]
fn check_quote(before: &Quote, after: &Quote, path: Path, config: &Config) {
    after.check_header_checksum("the quote");
    assert_eq!(before.ttl(), after.ttl(), "the quote's TTL stays");
    check_same_header(before, after);
    let same = |packet: &Quote| {
        let mut body = packet.untranslated_part();
        // The identifier of a query is all that may differ in its first eight bytes.
        body.truncate(before.body.len());
        body
    };
    assert_eq!(
        before.body.len(),
        after.body.len(),
        "the quote's length stays"
    );
    assert_eq!(
        same(before),
        same(after),
        "bytes of the quote that translation has no business with"
    );
    // A quote travels against its packet: what leaves by hairpin had come in by hairpin.
    if path == Path::In {
        assert_eq!(
            before.destination(),
            after.destination(),
            "the quoted remote endpoint stays"
        );
    } else {
        let destination = after.destination();
        assert!(
            config.external_addresses.contains(destination.ip()),
            "quoted {destination} leaves: {after:?}"
        );
    }
    if matches!(path, Path::In | Path::Hairpin) {
        assert!(
            config.inside.contains(*after.source().ip()),
            "quoted {} is not inside",
            after.source()
        );
    } else {
        assert_eq!(
            before.source(),
            after.source(),
            "the quoted remote endpoint stays"
        );
    }
    check_same_checksum_error(before, after);
}

/// An answer is one valid packet to the sender of what it answers, and gives nothing away.
#[track_caller]
pub(crate) fn check_answer(
    sent: &[u8],
    answer: &Packet,
    side: Side,
    reply: &Reply,
    config: &Config,
) {
    let question = Packet::parse(sent);
    check_answerable(&question);
    answer.check_header_checksum("the answer");
    assert_eq!(
        answer.checksum_error(),
        ChecksumError::None,
        "transport checksum of the answer {answer:?}"
    );
    assert_eq!(
        answer.destination().ip(),
        question.source().ip(),
        "an answer goes to the sender"
    );
    assert_eq!(reply.destination(), *question.source().ip());
    assert!(answer.ttl() >= 32, "an answer must get back");
    assert!(!answer.ip.more_fragments && answer.ip.fragment_offset.value() == 0);
    if reply.is_reset() {
        check_reset(&question, answer, side);
        return;
    }
    let source = *answer.source().ip();
    match side {
        Side::Inside => assert!(
            source == config.inside.address() || config.external_addresses.contains(&source)
        ),
        Side::Outside => {
            let asked = *question.destination().ip();
            let untranslated =
                config.inside.contains(asked) && !config.external_addresses.contains(&asked);
            let router = if untranslated {
                config.inside.address()
            } else {
                asked
            };
            assert_eq!(
                source, router,
                "the router speaks as whom the packet was sent to or through"
            );
        }
    }
    assert_eq!(
        answer.ip.dscp.value() >> 3,
        6,
        "the precedence of an error is internetwork control"
    );
    assert!(
        answer.is_icmp_error(),
        "an answer is an ICMP error or a RST: {answer:?}"
    );
    let quoted = &answer.body[field::ICMP_QUOTE];
    let question = question.bytes();
    assert!(
        quoted.len() >= question.len().min(usize::from(question[0] & 15) * 4 + 8),
        "too short a quote"
    );
    assert_eq!(
        quoted,
        &question[..quoted.len()],
        "the quote is what the sender sent"
    );
}

/// RFC 1812 section 4.3.2.7: what is never answered.
#[track_caller]
fn check_answerable(question: &Packet) {
    assert!(
        !question.is_later_fragment(),
        "a later fragment is answered: {question:?}"
    );
    let queries = |kind| QUERIES.contains(&kind) || QUERY_REPLIES.contains(&kind);
    let query = !question.is(IpNumber::ICMP) || queries(question.body[0]);
    assert!(
        query,
        "an ICMP message that is no query is answered: {question:?}"
    );
    let (source, destination) = (*question.source().ip(), *question.destination().ip());
    assert_ne!(source, destination, "LAND is answered");
    for end in [source, destination] {
        let [first, ..] = end.octets();
        let host = !matches!(first, 0 | 127 | 224..) && !end.is_link_local();
        assert!(host, "answered: {question:?}, of which {end} is no host");
    }
    let options = &question.header[field::PAYLOAD];
    assert!(
        ![7, 68, 131, 137]
            .iter()
            .any(|kind| options.first() == Some(kind)),
        "an option is answered: {question:?}"
    );
}

/// RFC 9293 section 3.10.7.1: the RST for a segment that belongs to no connection.
#[track_caller]
fn check_reset(question: &Packet, answer: &Packet, side: Side) {
    assert_eq!(side, Side::Inside, "no RST ever goes outside");
    assert_eq!(answer.source(), question.destination());
    assert_eq!(answer.destination(), question.source());
    let (asked, reset) = (question.tcp(), answer.tcp());
    assert!(!asked.rst, "a RST answers a RST");
    assert!(
        reset.rst && !reset.syn && !reset.fin && answer.payload().is_empty(),
        "not a plain RST: {answer:?}"
    );
    if asked.ack {
        assert_eq!(answer.tcp_flags(), RST);
        assert_eq!(
            reset.sequence_number, asked.acknowledgment_number,
            "<SEQ=SEG.ACK><CTL=RST>"
        );
    } else {
        let length = question.payload().len() as u32 + u32::from(asked.syn) + u32::from(asked.fin);
        assert!(reset.ack, "<CTL=RST,ACK>");
        assert_eq!(reset.sequence_number, 0, "<SEQ=0>");
        let covered = asked.sequence_number.wrapping_add(length);
        assert_eq!(
            reset.acknowledgment_number, covered,
            "<ACK=SEG.SEQ+SEG.LEN>"
        );
    }
}

fn word(bytes: &[u8], index: usize) -> u16 {
    match bytes.get(index..index + 2) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}
