//! Numbers that cannot be predicted.

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

/// A sequence of numbers that cannot be predicted without its key: SipHash of a counter.
pub(super) struct Random {
    keys: [u64; 2],
    count: u64,
}

impl Random {
    /// Keys the sequence with two secret random numbers.
    pub(super) fn new(seeds: [u64; 2]) -> Self {
        let [first, second] = seeds;
        // Derived, because the seeds seed the stacks, too.
        let key = |half: u8| {
            let mut hasher = SipHasher24::new_with_keys(first, second);
            hasher.write(b"DNS forwarder");
            hasher.write_u8(half);
            hasher.finish()
        };
        Self {
            keys: [key(0), key(1)],
            count: 0,
        }
    }

    /// The next message number.
    pub(super) fn id(&mut self) -> u16 {
        self.next() as u16
    }

    /// The next port, from 1024 to 65535.
    pub(super) fn port(&mut self) -> u16 {
        const PORTS: u64 = 65_536 - 1024;
        // Of 64 bits, so that all ports are as likely but for one part in 2^48.
        (1024 + self.next() % PORTS) as u16
    }

    fn next(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        let [first, second] = self.keys;
        let mut hasher = SipHasher24::new_with_keys(first, second);
        hasher.write_u64(self.count);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_and_ports_use_their_whole_range() {
        let mut random = Random::new([1, 2]);
        let ids: BTreeSet<u16> = (0..1_000_000).map(|_| random.id()).collect();
        let ports: BTreeSet<u16> = (0..1_000_000).map(|_| random.port()).collect();
        assert_eq!(ids.len(), 65_536);
        assert_eq!(ports.len(), 64_512);
        assert_eq!(ports.first(), Some(&1024));
    }
}
