//! External ports wait after the end of their mapping before another gets them (RFC 6888 REQ-8).

use crate::state::{ExternalPort, NewMapping, PortPool, Proto, Quarantine, QuarantineTable};
use crate::table::{Link, Width};
use crate::{DropReason, Nat, Stats};

impl<'t, W: Width> Nat<'t, W> {
    /// This NAT with memory for the quarantine of external ports, which it empties. Without it a port is free again as
    /// soon as its mapping has ended. See [`QuarantineConfig`](crate::QuarantineConfig).
    ///
    /// A new session is refused for want of ports while all that are left wait. No port waits longer than it must, and
    /// [`Nat::poll_timeout`] tells nothing of it: what is over is noticed with the next packet.
    #[must_use]
    pub fn with_quarantine<const PORTS: usize>(self, memory: &'t mut Quarantine<PORTS, W>) -> Self {
        let quarantine = QuarantineTable::new(memory, self.flows.key().clone(), &self.config);
        Self { quarantine, ..self }
    }

    /// Refuses new mappings for a while after a start, where that is configured.
    pub(super) fn check_start(&self, proto: Proto) -> Result<(), DropReason> {
        let rules = &self.config.quarantine;
        let delay = if proto == Proto::Tcp { rules.tcp_delay } else { rules.delay };
        let running = self.now.saturating_duration_since(self.first_packet.unwrap_or(self.now));
        if rules.after_start && running < delay { Err(DropReason::Quarantine) } else { Ok(()) }
    }

    /// Whether any port of `pool`, of which there are `open`, is neither in use nor in quarantine.
    pub(super) fn has_free_port(&mut self, pool: &PortPool, open: usize) -> bool {
        let in_use = self.flows.ports_in_use(pool);
        if in_use.saturating_add(self.quarantine.count(pool)) >= open {
            // What has waited long enough is free. Each port is released once, however often this is asked.
            let tick = self.tick();
            self.quarantine.release_overdue(tick, usize::MAX);
        }
        in_use.saturating_add(self.quarantine.count(pool)) < open
    }

    /// Adds a mapping, whose port waits no longer: a port forward may have one in quarantine, and of others the wait may be
    /// over without having been noticed.
    pub(super) fn add_mapping(&mut self, new: &NewMapping) -> Option<Link<W>> {
        self.quarantine.release(ExternalPort { proto: new.proto, external: new.external, port: new.external_port });
        self.flows.add_mapping(new)
    }

    /// Has the port wait that the end of a session has freed at the millisecond `now`, if it has.
    pub(super) fn hold_freed(&mut self, freed: Option<ExternalPort>, now: u32) {
        hold_freed(&mut self.quarantine, &mut self.stats, freed, now);
    }
}

/// [`Nat::hold_freed`] while the flows are being changed.
pub(super) fn hold_freed<W: Width>(
    quarantine: &mut QuarantineTable<'_, W>,
    stats: &mut Stats,
    freed: Option<ExternalPort>,
    now: u32,
) {
    if let Some(port) = freed {
        stats.ports_released_early = stats.ports_released_early.wrapping_add(quarantine.hold(port, now));
    }
}
