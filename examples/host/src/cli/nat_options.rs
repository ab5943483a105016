//! The options that `router` and `replay` share: the engine's configuration, by subject.

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
    /// The configuration for a router with the address `inside` on the LAN: the profile, with the
    /// options applied to it.
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

    /// Rejects secondary external addresses that belong to others.
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

    /// The size of the tables.
    pub(crate) fn capacity(&self) -> Result<Capacity> {
        self.memory.capacity()
    }

    /// The seed, if one was given.
    pub(crate) fn seed(&self) -> Option<Seed> {
        self.memory.seed()
    }
}

/// The engine's error, with the name of the option in place of the configuration field.
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

/// Overrides what a profile has turned on or off.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Switch {
    Yes,
    No,
}

impl Switch {
    /// Sets `field`, if the option was given.
    fn apply(switch: Option<Self>, field: &mut bool) {
        if let Some(switch) = switch {
            *field = switch == Self::Yes;
        }
    }
}
