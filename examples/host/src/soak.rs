//! A thousand million packets through the engine, on a virtual clock: nothing is lost, nothing
//! leaks, nothing stays.

mod judge;
mod packet;
mod traffic;
mod victim;
mod world;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use crate::cli::SoakOptions;

use world::{Tally, World};

/// How often the progress is told.
const TELL: Duration = Duration::from_secs(5);

/// Runs the soak that `options` ask for, and prints what was done.
///
/// # Errors
///
/// What was wrong with a packet or with the state, with the seed and the number of the packet.
pub(crate) fn run(options: &SoakOptions) -> Result<()> {
    let begin = Instant::now();
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let tally = thread::scope(|scope| {
        let teller = scope.spawn(|| tell_progress(options.packets, &done, &over));
        let done = &done;
        let soaks: Vec<_> = (0..options.threads)
            .map(|number| scope.spawn(move || soak(options, number, done)))
            .collect();
        let tallies: Vec<_> = soaks
            .into_iter()
            .map(|soak| soak.join().map_err(|_| anyhow!("the engine panicked")))
            .collect();
        over.store(true, Ordering::Relaxed);
        teller.thread().unpark();
        tallies
            .into_iter()
            .try_fold(Tally::default(), |sum, tally| {
                Ok::<_, anyhow::Error>(sum.and(tally??))
            })
    })?;
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

fn soak(options: &SoakOptions, number: u64, done: &AtomicU64) -> Result<Tally> {
    let (share, rest) = (
        options.packets / options.threads,
        options.packets % options.threads,
    );
    let seed = options.seed.wrapping_add(number);
    let mut world = World::new(seed)?;
    let ended = world.run(share + u64::from(number < rest), done);
    let packet = world.packets();
    ended.with_context(|| {
        format!(
            "packet {packet} of seed {seed}; `soak --seed {seed} --packets {packet}` repeats it"
        )
    })?;
    Ok(world.tally())
}

fn tell_progress(packets: u64, done: &AtomicU64, over: &AtomicBool) {
    let mut before = 0;
    loop {
        thread::park_timeout(TELL);
        if over.load(Ordering::Relaxed) {
            return;
        }
        let now = done.load(Ordering::Relaxed);
        let (percent, rate) = (
            now as f64 / packets as f64 * 100.0,
            (now - before) as f64 / TELL.as_secs_f64() / 1e6,
        );
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
