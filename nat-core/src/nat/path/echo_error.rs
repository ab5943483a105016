//! ICMP errors about pings of a host that has an external address for itself (RFC 5508 sections 4
//! and 7.2). Pings from outside have no session, so such an error needs none either. Those that
//! hairpin have the session of the host that asks.

use crate::DropReason;
use crate::state::{Endpoint, Inside, Origin, OutsideTuple, Proto};
use crate::table::{SlotIndex, Width};
use crate::translate::End;
use crate::translate::quote::Quote;
use crate::wire::icmp::MessageClass;

use super::icmp_error::HairpinQuote;
use crate::nat::view::View;
use crate::nat::view::receiver::Target;

impl<W: Width> View<'_, W> {
    /// The external endpoint of the host that was asked, if an error from inside quotes a query
    /// from outside.
    pub(super) fn asked_endpoint(
        self,
        quote: &Quote<'_>,
        origin: Origin,
    ) -> Result<Option<Endpoint>, DropReason> {
        if origin == Origin::Router || !quote.is_query(MessageClass::Request) {
            return Ok(None);
        }
        let (asked, asker) = quote.ends(End::Destination, MessageClass::Request)?;
        if self.policy.config.is_untranslated(asker.address, None) {
            return Err(DropReason::NoSession);
        }
        let address = self
            .own_address(asked.address)
            .ok_or(DropReason::NoSession)?;
        Ok(Some(Endpoint { address, ..asked }))
    }

    /// The host that has answered, if an error from outside quotes its reply.
    pub(super) fn answering_endpoint(
        self,
        quote: &Quote<'_>,
        target: Target,
    ) -> Result<Option<Endpoint>, DropReason> {
        if matches!(target, Target::Untranslated) || !quote.is_query(MessageClass::Reply) {
            return Ok(None);
        }
        let source = quote
            .end(End::Source, End::Source, MessageClass::Reply)
            .ok_or(DropReason::BadQuote)?;
        let host = self.policy.port_forwards.one_to_one_host(source.address);
        let address = host.ok_or(DropReason::BadQuote)?;
        Ok(Some(Endpoint { address, ..source }))
    }

    /// Both ends of a query that has come by hairpin.
    pub(super) fn hairpinned_query(self, quote: &Quote<'_>) -> Result<HairpinQuote, DropReason> {
        let (asker, asked) = quote.ends(End::Source, MessageClass::Request)?;
        let address = self
            .own_address(asked.address)
            .ok_or(DropReason::NoSession)?;
        let external = self
            .external_number(asker.address)
            .ok_or(DropReason::NoSession)?;
        // An ICMP session has no remote port: its identifier belongs to the asking end.
        let remote = Endpoint { address, port: 0 };
        let mapping = self.tables.mapping_of_outside(&OutsideTuple {
            proto: Proto::Icmp,
            external,
            external_port: asker.port,
            remote,
        });
        let mapping = self.asking(mapping, remote)?;
        let Some(Inside {
            origin: Origin::Host,
            endpoint: receiver,
        }) = self.inside_endpoint(mapping)
        else {
            return Err(DropReason::NoSession);
        };
        let sender = Endpoint {
            address,
            ..receiver
        };
        Ok(HairpinQuote { receiver, sender })
    }

    /// The same of a reply to such a query.
    pub(super) fn hairpinned_reply(self, quote: &Quote<'_>) -> Result<HairpinQuote, DropReason> {
        let (endpoint, remote) = quote.ends(End::Destination, MessageClass::Reply)?;
        let host = self.policy.port_forwards.one_to_one_host(remote.address);
        let address = host.ok_or(DropReason::NoSession)?;
        let inside = Inside {
            origin: Origin::Host,
            endpoint,
        };
        let tuple = self.inside_tuple(Proto::Icmp, inside, remote);
        let mapping = self.asking(self.tables.mapping_of_inside(&tuple), remote)?;
        let sender = self
            .external_endpoint(mapping)
            .ok_or(DropReason::NoSession)?;
        let receiver = Endpoint { address, ..sender };
        Ok(HairpinQuote { receiver, sender })
    }

    /// The mapping of a host that asks, if its session is live.
    fn asking(
        self,
        mapping: Option<SlotIndex<W>>,
        remote: Endpoint,
    ) -> Result<SlotIndex<W>, DropReason> {
        let mapping = mapping.ok_or(DropReason::NoSession)?;
        match self.live_session(mapping, remote) {
            Some(_) => Ok(mapping),
            None => Err(DropReason::NoSession),
        }
    }
}
