//! How many answers may be sent (RFC 1812 section 4.3.2.8), and why no limit tells anything about
//! the flows of others.
//!
//! A limit that two parties share can be read: whoever uses it up to the last answer sees, by the
//! answers that are missing, how many the other got. If the other's answers depend on whether a
//! forged packet matched a session, that is the external port of the session (the SAD DNS attack,
//! CVE-2020-25705). A table whose entries make room for each other tells the same by the answers
//! that come although they should not. So here:
//!
//! - An ICMP error toward the outside is about a packet of a live session, and is limited by what
//!   *that session* remembers ([`Session::errors`](crate::state::Session)). A forged packet that
//!   matches changes the session it matched, whose peer alone sees the errors; one that does not
//!   match changes nothing. Errors about the attacker's own sessions come, and are missing, as if
//!   nobody else were there.
//! - Their total is bounded by [`ErrorLoad`], which counts each packet that is due an error if it
//!   is of a session, *whether it is of one or not*, before that is looked up. Where there are too
//!   many, each error is sent by chance only, so no flood withholds all errors of a session, and
//!   there is no last answer that could be watched for.
//! - An ICMP error toward the inside, and a RST, is limited by what the host's entry in the table
//!   of hosts remembers. A host without one has no session, so nothing can be learnt about any;
//!   such hosts share [`RateBuckets`], each always the same by its address. No place is ever taken from
//!   one address by another.
//! - A ping from outside is limited by the place of its source. It is counted before anything is
//!   looked up, and no session has to do with it.

use crate::Instant;
use crate::config::Limits;
use crate::table::HashKey;

/// Which answers a limit is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Urgency {
    Ordinary,
    /// "Fragmentation needed", without which a connection comes to a halt: may go beyond the burst
    /// by as much again, so that no other answers keep it from being sent.
    Urgent,
}

/// What one destination may get: a burst of answers at once, then so many a second.
pub(crate) struct ReplyLimit {
    burst: u32,
    per_second: u64,
}

impl ReplyLimit {
    pub(crate) fn new(limits: &Limits) -> Self {
        let burst = u32::from(limits.icmp_error_burst);
        Self {
            burst,
            per_second: u64::from(limits.icmp_errors_per_second),
        }
    }

    /// Whether one answer may be sent at `now`; if so it is taken as sent. `due` is when all that
    /// were sent before are earned, in answers since the start of the clock modulo 2^32; zero at
    /// first.
    ///
    /// After weeks of rest the clock may have come round to just before `due` by chance. Then the
    /// destination is treated for once as if it had just had its burst.
    pub(crate) fn take(&self, due: &mut u32, now: Instant, urgency: Urgency) -> bool {
        let now = (now.as_millis().wrapping_mul(self.per_second) / 1000) as u32;
        let urgent = self.burst.saturating_mul(2);
        // What is owed is never more than that, so a `due` that seems further ahead lies behind.
        let owed = due.wrapping_sub(now);
        let owed = if *due == 0 || owed > urgent { 0 } else { owed };
        let most = if urgency == Urgency::Urgent {
            urgent
        } else {
            self.burst
        };
        let with_this = owed.saturating_add(1);
        let allowed = with_this <= most;
        if allowed {
            *due = now.wrapping_add(with_this);
        }
        allowed
    }
}

/// What addresses have taken of an allowance that have no entry of their own in any table. Each has
/// one of `N` places by a hash that nobody can predict, and shares it with one in `N` of the
/// others.
pub(crate) struct RateBuckets<const N: usize> {
    due: [u32; N],
}

impl<const N: usize> RateBuckets<N> {
    pub(crate) const fn new() -> Self {
        Self { due: [0; N] }
    }

    /// What `address` has taken.
    pub(crate) fn of(&mut self, key: &HashKey, address: u32) -> Option<&mut u32> {
        // The constant sets the hash apart from those of the tables.
        let hash = key.hash(address, 0x616e_7377);
        self.due.get_mut(scaled(hash, N as u32) as usize)
    }
}

/// How many packets have come from outside that are due an ICMP error if they are of a session.
pub(crate) struct ErrorLoad {
    /// As many a second may all be answered.
    most: u32,
    second: u64,
    /// In this second, and in the one before.
    count: u32,
    before: u32,
    random: u32,
    /// Whether the packet that was counted last may be answered.
    answers: bool,
}

/// How many destinations may get all their errors in the same second.
const DESTINATIONS: u32 = 64;

impl ErrorLoad {
    /// `secret` is any number but zero.
    pub(crate) fn new(limits: &Limits, secret: u32) -> Self {
        let each = u32::from(limits.icmp_error_burst.max(limits.icmp_errors_per_second));
        Self {
            most: each.saturating_mul(DESTINATIONS),
            second: 0,
            count: 0,
            before: 0,
            random: secret | 1,
            answers: true,
        }
    }

    /// Counts a packet, and draws whether it may be answered.
    pub(crate) fn count(&mut self, now: Instant) {
        let second = now.as_millis() / 1000;
        if second != self.second {
            let follows = self.second.checked_add(1) == Some(second);
            self.before = if follows { self.count } else { 0 };
            (self.second, self.count) = (second, 0);
        }
        self.count = self.count.saturating_add(1);
        let load = self.count.max(self.before);
        self.answers = scaled(self.draw(), load) < self.most;
    }

    /// Whether the packet that was counted last may be answered: surely, as long as there are not
    /// too many.
    pub(crate) fn answers(&self) -> bool {
        self.answers
    }

    /// Xorshift (Marsaglia 2003): good enough to spread answers evenly; no secret depends on it.
    fn draw(&mut self) -> u32 {
        let mut random = self.random;
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random = random;
        random
    }
}

/// A number below `range` for one of 32 bits.
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

    fn taken(allowance: &ReplyLimit, due: &mut u32, now: u32, urgency: Urgency) -> usize {
        let now = Instant::from_millis(u64::from(now));
        (0..100)
            .filter(|_| allowance.take(due, now, urgency))
            .count()
    }

    #[test]
    fn a_burst_then_so_many_a_second() {
        for start in [0_u32, 500, 1_000_000, 4_000_000_000] {
            let (allowance, mut due) = (ReplyLimit::new(&limits(3, 2)), 0);
            let mut at = |millis: u32| {
                taken(
                    &allowance,
                    &mut due,
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
        let (allowance, mut due) = (ReplyLimit::new(&limits(10, 5)), 0);
        assert_eq!(taken(&allowance, &mut due, 1000, Urgency::Ordinary), 10);
        assert_eq!(taken(&allowance, &mut due, 1000, Urgency::Urgent), 10);
        for second in 2..50 {
            let now = second * 1000;
            assert_eq!(
                taken(&allowance, &mut due, now, Urgency::Ordinary),
                0,
                "all of them go to what is urgent"
            );
            assert_eq!(taken(&allowance, &mut due, now, Urgency::Urgent), 5);
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
        let mut due = 0;
        let all = (0..200_000)
            .filter(|_| {
                most.take(
                    &mut due,
                    Instant::from_millis(u64::from(u32::MAX)),
                    Urgency::Ordinary,
                )
            })
            .count();
        assert_eq!(all, usize::from(u16::MAX));
    }

    /// The addresses of a network spread over all places, and each keeps its own.
    #[test]
    fn an_address_keeps_its_place() {
        let (allowance, mut places) = (ReplyLimit::new(&limits(10, 1)), RateBuckets::<64>::new());
        let mut answered = 0;
        for address in 0xc0a8_0101..0xc0a8_01ff_u32 {
            let due = places.of(&KEY, address).expect("a entry");
            answered += taken(&allowance, due, 1000, Urgency::Ordinary);
        }
        assert!(
            (500..=640).contains(&answered),
            "{answered}: nearly all of 64 places are in use, and none twice"
        );
    }

    /// All are answered as long as they are few; of many, about as many as may be, spread over all
    /// of the second.
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
