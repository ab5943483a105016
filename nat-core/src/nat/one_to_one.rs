//! ICMP queries from outside to a host that has an external address for itself, and its replies. Neither makes state, nor
//! needs any: the identifier stays as it is.

use crate::packet::Transport;
use crate::state::{Endpoint, Inside, Origin};
use crate::table::Width;
use crate::translate::{self, End, Hop};
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side, Verdict};

impl<W: Width> Nat<'_, W> {
    pub(super) fn query_inbound(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
    ) -> Result<Verdict, Verdict> {
        let port = transport.summary(ip).destination.port;
        let open = self.pool.may_give(ip.destination()) && !self.config.is_untranslated(ip.source(), None);
        let host = self.forwards.one_to_one_host(ip.destination());
        let address = host.filter(|_| open).ok_or(DropReason::NoSession)?;
        if address == ip.source() {
            return Err(DropReason::Land.into());
        }
        self.check_way_in(ip, false)?;
        let inside = Inside { origin: Origin::Host, endpoint: Endpoint { address, port } };
        Ok(self.enter(inside, ip, transport))
    }

    /// Whether an inside host has an external address for itself.
    pub(super) fn has_own_address(&self, inside: u32) -> bool {
        self.own_address(inside).is_some()
    }

    /// The reply of such a host to a query that had come in.
    pub(super) fn reply_outbound(&mut self, ip: &mut ipv4::Header) -> Result<Verdict, Verdict> {
        let address = self.own_address(ip.source()).ok_or(DropReason::NoSession)?;
        self.check_hop(ip, Origin::Host, self.config.outside_mtu)?;
        translate::rewrite_address(ip, End::Source, address, Hop::Counted);
        self.renew_id(ip);
        Ok(self.depart(Side::Outside, ip.total_length()))
    }

    fn own_address(&self, inside: u32) -> Option<u32> {
        let address = self.forwards.one_to_one_address(inside)?;
        self.external_number(address).map(|_| address)
    }
}
