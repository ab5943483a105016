//! What the application changes and reads. These walk the tables; packets never do.

use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::Vec;

use crate::config::{MIN_MTU, PortRange, check};
use crate::log::info;
use crate::policy::port_forwards::{Rule, StaticMapping, external_ports, inside_ports};
use crate::state::{Endpoint, ExternalPort, Inside, Mapping, MappingKind, Proto};
use crate::table::Width;
use crate::{
    Config, ConfigError, Instant, MAX_EXTERNAL_ADDRESSES, Nat, PortForward, PortForwardError,
    Protocol, SessionInfo, Side, Stats,
};

use super::DHCP_CLIENT;
use super::view::{Policy, State, View};

impl<W: Width> Nat<'_, W> {
    /// The external addresses, the primary first.
    pub fn external_addresses(&self) -> &[Ipv4Addr] {
        &self.state.policy.config.external_addresses
    }

    /// Replaces the external addresses at `now`, the primary first; empty when there is none at
    /// present.
    ///
    /// Sessions through an address that is no longer there end, for their peers know no other: what
    /// the inside still sends on them is answered with a RST. Sessions through addresses that
    /// stay go on. Port forwards move to the new primary address, and their sessions end if it
    /// is another. One that meets an earlier one there rests for the ports that both have, see
    /// [`Nat::inactive_port_forwards`].
    ///
    /// # Errors
    ///
    /// The field `external_addresses`: more than [`MAX_EXTERNAL_ADDRESSES`], one that is not a
    /// host's, or one that occurs twice. Then nothing has changed.
    pub fn set_external_addresses(
        &mut self,
        addresses: &[Ipv4Addr],
        now: Instant,
    ) -> Result<(), ConfigError> {
        self.state
            .policy
            .config
            .check_external_addresses(addresses)?;
        self.advance(now, 0);
        // Before the pool changes, because a new address may get the number of a lost one.
        for number in self.numbers_lost(addresses) {
            self.end_address(number);
        }
        let policy = &mut self.state.policy;
        policy.config.warn_of_external_addresses(addresses);
        policy.pool.replace(addresses);
        policy.config.external_addresses = Vec::from_slice(addresses).unwrap_or_default();
        self.end_conflicts();
        self.log_inactive();
        // The routes of fragments have external addresses that may be gone.
        self.fragments.clear();
        match addresses {
            [] => info!("no external address"),
            [primary, ..] => info!(
                "external address {} and {} more",
                primary,
                addresses.len().saturating_sub(1)
            ),
        }
        Ok(())
    }

    /// The numbers of external addresses that are not among `addresses`, or have drained.
    fn numbers_lost(&self, addresses: &[Ipv4Addr]) -> Vec<u8, MAX_EXTERNAL_ADDRESSES> {
        let pool = &self.state.policy.pool;
        let stays = |number: &u8| {
            let address = pool.address(*number, self.state.clock.now());
            address.is_some_and(|address| addresses.contains(&Ipv4Addr::from_bits(address)))
        };
        let mut lost = Vec::new();
        for number in pool.numbers().filter(|number| !stays(number)) {
            let _there_is_room = lost.push(number);
        }
        lost
    }

    /// Begins to take an external address away: no new mapping gets it, and its sessions go on
    /// until they end, at most for `longest` after `now`. Then [`Nat::handle_timeout`] ends
    /// those that are left, and the address is gone. Cloud NAT gateways drain for 350 s.
    ///
    /// If it was the primary address, the next one is from now on; port forwards on it rest. An
    /// address that drains still counts as one of [`MAX_EXTERNAL_ADDRESSES`], and
    /// [`Nat::set_external_addresses`] ends it at once, or takes it back. Returns whether this
    /// was an external address that does not drain yet.
    pub fn drain_external_address(
        &mut self,
        address: Ipv4Addr,
        longest: Duration,
        now: Instant,
    ) -> bool {
        self.advance(now, 0);
        let policy = &mut self.state.policy;
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let now = self.state.clock.now().as_millis();
        let until = Instant::from_millis(now.saturating_add(longest));
        let draining = policy.pool.drain(address, until);
        if draining {
            let addresses = &mut policy.config.external_addresses;
            addresses.retain(|other| *other != address);
            self.end_conflicts();
            info!("external address {} drains", address);
            self.log_inactive();
        }
        draining
    }

    /// The external addresses that are being taken away.
    pub fn draining_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.state.policy.pool.draining()
    }

    /// Takes away the external addresses that have drained.
    pub(super) fn end_drained(&mut self) {
        if !self.state.policy.pool.drains() {
            return;
        }
        while let Some(number) = self.drained() {
            self.end_address(number);
            self.state.policy.pool.remove(number);
            self.fragments.clear();
        }
    }

    fn drained(&self) -> Option<u8> {
        let State {
            policy,
            tables,
            clock,
            ..
        } = &self.state;
        policy
            .pool
            .drained(clock.now(), |number| !tables.uses(number))
    }

    /// Ends everything that has the external address of a number, so that another address may get
    /// the number.
    fn end_address(&mut self, number: u8) {
        self.end_mappings(|_, mapping| !mapping.is_untranslated() && mapping.external == number);
        self.state.tables.forget_external(number);
        self.release_blocks(number);
        self.state.quarantine.retain(|port| port.external != number);
    }

    /// Sets the largest datagram that may leave by `side`, in bytes.
    ///
    /// # Errors
    ///
    /// The field `inside_mtu` or `outside_mtu` if `mtu` is below 68.
    pub fn set_mtu(&mut self, side: Side, mtu: u16) -> Result<(), ConfigError> {
        let config = &mut self.state.policy.config;
        let (field, value) = match side {
            Side::Inside => ("inside_mtu", &mut config.inside_mtu),
            Side::Outside => ("outside_mtu", &mut config.outside_mtu),
        };
        check(field, mtu >= MIN_MTU, "below 68 bytes")?;
        *value = mtu;
        Ok(())
    }

    /// Adds a port forward. An explicit mapping with one of its endpoints ends. So do sessions that
    /// traffic had opened through either of its endpoints,
    /// at the latest time that the engine has been given: call [`Nat::handle_timeout`] first
    /// where the time in their events matters.
    ///
    /// # Errors
    ///
    /// See [`PortForwardError`]. Then no port forward was added.
    pub fn add_port_forward(&mut self, forward: PortForward) -> Result<(), PortForwardError> {
        self.view().check_forward(&forward)?;
        let policy = &mut self.state.policy;
        policy.port_forwards.add(forward, &policy.pool)?;
        self.end_explicit_of(&forward);
        // With a mapping of its own, the inside endpoint would answer from another port.
        self.end_target(&forward);
        self.end_conflicts();
        info!(
            "port {} forwarded to {}:{}",
            forward.external_port, forward.inside_address, forward.inside_port
        );
        Ok(())
    }

    /// Removes a port forward, and ends its sessions at `now`. One that has rested because of it
    /// takes effect, see [`Nat::inactive_port_forwards`]. Returns whether there was such a one.
    pub fn remove_port_forward(&mut self, forward: &PortForward, now: Instant) -> bool {
        self.advance(now, 0);
        let removed = self.state.policy.port_forwards.remove(forward);
        if removed {
            self.end_target(forward);
            // Its mappings put no port into quarantine when they ended: see `EventSink::deleted`.
            self.hold_ports_of(forward);
            // A port forward that was inactive for want of these ports has them now, out of
            // quarantine.
            self.end_conflicts();
        }
        removed
    }

    /// The port forwards, in the order in which they were added.
    pub fn port_forwards(&self) -> impl Iterator<Item = PortForward> + '_ {
        self.state.policy.port_forwards.iter().copied()
    }

    /// The port forwards of which some ports, or all, have no effect at present: their external
    /// address is not one of the NAT's, or drains, or an earlier port forward has the port on
    /// it. Two can come to that when the primary address changes, if only one of them names its
    /// address; [`Nat::add_port_forward`] refuses those that meet when they are added.
    pub fn inactive_port_forwards(&self) -> impl Iterator<Item = PortForward> + '_ {
        self.inactive().copied()
    }

    /// Ends every session and with it every mapping at `now`; port forwards stay.
    pub fn clear(&mut self, now: Instant) {
        self.advance(now, 0);
        self.end_mappings(|_, _| true);
        self.fragments.clear();
    }

    /// The sessions there are, in no particular order, as of the latest time that the engine has
    /// been given. Where that may be long ago, call [`Nat::handle_timeout`] first, or see
    /// [`SessionInfo::expires_at`].
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo> + '_ {
        let State {
            policy,
            tables,
            clock,
            ..
        } = &self.state;
        let now = clock.now();
        let sessions = tables.sessions(now, move |mapping, inside| {
            if mapping.is_untranslated() {
                return inside.endpoint;
            }
            Endpoint {
                address: policy.pool.address(mapping.external, now).unwrap_or(0),
                port: mapping.external_port,
            }
        });
        // Those through an address that has drained are not used any more.
        sessions.filter(|session| !session.external.ip().is_unspecified())
    }

    /// What the engine has done so far.
    pub fn stats(&self) -> Stats {
        self.record.stats.current()
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.state.policy.config
    }

    fn inactive(&self) -> impl Iterator<Item = &PortForward> {
        let policy = &self.state.policy;
        policy.port_forwards.inactive(&policy.pool)
    }

    fn log_inactive(&self) {
        for forward in self.inactive() {
            let PortForward {
                external_port,
                inside_address,
                inside_port,
                ..
            } = forward;
            info!(
                "port forward {} to {}:{} is inactive",
                external_port, inside_address, inside_port
            );
        }
    }

    /// Ends the mappings of the inside endpoints of a port forward.
    pub(super) fn end_target(&mut self, forward: &PortForward) {
        let (proto, host, ports) = (
            Proto::from(forward.protocol),
            forward.inside_address.to_bits(),
            inside_ports(forward),
        );
        self.end_mappings(|view, mapping| {
            let Some((inside, ports)) = view.tables.inside(mapping).zip(ports) else {
                return false;
            };
            let Endpoint { address, port } = inside.endpoint;
            let is_target = address == host && ports.contains(port);
            is_target && mapping.proto() == proto && !mapping.is_untranslated()
        });
    }

    /// Ends the mappings that the configuration, as it is now, would not make, and the quarantine of
    /// ports that port forwards have taken.
    pub(super) fn end_conflicts(&mut self) {
        self.end_mappings(|view, mapping| view.conflicts(mapping));
        let State {
            policy,
            quarantine,
            clock,
            ..
        } = &mut self.state;
        let now = clock.now();
        // A port that a port forward keeps is counted with it, and no other mapping gets it.
        quarantine.retain(|port| policy.may_quarantine(port, now));
    }

    /// Ends the sessions of the mappings that `ends`, and so the mappings. Walks the table.
    fn end_mappings(&mut self, ends: impl Fn(View<'_, W>, &Mapping<W>) -> bool) {
        // By position: a session that ends leaves the others where they are.
        let mut cursor = 0;
        while let Some((next, slot)) = self.state.tables.next_session(cursor) {
            cursor = next;
            let view = self.view();
            let session = view.tables.session(slot);
            let mapping = session.and_then(|session| view.tables.mapping(session.mapping));
            if mapping.is_some_and(|mapping| ends(view, mapping))
                && let Some(ended) = self.state.tables.end_session(slot)
            {
                self.events().ended(ended);
            }
        }
    }
}

impl<W: Width> View<'_, W> {
    /// Whether a mapping is not as the configuration has it now. One on an address that drains ends
    /// by itself.
    fn conflicts(self, mapping: &Mapping<W>) -> bool {
        let Some(inside) = self.tables.inside(mapping) else {
            return true;
        };
        let policy = &self.policy;
        let address = policy.pool.address(mapping.external, self.clock.now());
        let Some(address) = address.filter(|_| policy.pool.is_active(mapping.external)) else {
            return false;
        };
        let external = Endpoint {
            address,
            port: mapping.external_port,
        };
        let proto = mapping.proto();
        match self.exclusive_endpoint(proto, inside) {
            // A port is counted with the rule that gave it, so the mapping ends too if another rule
            // gives the same endpoint now.
            Some(own) => own.external != external || mapping.kind() != own.rule.into(),
            None => {
                mapping.kind() == MappingKind::PortForward
                    || policy.keeps(proto, external, inside.endpoint.address)
            }
        }
    }

    /// The external endpoint that an inside endpoint must have: that of a port forward or of
    /// one-to-one translation. Others may have that of the DMZ host before it does.
    fn exclusive_endpoint(self, proto: Proto, inside: Inside) -> Option<StaticMapping> {
        let fixed = self.rule_of(proto, inside)?;
        let exclusive =
            fixed.rule != Rule::DmzHost && !self.is_reserved(proto, fixed.external.port);
        exclusive.then_some(fixed)
    }

    fn check_forward(self, forward: &PortForward) -> Result<(), PortForwardError> {
        if forward.external_port == 0 || forward.inside_port == 0 {
            return Err(PortForwardError::PortZero);
        }
        let (Some(ports), Some(_)) = (external_ports(forward), inside_ports(forward)) else {
            return Err(PortForwardError::PortRange);
        };
        if !self.is_inside_host(forward.inside_address.to_bits()) {
            return Err(PortForwardError::NotInside);
        }
        let config = &self.policy.config;
        let of_dhcp =
            config.dhcp_client && forward.protocol == Protocol::Udp && ports.contains(DHCP_CLIENT);
        let meets = |reserved: PortRange| reserved.intersection(ports).is_some();
        if of_dhcp || config.reserved_ports.is_some_and(meets) {
            return Err(PortForwardError::PortReserved);
        }
        Ok(())
    }
}

impl Policy {
    /// Whether an external endpoint is reserved for another host than `inside`.
    fn keeps(&self, proto: Proto, external: Endpoint, inside: u32) -> bool {
        self.port_forwards
            .reserves(proto, external, inside, &self.pool)
    }

    /// Whether an external port may wait in quarantine: its address is there, and no port forward
    /// keeps it.
    fn may_quarantine(&self, port: ExternalPort, now: Instant) -> bool {
        let Some(address) = self.pool.address(port.external, now) else {
            return false;
        };
        let mut kept = self
            .port_forwards
            .reserved_ports(port.proto, address, &self.pool);
        !kept.any(|ports| ports.contains(port.port))
    }
}
