//! What the application changes and reads. These walk the tables; packets never do.

use core::net::Ipv4Addr;

use heapless::Vec;

use crate::config::{MIN_MTU, check};
use crate::log::info;
use crate::state::{Endpoint, ExternalPort, Inside, NewMapping, Origin, Proto, Session};
use crate::table::{Link, Width};
use crate::{Config, ConfigError, DropReason, ForwardError, Nat, PortForward, Protocol, SessionInfo, Side, Stats};

use super::quarantine::hold_freed;
use super::{DHCP_CLIENT, count_ended};

/// Port forwards are on the primary external address, which is the first.
const PRIMARY: u8 = 0;

impl<W: Width> Nat<'_, W> {
    /// The external addresses, the primary first.
    pub fn external_addresses(&self) -> &[Ipv4Addr] {
        &self.config.external_addresses
    }

    /// Replaces the external addresses, the primary first; empty when there is none at present.
    ///
    /// Sessions through an address that is no longer there end, for their peers know no other: what the inside still
    /// sends on them is answered with a RST. Sessions through addresses that stay go on. Port forwards move to the new
    /// primary address, and their sessions end if it is another.
    ///
    /// # Errors
    ///
    /// The field `external_addresses`: more than [`MAX_EXTERNAL_ADDRESSES`](crate::MAX_EXTERNAL_ADDRESSES), one that is
    /// not a host's, or one that stands twice. Then nothing has changed.
    pub fn set_external_addresses(&mut self, addresses: &[Ipv4Addr]) -> Result<(), ConfigError> {
        self.config.check_external_addresses(addresses)?;
        let Self { config, flows, stats, quarantine, .. } = self;
        let old: Vec<Ipv4Addr, { crate::MAX_EXTERNAL_ADDRESSES }> = config.external_addresses.clone();
        let kept = |number: u8| {
            let address = old.get(usize::from(number))?;
            addresses.iter().position(|other| other == address).map(|position| position as u8)
        };
        let same_primary = old.first() == addresses.first();
        let lost = |external: u8, port_forward: bool| {
            if port_forward { !same_primary } else { kept(external).is_none() }
        };
        flows.renumber(
            |mapping| lost(mapping.external, mapping.is_port_forward()),
            |mapping| {
                if mapping.is_port_forward() { PRIMARY } else { kept(mapping.external).unwrap_or(PRIMARY) }
            },
            &mut |ended| count_ended(stats, ended),
        );
        // Ports of addresses that stay wait on, unless a mapping that has moved there has them now.
        let let_go = quarantine.renumber(|ExternalPort { proto, external, port }| {
            kept(external).filter(|external| flows.mapping_of_external(proto, *external, port).is_none())
        });
        stats.ports_released_early = stats.ports_released_early.wrapping_add(let_go);
        config.external_addresses = Vec::from_slice(addresses).unwrap_or_default();
        self.fragments.clear();
        match addresses {
            [] => info!("no external address"),
            [primary, ..] => info!("external address {} and {} more", primary, addresses.len().saturating_sub(1)),
        }
        Ok(())
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

    /// Adds a port forward. Sessions that traffic had opened through either of its endpoints end.
    ///
    /// # Errors
    ///
    /// See [`ForwardError`]. Then no port forward was added.
    pub fn add_forward(&mut self, forward: PortForward) -> Result<(), ForwardError> {
        let (proto, inside) = self.check_forward(&forward)?;
        let by_external = self.flows.mapping_of_external(proto, PRIMARY, forward.external_port);
        let by_inside = self.flows.mapping_of_inside(proto, inside);
        if self.is_port_forward(by_external) {
            return Err(ForwardError::ExternalPortInUse);
        }
        if self.is_port_forward(by_inside) {
            return Err(ForwardError::InsideEndpointInUse);
        }
        let external_port = forward.external_port;
        let new = NewMapping { proto, inside, external: PRIMARY, external_port, port_forward: true };
        self.check_room(&new, by_external, by_inside)?;
        for mapping in [by_external, by_inside].into_iter().flatten() {
            self.end_sessions(|session| session.mapping == mapping);
        }
        self.add_mapping(&new).ok_or(ForwardError::TableFull)?;
        info!("port {} forwarded to {}:{}", external_port, forward.inside_address, forward.inside_port);
        Ok(())
    }

    /// Removes the port forward of `external_port`, and ends its sessions. Returns whether there was one.
    pub fn remove_forward(&mut self, protocol: Protocol, external_port: u16) -> bool {
        let mapping = self.flows.mapping_of_external(proto_of(protocol), PRIMARY, external_port);
        let Some(link) = mapping.filter(|link| self.is_port_forward(Some(*link))) else {
            return false;
        };
        self.end_sessions(|session| session.mapping == link);
        let freed = self.flows.remove_mapping(link);
        self.hold_freed(freed, self.tick());
        true
    }

    /// The port forwards, in no particular order.
    pub fn forwards(&self) -> impl Iterator<Item = PortForward> + '_ {
        self.flows.port_forwards().map(|(mapping, inside)| PortForward {
            protocol: if mapping.proto() == Proto::Tcp { Protocol::Tcp } else { Protocol::Udp },
            external_port: mapping.external_port,
            inside_address: Ipv4Addr::from_bits(inside.address),
            inside_port: inside.port,
        })
    }

    /// Ends every session and with it every mapping; port forwards stay.
    pub fn clear(&mut self) {
        self.end_sessions(|_| true);
        self.fragments.clear();
    }

    /// The sessions there are, in no particular order.
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo> + '_ {
        self.flows.sessions(self.now.as_millis() as u32, |number| self.external_address(number).unwrap_or(0))
    }

    /// What the engine has done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether there is room for a port forward once the mappings that have its endpoints are gone.
    fn check_room(
        &self,
        new: &NewMapping,
        by_external: Option<Link<W>>,
        by_inside: Option<Link<W>>,
    ) -> Result<(), ForwardError> {
        match self.flows.check_mapping(new) {
            Ok(()) => Ok(()),
            Err(DropReason::MappingTableFull) if by_external.or(by_inside).is_some() => Ok(()),
            Err(DropReason::HostTableFull) if by_external.is_some_and(|link| self.flows.is_last_of_host(link)) => {
                Ok(())
            }
            Err(_) => Err(ForwardError::TableFull),
        }
    }

    fn check_forward(&self, forward: &PortForward) -> Result<(Proto, Inside), ForwardError> {
        let PortForward { protocol, external_port, inside_address, inside_port } = *forward;
        if external_port == 0 || inside_port == 0 {
            return Err(ForwardError::PortZero);
        }
        if !self.config.inside.is_host(inside_address) || inside_address == self.config.inside.address() {
            return Err(ForwardError::NotInside);
        }
        let of_dhcp = self.config.dhcp_client && protocol == Protocol::Udp && external_port == DHCP_CLIENT;
        if of_dhcp || self.config.reserved_ports.is_some_and(|range| range.contains(external_port)) {
            return Err(ForwardError::PortReserved);
        }
        let endpoint = Endpoint { address: inside_address.to_bits(), port: inside_port };
        Ok((proto_of(protocol), Inside { origin: Origin::Host, endpoint }))
    }

    pub(super) fn is_port_forward(&self, mapping: Option<Link<W>>) -> bool {
        mapping.and_then(|link| self.flows.mapping(link)).is_some_and(|mapping| mapping.is_port_forward())
    }

    fn end_sessions(&mut self, ends: impl Fn(&Session<W>) -> bool) {
        let tick = self.tick();
        let Self { flows, stats, quarantine, .. } = self;
        flows.end_sessions_where(|_, session| ends(session), &mut |ended| {
            count_ended(stats, ended);
            hold_freed(quarantine, stats, ended.freed, tick);
        });
    }
}

fn proto_of(protocol: Protocol) -> Proto {
    match protocol {
        Protocol::Tcp => Proto::Tcp,
        Protocol::Udp => Proto::Udp,
    }
}
