//! The router without its drivers: it decides what becomes of each frame. It touches no driver and
//! reads no clock.

mod datagram;
mod fragments;
mod queue;

use core::task::{Context, Waker};

use embassy_net_driver::{HardwareAddress, LinkState};
use nat_core::{Instant, Side, Width};

use crate::application::FrameBuffer;
use crate::clock::earlier;
use crate::ethernet::without_priority_tag;
use crate::fragment_tx::FragmentTx;
use crate::link::{Content, Link};
use crate::log::info;
use crate::shared::{Inner, Shared};
use crate::stats::FrameDrop;
use crate::tx_frame::{Disposition, ReplyBuffer, TxFrame};

pub(crate) use fragments::EARLY_FRAGMENTS;

/// The router without its drivers.
pub(crate) struct Router<'d, W: Width> {
    shared: &'d Shared<'d, W>,
    links: Links<'d>,
    reply: &'d mut ReplyBuffer,
}

/// Both sides.
pub(crate) struct Links<'d> {
    pub(crate) inside: Link<'d>,
    pub(crate) outside: Link<'d>,
    pub(crate) fragment_tx: &'d mut FragmentTx,
    /// The memory of the application's frame that was sent last. The end of the pass gives it
    /// back.
    pub(crate) lent: Option<&'d mut FrameBuffer>,
    /// Whether frames may be queued for a side. Only while none are, and since then nothing was
    /// done but forwarding datagrams to known neighbours, is it `false`.
    pub(crate) may_have_queued: bool,
}

/// How a frame arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) from: Side,
    pub(crate) now: Instant,
    /// Why nothing can leave by the other side now, if nothing can.
    pub(crate) blocked: Option<FrameDrop>,
}

impl Arrival {
    /// Why nothing can leave by the side `to`, if nothing can. The side a frame came from can
    /// always be answered: the driver gave a token with the frame.
    fn blocked_toward(&self, to: Side) -> Option<FrameDrop> {
        self.blocked.filter(|_| to != self.from)
    }
}

impl<'d, W: Width> Router<'d, W> {
    pub(crate) const fn new(
        shared: &'d Shared<'d, W>,
        links: Links<'d>,
        reply: &'d mut ReplyBuffer,
    ) -> Self {
        Self {
            shared,
            links,
            reply,
        }
    }

    /// Starts a pass at `now`: applies what the application changed, and does what is due.
    pub(crate) fn begin_pass(&mut self, waker: &Waker, now: Instant) {
        let Self {
            shared,
            links,
            reply,
        } = self;
        shared.in_pass(|inner| {
            // In each pass, because a wake-up uses the registration up.
            inner.waker.register(waker);
            inner.clock.note(now);
            links.inside.stack.inbox.needs_time = false;
            links.outside.stack.inbox.needs_time = false;
            if !links.is_quiet(inner, now) {
                links.catch_up(inner, reply, now);
            }
        });
    }

    /// Ends a pass: gives the memory of the application's frame back.
    pub(crate) fn end_pass(&mut self) {
        let Self { shared, links, .. } = self;
        if let Some(buffer) = links.lent.take() {
            shared.in_pass(|inner| inner.application_frame.give_back(buffer));
        }
    }

    /// Notes that the passes get the time of `embassy_time`.
    pub(crate) fn use_system_clock(&self) {
        self.shared.in_pass(|inner| inner.clock.use_system_time());
    }

    /// Updates the state of a driver's link, which may have changed.
    pub(crate) fn set_link(&mut self, side: Side, state: LinkState, address: HardwareAddress) {
        self.links.may_have_queued = true;
        let link = self.links.link_mut(side);
        if link.update(state, address) {
            info!("link of side {:?} is up: {}", side, link.up);
            self.shared.in_pass(|inner| {
                inner.set_up(side, link.up);
                inner.drop_application_frame(side, FrameDrop::LinkDown);
                // The cable may lead to another network now, so nothing that was learned before
                // counts.
                link.reset(inner);
            });
        }
    }

    pub(crate) const fn is_up(&self, side: Side) -> bool {
        self.links.link(side).up
    }

    /// Whether a local stack's queue is full, so that the stack should run before more frames are
    /// moved.
    pub(crate) const fn stack_needs_time(&self) -> bool {
        self.links.inside.stack.inbox.needs_time || self.links.outside.stack.inbox.needs_time
    }

    /// When the next pass is needed at the latest. ARP queries that are due already wait for a
    /// driver, which will wake the task.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let (nat, probes) = self
            .shared
            .in_pass(|inner| (inner.deadline.next(), inner.probes.next_deadline(now)));
        let Links {
            inside, outside, ..
        } = &self.links;
        let is_ahead = |at: &Instant| *at > now;
        let inside_query = inside.neighbours.due().filter(is_ahead);
        let outside_query = outside.neighbours.due().filter(is_ahead);
        earlier(earlier(inside_query, outside_query), earlier(probes, nat))
    }

    /// Processes a frame from a driver, and counts what became of it. At most one frame is to be
    /// transmitted because of it: on the other side, or as a reply on the side it came from.
    pub(crate) fn receive<'a>(
        &'a mut self,
        frame: &'a mut [u8],
        arrival: &Arrival,
    ) -> Disposition<'a> {
        let Self {
            shared,
            links,
            reply,
        } = self;
        shared.in_pass(|inner| {
            let stats = inner.stats.side_mut(arrival.from);
            stats.received = stats.received.wrapping_add(1);
            let disposition = links.receive(inner, frame, reply, arrival);
            inner.count_disposition(&disposition);
            disposition
        })
    }

    /// Whether the local stack of `side` has a frame to send. If not, its waker is registered.
    pub(crate) fn poll_stack(&mut self, side: Side, cx: &mut Context<'_>) -> bool {
        let outbox = &mut self.links.link_mut(side).stack.outbox;
        outbox.poll_tx_buf(cx).is_ready()
    }

    /// Processes the frame that [`Self::poll_stack`] has found. Returns the frame to transmit on
    /// the same side, if any. Afterwards, [`Self::free_stack_frame`] must be called.
    pub(crate) fn receive_from_stack(&mut self, side: Side, now: Instant) -> Option<TxFrame<'_>> {
        let Self {
            shared,
            links,
            reply,
        } = self;
        shared.in_pass(|inner| {
            let stats = inner.stats.side_mut(side);
            stats.from_stack = stats.from_stack.wrapping_add(1);
            links.may_have_queued = true;
            let result = links.link_mut(side).send_from_stack(inner, reply, now);
            let disposition = result.map_err(|reason| (side, reason));
            inner.count_disposition(&disposition);
            disposition.ok().flatten()
        })
    }

    /// Gives the slot of the frame back to the local stack.
    pub(crate) fn free_stack_frame(&mut self, side: Side) {
        self.links.link_mut(side).stack.outbox.tx_done();
    }
}

impl<'d> Links<'d> {
    const fn link(&self, side: Side) -> &Link<'d> {
        match side {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        }
    }

    const fn link_mut(&mut self, side: Side) -> &mut Link<'d> {
        match side {
            Side::Inside => &mut self.inside,
            Side::Outside => &mut self.outside,
        }
    }

    /// Whether a pass at `now` has nothing to do but to move frames: nothing is due or queued, and
    /// the application has changed nothing.
    fn is_quiet(&self, inner: &Inner<'_, impl Width>, now: Instant) -> bool {
        let is_due = |due: Option<Instant>| due.is_some_and(|at| at <= now);
        !(self.may_have_queued
            || inner.was_accessed
            || inner.probes.are_in_use()
            || inner.deadline.may_be_due(now)
            || is_due(self.inside.neighbours.due())
            || is_due(self.outside.neighbours.due()))
    }

    /// Applies what the application changed, and does what is due. Afterwards, the queues are
    /// looked at. Not inlined: while packets are forwarded, most passes are quiet.
    #[inline(never)]
    fn catch_up(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        reply: &mut ReplyBuffer,
        now: Instant,
    ) {
        inner.was_accessed = false;
        self.may_have_queued = true;
        if core::mem::take(&mut inner.outside_changed) {
            self.outside.reset(inner);
            // The source of the fragments is perhaps not the router's address any more.
            self.cancel_fragments(inner, Side::Outside, FrameDrop::Flushed);
        }
        if inner.deadline.handle_due(inner.nat, now) {
            inner.count_deferred_timers();
        }
        self.drop_failed_queries(inner, reply, now);
        for side in [Side::Inside, Side::Outside] {
            if !self.link(side).up {
                self.cancel_fragments(inner, side, FrameDrop::LinkDown);
            }
        }
    }

    #[inline]
    fn receive<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        frame: &'a mut [u8],
        reply: &'a mut ReplyBuffer,
        arrival: &Arrival,
    ) -> Disposition<'a> {
        match self.link(arrival.from).nic.classify(frame) {
            Ok(Content::Ipv4(kind)) => self.datagram(inner, (frame, kind), reply, arrival),
            other => self.receive_other(inner, (frame, other), reply, arrival),
        }
    }

    /// Processes a frame that carries no datagram, or one behind a priority tag. Not inlined, like
    /// all that is rare: it would cost each forwarded frame registers.
    #[inline(never)]
    fn receive_other<'a>(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        (frame, content): (&'a mut [u8], Result<Content, FrameDrop>),
        reply: &'a mut ReplyBuffer,
        arrival: &Arrival,
    ) -> Disposition<'a> {
        let &Arrival { from, now, .. } = arrival;
        self.may_have_queued = true;
        let link = self.link_mut(from);
        let (frame, content) = match content {
            // `classify` takes every tagged frame for one of a VLAN. The tag is looked at only
            // here, so that frames without one do not pay for it.
            Err(FrameDrop::Vlan) => {
                let frame = without_priority_tag(frame).ok_or((from, FrameDrop::Vlan))?;
                let content = link.nic.classify(frame);
                (frame, content)
            }
            content => (frame, content),
        };
        match content.map_err(|reason| (from, reason))? {
            Content::Arp => link
                .receive_arp(inner, frame, reply, now)
                .map_err(|reason| (from, reason)),
            Content::Ipv4(kind) => self.datagram(inner, (frame, kind), reply, arrival),
        }
    }
}
