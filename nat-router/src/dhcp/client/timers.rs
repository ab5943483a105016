//! The client's timers: backoff (RFC 2131 section 4.1), and the times of a lease (section 4.4.5).

use core::hash::Hasher;
use core::time::Duration;

use nat_core::Instant;
use siphasher::sip::SipHasher24;

use super::lease::Times;

/// The first wait for an answer.
const FIRST_WAIT: Duration = Duration::from_secs(4);

/// How often the wait doubles: up to 64 s.
const DOUBLINGS: u32 = 4;

/// The most that a wait is lengthened or shortened by, at random.
const JITTER: Duration = Duration::from_secs(1);

/// The shortest wait for the answer to a renewal request before the next one.
const MIN_RENEWAL_WAIT: Duration = Duration::from_secs(60);

/// Random numbers that cannot be predicted without the key.
pub(super) struct Random {
    key: u64,
    count: u64,
}

impl Random {
    pub(super) const fn new(key: u64) -> Self {
        Self { key, count: 0 }
    }

    pub(super) fn next(&mut self) -> u32 {
        self.count = self.count.wrapping_add(1);
        let mut hasher = SipHasher24::new_with_keys(self.key, 68);
        hasher.write_u64(self.count);
        hasher.finish() as u32
    }

    /// A duration from 0 to `most`.
    fn up_to(&mut self, most: Duration) -> Duration {
        let range = u32::try_from(most.as_millis()).unwrap_or(u32::MAX).max(1);
        Duration::from_millis(self.next().checked_rem(range).unwrap_or(0).into())
    }
}

/// The wait for an answer after `earlier` messages without one: 4 s, 8 s and so on up to 64 s, each
/// up to 1 s longer or shorter.
pub(super) fn backoff(earlier: u32, random: &mut Random) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << earlier.min(DOUBLINGS));
    wait.saturating_sub(JITTER)
        .saturating_add(random.up_to(JITTER.saturating_mul(2)))
}

/// When to repeat a renewal request that is sent at `now`: after half of the time left until `end`,
/// but at least 60 s later, and no later than `end`.
pub(super) fn renewal_retry(now: Instant, end: Instant) -> Instant {
    let half = end.saturating_duration_since(now) / 2;
    now.saturating_add(half.max(MIN_RENEWAL_WAIT)).min(end)
}

/// The timers of a lease; all `None` for one that lasts for ever.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Deadlines {
    /// When to ask the server for a renewal (T1).
    pub(super) renewal: Option<Instant>,
    /// When to ask any server (T2).
    pub(super) rebinding: Option<Instant>,
    pub(super) end: Option<Instant>,
}

impl Deadlines {
    /// The timers of a lease that was asked for at `asked`.
    ///
    /// T2 is 7/8 of the lease time unless the server gives a time within the lease. T1 is 4/7 of
    /// T2, which is half of the lease time, unless the server gives a time before T2. T1 is at
    /// least 60 s, or half of a lease that is shorter than 2 min. Then T1 is shortened by up to
    /// 1/32 at random, so that not all clients of a network ask at once.
    pub(super) fn of(times: &Times, asked: Instant, random: &mut Random) -> Self {
        let Some(lease) = times.lease else {
            return Self::default();
        };
        let lease = millis(lease);
        let rebinding = given(times.rebinding, lease).unwrap_or(lease / 8 * 7);
        let renewal = given(times.renewal, rebinding).unwrap_or(rebinding / 7 * 4);
        let floor = (lease / 2).min(MIN_RENEWAL_WAIT.as_millis() as u64);
        let renewal = Duration::from_millis(renewal.max(floor));
        let renewal = renewal.saturating_sub(random.up_to(renewal / 32));
        // The floor may have moved T1 behind it.
        let rebinding = Duration::from_millis(rebinding).max(renewal);
        let at = |time: Duration| Some(asked.saturating_add(time));
        Self {
            renewal: at(renewal),
            rebinding: at(rebinding),
            end: at(Duration::from_millis(lease)),
        }
    }
}

fn millis(seconds: u32) -> u64 {
    u64::from(seconds).saturating_mul(1000)
}

/// The time that a server gives, in milliseconds, if it is below `limit` and not zero.
fn given(seconds: Option<u32>, limit: u64) -> Option<u64> {
    seconds.map(millis).filter(|time| (1..limit).contains(time))
}
