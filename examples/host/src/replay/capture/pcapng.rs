//! pcapng files: <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-05.html>.

use core::time::Duration;

use anyhow::{Result, bail, ensure};
use pcap_parser::{
    Block, EPB_MAGIC, EnhancedPacketBlock, IDB_MAGIC, InterfaceDescriptionBlock, SHB_MAGIC,
    SPB_MAGIC, SimplePacketBlock, UnknownBlock, parse_block_be, parse_block_le,
};

use super::source::Source;
use super::{MAX_RECORD, MAX_SECONDS, Next, Record};
use crate::replay::link_type::LinkType;

/// The type of a section header, the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = SHB_MAGIC.to_be_bytes();
/// The byte order mark, behind the type and the length of a section header.
const BIG_ENDIAN: [u8; 4] = 0x1a2b_3c4d_u32.to_be_bytes();
const LITTLE_ENDIAN: [u8; 4] = 0x1a2b_3c4d_u32.to_le_bytes();
/// The packet block of old files, before the enhanced one. pcap-parser does not know it.
const PACKET_BLOCK: u32 = 2;
/// The type and the length of a block. The length is repeated at its end.
const BLOCK_HEADER: usize = 8;
const MIN_BLOCK: usize = BLOCK_HEADER + 4;
/// The longest accepted block, as in Wireshark.
const MAX_BLOCK: usize = 16 << 20;
/// The most interfaces of one section, which bounds the memory.
const MAX_INTERFACES: usize = 1 << 16;

pub(super) struct PcapNg {
    source: Source,
    big_endian: bool,
    /// The interfaces of the section. One with a malformed description keeps its place, because
    /// packets name interfaces by number.
    interfaces: Vec<Option<Interface>>,
    /// The current block.
    bytes: Vec<u8>,
    /// The time of the previous packet: simple packet blocks have no time.
    time: Duration,
}

#[derive(Clone, Copy)]
struct Interface {
    link_type: LinkType,
    /// The maximum captured length; 0 for no limit.
    snap_len: u32,
    clock: Clock,
}

/// The unit and offset of an interface's timestamps.
#[derive(Clone, Copy)]
struct Clock {
    per_second: u64,
    offset_seconds: i64,
}

struct Packet<'a> {
    interface: u32,
    /// `None` for a packet without a time.
    ticks: Option<u64>,
    /// May have padding behind the packet.
    data: &'a [u8],
    /// `None` if the block has no captured length: then the length of the block and the limit of the
    /// interface decide.
    captured_len: Option<u32>,
    original_len: u32,
}

impl PcapNg {
    pub(super) fn new(mut source: Source, magic: [u8; 4]) -> Result<Self> {
        let mut bytes = magic.to_vec();
        let big_endian = read_block(&mut source, &mut bytes, false)?;
        Ok(Self {
            source,
            big_endian,
            interfaces: Vec::new(),
            bytes,
            time: Duration::ZERO,
        })
    }

    /// Reads blocks up to the next one with a packet.
    pub(super) fn next(&mut self) -> Result<Next<'_>> {
        while self.source.begin(&mut self.bytes)? {
            self.big_endian = read_block(&mut self.source, &mut self.bytes, self.big_endian)?;
            match block_type(&self.bytes, self.big_endian) {
                SHB_MAGIC => self.interfaces.clear(),
                IDB_MAGIC => self.add_interface()?,
                EPB_MAGIC | SPB_MAGIC | PACKET_BLOCK => return Ok(self.record()),
                _ => {}
            }
        }
        Ok(Next::End)
    }

    fn add_interface(&mut self) -> Result<()> {
        let start = self.source.start();
        ensure!(
            self.interfaces.len() < MAX_INTERFACES,
            "more than {MAX_INTERFACES} interfaces at byte offset {start}"
        );
        let interface = match parse(&self.bytes, self.big_endian) {
            Some(Block::InterfaceDescription(block)) => {
                Some(Interface::new(&block, self.big_endian))
            }
            _ => None,
        };
        self.interfaces.push(interface);
        Ok(())
    }

    /// The packet of the current block.
    fn record(&mut self) -> Next<'_> {
        let Some(packet) = packet(&self.bytes, self.big_endian) else {
            return Next::Unusable("malformed blocks");
        };
        let Some(interface) = self
            .interfaces
            .get(packet.interface as usize)
            .copied()
            .flatten()
        else {
            return Next::Unusable("packets of an interface that is not described");
        };
        let time = packet
            .ticks
            .map_or(Some(self.time), |ticks| interface.clock.time(ticks));
        let Some(time) = time else {
            return Next::Unusable("packets of a time outside 1970 to 2106");
        };
        let Some(data) = packet.captured(interface.snap_len) else {
            return Next::Unusable("malformed blocks");
        };
        self.time = time;
        let truncated = data.len() < packet.original_len as usize;
        Next::Record(Record {
            time,
            link_type: interface.link_type,
            data,
            truncated,
        })
    }
}

/// Reads the rest of a block whose first bytes have been read. Returns whether its section is
/// big-endian.
fn read_block(source: &mut Source, bytes: &mut Vec<u8>, big_endian: bool) -> Result<bool> {
    source.fill(bytes, BLOCK_HEADER, "block")?;
    let start = source.start();
    let big_endian = if bytes.starts_with(&MAGIC) {
        source.fill(bytes, BLOCK_HEADER + 4, "section header block")?;
        match bytes[BLOCK_HEADER..] {
            [a, b, c, d] if [a, b, c, d] == BIG_ENDIAN => true,
            [a, b, c, d] if [a, b, c, d] == LITTLE_ENDIAN => false,
            _ => bail!("malformed section header block at byte offset {start}: no byte order"),
        }
    } else {
        big_endian
    };
    let len = word(bytes, 4, big_endian) as usize;
    let sound =
        (MIN_BLOCK..=MAX_BLOCK).contains(&len) && len.is_multiple_of(4) && len >= bytes.len();
    ensure!(
        sound,
        "malformed block at byte offset {start}: its length is {len}"
    );
    source.fill(bytes, len, "block")?;
    let again = word(bytes, len - 4, big_endian) as usize;
    ensure!(
        len == again,
        "malformed block at byte offset {start}: its length is {len}, and {again} at its end"
    );
    Ok(big_endian)
}

/// The number at `at`; 0 behind the end.
fn word(bytes: &[u8], at: usize, big_endian: bool) -> u32 {
    let word = bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or_default();
    if big_endian {
        u32::from_be_bytes(word)
    } else {
        u32::from_le_bytes(word)
    }
}

fn block_type(bytes: &[u8], big_endian: bool) -> u32 {
    word(bytes, 0, big_endian)
}

/// A whole block; `None` if it is malformed.
fn parse(bytes: &[u8], big_endian: bool) -> Option<Block<'_>> {
    let result = if big_endian {
        parse_block_be(bytes)
    } else {
        parse_block_le(bytes)
    };
    Some(result.ok()?.1)
}

/// The packet of a whole block; `None` if it is malformed.
fn packet(bytes: &[u8], big_endian: bool) -> Option<Packet<'_>> {
    match parse(bytes, big_endian)? {
        Block::EnhancedPacket(block) => Some(Packet::enhanced(&block)),
        Block::SimplePacket(block) => Some(Packet::simple(&block)),
        Block::Unknown(block) => Packet::obsolete(&block, big_endian),
        _ => None,
    }
}

impl<'a> Packet<'a> {
    fn enhanced(block: &EnhancedPacketBlock<'a>) -> Self {
        Self {
            interface: block.if_id,
            ticks: Some(u64::from(block.ts_high) << 32 | u64::from(block.ts_low)),
            data: block.data,
            captured_len: Some(block.caplen),
            original_len: block.origlen,
        }
    }

    fn simple(block: &SimplePacketBlock<'a>) -> Self {
        Self {
            interface: 0,
            ticks: None,
            data: block.data,
            captured_len: None,
            original_len: block.origlen,
        }
    }

    /// Interface and drops (2 bytes each), time, captured and original length, data.
    fn obsolete(block: &UnknownBlock<'a>, big_endian: bool) -> Option<Self> {
        let (header, data) = block.data.split_at_checked(20)?;
        let first: [u8; 2] = *header.first_chunk()?;
        let word = |at| word(header, at, big_endian);
        let interface = if big_endian {
            u16::from_be_bytes(first)
        } else {
            u16::from_le_bytes(first)
        };
        let ticks = u64::from(word(4)) << 32 | u64::from(word(8));
        let (captured_len, original_len) = (Some(word(12)), word(16));
        Some(Self {
            interface: interface.into(),
            ticks: Some(ticks),
            data,
            captured_len,
            original_len,
        })
    }

    /// The captured bytes; `None` if there are more than the block or a packet can have.
    fn captured(&self, snap_len: u32) -> Option<&'a [u8]> {
        let len = self.captured_len.map_or_else(
            || {
                let limit = if snap_len == 0 { u32::MAX } else { snap_len };
                self.data.len().min(self.original_len.min(limit) as usize)
            },
            |len| len as usize,
        );
        self.data.get(..len).filter(|data| data.len() <= MAX_RECORD)
    }
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Self {
        let link_type = LinkType(block.linktype.0 as u32 & 0xffff);
        // pcap-parser reads it as little-endian in all sections.
        let offset_seconds = if big_endian {
            block.if_tsoffset.swap_bytes()
        } else {
            block.if_tsoffset
        };
        let clock = Clock {
            per_second: per_second(block.if_tsresol),
            offset_seconds,
        };
        Self {
            link_type,
            snap_len: block.snaplen,
            clock,
        }
    }
}

/// The resolution of a clock: a power of 10, or with the highest bit a power of 2, which pcap-parser
/// rejects. A resolution that 64 bits cannot count gives no time.
fn per_second(resolution: u8) -> u64 {
    let exponent = u32::from(resolution & 0x7f);
    let power = if resolution & 0x80 == 0 {
        10_u64.checked_pow(exponent)
    } else {
        1_u64.checked_shl(exponent)
    };
    power.unwrap_or(u64::MAX)
}

impl Clock {
    /// `None` if a pcap file could not represent it.
    fn time(self, ticks: u64) -> Option<Duration> {
        let seconds = i128::from(ticks / self.per_second) + i128::from(self.offset_seconds);
        let seconds = u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds <= MAX_SECONDS)?;
        let nanos =
            u128::from(ticks % self.per_second) * 1_000_000_000 / u128::from(self.per_second);
        Some(Duration::new(seconds, u32::try_from(nanos).ok()?))
    }
}
