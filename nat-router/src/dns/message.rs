//! What the forwarder reads of a query.

use core::ops::Range;

use domain::base::header::Header;
use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::name::ToLabelIter;
use domain::base::{Message, ParsedName, Question};

pub(super) use super::header::{HEADER_LEN, header_mut, set_id};
use super::records::{Section, walk};

/// The largest answer over UDP for a client that does not say another size (RFC 1035 section 2.3.4).
const MIN_SIZE: u16 = 512;

/// The largest answer over UDP that the forwarder asks servers for, so that answers are not
/// fragmented (RFC 9715).
pub(super) const MAX_SIZE: u16 = 1232;

/// The bytes of the type and the class of a question.
const TYPE_AND_CLASS_LEN: usize = 4;

/// A query for one name.
pub(super) struct Query<'a> {
    /// The message, without what follows its last record.
    pub(super) bytes: &'a [u8],
    /// The name, in the uncompressed wire format.
    pub(super) name: &'a [u8],
    pub(super) rtype: Rtype,
    pub(super) class: Class,
    pub(super) edns: Option<Edns>,
}

/// The EDNS record of a query (RFC 6891).
#[derive(Clone)]
pub(super) struct Edns {
    /// The largest answer over UDP that the client accepts.
    pub(super) size: u16,
    pub(super) dnssec_ok: bool,
    /// The place of the record in the message.
    pub(super) place: Range<usize>,
}

/// Why a message is no query that the forwarder processes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// It is not answered: it is too short, or an answer itself.
    Silence,
    /// It is answered with this code.
    Code(Rcode),
}

impl<'a> Query<'a> {
    /// Reads a message, which may hold any bytes.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let message = Message::from_slice(bytes).map_err(|_| Refusal::Silence)?;
        // An answer must never be answered: two forwarders would do so for ever.
        if message.header().qr() {
            return Err(Refusal::Silence);
        }
        if message.header().opcode() != Opcode::QUERY {
            return Err(Refusal::Code(Rcode::NOTIMP));
        }
        Self::of(message).ok_or(Refusal::Code(Rcode::FORMERR))
    }

    fn of(message: &'a Message<[u8]>) -> Option<Self> {
        let bytes = message.as_slice();
        let question = sole_question(message)?;
        let name = name_of(message, &question)?;
        let mut edns = None;
        let mut others = false;
        let end = walk(message, |located| {
            match (located.section, located.record.rtype()) {
                (Section::Additional, Rtype::OPT) if edns.is_none() => {
                    edns = Some(Edns {
                        size: located.record.class().to_int(),
                        dnssec_ok: located.record.ttl().as_secs() & DNSSEC_OK != 0,
                        place: located.start..located.end,
                    });
                }
                (Section::Additional, rtype) if rtype != Rtype::OPT => {}
                _ => others = true,
            }
        })
        .ok()?;
        (!others).then_some(Self {
            bytes: bytes.get(..end)?,
            name,
            rtype: question.qtype(),
            class: question.qclass(),
            edns,
        })
    }

    pub(super) fn header(&self) -> Header {
        *Header::for_message_slice(self.bytes)
    }

    /// The name, the type and the class, as they are in the message.
    pub(super) fn question(&self) -> &'a [u8] {
        let end = HEADER_LEN + self.name.len() + TYPE_AND_CLASS_LEN;
        self.bytes.get(HEADER_LEN..end).unwrap_or_default()
    }

    /// The largest answer over UDP that the client accepts.
    pub(super) fn answer_size(&self) -> usize {
        let size = self.edns.as_ref().map_or(MIN_SIZE, |edns| edns.size);
        usize::from(size.max(MIN_SIZE))
    }

    pub(super) fn dnssec_ok(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.dnssec_ok)
    }
}

/// The flag in the TTL of an EDNS record that asks for DNSSEC records (RFC 3225).
pub(super) const DNSSEC_OK: u32 = 1 << 15;

type ParsedQuestion<'a> = Question<ParsedName<&'a [u8]>>;

/// The question of a message that has exactly one.
fn sole_question(message: &Message<[u8]>) -> Option<ParsedQuestion<'_>> {
    message.sole_question().ok()
}

/// The name in a question. A compressed one could only point into the header.
fn name_of<'a>(message: &'a Message<[u8]>, question: &ParsedQuestion<'_>) -> Option<&'a [u8]> {
    let bytes = message.as_slice();
    let end = message.question().answer().ok()?.pos();
    let name = bytes.get(HEADER_LEN..end.checked_sub(TYPE_AND_CLASS_LEN)?)?;
    let is_plain = !question.qname().is_compressed()
        && name.len() == usize::from(question.qname().compose_len());
    is_plain.then_some(name)
}

/// Whether a message is an answer with this question, the name in any case.
pub(super) fn answers(message: &Message<[u8]>, question: &[u8]) -> bool {
    let header = message.header();
    let end = HEADER_LEN + question.len();
    let found = message.as_slice().get(HEADER_LEN..end);
    header.qr()
        && header.opcode() == Opcode::QUERY
        && message.header_counts().qdcount() == 1
        && found.is_some_and(|found| is_same_question(found, question))
}

/// Whether two questions have the same name in any case, and the same type and class.
///
/// The length bytes of labels are no letters, so the names can be compared as a whole.
pub(super) fn is_same_question(one: &[u8], other: &[u8]) -> bool {
    match (
        one.split_last_chunk::<TYPE_AND_CLASS_LEN>(),
        other.split_last_chunk::<TYPE_AND_CLASS_LEN>(),
    ) {
        (Some((name, kind)), Some((other_name, other_kind))) => {
            kind == other_kind && name.eq_ignore_ascii_case(other_name)
        }
        _ => false,
    }
}
