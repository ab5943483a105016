//! Classic pcap files of IPv4 packets, read and written record by record.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter, RawPcapPacket};
use pcap_file::{DataLink, Endianness, PcapError, TsResolution};

const FILE_HEADER: u64 = 24;
const RECORD_HEADER: u64 = 16;
/// The longest record that capture tools write; what is longer is not a record.
const MAX_RECORD: u32 = 262_144;

/// A capture that is read, with its next record at hand.
pub(crate) struct Capture {
    path: PathBuf,
    reader: PcapReader<File>,
    resolution: TsResolution,
    /// Where the record after the one at hand starts.
    offset: u64,
    time: Option<Duration>,
    packet: Vec<u8>,
    /// What of a capture with Ethernet headers has arrived at the router.
    frames: Option<Arrivals>,
}

/// Whether an IPv4 packet has arrived at the router, by its source: a wire also carries what the router itself sends.
pub(crate) type Arrivals = Box<dyn Fn(Ipv4Addr) -> bool>;

impl Capture {
    /// Opens the capture at `path` and reads its first record.
    ///
    /// Of a capture with Ethernet headers, a record is an IPv4 packet that has arrived at the router, without its header.
    pub(crate) fn open(path: &Path, arrivals: Arrivals) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let reader = PcapReader::new(file).map_err(|error| foreign(path, error))?;
        let header = reader.header();
        check_header(&header).with_context(|| path.display().to_string())?;
        let resolution = header.ts_resolution;
        let path = path.to_owned();
        let frames = Some(arrivals).filter(|_| header.datalink == DataLink::ETHERNET);
        let mut capture =
            Self { path, reader, resolution, offset: FILE_HEADER, time: None, packet: Vec::new(), frames };
        capture.advance()?;
        Ok(capture)
    }

    /// The timestamp of the record at hand; `None` after the last.
    pub(crate) fn time(&self) -> Option<Duration> {
        self.time
    }

    /// The packet of the record at hand, as far as it was captured.
    pub(crate) fn packet_mut(&mut self) -> &mut [u8] {
        &mut self.packet
    }

    /// Reads the next record that counts.
    pub(crate) fn advance(&mut self) -> Result<()> {
        loop {
            self.read_record()?;
            let Some(arrivals) = self.frames.as_ref().filter(|_| self.time.is_some()) else { return Ok(()) };
            if let Some(datagram) = datagram(&self.packet).filter(|datagram| arrivals(source(datagram))) {
                self.packet = datagram.to_vec();
                return Ok(());
            }
        }
    }

    fn read_record(&mut self) -> Result<()> {
        self.time = None;
        let offset = self.offset;
        let Some(record) = self.reader.next_raw_packet() else { return Ok(()) };
        match record {
            Ok(record) => {
                let time = timestamp(&record, self.resolution);
                let time = time.with_context(|| format!("{}: record at byte offset {offset}", self.path.display()))?;
                self.time = Some(time);
                self.packet.clear();
                self.packet.extend_from_slice(&record.data);
                self.offset += RECORD_HEADER + u64::from(record.incl_len);
                Ok(())
            }
            Err(error) => Err(self.cut_off(offset, error)),
        }
    }

    fn cut_off(&self, offset: u64, error: PcapError) -> Error {
        let path = self.path.display();
        match error {
            PcapError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                anyhow!("{path}: truncated: the file ends within the record at byte offset {offset}")
            }
            other => cause(other).context(format!("{path}: cannot read the record at byte offset {offset}")),
        }
    }
}

/// The IPv4 packet in an Ethernet frame, if its header was captured.
fn datagram(frame: &[u8]) -> Option<&[u8]> {
    const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
    let (header, datagram) = frame.split_at_checked(14)?;
    (header[12..] == ETHERTYPE_IPV4 && datagram.len() >= 20).then_some(datagram)
}

/// The source of an IPv4 packet of 20 bytes or more.
fn source(datagram: &[u8]) -> Ipv4Addr {
    Ipv4Addr::new(datagram[12], datagram[13], datagram[14], datagram[15])
}

/// What lies behind an error, which says "reading" of files that are written, too.
fn cause(error: PcapError) -> Error {
    match error {
        PcapError::IoError(error) => error.into(),
        other => other.into(),
    }
}

fn foreign(path: &Path, error: PcapError) -> Error {
    let path = path.display();
    match error {
        PcapError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            anyhow!("{path}: truncated: the file ends within the file header at byte offset 0")
        }
        PcapError::IoError(error) => Error::new(error).context(format!("cannot read {path}")),
        _ => anyhow!("{path}: not a classic pcap file at byte offset 0 (`editcap -F pcap` converts pcapng)"),
    }
}

fn check_header(header: &PcapHeader) -> Result<()> {
    let (major, minor) = (header.version_major, header.version_minor);
    ensure!((major, minor) == (2, 4), "pcap version {major}.{minor} at byte offset 4, expected 2.4");
    match header.datalink {
        DataLink::RAW | DataLink::IPV4 | DataLink::ETHERNET => Ok(()),
        other => {
            bail!("link type {} at byte offset 20, expected RAW (101), IPV4 (228) or ETHERNET (1)", u32::from(other))
        }
    }
}

fn timestamp(record: &RawPcapPacket<'_>, resolution: TsResolution) -> Result<Duration> {
    ensure!(record.incl_len <= MAX_RECORD, "{} bytes are no packet", record.incl_len);
    let (unit, per_second) = match resolution {
        TsResolution::MicroSecond => (1_000, 1_000_000),
        TsResolution::NanoSecond => (1, 1_000_000_000),
    };
    ensure!(record.ts_frac < per_second, "a fraction of {} is more than a second", record.ts_frac);
    Ok(Duration::new(record.ts_sec.into(), record.ts_frac * unit))
}

/// A capture that is written: link type RAW, microseconds.
pub(crate) struct Output {
    path: PathBuf,
    writer: PcapWriter<BufWriter<File>>,
}

impl Output {
    /// Creates the capture at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let context = || format!("cannot write {}", path.display());
        let header = PcapHeader {
            datalink: DataLink::RAW,
            endianness: Endianness::Little,
            ts_resolution: TsResolution::MicroSecond,
            ..PcapHeader::default()
        };
        let file = BufWriter::new(File::create(path).with_context(context)?);
        let writer = PcapWriter::with_header(file, header).map_err(cause).with_context(context)?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Appends `packet` with the timestamp `time`, cut to a microsecond.
    pub(crate) fn write(&mut self, time: Duration, packet: &[u8]) -> Result<()> {
        let length = u32::try_from(packet.len())?;
        let written = self.writer.write_packet(&PcapPacket::new(time, length, packet)).map_err(cause);
        written.with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }

    /// Writes what is still in memory.
    pub(crate) fn finish(self) -> Result<()> {
        self.writer.into_writer().flush().with_context(|| format!("cannot write {}", self.path.display()))
    }
}
