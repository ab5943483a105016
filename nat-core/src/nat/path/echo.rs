//! Pings to the router's own addresses, which its stacks answer (RFC 1812 section 4.3.3.6, RFC 5508
//! REQ-10a).
//!
//! None of them creates a session. Pings that hosts send, and those of the router itself, have
//! sessions like any other packet.

use crate::packet::Datagram;
use crate::state::Origin;
use crate::table::Width;
use crate::wire::{icmp, ipv4};
use crate::{DropReason, Nat, Side, Verdict};

use crate::nat::view::View;

impl<W: Width> View<'_, W> {
    /// Refuses a packet for the router's inside stack that is a ping, or the first fragment of one,
    /// where the router does not answer them.
    pub(super) fn check_inside_ping(self, datagram: &Datagram<'_>) -> Result<(), DropReason> {
        let Datagram { ip, payload, .. } = datagram;
        // A later fragment has no ICMP header, and its first fragment is refused.
        let first = ip.protocol() == ipv4::ICMP && ip.fragment_offset() == 0;
        let ping = first && payload.first() == Some(&icmp::ECHO_REQUEST);
        if ping && !self.policy.config.inside_ping {
            Err(DropReason::EchoRefused)
        } else {
            Ok(())
        }
    }

    /// Whether a query of a host to an external address is a ping that the router answers there, as
    /// it does those from outside.
    pub(super) fn is_ping_for_router(self, ip: &ipv4::Header, header: &icmp::Header) -> bool {
        let policy = &self.policy;
        policy.config.outside_ping
            && header.is_echo_request()
            && policy
                .port_forwards
                .one_to_one_host(ip.destination())
                .is_none()
    }

    /// Whether a packet that leaves is the answer of the router's outside stack to a ping from
    /// there.
    pub(super) fn answers_ping(
        self,
        ip: &ipv4::Header,
        header: &icmp::Header,
        origin: Origin,
    ) -> bool {
        self.policy.config.outside_ping
            && origin == Origin::Router
            && header.is_echo_reply()
            && !ip.is_fragment()
    }
}

impl<W: Width> Nat<'_, W> {
    /// A query to an external address for which there can be no session: the router's, if it is a
    /// ping. One in fragments is refused, because its checksum cannot be verified.
    pub(super) fn ping_inbound(
        &mut self,
        ip: &ipv4::Header,
        header: &icmp::Header,
        body: &[u8],
    ) -> Result<Verdict, Verdict> {
        if !header.is_echo_request() {
            return Err(DropReason::NoSession.into());
        }
        if !self.state.policy.config.outside_ping || ip.is_fragment() {
            return Err(DropReason::EchoRefused.into());
        }
        if !header.checksum_holds(body) {
            return Err(DropReason::BadChecksum.into());
        }
        // Last, so that only a ping that would be answered takes a token.
        if !self.may_answer_ping(ip.source()) {
            return Err(self.drop_rate_limited(DropReason::EchoRefused));
        }
        Ok(Verdict::Local {
            side: Side::Outside,
            len: usize::from(ip.total_length()),
        })
    }

    /// The answer of the router's outside stack to a ping. Its identifier is the peer's, so it needs
    /// no mapping.
    pub(super) fn ping_outbound(&mut self, ip: &mut ipv4::Header) -> Result<Verdict, Verdict> {
        self.check_hop(ip, Origin::Router, Side::Outside)?;
        self.renew_id(ip);
        Ok(self.view().forward(Side::Outside, ip))
    }
}
