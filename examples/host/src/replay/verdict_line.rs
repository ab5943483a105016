//! One line of JSON for each packet.

use core::time::Duration;

use nat_core::{Side, Verdict};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
pub(crate) struct VerdictLine {
    /// Seconds, an exact decimal: a float cannot hold today's nanoseconds.
    time: Box<RawValue>,
    from: &'static str,
    verdict: &'static str,
    to: Option<&'static str>,
    reason: Option<&'static str>,
}

impl VerdictLine {
    /// What became of the packet that came in on `from` at `time`.
    pub(crate) fn new(time: Duration, from: Side, verdict: &Verdict) -> serde_json::Result<Self> {
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
