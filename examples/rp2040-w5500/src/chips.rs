//! Lines for the log about both W5500.

use embassy_time::{Duration, Ticker};
use nat_w5500::{Counters, Monitor};

/// How often there is a line about each chip about which there is something new to tell.
const INTERVAL: Duration = Duration::from_secs(10);

/// A chip, and what it had done when it was last told of.
pub(crate) struct Chip {
    name: &'static str,
    monitor: Monitor<'static>,
    told: Counters,
}

impl Chip {
    pub(crate) fn new(name: &'static str, monitor: Monitor<'static>) -> Self {
        Self { name, monitor, told: monitor.counters() }
    }

    fn tell(&mut self) {
        let counters = self.monitor.counters();
        if counters == self.told {
            return;
        }
        match self.monitor.last_fault() {
            Some(fault) => defmt::info!("W5500 {=str}: {}, last fault: {}", self.name, counters, fault),
            None => defmt::info!("W5500 {=str}: {}", self.name, counters),
        }
        self.told = counters;
    }
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
