//! The engine: one IPv4 datagram in, one verdict out. Orchestration only.

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
mod hop;
mod path;
#[cfg(test)]
mod probes;
mod quarantine;
mod record;
mod view;

use crate::fragments::FragmentTable;
use crate::identification::Identifications;
use crate::policy::{Pool, PortForwards, PortPicker};
use crate::state::{Origin, QuarantineTable, SessionTables};
use crate::table::{HashKey, Width};
use crate::{Config, ConfigError, Instant, Seed, Side, Tables, Verdict};

use answers::AnswerLimits;
use clock::{Clock, EXPIRED_PER_PACKET};
use record::Record;
use view::{Policy, State};

/// The ports of DHCP (RFC 2131 section 4.1).
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;

/// A NAT.
///
/// Time is an argument: `now` comes from a clock of the caller's. A `now` before the latest one is
/// read as the latest.
pub struct Nat<'t, W: Width = u16> {
    state: State<'t, W>,
    ports: PortPicker,
    answers: AnswerLimits,
    fragments: FragmentTable<'t>,
    ids: Identifications,
    record: Record<'t>,
}

impl<'t, W: Width> Nat<'t, W> {
    /// A NAT of `config` that keeps its state in `tables`, which it empties, and draws its secrets
    /// from `seed`.
    ///
    /// # Errors
    ///
    /// The field of `config`, or `seed`, that cannot work.
    pub fn new<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>(
        tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        config: Config,
        seed: Seed,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        config.warn_of_external_addresses(&config.external_addresses);
        let (hash_secret, port_secret) = seed.secrets()?;
        let key = HashKey::new(hash_secret);
        let policy = Policy {
            pool: Pool::new(&config.external_addresses),
            port_forwards: PortForwards::new(&config),
            config,
        };
        let config = &policy.config;
        Ok(Self {
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
        })
    }

    /// Judges the IPv4 datagram at the start of `packet`, which came in on side `from`, and
    /// translates it in place if it is to be forwarded. Bytes after the datagram's own length
    /// are link padding and are left alone.
    ///
    /// The caller carries the [`Verdict`] out. Unless it is `Forward`, `Fragment` or `Local`,
    /// `packet` is as it was.
    ///
    /// Most packets of live sessions take less time if `packet` is at an even address, as an IPv4
    /// datagram behind an Ethernet header is whose frame is aligned.
    pub fn process(&mut self, packet: &mut [u8], from: Side, now: Instant) -> Verdict {
        self.advance(now, EXPIRED_PER_PACKET);
        match self.fast_path(packet, from) {
            Some(verdict) => verdict,
            None => self.process_slow(packet, from, Origin::Host),
        }
    }

    /// Judges an IPv4 datagram that the router's own outside stack sends, and translates it like
    /// one from inside, so that the router's ports never collide with those of its hosts.
    /// Answers to it get the verdict `Local { side: Outside, .. }`.
    ///
    /// A DHCP client's packets pass as they are, where [`Config::dhcp_client`] is set. There is no
    /// answer to what the router sends, so the verdict is never `Reject`; of fragments the same
    /// is true as for [`Nat::process`].
    pub fn process_local(&mut self, packet: &mut [u8], now: Instant) -> Verdict {
        self.advance(now, EXPIRED_PER_PACKET);
        self.process_slow(packet, Side::Inside, Origin::Router)
    }
}
