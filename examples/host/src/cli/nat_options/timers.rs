//! Timeouts of idle sessions.

use anyhow::{Result, ensure};
use clap::Args;
use nat_core::{Config, Timeouts};

use crate::cli::value::{Timeout, TimeoutName};

#[derive(Args, Debug)]
#[command(next_help_heading = "Timers")]
pub(super) struct TimerOptions {
    /// Timeout of idle sessions, as in udp=600; may be repeated, once for each name
    #[arg(long = "timeout", value_name = "NAME=SECONDS", long_help = help())]
    timeouts: Vec<Timeout>,
}

impl TimerOptions {
    pub(super) fn apply(&self, config: &mut Config) -> Result<()> {
        for (position, Timeout { name, time }) in self.timeouts.iter().enumerate() {
            let twice = self
                .timeouts
                .iter()
                .take(position)
                .any(|earlier| earlier.name == *name);
            ensure!(!twice, "--timeout {name} is given twice");
            name.set(&mut config.timeouts, *time);
        }
        Ok(())
    }
}

fn help() -> String {
    format!(
        "Timeout of idle sessions, as in udp=600; may be repeated, once for each name\n\n\
         --profile rfc:      {}\n\
         --profile gateway:  {}\n\n\
         A TCP session is partially open until both sides have sent a SYN, closing after both have sent a FIN, and reset \
         after a valid RST. `dns` is UDP to port 53 of a remote host; if the profile has no such timeout, it is that of `udp`.",
        list(&Timeouts::RFC),
        list(&Timeouts::GATEWAY)
    )
}

fn list(timeouts: &Timeouts) -> String {
    let entry = |name: &TimeoutName| {
        name.get(timeouts)
            .map(|time| format!("{name}={}", time.as_secs()))
    };
    TimeoutName::ALL
        .iter()
        .filter_map(entry)
        .collect::<Vec<_>>()
        .join(" ")
}
