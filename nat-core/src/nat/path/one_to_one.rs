//! ICMP queries to a host that has an external address for itself, and its replies. From outside
//! neither creates state, nor needs any: the identifier is not translated.

use crate::packet::{Summary, Transport};
use crate::state::{Endpoint, Inside, Origin, OutsideTuple};
use crate::table::{SlotIndex, Width};
use crate::translate::{self, End, Ttl};
use crate::wire::{icmp, ipv4};
use crate::{DropReason, Nat, Side, Verdict};

use super::outbound::outbound_summary;
use crate::nat::admit::Sender;
use crate::nat::hop::HopFailure;
use crate::nat::view::View;
use crate::nat::view::receiver::Target;

/// The host that a hairpinned reply goes to.
struct Asker<W> {
    endpoint: Endpoint,
    session: SlotIndex<W>,
}

impl<W: Width> Nat<'_, W> {
    /// A query from outside. One to an external address that belongs to a host goes there; any
    /// other is for the router.
    pub(super) fn query_inbound(
        &mut self,
        ip: &mut ipv4::Header,
        header: &mut icmp::Header,
        body: &mut [u8],
        target: Target,
    ) -> Result<Verdict, Verdict> {
        let Target::External(_) = target else {
            return Err(DropReason::NoSession.into());
        };
        let policy = &self.state.policy;
        if policy
            .port_forwards
            .one_to_one_host(ip.destination())
            .is_none()
        {
            return self.ping_inbound(ip, header, body);
        }
        let view = self.view();
        // A reply to an untranslated network would come from the inside address, which the asker
        // does not know.
        let answered = !policy.config.is_untranslated(ip.source(), None);
        let host = view.asked_host(ip).filter(|_| answered);
        let address = host.ok_or(DropReason::NoSession)?;
        if address == ip.source() {
            return Err(DropReason::Land.into());
        }
        // Dropped without an ICMP error: only one about a session has a limit of its own.
        view.check_way_in(ip).map_err(HopFailure::reason)?;
        let inside = Inside {
            origin: Origin::Host,
            endpoint: Endpoint {
                address,
                port: header.id(),
            },
        };
        Ok(view.finish_inbound(inside, ip, Transport::Icmp(header, body)))
    }

    /// A query from inside to an external address that belongs to a host (RFC 7857 section 12). The
    /// reply is delivered by the session of the host that asks. Any other external address is the
    /// router's, which does not answer there.
    pub(super) fn query_hairpin(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
    ) -> Result<Verdict, Verdict> {
        let address = self.view().asked_host(ip).ok_or(DropReason::Hairpin)?;
        self.check_hop(ip, Origin::Host, Side::Inside)?;
        let summary = outbound_summary(&transport, ip);
        let tuple = self.view().outbound_tuple(&summary, Origin::Host);
        let sender = self.process_sender(&Sender {
            ip,
            transport: &transport,
            summary: &summary,
            tuple,
        })?;
        translate::rewrite_both(ip, transport, sender, Endpoint { address, ..sender });
        self.renew_id(ip);
        Ok(self.view().forward(Side::Inside, ip))
    }

    /// The reply to such a query, to the external address of this number.
    pub(super) fn reply_hairpin(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        external: u8,
    ) -> Result<Verdict, Verdict> {
        let own = self.view().own_address(ip.source());
        let address = own.ok_or(DropReason::Hairpin)?;
        let summary = Summary {
            source: Endpoint { address, port: 0 },
            ..transport.summary(ip)
        };
        let asker = self.view().find_asker(&summary, external)?;
        self.check_hop(ip, Origin::Host, Side::Inside)?;
        let pending = self.step(asker.session, Side::Outside, &summary.content)?;
        pending.decision().check_damage(ip, &transport)?;
        pending.commit();
        let receiver = asker.endpoint;
        let sender = Endpoint {
            address,
            ..receiver
        };
        translate::rewrite_both(ip, transport, sender, receiver);
        self.renew_id(ip);
        Ok(self.view().forward(Side::Inside, ip))
    }

    /// The reply of such a host to a query that had come in.
    pub(super) fn reply_outbound(&mut self, ip: &mut ipv4::Header) -> Result<Verdict, Verdict> {
        // No query comes in from where answers would not be translated.
        if (self.state.policy.config).is_untranslated(ip.destination(), None) {
            return Err(DropReason::NoSession.into());
        }
        let own = self.view().own_address(ip.source());
        let address = own.ok_or(DropReason::NoSession)?;
        self.check_hop(ip, Origin::Host, Side::Outside)?;
        translate::rewrite_address(ip, End::Source, address, Ttl::Decrement);
        self.renew_id(ip);
        Ok(self.view().forward(Side::Outside, ip))
    }
}

impl<W: Width> View<'_, W> {
    /// The host that the external address belongs to, by one-to-one translation.
    fn asked_host(self, ip: &ipv4::Header) -> Option<u32> {
        let policy = &self.policy;
        let host = policy.port_forwards.one_to_one_host(ip.destination())?;
        policy.pool.may_give(ip.destination()).then_some(host)
    }

    /// The host that has asked what a hairpinned reply answers.
    fn find_asker(self, summary: &Summary, external: u8) -> Result<Asker<W>, DropReason> {
        let mapping = self.tables.mapping_of_outside(&OutsideTuple {
            proto: summary.proto,
            external,
            external_port: summary.destination.port,
            remote: summary.source,
        });
        let mapping = mapping.ok_or(DropReason::NoMapping)?;
        let session = self.live_session(mapping, summary.source);
        let session = session.ok_or(DropReason::NoSession)?;
        let inside = self.inside_endpoint(mapping).ok_or(DropReason::NoMapping)?;
        match inside.origin {
            Origin::Router => Err(DropReason::Hairpin),
            Origin::Host => Ok(Asker {
                endpoint: inside.endpoint,
                session,
            }),
        }
    }
}
