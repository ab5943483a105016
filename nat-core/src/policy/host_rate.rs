//! How fast one host may create mappings and sessions (RFC 6888 REQ-4c, REQ-5).

use crate::config::Rate;

/// One token, in thousandths: `per_second` thousandths are earned in each millisecond.
const TOKEN: u32 = 1000;

impl Rate {
    /// Takes a token at the millisecond `now`, modulo 2^32. Returns the new state of the bucket, or
    /// `None` if no token is left.
    ///
    /// The state of a bucket is when it will be full again, in the time in which a thousandth of a
    /// token is earned, modulo 2^32. `full_at` is what the last call returned, `None` if the host
    /// has taken no token yet.
    ///
    /// After a long time without new sessions the clock may have wrapped to just before `full_at`.
    /// Then the host is treated once as if its bucket were empty.
    pub(crate) fn take(self, full_at: Option<u32>, now: u32) -> Option<u32> {
        // Both the clock and the product are modulo 2^32, so differences are right when they wrap.
        let now = now.wrapping_mul(u32::from(self.per_second));
        let burst = u32::from(self.burst).wrapping_mul(TOKEN);
        // No more tokens than the burst are ever missing. A larger number means that `full_at` is
        // in the past.
        let missing = full_at.map_or(0, |full_at| full_at.wrapping_sub(now));
        let missing = if missing > burst { 0 } else { missing };
        let missing_after = missing.wrapping_add(TOKEN);
        (missing_after <= burst).then(|| now.wrapping_add(missing_after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 2000 tokens are available at the millisecond `now`.
    fn taken(rate: Rate, full_at: &mut Option<u32>, now: u32) -> usize {
        let had = |_: &u32| {
            let next = rate.take(*full_at, now);
            *full_at = next.or(*full_at);
            next.is_some()
        };
        (0..2000).filter(had).count()
    }

    /// RFC 6888 REQ-4c: a burst at once, then exactly the rate, also where the clock wraps in
    /// between.
    #[test]
    fn a_burst_then_so_many_a_second() {
        for start in [0, 1, 5_000_000, u32::MAX - 1500, u32::MAX] {
            for per_second in [1, 3, 7, 300, 999, 1000] {
                let (rate, mut full_at) = (
                    Rate {
                        burst: 40,
                        per_second,
                    },
                    None,
                );
                assert_eq!(taken(rate, &mut full_at, start), 40);
                let had: usize = (1..=3000)
                    .map(|after| taken(rate, &mut full_at, start.wrapping_add(after)))
                    .sum();
                assert_eq!(
                    had,
                    3 * usize::from(per_second),
                    "{per_second} a second from {start}"
                );
            }
        }
    }

    /// An idle period restores the burst and no more, however long it is.
    #[test]
    fn a_rest_restores_the_burst() {
        for rest in [4_000, 1_000_000, 1 << 31, u32::MAX - 60_000] {
            let (rate, mut full_at) = (
                Rate {
                    burst: 4,
                    per_second: 1,
                },
                None,
            );
            assert_eq!(taken(rate, &mut full_at, 77), 4);
            assert_eq!(
                taken(rate, &mut full_at, 77_u32.wrapping_add(rest)),
                4,
                "after {rest} ms"
            );
        }
    }

    /// The largest burst and the highest rate do not overflow.
    #[test]
    fn the_largest_values_work() {
        let rate = Rate {
            burst: u16::MAX,
            per_second: 1000,
        };
        let mut full_at = None;
        let had: usize = (0..40).map(|_| taken(rate, &mut full_at, u32::MAX)).sum();
        assert_eq!(had, usize::from(u16::MAX));
        assert_eq!(taken(rate, &mut full_at, 9), 10, "ten milliseconds later");
    }
}
