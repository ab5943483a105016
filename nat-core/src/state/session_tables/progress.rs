//! How packets move a session on: its TCP state or its exchange, and its timer.

use crate::Side;
use crate::session_info::SessionState;
use crate::state::tcp::Step;
use crate::state::{Exchange, Proto, Segment, Session, TimeoutClass};
use crate::table::{SlotIndex, Width};

use super::SessionTables;
use super::membership::Membership;

impl<W: Width> SessionTables<'_, W> {
    /// Applies `step`, which was computed for `segment`, to a TCP session. Returns the state that
    /// the session was in before.
    ///
    /// Lists and counters are updated from the state that is in the table now, not from the one
    /// that `step` was computed for.
    #[inline]
    pub(crate) fn take_step(
        &mut self,
        link: SlotIndex<W>,
        step: &Step,
        (from, segment): (Side, &Segment),
        now: u32,
    ) -> Option<SessionState> {
        let session = self.sessions.get_mut(link)?;
        let before = session.state;
        // A copy, because a change of state needs the lists of before and after.
        let mut tcp = session.tcp();
        tcp.take(step, from, segment);
        if tcp.state != before {
            self.change_session(link, Proto::Tcp, now, |session| session.set_tcp(&tcp));
            return Some(before);
        }
        session.set_tcp(&tcp);
        if step.refresh {
            self.restart_timer(link, Proto::Tcp, now);
        }
        Some(before)
    }

    /// Records that the inside end of a UDP or ICMP session has sent `question`, and restarts the
    /// timer of the session.
    #[inline]
    pub(crate) fn note_sent(&mut self, link: SlotIndex<W>, proto: Proto, now: u32, question: u32) {
        if let Some(session) = self.sessions.get_mut(link) {
            session.set_last_sent(now);
            if session.question_changes_exchange(question) {
                return self.ask_again(link, proto, now, question);
            }
        }
        self.restart_timer(link, proto, now);
    }

    /// Records that the outside end of a UDP or ICMP session has sent, and restarts the timer of
    /// the session.
    #[inline]
    pub(crate) fn note_received(&mut self, link: SlotIndex<W>, proto: Proto, now: u32) {
        if self.sessions.get(link).is_some_and(Session::awaits_answer) {
            return self.answer(link, proto, now);
        }
        self.restart_timer(link, proto, now);
    }

    // Both happen once in an exchange, so they are kept out of the path of every other packet.

    #[cold]
    #[inline(never)]
    pub(super) fn ask_again(&mut self, link: SlotIndex<W>, proto: Proto, now: u32, question: u32) {
        self.change_session(link, proto, now, |session| {
            session.ask_again(proto, question);
        });
    }

    #[cold]
    #[inline(never)]
    pub(super) fn answer(&mut self, link: SlotIndex<W>, proto: Proto, now: u32) {
        self.change_session(link, proto, now, |session| {
            session.set_exchange(Exchange::Answered);
        });
    }

    /// Applies a change that may move a session to other lists and counters, and restarts its
    /// timer.
    fn change_session(
        &mut self,
        link: SlotIndex<W>,
        proto: Proto,
        now: u32,
        change: impl FnOnce(&mut Session<W>),
    ) {
        let Some(session) = self.sessions.get_mut(link) else {
            return;
        };
        let before = Membership::of(session, proto);
        change(session);
        let after = Membership::of(session, proto);
        let mapping = self.mappings.get(session.mapping);
        let Some(host) = mapping.map(|mapping| mapping.host) else {
            return;
        };
        self.update_membership((link, host), before, Some(after));
        // After the move, because the timeout is that of the new class.
        self.restart_timer(link, proto, now);
    }

    /// Sets the deadline of a session of `proto` to a full timeout from `now`, and moves it to the
    /// end of its expiry list.
    #[inline]
    pub(crate) fn restart_timer(&mut self, link: SlotIndex<W>, proto: Proto, now: u32) {
        let Some(session) = self.sessions.get_mut(link) else {
            return;
        };
        let class = TimeoutClass::of(proto, session.state, session.remote_port);
        session.set_deadline(now.wrapping_add(self.lifetimes.of(class)));
        self.move_to_end(link, class);
    }
}
