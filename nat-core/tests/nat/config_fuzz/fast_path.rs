//! The fast path against the slow path, in every configuration.

use nat_core::Timeouts;

use super::operation::Run;
use super::setting::Setting;
use super::world::*;
use crate::strength;

const OPERATIONS: usize = 300;
/// Runs at full strength.
const RUNS: u64 = 400;

/// Two engines alike, of which one sends all packets on the slow path, never differ in a verdict, in
/// a byte of what is forwarded, in a session or in a counter, however they are configured.
#[test]
fn the_fast_path_does_what_the_slow_path_does_in_every_configuration() {
    let (mut fast, runs) = ([0; 4], strength::runs(RUNS));
    for seed in 0..runs {
        let mut random = fastrand::Rng::with_seed(seed);
        let setting = Setting::random(&mut random);
        let (Some(either), Some(slow)) = (setting.world(), setting.world()) else {
            continue;
        };
        let mut either = Run::new(either.entering_by(Entry::Fast(FastPackets::default())));
        let mut slow = Run::new(slow.entering_by(Entry::Slow));
        for number in 0..OPERATIONS {
            let operation = random.u64(..);
            either.perform(operation);
            slow.perform(operation);
            let what = format!("seed {seed}, operation {number}, {setting:?}");
            // The trace has each packet and what became of it.
            assert_eq!(either.trace, slow.trace, "{what}");
            assert_eq!(either.recent.0, slow.recent.0, "{what}");
            assert_eq!(either.world.sessions(), slow.world.sessions(), "{what}");
            assert_eq!(either.world.nat.stats(), slow.world.nat.stats(), "{what}");
            either.trace.clear();
            slow.trace.clear();
        }
        let FastPackets {
            all,
            opening,
            refused,
            odd,
        } = either.world.fast_packets();
        for (sum, count) in fast.iter_mut().zip([all, opening, refused, odd]) {
            *sum += count;
        }
        // The clock may have been turned back many times.
        for run in [&mut either, &mut slow] {
            run.world.advance(Timeouts::MAX * 2);
        }
    }
    let [all, opening, refused, odd] = fast.map(|count| u64::from(count) * RUNS / runs);
    assert!(
        all > 1500 && opening > 300 && refused > 300 && odd > 300,
        "{fast:?} packets took the fast path"
    );
}
