//! From inside to an external address, and so back inside (RFC 4787 REQ-9, RFC 5382 REQ-8, RFC 5508
//! REQ-7).
//!
//! The receiver sees the sender's external endpoint, as it would from outside. Each end has a
//! session of its own: the packet moves the sender's on as one that leaves, and the receiver's as
//! one that comes in. A host that talks to its own external endpoint has one session, which the
//! packet moves on twice.
//!
//! Both halves are decided before anything changes. Then the sender's half is done, which may add a
//! session or end others, and after it nothing that was found in the tables before is used: the
//! receiver's half is found again.

use crate::packet::{Content, Datagram, Summary, Transport};
use crate::state::tcp::Kind;
use crate::state::{Endpoint, Inside, InsideTuple, Origin, OutsideTuple};
use crate::table::{SlotIndex, Width};
use crate::translate::quote::Quote;
use crate::translate::{self, End, Ttl};
use crate::wire::icmp::{self, Class};
use crate::wire::ipv4;
use crate::{DropReason, Hairpinning, Nat, Side, Verdict};

use crate::nat::view::receiver::Receiver;

impl<W: Width> Nat<'_, W> {
    pub(crate) fn hairpin(
        &mut self,
        datagram: Datagram<'_>,
        external: u8,
    ) -> Result<Verdict, Verdict> {
        if datagram.ip.fragment_offset() != 0 {
            return self.later_fragment(datagram, Side::Inside);
        }
        self.check_first_fragment(&datagram, Side::Inside)?;
        if !datagram.is_translatable() {
            return Err(self.reply_unknown_protocol(datagram.ip, Origin::Host));
        }
        let (ip, transport) = datagram.transport()?;
        match transport {
            Transport::Icmp(header, body) if header.class() == Class::Error => {
                Ok(self.error_hairpin(ip, header, body)?)
            }
            Transport::Icmp(header, body) => match header.class() {
                Class::Request if self.is_ping_for_router(ip, header) => {
                    self.ping_inbound(ip, header, body)
                }
                Class::Request => self.query_hairpin(ip, Transport::Icmp(header, body)),
                Class::Reply => self.reply_hairpin(ip, Transport::Icmp(header, body), external),
                Class::Error | Class::Other => Err(DropReason::Hairpin.into()),
            },
            Transport::Tcp(..) | Transport::Udp(..) => self.flow_hairpin(ip, transport, external),
        }
    }

    fn flow_hairpin(
        &mut self,
        ip: &mut ipv4::Header,
        mut transport: Transport<'_>,
        external: u8,
    ) -> Result<Verdict, Verdict> {
        self.check_hop(ip, Origin::Host, self.config.inside_mtu)?;
        let summary = transport.summary(ip);
        let tuple = self.outbound_tuple(&summary, Origin::Host);
        let live = self.session_outbound(&tuple);
        let (receiver, session) = match self.hairpin_receiver(&tuple, &summary, external) {
            Ok(found) => found,
            Err(reason) => return Err(self.reset_or_drop(ip, &transport, &summary, reason)),
        };
        let sending = self.sending(ip, &transport, &summary, (&tuple, live, session.is_some()))?;
        if let Some(session) = session {
            let effect = self.effect_after(sending.effect(), session, &summary.content)?;
            Self::check_damage(ip, &transport, &summary, Some(&effect))?;
        }

        let sender = self.commit_sending(ip, &summary, (&tuple, session), sending)?;
        if session.is_some() {
            self.move_receiver_on(&summary, sender, external);
        }
        self.clamp_mss(&mut transport);
        translate::rewrite_both(ip, transport, sender, receiver);
        self.renew_id(ip);
        Ok(self.forward_or_fragment(Side::Inside, ip.total_length()))
    }

    /// The receiver's half of a packet from `sender` to the external address of this number, whose
    /// sender's half is done: moves on the session that it has for the receiver, if that is
    /// still there.
    fn move_receiver_on(&mut self, summary: &Summary, sender: Endpoint, external: u8) {
        let Summary {
            proto,
            destination,
            content,
            ..
        } = *summary;
        let tuple = OutsideTuple {
            proto,
            external,
            external_port: destination.port,
            remote: sender,
        };
        let mapping = self.tables.mapping_of_outside(&tuple);
        let session =
            mapping.and_then(|mapping| self.tables.live_session(mapping, sender, self.tick()));
        if let Some(Ok(effect)) =
            session.map(|session| self.effect(session, Side::Outside, &content))
        {
            self.apply(effect, Side::Outside, &content);
        }
    }

    /// The inside endpoint that a packet comes back to, and the receiver's session with its sender,
    /// if there is one.
    fn hairpin_receiver(
        &self,
        tuple: &InsideTuple,
        summary: &Summary,
        external: u8,
    ) -> Result<(Endpoint, Option<SlotIndex<W>>), DropReason> {
        let sender = self.sender(tuple);
        let external_port = summary.destination.port;
        let remote = sender.unwrap_or(summary.source);
        let Receiver { inside, mapping } = self.receiver_at(&OutsideTuple {
            proto: summary.proto,
            external,
            external_port,
            remote,
        })?;
        if inside.origin == Origin::Router {
            return Err(DropReason::Hairpin);
        }
        let session = sender
            .zip(mapping)
            .and_then(|(sender, target)| self.tables.live_session(target, sender, self.tick()));
        if session.is_none() {
            let unfiltered =
                self.config.hairpinning == Hairpinning::Unfiltered && !self.has_expiry_backlog();
            let admitted = unfiltered
                || mapping.is_none_or(|target| {
                    self.is_forwarded(target)
                        || sender.is_some_and(|sender| self.admits(target, sender.address))
                });
            summary.content.check_unsolicited(admitted)?;
        }
        Ok((inside.endpoint, session))
    }

    /// The external endpoint that a sender has, or that a rule will give to it.
    fn sender(&self, tuple: &InsideTuple) -> Option<Endpoint> {
        match self.tables.mapping_of_inside(tuple) {
            Some(mapping) => self.external_endpoint(mapping),
            None => self.static_mapping(tuple).map(|(_, fixed)| fixed.external),
        }
    }

    /// An error from inside about a packet that had come by hairpin: both ends of it, and of what
    /// it quotes, are translated.
    pub(crate) fn error_hairpin(
        &mut self,
        ip: &mut ipv4::Header,
        header: &mut icmp::Header,
        body: &mut [u8],
    ) -> Result<Verdict, DropReason> {
        let quote = Quote::parse_sound(ip, header, body)?;
        quote.check_route()?;
        let (receiver, own) = if quote.is_query(Class::Request) {
            self.hairpinned_query(&quote)?
        } else if quote.is_query(Class::Reply) {
            self.hairpinned_reply(&quote)?
        } else {
            self.hairpinned_packet(&quote)?
        };
        super::icmp_error::check_hop(ip, true, self.config.inside_mtu)?;
        let delta = quote.rewrite_both(receiver, own);
        header.update_checksum(delta, body);
        translate::rewrite_address(ip, End::Source, own.address, Ttl::Decrement);
        translate::rewrite_address(ip, End::Destination, receiver.address, Ttl::Keep);
        self.renew_id(ip);
        Ok(self.forward_or_fragment(Side::Inside, ip.total_length()))
    }

    /// Both ends of a packet with ports that has come by hairpin, as its sender knows them.
    fn hairpinned_packet(&self, quote: &Quote<'_>) -> Result<(Endpoint, Endpoint), DropReason> {
        let endpoint = quote
            .end(End::Destination, End::Destination, Class::Reply)
            .ok_or(DropReason::BadQuote)?;
        let sender = quote
            .end(End::Source, End::Source, Class::Request)
            .ok_or(DropReason::BadQuote)?;
        let number = self
            .external_number(sender.address)
            .ok_or(DropReason::NoSession)?;
        let own = self.inside_tuple(
            quote.proto(),
            Inside {
                origin: Origin::Host,
                endpoint,
            },
            sender,
        );
        let own = self.sender(&own).ok_or(DropReason::NoSession)?;
        let target = OutsideTuple {
            proto: quote.proto(),
            external: number,
            external_port: sender.port,
            remote: own,
        };
        let target = self
            .tables
            .mapping_of_outside(&target)
            .ok_or(DropReason::NoSession)?;
        self.tables
            .live_session(target, own, self.tick())
            .ok_or(DropReason::NoSession)?;
        let receiver = self
            .inside_endpoint(target)
            .ok_or(DropReason::NoSession)?
            .endpoint;
        Ok((receiver, own))
    }

    /// The verdict on a packet that finds no session to come back to: a RST for a segment that
    /// belongs to none, as for one toward the outside.
    fn reset_or_drop(
        &mut self,
        ip: &ipv4::Header,
        transport: &Transport<'_>,
        summary: &Summary,
        reason: DropReason,
    ) -> Verdict {
        let stray = matches!(
            summary.content,
            Content::Tcp(Kind::SynAck | Kind::Fin | Kind::Other, _)
        );
        if stray && transport.checksum_holds(ip) {
            self.reset(summary)
        } else {
            Verdict::Drop(reason)
        }
    }
}
