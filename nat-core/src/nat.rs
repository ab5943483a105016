//! The engine: one IPv4 datagram in, one verdict out.

use core::net::Ipv4Addr;

use crate::{
    Config, ConfigError, DropReason, ForwardError, Instant, PortForward, Protocol, Seed, SessionInfo, Side, Stats,
    Verdict,
};

/// The memory of a NAT: room for `MAPPINGS` mappings and `SESSIONS` sessions of `HOSTS` inside hosts.
///
/// All zeros when new, so a `static` of it costs RAM only and no flash.
pub struct Tables<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize = 64> {
    _p: [u8; 1],
}

impl<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize> Tables<MAPPINGS, SESSIONS, HOSTS> {
    /// Empty tables.
    pub const fn new() -> Self {
        Self { _p: [0] }
    }
}

/// A NAT with its tables.
pub struct Nat<'t> {
    config: Config,
    stats: Stats,
    _t: &'t mut [u8],
}

impl<'t> Nat<'t> {
    /// A NAT of `config` that keeps its state in `tables`, and draws its secrets from `seed`.
    pub fn new<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>(
        tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS>,
        config: Config,
        _seed: Seed,
    ) -> Result<Self, ConfigError> {
        Ok(Self { config, stats: Stats::default(), _t: &mut tables._p })
    }

    /// Judges the IPv4 datagram at the start of `packet`, which came in on side `from`, and translates it in place if it
    /// is to be forwarded.
    pub fn process(&mut self, _packet: &mut [u8], _from: Side, _now: Instant) -> Verdict {
        Verdict::Drop(DropReason::Truncated)
    }

    /// Judges an IPv4 datagram that the router's own outside stack sends, and translates it like one from inside, so
    /// that the router's ports never collide with those of its hosts. Answers to it get the verdict
    /// `Local { side: Outside, .. }`.
    pub fn process_local(&mut self, _packet: &mut [u8], _now: Instant) -> Verdict {
        Verdict::Drop(DropReason::Truncated)
    }

    /// When [`Nat::handle_timeout`] has work to do next, if nothing else happens before. May change with every other call
    /// that takes `&mut self`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Ends the sessions whose time is up at `now`. Spurious calls do nothing.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// The external addresses, the primary first.
    pub fn external_addresses(&self) -> &[Ipv4Addr] {
        &self.config.external_addresses
    }

    /// Replaces the external addresses, the primary first; empty when there is none at present.
    pub fn set_external_addresses(&mut self, _addresses: &[Ipv4Addr]) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Sets the largest datagram that may leave by `side`, in bytes, at least 68.
    pub fn set_mtu(&mut self, _side: Side, _mtu: u16) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Adds a port forward.
    pub fn add_forward(&mut self, _forward: PortForward) -> Result<(), ForwardError> {
        Ok(())
    }

    /// Removes the port forward of `external_port` with its sessions. Returns whether there was one.
    pub fn remove_forward(&mut self, _protocol: Protocol, _external_port: u16) -> bool {
        false
    }

    /// The port forwards, in no particular order.
    pub fn forwards(&self) -> impl Iterator<Item = PortForward> + '_ {
        core::iter::empty()
    }

    /// Ends every session and mapping; port forwards stay.
    pub fn clear(&mut self) {}

    /// The sessions there are, in no particular order.
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo> + '_ {
        core::iter::empty()
    }

    /// What the engine has done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }
}
