//! What a packet does to the session that it belongs to.

use crate::packet::{Content, Summary, Transport};
use crate::session_info::SessionState;
use crate::state::Sequences;
use crate::state::tcp::{self, Effect};
use crate::table::Link;
use crate::translate::mss;
use crate::wire::icmp::Class;
use crate::{DropReason, Nat, Side};

impl Nat<'_> {
    /// What a packet does to its session, or why it is none of it. Changes nothing yet.
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
            // The outside alone keeps no session alive (RFC 4787 REQ-6).
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
