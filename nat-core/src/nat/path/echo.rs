//! Pings to the router's own addresses, which its stacks answer (RFC 1812 section 4.3.3.6, RFC 5508
//! REQ-10a).
//!
//! None of them makes a session. What hosts ping, and what the router itself pings, are flows like
//! any other.

use crate::packet::Datagram;
use crate::state::Origin;
use crate::table::Width;
use crate::wire::{icmp, ipv4};
use crate::{DropReason, Nat, Side, Verdict};

impl<W: Width> Nat<'_, W> {
    /// Refuses a packet for the router's inside stack that is a ping, or the first fragment of one,
    /// where the router does not answer them.
    pub(crate) fn check_inside_ping(&self, datagram: &Datagram<'_>) -> Result<(), DropReason> {
        let Datagram { ip, payload, .. } = datagram;
        let first = ip.protocol() == ipv4::ICMP && ip.fragment_offset() == 0;
        let ping = first && payload.first() == Some(&icmp::ECHO_REQUEST);
        if ping && !self.config.inside_ping {
            Err(DropReason::EchoRefused)
        } else {
            Ok(())
        }
    }

    /// Whether a query of a host to an external address is a ping that the router answers there, as
    /// it does those from outside.
    pub(crate) fn is_ping_for_router(&self, ip: &ipv4::Header, header: &icmp::Header) -> bool {
        let ping = self.config.outside_ping && header.is_echo_request();
        ping && self.forwards.one_to_one_host(ip.destination()).is_none()
    }

    /// A query to an external address, for which there can be no session: the router's, if it is a
    /// ping. One in fragments is refused, because its checksum cannot be verified.
    pub(crate) fn ping_inbound(
        &mut self,
        ip: &ipv4::Header,
        header: &icmp::Header,
        body: &[u8],
    ) -> Result<Verdict, Verdict> {
        if !header.is_echo_request() {
            return Err(DropReason::NoSession.into());
        }
        if !self.config.outside_ping || ip.is_fragment() {
            return Err(DropReason::EchoRefused.into());
        }
        if !header.checksum_holds(body) {
            return Err(DropReason::BadChecksum.into());
        }
        if !self.may_answer_ping(ip.source()) {
            return Err(self.drop_rate_limited(DropReason::EchoRefused));
        }
        Ok(Verdict::Local {
            side: Side::Outside,
            len: usize::from(ip.total_length()),
        })
    }

    /// Whether a packet that leaves is the answer of the router's outside stack to a ping from
    /// there.
    pub(crate) fn answers_ping(
        &self,
        ip: &ipv4::Header,
        header: &icmp::Header,
        origin: Origin,
    ) -> bool {
        self.config.outside_ping
            && origin == Origin::Router
            && header.is_echo_reply()
            && !ip.is_fragment()
    }

    /// The answer of the router's outside stack to a ping. Its identifier is the peer's, and no
    /// mapping has to do with it.
    pub(crate) fn ping_outbound(&mut self, ip: &mut ipv4::Header) -> Result<Verdict, Verdict> {
        self.check_hop(ip, Origin::Router, self.config.outside_mtu)?;
        self.renew_id(ip);
        Ok(self.forward_or_fragment(Side::Outside, ip.total_length()))
    }
}
