//! How the outside configuration follows that of a stack.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use embassy_net::StaticConfigV4;
use embassy_time::{Duration, Instant, Timer};
use nat_core::{Cidr, Width};

use super::Control;
use crate::config::Outside;

/// How often [`Control::follow`] reads the configuration of a stack that receives and sends
/// nothing. After each frame it reads it at once.
const READ_INTERVAL: Duration = Duration::from_secs(5);

/// How long sessions outlive an outside configuration that the stack has lost.
const LOST_OUTSIDE_GRACE: Duration = Duration::from_secs(60);

impl<W: Width> Control<'_, W> {
    /// Keeps the router's outside configuration equal to that of `stack`, the stack on its outside
    /// device, whether it is a DHCP lease or static.
    ///
    /// A lease, or its loss with the link, takes effect at once. A configuration that the
    /// application gives to the stack takes effect with the stack's next frame, or after 5 s. Only
    /// a change wakes the runner. A configuration that the NAT refuses is not tried again until it
    /// changes.
    ///
    /// When the stack loses its configuration, as at every interruption of the link, nothing is
    /// sent outside any more, nor answered there. The sessions are kept for a minute, so that they
    /// survive if the same address comes back.
    pub async fn follow(&self, stack: embassy_net::Stack<'_>) -> ! {
        let mut lost_at: Option<Instant> = None;
        loop {
            let config = stack.config_v4();
            let mut next = Instant::now() + READ_INTERVAL;
            if let Some(outside) = config.as_ref().and_then(outside_of) {
                lost_at = None;
                self.set_outside_once(Some(outside));
            } else {
                let grace_ends = *lost_at.get_or_insert_with(Instant::now) + LOST_OUTSIDE_GRACE;
                if Instant::now() < grace_ends {
                    self.suspend_outside();
                    next = next.min(grace_ends);
                } else {
                    self.set_outside_once(None);
                }
            }
            self.config_changed(stack, &config, next).await;
        }
    }

    /// Waits until the configuration of `stack` differs from `known`, but no longer than until
    /// `next`.
    async fn config_changed(
        &self,
        stack: embassy_net::Stack<'_>,
        known: &Option<StaticConfigV4>,
        next: Instant,
    ) {
        let mut timer = pin!(Timer::at(next));
        poll_fn(|cx| {
            self.shared.outside_stack.register(cx.waker());
            if stack.config_v4() == *known {
                timer.as_mut().poll(cx)
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// [`Control::set_outside`], except for a configuration that the NAT has just refused.
    fn set_outside_once(&self, outside: Option<Outside>) {
        if outside.is_none() || self.shared.with(|inner| inner.refused != outside) {
            self.set_outside(outside);
        }
    }
}

fn outside_of(config: &StaticConfigV4) -> Option<Outside> {
    let address = Cidr::new(config.address.address(), config.address.prefix_len())?;
    Some(Outside {
        address,
        gateway: config.gateway,
    })
}
