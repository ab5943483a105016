//! How many external ports are in use, and how many of the ports that are reserved for each host.

use crate::state::port_use::PortPool;
use crate::state::{ExternalPort, Host, Mapping, MappingKind, PortClass, Proto};
use crate::table::{SlotIndex, Width};

use super::SessionTables;

impl<W: Width> SessionTables<'_, W> {
    pub(crate) fn ports_in_use(&self, pool: &PortPool) -> usize {
        self.ports.count(pool)
    }

    /// How many of the `open` ports of `pool` are reserved for other hosts than `host`. None are as
    /// long as `host` has not used up its own reservation, on whichever external address.
    ///
    /// The mapping `leaving` ends before the next mapping of `host` begins, so its port does not
    /// count.
    pub(crate) fn reserved_ports(
        &self,
        host: Option<&Host<W>>,
        pool: &PortPool,
        open: usize,
        leaving: Option<&Mapping<W>>,
    ) -> usize {
        let PortPool { proto, class, .. } = *pool;
        let used = host.map_or(0, |host| host.reserved_ports(proto, class));
        let freed = leaving.is_some_and(|mapping| mapping.has_reserved_port_of(proto, class));
        let used = used.saturating_sub(u8::from(freed));
        if used < self.port_quotas.per_host(class) {
            0
        } else {
            self.port_quotas.reserved(pool, open)
        }
    }

    /// Whether the external port of a mapping is counted. Ports of port forwards are counted where
    /// port forwards are, and overlapping ports are not counted, because any number of mappings may
    /// have one.
    pub(super) fn counts_port(&self, mapping: &Mapping<W>) -> bool {
        !self.overlapping() && mapping.kind() != MappingKind::PortForward
    }

    /// Counts the external port of a mapping that ends: undoes [`Self::take_port`], and gives it
    /// back to the reservation of its host.
    pub(super) fn give_back_port(&mut self, link: SlotIndex<W>) {
        let Some(mapping) = self.mappings.get(link) else {
            return;
        };
        if self.counts_port(mapping) {
            self.ports.remove(ExternalPort::from(mapping));
        }
        self.give_back_reserved_port(link);
    }

    /// Counts the external port of a new mapping of `proto` as in use.
    #[inline(always)]
    pub(super) fn take_port(&mut self, mapping: &Mapping<W>, proto: Proto) {
        let port = ExternalPort {
            proto,
            external: mapping.external,
            port: mapping.external_port,
        };
        if mapping.is_untranslated() || !self.counts_port(mapping) {
            return;
        }
        match mapping.kind() {
            // An excluded port is never drawn.
            MappingKind::Dynamic => self.ports.add_open(port),
            MappingKind::Rule | MappingKind::PortForward | MappingKind::Former => {
                self.ports.add(port);
            }
        }
    }

    fn give_back_reserved_port(&mut self, link: SlotIndex<W>) {
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
        self.port_quotas.give_back((proto, mapping.external, class));
    }
}
