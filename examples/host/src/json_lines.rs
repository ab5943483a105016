//! A file with one JSON object a line.

use core::time::Duration;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::value::RawValue;

pub(crate) struct JsonLines {
    path: PathBuf,
    file: BufWriter<File>,
}

impl JsonLines {
    /// Creates or overwrites the file at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Self::open(path, File::create(path))
    }

    /// Opens the file at `path` to append to it.
    #[cfg(target_os = "linux")]
    pub(crate) fn append(path: &Path) -> Result<Self> {
        Self::open(
            path,
            OpenOptions::new().append(true).create(true).open(path),
        )
    }

    fn open(path: &Path, file: io::Result<File>) -> Result<Self> {
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
        })
    }

    /// Appends `line`.
    pub(crate) fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let Self { path, file } = self;
        let written = serde_json::to_writer(&mut *file, line)
            .map_err(Into::into)
            .and_then(|()| file.write_all(b"\n"));
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Flushes the file.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.file
            .flush()
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Seconds as an exact decimal, because a float cannot represent today's nanoseconds. With six digits,
/// or nine if needed.
pub(crate) fn seconds(time: Duration) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(match time.subsec_nanos() {
        nanos if nanos % 1_000 == 0 => format!("{}.{:06}", time.as_secs(), nanos / 1_000),
        nanos => format!("{}.{nanos:09}", time.as_secs()),
    })
}
