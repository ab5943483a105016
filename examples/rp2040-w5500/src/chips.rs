//! Lines for the log about both W5500.

use embassy_time::{Duration, Ticker};
use nat_w5500::{Counters, Monitor};

/// How often each chip is looked at. There is a line about it if more has happened to it than
/// frames.
const INTERVAL: Duration = Duration::from_secs(10);

/// A chip, and what had happened to it when it was last told of.
pub(crate) struct Chip {
    name: &'static str,
    monitor: Monitor<'static>,
    told: Counters,
}

impl Chip {
    pub(crate) fn new(name: &'static str, monitor: Monitor<'static>) -> Self {
        Self {
            name,
            monitor,
            told: without_frames(monitor.counters()),
        }
    }

    fn tell(&mut self) {
        let counters = self.monitor.counters();
        if without_frames(counters) == self.told {
            return;
        }
        match self.monitor.last_fault() {
            Some(fault) => defmt::info!(
                "W5500 {=str}: {}, last fault: {}",
                self.name,
                counters,
                fault
            ),
            None => defmt::info!("W5500 {=str}: {}", self.name, counters),
        }
        self.told = without_frames(counters);
    }
}

/// The counters of all but frames that went their way, which the router's statistics tell of.
fn without_frames(mut counters: Counters) -> Counters {
    (
        counters.received,
        counters.received_bytes,
        counters.sent,
        counters.sent_bytes,
    ) = (0, 0, 0, 0);
    counters
}

/// Tells of the chips for ever.
pub(crate) async fn watch(mut chips: [Chip; 2]) -> ! {
    let mut ticker = Ticker::every(INTERVAL);
    loop {
        ticker.next().await;
        for chip in &mut chips {
            chip.tell();
        }
    }
}
