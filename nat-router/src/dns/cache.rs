//! Answers that are kept until their TTLs end, in a fixed number of bytes.

use domain::base::Message;

use super::message::{HEADER_LEN, Query, header_mut, is_same_question};
use super::records::{age_ttls, len_without_edns, uncount_last};
use super::reply::append_edns;

/// The bytes before each message.
const ENTRY_LEN: usize = 12;

/// An entry may take this part of the cache at most, so that one answer does not displace all
/// others.
const LARGEST_PART: usize = 4;

/// What an answer depends on besides the question: whether the client asks for DNSSEC records, and
/// whether it asks for answers that the servers have not checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Flags(u8);

impl Flags {
    fn of(query: &Query<'_>) -> Self {
        Self(u8::from(query.dnssec_ok()) | u8::from(query.header().cd()) << 1)
    }
}

/// Entries one behind the other, the oldest first. Each is a head and a message.
pub(super) struct Cache<'d> {
    memory: &'d mut [u8],
    /// The bytes that entries take.
    used: usize,
}

/// What is stored before each message.
#[derive(Clone, Copy)]
struct Head {
    /// The length of the message.
    len: u16,
    /// The length of the question.
    question: u16,
    flags: Flags,
    /// In seconds since the start.
    stored: u32,
    /// In seconds; less than 2^24.
    lifetime: u32,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, flags, d, e, f, g, h, i, j, k] = *bytes.first_chunk::<ENTRY_LEN>()?;
        Some(Self {
            len: u16::from_be_bytes([a, b]),
            question: u16::from_be_bytes([c, k]),
            flags: Flags(flags),
            stored: u32::from_be_bytes([d, e, f, g]),
            lifetime: u32::from_be_bytes([0, h, i, j]),
        })
    }

    fn bytes(self) -> [u8; ENTRY_LEN] {
        let ([a, b], [c, k]) = (self.len.to_be_bytes(), self.question.to_be_bytes());
        let [d, e, f, g] = self.stored.to_be_bytes();
        let [_, h, i, j] = self.lifetime.to_be_bytes();
        [a, b, c, self.flags.0, d, e, f, g, h, i, j, k]
    }

    const fn is_over(self, now: u32) -> bool {
        now.saturating_sub(self.stored) >= self.lifetime
    }

    fn entry_len(self) -> usize {
        ENTRY_LEN + usize::from(self.len)
    }
}

/// An entry, and where it begins.
struct Entry<'a> {
    start: usize,
    head: Head,
    message: &'a [u8],
}

impl<'d> Cache<'d> {
    pub(super) fn new(memory: &'d mut [u8]) -> Self {
        Self { memory, used: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// Writes the answer to `query` into `answer` if there is one, and returns its length. Its
    /// number and its question are still those of the query that it was the answer to.
    pub(super) fn get(&self, query: &Query<'_>, now: u32, answer: &mut [u8]) -> Option<usize> {
        let entry = self.find(query).filter(|entry| !entry.head.is_over(now))?;
        let len = entry.message.len();
        let copy = answer.get_mut(..len)?;
        copy.copy_from_slice(entry.message);
        age_ttls(entry.message, copy, now.saturating_sub(entry.head.stored));
        if query.edns.is_none() {
            return Some(len);
        }
        append_edns(answer, len, query.dnssec_ok())
    }

    /// Keeps the answer to `query` for `lifetime` seconds. Answers that are too long, or have an
    /// unusual EDNS record, are not kept.
    pub(super) fn put(&mut self, query: &Query<'_>, answer: &[u8], lifetime: u32, now: u32) {
        let kept = Message::from_slice(answer).ok().and_then(len_without_edns);
        let Some((len, had_edns)) = kept else {
            return;
        };
        let Some(head) = head(query, len, lifetime, now) else {
            return;
        };
        if head.entry_len() > self.memory.len() / LARGEST_PART {
            return;
        }
        if let Some(start) = self.find(query).map(|entry| entry.start) {
            self.remove(start);
        }
        self.make_room(head.entry_len(), now);
        self.append(head, answer.get(..len).unwrap_or_default(), had_edns);
    }

    fn append(&mut self, head: Head, answer: &[u8], had_edns: bool) {
        let end = self.used + head.entry_len();
        let Some(place) = self.memory.get_mut(self.used..end) else {
            return;
        };
        let (before, message) = place.split_at_mut(ENTRY_LEN);
        before.copy_from_slice(&head.bytes());
        message.copy_from_slice(answer);
        if had_edns {
            uncount_last(message);
        }
        if let Some(section) = header_mut(message) {
            section.header_mut().set_aa(false);
        }
        self.used = end;
    }

    /// Removes what is over, and then the oldest entries, until `len` bytes are free.
    fn make_room(&mut self, len: usize, now: u32) {
        let over = |cache: &Self| {
            let mut entries = cache.entries();
            let over = entries.find(|entry| entry.head.is_over(now));
            over.map(|entry| entry.start)
        };
        while let Some(start) = over(self) {
            self.remove(start);
        }
        while self.used > 0 && self.memory.len() - self.used < len {
            self.remove(0);
        }
    }

    /// Removes the entry that begins at `start`.
    fn remove(&mut self, start: usize) {
        let head = self.memory.get(start..self.used).and_then(Head::read);
        let end = head.map_or(self.used, |head| start + head.entry_len());
        if end <= self.used {
            self.memory.copy_within(end..self.used, start);
            self.used -= end - start;
        }
    }

    fn find(&self, query: &Query<'_>) -> Option<Entry<'_>> {
        let (flags, question) = (Flags::of(query), query.question());
        self.entries().find(|entry| {
            let end = HEADER_LEN + usize::from(entry.head.question);
            let stored = entry.message.get(HEADER_LEN..end);
            entry.head.flags == flags
                && stored.is_some_and(|stored| is_same_question(stored, question))
        })
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut start = 0;
        core::iter::from_fn(move || {
            let rest = self.memory.get(start..self.used)?;
            let head = Head::read(rest)?;
            let message = rest.get(ENTRY_LEN..head.entry_len())?;
            let entry = Entry {
                start,
                head,
                message,
            };
            start += head.entry_len();
            Some(entry)
        })
    }
}

/// The head of an entry with a message of `len` bytes.
fn head(query: &Query<'_>, len: usize, lifetime: u32, now: u32) -> Option<Head> {
    Some(Head {
        len: len.try_into().ok()?,
        question: query.question().len().try_into().ok()?,
        flags: Flags::of(query),
        stored: now,
        lifetime,
    })
}
