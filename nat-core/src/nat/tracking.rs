//! What a packet does to the session that it belongs to.

use crate::packet::{Content, Summary, Transport};
use crate::session_info::SessionState;
use crate::state::tcp::{Step, Tcp};
use crate::state::{Sequences, is_half_open};
use crate::table::{Link, Width};
use crate::translate::mss;
use crate::wire::icmp::Class;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side};

/// What a packet does to its session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect<W> {
    session: Link<W>,
    change: Change,
}

#[derive(Clone, Copy, Debug)]
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

impl<W> Effect<W> {
    /// The state that the session takes, if one end waits for the other's answer from now on.
    pub(super) fn opens(&self) -> Option<SessionState> {
        match self.change {
            Change::Segment { before, step } if !is_half_open(before) && is_half_open(step.state) => Some(step.state),
            _ => None,
        }
    }

    /// Whether the state changes.
    pub(super) fn moves(&self) -> bool {
        matches!(self.change, Change::Segment { before, step } if before != step.state)
    }
}

impl<W: Width> Nat<'_, W> {
    /// What a packet does to the session at `link`, or why it must not pass. Changes nothing yet.
    // Inlined, as is what applies it: handed from one function to the next it costs a Cortex-M0+ a tenth of the packet.
    #[inline(always)]
    pub(super) fn effect(&self, link: Link<W>, from: Side, content: &Content) -> Result<Effect<W>, DropReason> {
        let session = self.flows.session(link).ok_or(DropReason::NoSession)?;
        let change = match (content, from) {
            (Content::Segment(kind, segment), _) => {
                Change::Segment { before: session.state, step: session.tcp().step(from, *kind, segment)? }
            }
            (Content::Query(Class::Reply | Class::Error | Class::Other), Side::Inside) => {
                return Err(DropReason::NoSession);
            }
            (Content::Datagram(_) | Content::Query(_), Side::Inside) => Change::Sent,
            // The outside alone keeps no session alive (RFC 4787 REQ-6).
            (Content::Datagram(_) | Content::Query(_), Side::Outside) => {
                let silent = self.tick().wrapping_sub(session.when_last_sent());
                if silent < self.flows.lifetime(session, content.proto()) { Change::Heard } else { Change::None }
            }
        };
        Ok(Effect { session: link, change })
    }

    /// A session without TCP, whose inside sends now.
    pub(super) fn active(&self, content: &Content) -> Tcp {
        Tcp::new(SessionState::Active, Sequences::asked(self.tick(), content.question()))
    }

    /// Does what was found for a packet from the same side.
    #[inline(always)]
    pub(super) fn apply(&mut self, effect: Effect<W>, from: Side, content: &Content) {
        let (session, now) = (effect.session, self.tick());
        match (effect.change, content) {
            (Change::Sent, _) => self.flows.note_sent(session, content.proto(), now, content.question()),
            (Change::Heard, _) => self.flows.note_heard(session, content.proto(), now),
            (Change::Segment { step, .. }, Content::Segment(_, segment)) => {
                let before = self.flows.session(session).map(|session| session.state);
                self.flows.take_step(session, step, (from, segment), now);
                if before != Some(step.state) {
                    self.count_state(before, step.state);
                }
            }
            (Change::None | Change::Segment { .. }, _) => {}
        }
    }

    /// Whether a packet is too damaged for what it would do. What changes no state passes as damaged as it came: its
    /// receiver sees that for itself.
    pub(super) fn check_damage(
        ip: &ipv4::Header,
        transport: &Transport<'_>,
        summary: &Summary,
        effect: Option<&Effect<W>>,
    ) -> Result<(), DropReason> {
        let matters = summary.content.moves_state() || effect.is_some_and(Effect::moves);
        if matters && !transport.checksum_holds(ip) { Err(DropReason::BadChecksum) } else { Ok(()) }
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
