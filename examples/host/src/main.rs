//! The NAT of nat-core on a developer's machine: a demo in one process, a router on two TAP
//! devices, a replay of captures.

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

/// A command line, a file or a right that makes the task impossible. The demo's own failures are
/// status 1.
const CANNOT: u8 = 2;

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command(),
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => return refuse(&cli::one_line(&error), CANNOT),
    };
    match command {
        Command::Demo(options) => finish(demo::run(demo::Options { pcap: options.pcap }), 1),
        Command::Replay(options) => finish(replay::run(&options), CANNOT),
        Command::Soak(options) => finish(soak::run(&options), 1),
        #[cfg(target_os = "linux")]
        Command::Router(options) => finish(router::run(&options), CANNOT),
        #[cfg(not(target_os = "linux"))]
        Command::Router(_) => refuse(
            "router needs the TAP devices of Linux; demo and replay run here",
            CANNOT,
        ),
    }
}

fn finish(result: anyhow::Result<()>, status: u8) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // `#`: with its causes, in one line.
        Err(error) => refuse(&format!("{error:#}"), status),
    }
}

fn refuse(line: &str, status: u8) -> ExitCode {
    eprintln!("nat-host: {line}");
    ExitCode::from(status)
}
