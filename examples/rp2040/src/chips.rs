//! Lines for the log about the W5500s.

use embassy_time::{Duration, Ticker};
use nat_w5500::{Counters, Monitor};

/// How often each chip's counters are read. A line is logged if one has changed that does not count
/// frames.
const INTERVAL: Duration = Duration::from_secs(10);

/// A chip, and its counters when they were last reported.
pub struct Chip {
    name: &'static str,
    monitor: Monitor<'static>,
    reported: Counters,
}

impl Chip {
    /// `name` is for the log.
    pub fn new(name: &'static str, monitor: Monitor<'static>) -> Self {
        Self {
            name,
            monitor,
            reported: without_frames(monitor.counters()),
        }
    }

    fn report(&mut self) {
        let counters = self.monitor.counters();
        if without_frames(counters) == self.reported {
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
        self.reported = without_frames(counters);
    }
}

/// The counters without those of moved frames, which the router's statistics report.
fn without_frames(mut counters: Counters) -> Counters {
    (
        counters.received,
        counters.received_bytes,
        counters.sent,
        counters.sent_bytes,
    ) = (0, 0, 0, 0);
    counters
}

/// Reports on the chips, for ever.
pub async fn watch<const N: usize>(mut chips: [Chip; N]) -> ! {
    let mut ticker = Ticker::every(INTERVAL);
    loop {
        ticker.next().await;
        for chip in &mut chips {
            chip.report();
        }
    }
}
