//! Blocks as hosts build them, with faults.

use arbitrary::Arbitrary;

/// A block, in the order in which it is built.
#[derive(Arbitrary, Debug)]
pub(super) struct Block {
    form: Form,
    /// The lengths of the frames, as far as they fit.
    frames: Vec<u16>,
    /// The frames are spread over so many tables, less one.
    more_tables: u8,
    /// Where the tables are.
    tables: Order,
    /// The boundary of tables and frames is 2 to the power of this, up to 64.
    alignment: u8,
    /// The header does not say how long the block is.
    open: bool,
    /// What is written over it afterwards: places, and words of two bytes.
    changes: Vec<(u16, u16)>,
    /// Only so many bytes of it are sent.
    cut: Option<u16>,
    /// So many bytes follow it in its transfer.
    padding: u16,
}

#[derive(Arbitrary, Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Short,
    ShortWithCrc,
    Long,
    LongWithCrc,
}

#[derive(Arbitrary, Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    /// Each table before its frames, as most hosts do.
    BeforeFrames,
    /// Each table behind its frames.
    BehindFrames,
    /// The first table is the last one in the block.
    Backward,
}

/// Where the header says how long the block is, in each form.
const LENGTH_AT: usize = 8;

/// The longest that is built: a few bytes more than a block may have.
const LONGEST: usize = 2100;

impl Form {
    fn is_long(self) -> bool {
        matches!(self, Self::Long | Self::LongWithCrc)
    }

    fn has_crc(self) -> bool {
        matches!(self, Self::ShortWithCrc | Self::LongWithCrc)
    }

    /// Bytes of a length or a place.
    fn word(self) -> usize {
        if self.is_long() { 4 } else { 2 }
    }

    /// Bytes of the header.
    fn header(self) -> usize {
        if self.is_long() { 16 } else { 12 }
    }

    /// Bytes of a table before its entries.
    fn table_head(self) -> usize {
        if self.is_long() { 16 } else { 8 }
    }

    fn block_signature(self) -> &'static [u8; 4] {
        if self.is_long() { b"ncmh" } else { b"NCMH" }
    }

    fn table_signature(self) -> [u8; 4] {
        let kind = if self.has_crc() { b'1' } else { b'0' };
        let [a, b, c] = if self.is_long() { *b"ncm" } else { *b"NCM" };
        [a, b, c, kind]
    }
}

impl Block {
    pub(super) fn build(&self) -> Vec<u8> {
        let mut builder = Builder::new(self.form, self.alignment);
        let tables = usize::from(self.more_tables % 8) + 1;
        let share = self.frames.len().div_ceil(tables).max(1);
        let mut places: Vec<_> = self
            .frames
            .chunks(share)
            .map(|frames| builder.add_table(frames, self.tables == Order::BehindFrames))
            .collect();
        if places.is_empty() {
            places.push(builder.add_table(&[], false));
        }
        if self.tables == Order::Backward {
            places.reverse();
        }
        builder.chain(&places);
        let mut bytes = builder.bytes;
        if !self.open {
            let length = bytes.len();
            put(&mut bytes, LENGTH_AT, length, self.form.word());
        }
        self.damage(bytes)
    }

    fn damage(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for (at, value) in &self.changes {
            let at = usize::from(*at);
            if let Some(place) = bytes.get_mut(at..at + 2) {
                place.copy_from_slice(&value.to_le_bytes());
            }
        }
        if let Some(cut) = self.cut {
            bytes.truncate(cut.into());
        }
        let padded = bytes.len() + usize::from(self.padding);
        bytes.resize(padded.min(bytes.len().max(LONGEST)), 0xa5);
        bytes
    }
}

/// A block under construction.
struct Builder {
    form: Form,
    alignment: usize,
    bytes: Vec<u8>,
    frames: u8,
}

impl Builder {
    fn new(form: Form, alignment: u8) -> Self {
        let mut bytes = vec![0; form.header()];
        bytes[..4].copy_from_slice(form.block_signature());
        put(&mut bytes, 4, form.header(), 2);
        Self {
            form,
            alignment: 1 << (alignment % 7),
            bytes,
            frames: 0,
        }
    }

    /// Adds these frames and their table, and returns its place.
    fn add_table(&mut self, lengths: &[u16], behind: bool) -> usize {
        let word = self.form.word();
        let length = self.form.table_head() + 2 * word * (lengths.len() + 1);
        let mut table = vec![0; length];
        table[..4].copy_from_slice(&self.form.table_signature());
        put(&mut table, 4, length, 2);
        let at = if behind { 0 } else { self.add(&table) };
        for (index, len) in lengths.iter().enumerate() {
            let frame = self.next_frame((*len).into());
            let place = self.add(&frame);
            let entry = self.form.table_head() + 2 * word * index;
            put(&mut table, entry, place, word);
            put(&mut table, entry + word, frame.len(), word);
        }
        if behind {
            return self.add(&table);
        }
        self.bytes[at..at + length].copy_from_slice(&table);
        at
    }

    /// Each table points to the next one, and the header to the first.
    fn chain(&mut self, places: &[usize]) {
        let word = self.form.word();
        let first_at = LENGTH_AT + word;
        put(&mut self.bytes, first_at, places[0], word);
        let next_at = self.form.table_head() - word;
        for pair in places.windows(2) {
            put(&mut self.bytes, pair[0] + next_at, pair[1], word);
        }
    }

    /// Appends these bytes at the next boundary, and returns their place.
    fn add(&mut self, part: &[u8]) -> usize {
        let at = self.bytes.len().next_multiple_of(self.alignment);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(part);
        at
    }

    /// A frame as long as fits.
    fn next_frame(&mut self, len: usize) -> Vec<u8> {
        self.frames = self.frames.wrapping_add(1);
        vec![self.frames; len.min(LONGEST.saturating_sub(self.bytes.len()))]
    }
}

/// A little-endian number of `size` bytes.
fn put(bytes: &mut [u8], at: usize, value: usize, size: usize) {
    bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
}
