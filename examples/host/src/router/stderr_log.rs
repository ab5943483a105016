//! The router's log on standard error.

use std::io::{self, Write};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Writes a line for each message, with the prefix of the program's own messages.
struct StderrLog;

static LOG: StderrLog = StderrLog;

/// Starts the log with warnings and errors. `verbosity` 1 adds information, 2 debug messages, 3
/// everything.
pub(crate) fn start(verbosity: u8) {
    let level = match verbosity {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    // No other code of this program sets a logger.
    if log::set_logger(&LOG).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for StderrLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // If standard error is closed, routing goes on.
        let _ = writeln!(io::stderr(), "{}", line(record));
    }

    fn flush(&self) {}
}

fn line(record: &Record<'_>) -> String {
    let kind = match record.level() {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info | Level::Debug | Level::Trace => "",
    };
    format!("nat-host: {kind}{}", record.args())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_with_its_kind_where_it_is_bad() {
        for (level, expected) in [
            (Level::Error, "nat-host: error: 1 of 2"),
            (Level::Warn, "nat-host: warning: 1 of 2"),
            (Level::Info, "nat-host: 1 of 2"),
        ] {
            let of = 2;
            assert_eq!(
                line(
                    &Record::builder()
                        .level(level)
                        .args(format_args!("1 of {of}"))
                        .build()
                ),
                expected
            );
        }
    }
}
