//! ICMP queries to a host that has an external address for itself, and its replies. From outside
//! neither makes state, nor needs any: the identifier stays as it is.

use crate::packet::{Summary, Transport};
use crate::state::{Endpoint, Inside, Origin, OutsideTuple};
use crate::table::Width;
use crate::translate::{self, End, Ttl};
use crate::wire::{icmp, ipv4};
use crate::{DropReason, Nat, Side, Verdict};

use super::outbound::outbound_summary;
use crate::nat::view::receiver::Target;

impl<W: Width> Nat<'_, W> {
    /// A query from outside. One to an external address that stands for a host goes there; else it
    /// asks the router.
    pub(crate) fn query_inbound(
        &mut self,
        ip: &mut ipv4::Header,
        header: &mut icmp::Header,
        body: &mut [u8],
        target: Target,
    ) -> Result<Verdict, Verdict> {
        let Target::External(_) = target else {
            return Err(DropReason::NoSession.into());
        };
        if self.forwards.one_to_one_host(ip.destination()).is_none() {
            return self.ping_inbound(ip, header, body);
        }
        let open = !self.config.is_untranslated(ip.source(), None);
        let address = self
            .asked_host(ip)
            .filter(|_| open)
            .ok_or(DropReason::NoSession)?;
        if address == ip.source() {
            return Err(DropReason::Land.into());
        }
        self.check_way_in(ip, None)?;
        let inside = Inside {
            origin: Origin::Host,
            endpoint: Endpoint {
                address,
                port: header.id(),
            },
        };
        Ok(self.finish_inbound(inside, ip, Transport::Icmp(header, body)))
    }

    /// The same from inside (RFC 7857 section 12). The reply finds its way by the session of the
    /// one who asks. Any other external address would be the router's, which does not answer
    /// there.
    pub(crate) fn query_hairpin(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
    ) -> Result<Verdict, Verdict> {
        let address = self.asked_host(ip).ok_or(DropReason::Hairpin)?;
        self.check_hop(ip, Origin::Host, self.config.inside_mtu)?;
        let summary = outbound_summary(&transport, ip);
        let tuple = self.outbound_tuple(&summary, Origin::Host);
        let sender = self.process_sender(ip, &transport, &summary, &tuple)?;
        translate::rewrite_both(ip, transport, sender, Endpoint { address, ..sender });
        self.renew_id(ip);
        Ok(self.forward_or_fragment(Side::Inside, ip.total_length()))
    }

    /// The reply to such a query, to the external address of this number.
    pub(crate) fn reply_hairpin(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        external: u8,
    ) -> Result<Verdict, Verdict> {
        let address = self.own_address(ip.source()).ok_or(DropReason::Hairpin)?;
        let summary = Summary {
            source: Endpoint { address, port: 0 },
            ..transport.summary(ip)
        };
        let Summary {
            proto,
            source: remote,
            destination,
            ..
        } = summary;
        let asker = OutsideTuple {
            proto,
            external,
            external_port: destination.port,
            remote,
        };
        let mapping = self
            .tables
            .mapping_of_outside(&asker)
            .ok_or(DropReason::NoMapping)?;
        let session = self
            .tables
            .live_session(mapping, remote, self.tick())
            .ok_or(DropReason::NoSession)?;
        let Inside { origin, endpoint } =
            self.inside_endpoint(mapping).ok_or(DropReason::NoMapping)?;
        if origin == Origin::Router {
            return Err(DropReason::Hairpin.into());
        }
        self.check_hop(ip, Origin::Host, self.config.inside_mtu)?;
        let effect = self.effect(session, Side::Outside, &summary.content)?;
        Self::check_damage(ip, &transport, &summary, Some(&effect))?;
        self.apply(effect, Side::Outside, &summary.content);
        translate::rewrite_both(
            ip,
            transport,
            Endpoint {
                address,
                ..endpoint
            },
            endpoint,
        );
        self.renew_id(ip);
        Ok(self.forward_or_fragment(Side::Inside, ip.total_length()))
    }

    /// The host that an address of its own stands for, where the packet is for such a one.
    fn asked_host(&self, ip: &ipv4::Header) -> Option<u32> {
        self.forwards
            .one_to_one_host(ip.destination())
            .filter(|_| self.pool.may_give(ip.destination()))
    }

    /// Whether an inside host has an external address for itself.
    pub(crate) fn has_own_address(&self, inside: u32) -> bool {
        self.own_address(inside).is_some()
    }

    /// The reply of such a host to a query that had come in.
    pub(crate) fn reply_outbound(&mut self, ip: &mut ipv4::Header) -> Result<Verdict, Verdict> {
        // No query comes in from where answers would not be translated.
        let open = !self.config.is_untranslated(ip.destination(), None);
        let address = self
            .own_address(ip.source())
            .filter(|_| open)
            .ok_or(DropReason::NoSession)?;
        self.check_hop(ip, Origin::Host, self.config.outside_mtu)?;
        translate::rewrite_address(ip, End::Source, address, Ttl::Decrement);
        self.renew_id(ip);
        Ok(self.forward_or_fragment(Side::Outside, ip.total_length()))
    }

    /// The external address that an inside host has for itself.
    pub(crate) fn own_address(&self, inside: u32) -> Option<u32> {
        let address = self.forwards.one_to_one_address(inside)?;
        self.external_number(address).map(|_| address)
    }
}
