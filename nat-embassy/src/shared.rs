//! What the runner and the application's handles share.

mod addressing;
mod outside;

use core::cell::RefCell;
use core::net::Ipv4Addr;

use embassy_sync::waitqueue::WakerRegistration;
use heapless::Vec;
use nat_core::{ConfigError, MAX_EXTERNAL_ADDRESSES, Nat, Side, Width};

use crate::addresses::Addresses;
use crate::application::{ApplicationFrame, FrameBuffer};
use crate::clock::Clock;
use crate::config::Outside;
use crate::conflicts::Conflicts;
use crate::deadline::Deadline;
use crate::log::warning;
use crate::probes::Probes;
use crate::stack_interface::StackWatch;
use crate::stats::{FrameDrop, FrameStats};
use crate::tx_frame::Disposition;

/// The state behind a [`Control`](crate::Control) and the runner. Both are on one executor, so a
/// `RefCell` is enough.
pub(crate) struct Shared<'d, W: Width> {
    cell: RefCell<Inner<'d, W>>,
    /// Woken when the configuration of the outside stack may have changed.
    pub(crate) outside_stack: StackWatch,
}

pub(crate) struct Inner<'d, W: Width> {
    pub(crate) nat: &'d mut Nat<'d, W>,
    pub(crate) deadline: Deadline,
    pub(crate) stats: FrameStats,
    pub(crate) outside: Option<Outside>,
    /// Whether the runner has not seen the latest change of `outside` yet.
    pub(crate) outside_changed: bool,
    /// Whether the application had access since the last pass, and so may have changed anything.
    pub(crate) was_accessed: bool,
    /// Wakes the runner.
    pub(crate) waker: WakerRegistration,
    pub(crate) clock: Clock,
    /// A reference, because every move of this struct through the call stack would copy them.
    pub(crate) probes: &'d mut Probes,
    pub(crate) conflicts: Conflicts,
    pub(crate) application_frame: ApplicationFrame<'d>,
    /// Whether the links are up, inside and outside.
    links_up: [bool; 2],
    pub(crate) addresses: Addresses,
    /// Whether the outside configuration is lost for the moment, while the NAT keeps its address
    /// for the sessions.
    suspended: bool,
    /// The outside configuration that the NAT refused, if it was the latest one.
    pub(crate) refused: Option<Outside>,
}

impl<'d, W: Width> Shared<'d, W> {
    /// `secondary` are the external addresses of the NAT besides that of the outside
    /// configuration.
    #[inline]
    pub(crate) fn new(
        nat: &'d mut Nat<'d, W>,
        secondary: Vec<Ipv4Addr, MAX_EXTERNAL_ADDRESSES>,
        frame: &'d mut FrameBuffer,
        probes: &'d mut Probes,
    ) -> Self {
        let inner = Inner {
            nat,
            deadline: Deadline::UNKNOWN,
            stats: FrameStats::ZERO,
            outside: None,
            outside_changed: true,
            was_accessed: true,
            waker: WakerRegistration::new(),
            clock: Clock::default(),
            probes,
            conflicts: Conflicts::new(),
            application_frame: ApplicationFrame::None(frame),
            links_up: [false; 2],
            addresses: Addresses::new(secondary),
            suspended: false,
            refused: None,
        };
        Self {
            cell: RefCell::new(inner),
            outside_stack: StackWatch::new(),
        }
    }

    /// Gives the NAT its external addresses.
    pub(crate) fn start(&mut self, outside: Option<Outside>) -> Result<(), ConfigError> {
        let inner = self.cell.get_mut();
        inner.check_secondary()?;
        inner.replace_outside(outside)
    }

    /// Calls `f` with all that is shared, on behalf of the application. The borrow ends with the
    /// call, so it never lasts across an await.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Inner<'d, W>) -> R) -> R {
        self.in_pass(|inner| {
            inner.was_accessed = true;
            f(inner)
        })
    }

    /// [`Self::with`] for the router, which knows itself what it changes.
    pub(crate) fn in_pass<R>(&self, f: impl FnOnce(&mut Inner<'d, W>) -> R) -> R {
        f(&mut self.cell.borrow_mut())
    }
}

impl<W: Width> Inner<'_, W> {
    /// Whether the link of `side` is up.
    pub(crate) const fn is_up(&self, side: Side) -> bool {
        let [inside, outside] = self.links_up;
        match side {
            Side::Inside => inside,
            Side::Outside => outside,
        }
    }

    /// Notes whether the link of `side` is up.
    pub(crate) const fn set_up(&mut self, side: Side, up: bool) {
        let [inside, outside] = &mut self.links_up;
        match side {
            Side::Inside => *inside = up,
            Side::Outside => *outside = up,
        }
    }

    /// Counts what became of a frame.
    #[inline]
    pub(crate) fn count_disposition(&mut self, disposition: &Disposition<'_>) {
        match disposition {
            Ok(Some(frame)) => {
                let stats = self.stats.side_mut(frame.to);
                stats.sent = stats.sent.wrapping_add(1);
            }
            Ok(None) => {}
            Err((side, reason)) => self.count_drop(*side, *reason),
        }
    }

    pub(crate) fn count_drop(&mut self, side: Side, reason: FrameDrop) {
        self.stats.side_mut(side).drop_frame(reason);
    }

    pub(crate) fn count_delivery(&mut self, side: Side) {
        let stats = self.stats.side_mut(side);
        stats.to_stack = stats.to_stack.wrapping_add(1);
    }

    /// Counts a frame that ends in the router.
    pub(crate) const fn count_consumed(&mut self) {
        self.stats.consumed = self.stats.consumed.wrapping_add(1);
    }

    /// Counts a frame that begins in the router.
    pub(crate) const fn count_made(&mut self) {
        self.stats.made = self.stats.made.wrapping_add(1);
    }

    pub(crate) fn count_deferred_timers(&mut self) {
        if self.stats.timers_deferred == 0 {
            warning!("timers of the NAT stay due and are deferred: please report");
        }
        self.stats.timers_deferred = self.stats.timers_deferred.wrapping_add(1);
    }

    /// Drops and counts the application's frame if it is to leave by `side`. Returns whether there
    /// was one.
    pub(crate) fn drop_application_frame(&mut self, side: Side, reason: FrameDrop) -> bool {
        let Some(buffer) = self.application_frame.lend(side) else {
            return false;
        };
        self.application_frame.give_back(buffer);
        self.count_drop(side, reason);
        true
    }

    /// Queues a frame of the application, and wakes the runner.
    pub(crate) fn queue_application_frame(
        &mut self,
        side: Side,
        frame: &[u8],
    ) -> Result<(), FrameDrop> {
        if !self.is_up(side) {
            return Err(FrameDrop::LinkDown);
        }
        self.application_frame.put(side, frame)?;
        self.count_made();
        self.waker.wake();
        Ok(())
    }
}
