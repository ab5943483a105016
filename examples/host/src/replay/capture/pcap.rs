//! Classic pcap files: <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-06.html>.

use core::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use pcap_parser::{
    LegacyPcapBlock, PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};

use super::source::Source;
use super::{MAX_RECORD, Next, Record};
use crate::replay::link_type::LinkType;

/// Microseconds and nanoseconds, both byte orders, and microseconds with the longer record header
/// of patched kernels.
const MAGICS: [[u8; 4]; 5] = [
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0x34, 0xcd, 0xb2, 0xa1],
];
const FILE_HEADER: usize = 24;
/// The length of the header before each record.
const RECORD_HEADER: usize = 16;
const MODIFIED_RECORD_HEADER: usize = 24;
/// The offset of the captured length in it; the original length follows.
const LENGTHS: usize = 8;

/// Whether a file with this beginning is a pcap file.
pub(super) fn is_magic(magic: [u8; 4]) -> bool {
    MAGICS.contains(&magic)
}

pub(super) struct Pcap {
    source: Source,
    header: PcapHeader,
    /// The current record with its header.
    bytes: Vec<u8>,
}

impl Pcap {
    pub(super) fn new(mut source: Source, magic: [u8; 4]) -> Result<Self> {
        let mut bytes = magic.to_vec();
        source.fill(&mut bytes, FILE_HEADER, "file header")?;
        let header = match parse_pcap_header(&bytes) {
            Ok((_, header)) => header,
            Err(error) => return Err(anyhow!("malformed file header at byte offset 0: {error}")),
        };
        let (major, minor) = (header.version_major, header.version_minor);
        ensure!(
            major == 2 && minor <= 4,
            "pcap version {major}.{minor} at byte offset 4, expected 2.4"
        );
        Ok(Self {
            source,
            header,
            bytes,
        })
    }

    /// The lower half of its field. The upper half is the length of the frames' check sequence, which
    /// follows the IPv4 packet and is removed with all other bytes behind it.
    pub(super) fn link_type(&self) -> LinkType {
        LinkType(self.header.network.0 as u32 & 0xffff)
    }

    pub(super) fn next(&mut self) -> Result<Next<'_>> {
        let Self {
            source,
            header,
            bytes,
        } = self;
        if !source.begin(bytes)? {
            return Ok(Next::End);
        }
        let modified = header.is_modified_format();
        let header_len = if modified {
            MODIFIED_RECORD_HEADER
        } else {
            RECORD_HEADER
        };
        source.fill(bytes, header_len, "record")?;
        let start = source.start();
        let captured = captured_len(header, bytes);
        ensure!(
            captured <= MAX_RECORD,
            "record at byte offset {start}: {captured} bytes are no packet"
        );
        source.fill(bytes, header_len + captured, "record")?;
        let parse = match (modified, header.is_bigendian()) {
            (true, _) => parse_pcap_frame_modified,
            (false, true) => parse_pcap_frame_be,
            (false, false) => parse_pcap_frame,
        };
        let nanoseconds = header.is_nanosecond_precision();
        let link_type = self.link_type();
        let Ok((_, record)) = parse(&self.bytes) else {
            bail!("malformed record at byte offset {start}")
        };
        let time =
            time(&record, nanoseconds).with_context(|| format!("record at byte offset {start}"))?;
        Ok(Next::Record(Record {
            time,
            link_type,
            data: record.data,
            truncated: record.caplen < record.origlen,
        }))
    }
}

/// How many bytes of the frame follow the record header. The header is converted to version 2.4.
///
/// Before version 2.3, and in some files of 2.3, the two lengths are swapped. The captured length is
/// never the greater one.
fn captured_len(header: &PcapHeader, bytes: &mut [u8]) -> usize {
    let Some(lengths) = bytes.get_mut(LENGTHS..LENGTHS + 8) else {
        return 0;
    };
    let field = |bytes: &[u8]| {
        let field = bytes.first_chunk().copied().unwrap_or_default();
        if header.is_bigendian() {
            u32::from_be_bytes(field)
        } else {
            u32::from_le_bytes(field)
        }
    };
    if header.version_minor < 4 && field(lengths) > field(&lengths[4..]) {
        lengths.rotate_left(4);
    }
    field(lengths) as usize
}

fn time(record: &LegacyPcapBlock<'_>, nanoseconds: bool) -> Result<Duration> {
    let (nanos, per_second) = if nanoseconds {
        (1, 1_000_000_000)
    } else {
        (1_000, 1_000_000)
    };
    ensure!(
        record.ts_usec < per_second,
        "a fraction of {} is more than a second",
        record.ts_usec
    );
    Ok(Duration::new(record.ts_sec.into(), record.ts_usec * nanos))
}
