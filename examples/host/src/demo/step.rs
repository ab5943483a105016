//! One step of the demo: a line with its figure, or what was expected and what was seen instead.

use core::fmt::{self, Display};
use std::io::Write;

use embassy_time::{Duration, Instant, with_timeout};

/// What a step shows when it worked.
pub(super) type Outcome = Result<String, Failure>;

/// Why a step failed.
#[derive(Debug)]
pub(super) struct Failure {
    expected: String,
    seen: String,
}

impl Failure {
    /// A failure to see `expected`.
    pub(super) fn new(expected: impl Display, seen: impl Display) -> Self {
        Self {
            expected: expected.to_string(),
            seen: seen.to_string(),
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = " ".repeat(FIGURE_COLUMN);
        write!(
            f,
            "{indent}expected: {}\n{indent}seen:     {}",
            self.expected, self.seen
        )
    }
}

/// The step that did not work. Why it did not has been printed.
#[derive(Debug)]
pub(super) struct Failed(pub(super) &'static str);

/// The column in which a step's figure starts.
const FIGURE_COLUMN: usize = 37;

/// Waits for `work` and prints the line of the step `title`. A step that is not over after `limit`
/// has failed: `awaited` is what it must have been waiting for.
pub(super) async fn step(
    title: &'static str,
    awaited: &str,
    limit: Duration,
    work: impl Future<Output = Outcome>,
) -> Result<(), Failed> {
    let start = Instant::now();
    let outcome = with_timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Failure::new(
            awaited,
            format_args!("nothing of it within {} s", limit.as_secs()),
        ))
    });
    let elapsed = readable(start.elapsed());
    match outcome {
        Ok(figure) => say(format_args!(
            "  \u{2713} {title:<20} {elapsed:>9}   {figure}"
        )),
        Err(failure) => {
            say(format_args!(
                "  \u{2717} {title:<20} {elapsed:>9}   failed\n{failure}"
            ));
            return Err(Failed(title));
        }
    }
    Ok(())
}

/// Prints `line`. If nobody reads any more, the exit status tells as well.
pub(super) fn say(line: impl Display) {
    if cfg!(test) {
        // The one way of printing that a test harness keeps to itself.
        println!("{line}");
    } else {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// `duration` for people.
pub(super) fn readable(duration: Duration) -> String {
    match duration.as_micros() {
        micros @ 0..1000 => format!("{micros} \u{b5}s"),
        micros => format!("{:.1} ms", micros as f64 / 1000.0),
    }
}
