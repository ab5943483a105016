//! One line of JSON for each packet.

use core::time::Duration;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nat_core::{Side, Verdict};
use serde::Serialize;
use serde_json::value::RawValue;

/// The file of verdicts.
pub(crate) struct VerdictLines {
    path: PathBuf,
    file: BufWriter<File>,
}

impl VerdictLines {
    /// Creates the file at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Appends what became of the packet that came in on `from` at `time`.
    pub(crate) fn write(&mut self, time: Duration, from: Side, verdict: &Verdict) -> Result<()> {
        let Self { path, file } = self;
        let line = VerdictLine::new(time, from, verdict)?;
        let written = serde_json::to_writer(&mut *file, &line).map_err(Into::into).and_then(|()| file.write_all(b"\n"));
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes what is still in memory.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.file.flush().with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[derive(Serialize)]
struct VerdictLine {
    /// Seconds, an exact decimal: a float cannot hold today's nanoseconds.
    time: Box<RawValue>,
    from: &'static str,
    verdict: &'static str,
    to: Option<&'static str>,
    reason: Option<&'static str>,
}

impl VerdictLine {
    fn new(time: Duration, from: Side, verdict: &Verdict) -> serde_json::Result<Self> {
        let (verdict, to, reason) = match verdict {
            Verdict::Drop(reason) => ("drop", None, Some(*reason)),
            Verdict::Forward { to, .. } | Verdict::Fragment { to, .. } => ("forward", Some(*to), None),
            Verdict::Hold => ("hold", None, None),
            Verdict::Local { .. } => ("local", None, None),
            Verdict::Reject(reply) => ("reject", Some(from), Some(reply.reason())),
        };
        Ok(Self {
            time: RawValue::from_string(seconds(time))?,
            from: side(from),
            verdict,
            to: to.map(side),
            reason: reason.map(|reason| reason.as_str()),
        })
    }
}

/// In the precision that the capture has: microseconds, or nanoseconds where those are not zero.
fn seconds(time: Duration) -> String {
    match time.subsec_nanos() {
        nanos if nanos % 1_000 == 0 => format!("{}.{:06}", time.as_secs(), nanos / 1_000),
        nanos => format!("{}.{nanos:09}", time.as_secs()),
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Inside => "lan",
        Side::Outside => "wan",
    }
}
