//! The hot task: the router itself, and its sign of life.

use core::convert::Infallible;
use core::future::poll_fn;
use core::task::{Context, Poll};

use embassy_net_driver::Driver;
use embassy_time::{Duration, Instant};
use nat_core::Width;

use crate::alarm::{Alarm, Clock};

/// How long the sign of life stays away at most while there is nothing to forward: half a second.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// Moves the frames. Spawn [`Forwarding::run`] as a task of its own.
pub struct Forwarding<Lan: Driver, Wan: Driver, W: Width = u16> {
    runner: nat_embassy::Runner<'static, Lan, Wan, W>,
    clock: Clock,
    alarm: Alarm,
}

impl<Lan: Driver, Wan: Driver, W: Width> Forwarding<Lan, Wan, W> {
    pub(crate) const fn new(runner: nat_embassy::Runner<'static, Lan, Wan, W>) -> Self {
        Self {
            runner,
            clock: Clock::new(),
            alarm: Alarm::new(),
        }
    }

    /// Forwards. Nothing is forwarded, and the local stacks hear nothing, unless this is polled; it
    /// must be the only task that polls the two drivers.
    ///
    /// Calls `alive` after each pass over both drivers, of a bounded number of frames each, and at
    /// least every [`HEARTBEAT_INTERVAL`]. Feed the watchdog there and nowhere else, with a
    /// period of at least two seconds: then a router that is stuck, or whose executor is,
    /// starts again. `alive` must take no longer than a few instructions.
    pub async fn run(mut self, mut alive: impl FnMut()) -> ! {
        let never: Infallible = poll_fn(|cx| {
            self.pass(cx);
            alive();
            Poll::Pending
        })
        .await;
        match never {}
    }

    /// One pass, and a wake-up for the next.
    fn pass(&mut self, cx: &mut Context<'_>) {
        let now = self.clock.millis(Instant::now());
        let due = self.runner.poll(cx, nat_core::Instant::from_millis(now));
        let sign = now.saturating_add(HEARTBEAT_INTERVAL.as_millis());
        self.alarm
            .wake_by(due.map_or(sign, |due| due.as_millis().min(sign)), now, cx);
    }
}
