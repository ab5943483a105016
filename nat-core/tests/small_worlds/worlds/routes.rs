//! The fragments that may pass because their first did.

use core::hash::{Hash, Hasher};
use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::{Instant, Side};

use super::packet::Headers;

/// For how long later fragments may follow their first.
const FOLLOW: Duration = Duration::from_secs(15);

/// The first fragments that were let through, and when.
#[derive(Clone, Default)]
pub(crate) struct Routes(Vec<(Side, Ipv4Addr, Ipv4Addr, u16, Instant)>);

impl Routes {
    pub(crate) fn add(&mut self, from: Side, first: &Headers, now: Instant) {
        let (source, destination) = (*first.source.ip(), *first.destination.ip());
        self.0.retain(|(side, s, d, id, since)| {
            (*side, *s, *d, *id) != (from, source, destination, first.identification)
                && now.saturating_duration_since(*since) < FOLLOW
        });
        self.0
            .push((from, source, destination, first.identification, now));
    }

    pub(crate) fn has(&self, from: Side, later: &Headers, now: Instant) -> bool {
        self.0.iter().any(|(side, source, destination, id, since)| {
            let of = (*side, *source, *destination, *id);
            of == (
                from,
                *later.source.ip(),
                *later.destination.ip(),
                later.identification,
            ) && now.saturating_duration_since(*since) < FOLLOW
        })
    }

    pub(crate) fn hash_canonical(&self, now: Instant, hasher: &mut impl Hasher) {
        for (from, source, destination, id, since) in &self.0 {
            let age = now.saturating_duration_since(*since);
            if age < FOLLOW {
                (from, source, destination, id, age).hash(hasher);
            }
        }
    }
}
