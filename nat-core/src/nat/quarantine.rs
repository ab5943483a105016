//! External ports wait after the end of their mapping before another gets them (RFC 6888 REQ-8).

use core::net::Ipv4Addr;

use crate::state::{ExternalPort, NewMapping, PortPool, Proto, Quarantine, QuarantineTable};
use crate::table::{SlotIndex, Width};
use crate::{DropReason, Nat, PortForward};

impl<'t, W: Width> Nat<'t, W> {
    /// This NAT with memory for the quarantine of external ports, which it empties. Without it a
    /// port is free again as soon as its mapping has ended. See
    /// [`QuarantineConfig`](crate::QuarantineConfig).
    ///
    /// A new session is refused for want of ports while all that are left wait. No port waits
    /// longer than it must, and [`Nat::poll_timeout`] tells nothing of it: what is over is
    /// noticed with the next packet.
    #[must_use]
    pub fn with_quarantine<const PORTS: usize>(self, memory: &'t mut Quarantine<PORTS, W>) -> Self {
        let quarantine = QuarantineTable::new(memory, self.tables.key().clone(), &self.config);
        Self { quarantine, ..self }
    }

    /// Refuses new mappings for a while after a start, where that is configured.
    pub(super) fn check_start(&self, proto: Proto) -> Result<(), DropReason> {
        let rules = &self.config.quarantine;
        let delay = if proto == Proto::Tcp {
            rules.tcp_delay
        } else {
            rules.delay
        };
        let running = self
            .now
            .saturating_duration_since(self.first_packet.unwrap_or(self.now));
        if rules.after_start && running < delay {
            Err(DropReason::Quarantine)
        } else {
            Ok(())
        }
    }

    /// Whether a port of `proto` waits when its mapping has ended.
    pub(super) fn waits(&self, proto: Proto) -> bool {
        !self.tables.overlapping() && self.quarantine.delays(proto)
    }

    /// Whether any port of `pool`, of which there are `open`, is neither in use nor in quarantine.
    pub(super) fn has_free_port(&mut self, pool: &PortPool, open: usize) -> bool {
        let in_use = self.tables.ports_in_use(pool);
        if in_use.saturating_add(self.quarantine.count(pool)) >= open {
            // What has waited long enough is free. Each port is released once, however often this
            // is asked.
            let tick = self.tick();
            self.quarantine.release_overdue(tick, usize::MAX);
        }
        in_use.saturating_add(self.quarantine.count(pool)) < open
    }

    /// Has the ports wait that a port forward had kept, as far as there is room. The caller ends
    /// the wait of those that another port forward keeps now.
    pub(super) fn hold_ports_of(&mut self, forward: &PortForward) {
        let proto = Proto::from(forward.protocol);
        let address = forward
            .external_address
            .map(Ipv4Addr::to_bits)
            .or_else(|| self.pool.primary());
        let Some(external) = address.and_then(|address| self.external_number(address)) else {
            return;
        };
        let room = self.quarantine.free_slots();
        let mut events = self.events();
        for distance in (0..forward.ports).take(room) {
            events.freed(ExternalPort {
                proto,
                external,
                port: forward.external_port.wrapping_add(distance),
            });
        }
    }

    /// Adds a mapping, whose port waits no longer: a port forward may have one in quarantine, and
    /// of others the wait may be over without having been noticed.
    pub(super) fn add_mapping(&mut self, new: &NewMapping) -> Option<SlotIndex<W>> {
        let NewMapping {
            tuple,
            external,
            external_port: port,
            ..
        } = *new;
        self.quarantine.release(ExternalPort {
            proto: tuple.proto,
            external,
            port,
        });
        self.tables.add_mapping(new)
    }
}
