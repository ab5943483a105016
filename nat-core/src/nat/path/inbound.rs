//! Packets from the outside. None of them creates state: only what the inside sends does.

use crate::packet::{Content, Summary, Transport};
use crate::state::{Inside, Origin, Proto};
use crate::table::{SlotIndex, Width};
use crate::translate::{self, End, Ttl};
use crate::wire::icmp::MessageClass;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side, Verdict};

use crate::nat::effect::check_checksum;
use crate::nat::hop::{Hop, HopFailure};
use crate::nat::view::View;
use crate::nat::view::receiver::{Receiver, Target};

impl<W: Width> Nat<'_, W> {
    pub(super) fn inbound(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        target: Target,
    ) -> Result<Verdict, Verdict> {
        let Transport::Icmp(header, body) = transport else {
            return self.session_inbound(ip, transport, target);
        };
        match header.class() {
            MessageClass::Error => Ok(self.view().error_inbound(ip, header, body, target)?),
            MessageClass::Other => Err(DropReason::UnknownIcmpType.into()),
            MessageClass::Request => self.query_inbound(ip, header, body, target),
            MessageClass::Reply => self.session_inbound(ip, Transport::Icmp(header, body), target),
        }
    }

    /// A packet that has a session, or that the filter lets in without one.
    fn session_inbound(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        target: Target,
    ) -> Result<Verdict, Verdict> {
        let summary = inbound_summary(&transport, ip);
        let view = self.view();
        let receiver = view.receiver_of(target, &summary)?;
        let inside = receiver.inside;
        // Translated, it would have its receiver's address as its source.
        if inside.endpoint.address == summary.source.address {
            return Err(DropReason::Land.into());
        }
        // Used further down: only with a session is a packet that cannot go on answered.
        let hop = match inside.origin {
            Origin::Host => view.check_way_in(ip),
            Origin::Router => Ok(()),
        };
        let session = receiver
            .mapping
            .and_then(|mapping| view.live_session(mapping, summary.source));
        if let Some(session) = session {
            self.step_inbound(session, &summary.content, (ip, &transport), hop)?;
        } else {
            view.check_unsolicited(target, &receiver, &summary)?;
            // A SYN makes the host answer, so a damaged one stays out. Other packets change nothing
            // here.
            if summary.content.moves_state() {
                check_checksum(ip, &transport)?;
            }
            hop.map_err(HopFailure::reason)?;
        }
        Ok(self.view().finish_inbound(inside, ip, transport))
    }

    /// Carries out what a packet from outside does to its live session.
    fn step_inbound(
        &mut self,
        session: SlotIndex<W>,
        content: &Content,
        (ip, transport): (&ipv4::Header, &Transport<'_>),
        hop: Result<(), HopFailure>,
    ) -> Result<(), Verdict> {
        let pending = self.step(session, Side::Outside, content)?;
        pending.decision().check_damage(ip, transport)?;
        match hop {
            Ok(()) => {
                pending.commit();
                Ok(())
            }
            // Only a packet of a live session is answered.
            Err(failure) => Err(self.reply_icmp_outside(session, ip, failure)),
        }
    }
}

impl<W: Width> View<'_, W> {
    /// Whether a packet from outside can go on to the inside.
    #[inline]
    pub(super) fn check_way_in(self, ip: &ipv4::Header) -> Result<(), HopFailure> {
        Hop::of(ip).check(Ttl::Decrement, self.mtu(Side::Inside))
    }

    /// Refuses a packet without a session that the filter does not let in. Without a mapping, a
    /// static mapping has given the receiver, and that is open to all.
    fn check_unsolicited(
        self,
        target: Target,
        receiver: &Receiver<W>,
        summary: &Summary,
    ) -> Result<(), DropReason> {
        let admitted = match receiver.mapping {
            Some(mapping) => self.admits(mapping, summary.source.address),
            None => true,
        };
        // The sender must be answered from the external address that it knows.
        let answered = match target {
            Target::External(_) => {
                let tuple = self.inside_tuple(summary.proto, receiver.inside, summary.source);
                !tuple.untranslated
            }
            Target::Untranslated => true,
        };
        summary.content.check_unsolicited(admitted && answered)
    }

    pub(super) fn finish_inbound(
        self,
        inside: Inside,
        ip: &mut ipv4::Header,
        mut transport: Transport<'_>,
    ) -> Verdict {
        let (end, receiver) = (End::Destination, inside.endpoint);
        match inside.origin {
            Origin::Router => {
                translate::rewrite(ip, transport, end, receiver, Ttl::Keep);
                Verdict::Local {
                    side: Side::Outside,
                    len: usize::from(ip.total_length()),
                }
            }
            Origin::Host => {
                self.clamp_mss(&mut transport);
                translate::rewrite(ip, transport, end, receiver, Ttl::Decrement);
                self.forward(Side::Inside, ip)
            }
        }
    }
}

/// A summary in which the remote end of an ICMP query has no port.
pub(super) fn inbound_summary(transport: &Transport<'_>, ip: &ipv4::Header) -> Summary {
    let mut summary = transport.summary(ip);
    if summary.proto == Proto::Icmp {
        summary.source.port = 0;
    }
    summary
}
