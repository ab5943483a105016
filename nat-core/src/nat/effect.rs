//! What a packet does to the session that it belongs to.
//!
//! An [`Effect`] holds for the tables as they are when it is found. It cannot be copied and is used
//! up when it is applied, and nothing that adds, ends or moves on a session may come between.
//! Whoever has to move on two sessions by one packet finds the second effect again, after the
//! first: see the hairpin.

use crate::packet::{Content, Summary, Transport};
use crate::session_info::SessionState;
use crate::state::tcp::{Kind, Step, Tcp};
use crate::state::{Segment, Sequences, is_half_open};
use crate::table::{SlotIndex, Width};
use crate::translate::mss;
use crate::wire::icmp::Class;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side};

/// What a packet does to its session.
#[derive(Debug)]
#[must_use]
pub(super) struct Effect<W> {
    session: SlotIndex<W>,
    change: Change,
}

#[derive(Debug)]
enum Change {
    None,
    /// The inside sends now, without TCP.
    Sent,
    /// The timer starts anew, without TCP.
    Heard,
    Segment {
        before: SessionState,
        step: Step,
    },
}

impl Change {
    #[inline(always)]
    fn segment(tcp: &Tcp, from: Side, kind: Kind, segment: &Segment) -> Result<Self, DropReason> {
        Ok(Self::Segment {
            before: tcp.state,
            step: tcp.step(from, kind, segment)?,
        })
    }
}

impl<W> Effect<W> {
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

    /// Whether the state changes.
    pub(super) fn moves(&self) -> bool {
        matches!(&self.change, Change::Segment { before, step } if *before != step.state)
    }
}

impl<W: Width> Nat<'_, W> {
    /// What a packet does to the session at `link`, or why it must not pass. Changes nothing yet.
    // Inlined, as is what applies it: handed from one function to the next it costs a Cortex-M0+ a
    // tenth of the packet.
    #[inline(always)]
    pub(super) fn effect(
        &self,
        link: SlotIndex<W>,
        from: Side,
        content: &Content,
    ) -> Result<Effect<W>, DropReason> {
        let session = self.tables.session(link).ok_or(DropReason::NoSession)?;
        let change = match (content, from) {
            (Content::Tcp(kind, segment), _) => {
                Change::segment(&session.tcp(), from, *kind, segment)?
            }
            (Content::IcmpQuery(Class::Reply | Class::Error | Class::Other), Side::Inside) => {
                return Err(DropReason::NoSession);
            }
            (Content::Udp(_) | Content::IcmpQuery(_), Side::Inside) => Change::Sent,
            // The outside alone keeps no session alive (RFC 4787 REQ-6).
            (Content::Udp(_) | Content::IcmpQuery(_), Side::Outside) => {
                let silent = self.tick().wrapping_sub(session.when_last_sent());
                if silent < self.tables.lifetime(session, content.proto()) {
                    Change::Heard
                } else {
                    Change::None
                }
            }
        };
        Ok(Effect {
            session: link,
            change,
        })
    }

    /// What a packet that turns back inside does to the receiver's session at `link` once `sent`,
    /// which it does to its sender's, is done. Both may be one session: that of a host with its
    /// own external endpoint.
    pub(super) fn effect_after(
        &self,
        sent: Option<&Effect<W>>,
        link: SlotIndex<W>,
        content: &Content,
    ) -> Result<Effect<W>, DropReason> {
        if let Content::Tcp(kind, segment) = content
            && let Some(Effect {
                session,
                change: Change::Segment { step, .. },
            }) = sent
            && *session == link
        {
            let mut tcp = self
                .tables
                .session(link)
                .ok_or(DropReason::NoSession)?
                .tcp();
            tcp.take(step, Side::Inside, segment);
            return Ok(Effect {
                session: link,
                change: Change::segment(&tcp, Side::Outside, *kind, segment)?,
            });
        }
        self.effect(link, Side::Outside, content)
    }

    /// A session without TCP, whose inside sends now.
    pub(super) fn active(&self, content: &Content) -> Tcp {
        Tcp::new(
            SessionState::Active,
            Sequences::asked(self.tick(), content.question()),
        )
    }

    /// Does what was found for a packet from the same side.
    #[inline(always)]
    pub(super) fn apply(&mut self, effect: Effect<W>, from: Side, content: &Content) {
        let (session, now) = (effect.session, self.tick());
        match (effect.change, content) {
            (Change::Sent, _) => {
                self.tables
                    .note_sent(session, content.proto(), now, content.question());
            }
            (Change::Heard, _) => self.tables.note_heard(session, content.proto(), now),
            (Change::Segment { step, .. }, Content::Tcp(_, segment)) => {
                let after = step.state;
                let before = self.tables.take_step(session, &step, (from, segment), now);
                if before.is_some_and(|before| before != after) {
                    self.count_state(before, after);
                }
            }
            (Change::None | Change::Segment { .. }, _) => {}
        }
    }

    /// Whether a packet is too damaged for what it would do. What changes no state passes as
    /// damaged as it came: its receiver sees that for itself.
    pub(super) fn check_damage(
        ip: &ipv4::Header,
        transport: &Transport<'_>,
        summary: &Summary,
        effect: Option<&Effect<W>>,
    ) -> Result<(), DropReason> {
        let matters = summary.content.moves_state() || effect.is_some_and(Effect::moves);
        if matters && !transport.checksum_holds(ip) {
            Err(DropReason::BadChecksum)
        } else {
            Ok(())
        }
    }

    /// Lowers the MSS of a SYN to what both links carry, where that is configured.
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
}
