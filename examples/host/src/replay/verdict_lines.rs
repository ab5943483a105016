//! One line of JSON for each packet.

use core::time::Duration;
use std::path::Path;

use anyhow::Result;
use nat_core::{Side, Verdict};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::json_lines::{JsonLines, seconds};

/// The file of verdicts.
pub(crate) struct VerdictLines(JsonLines);

impl VerdictLines {
    /// Creates the file at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        JsonLines::create(path).map(Self)
    }

    /// Appends the verdict on the packet that came in on `from` at `time`.
    pub(crate) fn write(&mut self, time: Duration, from: Side, verdict: &Verdict) -> Result<()> {
        self.0.write(&VerdictLine::new(time, from, verdict)?)
    }

    /// Appends that the packet that came in on `from` at `time` was truncated in the capture and not
    /// processed.
    pub(crate) fn write_truncated(&mut self, time: Duration, from: Side) -> Result<()> {
        let time = seconds(time)?;
        self.0.write(&VerdictLine {
            time,
            from: side(from),
            verdict: "drop",
            to: None,
            reason: Some("truncated"),
        })
    }

    /// Flushes the file.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.0.flush()
    }
}

#[derive(Serialize)]
struct VerdictLine {
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
            Verdict::Forward { to, .. } | Verdict::Fragment { to, .. } => {
                ("forward", Some(*to), None)
            }
            Verdict::Hold => ("hold", None, None),
            Verdict::Local { .. } => ("local", None, None),
            Verdict::Reject(reply) => ("reject", Some(from), Some(reply.reason())),
        };
        Ok(Self {
            time: seconds(time)?,
            from: side(from),
            verdict,
            to: to.map(side),
            reason: reason.map(|reason| reason.as_str()),
        })
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Inside => "lan",
        Side::Outside => "wan",
    }
}
