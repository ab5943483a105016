//! The changes that packets make to the tables.
//!
//! A decision is made on a [`View`], which cannot write. [`Nat::settle`] commits it at once.
//! [`Nat::step`] returns it as a [`Pending`], which holds the engine's exclusive borrow: until it is
//! committed or dropped, nothing else can change the tables that it depends on. A commit cannot
//! fail.

use crate::packet::Content;
use crate::state::{
    Endpoint, ExternalPort, Inside, InsideTuple, MappingRoom, NewMapping, NewSession, Tokens,
    is_half_open,
};
use crate::table::{SlotIndex, Width};
use crate::{DropReason, Nat, Side};

use super::admit::{Action, PortSearch, Reservation, Sender, SenderDecision};
use super::effect::{Decision, Effect};
use super::view::{Live, Lookup, View};

/// A decision, with the exclusive borrow of the engine that it was made on.
#[must_use]
pub(super) struct Pending<'n, 't, W: Width, D> {
    nat: &'n mut Nat<'t, W>,
    decision: D,
}

impl<W: Width, D: Decision<W>> Pending<'_, '_, W, D> {
    #[inline]
    pub(super) fn decision(&self) -> &D {
        &self.decision
    }

    #[inline]
    pub(super) fn commit(self) -> D::Outcome {
        self.decision.carry_out(self.nat)
    }
}

impl<W: Width> Decision<W> for SenderDecision<'_, W> {
    type Outcome = Endpoint;

    fn carry_out(&self, nat: &mut Nat<'_, W>) -> Endpoint {
        match &self.action {
            Action::Begin(reservation) => nat.begin(reservation),
            Action::Pass => {}
            Action::Reopen(effect, inside, cost) => {
                // Neither this session nor its mapping ends: the session is finished in the tables,
                // and only one that is half open is evicted for it.
                nat.evict(cost.evicted, None);
                nat.take_tokens(*inside, cost.tokens);
                effect.carry_out(nat);
            }
            Action::Step(effect) => effect.carry_out(nat),
        }
        self.external
    }
}

/// A decision to refuse a packet changes nothing.
impl<W: Width, D: Decision<W>, E: Copy> Decision<W> for Result<D, E> {
    type Outcome = Result<D::Outcome, E>;

    #[inline]
    fn carry_out(&self, nat: &mut Nat<'_, W>) -> Result<D::Outcome, E> {
        match self {
            Ok(decision) => Ok(decision.carry_out(nat)),
            Err(refusal) => Err(*refusal),
        }
    }
}

impl<W: Width> Decision<W> for Reservation<'_, W> {
    type Outcome = Endpoint;

    #[inline]
    fn carry_out(&self, nat: &mut Nat<'_, W>) -> Endpoint {
        nat.begin(self);
        self.external
    }
}

impl<'t, W: Width> Nat<'t, W> {
    /// Decides what a packet does to its session.
    #[inline]
    pub(super) fn step<'n, 'c>(
        &'n mut self,
        session: SlotIndex<W>,
        from: Side,
        content: &'c Content,
    ) -> Result<Pending<'n, 't, W, Effect<'c, W>>, DropReason> {
        let decision = self.view().effect(session, from, content)?;
        Ok(Pending {
            nat: self,
            decision,
        })
    }

    /// Decides what a packet from inside does to its live session. Returns the external endpoint
    /// that it leaves from too.
    #[inline]
    pub(super) fn step_sender<'n, 'p>(
        &'n mut self,
        sender: &Sender<'p>,
        live: Live<W>,
    ) -> Result<(Endpoint, Pending<'n, 't, W, Effect<'p, W>>), DropReason> {
        let (external, decision) = self.view().sender_effect(sender, live)?;
        let pending = Pending {
            nat: self,
            decision,
        };
        Ok((external, pending))
    }

    /// Decides on a packet that may begin a session, and commits the decision. `decide` may be
    /// called twice.
    ///
    /// The decision is committed where it was written: to move it would take 90 instructions on a
    /// Cortex-M4.
    #[inline]
    pub(super) fn settle<D: Decision<W>>(
        &mut self,
        decide: impl Fn(View<'_, W>, &mut PortSearch<'_>) -> D,
    ) -> D::Outcome {
        let Self { state, ports, .. } = self;
        let mut search = PortSearch::new(ports);
        let mut decision = decide(View(state), &mut search);
        if search.counted_overdue {
            // Quarantine entries that are over still counted as waiting. Each is released once, so
            // this is rare.
            let tick = state.clock.tick();
            state.quarantine.release_overdue(tick, usize::MAX);
            // No entry is overdue any more, so there is no third decision.
            search = PortSearch::new(ports);
            decision = decide(View(state), &mut search);
        }
        if search.failed {
            self.record.count_port_error();
        }
        decision.carry_out(self)
    }

    /// Ends the session of a packet if it has expired, and with it maybe its mapping. This comes
    /// before a new session is decided on, because that needs its slot, its port and its key.
    pub(super) fn end_if_expired(&mut self, found: Lookup<W>) -> Option<Live<W>> {
        match found {
            Lookup::Live(live) => Some(live),
            Lookup::Expired(session) => {
                if let Some(ended) = self.state.tables.end_session(session) {
                    self.events().expired(ended);
                }
                None
            }
            Lookup::None(_) => None,
        }
    }

    fn begin(&mut self, reservation: &Reservation<'_, W>) {
        let Reservation {
            tuple,
            ref begin,
            external: _,
            room,
            cost,
            mapping,
            new_mapping,
            permission,
        } = *reservation;
        // First, because the decision counts on the slots and the port that this frees. The mapping
        // of the new session may have had no other session than the evicted one.
        self.evict(cost.evicted, new_mapping.is_none().then_some(mapping));
        if let Some((new, room)) = new_mapping {
            self.add_mapping(tuple, new, room);
        }
        let session = NewSession {
            mapping,
            remote: tuple.remote,
            begin,
            permission,
            room,
        };
        let tick = self.state.clock.tick();
        self.state.tables.add_session(&session, tick);
        // After the mapping, with which a new host gets its entry.
        self.take_tokens(tuple.inside, cost.tokens);
        self.record.count_session(tuple.proto, begin.state);
    }

    /// Adds a mapping for its `first` session. Its port leaves the quarantine: a port forward may
    /// use one that waits, and other entries may be over without having been released.
    fn add_mapping(&mut self, first: &InsideTuple, new: NewMapping, room: MappingRoom) {
        self.state.quarantine.release(ExternalPort {
            proto: first.proto,
            external: new.external,
            port: new.external_port,
        });
        // Cannot fail: the decision found a slot for the mapping and its host, and room in the
        // indexes.
        self.state.tables.add_mapping(first, new, room);
        self.record.count_mapping();
        if new.pairs {
            self.state
                .tables
                .set_host_external(first.inside, new.external);
        }
        // The host has its entry now. Its block is reported before the first mapping in it.
        self.assign_block(first.inside, new);
        self.events().created(first, new);
    }

    /// Ends the session that is evicted. The mapping at `kept`, which is about to get a session,
    /// stays.
    fn evict(&mut self, evicted: Option<SlotIndex<W>>, kept: Option<SlotIndex<W>>) {
        let Some(session) = evicted else { return };
        let Some(ended) = self.state.tables.end_session_but(session, kept) else {
            return;
        };
        self.events().ended(ended);
        self.record.count_evicted(is_half_open(ended.state));
    }

    /// Notes what a host, which has a mapping now, has taken of its rates.
    fn take_tokens(&mut self, inside: Inside, tokens: Option<Tokens>) {
        let Some(tokens) = tokens else { return };
        let tables = &mut self.state.tables;
        if let Some(host) = tables.host_mut(inside.origin, inside.endpoint.address) {
            host.tokens = tokens;
        }
    }
}
