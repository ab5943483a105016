//! ICMP errors about pings of a host that has an external address for itself (RFC 5508 sections 4
//! and 7.2). The outside's pings have no session, so such an error needs none either; those that
//! hairpin have the session of the one who asks.

use crate::state::{Endpoint, Inside, Origin, OutsideTuple, Proto};
use crate::table::{SlotIndex, Width};
use crate::translate::End;
use crate::translate::quote::Quote;
use crate::wire::icmp::Class;
use crate::{DropReason, Nat};

use crate::nat::view::receiver::Target;

impl<W: Width> Nat<'_, W> {
    /// The external endpoint of the host that was asked, if an error from inside quotes a query
    /// from outside.
    pub(crate) fn asked_endpoint(
        &self,
        quote: &Quote<'_>,
        origin: Origin,
    ) -> Result<Option<Endpoint>, DropReason> {
        if origin == Origin::Router || !quote.is_query(Class::Request) {
            return Ok(None);
        }
        let asked = quote
            .end(End::Destination, End::Destination, Class::Request)
            .ok_or(DropReason::BadQuote)?;
        let asker = quote
            .end(End::Source, End::Destination, Class::Request)
            .ok_or(DropReason::BadQuote)?;
        let open = !self.config.is_untranslated(asker.address, None);
        let address = self
            .own_address(asked.address)
            .filter(|_| open)
            .ok_or(DropReason::NoSession)?;
        Ok(Some(Endpoint { address, ..asked }))
    }

    /// The host that has answered, if an error from outside quotes its reply.
    pub(crate) fn answering_endpoint(
        &self,
        quote: &Quote<'_>,
        target: Target,
    ) -> Result<Option<Endpoint>, DropReason> {
        let Target::External(_) = target else {
            return Ok(None);
        };
        if !quote.is_query(Class::Reply) {
            return Ok(None);
        }
        let source = quote
            .end(End::Source, End::Source, Class::Reply)
            .ok_or(DropReason::BadQuote)?;
        let address = self
            .forwards
            .one_to_one_host(source.address)
            .ok_or(DropReason::BadQuote)?;
        Ok(Some(Endpoint { address, ..source }))
    }

    /// Both ends of a query that has come by hairpin, as its sender knows them.
    pub(crate) fn hairpinned_query(
        &self,
        quote: &Quote<'_>,
    ) -> Result<(Endpoint, Endpoint), DropReason> {
        let asker = quote
            .end(End::Source, End::Source, Class::Request)
            .ok_or(DropReason::BadQuote)?;
        let asked = quote
            .end(End::Destination, End::Source, Class::Request)
            .ok_or(DropReason::BadQuote)?;
        let address = self
            .own_address(asked.address)
            .ok_or(DropReason::NoSession)?;
        let external = self
            .external_number(asker.address)
            .ok_or(DropReason::NoSession)?;
        let remote = Endpoint { address, port: 0 };
        let tuple = OutsideTuple {
            proto: Proto::Icmp,
            external,
            external_port: asker.port,
            remote,
        };
        let mapping = self.asking(self.tables.mapping_of_outside(&tuple), remote)?;
        match self.inside_endpoint(mapping) {
            Some(Inside {
                origin: Origin::Host,
                endpoint,
            }) => Ok((
                endpoint,
                Endpoint {
                    address,
                    ..endpoint
                },
            )),
            Some(_) | None => Err(DropReason::NoSession),
        }
    }

    /// The same of a reply to such a query.
    pub(crate) fn hairpinned_reply(
        &self,
        quote: &Quote<'_>,
    ) -> Result<(Endpoint, Endpoint), DropReason> {
        let endpoint = quote
            .end(End::Destination, End::Destination, Class::Reply)
            .ok_or(DropReason::BadQuote)?;
        let remote = quote
            .end(End::Source, End::Destination, Class::Reply)
            .ok_or(DropReason::BadQuote)?;
        let address = self
            .forwards
            .one_to_one_host(remote.address)
            .ok_or(DropReason::NoSession)?;
        let tuple = self.inside_tuple(
            Proto::Icmp,
            Inside {
                origin: Origin::Host,
                endpoint,
            },
            remote,
        );
        let mapping = self.asking(self.tables.mapping_of_inside(&tuple), remote)?;
        let asker = self
            .external_endpoint(mapping)
            .ok_or(DropReason::NoSession)?;
        Ok((Endpoint { address, ..asker }, asker))
    }

    /// The mapping of one who asks, if its session lives.
    fn asking(
        &self,
        mapping: Option<SlotIndex<W>>,
        remote: Endpoint,
    ) -> Result<SlotIndex<W>, DropReason> {
        let live = |mapping: &SlotIndex<W>| {
            self.tables
                .live_session(*mapping, remote, self.tick())
                .is_some()
        };
        mapping.filter(live).ok_or(DropReason::NoSession)
    }
}
