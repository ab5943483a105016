//! Whether a packet from inside may pass, and what it does to the tables. Only decides: `commit`
//! carries it out.

mod decision;
mod external;
mod limits;
mod ports;
mod shortage;

use crate::packet::{Content, Summary, Transport};
use crate::policy::port_forwards::StaticMapping;
use crate::session_info::SessionState;
use crate::state::tcp::{Kind, Tcp};
use crate::state::{
    Endpoint, Host, InsideTuple, MappingKind, MappingRoom, NewMapping, Origin, Proto, Sequences,
};
use crate::table::{SlotIndex, Width};
use crate::wire::icmp::MessageClass;
use crate::wire::ipv4;
use crate::{DropReason, Filtering, Side};

use super::effect::{Effect, check_checksum};
use super::view::{Live, Lookup, View};

pub(super) use decision::{Action, Cost, NO_EXTERNAL, Received, Reservation, SenderDecision};
pub(super) use ports::PortSearch;

/// A packet from inside with the ends of its session.
pub(super) struct Sender<'p> {
    pub(super) ip: &'p ipv4::Header,
    pub(super) transport: &'p Transport<'p>,
    pub(super) summary: &'p Summary,
    pub(super) tuple: InsideTuple,
}

/// Why a packet from inside may not pass.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    Drop(DropReason),
    /// Its session may not begin, because a limit, the tables, the ports or the rules do not allow
    /// it: the host gets an error.
    Exhausted(DropReason),
    /// It belongs to no session: the host gets a RST.
    Reset,
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason)
    }
}

/// How a packet without a session may pass.
enum Opening {
    /// It begins one.
    Begin(Tcp),
    /// It passes and leaves no state: it refuses a connection that was let in without a session.
    Pass,
    /// Its session is gone, and the host should know.
    Reset,
}

/// What is needed for the session that is being decided on. Rare paths get a copy, so that all of it
/// stays in registers on the way of most.
#[derive(Clone, Copy)]
struct Request<'r, 's, W> {
    tuple: &'s InsideTuple,
    /// Its host, if that has a mapping already.
    host: Option<&'r Host<W>>,
    /// Its mapping, if there is one already.
    mapping: Option<SlotIndex<W>>,
    /// Its first state.
    state: SessionState,
    /// Whether it gives permission to every port of its remote address.
    permission: bool,
    received: Received<W>,
}

/// The mapping of a new session.
struct Placement<W> {
    /// Its slot, now or once `evicted` has ended.
    mapping: SlotIndex<W>,
    new: Option<(NewMapping, MappingRoom)>,
    external: Endpoint,
    /// The session that is evicted for it.
    evicted: Option<SlotIndex<W>>,
}

impl<'v, W: Width> View<'v, W> {
    /// Decides the sender's half of a packet from inside, whose session has not expired. If the
    /// packet is hairpinned, it must suit the receiver's session with the sender too.
    pub(super) fn decide_sender<'p>(
        self,
        sender: &'p Sender<'p>,
        received: Received<W>,
        search: &mut PortSearch<'_>,
    ) -> Result<SenderDecision<'p, W>, Refusal> {
        match self.find_session(&sender.tuple) {
            Lookup::Live(live) => self.decide_known(sender, live, &received),
            Lookup::None(mapping) => self.decide_opening(sender, mapping, received, search),
            // It ended before.
            Lookup::Expired(_) => Err(DropReason::NoSession.into()),
        }
    }

    /// The external endpoint that a packet of a live session leaves from, and what it does.
    #[inline(always)]
    pub(super) fn sender_effect<'p>(
        self,
        sender: &Sender<'p>,
        live: Live<W>,
    ) -> Result<(Endpoint, Effect<'p, W>), DropReason> {
        let external = self
            .external_endpoint(live.mapping)
            .ok_or(DropReason::AddressMissing)?;
        let effect = self.effect(live.session, Side::Inside, &sender.summary.content)?;
        effect.check_damage(sender.ip, sender.transport)?;
        Ok((external, effect))
    }

    fn decide_known<'p>(
        self,
        sender: &Sender<'p>,
        live: Live<W>,
        received: &Received<W>,
    ) -> Result<SenderDecision<'p, W>, Refusal> {
        // The sender's half first: where both halves are of one session, the receiver's follows it.
        let (external, effect) = self.sender_effect(sender, live)?;
        self.check_receiver(sender, Some(&effect), received.session)?;
        let inside = sender.tuple.inside;
        let action = match effect.opens() {
            // Only hosts have limits and rates. A connection of the router opens again at no cost.
            Some(state) if inside.origin == Origin::Host => {
                let cost = self.cost_to_reopen(self.host(inside), state, received);
                Action::Reopen(effect, inside, cost.map_err(Refusal::Exhausted)?)
            }
            Some(_) | None => Action::Step(effect),
        };
        Ok(SenderDecision { external, action })
    }

    fn decide_opening<'p>(
        self,
        sender: &'p Sender<'p>,
        mapping: Option<SlotIndex<W>>,
        received: Received<W>,
        search: &mut PortSearch<'_>,
    ) -> Result<SenderDecision<'p, W>, Refusal> {
        let open = self.open_endpoint(&sender.tuple, mapping, received.session.is_some());
        let opening = self.opening(sender, open.is_some())?;
        // A damaged packet begins no session and gets no RST. What is refused above needs no
        // checksum.
        check_checksum(sender.ip, sender.transport)?;
        // Before a port is drawn: the receiver may refuse the packet.
        self.check_receiver(sender, None, received.session)?;
        match opening {
            Opening::Begin(begin) => {
                let mappings = (mapping, received);
                let reservation = self.decide_session(&sender.tuple, &begin, mappings, search);
                let reservation = reservation.map_err(Refusal::Exhausted)?;
                Ok(SenderDecision {
                    external: reservation.external,
                    action: Action::Begin(reservation),
                })
            }
            Opening::Pass => {
                let external = open.ok_or(DropReason::NoSession)?;
                let action = Action::Pass;
                Ok(SenderDecision { external, action })
            }
            Opening::Reset => Err(Refusal::Reset),
        }
    }

    /// Refuses a hairpinned packet that the receiver's session refuses after `sent`, the effect on
    /// the sender's. The receiver's half itself is decided again after the sender's commit, which
    /// may have changed the tables.
    fn check_receiver(
        self,
        sender: &Sender<'_>,
        sent: Option<&Effect<'_, W>>,
        receiver: Option<SlotIndex<W>>,
    ) -> Result<(), DropReason> {
        let Some(session) = receiver else {
            return Ok(());
        };
        let effect = self.effect_after(sent, session, &sender.summary.content)?;
        effect.check_damage(sender.ip, sender.transport)
    }

    /// How a packet without a session may pass. `admitted` says that its receiver may have sent
    /// first, without a session.
    fn opening(self, sender: &Sender<'_>, admitted: bool) -> Result<Opening, DropReason> {
        let origin = sender.tuple.inside.origin;
        let content = &sender.summary.content;
        if let Some(begin) = self.begins(content) {
            return Ok(Opening::Begin(begin));
        }
        Ok(match *content {
            // It answers a SYN that the filter let in, which left no state.
            Content::Tcp(Kind::SynAck, segment) if admitted => Opening::Begin(Tcp::new(
                SessionState::OutsideSyn,
                Sequences::from_syn_ack(&segment),
            )),
            // It refuses such a SYN. The peer should learn that, and there is nothing to keep.
            Content::Tcp(Kind::Reset, _) if admitted => Opening::Pass,
            // It may answer a SYN that an open filter let in before it shut.
            Content::Tcp(Kind::SynAck, _) if self.has_expiry_backlog() => {
                return Err(DropReason::NoSession);
            }
            // The host knows a connection that the NAT does not, for example after a restart. No
            // RST answers a RST (RFC 9293 section 3.5.2), and nothing answers the router.
            Content::Tcp(Kind::SynAck | Kind::Fin | Kind::Other, _) if origin == Origin::Host => {
                Opening::Reset
            }
            Content::Tcp(..) | Content::IcmpQuery(_) | Content::Udp(_) => {
                return Err(DropReason::NoSession);
            }
        })
    }

    /// The first state of a session that `content` begins wherever it is sent to. `None` if it
    /// begins none, or only as an answer.
    #[inline(always)]
    pub(super) fn begins(self, content: &Content) -> Option<Tcp> {
        match *content {
            Content::Udp(_) | Content::IcmpQuery(MessageClass::Request) => {
                Some(self.first_exchange(content))
            }
            Content::Tcp(Kind::Syn, segment) => Some(Tcp::new(
                SessionState::InsideSyn,
                Sequences::from_syn(&segment),
            )),
            Content::Tcp(..) | Content::IcmpQuery(_) => None,
        }
    }

    /// Decides on a new session that begins with `begin`, of its `mapping` if it has one already,
    /// and on the session of the same host that is evicted for it, if any: never one that `received` needs.
    #[inline(never)]
    pub(super) fn decide_session<'s>(
        self,
        tuple: &'s InsideTuple,
        begin: &Tcp,
        (mapping, received): (Option<SlotIndex<W>>, Received<W>),
        search: &mut PortSearch<'_>,
    ) -> Result<Reservation<'s, W>, DropReason> {
        let request = self.request(tuple, begin.state, (mapping, received));
        let evicted = self.choose_evicted(&request)?;
        // Only the commit stores them, so a session that is refused below costs the host nothing.
        let tokens = self.tokens_after(tuple.inside.origin, request.host, mapping.is_none())?;
        let placement = match mapping {
            Some(mapping) => self.known_placement(mapping, evicted)?,
            None => self.new_placement(&request, evicted, search)?,
        };
        let (mapping, permission) = (placement.mapping, request.permission);
        // The slot of the mapping is part of the key, so the room is known only now. It stays:
        // until the commit adds the session, an eviction can only make more.
        let room = self
            .tables
            .room_for_session(mapping, tuple.remote, permission)?;
        Ok(Reservation {
            tuple,
            begin: *begin,
            external: placement.external,
            room,
            cost: Cost {
                evicted: placement.evicted,
                tokens,
            },
            mapping,
            new_mapping: placement.new,
            permission,
        })
    }

    #[inline(always)]
    fn request<'s>(
        self,
        tuple: &'s InsideTuple,
        state: SessionState,
        (mapping, received): (Option<SlotIndex<W>>, Received<W>),
    ) -> Request<'v, 's, W> {
        Request {
            tuple,
            host: self.host(tuple.inside),
            mapping,
            state,
            permission: self.needs_permission(tuple, mapping),
            received,
        }
    }

    /// Whether sessions of this mapping give permission to every port of their remote address. ICMP
    /// has no ports, and a static mapping is open to all.
    fn needs_permission(self, tuple: &InsideTuple, mapping: Option<SlotIndex<W>>) -> bool {
        let by_address = self.filtering(tuple.proto) == Filtering::AddressDependent;
        if !by_address || tuple.proto == Proto::Icmp {
            return false;
        }
        match mapping {
            Some(mapping) => !self.is_forwarded(mapping),
            None => self.static_mapping(tuple).is_none(),
        }
    }

    fn known_placement(
        self,
        mapping: SlotIndex<W>,
        evicted: Option<SlotIndex<W>>,
    ) -> Result<Placement<W>, DropReason> {
        // Its address may have drained, and the mapping has not ended yet.
        let external = self.external_endpoint(mapping);
        Ok(Placement {
            mapping,
            new: None,
            external: external.ok_or(DropReason::AddressMissing)?,
            evicted,
        })
    }

    /// Chooses the mapping of a new session. Where no port is left, the session to evict is one
    /// that has a port for it.
    #[inline(always)]
    fn new_placement(
        self,
        request: &Request<'_, '_, W>,
        evicted: Option<SlotIndex<W>>,
        search: &mut PortSearch<'_>,
    ) -> Result<Placement<W>, DropReason> {
        let tuple = request.tuple;
        let (new, room, evicted) = if tuple.untranslated {
            (UNTRANSLATED_MAPPING, None, evicted)
        } else if let Some((number, fixed)) = self.static_mapping(tuple) {
            (self.fixed_mapping(request, number, &fixed), None, evicted)
        } else {
            self.draw_mapping(request, evicted, search)?
        };
        // A known host needs no room. If the eviction ends its last mapping, the slot of the host
        // is the next that is used, so the host gets it back.
        if request.host.is_none() {
            self.tables.check_new_host(tuple.inside)?;
        }
        let room = self.tables.room_for_mapping(tuple, new, room)?;
        let external = self.external_of(tuple, new);
        let mapping = self.mapping_slot_after(evicted);
        Ok(Placement {
            mapping: mapping.ok_or(DropReason::MappingTableFull)?,
            new: Some((new, room)),
            external: external.ok_or(DropReason::AddressMissing)?,
            evicted,
        })
    }

    fn fixed_mapping(
        self,
        request: &Request<'_, '_, W>,
        external: u8,
        fixed: &StaticMapping,
    ) -> NewMapping {
        NewMapping {
            external,
            external_port: fixed.external.port,
            kind: fixed.rule.into(),
            pairs: self.pairs(request),
        }
    }

    /// Whether the external address of a host is gone, so that its next mapping gives it another.
    #[inline(always)]
    fn pairs(self, request: &Request<'_, '_, W>) -> bool {
        let pool = &self.policy.pool;
        request
            .host
            .is_some_and(|host| !pool.is_active(host.external()))
    }

    /// The external endpoint of a mapping to be.
    fn external_of(self, first: &InsideTuple, new: NewMapping) -> Option<Endpoint> {
        if first.untranslated {
            return Some(first.inside.endpoint);
        }
        Some(Endpoint {
            address: self.policy.pool.address(new.external, self.clock.now())?,
            port: new.external_port,
        })
    }

    /// The slot that a new mapping gets once `evicted` has ended, which may be the last session of
    /// its own mapping.
    fn mapping_slot_after(self, evicted: Option<SlotIndex<W>>) -> Option<SlotIndex<W>> {
        // The slot that was freed last is used first.
        let freed = evicted.and_then(|session| self.mapping_freed_by(session));
        freed.or_else(|| self.tables.next_mapping())
    }

    /// The mapping that ends with a session, if that is its last.
    fn mapping_freed_by(self, session: SlotIndex<W>) -> Option<SlotIndex<W>> {
        let slot = self.tables.session(session)?.mapping;
        let mapping = self.tables.mapping(slot)?;
        (mapping.sessions.get() == 1).then_some(slot)
    }
}

const UNTRANSLATED_MAPPING: NewMapping = NewMapping {
    external: NO_EXTERNAL,
    external_port: 0,
    kind: MappingKind::Dynamic,
    pairs: false,
};
