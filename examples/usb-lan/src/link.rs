//! Whether the host listens.
//!
//! The data interface of CDC-NCM has two alternate settings: 0 without endpoints, 1 with them (NCM
//! 1.0, section 5.3). The link is up while the host has selected setting 1 in a configured device
//! on a bus that is not suspended. A board without detection of the bus voltage sees an unplugged
//! cable as a suspended bus.

use core::cell::Cell;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use crate::ring::Waiting;

/// What the host has selected.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Selection {
    configured: bool,
    setting_1: bool,
    suspended: bool,
}

impl Selection {
    /// The endpoints of the data interface exist.
    fn is_open(self) -> bool {
        self.configured && self.setting_1
    }
}

/// The tasks that follow the link.
#[derive(Clone, Copy)]
pub(crate) enum Follower {
    Router,
    Receiver,
    Sender,
    Notifier,
}

/// The state of the link.
pub(crate) struct Link {
    selection: Cell<Selection>,
    /// Changes whenever endpoints are opened or closed. A block is never continued in another
    /// session.
    session: Cell<u32>,
    waiting: [Waiting; 4],
}

impl Link {
    pub(crate) const fn new() -> Self {
        Self {
            selection: Cell::new(Selection {
                configured: false,
                setting_1: false,
                suspended: false,
            }),
            session: Cell::new(0),
            waiting: [const { Waiting::new() }; 4],
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        let selection = self.selection.get();
        selection.is_open() && !selection.suspended
    }

    /// A reset of the bus: nothing is selected.
    pub(crate) fn reset(&self) {
        self.change(|selection| *selection = Selection::default());
    }

    pub(crate) fn set_configured(&self, configured: bool) {
        self.change(|selection| selection.configured = configured);
    }

    pub(crate) fn set_setting(&self, setting: u8) {
        self.change(|selection| selection.setting_1 = setting == 1);
    }

    /// A suspended bus leaves the endpoints and what they hold as they are: a block goes on when
    /// the host wakes up. So the session does not end.
    pub(crate) fn set_suspended(&self, suspended: bool) {
        let selection = self.selection.get();
        self.selection.set(Selection {
            suspended,
            ..selection
        });
        self.waiting.iter().for_each(Waiting::wake);
    }

    /// Begins a new session, even if the selection stays the same.
    fn change(&self, change: impl FnOnce(&mut Selection)) {
        let mut selection = self.selection.get();
        change(&mut selection);
        self.selection.set(selection);
        self.session.set(self.session.get().wrapping_add(1));
        self.waiting.iter().for_each(Waiting::wake);
    }

    /// Wakes this task at the next change.
    pub(crate) fn register(&self, follower: Follower, waker: &Waker) {
        if let Some(waiting) = self.waiting.get(follower as usize) {
            waiting.register(waker);
        }
    }

    /// Waits until the endpoints are open. Returns the session.
    pub(crate) async fn opened(&self, follower: Follower) -> u32 {
        self.wait(follower, || self.selection.get().is_open()).await;
        self.session.get()
    }

    /// Waits for the end of a session.
    pub(crate) async fn ended(&self, follower: Follower, session: u32) {
        self.wait(follower, || self.session.get() != session).await;
    }

    async fn wait(&self, follower: Follower, done: impl Fn() -> bool) {
        poll_fn(|cx| {
            self.register(follower, cx.waker());
            if done() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Link {
        let link = Link::new();
        link.set_configured(true);
        link.set_setting(1);
        link
    }

    #[test]
    fn the_link_is_up_only_with_setting_1_in_a_configured_device() {
        let link = Link::new();
        assert!(!link.is_up());
        link.set_setting(1);
        assert!(!link.is_up());
        link.set_configured(true);
        assert!(link.is_up());
        link.set_setting(0);
        assert!(!link.is_up());
    }

    #[test]
    fn a_reset_ends_the_link_until_the_host_selects_setting_1_again() {
        let link = opened();
        let before = link.session.get();
        link.reset();
        assert!(!link.is_up());
        assert_ne!(link.session.get(), before);
        link.set_configured(true);
        assert!(!link.is_up());
        link.set_setting(1);
        assert!(link.is_up());
    }

    #[test]
    fn a_suspended_bus_takes_the_link_down_without_an_end_of_the_session() {
        let link = opened();
        let before = link.session.get();
        link.set_suspended(true);
        assert!(!link.is_up());
        link.set_suspended(false);
        assert!(link.is_up());
        assert_eq!(link.session.get(), before);
    }

    #[test]
    fn a_reset_of_a_suspended_bus_ends_the_session() {
        let link = opened();
        let before = link.session.get();
        link.set_suspended(true);
        link.reset();
        assert_ne!(link.session.get(), before);
    }

    #[test]
    fn setting_1_again_begins_a_new_session() {
        let link = opened();
        let before = link.session.get();
        link.set_setting(1);
        assert_ne!(link.session.get(), before);
    }
}
