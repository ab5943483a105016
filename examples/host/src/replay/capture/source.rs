//! The bytes of a file, with their offsets.

use std::io::{self, BufReader, Read};

use anyhow::{Context, Result, bail};

/// A file that is read once from the beginning; it may be a pipe.
pub(super) struct Source {
    reader: Box<dyn Read>,
    /// How many bytes have been read.
    offset: u64,
    /// The offset of the current record.
    start: u64,
}

impl Source {
    pub(super) fn new(reader: impl Read + 'static) -> Self {
        Self {
            reader: Box::new(BufReader::with_capacity(1 << 16, reader)),
            offset: 0,
            start: 0,
        }
    }

    /// The offset of the current record.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Starts a record. Returns false at the end of the file.
    pub(super) fn begin(&mut self, bytes: &mut Vec<u8>) -> Result<bool> {
        self.start = self.offset;
        bytes.clear();
        self.append(1, bytes)?;
        Ok(!bytes.is_empty())
    }

    /// Reads until `bytes` has the length `len`. `what` names the bytes in the error if the file ends
    /// before.
    ///
    /// Memory is allocated only for bytes that the file has, even if `len` is larger.
    pub(super) fn fill(&mut self, bytes: &mut Vec<u8>, len: usize, what: &str) -> Result<()> {
        self.append(len.saturating_sub(bytes.len()), bytes)?;
        if bytes.len() < len {
            bail!(
                "truncated: the file ends within the {what} at byte offset {}",
                self.start
            );
        }
        Ok(())
    }

    /// Reads `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = Vec::new();
        self.fill(&mut bytes, N, what)?;
        Ok(bytes.try_into().unwrap_or([0; N]))
    }

    fn append(&mut self, len: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let read = match Read::take(&mut self.reader, len as u64).read_to_end(bytes) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                bail!("a directory, not a capture")
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read on at byte offset {}", self.offset));
            }
        };
        self.offset += read as u64;
        Ok(())
    }
}
