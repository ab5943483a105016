//! What a packet does to the session that it belongs to.

use crate::packet::{Content, Transport};
use crate::session_info::SessionState;
use crate::state::tcp::{Kind, Step, Tcp};
use crate::state::{Segment, Sequences, is_half_open};
use crate::table::{SlotIndex, Width};
use crate::wire::icmp::MessageClass;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side};

use super::view::View;

/// A decision on the tables as they are.
pub(super) trait Decision<W: Width> {
    type Outcome;

    /// Changes the tables as decided. Only `commit` calls it.
    fn carry_out(&self, nat: &mut Nat<'_, W>) -> Self::Outcome;
}

/// What a packet does to its session, on the tables that it was decided on. It can be applied only
/// through [`Pending`](super::commit::Pending).
#[derive(Debug)]
#[must_use]
pub(super) struct Effect<'c, W> {
    session: SlotIndex<W>,
    from: Side,
    content: &'c Content,
    change: Change,
}

#[derive(Debug)]
enum Change {
    /// The outside sends now, without TCP. `refreshes` says whether the timer restarts.
    Received {
        refreshes: bool,
    },
    /// The inside sends now, without TCP.
    Sent,
    Segment {
        before: SessionState,
        step: Step,
    },
}

impl Change {
    #[inline]
    fn segment(tcp: &Tcp, from: Side, kind: Kind, segment: &Segment) -> Result<Self, DropReason> {
        Ok(Self::Segment {
            before: tcp.state,
            step: tcp.step(from, kind, segment)?,
        })
    }
}

impl<W> Effect<'_, W> {
    /// The state that the session takes, if one end waits for the other's answer from now on.
    pub(super) fn opens(&self) -> Option<SessionState> {
        match &self.change {
            Change::Segment { before, step }
                if !is_half_open(*before) && is_half_open(step.state) =>
            {
                Some(step.state)
            }
            _ => None,
        }
    }

    /// Whether the packet may change more of the session than its timer and its numbers, so that its
    /// checksum must hold.
    #[inline]
    pub(super) fn needs_checksum(&self) -> bool {
        match (self.content, &self.change) {
            (Content::Tcp(..), Change::Segment { before, step }) => {
                // An acknowledgment without SYN, FIN or RST can finish a handshake or close a gap,
                // so the flags alone do not tell.
                *before != step.state || self.content.moves_state()
            }
            _ => self.content.moves_state(),
        }
    }

    /// Refuses a packet that is too damaged for what it would do. One that changes no state passes
    /// with a wrong checksum, which its receiver will see.
    pub(super) fn check_damage(
        &self,
        ip: &ipv4::Header,
        transport: &Transport<'_>,
    ) -> Result<(), DropReason> {
        if self.needs_checksum() {
            check_checksum(ip, transport)
        } else {
            Ok(())
        }
    }
}

/// Refuses a packet whose transport checksum is wrong.
pub(super) fn check_checksum(
    ip: &ipv4::Header,
    transport: &Transport<'_>,
) -> Result<(), DropReason> {
    if transport.checksum_holds(ip) {
        Ok(())
    } else {
        Err(DropReason::BadChecksum)
    }
}

impl<W: Width> View<'_, W> {
    /// What a packet from `from` does to `session`, or why it must not pass.
    #[inline]
    pub(super) fn effect<'c>(
        self,
        session: SlotIndex<W>,
        from: Side,
        content: &'c Content,
    ) -> Result<Effect<'c, W>, DropReason> {
        let state = self.tables.session(session).ok_or(DropReason::NoSession)?;
        let change = match (content, from) {
            (Content::Tcp(kind, segment), _) => {
                Change::segment(&state.tcp(), from, *kind, segment)?
            }
            (
                Content::IcmpQuery(MessageClass::Reply | MessageClass::Error | MessageClass::Other),
                Side::Inside,
            ) => {
                // An ICMP session begins with a request from inside. Other messages from there
                // belong to none.
                return Err(DropReason::NoSession);
            }
            (Content::Udp(_) | Content::IcmpQuery(_), Side::Inside) => Change::Sent,
            (Content::Udp(_) | Content::IcmpQuery(_), Side::Outside) => {
                let lifetime = self.tables.lifetime(state, content.proto());
                let refreshes = state.is_refreshed_from_outside(self.tick(), lifetime);
                Change::Received { refreshes }
            }
        };
        Ok(Effect {
            session,
            from,
            content,
            change,
        })
    }

    /// What a hairpinned packet does to the receiver's `session` once `sent`, its effect on the
    /// sender's, is applied. Both may be one session: that of a host with its own external endpoint.
    pub(super) fn effect_after<'c>(
        self,
        sent: Option<&Effect<'c, W>>,
        session: SlotIndex<W>,
        content: &'c Content,
    ) -> Result<Effect<'c, W>, DropReason> {
        let from = Side::Outside;
        let Some(Effect {
            session: sender,
            change: Change::Segment { step, .. },
            content: Content::Tcp(kind, segment),
            ..
        }) = sent
        else {
            return self.effect(session, from, content);
        };
        if *sender != session {
            return self.effect(session, from, content);
        }
        let state = self.tables.session(session).ok_or(DropReason::NoSession)?;
        // A copy: the tables do not change before the commit.
        let mut tcp = state.tcp();
        tcp.take(step, Side::Inside, segment);
        Ok(Effect {
            session,
            from,
            content,
            change: Change::segment(&tcp, from, *kind, segment)?,
        })
    }

    /// The first state of a session without TCP, of which the inside sends `content` now.
    pub(super) fn first_exchange(self, content: &Content) -> Tcp {
        Tcp::new(
            SessionState::Active,
            Sequences::asked(self.tick(), content.question()),
        )
    }
}

impl<W: Width> Decision<W> for Effect<'_, W> {
    type Outcome = ();

    #[inline]
    fn carry_out(&self, nat: &mut Nat<'_, W>) {
        let Self {
            session,
            from,
            content,
            ref change,
        } = *self;
        let now = nat.state.clock.tick();
        let tables = &mut nat.state.tables;
        match (content, change) {
            (Content::Tcp(_, segment), Change::Segment { step, .. }) => {
                let before = tables.take_step(session, step, (from, segment), now);
                if before.is_some_and(|before| before != step.state) {
                    nat.record.count_state(before, step.state);
                }
            }
            (_, Change::Received { refreshes }) => {
                if *refreshes {
                    tables.note_received(session, content.proto(), now);
                }
            }
            (_, Change::Sent) => {
                tables.note_sent(session, content.proto(), now, content.question());
            }
            // Only TCP has segments.
            (_, Change::Segment { .. }) => {}
        }
    }
}
