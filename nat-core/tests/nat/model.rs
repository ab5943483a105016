//! The engine against a naive model of it: the same random operations go through both, and they
//! must agree on every verdict, every translation, and every session after each step.
//!
//! The model keeps its state in maps that it walks, knows no hashing, no lists and no timers, and
//! learns which external port the engine has drawn. Capacities are tiny, so that tables are full
//! most of the time.

mod naive;
mod operation;

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use crate::strength;
use crate::world::{self, *};
use naive::Naive;
use nat_core::{DropReason, Filtering, Mapping, Stats};
use operation::{Operation, Run};

const OPERATIONS: usize = 400;
/// Runs at full strength.
const RUNS: u64 = 1500;

/// What differs from run to run besides the operations.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// Whether external ports overlap, which takes the strictest filter.
    overlapping: bool,
    filtering: Filtering,
    sessions_per_host: u16,
    half_open_per_host: u16,
    ports: u16,
}

impl Setting {
    fn random(random: &mut fastrand::Rng) -> Self {
        use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        let filtering = [
            AddressAndPortDependent,
            AddressDependent,
            EndpointIndependent,
        ][random.usize(..3)];
        Self {
            overlapping: filtering == AddressAndPortDependent && random.bool(),
            filtering,
            sessions_per_host: [4, 6, u16::MAX][random.usize(..3)],
            half_open_per_host: [1, 2, u16::MAX][random.usize(..3)],
            ports: random.u16(2..7),
        }
    }

    fn run(self) -> Run {
        let world =
            World::sized::<{ Naive::MAPPINGS }, { Naive::SESSIONS }, { Naive::HOSTS }>(|config| {
                config.filtering = self.filtering;
                if self.overlapping {
                    config.mapping = Mapping::AddressAndPortDependent;
                }
                config.limits.sessions_per_host = Some(self.sessions_per_host);
                config.limits.half_open_per_host = Some(self.half_open_per_host);
                config.timeouts = nat_core::Timeouts::RFC;
                config.limits.icmp_error_burst = u16::MAX;
                config.limits.icmp_errors_per_second = u16::MAX;
                config.ports =
                    nat_core::PortRange::new(30_000, 30_000 + self.ports - 1).expect("some ports");
            });
        let ports = 30_000..30_000 + self.ports;
        Run::new(
            world,
            Naive::new(
                self.overlapping,
                self.filtering,
                (self.sessions_per_host, self.half_open_per_host),
                ports,
            ),
        )
    }
}

/// Runs `operations` and gives what the engine has counted; else the number of the first that went
/// differently, and how.
fn run(setting: Setting, operations: &[Operation]) -> Result<Stats, (usize, String)> {
    let mut reached = 0;
    let run = catch_unwind(AssertUnwindSafe(|| {
        let mut run = setting.run();
        for (number, operation) in operations.iter().enumerate() {
            reached = number;
            run.perform(operation)
                .map_err(|difference| (number, difference))?;
        }
        Ok(run.stats())
    }));
    run.unwrap_or_else(|panic| {
        Err((
            reached,
            panic.downcast_ref::<String>().cloned().unwrap_or_default(),
        ))
    })
}

/// Leaves out what can be left out of operations that lead to a difference, until nothing can.
fn shortest(setting: Setting, mut operations: Vec<Operation>) -> Vec<Operation> {
    loop {
        let before = operations.len();
        for index in (0..before).rev() {
            let mut fewer = operations.clone();
            if index < fewer.len() {
                fewer.remove(index);
            }
            if let Err((last, _)) = run(setting, &fewer) {
                fewer.truncate(last + 1);
                operations = fewer;
            }
        }
        if operations.len() == before {
            return operations;
        }
    }
}

#[test]
fn the_engine_agrees_with_a_naive_model() {
    let mut unmet = vec![
        DropReason::AddressMissing,
        DropReason::Filtered,
        DropReason::HalfOpenLimit,
        DropReason::HostLimit,
        DropReason::HostTableFull,
        DropReason::MappingTableFull,
        DropReason::NoMapping,
        DropReason::NoSession,
        DropReason::NotForUs,
        DropReason::PortsExhausted,
        DropReason::SessionTableFull,
    ];
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|number| number.parse().ok())
    };
    let (first, asked_runs) = (number("MODEL_FIRST").unwrap_or(0), number("MODEL_RUNS"));
    let runs = asked_runs.unwrap_or_else(|| strength::runs(RUNS));
    // A few runs from any seed on need not meet all refusals.
    let is_enough = asked_runs.is_none_or(|runs| runs >= RUNS);
    let mut evicted = 0;
    for seed in first..first + runs {
        let mut random = fastrand::Rng::with_seed(seed);
        let setting = Setting::random(&mut random);
        let mut operations: Vec<_> = (0..OPERATIONS)
            .map(|_| Operation::random(&mut random))
            .collect();
        match run(setting, &operations) {
            Ok(stats) => {
                unmet.retain(|reason| stats.dropped(*reason) + stats.rejected(*reason) == 0);
                evicted += stats.sessions_evicted;
            }
            Err((number, _)) => {
                operations.truncate(number + 1);
                let operations = shortest(setting, operations);
                let (_, difference) =
                    run(setting, &operations).expect_err("the shortest list still differs");
                panic!("seed {seed}, {setting:?}\n{operations:#?}\n{difference}");
            }
        }
    }
    assert!(
        !is_enough || evicted * RUNS > 5000 * runs,
        "{evicted} sessions were evicted"
    );
    assert!(
        !is_enough || unmet.is_empty(),
        "refusals that no run has met: {unmet:?}"
    );
}
