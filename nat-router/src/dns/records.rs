//! A walk through the records of a message, and what their TTLs mean for the cache.

use domain::base::iana::{Rcode, Rtype};
use domain::base::message::RecordSection;
use domain::base::wire::ParseError;
use domain::base::{Message, ParsedName, ParsedRecord};
use domain::rdata::Soa;

use super::header::header_mut;

/// The longest time that an answer is kept, in seconds: a day. Most caches allow that or more.
const MAX_TTL: u32 = 86_400;

/// The longest time that the absence of a name or of its records is kept, in seconds. RFC 2308
/// section 5 recommends one to three hours.
const MAX_NEGATIVE_TTL: u32 = 3600;

/// The bytes from a record's TTL to its data: the TTL itself, and the length of the data.
const TTL_AND_LEN: usize = 6;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A record, and where it is in its message.
pub(super) struct Located<'a> {
    pub(super) section: Section,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) record: ParsedRecord<'a, [u8]>,
}

impl Located<'_> {
    /// The data in the message that the record is of.
    pub(super) fn data_of<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        let start = self.end.saturating_sub(usize::from(self.record.rdlen()));
        message.get(start..self.end).unwrap_or_default()
    }

    /// Where the TTL begins.
    fn ttl_place(&self) -> Option<usize> {
        let data = self.end.checked_sub(usize::from(self.record.rdlen()))?;
        data.checked_sub(TTL_AND_LEN)
    }

    fn soa_minimum(&self) -> Option<u32> {
        let soa = self.record.to_record::<Soa<ParsedName<&[u8]>>>().ok()??;
        Some(soa.data().minimum().as_secs())
    }

    /// The TTL. One with the highest bit set counts as zero (RFC 2181 section 8).
    fn ttl(&self) -> u32 {
        let ttl = self.record.ttl().as_secs();
        if ttl > i32::MAX as u32 { 0 } else { ttl }
    }
}

/// Visits all records, and returns where the last one ends. The names of records are checked, what
/// their data holds is not.
pub(super) fn walk<'a>(
    message: &'a Message<[u8]>,
    mut visit: impl FnMut(Located<'a>),
) -> Result<usize, ParseError> {
    let answer = message.answer()?;
    let authority = next(walk_section(answer, Section::Answer, &mut visit)?)?;
    let additional = next(walk_section(authority, Section::Authority, &mut visit)?)?;
    Ok(walk_section(additional, Section::Additional, &mut visit)?.pos())
}

/// The section after one that has been walked through.
fn next<'a>(section: RecordSection<'a, [u8]>) -> Result<RecordSection<'a, [u8]>, ParseError> {
    section.next_section()?.ok_or(ParseError::ShortInput)
}

/// Visits the records of one section, and returns it at its end.
fn walk_section<'a>(
    mut records: RecordSection<'a, [u8]>,
    section: Section,
    visit: &mut impl FnMut(Located<'a>),
) -> Result<RecordSection<'a, [u8]>, ParseError> {
    loop {
        let start = records.pos();
        let Some(record) = records.next() else {
            return Ok(records);
        };
        let (record, end) = (record?, records.pos());
        visit(Located {
            section,
            start,
            end,
            record,
        });
    }
}

/// How long an answer to a question of the type `asked` may be kept, in seconds; `None` for not at all.
///
/// That is the shortest TTL of all its records. An answer without the records that were asked for
/// needs a SOA record, whose minimum counts, too (RFC 2308 section 5).
pub(super) fn lifetime(message: &Message<[u8]>, asked: Rtype) -> Option<u32> {
    let header = message.header();
    let has_name = match header.rcode() {
        Rcode::NOERROR => true,
        Rcode::NXDOMAIN => false,
        _ => return None,
    };
    let (mut shortest, mut has_records, mut has_soa) = (MAX_TTL, false, false);
    walk(message, |located| {
        let rtype = located.record.rtype();
        if rtype == Rtype::OPT {
            return;
        }
        shortest = shortest.min(located.ttl());
        if located.section == Section::Answer {
            has_records |= rtype == asked || asked == Rtype::ANY;
        }
        if located.section == Section::Authority && rtype == Rtype::SOA {
            has_soa |= located.soa_minimum().is_some();
            shortest = shortest.min(located.soa_minimum().unwrap_or(0));
        }
    })
    .ok()?;
    let is_positive = has_name && has_records;
    let limit = if is_positive {
        MAX_TTL
    } else {
        MAX_NEGATIVE_TTL
    };
    let is_kept = !header.tc() && (is_positive || has_soa) && shortest > 0;
    is_kept.then_some(shortest.min(limit))
}

/// Writes the TTLs of `message`, less `age` seconds, into its copy.
pub(super) fn age_ttls(message: &[u8], copy: &mut [u8], age: u32) {
    let Ok(message) = Message::from_slice(message) else {
        return;
    };
    // Only sound messages are kept, so this has no error.
    let _ = walk(message, |located| {
        let ttl = located.ttl().saturating_sub(age).to_be_bytes();
        let place = located.ttl_place().and_then(|at| copy.get_mut(at..at + 4));
        if let Some(place) = place {
            place.copy_from_slice(&ttl);
        }
    });
}

/// The length of a message without its EDNS record, if that is the last record, or without one.
/// `None` if the record is in another place, extends the response code, or is not alone.
pub(super) fn len_without_edns(message: &Message<[u8]>) -> Option<(usize, bool)> {
    let (mut edns, mut last, mut is_plain) = (None, 0, true);
    let end = walk(message, |located| {
        last = located.start;
        if located.record.rtype() == Rtype::OPT {
            is_plain &= edns.is_none() && located.record.ttl().as_secs() >> 24 == 0;
            edns = Some(located.start);
        }
    })
    .ok()?;
    match edns {
        None => Some((end, false)),
        Some(start) => (is_plain && start == last).then_some((start, true)),
    }
}

/// Takes one record off the count of a message whose last record was cut off.
pub(super) fn uncount_last(message: &mut [u8]) {
    if let Some(section) = header_mut(message) {
        let count = section.counts().arcount();
        section.counts_mut().set_arcount(count.saturating_sub(1));
    }
}
