//! `demo`: hosts, router and servers in one process. Each step shows one thing that the NAT does.

mod addresses;
mod host;
mod router;
mod servers;
mod step;
mod steps;
mod tap;
mod wire;
mod world;

use core::cell::OnceCell;
use std::path::PathBuf;

use anyhow::bail;
use embassy_executor::{Executor, Spawner};
use embassy_time::Instant;

use step::{Failed, say};
use world::World;

/// The options of the command line.
#[derive(Debug)]
pub(crate) struct Options {
    /// The directory into which both sides of the router are captured.
    pub(crate) pcap: Option<PathBuf>,
}

/// Outer error: the network could not be built. Inner error: the step that failed.
type Outcome = anyhow::Result<Result<(), Failed>>;

/// Runs the demo. It can run only once in a process, because the router's memory is a static.
pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let executor = Box::leak(Box::new(Executor::new()));
    let outcome: &'static OnceCell<Outcome> = Box::leak(Box::new(OnceCell::new()));
    executor.run_until(
        |spawner| spawner.spawn(show(spawner, options, outcome).expect("the first task")),
        || outcome.get().is_some(),
    );
    match outcome.get() {
        Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(Failed(step)))) => bail!("the demo failed at this step: {step}"),
        Some(Err(error)) => bail!("{error:#}"),
        None => bail!("the demo ended early"),
    }
}

#[embassy_executor::task]
async fn show(spawner: Spawner, options: Options, outcome: &'static OnceCell<Outcome>) {
    let _ = outcome.set(play(spawner, &options).await);
}

async fn play(spawner: Spawner, options: &Options) -> Outcome {
    say(INTRODUCTION);
    let start = Instant::now();
    let world = World::start(spawner, options)?;
    let result = steps::all(&world).await;
    world.finish_captures()?;
    world.router.print_tables();
    if result.is_ok() {
        let seconds = start.elapsed().as_millis() as f64 / 1000.0;
        say(format_args!(
            "
All steps passed in {seconds:.1} s."
        ));
    }
    if let Some(directory) = &options.pcap {
        say(format_args!(
            "Captures of both sides of the router are in {}.",
            directory.display()
        ));
    }
    Ok(result)
}

const INTRODUCTION: &str = "\
A NAT router at work. Every machine below runs its own embassy-net stack; the wires are in memory.

  host1 192.168.77.10 ──┐                              ┌── isp 198.51.100.1   DHCP, DNS
                        ├── 192.168.77.1 router DHCP ──┤
  host2 192.168.77.11 ──┘                              └── web 198.51.100.80  HTTP
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::replay;

    /// `replay` reads the demo's captures, and forwards what arrived at its router.
    fn check_replay(captures: &Path) {
        let file = |name: &str| captures.join(name).display().to_string();
        let arguments = [
            ["nat-host", "replay"].map(str::to_owned).to_vec(),
            ["--lan", "192.168.77.1/24", "--wan", "198.51.100.77/24"]
                .map(str::to_owned)
                .to_vec(),
            vec![
                "--lan-in".to_owned(),
                file("lan.pcap"),
                "--wan-in".to_owned(),
                file("wan.pcap"),
            ],
            vec![
                "--wan-out".to_owned(),
                file("to-wan.pcap"),
                "--json".to_owned(),
                file("verdicts.jsonl"),
            ],
        ];
        let Command::Replay(options) = Cli::try_parse_from(arguments.concat()).unwrap().command()
        else {
            panic!()
        };
        replay::run(&options).unwrap();
        let verdicts = std::fs::read_to_string(captures.join("verdicts.jsonl")).unwrap();
        let count = |verdict: &str| {
            verdicts
                .lines()
                .filter(|line| line.contains(verdict))
                .count()
        };
        let outward = count(r#""verdict":"forward","to":"wan""#);
        assert!(
            outward > 100,
            "{outward} of {} packets",
            verdicts.lines().count()
        );
    }

    #[test]
    fn every_step_works_and_both_sides_are_captured() {
        let directory = tempfile::tempdir().unwrap();
        let pcap = directory.path().join("made/on/the/way");
        run(Options {
            pcap: Some(pcap.clone()),
        })
        .unwrap();
        for name in ["lan.pcap", "wan.pcap"] {
            let mut capture =
                pcap_file::pcap::PcapReader::new(std::fs::File::open(pcap.join(name)).unwrap())
                    .unwrap();
            assert_eq!(
                capture.header().datalink,
                pcap_file::DataLink::ETHERNET,
                "{name}"
            );
            let mut frames = 0;
            while let Some(frame) = capture.next_packet() {
                assert!(frame.unwrap().data.len() >= 14, "{name}");
                frames += 1;
            }
            assert!(frames > 1000, "{name}: {frames}");
        }
        check_replay(&pcap);
    }
}
