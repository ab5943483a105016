//! ICMP errors about packets of a session (RFC 5508 section 4). They neither refresh nor end it,
//! whatever they report (RFC 4787 REQ-12, RFC 5382 REQ-10, RFC 5508 REQ-6).
//!
//! An ICMP error that cannot go on is dropped: none is sent about another (RFC 1812 section
//! 4.3.2.7).

use crate::features::HAIRPINNING;
use crate::packet::{Content, Summary};
use crate::state::{Endpoint, Inside, Origin, OutsideTuple, Proto};
use crate::table::Width;
use crate::translate::quote::Quote;
use crate::translate::{self, End, Ttl};
use crate::wire::icmp::{self, MessageClass};
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side, Verdict};

use super::ttl_of;
use crate::nat::hop::Hop;
use crate::nat::view::View;
use crate::nat::view::receiver::Target;

/// Where an ICMP error from inside belongs.
struct Quoted {
    /// The endpoint by which the outside knows the receiver of the quoted packet.
    external: Endpoint,
    /// Whether the session is not translated.
    untranslated: bool,
}

/// Where a hairpinned ICMP error belongs, as its receiver knows it.
pub(super) struct HairpinQuote {
    /// The inside endpoint that the error goes to, which sent the quoted packet.
    pub(super) receiver: Endpoint,
    /// The external endpoint of the host that sent the error.
    pub(super) sender: Endpoint,
}

impl<W: Width> Nat<'_, W> {
    /// An error from inside about a packet that had come in, from its receiver or from a router on
    /// the way to it.
    pub(super) fn error_outbound(
        &mut self,
        ip: &mut ipv4::Header,
        header: &mut icmp::Header,
        body: &mut [u8],
        origin: Origin,
    ) -> Result<Verdict, DropReason> {
        let quote = Quote::parse_sound(ip, header, body)?;
        quote.check_route()?;
        let view = self.view();
        let Quoted {
            external,
            untranslated,
        } = view.quoted_receiver(&quote, origin)?;
        if origin == Origin::Host {
            Hop::of(ip).check(Ttl::Decrement, view.mtu(Side::Outside))?;
        }
        let delta = quote.rewrite(End::Destination, external);
        header.update_checksum(delta, body);
        // Whichever host sent it, the outside knows the external address only (RFC 5508 REQ-5c).
        let source = if untranslated {
            ip.source()
        } else {
            external.address
        };
        translate::rewrite_address(ip, End::Source, source, ttl_of(origin));
        if !untranslated {
            self.renew_id(ip);
        }
        Ok(self.view().forward(Side::Outside, ip))
    }

    /// An error from inside about a packet that had come by hairpin: both ends of it, and of the
    /// quoted packet, are translated.
    pub(super) fn error_hairpin(
        &mut self,
        ip: &mut ipv4::Header,
        header: &mut icmp::Header,
        body: &mut [u8],
    ) -> Result<Verdict, DropReason> {
        if !HAIRPINNING {
            return Err(DropReason::Hairpin);
        }
        let quote = Quote::parse_sound(ip, header, body)?;
        quote.check_route()?;
        let view = self.view();
        let HairpinQuote { receiver, sender } = if quote.is_query(MessageClass::Request) {
            view.hairpinned_query(&quote)?
        } else if quote.is_query(MessageClass::Reply) {
            view.hairpinned_reply(&quote)?
        } else {
            view.hairpinned_packet(&quote)?
        };
        Hop::of(ip).check(Ttl::Decrement, view.mtu(Side::Inside))?;
        let delta = quote.rewrite_both(receiver, sender);
        header.update_checksum(delta, body);
        translate::rewrite_address(ip, End::Source, sender.address, Ttl::Decrement);
        // Kept here, because the line before has counted the hop.
        translate::rewrite_address(ip, End::Destination, receiver.address, Ttl::Keep);
        self.renew_id(ip);
        Ok(self.view().forward(Side::Inside, ip))
    }
}

impl<W: Width> View<'_, W> {
    /// An error from outside, from any address (RFC 4787 REQ-12a), about a packet that had gone out.
    pub(super) fn error_inbound(
        self,
        ip: &mut ipv4::Header,
        header: &mut icmp::Header,
        body: &mut [u8],
        target: Target,
    ) -> Result<Verdict, DropReason> {
        let quote = Quote::parse_sound(ip, header, body)?;
        let inside = self.quoted_sender(&quote, target)?;
        if inside.origin == Origin::Host {
            Hop::of(ip).check(Ttl::Decrement, self.mtu(Side::Inside))?;
        }
        let delta = quote.rewrite(End::Source, inside.endpoint);
        header.update_checksum(delta, body);
        let address = inside.endpoint.address;
        translate::rewrite_address(ip, End::Destination, address, ttl_of(inside.origin));
        Ok(match inside.origin {
            Origin::Router => Verdict::Local {
                side: Side::Outside,
                len: usize::from(ip.total_length()),
            },
            Origin::Host => self.forward(Side::Inside, ip),
        })
    }

    /// The receiver of the packet that an error from inside quotes.
    fn quoted_receiver(self, quote: &Quote<'_>, origin: Origin) -> Result<Quoted, DropReason> {
        if let Some(external) = self.asked_endpoint(quote, origin)? {
            return Ok(Quoted {
                external,
                untranslated: false,
            });
        }
        let (endpoint, remote) = quote.ends(End::Destination, MessageClass::Reply)?;
        let tuple = self.inside_tuple(quote.proto(), Inside { origin, endpoint }, remote);
        let mapping = self.tables.mapping_of_inside(&tuple);
        let live = mapping.is_some_and(|mapping| self.live_session(mapping, remote).is_some());
        // No reply to a ping comes in without a session.
        if !live && quote.proto() == Proto::Icmp {
            return Err(DropReason::NoSession);
        }
        let external = self.open_endpoint(&tuple, mapping, live);
        Ok(Quoted {
            external: external.ok_or(DropReason::NoSession)?,
            untranslated: tuple.untranslated,
        })
    }

    /// The sender of the packet that an error from outside quotes.
    fn quoted_sender(self, quote: &Quote<'_>, target: Target) -> Result<Inside, DropReason> {
        if let Some(endpoint) = self.answering_endpoint(quote, target)? {
            return Ok(Inside {
                origin: Origin::Host,
                endpoint,
            });
        }
        let (source, remote) = quote.ends(End::Source, MessageClass::Request)?;
        // As if the remote end had answered the quoted packet.
        let answer = Summary {
            proto: quote.proto(),
            source: remote,
            destination: source,
            content: Content::Udp(0),
        };
        let receiver = self
            .receiver_of(target, &answer)
            .map_err(|_| DropReason::NoSession)?;
        let mapping = receiver.mapping.ok_or(DropReason::NoSession)?;
        match self.live_session(mapping, remote) {
            Some(_) => Ok(receiver.inside),
            None => Err(DropReason::NoSession),
        }
    }

    /// Both ends of a packet with ports that has come by hairpin.
    fn hairpinned_packet(self, quote: &Quote<'_>) -> Result<HairpinQuote, DropReason> {
        const NONE: DropReason = DropReason::NoSession;
        let endpoint = quote
            .end(End::Destination, End::Destination, MessageClass::Reply)
            .ok_or(DropReason::BadQuote)?;
        let remote = quote
            .end(End::Source, End::Source, MessageClass::Request)
            .ok_or(DropReason::BadQuote)?;
        let external = self.external_number(remote.address).ok_or(NONE)?;
        let inside = Inside {
            origin: Origin::Host,
            endpoint,
        };
        let tuple = self.inside_tuple(quote.proto(), inside, remote);
        let sender = self.sender_endpoint(&tuple).ok_or(NONE)?;
        let mapping = self.tables.mapping_of_outside(&OutsideTuple {
            proto: quote.proto(),
            external,
            external_port: remote.port,
            remote: sender,
        });
        let mapping = mapping.ok_or(NONE)?;
        self.live_session(mapping, sender).ok_or(NONE)?;
        let receiver = self.inside_endpoint(mapping).ok_or(NONE)?.endpoint;
        Ok(HairpinQuote { receiver, sender })
    }
}
