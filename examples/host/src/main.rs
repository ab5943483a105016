//! nat-core on a developer's machine: a demo in one process, a router on two TAP devices, a replay of
//! captures, and a soak test.

mod cli;
mod demo;
mod engine;
mod json_lines;
mod mapping_log;
mod replay;
mod report;
#[cfg(target_os = "linux")]
mod router;
mod soak;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// Exit status when the command cannot be carried out because of an option, a file or a missing
/// privilege. A demo or soak that fails has status 1.
const CANNOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command(),
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => return fail(&cli::one_line(&error), CANNOT_RUN),
    };
    match command {
        Command::Demo(options) => finish(demo::run(demo::Options { pcap: options.pcap }), 1),
        Command::Replay(options) => finish(replay::run(&options), CANNOT_RUN),
        Command::Soak(options) => finish(soak::run(&options), 1),
        #[cfg(target_os = "linux")]
        Command::Router(options) => finish(router::run(&options), CANNOT_RUN),
        #[cfg(not(target_os = "linux"))]
        Command::Router(_) => fail(
            "router needs the TAP devices of Linux; demo, replay and soak run here",
            CANNOT_RUN,
        ),
    }
}

fn finish(result: anyhow::Result<()>, status: u8) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // `#` prints the causes too, in one line.
        Err(error) => fail(&format!("{error:#}"), status),
    }
}

fn fail(line: &str, status: u8) -> ExitCode {
    eprintln!("nat-host: {line}");
    ExitCode::from(status)
}
