//! How fast one host may get mappings and sessions (RFC 6888 REQ-4c, REQ-5).

use crate::config::Rate;

/// One token, in the thousandths in which they are reckoned: so many a millisecond as there are
/// tokens a second.
const TOKEN: u32 = 1000;

impl Rate {
    /// Takes a token at the millisecond `now`, modulo 2^32. `due` is when all that were taken
    /// before are earned, in thousandths of a token since the start of the clock modulo 2^32,
    /// as the last call has said; `None` of a host that has taken none. Says when they will be
    /// with this one; `None` if it cannot be had yet.
    ///
    /// After a long rest the clock may have come round to just before `due` by chance. Then the
    /// host is treated for once as if it had just had its burst.
    pub(crate) fn take(self, due: Option<u32>, now: u32) -> Option<u32> {
        let now = now.wrapping_mul(u32::from(self.per_second));
        let burst = u32::from(self.burst).wrapping_mul(TOKEN);
        // What is owed is never more than the burst, so a `due` that seems further ahead lies
        // behind.
        let owed = due
            .map(|due| due.wrapping_sub(now))
            .filter(|owed| *owed <= burst)
            .unwrap_or(0);
        let with_this = owed.wrapping_add(TOKEN);
        (with_this <= burst).then(|| now.wrapping_add(with_this))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 2000 tokens are had at the millisecond `now`.
    fn taken(rate: Rate, due: &mut Option<u32>, now: u32) -> usize {
        let had = |_: &u32| {
            let next = rate.take(*due, now);
            *due = next.or(*due);
            next.is_some()
        };
        (0..2000).filter(had).count()
    }

    /// RFC 6888 REQ-4c: a burst at once, then exactly so many a second, also where the clock starts
    /// anew on the way.
    #[test]
    fn a_burst_then_so_many_a_second() {
        for start in [0, 1, 5_000_000, u32::MAX - 1500, u32::MAX] {
            for per_second in [1, 3, 7, 300, 999, 1000] {
                let (rate, mut due) = (
                    Rate {
                        burst: 40,
                        per_second,
                    },
                    None,
                );
                assert_eq!(taken(rate, &mut due, start), 40);
                let had: usize = (1..=3000)
                    .map(|after| taken(rate, &mut due, start.wrapping_add(after)))
                    .sum();
                assert_eq!(
                    had,
                    3 * usize::from(per_second),
                    "{per_second} a second from {start}"
                );
            }
        }
    }

    /// A rest restores the burst and no more than that, however long it is.
    #[test]
    fn a_rest_restores_the_burst() {
        for rest in [4_000, 1_000_000, 1 << 31, u32::MAX - 60_000] {
            let (rate, mut due) = (
                Rate {
                    burst: 4,
                    per_second: 1,
                },
                None,
            );
            assert_eq!(taken(rate, &mut due, 77), 4);
            assert_eq!(
                taken(rate, &mut due, 77_u32.wrapping_add(rest)),
                4,
                "after {rest} ms"
            );
        }
    }

    /// The largest burst and the highest rate stay far from the ends of the numbers.
    #[test]
    fn the_largest_values_work() {
        let rate = Rate {
            burst: u16::MAX,
            per_second: 1000,
        };
        let mut due = None;
        let had: usize = (0..40).map(|_| taken(rate, &mut due, u32::MAX)).sum();
        assert_eq!(had, usize::from(u16::MAX));
        assert_eq!(taken(rate, &mut due, 9), 10, "ten milliseconds later");
    }
}
