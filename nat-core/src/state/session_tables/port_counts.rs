//! How many external ports are in use, and how many of the ports that are reserved for each host.

use crate::state::port_use::{PortPool, PortUse};
use crate::state::{ExternalPort, Inside, Mapping, MappingKind, PortClass};
use crate::table::{SlotIndex, Width};

use super::SessionTables;

impl<W: Width> SessionTables<'_, W> {
    pub(crate) fn ports_in_use(&self, pool: &PortPool) -> usize {
        self.ports.count(pool)
    }

    /// How many of the `open` ports of `pool` are reserved for other hosts than `inside`. None are
    /// as long as `inside` has not used up its own reservation, on whichever external address.
    ///
    /// The mapping `leaving` ends before the next mapping of `inside` begins, so its port does not
    /// count.
    pub(crate) fn reserved_ports(
        &self,
        inside: Inside,
        pool: &PortPool,
        open: usize,
        leaving: Option<&Mapping<W>>,
    ) -> usize {
        let PortPool { proto, class, .. } = *pool;
        let host = self.host(inside.origin, inside.endpoint.address);
        let used = host.map_or(0, |host| host.reserved_ports(proto, class));
        let freed = leaving.is_some_and(|mapping| mapping.has_reserved_port_of(proto, class));
        let used = used.saturating_sub(u8::from(freed));
        if used < self.port_quotas.per_host(class) {
            0
        } else {
            self.port_quotas.reserved(pool, open)
        }
    }

    /// Counts the external port of a mapping, with `count`. Ports of port forwards are counted
    /// where port forwards are, and overlapping ports are not counted, because any number of
    /// mappings may have one.
    pub(super) fn count_port(
        &mut self,
        mapping: SlotIndex<W>,
        count: impl Fn(&mut PortUse, ExternalPort),
    ) {
        if let Some(mapping) = self
            .mappings
            .get(mapping)
            .filter(|mapping| !self.overlapping() && mapping.kind() != MappingKind::PortForward)
        {
            count(&mut self.ports, ExternalPort::from(mapping));
        }
    }

    /// Counts the port of a new dynamic mapping against the reservation of its host, until that is
    /// used up.
    pub(super) fn take_reserved_port(&mut self, link: SlotIndex<W>) {
        let Some(mapping) = self
            .mappings
            .get_mut(link)
            .filter(|mapping| mapping.is_dynamic())
        else {
            return;
        };
        let proto = mapping.proto();
        let class = PortClass::of(proto, mapping.inside_port);
        let host = self.hosts.get_mut(mapping.host);
        let Some(used) = host.and_then(|host| host.reserved_ports_mut(proto, class)) else {
            return;
        };
        if *used < self.port_quotas.per_host(class) {
            *used = used.saturating_add(1);
            // The mapping records it, so that its end gives the port back to the reservation.
            mapping.set_reserved_port();
            self.port_quotas.take(proto, mapping.external, class);
        }
    }

    pub(super) fn give_back_reserved_port(&mut self, link: SlotIndex<W>) {
        let Some(mapping) = self
            .mappings
            .get(link)
            .filter(|mapping| mapping.has_reserved_port())
        else {
            return;
        };
        let proto = mapping.proto();
        let class = PortClass::of(proto, mapping.inside_port);
        let host = self.hosts.get_mut(mapping.host);
        if let Some(used) = host.and_then(|host| host.reserved_ports_mut(proto, class)) {
            *used = used.saturating_sub(1);
        }
        self.port_quotas.give_back(proto, mapping.external, class);
    }
}
