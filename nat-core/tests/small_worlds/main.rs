//! Every state that a small engine reaches within a few steps. `cargo run --release -p nat-core
//! --example worlds` goes deeper.

mod worlds;

use worlds::explore::{Counts, Limits, explore};
use worlds::scenario::{Mode, Scenario, Topic};

/// Explores a topic in each mode.
fn explored(topic: Topic) -> Counts {
    let mut counts = Counts::default();
    for mode in Mode::ALL {
        let scenario = Scenario::new(topic, mode);
        let limits = Limits {
            depth: usize::MAX,
            transitions: 4000,
            threads: 1,
            progress: false,
        };
        match explore(&scenario, limits) {
            Ok(explored) => {
                println!("{}: {explored:?}", scenario.name());
                counts.add(&explored.counts);
            }
            Err(fault) => panic!("{}:\n{fault}", scenario.name()),
        }
    }
    counts
}

#[test]
fn udp() {
    let counts = explored(Topic::Udp);
    assert!(counts.hairpin > 0, "{counts:?}");
}

#[test]
fn tcp() {
    let counts = explored(Topic::Tcp);
    assert!(counts.come_in > 0 && counts.answered > 0, "{counts:?}");
}

#[test]
fn control() {
    let counts = explored(Topic::Control);
    assert!(counts.come_in > 0 && counts.ended > 0, "{counts:?}");
}

#[test]
fn hairpin() {
    let counts = explored(Topic::Hairpin);
    assert!(counts.hairpin > 0 && counts.evicted > 0, "{counts:?}");
}

#[test]
fn numbers() {
    let counts = explored(Topic::Numbers);
    assert!(counts.come_in > 0, "{counts:?}");
}

#[test]
fn fragments() {
    let counts = explored(Topic::Fragments);
    assert!(counts.held > 0 && counts.released > 0, "{counts:?}");
}

#[test]
fn errors() {
    let counts = explored(Topic::Errors);
    assert!(counts.come_in > 0, "{counts:?}");
}

#[test]
fn quotas() {
    let counts = explored(Topic::Quotas);
    assert!(counts.answered > 0, "{counts:?}");
}

#[test]
fn all() {
    let counts = explored(Topic::All);
    assert!(counts.out > 0, "{counts:?}");
}
