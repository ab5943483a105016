//! Limits on the replies that the router sends (RFC 1812 section 4.3.2.8), and why no limit reveals
//! the sessions of others.
//!
//! A limit that two parties share is a side channel. A party that uses it up counts its missing
//! replies, and learns how many replies the other party got. If those depend on whether a forged
//! packet matched a session, the party learns the external port of the session (the SAD DNS attack,
//! CVE-2020-25705). A table in which entries displace each other is the same side channel: then
//! replies come that should be missing. So here:
//!
//! - An ICMP error toward the outside is about a packet of a live session. It is limited by a token
//!   bucket in *that session* ([`Session::errors`](crate::state::Session)). A forged packet that
//!   matches a session changes the bucket of that session, whose errors only its peer sees. A forged
//!   packet that matches none changes nothing. The errors about the attacker's own sessions come and
//!   are missing as if there were no other party.
//! - The total of these errors is bounded by [`ErrorLoad`]. It counts each packet that calls for an
//!   error if it belongs to a session, *whether or not it does*, before the session is looked up.
//!   Under too many such packets, each error is sent with a certain probability. So no flood
//!   suppresses all errors of a session, and there is no last error to watch for.
//! - An ICMP error toward the inside, and a RST, is limited by the sender's entry in the table of
//!   hosts. A host without an entry has no session about which it could learn anything. Such hosts
//!   share [`RateBuckets`], where each address always has the same bucket. No address ever takes a
//!   bucket away from another.
//! - A ping from outside is limited by the bucket of its source. It is counted before anything is
//!   looked up, and does not depend on sessions.

use crate::Instant;
use crate::config::Limits;
use crate::table::HashKey;

/// How important it is that a reply is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Urgency {
    Ordinary,
    /// "Fragmentation needed", without which a connection stalls. It may exceed the burst by the
    /// same number again, so that other replies cannot suppress it.
    Urgent,
}

/// The limit for each destination: a burst of replies at once, then so many a second.
///
/// This is a token bucket. The bucket of a destination is a single `u32`: when the bucket will be
/// full again. The destination stores it, and 0 means that it is full.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct ReplyLimit {
    burst: u32,
    per_second: u64,
}

impl ReplyLimit {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            burst: u32::from(limits.icmp_error_burst),
            per_second: u64::from(limits.icmp_errors_per_second),
        }
    }

    /// Takes a token for one reply at `now`. Returns whether there was one. `full_at` is the bucket
    /// of the destination, in the time in which one token is earned, modulo 2^32.
    ///
    /// After weeks without replies the clock may have wrapped to just before `full_at`. Then the
    /// destination is treated once as if its bucket were empty.
    pub(crate) fn take(&self, full_at: &mut u32, now: Instant, urgency: Urgency) -> bool {
        // The product wraps after millions of years. Of its quotient, only differences count.
        let now = (now.as_millis().wrapping_mul(self.per_second) / 1000) as u32;
        let urgent_burst = self.burst.saturating_mul(2);
        let missing = full_at.wrapping_sub(now);
        // No more tokens than the urgent burst are ever missing. A larger number means that
        // `full_at` is in the past.
        let is_full = *full_at == 0 || missing > urgent_burst;
        let missing_after = if is_full {
            1
        } else {
            missing.saturating_add(1)
        };
        let burst = match urgency {
            Urgency::Ordinary => self.burst,
            Urgency::Urgent => urgent_burst,
        };
        let is_allowed = missing_after <= burst;
        if is_allowed {
            *full_at = now.wrapping_add(missing_after);
        }
        is_allowed
    }
}

/// The buckets of addresses that have no entry in any table. An address has one of `N` buckets by
/// its keyed hash, and shares it with one in `N` of all other addresses.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct RateBuckets<const N: usize> {
    full_at: [u32; N],
}

impl<const N: usize> RateBuckets<N> {
    pub(crate) const fn new() -> Self {
        Self { full_at: [0; N] }
    }

    /// The bucket of `address`.
    pub(crate) fn of(&mut self, key: &HashKey, address: u32) -> Option<&mut u32> {
        // The constant makes the hash independent of those of the tables.
        let hash = key.hash(address, 0x616e_7377);
        self.full_at.get_mut(scaled(hash, N as u32) as usize)
    }
}

/// How many packets arrive from outside that call for an ICMP error if they belong to a session,
/// and which of them may be answered.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct ErrorLoad {
    /// Up to this many a second may all be answered.
    limit: u32,
    second: u64,
    /// How many arrived in this second so far.
    count: u32,
    /// How many arrived in the previous second.
    previous: u32,
    random: u32,
    /// Whether the packet that was counted last may be answered.
    may_answer: bool,
}

/// How many destinations may get all their errors within one second.
const DESTINATIONS: u32 = 64;

impl ErrorLoad {
    pub(crate) fn new(limits: &Limits, secret: u32) -> Self {
        let each = u32::from(limits.icmp_error_burst.max(limits.icmp_errors_per_second));
        Self {
            limit: each.saturating_mul(DESTINATIONS),
            second: 0,
            count: 0,
            previous: 0,
            // A state of zero would stay zero.
            random: secret | 1,
            may_answer: true,
        }
    }

    /// Counts a packet, and decides at random whether it may be answered.
    pub(crate) fn count(&mut self, now: Instant) {
        let second = now.as_millis() / 1000;
        if second != self.second {
            let follows = self.second.checked_add(1) == Some(second);
            self.previous = if follows { self.count } else { 0 };
            (self.second, self.count) = (second, 0);
        }
        self.count = self.count.saturating_add(1);
        // The load of the previous second is the best estimate while this second is young.
        let load = self.count.max(self.previous);
        // A random number below `load` is below `limit` with the probability that is needed. If the
        // load is below the limit, it always is.
        self.may_answer = scaled(self.next_random(), load) < self.limit;
    }

    /// Whether the packet that was counted last may be answered: always, unless there are too many.
    pub(crate) fn answers(&self) -> bool {
        self.may_answer
    }

    /// Xorshift (Marsaglia 2003): good enough to spread the errors evenly. Nothing secret depends on
    /// it.
    fn next_random(&mut self) -> u32 {
        let mut random = self.random;
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random = random;
        random
    }
}

/// Scales a 32-bit number to the range below `range`.
fn scaled(random: u32, range: u32) -> u32 {
    (u64::from(random).wrapping_mul(u64::from(range)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    const KEY: HashKey = HashKey::new([
        0x1b87_3593,
        0xcc9e_2d51,
        0x85eb_ca6b,
        0xc2b2_ae35,
        0x27d4_eb2f,
    ]);

    fn limits(burst: u16, per_second: u16) -> Limits {
        let mut limits = Limits::DEFAULT;
        (limits.icmp_error_burst, limits.icmp_errors_per_second) = (burst, per_second);
        limits
    }

    fn taken(limit: &ReplyLimit, full_at: &mut u32, now: u32, urgency: Urgency) -> usize {
        let now = Instant::from_millis(u64::from(now));
        (0..100)
            .filter(|_| limit.take(full_at, now, urgency))
            .count()
    }

    #[test]
    fn a_burst_then_so_many_a_second() {
        for start in [0_u32, 500, 1_000_000, 4_000_000_000] {
            let (limit, mut full_at) = (ReplyLimit::new(&limits(3, 2)), 0);
            let mut at = |millis: u32| {
                taken(
                    &limit,
                    &mut full_at,
                    start.wrapping_add(millis),
                    Urgency::Ordinary,
                )
            };
            assert_eq!(
                [at(0), at(499), at(500), at(1000)],
                [3, 0, 1, 1],
                "from {start}"
            );
            assert_eq!(at(60_000), 3, "never more than the burst");
        }
    }

    #[test]
    fn what_is_urgent_is_sent_whatever_else_was() {
        let (limit, mut full_at) = (ReplyLimit::new(&limits(10, 5)), 0);
        assert_eq!(taken(&limit, &mut full_at, 1000, Urgency::Ordinary), 10);
        assert_eq!(taken(&limit, &mut full_at, 1000, Urgency::Urgent), 10);
        for second in 2..50 {
            let now = second * 1000;
            assert_eq!(
                taken(&limit, &mut full_at, now, Urgency::Ordinary),
                0,
                "all of them go to what is urgent"
            );
            assert_eq!(taken(&limit, &mut full_at, now, Urgency::Urgent), 5);
        }
    }

    #[test]
    fn none_and_the_most_are_survived() {
        assert_eq!(
            taken(
                &ReplyLimit::new(&limits(0, 0)),
                &mut 0,
                1000,
                Urgency::Urgent
            ),
            0
        );
        let most = ReplyLimit::new(&limits(u16::MAX, u16::MAX));
        let mut full_at = 0;
        let all = (0..200_000)
            .filter(|_| {
                most.take(
                    &mut full_at,
                    Instant::from_millis(u64::from(u32::MAX)),
                    Urgency::Ordinary,
                )
            })
            .count();
        assert_eq!(all, usize::from(u16::MAX));
    }

    /// The addresses of a network spread over all buckets, and each keeps its own.
    #[test]
    fn an_address_keeps_its_bucket() {
        let (limit, mut buckets) = (ReplyLimit::new(&limits(10, 1)), RateBuckets::<64>::new());
        let mut answered = 0;
        for address in 0xc0a8_0101..0xc0a8_01ff_u32 {
            let full_at = buckets.of(&KEY, address).expect("a bucket");
            answered += taken(&limit, full_at, 1000, Urgency::Ordinary);
        }
        assert!(
            (500..=640).contains(&answered),
            "{answered}: nearly all of 64 buckets are in use, and none twice"
        );
    }

    /// Few packets are all answered. Of many, about as many are answered as the limit allows, spread
    /// over the whole second.
    #[test]
    fn a_flood_thins_the_answers_evenly() {
        let mut load = ErrorLoad::new(&limits(20, 20), 7);
        let mut answers = |second: u64, packets: u64| {
            let at = |packet: u64| Instant::from_millis(second * 1000 + packet * 1000 / packets);
            let answered: Vec<_> = (0..packets)
                .filter(|packet| {
                    load.count(at(*packet));
                    load.answers()
                })
                .collect();
            let late = answered
                .iter()
                .filter(|packet| **packet >= packets / 2)
                .count();
            (answered.len(), late)
        };
        assert_eq!(answers(10, 1280).0, 1280);
        assert_eq!(answers(11, 1280).0, 1280);
        let (first, _) = answers(12, 100_000);
        assert!(
            (5000..8500).contains(&first),
            "{first} in the second in which it begins"
        );
        let (next, late) = answers(13, 100_000);
        assert!(
            (1100..1500).contains(&next) && (500..800).contains(&late),
            "{next}, {late} of them late"
        );
        assert_eq!(answers(15, 1280).0, 1280, "and all is as before");
    }
}
