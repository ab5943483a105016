//! What happens when the traffic stops.

use core::time::Duration;

use nat_core::{Instant, Timeouts};

use super::world::World;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Lets the traffic stop: the engine asks to be woken only when there is work, and when it asks for
/// nothing more, its tables are empty, after the longest timeout at the latest.
pub(crate) fn check(world: &mut World) -> Result<(), String> {
    world.engine_time = world.now;
    world.nat.handle_timeout(world.now);
    let end = world.now.saturating_add(longest(&Timeouts::RFC));
    while let Some(due) = world.nat.poll_timeout() {
        if due > end {
            return Err(format!("without traffic, something ends at {due:?} only"));
        }
        wake(world, due)?;
    }
    match world.nat.sessions().next() {
        Some(session) => Err(format!("without traffic, this is left: {session:?}")),
        None => world
            .nat
            .audit()
            .map_err(|fault| format!("audit of empty tables: {fault}")),
    }
}

/// Wakes the engine when it has asked for it. A millisecond before, there is nothing to do.
fn wake(world: &mut World, due: Instant) -> Result<(), String> {
    let before = world.nat.sessions().count();
    if due <= world.now {
        return Err(format!("at {:?} it asks to be woken at {due:?}", world.now));
    }
    let early = Instant::from_millis(due.as_millis() - MILLISECOND.as_millis() as u64);
    world.nat.handle_timeout(early);
    if world.nat.sessions().count() != before {
        return Err(format!("a session ended before {due:?}"));
    }
    (world.now, world.engine_time) = (due, due);
    world.nat.handle_timeout(due);
    if world.nat.sessions().count() >= before {
        return Err(format!("it asked to be woken at {due:?} for nothing"));
    }
    world.nat.audit().map_err(|fault| format!("audit: {fault}"))
}

fn longest(timeouts: &Timeouts) -> Duration {
    [
        timeouts.udp,
        timeouts.tcp_partially_open,
        timeouts.tcp_established,
        timeouts.tcp_closing,
        timeouts.tcp_reset,
        timeouts.icmp,
    ]
    .into_iter()
    .fold(Duration::ZERO, Duration::max)
}
