//! Packets from inside, and from the router's own outside stack.

use core::net::Ipv4Addr;

use crate::packet::{Content, Datagram, Summary, Transport};
use crate::policy::addresses::{is_multicast_or_broadcast, is_unicast};
use crate::reply::Error;
use crate::session_info::SessionState;
use crate::state::tcp::{Kind, Tcp};
use crate::state::{Endpoint, Inside, InsideTuple, Origin, Proto, Sequences};
use crate::table::{SlotIndex, Width};
use crate::translate::{self, End, Ttl};
use crate::wire::icmp::Class;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side, Verdict};

use crate::nat::effect::Effect;
use crate::nat::{DHCP_CLIENT, DHCP_SERVER};

/// Where a packet from inside is going.
enum Route {
    /// To the outside.
    Outside,
    /// To the external address of this number, and so back inside.
    Hairpin(u8),
    /// To the router itself.
    Local,
}

/// How a packet without a session may go on.
enum Opening {
    /// It begins one.
    Begin(Tcp),
    /// It passes, and leaves no trace: it refuses a connection that was let in and left none.
    Pass,
    /// Its session is gone, and the host should know.
    Reset,
}

/// The mapping and the session of a packet from inside, alive.
type Live<W> = (SlotIndex<W>, SlotIndex<W>);

/// The sender's half of a packet from inside: what it will do to the tables, decided and not done
/// yet.
pub(crate) enum Sending<W> {
    /// It moves its session on, and leaves from this external endpoint.
    Known(Endpoint, Effect<W>),
    /// It begins a session, of this mapping if there is one for it already.
    Begin(Option<SlotIndex<W>>, Tcp),
    /// It passes from this external endpoint, and leaves no trace.
    Pass(Endpoint),
    /// Its host gets a RST.
    Reset,
}

impl<W> Sending<W> {
    /// What it does to a session that is there already.
    pub(crate) fn effect(&self) -> Option<&Effect<W>> {
        if let Self::Known(_, effect) = self {
            Some(effect)
        } else {
            None
        }
    }
}

impl<W: Width> Nat<'_, W> {
    pub(crate) fn outbound(
        &mut self,
        datagram: Datagram<'_>,
        origin: Origin,
    ) -> Result<Verdict, Verdict> {
        let len = datagram.len();
        if origin == Origin::Router && self.is_dhcp_request(&datagram) {
            self.check_hop(datagram.ip, origin, self.config.outside_mtu)?;
            return Ok(self.forward_or_fragment(Side::Outside, datagram.ip.total_length()));
        }
        match self.route_outbound(&datagram, origin)? {
            Route::Outside => self.outbound_routed(datagram, origin),
            Route::Hairpin(external) => self.hairpin(datagram, external),
            Route::Local => {
                self.check_inside_ping(&datagram)?;
                Ok(Verdict::Local {
                    side: Side::Inside,
                    len,
                })
            }
        }
    }

    fn route_outbound(&self, datagram: &Datagram<'_>, origin: Origin) -> Result<Route, DropReason> {
        let ip = &datagram.ip;
        match origin {
            Origin::Host => {
                if let Some(local) = self.check_host(datagram)? {
                    return Ok(local);
                }
            }
            Origin::Router if self.external_number(ip.source()).is_none() => {
                return Err(DropReason::SpoofedSource);
            }
            Origin::Router => {}
        }
        let destination = ip.destination();
        if !is_unicast(destination) {
            Err(if is_multicast_or_broadcast(destination) {
                DropReason::Broadcast
            } else {
                DropReason::Martian
            })
        } else if let Some(external) = self.external_number(destination) {
            if origin == Origin::Host {
                Ok(Route::Hairpin(external))
            } else {
                Err(DropReason::Hairpin)
            }
        } else if self
            .config
            .inside
            .contains(Ipv4Addr::from_bits(destination))
            && !self.networks_overlap()
        {
            Err(DropReason::InsideDestination)
        } else {
            Ok(Route::Outside)
        }
    }

    /// Whether the source is one of an inside host, and whether the packet is for the router.
    fn check_host(&self, datagram: &Datagram<'_>) -> Result<Option<Route>, DropReason> {
        let (ip, inside) = (&datagram.ip, &self.config.inside);
        let (source, destination) = (
            Ipv4Addr::from_bits(ip.source()),
            Ipv4Addr::from_bits(ip.destination()),
        );
        if source == destination {
            return Err(DropReason::Land);
        }
        // A DHCP client asks by broadcast while it has no address, and goes on to do so from the
        // address that it had in another network (RFC 2131 section 4.3.2, REBINDING): only
        // the server can tell it that the address is wrong here.
        if destination.is_broadcast() && datagram.udp_ports() == Some((DHCP_CLIENT, DHCP_SERVER)) {
            let of_a_client =
                source.is_unspecified() || source.is_link_local() || is_unicast(source.to_bits());
            if of_a_client && source != inside.address() {
                return Ok(Some(Route::Local));
            }
        }
        if !is_unicast(source.to_bits()) {
            return Err(DropReason::Martian);
        }
        if !inside.is_host(source) || source == inside.address() {
            return Err(DropReason::SpoofedSource);
        }
        let ours = inside.contains(destination)
            && (destination == inside.address() || Some(destination) == inside.broadcast());
        Ok((ours || destination.is_broadcast()).then_some(Route::Local))
    }

    fn outbound_routed(
        &mut self,
        datagram: Datagram<'_>,
        origin: Origin,
    ) -> Result<Verdict, Verdict> {
        if datagram.ip.fragment_offset() != 0 {
            return self.later_fragment(datagram, Side::Inside);
        }
        self.check_first_fragment(&datagram, Side::Inside)?;
        if !datagram.is_translatable() {
            return Err(self.reply_unknown_protocol(datagram.ip, origin));
        }
        let (ip, transport) = datagram.transport()?;
        if let Transport::Icmp(header, body) = transport {
            match header.class() {
                Class::Error => Ok(self.error_outbound(ip, header, body, origin)?),
                Class::Other => Err(DropReason::UnknownIcmpType.into()),
                Class::Reply if self.has_own_address(ip.source()) => self.reply_outbound(ip),
                Class::Reply if self.answers_ping(ip, header, origin) => self.ping_outbound(ip),
                Class::Request | Class::Reply => {
                    self.flow_outbound(ip, Transport::Icmp(header, body), origin)
                }
            }
        } else {
            self.flow_outbound(ip, transport, origin)
        }
    }

    fn flow_outbound(
        &mut self,
        ip: &mut ipv4::Header,
        mut transport: Transport<'_>,
        origin: Origin,
    ) -> Result<Verdict, Verdict> {
        let summary = outbound_summary(&transport, ip);
        let tuple = self.outbound_tuple(&summary, origin);
        self.check_way_out(ip, &tuple)?;
        let external = self.process_sender(ip, &transport, &summary, &tuple)?;
        self.clamp_mss(&mut transport);
        translate::rewrite(ip, transport, End::Source, external, ttl_of(origin));
        if !tuple.untranslated {
            self.renew_id(ip);
        }
        Ok(self.forward_or_fragment(Side::Outside, ip.total_length()))
    }

    /// The ends of the session that a packet from inside is of.
    pub(crate) fn outbound_tuple(&self, summary: &Summary, origin: Origin) -> InsideTuple {
        let Summary {
            proto,
            source: endpoint,
            destination: remote,
            ..
        } = *summary;
        self.inside_tuple(proto, Inside { origin, endpoint }, remote)
    }

    pub(crate) fn inside_tuple(
        &self,
        proto: Proto,
        inside: Inside,
        remote: Endpoint,
    ) -> InsideTuple {
        let port = (proto != Proto::Icmp).then_some(remote.port);
        // An external address is the router's own, whatever network it is of.
        let untranslated = inside.origin == Origin::Host
            && self.config.is_untranslated(remote.address, port)
            && self.external_number(remote.address).is_none();
        InsideTuple {
            proto,
            inside,
            remote,
            untranslated,
        }
    }

    /// What speaks against sending a packet out at all: its time to live, the lack of an external
    /// address, its size.
    fn check_way_out(&mut self, ip: &ipv4::Header, tuple: &InsideTuple) -> Result<(), Verdict> {
        let origin = tuple.inside.origin;
        if self.pool.is_empty() && !tuple.untranslated {
            return Err(self.reply_icmp(
                ip,
                origin,
                DropReason::AddressMissing,
                Error::NetUnreachable,
            ));
        }
        self.check_hop(ip, origin, self.config.outside_mtu)
    }

    /// What speaks against one hop more: the packet's time to live, and its size against the `mtu`
    /// of the next link.
    pub(crate) fn check_hop(
        &mut self,
        ip: &ipv4::Header,
        origin: Origin,
        mtu: u16,
    ) -> Result<(), Verdict> {
        if origin == Origin::Host && ip.ttl() <= 1 {
            return Err(self.reply_icmp(ip, origin, DropReason::TtlExpired, Error::TimeExceeded));
        }
        if ip.total_length() > mtu && ip.dont_fragment() {
            return Err(self.reply_icmp(
                ip,
                origin,
                DropReason::PacketTooBig,
                Error::FragmentationNeeded { mtu },
            ));
        }
        Ok(())
    }

    /// The sender's half of a packet from inside whose other half changes nothing: moves its
    /// session on, or opens it. Returns the external endpoint that the packet leaves from;
    /// without one it changes nothing.
    pub(crate) fn process_sender(
        &mut self,
        ip: &ipv4::Header,
        transport: &Transport<'_>,
        summary: &Summary,
        tuple: &InsideTuple,
    ) -> Result<Endpoint, Verdict> {
        let live = self.session_outbound(tuple);
        if let Some(live) = live {
            let (external, effect) = self.sending_on(ip, transport, summary, live)?;
            if effect.opens().is_none() {
                self.apply(effect, Side::Inside, &summary.content);
                return Ok(external);
            }
        }
        let sending = self.sending(ip, transport, summary, (tuple, live, false))?;
        self.commit_sending(ip, summary, (tuple, None), sending)
    }

    /// The mapping and the live session of a packet. A session found dead ends here, because its
    /// place is needed, and its mapping may end with it: so this comes before anything else is
    /// decided.
    pub(crate) fn session_outbound(&mut self, tuple: &InsideTuple) -> Option<Live<W>> {
        let mapping = self.tables.mapping_of_inside(tuple)?;
        let session = self.tables.find_session(mapping, tuple.remote)?;
        if self.tables.is_live(session, self.tick()) {
            return Some((mapping, session));
        }
        if let Some(ended) = self.tables.end_session(session) {
            self.events().expired(ended);
        }
        None
    }

    /// Decides the sender's half of a packet from inside, whose mapping and session are `live` if
    /// it has them. Changes nothing. `expected` says that the receiver waits for an answer of
    /// this sender.
    pub(crate) fn sending(
        &self,
        ip: &ipv4::Header,
        transport: &Transport<'_>,
        summary: &Summary,
        (tuple, live, expected): (&InsideTuple, Option<Live<W>>, bool),
    ) -> Result<Sending<W>, DropReason> {
        if let Some(live) = live {
            let (external, effect) = self.sending_on(ip, transport, summary, live)?;
            return Ok(Sending::Known(external, effect));
        }
        let mapping = self.tables.mapping_of_inside(tuple);
        let open = self.open_endpoint(tuple, mapping, expected);
        let opening = self.opening(summary, open.is_some(), tuple.inside.origin)?;
        if !transport.checksum_holds(ip) {
            return Err(DropReason::BadChecksum);
        }
        Ok(match opening {
            Opening::Begin(begin) => Sending::Begin(mapping, begin),
            Opening::Pass => Sending::Pass(open.ok_or(DropReason::NoSession)?),
            Opening::Reset => Sending::Reset,
        })
    }

    /// The same of a packet that has a mapping and a session: the external endpoint that it leaves
    /// from, and what it does.
    #[inline(always)]
    fn sending_on(
        &self,
        ip: &ipv4::Header,
        transport: &Transport<'_>,
        summary: &Summary,
        (mapping, session): Live<W>,
    ) -> Result<(Endpoint, Effect<W>), DropReason> {
        let external = self
            .external_endpoint(mapping)
            .ok_or(DropReason::AddressMissing)?;
        let effect = self.effect(session, Side::Inside, &summary.content)?;
        Self::check_damage(ip, transport, summary, Some(&effect))?;
        Ok((external, effect))
    }

    /// Does what [`Nat::sending`] has decided, if nothing has changed the tables since. No other
    /// session ends to make room than one of the sender's own, and never the `receiver`'s.
    /// Returns the external endpoint that the packet leaves from; without one it changes
    /// nothing.
    pub(crate) fn commit_sending(
        &mut self,
        ip: &ipv4::Header,
        summary: &Summary,
        (tuple, receiver): (&InsideTuple, Option<SlotIndex<W>>),
        sending: Sending<W>,
    ) -> Result<Endpoint, Verdict> {
        match sending {
            Sending::Known(external, effect) => {
                if let Some(state) = effect.opens() {
                    let reopened = self.reopen(tuple.inside, state, receiver);
                    reopened.map_err(|reason| self.reject_opening(ip, summary, tuple, reason))?;
                }
                self.apply(effect, Side::Inside, &summary.content);
                Ok(external)
            }
            Sending::Begin(mapping, begin) => match self.reserve(tuple, mapping, begin, receiver) {
                Ok(reservation) => Ok(self.commit(reservation)),
                Err(reason) => Err(self.reject_opening(ip, summary, tuple, reason)),
            },
            Sending::Pass(external) => Ok(external),
            Sending::Reset => Err(self.reset(summary)),
        }
    }

    /// The verdict on a packet whose session may not begin, or not begin again.
    fn reject_opening(
        &mut self,
        ip: &ipv4::Header,
        summary: &Summary,
        tuple: &InsideTuple,
        reason: DropReason,
    ) -> Verdict {
        self.emit_refusal(summary, reason);
        self.reply_exhausted(ip, tuple.inside.origin, reason)
    }

    /// The external endpoint through which the remote end may have sent first, unseen.
    pub(crate) fn open_endpoint(
        &self,
        tuple: &InsideTuple,
        mapping: Option<SlotIndex<W>>,
        expected: bool,
    ) -> Option<Endpoint> {
        match mapping {
            Some(mapping) if expected || self.admits(mapping, tuple.remote.address) => {
                self.external_endpoint(mapping)
            }
            Some(_) => None,
            None => self.static_mapping(tuple).map(|(_, fixed)| fixed.external),
        }
    }

    /// How a packet without a session may go on. `admitted` says that its receiver may have sent
    /// first, unseen.
    fn opening(
        &self,
        summary: &Summary,
        admitted: bool,
        origin: Origin,
    ) -> Result<Opening, DropReason> {
        Ok(match summary.content {
            Content::Udp(_) | Content::IcmpQuery(Class::Request) => {
                Opening::Begin(self.active(&summary.content))
            }
            Content::Tcp(Kind::Syn, segment) => Opening::Begin(Tcp::new(
                SessionState::InsideSyn,
                Sequences::from_syn(&segment),
            )),
            Content::Tcp(Kind::SynAck, segment) if admitted => Opening::Begin(Tcp::new(
                SessionState::OutsideSyn,
                Sequences::from_syn_ack(&segment),
            )),
            Content::Tcp(Kind::Reset, _) if admitted => Opening::Pass,
            // It may answer a SYN that an open filter let in before it shut.
            Content::Tcp(Kind::SynAck, _) if self.has_expiry_backlog() => {
                return Err(DropReason::NoSession);
            }
            Content::Tcp(Kind::SynAck | Kind::Fin | Kind::Other, _) if origin == Origin::Host => {
                Opening::Reset
            }
            Content::Tcp(..) | Content::IcmpQuery(_) => return Err(DropReason::NoSession),
        })
    }

    pub(crate) fn external_endpoint(&self, mapping: SlotIndex<W>) -> Option<Endpoint> {
        let mapping = self.tables.mapping(mapping)?;
        if mapping.is_untranslated() {
            return self.tables.inside(mapping).map(|inside| inside.endpoint);
        }
        Some(Endpoint {
            address: self.pool.address(mapping.external, self.now)?,
            port: mapping.external_port,
        })
    }

    /// Whether a packet of the router's own is its DHCP client's (RFC 2131).
    fn is_dhcp_request(&self, datagram: &Datagram<'_>) -> bool {
        let source = datagram.ip.source();
        let ours = || {
            Ipv4Addr::from_bits(source).is_unspecified() || self.external_number(source).is_some()
        };
        self.config.dhcp_client
            && datagram.udp_ports() == Some((DHCP_CLIENT, DHCP_SERVER))
            && ours()
    }
}

pub(crate) fn ttl_of(origin: Origin) -> Ttl {
    match origin {
        Origin::Host => Ttl::Decrement,
        Origin::Router => Ttl::Keep,
    }
}

/// A summary in which the remote end of an ICMP query has no port.
pub(crate) fn outbound_summary(transport: &Transport<'_>, ip: &ipv4::Header) -> Summary {
    let mut summary = transport.summary(ip);
    if summary.proto == Proto::Icmp {
        summary.destination.port = 0;
    }
    summary
}
