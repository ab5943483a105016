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

/// The longest record that capture tools write; what is longer is not a record.
const MAX_RECORD: usize = 262_144;
/// Times are as those of pcap: seconds since 1970 in 32 bits.
const MAX_SECONDS: u64 = u32::MAX as u64;

/// A record of a capture: what was on the wire, from its link header on.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// Since 1970.
    pub(crate) time: Duration,
    pub(crate) link_type: LinkType,
    pub(crate) data: &'a [u8],
    /// Whether the frame was longer on the wire than `data` is.
    pub(crate) cut: bool,
}

/// What a file has next.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    Record(Record<'a>),
    /// A record that cannot be used, and why. What follows it can be read.
    Unusable(&'static str),
    /// The end, where it may be.
    End,
}

/// A capture that is read from its beginning to its end.
pub(crate) struct Reader(Format);

enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl Reader {
    /// Opens the capture at `path`, and reads what stands before its records.
    ///
    /// Fails if it is of neither format. Says nothing of the link type: of pcapng, each interface
    /// has its own.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Self::new(file).with_context(|| path.display().to_string())
    }

    /// The capture that `file` is.
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

    /// Reads on. After an error there is nothing more to read.
    pub(crate) fn next(&mut self) -> Result<Next<'_>> {
        match &mut self.0 {
            Format::Pcap(pcap) => pcap.next(),
            Format::PcapNg(pcapng) => pcapng.next(),
        }
    }

    /// The only link type there can be, where the format says it at the beginning.
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
