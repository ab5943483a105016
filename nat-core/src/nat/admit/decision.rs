//! What is decided on a packet from inside. `commit` carries it out.

use crate::nat::effect::Effect;
use crate::state::tcp::Tcp;
use crate::state::{Endpoint, Inside, InsideTuple, MappingRoom, NewMapping, Tokens};
use crate::table::{SlotIndex, Vacancy};

/// The number that no external address has.
pub(in crate::nat) const NO_EXTERNAL: u8 = u8::MAX;

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
