//! Packets from inside, and from the router's own outside stack, to the outside.

use crate::packet::{Summary, Transport};
use crate::reply::Error;
use crate::state::{Endpoint, InsideTuple, Origin, Proto};
use crate::table::Width;
use crate::translate::{self, End};
use crate::wire::icmp::MessageClass;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side, Verdict};

use super::ttl_of;
use crate::nat::admit::{Received, Sender};

impl<W: Width> Nat<'_, W> {
    pub(super) fn outbound(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        origin: Origin,
    ) -> Result<Verdict, Verdict> {
        let Transport::Icmp(header, body) = transport else {
            return self.session_outbound(ip, transport, origin);
        };
        match header.class() {
            MessageClass::Error => Ok(self.error_outbound(ip, header, body, origin)?),
            MessageClass::Other => Err(DropReason::UnknownIcmpType.into()),
            MessageClass::Reply if self.view().own_address(ip.source()).is_some() => {
                self.reply_outbound(ip)
            }
            MessageClass::Reply if self.view().answers_ping(ip, header, origin) => {
                self.ping_outbound(ip)
            }
            MessageClass::Request | MessageClass::Reply => {
                self.session_outbound(ip, Transport::Icmp(header, body), origin)
            }
        }
    }

    /// A packet that has a session, or begins one.
    fn session_outbound(
        &mut self,
        ip: &mut ipv4::Header,
        mut transport: Transport<'_>,
        origin: Origin,
    ) -> Result<Verdict, Verdict> {
        let summary = outbound_summary(&transport, ip);
        let tuple = self.view().outbound_tuple(&summary, origin);
        self.check_way_out(ip, &tuple)?;
        let external = self.process_sender(&Sender {
            ip,
            transport: &transport,
            summary: &summary,
            tuple,
        })?;
        self.view().clamp_mss(&mut transport);
        translate::rewrite(ip, transport, End::Source, external, ttl_of(origin));
        // Untranslated packets keep the address of their host, and with it their identifications.
        if !tuple.untranslated {
            self.renew_id(ip);
        }
        Ok(self.view().forward(Side::Outside, ip))
    }

    /// Refuses a packet for which there is no external address, or that cannot go on.
    fn check_way_out(&mut self, ip: &ipv4::Header, tuple: &InsideTuple) -> Result<(), Verdict> {
        let origin = tuple.inside.origin;
        if self.state.policy.pool.is_empty() && !tuple.untranslated {
            let reason = DropReason::AddressMissing;
            return Err(self.reply_icmp(ip.source(), origin, reason, Error::NetUnreachable));
        }
        self.check_hop(ip, origin, Side::Outside)
    }

    /// Decides and commits the sender's half of a packet from inside whose other half changes
    /// nothing. Returns the external endpoint that the packet leaves from; without one it changes
    /// nothing.
    pub(super) fn process_sender(&mut self, sender: &Sender<'_>) -> Result<Endpoint, Verdict> {
        let found = self.view().find_session(&sender.tuple);
        // Most packets have a session that they do not open.
        if let Some(live) = self.end_if_expired(found)
            && let (external, pending) = self.step_sender(sender, live)?
            && pending.decision().opens().is_none()
        {
            pending.commit();
            return Ok(external);
        }
        self.settle(|view, search| view.decide_sender(sender, Received::NONE, search))
            .map_err(|refusal| self.refuse(sender, refusal))
    }
}

/// A summary in which the remote end of an ICMP query has no port.
pub(super) fn outbound_summary(transport: &Transport<'_>, ip: &ipv4::Header) -> Summary {
    let mut summary = transport.summary(ip);
    if summary.proto == Proto::Icmp {
        summary.destination.port = 0;
    }
    summary
}
