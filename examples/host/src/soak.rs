//! A long run of random traffic and attacks through the engine on a virtual clock. The checker
//! compares what arrives with what was sent; the state is checked at intervals.

mod attacks;
mod checker;
mod engine;
mod packet;
mod tally;
mod traffic;
mod victim;
mod world;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use crate::cli::SoakOptions;

use tally::Tally;
use world::World;

/// How often the progress is printed.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Runs the soak that `options` describe, and prints what was done.
///
/// # Errors
///
/// What was wrong with a packet or with the state, with the seed and the number of the packet.
pub(crate) fn run(options: &SoakOptions) -> Result<()> {
    let begin = Instant::now();
    let tally = run_threads(options)?;
    let seconds = begin.elapsed().as_secs_f64();
    println!("{}", tally.table());
    println!(
        "{} packets in {seconds:.1} s, {:.0} a second",
        tally.packets,
        tally.packets as f64 / seconds
    );
    println!("soak passed");
    Ok(())
}

/// One soak in each thread. Returns the sum of what they did, or the first failure.
fn run_threads(options: &SoakOptions) -> Result<Tally> {
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let progress = scope.spawn(|| print_progress(options.packets, &done, &over));
        let done = &done;
        let soaks: Vec<_> = (0..options.threads)
            .map(|number| scope.spawn(move || soak(options, number, done)))
            .collect();
        // All are joined, also after a failure: the progress ends when the last one has ended.
        let results: Vec<_> = soaks.into_iter().map(ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        progress.thread().unpark();
        let mut sum = Tally::default();
        for result in results {
            sum = sum.and(result.map_err(|_| anyhow!("the engine panicked"))??);
        }
        Ok(sum)
    })
}

fn soak(options: &SoakOptions, number: u64, done: &AtomicU64) -> Result<Tally> {
    let share = options.packets / options.threads;
    let remainder = options.packets % options.threads;
    let seed = options.seed.wrapping_add(number);
    let mut world = World::new(seed)?;
    let result = world.run(share + u64::from(number < remainder), done);
    let tally = world.tally();
    let packet = tally.packets;
    result.with_context(|| {
        format!(
            "packet {packet} of seed {seed}; `soak --seed {seed} --packets {packet}` repeats it"
        )
    })?;
    Ok(tally)
}

fn print_progress(packets: u64, done: &AtomicU64, over: &AtomicBool) {
    let mut before = 0;
    loop {
        thread::park_timeout(PROGRESS_INTERVAL);
        if over.load(Ordering::Relaxed) {
            return;
        }
        let now = done.load(Ordering::Relaxed);
        let percent = now as f64 / packets as f64 * 100.0;
        let rate = (now - before) as f64 / PROGRESS_INTERVAL.as_secs_f64() / 1e6;
        eprintln!("{now} packets, {percent:.1} %, {rate:.2} million a second");
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_soak_passes() {
        run(&SoakOptions {
            packets: 300_000,
            seed: 1,
            threads: 2,
        })
        .expect("nothing is wrong");
    }
}
