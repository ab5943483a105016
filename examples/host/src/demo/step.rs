//! One step of the demo. It prints a line with its result, or what was expected and what was seen.

use core::fmt::{self, Display};
use std::io::Write;

use embassy_time::{Duration, Instant, with_timeout};

/// The line that a step prints when it succeeds.
pub(super) type Outcome = Result<String, Failure>;

/// Why a step failed.
#[derive(Debug)]
pub(super) struct Failure {
    expected: String,
    seen: String,
}

impl Failure {
    /// `expected` was not seen; `seen` was.
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

/// The title of the step that failed. The reason has been printed.
#[derive(Debug)]
pub(super) struct Failed(pub(super) &'static str);

/// The column in which a step's result starts.
const FIGURE_COLUMN: usize = 37;

/// Runs `work` and prints the line of the step `title`. The step fails if it takes longer than
/// `limit`; then `awaited` is printed as what was expected.
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
            format_args!("nothing within {} s", limit.as_secs()),
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

/// Prints `line`. A closed standard output is no error: the exit status still shows the result.
pub(super) fn say(line: impl Display) {
    if cfg!(test) {
        // The test harness captures only this way of printing.
        println!("{line}");
    } else {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// `duration` as text for people.
pub(super) fn readable(duration: Duration) -> String {
    match duration.as_micros() {
        micros @ 0..1000 => format!("{micros} \u{b5}s"),
        micros => format!("{:.1} ms", micros as f64 / 1000.0),
    }
}
