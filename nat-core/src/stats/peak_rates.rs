//! The highest rates of the last minute, computed from the totals: a packet costs no more than one
//! comparison.

use crate::Instant;

/// The highest rates of the last minute. Time is divided into windows of 10 s that begin at whole
/// multiples of 10 s. The rates are averages over a window, and the last six complete windows
/// count.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct PeakRates {
    /// When the present window ends, in milliseconds of the clock.
    end: u64,
    /// The totals at the start of the present window.
    start: Volume,
    /// The volume of each complete window, in a ring.
    complete: [Volume; WINDOWS],
    oldest: usize,
}

/// Packets and their bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Volume {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

const WINDOWS: usize = 6;
const WINDOW_SECS: u64 = 10;
const WINDOW_MILLIS: u64 = WINDOW_SECS * 1000;

impl PeakRates {
    /// When the present window ends, and [`PeakRates::complete`] has to be called.
    pub(crate) fn due(&self) -> Instant {
        Instant::from_millis(self.end)
    }

    /// Completes the windows that have ended by `now`. Everything since the last call, up to
    /// `total`, is counted in the first of them: nothing was received in the others, or this would
    /// have been called before.
    pub(crate) fn complete(&mut self, now: Instant, total: Volume) {
        let Some(late) = now.as_millis().checked_sub(self.end) else {
            return;
        };
        let ended = (late / WINDOW_MILLIS).saturating_add(1);
        self.end = self.end.saturating_add(ended.saturating_mul(WINDOW_MILLIS));
        let packets = total.packets.wrapping_sub(self.start.packets);
        let mut volume = Volume {
            packets,
            bytes: total.bytes.wrapping_sub(self.start.bytes),
        };
        // After a jump of the clock, all windows are empty except the first that ended. More of
        // them than the ring has would only be overwritten.
        for _ in 0..ended.min(const { WINDOWS as u64 + 1 }) {
            self.push(core::mem::take(&mut volume));
        }
        self.start = total;
    }

    /// The highest packet rate and the highest byte rate per second, rounded down. They may be from
    /// different windows.
    pub(crate) fn highest(&self) -> Volume {
        let highest =
            |of: fn(&Volume) -> u64| self.complete.iter().map(of).max().unwrap_or(0) / WINDOW_SECS;
        Volume {
            packets: highest(|window| window.packets),
            bytes: highest(|window| window.bytes),
        }
    }

    fn push(&mut self, volume: Volume) {
        if let Some(entry) = self.complete.get_mut(self.oldest) {
            *entry = volume;
        }
        self.oldest = self.oldest.wrapping_add(1) % WINDOWS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock, and the totals from which peaks are computed.
    struct Traffic {
        peaks: PeakRates,
        total: Volume,
    }

    impl Traffic {
        fn new() -> Self {
            Self {
                peaks: PeakRates::default(),
                total: Volume::default(),
            }
        }

        fn at(&mut self, millis: u64) {
            let now = Instant::from_millis(millis);
            if now >= self.peaks.due() {
                self.peaks.complete(now, self.total);
            }
        }

        fn add(&mut self, packets: u64, bytes: u64) {
            self.total = Volume {
                packets: self.total.packets + packets,
                bytes: self.total.bytes + bytes,
            };
        }

        #[track_caller]
        fn expect(&self, packets: u64, bytes: u64) {
            assert_eq!(self.peaks.highest(), Volume { packets, bytes });
        }
    }

    /// `PeakPacketsPerSecond`, `PeakBytesPerSecond`: averages over complete windows, the highest of
    /// six each.
    #[test]
    fn the_highest_of_six_complete_windows_counts() {
        let mut traffic = Traffic::new();
        for (window, (packets, bytes)) in
            [(50, 1000), (200, 400), (10, 9000)].into_iter().enumerate()
        {
            traffic.at(window as u64 * 10_000);
            traffic.add(packets, bytes);
        }
        traffic.at(29_999);
        traffic.expect(20, 100);
        traffic.at(30_000);
        traffic.expect(20, 900);
        // The window with 200 packets is the second. Six windows later it no longer counts.
        traffic.at(79_999);
        traffic.expect(20, 900);
        traffic.at(80_000);
        traffic.expect(1, 900);
        traffic.at(90_000);
        traffic.expect(0, 0);
    }

    /// Standards 0.3: the clock may start anywhere, and may jump by any time.
    #[test]
    fn a_jump_of_the_clock_empties_the_windows() {
        for jump in [70_000, 1 << 32, 1 << 62, u64::MAX - 110_000] {
            let mut traffic = Traffic::new();
            traffic.at(100_000);
            traffic.add(1000, 1_000_000);
            traffic.at(110_000);
            traffic.expect(100, 100_000);
            // The window in which the clock jumps is forgotten too.
            traffic.add(5000, 5_000_000);
            traffic.at(110_000 + jump);
            traffic.expect(0, 0);
            traffic.add(1, 1);
            traffic.at(u64::MAX);
        }
    }
}
