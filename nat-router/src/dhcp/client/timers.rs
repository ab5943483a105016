//! When the client sends: backoff (RFC 2131 section 4.1), and the times of a lease (section 4.4.5).

use core::hash::Hasher;
use core::time::Duration;

use nat_core::Instant;
use siphasher::sip::SipHasher24;

use super::lease::Times;

/// The first wait for an answer.
const FIRST_WAIT: Duration = Duration::from_secs(4);

/// How often the wait doubles, up to 64 s.
const DOUBLINGS: u32 = 4;

/// How far a wait may be off, either way.
const FUZZ: Duration = Duration::from_secs(1);

/// How long to wait for the answer to a renewal at least, before it is asked again.
const MIN_RENEWAL_WAIT: Duration = Duration::from_secs(60);

/// Numbers that nobody outside can foresee.
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

/// How long to wait for an answer to the message after `earlier` others without one: 4 s, 8 s and
/// so on up to 64 s, up to 1 s more or less.
pub(super) fn backoff(earlier: u32, random: &mut Random) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << earlier.min(DOUBLINGS));
    wait.saturating_sub(FUZZ)
        .saturating_add(random.up_to(FUZZ.saturating_mul(2)))
}

/// When to ask for a renewal again that was asked for at `now`: after half of the time that is left
/// until `end`, but after no less than 60 s; at `end`, if that comes first.
pub(super) fn renewal_retry(now: Instant, end: Instant) -> Instant {
    let half = end.saturating_duration_since(now) / 2;
    now.saturating_add(half.max(MIN_RENEWAL_WAIT)).min(end)
}

/// What is due when in the life of a lease; all `None` for one that lasts for ever.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Deadlines {
    /// To ask the server for more (T1).
    pub(super) renewal: Option<Instant>,
    /// To ask any server (T2).
    pub(super) rebinding: Option<Instant>,
    pub(super) end: Option<Instant>,
}

impl Deadlines {
    /// Those of a lease that was asked for at `asked`.
    ///
    /// T2 is 7/8 of the lease unless the server gives a time within it, and T1 4/7 of T2, which is
    /// half of the lease, unless the server gives a time before T2. T1 is no sooner than after
    /// 60 s, or half of a lease that is shorter than 2 min. It comes up to a 32nd earlier, so
    /// that not all clients of a network ask at once.
    pub(super) fn of(times: &Times, asked: Instant, random: &mut Random) -> Self {
        let Some(lease) = times.lease else {
            return Self::default();
        };
        let millis = |seconds: u32| u64::from(seconds).saturating_mul(1000);
        let lease = millis(lease);
        let given = |time: Option<u32>, limit: u64| {
            time.map(millis).filter(|time| (1..limit).contains(time))
        };
        let rebinding = given(times.rebinding, lease).unwrap_or(lease / 8 * 7);
        let renewal = given(times.renewal, rebinding).unwrap_or(rebinding / 7 * 4);
        let floor = (lease / 2).min(MIN_RENEWAL_WAIT.as_millis() as u64);
        let renewal = Duration::from_millis(renewal.max(floor));
        let renewal = renewal.saturating_sub(random.up_to(renewal / 32));
        let rebinding = Duration::from_millis(rebinding).max(renewal);
        let at = |time: Duration| Some(asked.saturating_add(time));
        Self {
            renewal: at(renewal),
            rebinding: at(rebinding),
            end: at(Duration::from_millis(lease)),
        }
    }
}
