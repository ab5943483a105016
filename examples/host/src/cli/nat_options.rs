//! What `router` and `replay` have in common: the knobs of the engine, by subject.

mod answers;
mod limits;
mod links;
mod memory;
mod ports;
mod rules;
mod timers;
mod translation;

use core::net::Ipv4Addr;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use nat_core::{Cidr, Config, ConfigError, Nat, Seed, Width};

use crate::engine::Capacity;

#[derive(Args, Debug)]
pub(crate) struct NatOptions {
    #[command(flatten)]
    translation: translation::TranslationOptions,
    #[command(flatten)]
    rules: rules::RuleOptions,
    #[command(flatten)]
    ports: ports::PortOptions,
    #[command(flatten)]
    limits: limits::LimitOptions,
    #[command(flatten)]
    answers: answers::AnswerOptions,
    #[command(flatten)]
    timers: timers::TimerOptions,
    #[command(flatten)]
    links: links::LinkOptions,
    #[command(flatten)]
    memory: memory::MemoryOptions,
}

impl NatOptions {
    /// The configuration for a router with the address `inside` on the LAN: what the profile says,
    /// and then what the options say.
    pub(super) fn config(&self, inside: Cidr, primary: Option<Ipv4Addr>) -> Result<Config> {
        let mut config = self.translation.config(inside);
        self.rules.apply(&mut config, primary)?;
        self.ports.apply(&mut config);
        self.limits.apply(&mut config);
        self.answers.apply(&mut config);
        self.timers.apply(&mut config)?;
        self.links.apply(&mut config);
        Ok(config)
    }

    /// Refuses further external addresses that are another's.
    pub(super) fn check_wan_addresses(
        &self,
        lan: Cidr,
        wan: Option<Cidr>,
        gateway: Option<Ipv4Addr>,
    ) -> Result<()> {
        self.rules.check_wan_addresses(lan, wan, gateway)
    }

    /// Adds the port forwards to `nat`.
    pub(crate) fn add_forwards(&self, nat: &mut Nat<'_, impl Width>) -> Result<()> {
        self.rules.add_forwards(nat)
    }

    /// How large the tables are that were asked for.
    pub(crate) fn capacity(&self) -> Result<Capacity> {
        self.memory.capacity()
    }

    /// The seed that was asked for.
    pub(crate) fn seed(&self) -> Option<Seed> {
        self.memory.seed()
    }
}

/// The refusal of the engine, with the name of the option in place of that of the field.
pub(crate) fn refusal(error: ConfigError) -> anyhow::Error {
    let option = match error.field {
        "external_addresses" => "--wan, --wan-address".to_owned(),
        "filtering" => "--filtering, --tcp-filtering".to_owned(),
        "inside" => "--lan".to_owned(),
        "inside_mtu" => "--lan-mtu".to_owned(),
        "outside_mtu" => "--wan-mtu".to_owned(),
        "timeouts" => "--timeout".to_owned(),
        field => format!("--{}", field.replace('_', "-")),
    };
    anyhow!("{option}: {}", error.problem)
}

/// What a profile may have turned on, and an option turns off again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Switch {
    Yes,
    No,
}

impl Switch {
    /// Sets `knob`, if anything was said of it.
    fn apply(switch: Option<Self>, knob: &mut bool) {
        if let Some(switch) = switch {
            *knob = switch == Self::Yes;
        }
    }
}
