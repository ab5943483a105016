//! The captures that a replay writes.

use core::time::Duration;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, Endianness, PcapError, TsResolution};

/// A pcap file of link type RAW with microseconds.
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
        let writer = PcapWriter::with_header(file, header)
            .map_err(cause)
            .with_context(context)?;
        Ok(Self {
            path: path.to_owned(),
            writer,
        })
    }

    /// Appends `packet` with the timestamp `time`, rounded down to microseconds.
    pub(crate) fn write(&mut self, time: Duration, packet: &[u8]) -> Result<()> {
        let length = u32::try_from(packet.len())?;
        let written = self
            .writer
            .write_packet(&PcapPacket::new(time, length, packet))
            .map_err(cause);
        written.with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }

    /// Flushes the file.
    pub(crate) fn finish(self) -> Result<()> {
        self.writer
            .into_writer()
            .flush()
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// The cause of an error, whose text says "reading" also for files that are written.
fn cause(error: PcapError) -> Error {
    match error {
        PcapError::IoError(error) => error.into(),
        other => other.into(),
    }
}
