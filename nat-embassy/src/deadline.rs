//! When the NAT has work to do, without asking it in each pass.

use core::time::Duration;

use nat_core::{Instant, Nat, Timeouts, Width};

/// How long work is put off that the NAT has just been told to do and wants to do at once again.
const PUT_OFF: Duration = Timeouts::MIN;

/// What has timers: the NAT.
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

/// When the NAT has work to do. Always a time to come, once it has been asked, whatever the NAT
/// says: a task that is woken for a time that has passed would never let the processor sleep.
pub(crate) struct Deadline {
    /// What it said when it was asked last.
    said: Option<Instant>,
    /// What it said holds until then, whatever has begun since.
    holds_until: Instant,
    /// Whether anything may have begun since.
    stale: bool,
}

impl Deadline {
    /// To be asked for at once.
    pub(crate) const UNKNOWN: Self = Self {
        said: None,
        holds_until: Instant::from_millis(0),
        stale: true,
    };

    /// Notes that the NAT has got a packet.
    pub(crate) const fn note_packet(&mut self) {
        self.stale = true;
    }

    /// Has the NAT do what is due at `now`. Returns whether it wants to do more at once, which is
    /// put off.
    pub(crate) fn keep(&mut self, nat: &mut impl Timers, now: Instant) -> bool {
        if now < self.holds_until {
            return false;
        }
        nat.handle_timeout(now);
        let said = nat.poll_timeout();
        let again = said.is_some_and(|at| at <= now);
        self.said = if again {
            Some(now.saturating_add(PUT_OFF))
        } else {
            said
        };
        self.stale = false;
        // No session ends sooner after its last packet.
        let surely = now.saturating_add(Timeouts::MIN);
        self.holds_until = self.said.map_or(surely, |at| at.min(surely));
        again
    }

    /// When [`Deadline::keep`] is to be called next, if nothing else happens before.
    pub(crate) const fn next(&self) -> Option<Instant> {
        if self.stale {
            Some(self.holds_until)
        } else {
            self.said
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
        deadline.keep(&mut nat, now);
        assert_eq!(deadline.next(), None);
        ask(&mut nat, &mut deadline, 80, now);
        let ends = now.saturating_add(SESSION);
        let mut passes = 0;
        while let Some(at) = deadline.next() {
            now = at;
            deadline.keep(&mut nat, now);
            passes += 1;
        }
        assert_eq!((now, passes, nat.sessions().count()), (ends, 2, 0));
    }

    /// Timers that are always due, and count how often they were told to do their work.
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
                put_off += u32::from(deadline.keep(&mut nat, now));
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
            assert!(deadline.keep(&mut nat, now));
            assert_eq!(deadline.next(), Some(now.saturating_add(PUT_OFF)));
        }
    }

    #[test]
    fn a_session_of_the_shortest_life_ends_in_time_whenever_it_begins() {
        let (mut nat, mut deadline) = (nat(), Deadline::UNKNOWN);
        let start = Instant::from_secs(1000);
        deadline.keep(&mut nat, start);
        ask(&mut nat, &mut deadline, 80, start);
        for delay in 0..3000 {
            let begun = start.saturating_add(Duration::from_millis(delay * 7));
            deadline.keep(&mut nat, begun);
            ask(&mut nat, &mut deadline, 53, begun);
            let due = deadline.next().expect("there are sessions");
            assert!(
                begun < due && due <= begun.saturating_add(Timeouts::MIN),
                "begun at {begun:?}, due at {due:?}"
            );
        }
    }
}
