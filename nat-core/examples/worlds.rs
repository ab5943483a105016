//! Explores every state that a small engine can reach. `--help` says how.

use std::process::ExitCode;

#[path = "../tests/small_worlds/worlds/mod.rs"]
mod worlds;

use worlds::explore::{Explored, Fault, Limits, explore};
use worlds::scenario::{Mode, Scenario, Topic};

const HELP: &str = "\
Explores every state that the real engine reaches with tables of two mappings, three sessions and two hosts, breadth first.
Checks the tables, a naive model, the RFCs' rules and the end of all sessions in each. Stops at the first fault, with the
shortest sequence of steps that leads to it.

    cargo run --release -p nat-core --example worlds -- [OPTION ..]

    --topic NAME        what can happen: udp, tcp, control, hairpin, numbers, fragments, errors, quotas or all;
                        every topic by default
    --mode NAME         how ports are mapped and filtered: strict, address, open or overlapping; every mode by default
    --depth N           the longest sequence of steps; no limit by default
    --transitions N     the most transitions in each topic and mode, about; 1000000 by default
    --threads N         as many as there are processors by default
    --help";

struct Options {
    topics: Vec<Topic>,
    modes: Vec<Mode>,
    limits: Limits,
}

fn main() -> ExitCode {
    let options = match Options::from_arguments() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}; --help lists the options");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            println!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<Fault>> {
    let (mut states, mut transitions, mut seconds) = (0, 0, 0.0);
    for topic in &options.topics {
        for mode in &options.modes {
            let scenario = Scenario::new(*topic, *mode);
            let explored = explore(&scenario, options.limits).inspect_err(|_| {
                println!("{}: a fault, after these steps:", scenario.name());
            })?;
            print(&scenario, &explored);
            states += explored.states;
            transitions += explored.transitions;
            seconds += explored.time.as_secs_f64();
        }
    }
    println!("{states} states, {transitions} transitions, {seconds:.0} s, no fault");
    Ok(())
}

fn print(scenario: &Scenario, explored: &Explored) {
    let counts = &explored.counts;
    println!(
        "{}: {} states, {} transitions of {} kinds, every sequence of {} steps{}, {:.1} s",
        scenario.name(),
        explored.states,
        explored.transitions,
        scenario.actions.len(),
        explored.depth,
        if explored.is_complete {
            ": all states"
        } else {
            ""
        },
        explored.time.as_secs_f64(),
    );
    println!(
        "    out {}, in {}, hairpin {}, dropped {}, answered {}, held {}, released {}; sessions: {} opened, {} ended, \
         {} evicted",
        counts.out,
        counts.come_in,
        counts.hairpin,
        counts.dropped,
        counts.answered,
        counts.held,
        counts.released,
        counts.opened,
        counts.ended,
        counts.evicted,
    );
}

impl Options {
    /// The options; `None` if help is wanted.
    fn from_arguments() -> Result<Option<Self>, String> {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
        let mut options = Self {
            topics: Topic::ALL.to_vec(),
            modes: Mode::ALL.to_vec(),
            limits: Limits {
                depth: usize::MAX,
                transitions: 1_000_000,
                threads,
                progress: true,
            },
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(option) = arguments.next() {
            if option == "--help" {
                return Ok(None);
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("{option} has no value"))?;
            options.set(&option, &value)?;
        }
        Ok(Some(options))
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), String> {
        let number = || value.parse().map_err(|_| format!("{value} is no number"));
        match option {
            "--topic" => self.topics = named(Topic::ALL, Topic::name, value)?,
            "--mode" => self.modes = named(Mode::ALL, Mode::name, value)?,
            "--depth" => self.limits.depth = number()? as usize,
            "--transitions" => self.limits.transitions = number()?,
            "--threads" => self.limits.threads = number()? as usize,
            _ => return Err(format!("unknown option {option}")),
        }
        Ok(())
    }
}

/// The one of `all` with this name.
fn named<T: Copy, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
    value: &str,
) -> Result<Vec<T>, String> {
    let found = all.into_iter().find(|one| name(*one) == value);
    found
        .map(|one| vec![one])
        .ok_or_else(|| format!("unknown name {value}"))
}
