//! Which external address a host's next mapping gets.

use crate::state::{Host, Inside, Mapping, Origin};
use crate::table::{SlotIndex, Width};

use super::{PortSearch, Request, View};

impl<'v, W: Width> View<'v, W> {
    /// The number of the external address that a host's next mapping gets. In this order:
    ///
    /// 1. the address that the configuration gives to the host;
    /// 2. one on which it has dynamic mappings already, as long as such a mapping lives (RFC 4787 REQ-2).
    ///    It has several of these only after a drain was taken back, until the mappings on all but
    ///    one have ended;
    /// 3. that of its first mapping;
    /// 4. any.
    ///
    /// One dynamic mapping on `leaving` ends before the new one begins, so it does not count.
    /// `None` if each address belongs to one other host.
    pub(super) fn choose_external(
        self,
        request: &Request<'_, '_, W>,
        leaving: Option<u8>,
        search: &mut PortSearch<'_>,
    ) -> Option<u8> {
        let inside = request.tuple.inside;
        let mut numbers = self.externals_for(inside).map(|(number, _)| number);
        // Most routers have one external address: then there is no choice.
        let only = numbers.next()?;
        if numbers.next().is_none() {
            return Some(only);
        }
        self.choose_of_several(*request, leaving, search)
    }

    #[inline(never)]
    fn choose_of_several(
        self,
        request: Request<'_, '_, W>,
        leaving: Option<u8>,
        search: &mut PortSearch<'_>,
    ) -> Option<u8> {
        let inside = request.tuple.inside;
        // A host without an entry has no address yet: then `request.host?` leads to the last way.
        self.configured_external(inside)
            .or_else(|| self.paired_external(inside, request.host?, leaving))
            .or_else(|| self.random_external(inside, search))
    }

    /// Another external address than `first` on which a host has dynamic mappings at present. One
    /// of them on `leaving` ends before the next one begins, so it does not count.
    #[inline(never)]
    pub(super) fn other_external(
        self,
        request: Request<'_, '_, W>,
        first: u8,
        leaving: Option<u8>,
    ) -> Option<u8> {
        let host = request.host?;
        self.externals_for(request.tuple.inside)
            .map(|(number, _)| number)
            .find(|number| *number != first && draws_from(host, *number, leaving))
    }

    fn configured_external(self, inside: Inside) -> Option<u8> {
        let host = inside.endpoint.address;
        let configured = match inside.origin {
            // The router's own stack sends from an external address already, and keeps it.
            Origin::Router => host,
            Origin::Host => self.configured_address(host)?,
        };
        let mut externals = self.externals_for(inside);
        let (number, _) = externals.find(|(_, address)| *address == configured)?;
        Some(number)
    }

    /// The external address that the configuration gives to a host.
    fn configured_address(self, host: u32) -> Option<u32> {
        let policy = &self.policy;
        match policy.port_forwards.one_to_one_address(host) {
            None if policy.port_forwards.is_dmz_host(host) => policy.pool.primary(),
            own => own,
        }
    }

    /// One that the host uses already.
    fn paired_external(self, inside: Inside, host: &Host<W>, leaving: Option<u8>) -> Option<u8> {
        let numbers = || self.externals_for(inside).map(|(number, _)| number);
        numbers()
            .find(|number| draws_from(host, *number, leaving))
            .or_else(|| numbers().find(|number| *number == host.external()))
    }

    fn random_external(self, inside: Inside, search: &mut PortSearch<'_>) -> Option<u8> {
        let count = self.externals_for(inside).count();
        // RFC 4787 REQ-2 binds a host to its address, not to a certain one. At random, hosts spread
        // over all of them.
        let entry = search.picker.pick_below(count as u32) as usize;
        let (number, _) = self.externals_for(inside).nth(entry)?;
        Some(number)
    }

    /// The numbers and addresses that a host's new mappings may get: all but those that stand for
    /// another host.
    fn externals_for(self, inside: Inside) -> impl Iterator<Item = (u8, u32)> + use<'v, W> {
        let policy = &self.0.policy;
        policy.pool.active().filter(move |(_, address)| {
            let owner = policy.port_forwards.one_to_one_host(*address);
            owner.is_none_or(|owner| owner == inside.endpoint.address)
        })
    }

    pub(super) fn host(self, inside: Inside) -> Option<&'v Host<W>> {
        self.0.tables.host(inside.origin, inside.endpoint.address)
    }

    /// The mapping of `session`, if it is dynamic and ends with that session.
    pub(super) fn drawn_until_end(self, session: SlotIndex<W>) -> Option<&'v Mapping<W>> {
        let tables = &self.0.tables;
        let mapping = tables.mapping(tables.session(session)?.mapping)?;
        (mapping.is_dynamic() && mapping.sessions.get() == 1).then_some(mapping)
    }
}

/// Whether a host has dynamic mappings on an external address, one that ends on `leaving` not
/// counted.
fn draws_from<W: Width>(host: &Host<W>, number: u8, leaving: Option<u8>) -> bool {
    host.dynamic_on(number) > usize::from(leaving == Some(number))
}
