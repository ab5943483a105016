//! Frames that the router has queued for a side: the application's, fragments, and those of the
//! [`Link`](crate::link::Link).

use nat_core::{Instant, Side, Width};

use super::{Links, Router};
use crate::ethernet::Header;
use crate::ipv4;
use crate::shared::Inner;
use crate::stats::FrameDrop;
use crate::tx_frame::TxFrame;

impl<W: Width> Router<'_, W> {
    /// Prepares the queued frames of a round: starts due probes, and releases buffered fragments.
    /// Returns whether [`Self::queued_frame`] has a frame, inside and outside.
    pub(crate) fn prepare_queued(&mut self, now: Instant) -> [bool; 2] {
        let Self { shared, links, .. } = self;
        if !links.may_have_queued {
            return [false; 2];
        }
        shared.in_pass(|inner| {
            // First, because a new probe is due at once, and `has_queued_frame` asks for those that
            // are due.
            for link in [&links.inside, &links.outside] {
                inner.probes.advance(link.nic.side, link.can_query(), now);
            }
            links.release_fragments(inner, now);
            let queued = [
                links.has_queued_frame(inner, Side::Inside, now),
                links.has_queued_frame(inner, Side::Outside, now),
            ];
            links.may_have_queued = queued.contains(&true);
            queued
        })
    }

    /// The next queued frame for `side`: the application's first, then a fragment, then those of
    /// `Link::queued_frame`.
    pub(crate) fn queued_frame(&mut self, side: Side, now: Instant) -> Option<TxFrame<'_>> {
        let Self {
            shared,
            links,
            reply,
        } = self;
        shared.in_pass(|inner| {
            // The application's frame first: there is one at most, and a DHCP client waits for it.
            // Fragments next, because they hold up the other frames of their side.
            let result = if inner.application_frame.is_queued(side) {
                links.application_frame(inner, side)
            } else if links.fragment_tx.is_sending(side) {
                links.next_fragment(inner, side, now)
            } else {
                links.link_mut(side).queued_frame(inner, reply, now)
            };
            let disposition = result.map_err(|reason| (side, reason));
            inner.count_disposition(&disposition);
            disposition.ok().flatten()
        })
    }

    /// Whether there may be more to send on `side` even if [`Self::queued_frame`] returns `None`.
    pub(crate) fn may_have_more_queued(&self, side: Side) -> bool {
        self.is_sending_fragments_to(side)
            || self
                .shared
                .in_pass(|inner| inner.application_frame.is_queued(side))
    }

    /// Drops the application's frame and the fragments for `side`, whose driver cannot transmit
    /// them. Returns whether there were any.
    pub(crate) fn drop_queued(&mut self, side: Side, reason: FrameDrop) -> bool {
        let Self { shared, links, .. } = self;
        shared.in_pass(|inner| {
            let any = inner.drop_application_frame(side, reason);
            links.cancel_fragments(inner, side, reason) || any
        })
    }

    /// Whether a datagram is being sent in fragments on `side`.
    pub(crate) const fn is_sending_fragments_to(&self, side: Side) -> bool {
        self.links.may_have_queued && self.links.fragment_tx.is_sending(side)
    }

    /// [`Self::is_sending_fragments_to`] for inside and outside.
    pub(crate) const fn is_sending_fragments(&self) -> [bool; 2] {
        [
            self.is_sending_fragments_to(Side::Inside),
            self.is_sending_fragments_to(Side::Outside),
        ]
    }
}

impl<'d> Links<'d> {
    fn has_queued_frame(&self, inner: &Inner<'_, impl Width>, side: Side, now: Instant) -> bool {
        self.fragment_tx.is_sending(side)
            || inner.application_frame.is_queued(side)
            || self.link(side).has_queued_frame(inner, now)
    }

    /// The application's frame, which leaves by `side`. Its memory is lent until the end of the
    /// pass, because the driver has yet to copy the frame.
    fn application_frame(
        &mut self,
        inner: &mut Inner<'d, impl Width>,
        side: Side,
    ) -> Result<Option<TxFrame<'_>>, FrameDrop> {
        let Self {
            inside,
            outside,
            lent,
            ..
        } = self;
        *lent = inner.application_frame.lend(side);
        let Some(buffer) = lent else {
            return Ok(None);
        };
        let nic = match side {
            Side::Inside => &inside.nic,
            Side::Outside => &outside.nic,
        };
        if nic.mac().is_none() {
            return nic.tx_frame(None, buffer.frame()).map(Some);
        }
        let (header, body) = Header::split(buffer.frame()).ok_or(FrameDrop::Runt)?;
        nic.tx_frame(Some(header), body).map(Some)
    }

    /// Queues a datagram that the router has made for an inside host. It takes no other packet's
    /// place: if there is no room for it, it is lost.
    pub(super) fn queue_inside(
        &mut self,
        inner: &mut Inner<'_, impl Width>,
        datagram: &[u8],
        now: Instant,
    ) {
        let Self {
            inside,
            fragment_tx,
            ..
        } = self;
        let Some(host) = ipv4::destination(datagram) else {
            return;
        };
        let is_queued = if inside.nic.mac().is_none() {
            fragment_tx.start((Side::Inside, host), datagram, u16::MAX)
        } else {
            inside.wait_if_room(inner, host, datagram, now)
        };
        if is_queued {
            inner.count_made();
        }
    }
}
