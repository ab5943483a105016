//! The engine: one IPv4 datagram in, one verdict out. It orchestrates the other layers.
//!
//! `view` looks up, `admit` and `effect` decide, `commit` changes the tables, `path` takes a packet
//! from its headers to its verdict, and `control` is what the application changes and reads.

mod admit;
mod answers;
#[cfg(feature = "audit")]
mod audit;
mod blocks;
mod clock;
mod commit;
mod control;
mod effect;
mod events;
mod explicit;
mod hop;
mod path;
#[cfg(test)]
mod probes;
mod quarantine;
mod record;
mod view;

use core::mem::MaybeUninit;

use crate::features::FAST_PATH;
use crate::fragments::FragmentTable;
use crate::identification::Identifications;
use crate::policy::plain_ports::{PlainPorts, closed_at_most};
use crate::policy::{Pool, PortForwards, PortPicker};
use crate::state::{Origin, QuarantineTable, SessionTables};
use crate::table::{HashKey, Width};
use crate::{Config, ConfigError, Instant, Seed, Side, Tables, Verdict};

use answers::AnswerLimits;
use clock::{Clock, EXPIRED_PER_PACKET};
use path::Detour;
use record::Record;
use view::{Policy, State};

/// The ports of DHCP (RFC 2131 section 4.1).
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;

/// A NAT.
///
/// Time is an argument: `now` comes from the caller's clock. If it is before that of an earlier
/// call, the engine uses the latest time it has been given.
pub struct Nat<'t, W: Width = u16> {
    state: State<'t, W>,
    ports: PortPicker,
    answers: AnswerLimits,
    fragments: FragmentTable<'t>,
    ids: Identifications,
    record: Record<'t>,
}

impl<'t, W: Width> Nat<'t, W> {
    /// A NAT of `config` with its state in `tables`, which it empties, and its secrets from `seed`.
    ///
    /// # Errors
    ///
    /// Which field of `config` is invalid, or that `seed` is.
    pub fn new<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>(
        tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        config: Config,
        seed: Seed,
    ) -> Result<Self, ConfigError> {
        let secrets = check(&config, &seed)?;
        Ok(Self::build(tables, config, &seed, secrets))
    }

    /// The same, built in `place`: a NAT takes about 4 KiB, which moves by value take several times
    /// on the stack of a microcontroller.
    ///
    /// # Errors
    ///
    /// As [`Nat::new`].
    #[inline(never)]
    pub fn new_in<'p, const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>(
        place: &'p mut MaybeUninit<Self>,
        tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        config: Config,
        seed: Seed,
    ) -> Result<&'p mut Self, ConfigError> {
        let secrets = check(&config, &seed)?;
        Ok(place.write(Self::build(tables, config, &seed, secrets)))
    }

    #[inline(always)]
    fn build<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>(
        tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        config: Config,
        seed: &Seed,
        (hash_secret, port_secret): ([u32; 5], [u8; 16]),
    ) -> Self {
        let key = HashKey::new(hash_secret);
        let closed_ports = closed_at_most(&config);
        let policy = Policy {
            pool: Pool::new(&config.external_addresses),
            port_forwards: PortForwards::new(&config),
            closed_ports,
            plain_ports: PlainPorts::of(&config, closed_ports),
            config,
        };
        let config = &policy.config;
        Self {
            ports: PortPicker::new(port_secret),
            answers: AnswerLimits::new(config, seed.answer_secret()),
            fragments: FragmentTable::none(),
            ids: Identifications::new(seed.identification_secret()),
            record: Record::new(),
            state: State {
                tables: SessionTables::new(tables, key.clone(), config),
                quarantine: QuarantineTable::none(key, config),
                clock: Clock::START,
                policy,
            },
        }
    }

    /// Processes the IPv4 datagram at the start of `packet`, which arrived on side `from`, and
    /// translates it in place if it is to be forwarded. Bytes after the datagram's own length are
    /// link padding and stay as they are.
    ///
    /// The caller carries out the [`Verdict`], and passes the correct side: the engine cannot check
    /// it. Unless the verdict is `Forward`, `Fragment` or `Local`, `packet` is unchanged.
    ///
    /// Most packets take an eighth less time if `packet` is at an even address. Behind an Ethernet
    /// header it is, if the frame is at one.
    pub fn process(&mut self, packet: &mut [u8], from: Side, now: Instant) -> Verdict {
        self.advance(now, EXPIRED_PER_PACKET);
        if !FAST_PATH {
            return self.process_slow(packet, from, Origin::Host);
        }
        match self.fast_path(packet, from) {
            Ok(verdict) => verdict,
            Err(detour) => self.process_other(packet, from, detour),
        }
    }

    /// Processes a packet that has not taken the fast path.
    #[inline(never)]
    fn process_other(&mut self, packet: &mut [u8], from: Side, detour: Detour) -> Verdict {
        match self.other_fast_path(packet, from, detour) {
            Some(verdict) => verdict,
            None => self.process_slow(packet, from, Origin::Host),
        }
    }

    /// Processes an IPv4 datagram that the router's own outside stack sends, and translates it like
    /// one from inside, so that the router's ports never collide with those of its hosts.
    /// Answers to it get the verdict `Local { side: Outside, .. }`.
    ///
    /// A DHCP client's packets pass unchanged, where [`Config::dhcp_client`] is set. The router gets
    /// no answer to what it sends, so the verdict is never `Reject`. After it, call [`Nat::release`]
    /// as after [`Nat::process`].
    pub fn process_local(&mut self, packet: &mut [u8], now: Instant) -> Verdict {
        self.advance(now, EXPIRED_PER_PACKET);
        // The fast path finds mappings of hosts only.
        self.process_slow(packet, Side::Inside, Origin::Router)
    }
}

/// Checks the configuration and the seed. Returns the secrets for table hashes and external ports.
fn check(config: &Config, seed: &Seed) -> Result<([u32; 5], [u8; 16]), ConfigError> {
    config.check()?;
    config.warn_of_external_addresses(&config.external_addresses);
    seed.secrets()
}
