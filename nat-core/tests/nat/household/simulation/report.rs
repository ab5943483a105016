//! What came of the hour.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use nat_core::{SessionInfo, SessionProtocol};

use super::{HOSTS, MAPPINGS, SESSIONS, host};

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Peak {
    pub(crate) sessions: usize,
    pub(crate) mappings: usize,
}

impl Peak {
    fn raise(&mut self, sessions: usize, mappings: usize) {
        *self = Self {
            sessions: self.sessions.max(sessions),
            mappings: self.mappings.max(mappings),
        };
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) packets: u64,
    /// Flows that have got a session.
    pub(crate) begun: u64,
    /// Flows that have got none, by reason.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// The same by host.
    pub(crate) refused_hosts: BTreeMap<u8, u64>,
    /// Later packets of flows that had one, by reason.
    pub(crate) lost: BTreeMap<&'static str, u64>,
    pub(crate) peak: Peak,
    /// Of each host, looked at once a second.
    pub(crate) hosts: BTreeMap<u8, Peak>,
}

impl Report {
    pub(super) fn refuse(&mut self, host: u8, first: bool, reason: &'static str) {
        if first {
            *self.refused_hosts.entry(host).or_default() += 1;
        }
        *if first {
            &mut self.refused
        } else {
            &mut self.lost
        }
        .entry(reason)
        .or_default() += 1;
    }

    pub(super) fn look(&mut self, sessions: impl Iterator<Item = SessionInfo>) {
        let mut by_host: BTreeMap<u8, (usize, BTreeSet<_>)> = BTreeMap::new();
        for SessionInfo {
            protocol, inside, ..
        } in sessions
        {
            let number = inside.ip().octets()[3] - host(0).octets()[3];
            let (count, mappings) = by_host.entry(number).or_default();
            *count += 1;
            mappings.insert((protocol == SessionProtocol::Tcp, inside));
        }
        let sum = |of: fn(&(usize, BTreeSet<_>)) -> usize| by_host.values().map(of).sum();
        self.peak
            .raise(sum(|host| host.0), sum(|host| host.1.len()));
        for (number, (sessions, mappings)) in &by_host {
            self.hosts
                .entry(*number)
                .or_default()
                .raise(*sessions, mappings.len());
        }
    }

    pub(crate) fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Peak { sessions, mappings } = self.peak;
        writeln!(
            f,
            "  tables: {MAPPINGS} mappings, {SESSIONS} sessions, {HOSTS} hosts"
        )?;
        writeln!(
            f,
            "  {} packets, {} sessions begun, {} refused {:?}",
            self.packets,
            self.begun,
            self.refusals(),
            self.refused
        )?;
        writeln!(f, "  lost later: {:?}", self.lost)?;
        writeln!(f, "  peak: {sessions} sessions, {mappings} mappings")?;
        for (number, Peak { sessions, mappings }) in &self.hosts {
            let refused = self.refused_hosts.get(number).copied().unwrap_or(0);
            let what = super::habits::NAMES[usize::from(*number)];
            writeln!(
                f,
                "  {what:<18} {sessions:>4} sessions, {mappings:>4} mappings at its peak, {refused} refused"
            )?;
        }
        Ok(())
    }
}
