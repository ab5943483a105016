//! When the NAT's next timer is due, without asking the NAT in each pass.

use core::time::Duration;

use nat_core::{Instant, Nat, Timeouts, Width};

/// How long timers are deferred that are still due after they were handled.
const DEFERRAL: Duration = Timeouts::MIN;

/// The timers of the NAT, as a trait for tests.
pub(crate) trait Timers {
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Instant>;
}

impl<W: Width> Timers for Nat<'_, W> {
    fn handle_timeout(&mut self, now: Instant) {
        Self::handle_timeout(self, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Self::poll_timeout(self)
    }
}

/// When the NAT's next timer is due. Once the NAT was asked, this is always a time to come, even if
/// the NAT returns a past one by fault: a task that is woken for a past time would never let the
/// processor sleep.
pub(crate) struct Deadline {
    /// The latest answer of the NAT.
    due: Option<Instant>,
    /// No timer is due before this, even one that has started since.
    none_before: Instant,
    /// Whether a timer may have started since.
    stale: bool,
}

impl Deadline {
    /// The NAT is asked in the next pass.
    pub(crate) const UNKNOWN: Self = Self {
        due: None,
        none_before: Instant::from_millis(0),
        stale: true,
    };

    /// Notes that the NAT has processed a packet, which may have started a timer.
    pub(crate) const fn note_packet(&mut self) {
        self.stale = true;
    }

    /// Whether a timer may be due at `now`.
    pub(crate) fn may_be_due(&self, now: Instant) -> bool {
        now >= self.none_before
    }

    /// Handles the NAT's timers that are due at `now`. Returns whether some are still due
    /// afterwards; they are deferred.
    pub(crate) fn handle_due(&mut self, nat: &mut impl Timers, now: Instant) -> bool {
        // Nothing can be due yet, so the NAT is not asked in each pass.
        if !self.may_be_due(now) {
            return false;
        }
        nat.handle_timeout(now);
        let due = nat.poll_timeout();
        let still_due = due.is_some_and(|at| at <= now);
        self.due = if still_due {
            Some(now.saturating_add(DEFERRAL))
        } else {
            due
        };
        self.stale = false;
        // A timer that a packet starts runs for at least this long.
        let earliest_new = now.saturating_add(Timeouts::MIN);
        self.none_before = self.due.map_or(earliest_new, |at| at.min(earliest_new));
        still_due
    }

    /// When [`Deadline::handle_due`] must be called next, if no packet comes before.
    pub(crate) const fn next(&self) -> Option<Instant> {
        if self.stale {
            Some(self.none_before)
        } else {
            self.due
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::net::Ipv4Addr;
    use std::boxed::Box;

    use etherparse::PacketBuilder;
    use nat_core::{Cidr, Config, Seed, Side, Tables, Verdict};

    use super::*;

    const SESSION: Duration = Duration::from_secs(300);

    fn nat() -> Nat<'static> {
        let mut config =
            Config::new(Cidr::new(Ipv4Addr::new(192, 168, 77, 1), 24).expect("a prefix length"));
        config
            .external_addresses
            .push(Ipv4Addr::new(198, 51, 100, 1))
            .expect("room for one");
        (config.timeouts.udp, config.timeouts.dns) = (SESSION, Some(Timeouts::MIN));
        Nat::new(
            Box::leak(Box::new(Tables::<8, 8>::new())),
            config,
            Seed::new([7; 16]),
        )
        .expect("a sound configuration")
    }

    /// A host asks, and the deadline hears of it.
    fn ask(nat: &mut Nat<'_>, deadline: &mut Deadline, port: u16, now: Instant) {
        let mut packet = std::vec::Vec::new();
        let ip = PacketBuilder::ipv4([192, 168, 77, 2], [203, 0, 113, 1], 64);
        ip.udp(4000, port)
            .write(&mut packet, b"?")
            .expect("a vector grows");
        let verdict = nat.process(&mut packet, Side::Inside, now);
        assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
        deadline.note_packet();
    }

    #[test]
    fn an_idle_router_sleeps_until_a_session_ends() {
        let (mut nat, mut deadline) = (nat(), Deadline::UNKNOWN);
        let mut now = Instant::from_secs(1000);
        deadline.handle_due(&mut nat, now);
        assert_eq!(deadline.next(), None);
        ask(&mut nat, &mut deadline, 80, now);
        let ends = now.saturating_add(SESSION);
        let mut passes = 0;
        while let Some(at) = deadline.next() {
            now = at;
            deadline.handle_due(&mut nat, now);
            passes += 1;
        }
        assert_eq!((now, passes, nat.sessions().count()), (ends, 2, 0));
    }

    /// Timers that are always due, and count how often they were handled.
    struct Stuck {
        due: Option<Instant>,
        calls: u32,
    }

    impl Timers for Stuck {
        fn handle_timeout(&mut self, _: Instant) {
            self.calls += 1;
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.due
        }
    }

    #[test]
    fn timers_that_stay_due_are_put_off_and_counted() {
        let start = Instant::from_secs(1000);
        for due in [Instant::from_millis(0), start, Instant::from_secs(1010)] {
            let (mut nat, mut deadline) = (
                Stuck {
                    due: Some(due),
                    calls: 0,
                },
                Deadline::UNKNOWN,
            );
            let (mut now, mut passes, mut put_off) = (start, 0, 0);
            while now < start.saturating_add(Duration::from_secs(60)) {
                // A packet in each pass.
                put_off += u32::from(deadline.handle_due(&mut nat, now));
                deadline.note_packet();
                passes += 1;
                let next = deadline.next().expect("work that is due");
                assert!(next > now, "due at {next:?}, at {now:?}");
                now = next;
            }
            assert!(
                passes <= 60 && nat.calls == passes,
                "{passes} passes, {} calls",
                nat.calls
            );
            let all = due <= start;
            assert!(
                if all {
                    put_off == passes
                } else {
                    (49..=51).contains(&put_off)
                },
                "{put_off} of {passes}"
            );
        }
    }

    /// The application may ask for a look at the timers at any time; it is not what wakes the task
    /// again.
    #[test]
    fn timers_that_stay_due_are_put_off_after_each_change_of_the_application() {
        let mut nat = Stuck {
            due: Some(Instant::from_millis(0)),
            calls: 0,
        };
        for millis in 1..100 {
            let (now, mut deadline) = (Instant::from_millis(millis), Deadline::UNKNOWN);
            assert!(deadline.handle_due(&mut nat, now));
            assert_eq!(deadline.next(), Some(now.saturating_add(DEFERRAL)));
        }
    }

    #[test]
    fn a_session_of_the_shortest_life_ends_in_time_whenever_it_begins() {
        let (mut nat, mut deadline) = (nat(), Deadline::UNKNOWN);
        let start = Instant::from_secs(1000);
        deadline.handle_due(&mut nat, start);
        ask(&mut nat, &mut deadline, 80, start);
        for delay in 0..3000 {
            let begun = start.saturating_add(Duration::from_millis(delay * 7));
            deadline.handle_due(&mut nat, begun);
            ask(&mut nat, &mut deadline, 53, begun);
            let due = deadline.next().expect("there are sessions");
            assert!(
                begun < due && due <= begun.saturating_add(Timeouts::MIN),
                "begun at {begun:?}, due at {due:?}"
            );
        }
    }
}
