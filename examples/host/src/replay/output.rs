//! Captures that are written.

use core::time::Duration;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, Endianness, PcapError, TsResolution};

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
        let writer = PcapWriter::with_header(file, header)
            .map_err(cause)
            .with_context(context)?;
        Ok(Self {
            path: path.to_owned(),
            writer,
        })
    }

    /// Appends `packet` with the timestamp `time`, cut to a microsecond.
    pub(crate) fn write(&mut self, time: Duration, packet: &[u8]) -> Result<()> {
        let length = u32::try_from(packet.len())?;
        let written = self
            .writer
            .write_packet(&PcapPacket::new(time, length, packet))
            .map_err(cause);
        written.with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }

    /// Writes what is still in memory.
    pub(crate) fn finish(self) -> Result<()> {
        self.writer
            .into_writer()
            .flush()
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// What lies behind an error, which says "reading" of files that are written, too.
fn cause(error: PcapError) -> Error {
    match error {
        PcapError::IoError(error) => error.into(),
        other => other.into(),
    }
}
