//! The task that moves the frames between both drivers and the router.

mod alarm;
mod step;

use core::convert::Infallible;
use core::future::poll_fn;
use core::task::{Context, Poll};

use embassy_net_driver::Driver;
use embassy_time::Duration;
use nat_core::{Instant, Side, Width};

use crate::clock::earlier;
use crate::interface::Interface;
use crate::router::Router;
use alarm::{Alarm, MillisClock};
use step::{Pass, Sources};

/// The longest time between two heartbeats of [`Runner::run`], reached while there is nothing to
/// forward: half a second.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// Rounds of one pass. Every source of frames gets one turn in each round. After the last round,
/// the task yields to the other tasks of its executor.
const ROUNDS: u32 = 8;

/// Owns both drivers and moves the frames. Spawn [`Runner::run`] as a task, or call [`Runner::poll`]
/// in a loop. It is not [`Send`].
pub struct Runner<'d, Lan: Driver, Wan: Driver, W: Width = u16> {
    lan: Interface<Lan>,
    wan: Interface<Wan>,
    router: Router<'d, W>,
}

impl<'d, Lan: Driver, Wan: Driver, W: Width> Runner<'d, Lan, Wan, W> {
    pub(crate) const fn new(
        lan: Interface<Lan>,
        wan: Interface<Wan>,
        router: Router<'d, W>,
    ) -> Self {
        Self { lan, wan, router }
    }

    /// Runs the router. While this is not polled, nothing is forwarded, and the local stacks
    /// receive nothing.
    ///
    /// It must be the only task that polls the two drivers, since a driver wakes only one task. It
    /// yields after a bounded number of frames, so other tasks of the executor run even if a driver
    /// always has more to do, or wakes its task at every poll.
    ///
    /// `heartbeat` is called after each pass over both drivers, and at least every
    /// [`HEARTBEAT_INTERVAL`]. Feed the watchdog there and nowhere else, with a timeout of at least
    /// two seconds: a router or an executor that is stuck then restarts. `heartbeat` must take no
    /// longer than a few instructions. Without a watchdog, pass `|| {}`.
    pub async fn run(mut self, mut heartbeat: impl FnMut()) -> ! {
        self.router.use_system_clock();
        let (mut clock, mut alarm) = (MillisClock::new(), Alarm::new());
        let never: Infallible = poll_fn(|cx| {
            let now = clock.millis(embassy_time::Instant::now());
            let due = self.poll(cx, Instant::from_millis(now));
            let next_heartbeat = now.saturating_add(HEARTBEAT_INTERVAL.as_millis());
            let due = due.map_or(next_heartbeat, |due| due.as_millis().min(next_heartbeat));
            alarm.wake_by(due, now, cx);
            // After the pass, so that a pass without an end feeds no watchdog.
            heartbeat();
            Poll::Pending
        })
        .await;
        match never {}
    }

    /// One pass of [`Runner::run`], for a caller with its own clock: moves at most eight frames of
    /// each source, and does what is due at `now`.
    ///
    /// Call it again when the waker of `cx` is woken, and at the returned time, which is always
    /// after `now`. The returned time is that of the next timer. It does not say that frames are
    /// left: only the waker does.
    ///
    /// # Without an executor
    ///
    /// A main loop or an RTIC task can call this, too. There are two ways:
    ///
    /// - The loop never sleeps: it calls this in each iteration, with [`Waker::noop`].
    /// - The loop sleeps: it passes a waker that sets a flag, and clears the flag before each pass.
    ///   It sleeps only while the flag is clear, until an interrupt or the returned time. The
    ///   drivers' interrupts must wake the wakers that the drivers were given.
    ///
    /// Feed the watchdog after each pass. [`Control::now`](crate::Control::now) is then the time of
    /// the latest pass. A program that calls neither [`Runner::run`], `Control::follow`, nor one of
    /// the methods of `Control` that wait needs no time driver of `embassy-time`.
    ///
    /// ```
    /// use core::task::{Context, Waker};
    /// use embassy_net_driver::Driver;
    /// use nat_core::Instant;
    /// use nat_embassy::Runner;
    ///
    /// fn main_loop(mut runner: Runner<'_, impl Driver, impl Driver>, millis: impl Fn() -> u64) -> ! {
    ///     loop {
    ///         let mut cx = Context::from_waker(Waker::noop());
    ///         runner.poll(&mut cx, Instant::from_millis(millis()));
    ///         // Feed the watchdog, and do the other work.
    ///     }
    /// }
    /// ```
    ///
    /// [`Waker::noop`]: core::task::Waker::noop
    pub fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Instant> {
        self.router.begin_pass(cx.waker(), now);
        self.update_links(cx);
        let mut pass = Pass::new(cx, now);
        self.rounds(&mut pass);
        self.router.end_pass();
        let due = earlier(self.router.next_deadline(now), pass.wake_at);
        // A timer that is due at once in every pass would not let the processor sleep.
        let soonest = now.saturating_add(core::time::Duration::from_millis(1));
        due.map(|at| at.max(soonest))
    }

    /// Reads the link state and the hardware address of both drivers.
    fn update_links(&mut self, cx: &mut Context<'_>) {
        if let Some((link, address)) = self.lan.changed_status(cx) {
            self.router.set_link(Side::Inside, link, address);
        }
        if let Some((link, address)) = self.wan.changed_status(cx) {
            self.router.set_link(Side::Outside, link, address);
        }
    }

    /// Plays rounds until no source has more frames. If that takes too many, the task is woken for
    /// another pass.
    fn rounds(&mut self, pass: &mut Pass<'_, '_>) {
        let mut sources = [Sources::ALL; 2];
        let mut rounds = 0;
        while self.round(&mut sources, pass) {
            rounds += 1;
            if rounds == ROUNDS || self.router.stack_needs_time() {
                pass.cx.waker().wake_by_ref();
                break;
            }
        }
    }

    /// Gives the router's queued frames and all of `sources` one turn. Returns whether there may be
    /// more to do.
    fn round(&mut self, sources: &mut [Sources; 2], pass: &mut Pass<'_, '_>) -> bool {
        let Self { lan, wan, router } = self;
        let [inside, outside] = router.prepare_queued(pass.now);
        let mut progress = inside && step::send_queued(router, Side::Inside, lan, pass);
        progress |= outside && step::send_queued(router, Side::Outside, wan, pass);
        let may_send_fragments = inside || outside;
        let before = may_send_fragments.then(|| router.is_sending_fragments());
        let [outward, inward] = sources;
        step::serve(router, Side::Inside, lan, wan, (outward, pass));
        step::serve(router, Side::Outside, wan, lan, (inward, pass));
        // Fragments being sent hold up the other frames for their side, whose drivers then had no
        // turn. They get one when the last fragment has left.
        let finished = before.is_some_and(|before| {
            let after = router.is_sending_fragments();
            (before[0] && !after[0]) || (before[1] && !after[1])
        });
        if progress || finished {
            *sources = [Sources::ALL; 2];
        }
        sources.iter().any(|sources| sources.any())
    }
}
