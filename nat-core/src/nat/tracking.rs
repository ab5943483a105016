//! What a packet does to the session that it belongs to.

use crate::packet::{Content, Summary, Transport};
use crate::session_info::SessionState;
use crate::state::Sequences;
use crate::state::tcp::Tcp;
use crate::table::{Link, Width};
use crate::translate::mss;
use crate::wire::icmp::Class;
use crate::wire::ipv4;
use crate::{DropReason, Nat, Side};

/// What a packet does to its session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect<W> {
    session: Link<W>,
    after: Tcp,
    /// Whether the timer of the session's state starts anew.
    refresh: bool,
    /// Whether the state changes.
    moves: bool,
}

impl<W: Width> Nat<'_, W> {
    /// What a packet does to the session at `link`, or why it must not pass. Changes nothing yet.
    pub(super) fn effect(&self, link: Link<W>, from: Side, summary: &Summary) -> Result<Effect<W>, DropReason> {
        let session = self.flows.session(link).ok_or(DropReason::NoSession)?;
        let before = session.tcp();
        let (after, refresh) = match (summary.content, from) {
            (Content::Segment(kind, segment), _) => before.after(from, kind, &segment)?,
            (Content::Query(Class::Reply | Class::Error | Class::Other), Side::Inside) => {
                return Err(DropReason::NoSession);
            }
            (Content::Datagram | Content::Query(_), Side::Inside) => (self.active(), true),
            // The outside alone keeps no session alive (RFC 4787 REQ-6).
            (Content::Datagram | Content::Query(_), Side::Outside) => {
                let silent = self.tick().wrapping_sub(before.sequences.when_last_sent());
                (before, silent < self.flows.lifetime(session))
            }
        };
        Ok(Effect { session: link, after, refresh, moves: after.state != before.state })
    }

    /// A session without TCP, whose inside sends now.
    pub(super) fn active(&self) -> Tcp {
        Tcp::new(SessionState::Active, Sequences::last_sent(self.tick()))
    }

    pub(super) fn apply(&mut self, effect: &Effect<W>) {
        let Effect { session, after, refresh, .. } = effect;
        let before = self.flows.session(*session).map(|session| session.state);
        if *refresh {
            self.flows.refresh(*session, after, self.tick());
        } else {
            self.flows.note(*session, after);
        }
        if after.state != SessionState::Active {
            self.count_state(before, after.state);
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
        let matters = summary.content.moves_state() || effect.is_some_and(|effect| effect.moves);
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
