//! For exploring the states of small engines: copies of an engine, the canonical form of its state,
//! and the choice of its next external port.

use core::hash::{Hash, Hasher};
use core::net::SocketAddrV4;

use crate::nat::view::State;
use crate::state::{Endpoint, Proto};
use crate::table::Width;
use crate::{Nat, SessionProtocol};

impl<W: Width + Hash> Nat<'_, W> {
    /// Makes this engine behave like `other` from now on. Both must have been built with tables and
    /// other memory of the same capacities, the same configuration and the same seed. The event hook
    /// stays as it is.
    #[doc(hidden)]
    pub fn copy_from(&mut self, other: &Nat<'_, W>) {
        let (state, source) = (&mut self.state, &other.state);
        state.tables.copy_from(&source.tables);
        state.quarantine.copy_from(&source.quarantine);
        state.clock.clone_from(&source.clock);
        let (policy, source) = (&mut state.policy, &source.policy);
        policy
            .config
            .external_addresses
            .clone_from(&source.config.external_addresses);
        policy.pool.clone_from(&source.pool);
        policy.port_forwards.clone_from(&source.port_forwards);
        self.ports.clone_from(&other.ports);
        self.answers.clone_from(&other.answers);
        self.fragments.copy_from(&other.fragments);
        self.ids.clone_from(&other.ids);
        self.record.stats.clone_from(&other.record.stats);
    }

    /// Feeds `hasher` with all of the state that decides how packets are processed from now on, with
    /// times relative to the present. So engines of equal state feed it the same.
    ///
    /// Left out are the statistics, the limits on answers and rates, the identifications of
    /// datagrams, when something is due next, and which external port is drawn next, see
    /// [`Nat::draw_ports_from`].
    #[doc(hidden)]
    pub fn hash_canonical(&self, hasher: &mut impl Hasher) {
        let (state, now) = (&self.state, self.state.clock.tick());
        state.tables.hash_canonical(now, hasher);
        state.quarantine.hash_canonical(now, hasher);
        state.policy.pool.hash_canonical(hasher);
        for forward in state.policy.port_forwards.iter() {
            forward.hash(hasher);
        }
        let explicit = &state.policy.port_forwards.explicit;
        explicit.hash_canonical(state.clock.now(), hasher);
        self.fragments.hash_canonical(now, hasher);
    }

    /// Feeds `hasher` with what is known of the sessions of an inside endpoint with `remote`: their
    /// state, numbers and times, relative to the present.
    #[doc(hidden)]
    pub fn hash_sessions_between(
        &self,
        protocol: SessionProtocol,
        [inside, remote]: [SocketAddrV4; 2],
        hasher: &mut impl Hasher,
    ) {
        let proto = match protocol {
            SessionProtocol::Icmp => Proto::Icmp,
            SessionProtocol::Tcp => Proto::Tcp,
            SessionProtocol::Udp => Proto::Udp,
        };
        let [inside, remote] = [inside, remote].map(|endpoint| Endpoint {
            address: endpoint.ip().to_bits(),
            port: endpoint.port(),
        });
        let State { tables, clock, .. } = &self.state;
        tables.hash_sessions_between((proto, inside, remote), clock.tick(), hasher);
    }

    /// Draws external ports from here on in the sequence that the seed gives.
    #[doc(hidden)]
    pub fn draw_ports_from(&mut self, position: u64) {
        self.ports.resume_at(position);
    }

    /// Where it is in the sequence of external ports.
    #[doc(hidden)]
    pub fn ports_drawn(&self) -> u64 {
        self.ports.count()
    }
}
