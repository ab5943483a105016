//! What is decided on a packet from inside. `commit` carries it out.

use crate::nat::effect::Effect;
use crate::state::tcp::Tcp;
use crate::state::{
    Endpoint, Inside, InsideTuple, Mapping, MappingRoom, NewMapping, Session, Tokens,
};
use crate::table::{SlotIndex, Vacancy, Width};

/// The number that no external address has.
pub(in crate::nat) const NO_EXTERNAL: u8 = u8::MAX;

/// What the receiver of a hairpinned packet has in the tables, which is not evicted for the sender's
/// session. Any other packet has no such receiver.
#[derive(Clone, Copy, Debug)]
pub(in crate::nat) struct Received<W> {
    /// The mapping that the packet goes to, unless it is the sender's own.
    pub(in crate::nat) mapping: Option<SlotIndex<W>>,
    /// The session with the sender.
    pub(in crate::nat) session: Option<SlotIndex<W>>,
}

impl<W: Width> Received<W> {
    pub(in crate::nat) const NONE: Self = Self {
        mapping: None,
        session: None,
    };

    /// Whether the receiver needs the session in `slot`: it is the one with the sender, or the last
    /// of a mapping that ends with it.
    pub(super) fn needs(
        &self,
        slot: SlotIndex<W>,
        session: &Session<W>,
        mapping: &Mapping<W>,
    ) -> bool {
        // A static mapping may end: the configuration gives the same receiver without it.
        let is_last = self.mapping == Some(session.mapping) && mapping.sessions.get() == 1;
        self.session == Some(slot) || is_last && mapping.is_dynamic()
    }
}

/// A session from inside that can be made. Its mapping may have to be made too, and another session
/// may have to be evicted.
pub(in crate::nat) struct Reservation<'s, W> {
    pub(in crate::nat) tuple: &'s InsideTuple,
    pub(in crate::nat) begin: Tcp,
    /// The endpoint that its packets leave from.
    pub(in crate::nat) external: Endpoint,
    /// The room in the index of sessions.
    pub(in crate::nat) room: Vacancy,
    pub(in crate::nat) cost: Cost<W>,
    /// Its mapping, or the slot that this will have.
    pub(in crate::nat) mapping: SlotIndex<W>,
    /// Its mapping, if there is none yet.
    pub(in crate::nat) new_mapping: Option<(NewMapping, MappingRoom)>,
    /// Whether it gives permission to every port of its remote address.
    pub(in crate::nat) permission: bool,
}

/// What a session costs its host.
#[derive(Clone, Copy, Debug)]
pub(in crate::nat) struct Cost<W> {
    /// The session that is evicted for it.
    pub(in crate::nat) evicted: Option<SlotIndex<W>>,
    /// What its host has left of its rates afterwards.
    pub(in crate::nat) tokens: Option<Tokens>,
}

/// What a packet from inside does to the tables.
pub(in crate::nat) enum Action<'c, W> {
    /// It begins a session.
    Begin(Reservation<'c, W>),
    /// It passes and changes nothing.
    Pass,
    /// It opens its ended session again.
    Reopen(Effect<'c, W>, Inside, Cost<W>),
    /// It belongs to its session.
    Step(Effect<'c, W>),
}

/// The sender's half of a packet from inside.
pub(in crate::nat) struct SenderDecision<'c, W> {
    /// The endpoint that the packet leaves from.
    pub(in crate::nat) external: Endpoint,
    pub(in crate::nat) action: Action<'c, W>,
}
