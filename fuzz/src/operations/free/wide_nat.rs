//! A second NAT whose tables have wide links: it must do the same.

use nat_core::{Instant, MAX_HELD_LEN, Nat, Reply, Verdict};

use super::packets::Entry;
use super::world::{Outcome, World};

pub(super) struct WideNat<'t> {
    pub(super) nat: Nat<'t, u32>,
}

impl WideNat<'_> {
    /// Lets time pass as the world does.
    pub(super) fn advance(&mut self, end: Instant) {
        while let Some(due) = self.nat.poll_timeout().filter(|due| *due <= end) {
            self.nat.handle_timeout(due);
        }
        self.nat.handle_timeout(end);
    }

    /// The same packet as the world had, with the same outcome.
    pub(super) fn packet(&mut self, entry: Entry, sent: &[u8], now: Instant, outcome: &Outcome) {
        let mut buffer = sent.to_vec();
        let verdict = match entry {
            Entry::Wire(side) => self.nat.process(&mut buffer, side, now),
            Entry::Router => self.nat.process_local(&mut buffer, now),
        };
        let mut waiting = [0; MAX_HELD_LEN];
        while self.nat.release(&mut waiting, now).is_some() {}
        let same = match (outcome, &verdict) {
            (Outcome::Dropped(reason), Verdict::Drop(other)) => reason == other,
            (Outcome::Held, Verdict::Hold) => true,
            (Outcome::Forwarded(packet), Verdict::Forward { len, .. })
            | (Outcome::Fragmented(packet, _), Verdict::Fragment { len, .. })
            | (Outcome::Local(_, packet), Verdict::Local { len, .. }) => {
                packet.bytes() == buffer[..*len]
            }
            (Outcome::Rejected(reason, packet), Verdict::Reject(reply)) => {
                let mut answer = [0; Reply::MAX_LEN];
                let len = reply
                    .emit(&buffer, &mut answer)
                    .expect("the longest answer fits");
                *reason == reply.reason() && packet.bytes() == answer[..len]
            }
            _ => false,
        };
        assert!(
            same,
            "narrow tables: {outcome:?}\nwide tables: {verdict:?} {buffer:02x?}"
        );
    }

    pub(super) fn check(&self, world: &World) {
        assert_eq!(
            self.nat.audit(),
            Ok(()),
            "what is not as it should be in wide tables"
        );
        assert!(
            world.nat.sessions().eq(self.nat.sessions()),
            "sessions of narrow and of wide tables"
        );
        assert_eq!(world.nat.poll_timeout(), self.nat.poll_timeout());
        assert!(
            world
                .nat
                .draining_addresses()
                .eq(self.nat.draining_addresses())
        );
    }
}
