//! ICMP errors about packets of a session (RFC 5508 section 4). They neither refresh nor end it,
//! whatever they say (RFC 4787 REQ-12, RFC 5382 REQ-10, RFC 5508 REQ-6).

use crate::packet::{Content, Summary};
use crate::state::{Endpoint, Inside, Origin, Proto};
use crate::table::Width;
use crate::translate::quote::Quote;
use crate::translate::{self, End, Ttl};
use crate::wire::icmp::{self, Class};
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side, Verdict};

use super::outbound::ttl_of;
use crate::nat::view::receiver::{Receiver, Target};

impl<W: Width> Nat<'_, W> {
    /// An error from inside about a packet that had come in, from its receiver or from a router on
    /// the way to it.
    pub(crate) fn error_outbound(
        &mut self,
        ip: &mut ipv4::Header,
        header: &mut icmp::Header,
        body: &mut [u8],
        origin: Origin,
    ) -> Result<Verdict, DropReason> {
        let quote = Quote::parse_sound(ip, header, body)?;
        quote.check_route()?;
        let (external, untranslated) = match self.asked_endpoint(&quote, origin)? {
            Some(external) => (external, false),
            None => self.quoted_receiver(&quote, origin)?,
        };
        check_hop(ip, origin == Origin::Host, self.config.outside_mtu)?;
        let delta = quote.rewrite(End::Destination, external);
        header.update_checksum(delta, body);
        if untranslated {
            translate::rewrite_address(ip, End::Source, ip.source(), ttl_of(origin));
        } else {
            // Whoever sent it, the outside knows the external address only (RFC 5508 REQ-5c).
            translate::rewrite_address(ip, End::Source, external.address, ttl_of(origin));
            self.renew_id(ip);
        }
        Ok(self.forward_or_fragment(Side::Outside, ip.total_length()))
    }

    /// The endpoint by which the outside knows the receiver of the packet that an error from inside
    /// quotes, and whether it is reached without translation.
    fn quoted_receiver(
        &self,
        quote: &Quote<'_>,
        origin: Origin,
    ) -> Result<(Endpoint, bool), DropReason> {
        let endpoint = quote
            .end(End::Destination, End::Destination, Class::Reply)
            .ok_or(DropReason::BadQuote)?;
        let remote = quote
            .end(End::Source, End::Destination, Class::Reply)
            .ok_or(DropReason::BadQuote)?;
        let tuple = self.inside_tuple(quote.proto(), Inside { origin, endpoint }, remote);
        let mapping = self.tables.mapping_of_inside(&tuple);
        let live = mapping.is_some_and(|mapping| {
            self.tables
                .live_session(mapping, remote, self.tick())
                .is_some()
        });
        // No reply to a ping comes in without a session.
        let sent = live || quote.proto() != Proto::Icmp;
        let external = self
            .open_endpoint(&tuple, mapping, live)
            .filter(|_| sent)
            .ok_or(DropReason::NoSession)?;
        Ok((external, tuple.untranslated))
    }

    /// An error from outside, from whatever address (RFC 4787 REQ-12a), about a packet that had
    /// gone out.
    pub(crate) fn error_inbound(
        &self,
        ip: &mut ipv4::Header,
        header: &mut icmp::Header,
        body: &mut [u8],
        target: Target,
    ) -> Result<Verdict, DropReason> {
        let quote = Quote::parse_sound(ip, header, body)?;
        let Inside { origin, endpoint } = match self.answering_endpoint(&quote, target)? {
            Some(endpoint) => Inside {
                origin: Origin::Host,
                endpoint,
            },
            None => self.quoted_sender(&quote, target)?,
        };
        let router = origin == Origin::Router;
        check_hop(ip, !router, self.config.inside_mtu)?;
        let delta = quote.rewrite(End::Source, endpoint);
        header.update_checksum(delta, body);
        let len = usize::from(ip.total_length());
        if router {
            translate::rewrite_address(ip, End::Destination, endpoint.address, Ttl::Keep);
            return Ok(Verdict::Local {
                side: Side::Outside,
                len,
            });
        }
        translate::rewrite_address(ip, End::Destination, endpoint.address, Ttl::Decrement);
        Ok(self.forward_or_fragment(Side::Inside, ip.total_length()))
    }

    /// Who sent the packet that an error from outside quotes.
    fn quoted_sender(&self, quote: &Quote<'_>, target: Target) -> Result<Inside, DropReason> {
        let source = quote
            .end(End::Source, End::Source, Class::Request)
            .ok_or(DropReason::BadQuote)?;
        let remote = quote
            .end(End::Destination, End::Source, Class::Request)
            .ok_or(DropReason::BadQuote)?;
        // As if the remote end had answered it.
        let answer = Summary {
            proto: quote.proto(),
            source: remote,
            destination: source,
            content: Content::Udp(0),
        };
        let Receiver { inside, mapping } = self
            .receiver_of(target, &answer)
            .map_err(|_| DropReason::NoSession)?;
        mapping
            .and_then(|mapping| self.tables.live_session(mapping, remote, self.tick()))
            .ok_or(DropReason::NoSession)?;
        Ok(inside)
    }
}

/// An ICMP error is never answered with another (RFC 1812 section 4.3.2.7).
pub(crate) fn check_hop(ip: &ipv4::Header, crosses: bool, mtu: u16) -> Result<(), DropReason> {
    if crosses && ip.ttl() <= 1 {
        Err(DropReason::TtlExpired)
    } else if crosses && ip.total_length() > mtu && ip.dont_fragment() {
        Err(DropReason::PacketTooBig)
    } else {
        Ok(())
    }
}
