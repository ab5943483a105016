//! All that can be configured and changed at once: random configurations, random operations, and
//! after each step the invariants that no combination may break.

mod fast_path;
mod invariants;
mod operation;
mod setting;

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use crate::strength;
use crate::world::{self, *};
use nat_core::{DropReason, Timeouts};
use operation::Run;
use setting::{HOSTS, Setting};

const OPERATIONS: usize = 300;
/// Runs at full strength.
const RUNS: u64 = 400;

/// Performs `operations`, and then holds the world against one that is new. What was done before a
/// difference, and the difference.
fn run(setting: &Setting, operations: &[u64]) -> Result<(), (usize, Vec<String>)> {
    let Some(world) = setting.world() else {
        return Ok(());
    };
    let mut run = Run::new(world);
    let mut reached = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        for (number, operation) in operations.iter().enumerate() {
            reached = number;
            let before = run.world.sessions();
            run.perform(*operation);
            invariants::check(&run.world, &before);
        }
        // The clock may have been turned back many times.
        run.world.advance(Timeouts::MAX * 2);
        check_as_new(setting, &mut run);
    }));
    let Err(panic) = result else { return Ok(()) };
    let mut trace = core::mem::take(&mut run.trace);
    trace.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
    // Its checks have failed already.
    core::mem::forget(run);
    Err((reached, trace))
}

/// Once all sessions have ended, the state is as at the start: no port, slot or count is lost.
fn check_as_new(setting: &Setting, run: &mut Run) {
    let world = &mut run.world;
    assert_eq!(
        world.sessions(),
        [],
        "sessions outlived the longest timeout"
    );
    let mut new = setting
        .world()
        .expect("a configuration that has worked before");
    let forwards: Vec<_> = world.nat.port_forwards().collect();
    for forward in forwards {
        // Two that do not meet may do so on other addresses.
        if new.nat.add_port_forward(forward).is_err() {
            assert!(world.remove_port_forward(&forward));
        }
    }
    // With one address there is nothing to choose.
    for world in [&mut *world, &mut new] {
        world
            .set_external_addresses(&[N2])
            .expect("an address of a host");
        let _first_packet = world.outbound(udp(at(H1, 2000), at(S1, 80)));
        world.advance(Timeouts::MAX * 2 + secs(1));
    }
    for number in 0..36 {
        let host = HOSTS[number % HOSTS.len()];
        // A low port could take one of both ranges, or not.
        let port = [2000, if setting.ranges_meet() { 2100 } else { 80 }, 40_000][number % 3]
            + (number / 3) as u16;
        let packet = match number / 3 % 3 {
            0 => udp(at(host, port), at(S1, 9)),
            1 => tcp(at(host, port), at(S1, 9), SYN),
            _ => echo_request(host, S1, port),
        };
        let outcomes = [&mut *world, &mut new].map(|world| verdict(&world.outbound(&packet)));
        assert_eq!(
            outcomes[0], outcomes[1],
            "what the used world and a new one do with {host}:{port}"
        );
        world.advance(secs(0));
    }
}

fn verdict(outcome: &Outcome) -> (bool, Option<DropReason>) {
    (outcome.is_forwarded(), outcome.refusal())
}

/// Leaves out what can be left out of operations that lead to a difference, until nothing can.
fn shortest(setting: &Setting, mut operations: Vec<u64>) -> Vec<u64> {
    let mut length = operations.len().div_ceil(2);
    while length > 0 {
        let mut index = 0;
        while index < operations.len() {
            let mut fewer = operations.clone();
            fewer.drain(index..operations.len().min(index + length));
            match run(setting, &fewer) {
                Err(_) => operations = fewer,
                Ok(()) => index += length,
            }
        }
        length /= 2;
    }
    operations
}

/// RFC 4787 REQ-1, REQ-2, REQ-3a, REQ-4, RFC 6888 REQ-4, REQ-6, REQ-8, RFC 7857 section 3, however
/// they are combined.
#[test]
fn no_combination_breaks_what_always_holds() {
    let first = std::env::var("CONFIG_FUZZ_FIRST")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0);
    let runs = std::env::var("CONFIG_FUZZ_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or_else(|| strength::runs(RUNS));
    for seed in first..first + runs {
        let mut random = fastrand::Rng::with_seed(seed);
        let setting = Setting::random(&mut random);
        let mut operations: Vec<_> = (0..OPERATIONS).map(|_| random.u64(..)).collect();
        if let Err((reached, _)) = run(&setting, &operations) {
            operations.truncate(reached + 1);
            let operations = shortest(&setting, operations);
            let (_, trace) =
                run(&setting, &operations).expect_err("the shortest list still differs");
            panic!("seed {seed}, {setting:?}\n{}", trace.join("\n"));
        }
    }
}
