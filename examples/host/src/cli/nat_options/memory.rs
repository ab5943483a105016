//! The size of the tables, and the seed.

use anyhow::Result;
use clap::{Args, value_parser};
use nat_core::Seed;

use crate::cli::value::SeedValue;
use crate::engine::{self, Capacity};

#[derive(Args, Debug)]
#[command(next_help_heading = "Tables and randomness")]
pub(super) struct MemoryOptions {
    #[arg(long, value_name = "MAPPINGS", default_value_t = engine::MAPPINGS, help = engine::help(),
        value_parser = value_parser!(u32).range(1..=engine::LARGEST.mappings.into()))]
    mappings: u32,
    /// Number of sessions, rounded up together with --mappings. The line `tables:` shows the
    /// resulting size
    #[arg(long, value_name = "SESSIONS", default_value_t = engine::SESSIONS,
        value_parser = value_parser!(u32).range(1..=engine::LARGEST.sessions.into()))]
    sessions: u32,
    /// Secret seed of port numbers and table hashes, 16 bytes in hexadecimal [default: random for
    /// router, fixed for replay]
    #[arg(long, value_name = "HEX")]
    seed: Option<SeedValue>,
}

impl MemoryOptions {
    pub(super) fn capacity(&self) -> Result<Capacity> {
        Capacity::holding(self.mappings, self.sessions)
    }

    pub(super) fn seed(&self) -> Option<Seed> {
        self.seed.map(|seed| seed.0)
    }
}
