//! Copies of the session tables, and their canonical form.

use core::hash::{Hash, Hasher};

use crate::SessionState;
use crate::state::tcp::Tcp;
use crate::state::{Endpoint, Host, LastReset, Proto, Session, SessionTables};
use crate::table::{Slot as _, Width};

impl<W: Width + Hash> SessionTables<'_, W> {
    /// Makes these tables equal to `other`, which were built with the same configuration, capacities
    /// and seed.
    pub(crate) fn copy_from(&mut self, other: &SessionTables<'_, W>) {
        self.hosts.copy_from(&other.hosts);
        self.hosts_by_address.copy_from(&other.hosts_by_address);
        self.last_host.set(other.last_host.get());
        self.mappings.copy_from(&other.mappings);
        self.mappings_by_inside.copy_from(&other.mappings_by_inside);
        self.mappings_by_external
            .copy_from(&other.mappings_by_external);
        self.sessions.copy_from(&other.sessions);
        self.sessions_by_remote.copy_from(&other.sessions_by_remote);
        self.expiry.clone_from(&other.expiry);
        self.ports.clone_from(&other.ports);
        self.quotas = other.quotas;
        self.port_quotas.clone_from(&other.port_quotas);
    }

    /// Feeds `hasher` with every slot, link, list and hint. Counters are left out: they follow from
    /// the slots, as the audit checks.
    pub(crate) fn hash_canonical(&self, now: u32, hasher: &mut impl Hasher) {
        self.hosts.hash(hasher, host);
        self.hosts_by_address.hash(hasher);
        self.last_host.get().hash(hasher);
        self.mappings.hash(hasher, Clone::clone);
        self.mappings_by_inside.hash(hasher);
        self.mappings_by_external.hash(hasher);
        self.sessions.hash(hasher, |slot| session(slot, now));
        self.sessions_by_remote.hash(hasher);
        self.expiry.hash(hasher);
    }

    /// Feeds `hasher` with what is known of the sessions between these ends: their state, numbers
    /// and times, but not where they are.
    pub(crate) fn hash_sessions_between(
        &self,
        (proto, inside, remote): (Proto, Endpoint, Endpoint),
        now: u32,
        hasher: &mut impl Hasher,
    ) {
        for (_, slot) in self.sessions.iter() {
            let Some(mapping) = self.mappings.get(slot.mapping) else {
                continue;
            };
            let of_inside = self.inside(mapping).map(|found| found.endpoint) == Some(inside);
            let of_ends = mapping.proto() == proto && of_inside && slot.remote() == remote;
            if of_ends && !slot.is_permission() {
                let session = session(slot, now);
                let Tcp {
                    state,
                    sequences,
                    early_fins,
                } = session.tcp();
                match state {
                    // The question depends on the addresses, by its checksum.
                    SessionState::Active => session.when_last_sent().hash(hasher),
                    _ => sequences.hash(hasher),
                }
                (state, early_fins.bits(), session.deadline()).hash(hasher);
                (session.awaits_answer(), session.is_answered()).hash(hasher);
            }
        }
    }
}

/// A host without its limits on answers and rates.
fn host<W: Width>(host: &Host<W>) -> Host<W> {
    let mut host = host.clone();
    (host.tokens, host.errors) = (Host::<W>::FREE.tokens, 0);
    host.reset = LastReset::NONE;
    host
}

/// A session whose times are relative to `now`, without its limit on answers.
fn session<W: Width>(session: &Session<W>, now: u32) -> Session<W> {
    let mut session = session.clone();
    session.errors = 0;
    if !session.is_free() && !session.is_permission() {
        session.set_deadline(session.deadline().wrapping_sub(now));
        if session.state == SessionState::Active {
            session.set_last_sent(session.when_last_sent().wrapping_sub(now));
        }
    }
    session
}
