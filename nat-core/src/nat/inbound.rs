//! Packets from the outside. None of them makes state: only what the inside sends does.

use core::net::Ipv4Addr;

use crate::packet::{Content, Datagram, Summary, Transport};
use crate::policy::addresses::{is_martian, is_multicast_or_broadcast};
use crate::reply::Error;
use crate::state::tcp::Kind;
use crate::state::{Inside, Origin, Proto};
use crate::table::Link;
use crate::translate::{self, End, Hop};
use crate::wire::icmp::Class;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side, Verdict};

use super::{DHCP_CLIENT, DHCP_SERVER};

/// Where a packet from outside is going.
enum Route {
    /// To the external address of this number.
    External(u8),
    /// To the router's own DHCP client.
    DhcpClient,
}

impl Nat<'_> {
    pub(super) fn inbound(&mut self, datagram: Datagram<'_>) -> Verdict {
        let len = datagram.len();
        match self.route_from_outside(&datagram) {
            Ok(Route::DhcpClient) => Verdict::Local { side: Side::Outside, len },
            Ok(Route::External(external)) => self.arrive_at(datagram, external).unwrap_or_else(Verdict::Drop),
            Err(reason) => Verdict::Drop(reason),
        }
    }

    fn route_from_outside(&self, datagram: &Datagram<'_>) -> Result<Route, DropReason> {
        let ip = &datagram.ip;
        self.check_source(ip)?;
        if self.config.dhcp_client && datagram.udp_ports() == Some((DHCP_SERVER, DHCP_CLIENT)) {
            return Ok(Route::DhcpClient);
        }
        if let Some(external) = self.external_number(ip.destination()) {
            return Ok(Route::External(external));
        }
        Err(if is_multicast_or_broadcast(ip.destination()) {
            DropReason::Broadcast
        } else if is_martian(ip.destination()) {
            DropReason::Martian
        } else if self.config.inside.contains(Ipv4Addr::from_bits(ip.destination())) {
            DropReason::InsideDestination
        } else {
            DropReason::NotForUs
        })
    }

    /// Refuses a source that cannot be outside: a martian, or an address of the router or of the inside.
    fn check_source(&self, ip: &ipv4::Header) -> Result<(), DropReason> {
        let source = Ipv4Addr::from_bits(ip.source());
        if ip.source() == ip.destination() {
            return Err(DropReason::Land);
        }
        let ours = source == self.config.inside.address() || self.external_number(ip.source()).is_some();
        let inside = self.config.inside.contains(source) && !self.config.networks_overlap();
        if ours || inside || is_martian(ip.source()) || is_multicast_or_broadcast(ip.source()) {
            return Err(DropReason::Martian);
        }
        Ok(())
    }

    fn arrive_at(&mut self, datagram: Datagram<'_>, external: u8) -> Result<Verdict, DropReason> {
        if datagram.ip.is_fragment() {
            return Err(DropReason::Fragment);
        }
        let (ip, transport) = datagram.transport()?;
        match transport {
            Transport::Icmp(header, body) => match header.class() {
                Class::Error => self.error_inbound(ip, header, body, external),
                Class::Other => Err(DropReason::UnknownIcmpType),
                Class::Request => Err(DropReason::NoSession),
                Class::Reply => self.flow_inbound(ip, Transport::Icmp(header, body), external),
            },
            Transport::Tcp(..) | Transport::Udp(..) => self.flow_inbound(ip, transport, external),
        }
    }

    fn flow_inbound(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        external: u8,
    ) -> Result<Verdict, DropReason> {
        let summary = inbound_summary(&transport, ip);
        let mapping = self
            .flows
            .mapping_of_external(summary.proto, external, summary.destination.port)
            .ok_or(DropReason::NoMapping)?;
        let inside = self.inside_endpoint(mapping).ok_or(DropReason::NoMapping)?;
        let session = self.flows.live_session(mapping, summary.source, self.tick());
        let opening = matches!(summary.content, Content::Segment(kind, _) if kind != Kind::Other);
        if session.is_none() {
            self.check_unsolicited(mapping, &summary)?;
        }
        if opening && !transport.checksum_holds(ip) {
            return Err(DropReason::BadChecksum);
        }
        let effect = session.map(|link| self.effect(link, Side::Outside, &summary).map(|effect| (link, effect)));
        let effect = effect.transpose()?;
        if inside.origin == Origin::Host
            && let Some(verdict) = self.check_way_in(ip, session.is_some())?
        {
            return Ok(verdict);
        }
        if let Some((link, effect)) = effect {
            self.apply(link, &effect);
        }
        Ok(self.enter(inside, ip, transport))
    }

    /// Whether a packet without a session may pass to `mapping`. It leaves no trace: a session begins when the inside
    /// answers, so nobody outside can fill the tables or keep a mapping alive.
    fn check_unsolicited(&self, mapping: Link, summary: &Summary) -> Result<(), DropReason> {
        if !self.admits(mapping, summary.source.address) {
            return Err(DropReason::Filtered);
        }
        match summary.content {
            Content::Datagram | Content::Query(_) | Content::Segment(Kind::Syn, _) => Ok(()),
            Content::Segment(..) => Err(DropReason::NoSession),
        }
    }

    /// What speaks against sending a packet in: its time to live, its size. Only a packet of a live session is answered.
    pub(super) fn check_way_in(&mut self, ip: &ipv4::Header, live: bool) -> Result<Option<Verdict>, DropReason> {
        let mtu = self.config.inside_mtu;
        let (reason, error) = if ip.ttl() <= 1 {
            (DropReason::TtlExpired, Some(Error::TimeExceeded))
        } else if ip.total_length() > mtu {
            (DropReason::PacketTooBig, ip.dont_fragment().then_some(Error::FragmentationNeeded { mtu }))
        } else {
            return Ok(None);
        };
        match error.filter(|_| live) {
            Some(error) => Ok(Some(self.reject(Side::Outside, ip, reason, error))),
            None => Err(reason),
        }
    }

    fn enter(&self, inside: Inside, ip: &mut ipv4::Header, mut transport: Transport<'_>) -> Verdict {
        let len = usize::from(ip.total_length());
        if inside.origin == Origin::Router {
            translate::rewrite(ip, transport, End::Destination, inside.endpoint, Hop::Uncounted);
            return Verdict::Local { side: Side::Outside, len };
        }
        self.clamp_mss(&mut transport);
        translate::rewrite(ip, transport, End::Destination, inside.endpoint, Hop::Counted);
        Verdict::Forward { to: Side::Inside, len }
    }

    pub(super) fn inside_endpoint(&self, mapping: Link) -> Option<Inside> {
        self.flows.inside(self.flows.mapping(mapping)?)
    }
}

/// A summary in which the remote end of an ICMP query has no port.
fn inbound_summary(transport: &Transport<'_>, ip: &ipv4::Header) -> Summary {
    let mut summary = transport.summary(ip);
    if summary.proto == Proto::Icmp {
        summary.source.port = 0;
    }
    summary
}
