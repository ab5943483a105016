//! The tables of the RP2040's image serve an ordinary household.

mod simulation;

use core::ops::Range;

use crate::strength;
use simulation::{Report, play};

fn hour(seed: u64) -> Report {
    let report = play(seed, |_| ());
    assert!(
        report.begun > 10_000 && report.packets > 100_000,
        "{report}"
    );
    report
}

/// The hours that are played: `HOUSEHOLD_RUNS` seeds from `HOUSEHOLD_FIRST` on.
fn seeds() -> Range<u64> {
    let number = |name, default| {
        std::env::var(name)
            .ok()
            .and_then(|number| number.parse().ok())
            .unwrap_or(default)
    };
    let first = number("HOUSEHOLD_FIRST", 1);
    first..first + number("HOUSEHOLD_RUNS", strength::runs(4))
}

/// No session of ten hosts is refused in an hour, nor ended before its time.
#[test]
fn an_ordinary_household_is_refused_nothing() {
    for seed in seeds() {
        let report = hour(seed);
        assert_eq!(report.refusals(), 0, "seed {seed}:\n{report}");
        assert!(
            report.lost.is_empty(),
            "seed {seed}, a session that had begun was cut off:\n{report}"
        );
    }
}
