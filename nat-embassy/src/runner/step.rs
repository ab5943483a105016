//! The steps of a pass. Each moves at most one frame between a driver and the router.

use core::task::Context;

use embassy_net_driver::{Driver, RxToken, TxToken};
use nat_core::{Instant, Side, Width};

use crate::FrameDrop;
use crate::clock::earlier;
use crate::interface::{Interface, TxSlot};
use crate::router::{Arrival, Router};
use crate::tx_frame::Disposition;

/// One pass over both drivers.
pub(super) struct Pass<'a, 'b> {
    pub(super) cx: &'a mut Context<'b>,
    pub(super) now: Instant,
    /// When the next pass is needed at the latest, because a driver is full.
    pub(super) wake_at: Option<Instant>,
}

impl<'a, 'b> Pass<'a, 'b> {
    pub(super) const fn new(cx: &'a mut Context<'b>, now: Instant) -> Self {
        Self {
            cx,
            now,
            wake_at: None,
        }
    }

    fn wake_by(&mut self, at: Instant) {
        self.wake_at = earlier(self.wake_at, Some(at));
    }
}

/// Which sources may have frames that leave by a side. A source that had none wakes the task when
/// it has one, so it is not asked again in the same pass.
#[derive(Clone, Copy)]
pub(super) struct Sources {
    other_side: bool,
    stack: bool,
}

impl Sources {
    pub(super) const ALL: Self = Self {
        other_side: true,
        stack: true,
    };

    pub(super) const fn any(self) -> bool {
        self.other_side || self.stack
    }
}

/// Moves one frame to `egress` from each of `sources` if the driver can transmit both, and clears
/// the sources that had none. The sources take turns in going first, so that neither starves the
/// other when transmit tokens are scarce.
pub(super) fn serve<I: Driver, E: Driver>(
    router: &mut Router<'_, impl Width>,
    from: Side,
    ingress: &mut Interface<I>,
    egress: &mut Interface<E>,
    (sources, pass): (&mut Sources, &mut Pass<'_, '_>),
) {
    let to = from.opposite();
    // Read once, because `forward` changes it, and the stack gets one turn in any case.
    let stack_first = egress.stack_first;
    if stack_first && sources.stack {
        sources.stack = send_from_stack(router, to, egress, pass);
    }
    if sources.other_side {
        sources.other_side = forward(router, from, ingress, egress, pass);
    }
    if !stack_first && sources.stack {
        sources.stack = send_from_stack(router, to, egress, pass);
    }
}

/// Receives one frame from `ingress`, and transmits what the router makes of it. Returns whether
/// there was a frame.
///
/// The token of the other driver is taken before the frame is received, because some drivers lose a
/// frame that is received and not consumed. While the other driver is full, no frame is received
/// for a while. The waker of `ingress` is not registered then; that of the full driver is, and a
/// timer.
fn forward<I: Driver, E: Driver>(
    router: &mut Router<'_, impl Width>,
    from: Side,
    ingress: &mut Interface<I>,
    egress: &mut Interface<E>,
    pass: &mut Pass<'_, '_>,
) -> bool {
    let to = from.opposite();
    let (token, blocked) = match egress.tx_slot(router.is_up(to), pass.cx, pass.now) {
        TxSlot::Ready(token) => (Some(token), None),
        TxSlot::Blocked(reason) => {
            router.drop_queued(to, reason);
            (None, Some(reason))
        }
        TxSlot::Wait(until) => {
            pass.wake_by(until);
            return false;
        }
    };
    // The next frame may need the fragment buffer of that side, and must not overtake the
    // fragments.
    if router.is_sending_fragments_to(to) {
        return false;
    }
    let Some((frame, reply_token)) = ingress.driver.receive(pass.cx) else {
        return false;
    };
    let arrival = Arrival {
        from,
        now: pass.now,
        blocked,
    };
    let forwarded = frame.consume(|frame| {
        let disposition = router.receive(frame, &arrival);
        transmit_outcome(&disposition, from, reply_token, token)
    });
    if forwarded {
        egress.stack_first = true;
    }
    true
}

/// Transmits the frame that a received frame led to: with `reply_token` if it returns to the side
/// that it came `from`, else with `token`. Returns whether it was the latter.
fn transmit_outcome(
    disposition: &Disposition<'_>,
    from: Side,
    reply_token: impl TxToken,
    token: Option<impl TxToken>,
) -> bool {
    let Ok(Some(frame)) = disposition else {
        return false;
    };
    if frame.to == from {
        frame.transmit(reply_token);
        return false;
    }
    // The router knows when there is no token, and drops what would need one.
    let Some(token) = token else {
        return false;
    };
    frame.transmit(token);
    true
}

/// Moves one frame from the local stack of `side` to `interface`. Returns whether there was one.
///
/// While the driver is full, the frame stays in the stack's queue, which delays only that stack.
/// While the link is down, the frame is dropped.
fn send_from_stack<D: Driver>(
    router: &mut Router<'_, impl Width>,
    side: Side,
    interface: &mut Interface<D>,
    pass: &mut Pass<'_, '_>,
) -> bool {
    if !router.poll_stack(side, pass.cx) {
        return false;
    }
    // The token first: a frame that the NAT has translated cannot be put back.
    let token = if router.is_up(side) {
        let Some(token) = interface.driver.transmit(pass.cx) else {
            return false;
        };
        Some(token)
    } else {
        None
    };
    let frame = router.receive_from_stack(side, pass.now);
    if let (Some(frame), Some(token)) = (frame, token) {
        frame.transmit(token);
        interface.stack_first = false;
    }
    router.free_stack_frame(side);
    true
}

/// Transmits one of the frames that the router has queued for `side`. Returns whether there may be
/// more to do.
///
/// There may be more even if nothing was transmitted: the next fragment may have to wait for a
/// neighbour, and an application's frame that the driver cannot carry is dropped.
pub(super) fn send_queued<D: Driver>(
    router: &mut Router<'_, impl Width>,
    side: Side,
    interface: &mut Interface<D>,
    pass: &mut Pass<'_, '_>,
) -> bool {
    // A driver may have tokens without a link. What was queued before the link went down, or is
    // queued by a frame of the other side, is dropped.
    if !router.is_up(side) {
        return router.drop_queued(side, FrameDrop::LinkDown);
    }
    let Some(token) = interface.driver.transmit(pass.cx) else {
        return false;
    };
    let may_have_more = router.may_have_more_queued(side);
    let Some(frame) = router.queued_frame(side, pass.now) else {
        return may_have_more;
    };
    frame.transmit(token);
    true
}
