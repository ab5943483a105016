//! The quarantine: after its mapping has ended, an external port waits before another mapping gets
//! it (RFC 6888 REQ-8).

use crate::state::{ExternalPort, Proto, Quarantine, QuarantineTable};
use crate::table::Width;
use crate::{Nat, PortForward};

impl<'t, W: Width> Nat<'t, W> {
    /// This NAT with memory for the quarantine of external ports, which it empties. Without it a
    /// port is free again as soon as its mapping has ended. See
    /// [`QuarantineConfig`](crate::QuarantineConfig).
    ///
    /// While every port that is left waits, a new session is refused because no port is free.
    /// [`Nat::poll_timeout`] does not wait for the quarantine: the next packet releases what is
    /// over.
    #[must_use]
    pub fn with_quarantine<const PORTS: usize>(
        mut self,
        memory: &'t mut Quarantine<PORTS, W>,
    ) -> Self {
        self.set_quarantine(memory);
        self
    }

    /// The same for a NAT in its place. To be called before the first packet.
    pub fn set_quarantine<const PORTS: usize>(&mut self, memory: &'t mut Quarantine<PORTS, W>) {
        let state = &mut self.state;
        let key = state.tables.key().clone();
        state.quarantine = QuarantineTable::new(memory, key, &state.policy.config);
    }

    /// Puts the ports of a port forward into quarantine, as far as slots are free. The caller
    /// releases those that another port forward keeps now.
    pub(super) fn hold_ports_of(&mut self, forward: &PortForward) {
        let proto = Proto::from(forward.protocol);
        let address = match forward.external_address {
            Some(address) => Some(address.to_bits()),
            None => self.state.policy.pool.primary(),
        };
        let Some(external) = address.and_then(|address| self.view().external_number(address))
        else {
            return;
        };
        // More would evict ports that wait already.
        let free = self.state.quarantine.free_slots();
        let mut events = self.events();
        for distance in (0..forward.ports).take(free) {
            events.freed(ExternalPort {
                proto,
                external,
                port: forward.external_port.wrapping_add(distance),
            });
        }
    }
}
