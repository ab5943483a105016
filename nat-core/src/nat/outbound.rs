//! Packets toward the outside.

use core::net::Ipv4Addr;

use crate::packet::{Content, Datagram, Summary, Transport};
use crate::policy::addresses::{is_martian, is_multicast_or_broadcast};
use crate::reply::{Error, Reply};
use crate::session_info::SessionState;
use crate::state::tcp::{self, Effect, Kind};
use crate::state::{Endpoint, Inside, Origin, Proto, Sequences};
use crate::table::Link;
use crate::translate::{self, End, Hop, mss};
use crate::wire::icmp::Class;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side, Verdict};

/// Where a packet from inside is going.
enum Route {
    /// To the outside.
    Across,
    /// To the router itself.
    Local,
}

impl Nat<'_> {
    pub(super) fn outbound(&mut self, datagram: Datagram<'_>, origin: Origin) -> Verdict {
        let len = datagram.len();
        let route = match origin {
            Origin::Host => self.route_from_host(datagram.ip),
            Origin::Router => self.route_from_router(datagram.ip),
        };
        match route {
            Ok(Route::Local) => Verdict::Local { side: Side::Inside, len },
            Ok(Route::Across) => self.across(datagram, origin).unwrap_or_else(Verdict::Drop),
            Err(_) if origin == Origin::Router && self.is_dhcp_request(&datagram) => {
                Verdict::Forward { to: Side::Outside, len }
            }
            Err(reason) => Verdict::Drop(reason),
        }
    }

    fn route_from_host(&self, ip: &ipv4::Header) -> Result<Route, DropReason> {
        let inside = &self.config.inside;
        let (source, destination) = (Ipv4Addr::from_bits(ip.source()), Ipv4Addr::from_bits(ip.destination()));
        if source == destination {
            return Err(DropReason::Land);
        }
        // A host that has no address yet asks for one by broadcast.
        let unconfigured = source.is_unspecified();
        if !unconfigured && (is_martian(ip.source()) || is_multicast_or_broadcast(ip.source())) {
            return Err(DropReason::Martian);
        }
        if !unconfigured && (!inside.is_host(source) || source == inside.address()) {
            return Err(DropReason::SpoofedSource);
        }
        if destination == inside.address() || destination.is_broadcast() || Some(destination) == inside.broadcast() {
            return Ok(Route::Local);
        }
        if unconfigured {
            return Err(DropReason::Martian);
        }
        self.check_destination(ip)
    }

    fn route_from_router(&self, ip: &ipv4::Header) -> Result<Route, DropReason> {
        if self.external_number(ip.source()).is_none() {
            return Err(DropReason::SpoofedSource);
        }
        self.check_destination(ip)
    }

    /// Whether a packet may go to the outside with this destination.
    fn check_destination(&self, ip: &ipv4::Header) -> Result<Route, DropReason> {
        let destination = Ipv4Addr::from_bits(ip.destination());
        if is_multicast_or_broadcast(ip.destination()) {
            Err(DropReason::Broadcast)
        } else if is_martian(ip.destination()) {
            Err(DropReason::Martian)
        } else if self.external_number(ip.destination()).is_some() {
            Err(DropReason::Hairpin)
        } else if self.config.inside.contains(destination) && !self.config.networks_overlap() {
            Err(DropReason::InsideDestination)
        } else {
            Ok(Route::Across)
        }
    }

    fn across(&mut self, datagram: Datagram<'_>, origin: Origin) -> Result<Verdict, DropReason> {
        if datagram.ip.is_fragment() {
            return Err(DropReason::Fragment);
        }
        if origin == Origin::Router && self.is_dhcp_request(&datagram) {
            return Ok(Verdict::Forward { to: Side::Outside, len: datagram.len() });
        }
        let (ip, transport) = datagram.transport()?;
        if let Transport::Icmp(header, body) = transport {
            match header.class() {
                Class::Error => self.error_outbound(ip, header, body, origin),
                Class::Other => Err(DropReason::UnknownIcmpType),
                Class::Request | Class::Reply => self.flow_outbound(ip, Transport::Icmp(header, body), origin),
            }
        } else {
            self.flow_outbound(ip, transport, origin)
        }
    }

    fn flow_outbound(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        origin: Origin,
    ) -> Result<Verdict, DropReason> {
        if let Some(verdict) = self.check_way_out(ip, origin)? {
            return Ok(verdict);
        }
        let summary = outbound_summary(&transport, ip);
        let Some((mapping, session)) = self.session_outbound(&summary, origin) else {
            return self.open(ip, transport, &summary, origin);
        };
        if matches!(summary.content, Content::Segment(kind, _) if kind != Kind::Other) && !transport.checksum_holds(ip)
        {
            return Err(DropReason::BadChecksum);
        }
        self.track(session, Side::Inside, &summary)?;
        self.leave_by(mapping, ip, transport, origin)
    }

    /// What speaks against sending a packet out at all: its time to live, the lack of an external address, its size.
    fn check_way_out(&mut self, ip: &ipv4::Header, origin: Origin) -> Result<Option<Verdict>, DropReason> {
        let mtu = self.config.outside_mtu;
        let (reason, error) = if origin == Origin::Host && ip.ttl() <= 1 {
            (DropReason::TtlExpired, Some(Error::TimeExceeded))
        } else if self.config.external_addresses.is_empty() {
            (DropReason::AddressMissing, Some(Error::NetUnreachable))
        } else if ip.total_length() > mtu {
            (DropReason::PacketTooBig, ip.dont_fragment().then_some(Error::FragmentationNeeded { mtu }))
        } else {
            return Ok(None);
        };
        self.refuse(ip, origin, reason, error).map(Some)
    }

    /// Answers a packet from a host with `error`; drops it silently when there is none, or when the router sent it.
    pub(super) fn refuse(
        &mut self,
        ip: &ipv4::Header,
        origin: Origin,
        reason: DropReason,
        error: Option<Error>,
    ) -> Result<Verdict, DropReason> {
        match error {
            Some(error) if origin == Origin::Host => Ok(self.reject(Side::Inside, ip, reason, error)),
            _ => Err(reason),
        }
    }

    /// The mapping and the live session of a packet. A session found dead ends here, because its place is needed.
    fn session_outbound(&mut self, summary: &Summary, origin: Origin) -> Option<(Link, Link)> {
        let mapping = self.flows.mapping_of_inside(summary.proto, Inside { origin, endpoint: summary.source })?;
        let session = self.flows.find_session(mapping, summary.destination)?;
        if self.flows.live_session(mapping, summary.destination, self.tick()).is_some() {
            return Some((mapping, session));
        }
        if let Some(ended) = self.flows.end_session(session) {
            super::count_expired(&mut self.stats, ended);
        }
        None
    }

    /// Opens a session for a packet that has none, if it is one that may.
    fn open(
        &mut self,
        ip: &mut ipv4::Header,
        transport: Transport<'_>,
        summary: &Summary,
        origin: Origin,
    ) -> Result<Verdict, DropReason> {
        let mapping = self.flows.mapping_of_inside(summary.proto, Inside { origin, endpoint: summary.source });
        let admitted = mapping.is_some_and(|mapping| self.admits(mapping, summary.destination.address));
        let begin = match summary.content {
            Content::Datagram | Content::Query(Class::Request) => {
                (SessionState::Active, Sequences::last_sent(self.tick()))
            }
            Content::Segment(Kind::Syn, segment) => (SessionState::InsideSyn, Sequences::from_syn(&segment)),
            Content::Segment(Kind::SynAck, segment) if admitted => {
                (SessionState::OutsideSyn, Sequences::from_syn_ack(&segment))
            }
            // A refused connection: the answer to a SYN that was let in and left no trace.
            Content::Segment(Kind::Reset, _) if admitted => {
                return self.leave_by(mapping.ok_or(DropReason::NoSession)?, ip, transport, origin);
            }
            Content::Segment(Kind::SynAck | Kind::Fin | Kind::Other, _) if origin == Origin::Host => {
                return Ok(Verdict::Reject(Reply::reset(DropReason::NoSession, ip.source())));
            }
            Content::Segment(..) | Content::Query(_) => return Err(DropReason::NoSession),
        };
        if !transport.checksum_holds(ip) {
            return Err(DropReason::BadChecksum);
        }
        match self.admit(summary, mapping, begin, origin) {
            Ok(mapping) => self.leave_by(mapping, ip, transport, origin),
            Err(reason) => self.refuse(ip, origin, reason, Some(Error::AdministrativelyProhibited)),
        }
    }

    /// Sends a packet out from the external endpoint of `mapping`.
    fn leave_by(
        &self,
        mapping: Link,
        ip: &mut ipv4::Header,
        mut transport: Transport<'_>,
        origin: Origin,
    ) -> Result<Verdict, DropReason> {
        let external = self.external_endpoint(mapping).ok_or(DropReason::AddressMissing)?;
        self.clamp_mss(&mut transport);
        translate::rewrite(ip, transport, End::Source, external, hop(origin));
        Ok(Verdict::Forward { to: Side::Outside, len: usize::from(ip.total_length()) })
    }

    pub(super) fn external_endpoint(&self, mapping: Link) -> Option<Endpoint> {
        let mapping = self.flows.mapping(mapping)?;
        Some(Endpoint { address: self.external_address(mapping.external)?, port: mapping.external_port })
    }

    /// Does to a session what a packet of it does, and drops the packet if it is none of it.
    pub(super) fn track(&mut self, link: Link, from: Side, summary: &Summary) -> Result<(), DropReason> {
        let effect = self.effect(link, from, summary)?;
        self.apply(link, &effect);
        Ok(())
    }

    /// What a packet does to its session.
    pub(super) fn effect(&self, link: Link, from: Side, summary: &Summary) -> Result<Effect, DropReason> {
        let session = self.flows.session(link).ok_or(DropReason::NoSession)?;
        match (summary.content, from) {
            (Content::Segment(kind, segment), _) => {
                tcp::effect(session.state, &session.sequences, from, kind, &segment)
            }
            (Content::Query(Class::Reply | Class::Error | Class::Other), Side::Inside) => Err(DropReason::NoSession),
            (Content::Datagram | Content::Query(_), Side::Inside) => {
                Ok(Effect { state: session.state, sequences: Sequences::last_sent(self.tick()), refresh: true })
            }
            (Content::Datagram | Content::Query(_), Side::Outside) => {
                let silent = self.tick().wrapping_sub(session.sequences.when_last_sent());
                let refresh = silent < self.flows.lifetime(session);
                Ok(Effect { state: session.state, sequences: session.sequences, refresh })
            }
        }
    }

    pub(super) fn apply(&mut self, link: Link, effect: &Effect) {
        let Effect { state, sequences, refresh } = *effect;
        let before = self.flows.session(link).map(|session| session.state);
        if refresh {
            self.flows.refresh(link, state, sequences, self.tick());
        } else {
            self.flows.note(link, sequences);
        }
        if state != SessionState::Active {
            self.count_state(before, state);
        }
    }

    pub(super) fn clamp_mss(&self, transport: &mut Transport<'_>) {
        const HEADERS: u16 = 40;
        if let Transport::Tcp(header, body) = transport
            && self.config.mss_clamp
            && header.flags().contains(crate::wire::tcp::Flags::SYN)
        {
            let mtu = self.config.inside_mtu.min(self.config.outside_mtu);
            mss::clamp(header, body, mtu.saturating_sub(HEADERS));
        }
    }

    /// Whether a packet of the router's own is its DHCP client's (RFC 2131).
    fn is_dhcp_request(&self, datagram: &Datagram<'_>) -> bool {
        self.config.dhcp_client && datagram.udp_ports() == Some((super::DHCP_CLIENT, super::DHCP_SERVER))
    }
}

pub(super) fn hop(origin: Origin) -> Hop {
    match origin {
        Origin::Host => Hop::Counted,
        Origin::Router => Hop::Uncounted,
    }
}

/// A summary in which the remote end of an ICMP query has no port.
fn outbound_summary(transport: &Transport<'_>, ip: &ipv4::Header) -> Summary {
    let mut summary = transport.summary(ip);
    if summary.proto == Proto::Icmp {
        summary.destination.port = 0;
    }
    summary
}
