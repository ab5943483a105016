//! What the application changes and reads. These walk the tables; packets never do.

use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::Vec;

use crate::config::{MIN_MTU, check};
use crate::log::info;
use crate::policy::port_forwards::{Rule, external_ports, inside_ports};
use crate::state::{Endpoint, ExternalPort, Mapping, MappingKind, Origin, Proto};
use crate::table::Width;
use crate::{
    Config, ConfigError, Instant, MAX_EXTERNAL_ADDRESSES, Nat, PortForward, PortForwardError,
    Protocol, SessionInfo, Side, Stats,
};

use super::DHCP_CLIENT;

impl<W: Width> Nat<'_, W> {
    /// The external addresses, the primary first.
    pub fn external_addresses(&self) -> &[Ipv4Addr] {
        &self.config.external_addresses
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
    /// The field `external_addresses`: more than [`MAX_EXTERNAL_ADDRESSES`], one that is
    /// not a host's, or one that stands twice. Then nothing has changed.
    pub fn set_external_addresses(
        &mut self,
        addresses: &[Ipv4Addr],
        now: Instant,
    ) -> Result<(), ConfigError> {
        self.config.check_external_addresses(addresses)?;
        self.advance(now, 0);
        let Self { pool, now, .. } = self;
        let kept = |number| {
            pool.address(number, *now)
                .is_some_and(|old| addresses.iter().any(|a| a.to_bits() == old))
        };
        let mut lost = Vec::<u8, MAX_EXTERNAL_ADDRESSES>::new();
        for number in pool.numbers().filter(|number| !kept(*number)) {
            let _room = lost.push(number);
        }
        for number in lost {
            self.end_address(number);
        }
        self.config.warn_of_external_addresses(addresses);
        self.pool.replace(addresses);
        self.config.external_addresses = Vec::from_slice(addresses).unwrap_or_default();
        self.end_conflicts();
        self.tell_resting();
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
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let until = Instant::from_millis(self.now.as_millis().saturating_add(longest));
        let draining = self.pool.drain(address, until);
        if draining {
            self.config
                .external_addresses
                .retain(|other| *other != address);
            self.end_conflicts();
            info!("external address {} drains", address);
            self.tell_resting();
        }
        draining
    }

    /// The external addresses that are being taken away.
    pub fn draining_addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.pool.draining()
    }

    /// Takes away the external addresses that have drained.
    pub(super) fn end_drained(&mut self) {
        if !self.pool.drains() {
            return;
        }
        while let Some(number) = self
            .pool
            .drained(self.now, |number| !self.tables.uses(number))
        {
            self.end_address(number);
            self.pool.remove(number);
            self.fragments.clear();
        }
    }

    /// Ends all that has the external address of a number, so that another may get the number.
    fn end_address(&mut self, number: u8) {
        self.end_mappings(|_, mapping| !mapping.is_untranslated() && mapping.external == number);
        self.tables.forget_external(number);
        self.release_blocks(number);
        self.quarantine.retain(|port| port.external != number);
    }

    /// Sets the largest datagram that may leave by `side`, in bytes.
    ///
    /// # Errors
    ///
    /// The field `inside_mtu` or `outside_mtu` if `mtu` is below 68.
    pub fn set_mtu(&mut self, side: Side, mtu: u16) -> Result<(), ConfigError> {
        let (field, value) = match side {
            Side::Inside => ("inside_mtu", &mut self.config.inside_mtu),
            Side::Outside => ("outside_mtu", &mut self.config.outside_mtu),
        };
        check(field, mtu >= MIN_MTU, "below 68 bytes")?;
        *value = mtu;
        Ok(())
    }

    /// Adds a port forward. Sessions that traffic had opened through either of its endpoints end,
    /// at the latest time that the engine has been given: call [`Nat::handle_timeout`] first
    /// where the time in their events matters.
    ///
    /// # Errors
    ///
    /// See [`PortForwardError`]. Then no port forward was added.
    pub fn add_port_forward(&mut self, forward: PortForward) -> Result<(), PortForwardError> {
        self.check_forward(&forward)?;
        self.forwards.add(forward, &self.pool)?;
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
        let removed = self.forwards.remove(forward);
        if removed {
            self.end_target(forward);
            self.hold_ports_of(forward);
            // One that had rested for its ports has them now, and none of them waits.
            self.end_conflicts();
        }
        removed
    }

    /// The port forwards, in the order in which they were added.
    pub fn port_forwards(&self) -> impl Iterator<Item = PortForward> + '_ {
        self.forwards.iter().copied()
    }

    /// The port forwards of which some ports, or all, have no effect at present: their external
    /// address is not one of the NAT's, or drains, or an earlier port forward has the port on
    /// it. Two can come to that when the primary address changes, if only one of them names its
    /// address; [`Nat::add_port_forward`] refuses those that meet when they are added.
    pub fn inactive_port_forwards(&self) -> impl Iterator<Item = PortForward> + '_ {
        self.forwards.inactive(&self.pool).copied()
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
        let sessions = self.tables.sessions(self.now, |mapping, inside| {
            let address = self.pool.address(mapping.external, self.now).unwrap_or(0);
            let external = Endpoint {
                address,
                port: mapping.external_port,
            };
            if mapping.is_untranslated() {
                inside.endpoint
            } else {
                external
            }
        });
        // Those through an address that has drained are not used any more.
        sessions.filter(|session| !session.external.ip().is_unspecified())
    }

    /// What the engine has done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Logs the port forwards that rest.
    fn tell_resting(&self) {
        for forward in self.forwards.inactive(&self.pool) {
            let PortForward {
                external_port,
                inside_address,
                inside_port,
                ..
            } = forward;
            info!(
                "port {} to {}:{} rests",
                external_port, inside_address, inside_port
            );
        }
    }

    fn check_forward(&self, forward: &PortForward) -> Result<(), PortForwardError> {
        let PortForward {
            protocol,
            external_port,
            inside_address,
            inside_port,
            ..
        } = *forward;
        if external_port == 0 || inside_port == 0 {
            return Err(PortForwardError::PortZero);
        }
        let (Some(ports), Some(_)) = (external_ports(forward), inside_ports(forward)) else {
            return Err(PortForwardError::PortRange);
        };
        if !self.config.inside.is_host(inside_address)
            || inside_address == self.config.inside.address()
        {
            return Err(PortForwardError::NotInside);
        }
        let of_dhcp =
            self.config.dhcp_client && protocol == Protocol::Udp && ports.contains(DHCP_CLIENT);
        if of_dhcp
            || self
                .config
                .reserved_ports
                .is_some_and(|reserved| reserved.intersection(ports).is_some())
        {
            return Err(PortForwardError::PortReserved);
        }
        Ok(())
    }

    /// Ends the mappings of the inside endpoints of a port forward.
    fn end_target(&mut self, forward: &PortForward) {
        let (proto, host, ports) = (
            Proto::from(forward.protocol),
            forward.inside_address.to_bits(),
            inside_ports(forward),
        );
        self.end_mappings(|nat, mapping| {
            let inside = nat
                .tables
                .inside(mapping)
                .filter(|inside| inside.endpoint.address == host);
            let is_target = inside
                .zip(ports)
                .is_some_and(|(inside, ports)| ports.contains(inside.endpoint.port));
            is_target && mapping.proto() == proto && !mapping.is_untranslated()
        });
    }

    /// Ends the mappings that are not as the rules have it: those that have another's external
    /// endpoint, those that have to have another external endpoint themselves, and those that
    /// have the right one, but not from the rule which gives it now: a port is counted with
    /// what has given it. Those that drain end by themselves.
    fn end_conflicts(&mut self) {
        self.end_mappings(|nat, mapping| {
            let Some(inside) = nat.tables.inside(mapping) else {
                return true;
            };
            let number = mapping.external;
            let Some(address) = nat
                .pool
                .address(number, nat.now)
                .filter(|_| nat.pool.is_active(number))
            else {
                return false;
            };
            let (proto, external) = (
                mapping.proto(),
                Endpoint {
                    address,
                    port: mapping.external_port,
                },
            );
            let host = inside.origin == Origin::Host;
            let own = nat
                .forwards
                .external_of(proto, inside.endpoint, &nat.pool)
                .filter(|fixed| {
                    host && fixed.rule != Rule::DmzHost
                        && !nat.is_reserved(proto, fixed.external.port)
                });
            let kept = nat
                .forwards
                .reserves(proto, external, inside.endpoint.address, &nat.pool);
            match own {
                Some(own) => own.external != external || mapping.kind() != own.rule.into(),
                None => kept || mapping.kind() == MappingKind::PortForward,
            }
        });
        // A port that a rule keeps is counted with the rule, and nobody else gets it.
        let Self {
            quarantine,
            forwards,
            pool,
            now,
            ..
        } = self;
        quarantine.retain(
            |ExternalPort {
                 proto,
                 external,
                 port,
             }| {
                let address = pool.address(external, *now);
                address.is_some_and(|address| {
                    !forwards
                        .reserved_ports(proto, address, pool)
                        .any(|ports| ports.contains(port))
                })
            },
        );
    }

    /// Ends the sessions of the mappings that `ends`, and so the mappings. Walks the table.
    fn end_mappings(&mut self, ends: impl Fn(&Self, &Mapping<W>) -> bool) {
        let mut cursor = 0;
        while let Some((next, link)) = self.tables.next_session(cursor) {
            cursor = next;
            let mapping = self
                .tables
                .session(link)
                .and_then(|session| self.tables.mapping(session.mapping));
            if mapping.is_some_and(|mapping| ends(self, mapping))
                && let Some(ended) = self.tables.end_session(link)
            {
                self.events().ended(ended);
            }
        }
    }
}
