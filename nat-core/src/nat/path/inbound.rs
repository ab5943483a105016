//! Packets from the outside. None of them makes state: only what the inside sends does.

use core::net::Ipv4Addr;

use crate::packet::{Datagram, Summary, Transport};
use crate::policy::addresses::{is_martian, is_multicast_or_broadcast, is_unicast};
use crate::reply::Error;
use crate::state::{Inside, Origin, Proto};
use crate::table::{SlotIndex, Width};
use crate::translate::{self, End, Ttl};
use crate::wire::icmp::Class;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side, Verdict};

use crate::nat::view::receiver::{Receiver, Target};
use crate::nat::{DHCP_CLIENT, DHCP_SERVER};

/// Where a packet from outside is going.
enum Route {
    /// Toward the inside.
    In(Target),
    /// To the router's own DHCP client.
    DhcpClient,
}

impl<W: Width> Nat<'_, W> {
    pub(crate) fn inbound(&mut self, datagram: Datagram<'_>) -> Result<Verdict, Verdict> {
        let len = datagram.len();
        match self.route_inbound(&datagram)? {
            Route::DhcpClient => Ok(Verdict::Local {
                side: Side::Outside,
                len,
            }),
            Route::In(target) => self.inbound_routed(datagram, target),
        }
    }

    fn route_inbound(&self, datagram: &Datagram<'_>) -> Result<Route, DropReason> {
        let ip = &datagram.ip;
        if ip.source() == ip.destination() {
            return Err(DropReason::Land);
        }
        if !is_unicast(ip.source()) {
            return Err(DropReason::Martian);
        }
        // Before anything is known of the outside its DHCP server may have any address, one of the
        // inside network too.
        if self.is_dhcp_answer(datagram) {
            return Ok(Route::DhcpClient);
        }
        self.check_source(ip)?;
        if let Some(external) = self.external_number(ip.destination()) {
            return Ok(Route::In(Target::External(external)));
        }
        Err(if is_multicast_or_broadcast(ip.destination()) {
            DropReason::Broadcast
        } else if is_martian(ip.destination()) {
            DropReason::Martian
        } else if self.is_inside_host(ip.destination()) && !self.config.untranslated.is_empty() {
            return Ok(Route::In(Target::Untranslated));
        } else if self
            .config
            .inside
            .contains(Ipv4Addr::from_bits(ip.destination()))
        {
            DropReason::InsideDestination
        } else {
            DropReason::NotForUs
        })
    }

    /// Refuses a source that cannot be outside: an external address, or one of the inside network.
    /// Where the networks overlap only the addresses that stand for all hosts inside are
    /// refused (RFC 4787 REQ-7).
    fn check_source(&self, ip: &ipv4::Header) -> Result<(), DropReason> {
        let source = Ipv4Addr::from_bits(ip.source());
        let inside = &self.config.inside;
        let ours = self.external_number(ip.source()).is_some();
        let refused = || !self.networks_overlap() || !inside.is_host(source);
        if ours || inside.contains(source) && refused() {
            Err(DropReason::Martian)
        } else {
            Ok(())
        }
    }

    /// Whether a packet is a DHCP server's to our client, by broadcast or to the address that it
    /// offers (RFC 2131 section 4.1). It may come from any port: section 4.1 says only where
    /// servers send to, and some relays send from others. One from another port than the
    /// server's to an inside address is of an untranslated session.
    fn is_dhcp_answer(&self, datagram: &Datagram<'_>) -> bool {
        let destination = datagram.ip.destination();
        let ours = || Ipv4Addr::from_bits(destination).is_broadcast() || is_unicast(destination);
        let genuine = || self.external_number(datagram.ip.source()).is_none();
        let inside = self
            .config
            .inside
            .contains(Ipv4Addr::from_bits(destination));
        let to_client = datagram
            .udp_ports()
            .is_some_and(|(from, to)| to == DHCP_CLIENT && (from == DHCP_SERVER || !inside));
        self.config.dhcp_client && to_client && ours() && genuine()
    }

    fn is_inside_host(&self, address: u32) -> bool {
        let host = Ipv4Addr::from_bits(address);
        self.config.inside.is_host(host) && host != self.config.inside.address()
    }

    fn inbound_routed(
        &mut self,
        datagram: Datagram<'_>,
        target: Target,
    ) -> Result<Verdict, Verdict> {
        if datagram.ip.fragment_offset() != 0 {
            return self.later_fragment(datagram, Side::Outside);
        }
        if self.too_far(datagram.ip).is_some() {
            self.count_error_due();
        }
        self.check_first_fragment(&datagram, Side::Outside)?;
        let (ip, transport) = datagram.transport()?;
        match transport {
            Transport::Icmp(header, body) => match header.class() {
                Class::Error => Ok(self.error_inbound(ip, header, body, target)?),
                Class::Other => Err(DropReason::UnknownIcmpType.into()),
                Class::Request => self.query_inbound(ip, header, body, target),
                Class::Reply => self.flow_inbound(ip, Transport::Icmp(header, body), target),
            },
            Transport::Tcp(..) | Transport::Udp(..) => self.flow_inbound(ip, transport, target),
        }
    }

    fn flow_inbound(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        target: Target,
    ) -> Result<Verdict, Verdict> {
        let summary = inbound_summary(&transport, ip);
        let Receiver { inside, mapping } = self.receiver_of(target, &summary)?;
        if inside.endpoint.address == summary.source.address {
            return Err(DropReason::Land.into());
        }
        let session = mapping.and_then(|mapping| {
            self.tables
                .live_session(mapping, summary.source, self.tick())
        });
        if session.is_none() {
            // Without a mapping it is a rule that names the receiver.
            let admitted = mapping
                .is_none_or(|mapping| self.admits(mapping, summary.source.address))
                && !self.is_answered_from_elsewhere(target, inside, &summary);
            summary.content.check_unsolicited(admitted)?;
        }
        let effect = session
            .map(|link| self.effect(link, Side::Outside, &summary.content))
            .transpose()?;
        Self::check_damage(ip, &transport, &summary, effect.as_ref())?;
        if inside.origin == Origin::Host {
            self.check_way_in(ip, session)?;
        }
        if let Some(effect) = effect {
            self.apply(effect, Side::Outside, &summary.content);
        }
        Ok(self.finish_inbound(inside, ip, transport))
    }

    /// Whether the sender would be answered without translation, and so not from the external
    /// address that it knows.
    fn is_answered_from_elsewhere(
        &self,
        target: Target,
        inside: Inside,
        summary: &Summary,
    ) -> bool {
        matches!(target, Target::External(_))
            && self
                .inside_tuple(summary.proto, inside, summary.source)
                .untranslated
    }

    /// What speaks against sending a packet in: its time to live, its size. Only a packet of a live
    /// session is answered.
    pub(crate) fn check_way_in(
        &mut self,
        ip: &ipv4::Header,
        session: Option<SlotIndex<W>>,
    ) -> Result<(), Verdict> {
        let Some((reason, error)) = self.too_far(ip) else {
            return Ok(());
        };
        Err(match session {
            Some(session) => self.reply_icmp_outside(session, ip, reason, error),
            None => Verdict::Drop(reason),
        })
    }

    /// Why a packet from outside cannot make the last hop, and the error that is due then.
    fn too_far(&self, ip: &ipv4::Header) -> Option<(DropReason, Error)> {
        let mtu = self.config.inside_mtu;
        if ip.ttl() <= 1 {
            Some((DropReason::TtlExpired, Error::TimeExceeded))
        } else if ip.total_length() > mtu && ip.dont_fragment() {
            Some((DropReason::PacketTooBig, Error::FragmentationNeeded { mtu }))
        } else {
            None
        }
    }

    pub(crate) fn finish_inbound(
        &self,
        inside: Inside,
        ip: &mut ipv4::Header,
        mut transport: Transport<'_>,
    ) -> Verdict {
        let len = usize::from(ip.total_length());
        if inside.origin == Origin::Router {
            translate::rewrite(ip, transport, End::Destination, inside.endpoint, Ttl::Keep);
            return Verdict::Local {
                side: Side::Outside,
                len,
            };
        }
        self.clamp_mss(&mut transport);
        translate::rewrite(
            ip,
            transport,
            End::Destination,
            inside.endpoint,
            Ttl::Decrement,
        );
        self.forward_or_fragment(Side::Inside, ip.total_length())
    }
}

/// A summary in which the remote end of an ICMP query has no port.
pub(crate) fn inbound_summary(transport: &Transport<'_>, ip: &ipv4::Header) -> Summary {
    let mut summary = transport.summary(ip);
    if summary.proto == Proto::Icmp {
        summary.source.port = 0;
    }
    summary
}
