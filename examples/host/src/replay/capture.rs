//! Captures, pcap and pcapng, read record by record.

mod pcap;
mod pcapng;
mod source;

use core::time::Duration;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow};

use super::link_type::LinkType;
use pcap::Pcap;
use pcapng::PcapNg;
use source::Source;

/// The longest record that capture tools write; a longer one is treated as damage.
const MAX_RECORD: usize = 262_144;
/// The latest time: pcap has seconds since 1970 in 32 bits.
const MAX_SECONDS: u64 = u32::MAX as u64;

/// A record of a capture: the frame from its link header on.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// Since 1970.
    pub(crate) time: Duration,
    pub(crate) link_type: LinkType,
    pub(crate) data: &'a [u8],
    /// Whether the frame on the wire was longer than `data`.
    pub(crate) truncated: bool,
}

/// The next part of a file.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    Record(Record<'a>),
    /// A record that cannot be used, and why. Reading can continue.
    Unusable(&'static str),
    /// The end, at a place where a file may end.
    End,
}

/// A capture that is read from its beginning to its end.
pub(crate) struct Reader(Format);

enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl Reader {
    /// Opens the capture at `path`, and reads the header before its records.
    ///
    /// Fails if it has neither format. The link type is not checked: in pcapng each interface has its
    /// own.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Self::new(file).with_context(|| path.display().to_string())
    }

    /// The capture in `file`.
    pub(crate) fn new(file: impl Read + 'static) -> Result<Self> {
        let mut source = Source::new(file);
        let magic: [u8; 4] = source.array("file header")?;
        let format = match magic {
            pcapng::MAGIC => Format::PcapNg(PcapNg::new(source, magic)?),
            _ if pcap::is_magic(magic) => Format::Pcap(Pcap::new(source, magic)?),
            _ => return Err(foreign(magic)),
        };
        Ok(Self(format))
    }

    /// Reads the next record. After an error nothing more can be read.
    pub(crate) fn next(&mut self) -> Result<Next<'_>> {
        match &mut self.0 {
            Format::Pcap(pcap) => pcap.next(),
            Format::PcapNg(pcapng) => pcapng.next(),
        }
    }

    /// The link type of all records, if the format states it at the beginning.
    pub(crate) fn link_type(&self) -> Option<LinkType> {
        match &self.0 {
            Format::Pcap(pcap) => Some(pcap.link_type()),
            Format::PcapNg(_) => None,
        }
    }
}

fn foreign(magic: [u8; 4]) -> Error {
    if magic.starts_with(&[0x1f, 0x8b]) {
        return anyhow!("compressed at byte offset 0: decompress it first, as with `gunzip`");
    }
    anyhow!("neither pcap nor pcapng at byte offset 0: convert it, as with `editcap -F pcap`")
}
