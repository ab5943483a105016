//! Whether the counters of hosts, ports and quotas are right.

use crate::config::MAX_EXTERNAL_ADDRESSES;
use crate::state::port_use::PortUse;
use crate::state::{
    ExternalPort, Host, MappingKind, Origin, PortClass, Proto, Session, is_half_open,
};
use crate::table::audit::{Fault, ensure};
use crate::table::{SlotIndex, Width};

use super::SessionTables;

const PROTOS: [Proto; Proto::COUNT] = [Proto::Icmp, Proto::Tcp, Proto::Udp];

/// The numbers that external addresses can have.
const EXTERNALS: core::ops::Range<u8> = 0..MAX_EXTERNAL_ADDRESSES as u8;

impl<W: Width> SessionTables<'_, W> {
    pub(super) fn audit_host(&self, link: SlotIndex<W>, host: &Host<W>) -> Result<(), Fault> {
        ensure(
            self.find_host(host.origin(), host.address) == Some(link),
            "a host that is not found",
        )?;
        self.audit_mappings_of(link, host)?;
        self.audit_dynamic_ports_of(link, host)?;
        self.audit_reserved_ports_of(link, host)?;
        self.audit_sessions_of(link, host)
    }

    fn audit_mappings_of(&self, link: SlotIndex<W>, host: &Host<W>) -> Result<(), Fault> {
        for proto in PROTOS {
            let mappings =
                self.count_mappings(|mapping| mapping.host == link && mapping.proto() == proto);
            ensure(
                mappings == host.mappings_of(proto),
                "the mappings of a host",
            )?;
        }
        Ok(())
    }

    fn audit_dynamic_ports_of(&self, link: SlotIndex<W>, host: &Host<W>) -> Result<(), Fault> {
        for external in EXTERNALS {
            let dynamic = self.count_mappings(|mapping| {
                mapping.host == link && mapping.is_dynamic() && mapping.external == external
            });
            ensure(
                dynamic == host.dynamic_on(external),
                "the dynamic mappings of a host on an address",
            )?;
        }
        Ok(())
    }

    fn audit_reserved_ports_of(&self, link: SlotIndex<W>, host: &Host<W>) -> Result<(), Fault> {
        for (proto, class) in proto_classes() {
            let used = self.count_mappings(|mapping| {
                mapping.host == link && mapping.has_reserved_port_of(proto, class)
            });
            ensure(
                used == usize::from(host.reserved_ports(proto, class)),
                "the reserved ports of a host",
            )?;
        }
        Ok(())
    }

    fn audit_sessions_of(&self, link: SlotIndex<W>, host: &Host<W>) -> Result<(), Fault> {
        let is_of_host = |session: &Session<W>| {
            let mapping = self.mappings.get(session.mapping);
            mapping.is_some_and(|mapping| mapping.host == link)
        };
        ensure(
            self.count_sessions(is_of_host) == host.sessions.get(),
            "the sessions of a host",
        )?;
        let half_open =
            self.count_sessions(|session| is_of_host(session) && is_half_open(session.state));
        ensure(
            half_open == host.half_open.get(),
            "the half-open sessions of a host",
        )
    }

    pub(super) fn audit_ports(&self) -> Result<(), Fault> {
        self.audit_ports_in_use()?;
        for (proto, class) in proto_classes() {
            for external in EXTERNALS {
                let taken = self.count_mappings(|mapping| {
                    mapping.external == external && mapping.has_reserved_port_of(proto, class)
                });
                ensure(
                    taken == self.port_quotas.taken(proto, external, class),
                    "the reserved ports that are taken",
                )?;
            }
        }
        Ok(())
    }

    fn audit_ports_in_use(&self) -> Result<(), Fault> {
        let mut ports = PortUse::like(&self.ports);
        for (_, mapping) in self.mappings.iter() {
            let is_counted = !self.overlapping()
                && !mapping.is_untranslated()
                && mapping.kind() != MappingKind::PortForward;
            if is_counted {
                ports.add(ExternalPort::from(mapping));
            }
        }
        ensure(ports.counts_like(&self.ports), "the ports in use")
    }

    pub(super) fn audit_quotas(&self) -> Result<(), Fault> {
        let quotas = &self.quotas;
        ensure(
            quotas.reserved_mappings() == self.unused_reservations(Host::mappings),
            "the mappings that are reserved for hosts",
        )?;
        ensure(
            quotas.reserved_sessions() == self.unused_reservations(|host| host.sessions.get()),
            "the sessions that are reserved for hosts",
        )?;
        ensure(
            quotas.half_open() == self.count_tcp(|session| is_half_open(session.state)),
            "the half-open sessions of all",
        )?;
        let routers = self
            .hosts
            .iter()
            .filter(|(_, host)| host.origin() == Origin::Router)
            .count();
        ensure(quotas.routers() == routers, "the addresses of the router")
    }

    /// How many of the slots that are reserved for hosts are not used by them, where `count` is
    /// what a host has.
    fn unused_reservations(&self, count: impl Fn(&Host<W>) -> usize) -> usize {
        let per_host = self.quotas.per_host();
        // What a host has beyond its reservation is not taken from the reservations of others.
        let used = self
            .hosts
            .iter()
            .map(|(_, host)| count(host).min(per_host))
            .fold(0, usize::saturating_add);
        per_host
            .saturating_mul(self.hosts.capacity())
            .saturating_sub(used)
    }
}

fn proto_classes() -> impl Iterator<Item = (Proto, PortClass)> {
    PROTOS
        .into_iter()
        .flat_map(|proto| PortClass::ALL.map(|class| (proto, class)))
}
