//! The task that does all the work.

use core::convert::Infallible;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net_driver::Driver;
use embassy_time::{Duration, Timer};
use nat_core::{Instant, Side, Width};

use crate::clock;
use crate::port::{self, Pass, Port, Sources};
use crate::router::Router;

/// Rounds of one pass. In each, every source of frames gets its turn once; after that many, other
/// tasks get theirs.
const ROUNDS: u32 = 8;

/// Owns both drivers and moves the frames: the router itself. Spawn [`Runner::run`] as a task.
pub struct Runner<'d, Lan: Driver, Wan: Driver, W: Width = u16> {
    lan: Port<Lan>,
    wan: Port<Wan>,
    router: Router<'d, W>,
}

impl<'d, Lan: Driver, Wan: Driver, W: Width> Runner<'d, Lan, Wan, W> {
    pub(crate) const fn new(lan: Port<Lan>, wan: Port<Wan>, router: Router<'d, W>) -> Self {
        Self { lan, wan, router }
    }

    /// Runs the router. Nothing is forwarded, and the local stacks hear nothing, unless this is
    /// polled.
    ///
    /// It must be the only task that polls the two drivers, since a driver wakes one task only. It
    /// yields after a bounded number of frames, so drivers that always have more to do, or that
    /// wake their task at every poll, leave time for other tasks of the executor.
    pub async fn run(mut self) -> ! {
        self.router.run_on_system_clock();
        let never: Infallible = poll_fn(|cx| {
            if let Some(at) = self.poll(cx, clock::system()) {
                wake_at(at, cx);
            }
            Poll::Pending
        })
        .await;
        match never {}
    }

    /// One pass of [`Runner::run`], for a caller that has a clock of its own: moves frames, a
    /// bounded number of them, and does what is due at `now`.
    ///
    /// Call it again when the waker of `cx` is woken, and at the returned time, which is always
    /// after `now`.
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Instant> {
        self.router.begin(cx.waker(), now);
        let (link, address) = self.lan.status(cx);
        self.router.set_link(Side::Inside, link, address);
        let (link, address) = self.wan.status(cx);
        self.router.set_link(Side::Outside, link, address);
        let mut pass = Pass {
            cx,
            now,
            wake_at: None,
        };
        let mut sources = [Sources::ALL; 2];
        let mut rounds = 0;
        while self.round(&mut sources, &mut pass) {
            rounds += 1;
            if rounds == ROUNDS || self.router.stack_needs_time() {
                pass.cx.waker().wake_by_ref();
                break;
            }
        }
        self.router.end();
        let soonest = now.saturating_add(core::time::Duration::from_millis(1));
        let deadline = self
            .router
            .next_deadline(now)
            .into_iter()
            .chain(pass.wake_at)
            .min();
        deadline.map(|at| at.max(soonest))
    }

    /// Gives the router itself and all of `sources` their turn. Returns whether there may be more
    /// to do.
    fn round(&mut self, sources: &mut [Sources; 2], pass: &mut Pass<'_, '_>) -> bool {
        let Self { lan, wan, router } = self;
        let [inside, outside] = router.own_work(pass.now);
        let mut progress = inside && port::send_own(router, Side::Inside, lan, pass);
        progress |= outside && port::send_own(router, Side::Outside, wan, pass);
        let departs = router.departs();
        let [outward, inward] = sources;
        port::serve(router, Side::Inside, lan, wan, (outward, pass));
        port::serve(router, Side::Outside, wan, lan, (inward, pass));
        // What departs holds the others up, who are then not waited for.
        let gone = departs
            .iter()
            .zip(router.departs())
            .any(|(before, now)| *before && !now);
        if progress || gone {
            *sources = [Sources::ALL; 2];
        }
        sources.iter().any(|sources| sources.any())
    }
}

/// Arranges for the task of `cx` to be woken at `at`.
fn wake_at(at: Instant, cx: &mut Context<'_>) {
    let Some(at) = embassy_time::Instant::try_from_millis(at.as_millis()) else {
        return;
    };
    // Where a millisecond is no whole number of ticks, `at` is rounded down to one at which it is
    // not yet reached.
    let at = at.saturating_add(Duration::from_ticks(1));
    if pin!(Timer::at(at)).poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}
