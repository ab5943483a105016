//! Whether the tables agree with each other: each counter and link that is updated as the tables
//! change is compared with what a walk over the tables finds.
//!
//! For tests only: the time is quadratic in the number of sessions.

mod canonical;
mod eviction_lists;
mod hosts;
#[cfg(test)]
mod tests;

use crate::state::host::ByAddress;
use crate::state::mapping::ByInside;
use crate::state::session::ByRemote;
use crate::state::{InsideTuple, Mapping, OutsideTuple, Permission, Proto, Session, TimeoutClass};
use crate::table::audit::{Fault, audit_list, ensure};
use crate::table::{SlotIndex, Width};

use super::SessionTables;

impl<W: Width> SessionTables<'_, W> {
    /// Checks all invariants of the tables at `now`. The error is the first fault found.
    pub(crate) fn audit(&self, now: u32) -> Result<(), Fault> {
        // The look-ups of the audit leave no trace in the hint.
        let last_host = self.last_host.get();
        let audited = self.audit_all(now);
        self.last_host.set(last_host);
        audited
    }

    fn audit_all(&self, now: u32) -> Result<(), Fault> {
        self.hosts.audit::<ByAddress<W>>()?;
        self.mappings.audit::<ByInside<W>>()?;
        self.sessions.audit::<ByRemote<W>>()?;
        self.audit_indexes()?;
        self.audit_expiry_lists(now)?;
        self.audit_host_lists()?;
        for (link, session) in self.sessions.iter() {
            self.audit_slot(link, session)?;
        }
        for (link, mapping) in self.mappings.iter() {
            self.audit_mapping(link, mapping)?;
        }
        for (link, host) in self.hosts.iter() {
            self.audit_host(link, host)?;
        }
        self.audit_ports()?;
        self.audit_quotas()
    }

    /// How many TCP sessions fulfil `condition`.
    pub(crate) fn count_tcp(&self, condition: impl Fn(&Session<W>) -> bool) -> usize {
        self.count_sessions(|session| {
            self.proto_of(session) == Some(Proto::Tcp) && condition(session)
        })
    }

    /// How many sessions, permissions left out, fulfil `condition`.
    fn count_sessions(&self, condition: impl Fn(&Session<W>) -> bool) -> usize {
        self.sessions
            .iter()
            .filter(|(_, session)| !session.is_permission() && condition(session))
            .count()
    }

    /// How many mappings fulfil `condition`.
    fn count_mappings(&self, condition: impl Fn(&Mapping<W>) -> bool) -> usize {
        self.mappings
            .iter()
            .filter(|(_, mapping)| condition(mapping))
            .count()
    }

    fn proto_of(&self, session: &Session<W>) -> Option<Proto> {
        self.mappings.get(session.mapping).map(Mapping::proto)
    }

    fn audit_indexes(&self) -> Result<(), Fault> {
        let mappings = self.mappings.iter().count();
        let translated = self.count_mappings(|mapping| !mapping.is_untranslated());
        self.hosts_by_address
            .audit(&self.hosts, self.hosts.iter().count())?;
        self.mappings_by_inside.audit(&self.mappings, mappings)?;
        self.mappings_by_external
            .audit(&self.mappings, translated)?;
        self.sessions_by_remote
            .audit(&self.sessions, self.sessions.iter().count())
    }

    /// Each session is in the expiry list of its class and in no other, and no deadline is farther
    /// ahead than the timeout of the class.
    fn audit_expiry_lists(&self, now: u32) -> Result<(), Fault> {
        let mut listed = 0_usize;
        for class in TimeoutClass::ALL {
            listed = listed.wrapping_add(self.audit_expiry_list(class, now)?);
        }
        let sessions = self.count_sessions(|_| true);
        ensure(listed == sessions, "a session in no list")
    }

    fn audit_expiry_list(&self, class: TimeoutClass, now: u32) -> Result<usize, Fault> {
        let list = self
            .expiry
            .get(class as usize)
            .ok_or("a class without a list")?;
        let belongs = |session: &Session<W>| {
            !session.is_permission()
                && self.proto_of(session).is_some_and(|proto| {
                    TimeoutClass::of(proto, session.state, session.remote_port) == class
                })
        };
        let listed = audit_list(list, &self.sessions, belongs, Session::deadline)?;
        let last = self.sessions.get(list.last());
        let remaining = last.and_then(|session| session.remaining(now));
        ensure(
            remaining.unwrap_or(0) <= self.lifetimes.of(class),
            "a session outlives its class",
        )?;
        Ok(listed)
    }

    fn audit_slot(&self, link: SlotIndex<W>, session: &Session<W>) -> Result<(), Fault> {
        ensure(
            self.mappings.is_in_use(session.mapping),
            "a session without a mapping",
        )?;
        match Permission::of(session) {
            Some(permission) => self.audit_permission(link, session, &permission),
            None => self.audit_session(link, session),
        }
    }

    /// A session is found by its mapping and remote endpoint, and its mapping from both sides.
    fn audit_session(&self, link: SlotIndex<W>, session: &Session<W>) -> Result<(), Fault> {
        let remote = session.remote();
        ensure(
            self.find_session(session.mapping, remote) == Some(link),
            "a session that is not found",
        )?;
        ensure(
            !session.holds_permission()
                || self.has_permission(session.mapping, session.remote_address),
            "a session without its permission",
        )?;
        let mapping = self
            .mappings
            .get(session.mapping)
            .ok_or("a session without a mapping")?;
        let (proto, untranslated) = (mapping.proto(), mapping.is_untranslated());
        let inside = self.inside(mapping).ok_or("a mapping without a host")?;
        let tuple = InsideTuple {
            proto,
            inside,
            remote,
            untranslated,
        };
        ensure(
            self.mapping_of_inside(&tuple) == Some(session.mapping),
            "a mapping that is not found from inside",
        )?;
        // Whether another mapping has the same external endpoint is not checked here: the callers
        // of the tables decide that.
        let hash = self.outside_hash(&OutsideTuple {
            proto,
            external: mapping.external,
            external_port: mapping.external_port,
            remote,
        });
        let found = self
            .mappings_by_external
            .has(&self.mappings, hash, session.mapping);
        ensure(
            found != untranslated,
            "a mapping that is not found from outside",
        )
    }

    /// A permission is found by its mapping and address, and has as many references as there are
    /// sessions of both that hold one.
    fn audit_permission(
        &self,
        link: SlotIndex<W>,
        slot: &Session<W>,
        permission: &Permission<'_, W>,
    ) -> Result<(), Fault> {
        let (mapping, address) = (slot.mapping, slot.remote_address);
        ensure(
            slot.remote() == Permission::<W>::any_port(address),
            "a permission for one port",
        )?;
        ensure(
            self.find_permission(mapping, address) == Some(link),
            "a permission that is not found",
        )?;
        let sessions = self.count_sessions(|session| {
            session.mapping == mapping
                && session.remote_address == address
                && session.holds_permission()
        });
        ensure(
            sessions > 0 && sessions == permission.references() as usize,
            "the references of a permission",
        )
    }

    fn audit_mapping(&self, link: SlotIndex<W>, mapping: &Mapping<W>) -> Result<(), Fault> {
        ensure(
            self.hosts.is_in_use(mapping.host),
            "a mapping without a host",
        )?;
        let sessions = self.count_sessions(|session| session.mapping == link);
        ensure(sessions != 0, "a mapping without a session")?;
        ensure(
            sessions == mapping.sessions.get(),
            "the sessions of a mapping",
        )
    }
}
