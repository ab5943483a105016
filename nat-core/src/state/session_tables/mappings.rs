//! Adding and removing mappings, and the hosts that exist because of them.

use crate::config::MAX_EXTERNAL_ADDRESSES;
use crate::state::{
    Blocks, Endpoint, ExternalPort, Host, Inside, InsideTuple, Mapping, MappingEnds, MappingKind,
    OutsideTuple, PortClass, Proto,
};
use crate::table::{SlotIndex, Vacancy, Width};

use super::SessionTables;
use super::blocks::blocks_of;

/// A mapping to be added for a first session, of which it has all the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewMapping {
    /// The number of its external address.
    pub(crate) external: u8,
    pub(crate) external_port: u16,
    pub(crate) kind: MappingKind,
    /// Whether its host gets its external address for later mappings too: the host's own is gone
    /// (RFC 4787 REQ-2).
    pub(crate) pairs: bool,
}

/// Room in the indexes for a mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MappingRoom {
    pub(super) inside: Vacancy,
    /// `None` if it is untranslated.
    pub(super) outside: Option<Vacancy>,
}

impl NewMapping {
    pub(super) fn outside(&self, first: &InsideTuple) -> OutsideTuple {
        OutsideTuple {
            proto: first.proto,
            external: self.external,
            external_port: self.external_port,
            remote: first.remote,
        }
    }

    /// The ends of this mapping with the session `first`.
    pub(crate) fn ends(&self, first: &InsideTuple) -> MappingEnds {
        let Self {
            external,
            external_port,
            kind,
            pairs: _,
        } = *self;
        MappingEnds {
            proto: first.proto,
            inside: first.inside.endpoint,
            external,
            external_port,
            kind,
            untranslated: first.untranslated,
        }
    }
}

impl<W: Width> SessionTables<'_, W> {
    /// Adds a mapping for its `first` session where there is room, and its host if that has no
    /// mapping yet.
    pub(crate) fn add_mapping(
        &mut self,
        first: &InsideTuple,
        new: NewMapping,
        room: MappingRoom,
    ) -> Option<SlotIndex<W>> {
        let NewMapping {
            external,
            external_port,
            kind,
            pairs: _,
        } = new;
        let host = self.find_or_add_host(first.inside, external)?;
        let link = self.mappings.next_free()?;
        // The host comes first, because the mapping holds its slot.
        let mut mapping = Mapping::new(host, first, external, external_port).with_kind(kind);
        self.count_mapping(&mut mapping, first.proto);
        // Before it is in its slot, so that this is not looked up again.
        self.index_mapping(&mut mapping, link, room);
        self.mappings.insert(mapping)
    }

    /// Counts a new mapping of `proto`, and its external port, for its host.
    #[inline(always)]
    fn count_mapping(&mut self, mapping: &mut Mapping<W>, proto: Proto) {
        self.take_port(mapping, proto);
        let Some(host) = self.hosts.get_mut(mapping.host) else {
            return;
        };
        host.add_mapping(proto);
        self.quotas.add_mapping(host.mappings());
        if !mapping.is_dynamic() {
            return;
        }
        host.add_dynamic(mapping.external);
        let class = PortClass::of(proto, mapping.inside_port);
        if self
            .port_quotas
            .take(host, (proto, mapping.external, class))
        {
            // So that the end of the mapping gives the port back to the reservation.
            mapping.set_reserved_port();
        }
    }

    /// Makes the new mapping that will be at `link` findable from both sides.
    #[inline(always)]
    fn index_mapping(&mut self, mapping: &mut Mapping<W>, link: SlotIndex<W>, room: MappingRoom) {
        self.mappings_by_inside
            .insert_at(mapping, room.inside, link);
        // An untranslated mapping has no external port.
        if let Some(outside) = room.outside {
            self.mappings_by_external.insert_at(mapping, outside, link);
        }
    }

    /// Removes a mapping whose last session, with `remote`, has ended; and its host if this was the
    /// host's last mapping. Returns the ends of the mapping, and the port blocks that the host
    /// gives up.
    pub(super) fn remove_mapping(
        &mut self,
        link: SlotIndex<W>,
        remote: Endpoint,
    ) -> Option<(MappingEnds, Option<Blocks>)> {
        let mapping = self.mappings.get(link)?;
        let (host, inside, is_dynamic) =
            (mapping.host, self.inside(mapping)?, mapping.is_dynamic());
        let ends = MappingEnds::of(mapping, inside.endpoint);
        // Before the slot is freed: the list of free slots uses the link of an index. And while the
        // mapping still says whether its port was counted.
        self.remove_from_indexes(link, &ends, (inside, remote));
        self.mappings.remove(link);
        if is_dynamic && let Some(host) = self.hosts.get_mut(host) {
            host.remove_dynamic(ends.external);
        }
        Some((ends, self.remove_from_host(host, ends.proto)))
    }

    /// Undoes [`Self::index_mapping`], and what [`Self::count_mapping`] has counted of the port.
    fn remove_from_indexes(
        &mut self,
        link: SlotIndex<W>,
        ends: &MappingEnds,
        (inside, remote): (Inside, Endpoint),
    ) {
        let MappingEnds {
            proto,
            external,
            external_port,
            untranslated,
            ..
        } = *ends;
        let hash = self.inside_hash(&InsideTuple {
            proto,
            inside,
            remote,
            untranslated,
        });
        self.mappings_by_inside
            .remove(&mut self.mappings, hash, link);
        if untranslated {
            return;
        }
        self.give_back_port(link);
        let hash = self.outside_hash(&OutsideTuple {
            proto,
            external,
            external_port,
            remote,
        });
        self.mappings_by_external
            .remove(&mut self.mappings, hash, link);
    }

    /// Changes how a mapping has its external port, and counts the port accordingly. Not for a
    /// dynamic mapping to be.
    pub(crate) fn set_mapping_kind(&mut self, link: SlotIndex<W>, kind: MappingKind) {
        self.give_back_port(link);
        let Some(mapping) = self.mappings.get_mut(link) else {
            return;
        };
        let (was_dynamic, external, host) = (mapping.is_dynamic(), mapping.external, mapping.host);
        mapping.set_kind(kind);
        if was_dynamic && let Some(host) = self.hosts.get_mut(host) {
            host.remove_dynamic(external);
        }
        if let Some(mapping) = self.mappings.get(link)
            && self.counts_port(mapping)
        {
            self.ports.add(ExternalPort::from(mapping));
        }
    }

    fn find_or_add_host(&mut self, inside: Inside, external: u8) -> Option<SlotIndex<W>> {
        let Inside { origin, endpoint } = inside;
        if let Some(known) = self.find_host(origin, endpoint.address) {
            return Some(known);
        }
        // `check_new_host` has found a slot and room in the index, so neither step fails.
        let link = self
            .hosts
            .insert(Host::new(origin, endpoint.address, external))?;
        let hash = self.host_hash(endpoint.address);
        self.hosts_by_address
            .insert(&mut self.hosts, hash, link)
            .ok()?;
        self.quotas.add_host(origin);
        Some(link)
    }

    /// Counts one mapping less for a host. With its last mapping the host is removed; then this
    /// returns its port blocks.
    fn remove_from_host(&mut self, link: SlotIndex<W>, proto: Proto) -> Option<Blocks> {
        let host = self.hosts.get_mut(link)?;
        // Before the count goes down: the quota compares it with this mapping in it.
        self.quotas.remove_mapping(host.mappings());
        host.remove_mapping(proto);
        if host.mappings() != 0 {
            return None;
        }
        let (address, origin, blocks) = (host.address, host.origin(), blocks_of(host, link));
        self.quotas.remove_host(origin);
        let hash = self.host_hash(address);
        self.hosts_by_address.remove(&mut self.hosts, hash, link);
        self.hosts.remove(link);
        // A free slot looks like a host with the address zero, so the hint must not name it.
        self.last_host.set(SlotIndex::NONE);
        blocks
    }

    /// Sets the external address for future mappings of a host.
    pub(crate) fn set_host_external(&mut self, inside: Inside, external: u8) {
        let host = self.find_host(inside.origin, inside.endpoint.address);
        if let Some(host) = host.and_then(|link| self.hosts.get_mut(link)) {
            host.set_external(external);
        }
    }

    /// Moves the hosts of a removed external address to the external address of one of their other
    /// mappings, if they have any. Another address may get the number later, and these hosts must
    /// not be moved to it. Walks the tables.
    pub(crate) fn forget_external(&mut self, gone: u8) {
        self.unset_external(gone);
        let mut cursor = 0;
        while let Some((next, link)) = self.mappings.next_in_use(cursor) {
            cursor = next;
            let Some(mapping) = self.mappings.get(link) else {
                continue;
            };
            // It is on no external address, whatever its number says.
            if mapping.is_untranslated() {
                continue;
            }
            if let Some(host) = self.hosts.get_mut(mapping.host)
                && usize::from(host.external()) >= MAX_EXTERNAL_ADDRESSES
            {
                host.set_external(mapping.external);
            }
        }
    }

    /// Sets the external address of all hosts that have `gone` to a number that no address has.
    fn unset_external(&mut self, gone: u8) {
        let mut cursor = 0;
        while let Some((next, link)) = self.hosts.next_in_use(cursor) {
            cursor = next;
            if let Some(host) = self.hosts.get_mut(link)
                && host.external() == gone
            {
                host.set_external(u8::MAX);
            }
        }
    }
}
