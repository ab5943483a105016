//! IPv4 identifications for what may be fragmented (RFC 6864).

/// New identifications for datagrams that may be fragmented. Two inside hosts may use the same
/// identification at the same time. Their packets leave with one source address, so the engine
/// replaces the identification (RFC 6864 section 5.3.1).
///
/// A destination shares its counter with one in 64 of the others, and its identifications begin at a
/// start of its own. So they reveal little about packets to other destinations, and many packets are
/// sent before one is repeated.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct Identifications {
    secret: [u32; 4],
    sent: [u16; COUNTERS],
}

const COUNTERS: usize = 64;

impl Identifications {
    pub(crate) const fn new(secret: [u32; 4]) -> Self {
        Self {
            secret,
            sent: [0; COUNTERS],
        }
    }

    /// The next identification toward `destination`. None is repeated within 65,536 packets to the
    /// destinations of its counter, which is the most that 16 bits allow.
    pub(crate) fn next(&mut self, destination: u32, protocol: u8) -> u16 {
        let hash = hash(self.secret, destination, u32::from(protocol));
        let start = hash as u16;
        let Some(sent) = self.sent.get_mut(counter_of(hash)) else {
            return start;
        };
        *sent = sent.wrapping_add(1);
        start.wrapping_add(*sent)
    }
}

/// Two multiplications, each folding its 64-bit product, keyed before and after. Stronger than a
/// table's hash, because servers see half of the result.
fn hash([a, b, c, d]: [u32; 4], high: u32, low: u32) -> u32 {
    fold(fold(high ^ a, low ^ b) ^ high.rotate_left(16) ^ c, low ^ d)
}

fn fold(a: u32, b: u32) -> u32 {
    let product = u64::from(a).wrapping_mul(u64::from(b));
    (product as u32) ^ (product >> 32) as u32
}

/// The counter comes from other bits than the start, so that the starts of destinations with one
/// counter do not depend on each other.
fn counter_of(hash: u32) -> usize {
    (hash >> 26) as usize
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::HashSet;
    use std::vec::Vec;

    use super::*;

    const UDP: u8 = 17;
    const SERVER: u32 = 0xc633_640a;

    fn identifications(secret: u32) -> Identifications {
        Identifications::new([secret, 0x1234_5678, 0x9abc_def0, 0x0fed_cba9])
    }

    /// Destinations of other counters than the server's, of 256.
    fn others(ids: &Identifications) -> Vec<u32> {
        let counter = |address: u32| counter_of(hash(ids.secret, address, u32::from(UDP)));
        (0xcb00_7100..0xcb00_7200)
            .filter(|address| counter(*address) != counter(SERVER))
            .collect()
    }

    /// X10: as many as 16 bits can tell apart, whatever goes to destinations of other counters.
    #[test]
    fn no_identification_comes_again_within_65536_packets() {
        let mut ids = identifications(1);
        let elsewhere = others(&ids);
        let mut seen = HashSet::new();
        for packet in 0..=usize::from(u16::MAX) {
            assert!(
                seen.insert(ids.next(SERVER, UDP)),
                "packet {packet} has a number of an earlier one"
            );
            ids.next(elsewhere[packet % elsewhere.len()], UDP);
        }
        assert!(
            seen.contains(&ids.next(SERVER, UDP)),
            "there are no more numbers"
        );
    }

    /// X10: traffic to one destination does not use up the numbers of another.
    #[test]
    fn destinations_of_two_counters_do_not_share_them() {
        let mut ids = identifications(1);
        let elsewhere = others(&ids);
        assert!(
            elsewhere.len() > 240,
            "{} of 256 destinations have other counters",
            elsewhere.len()
        );
        let first = ids.next(SERVER, UDP);
        for destination in elsewhere {
            ids.next(destination, UDP);
        }
        assert_eq!(ids.next(SERVER, UDP), first.wrapping_add(1));
    }

    /// All counters are in use, and about as often as each other.
    #[test]
    fn destinations_spread_over_all_counters() {
        let mut ids = identifications(1);
        for destination in 0..6400_u32 {
            ids.next(SERVER.wrapping_add(destination), UDP);
        }
        assert!(
            ids.sent.iter().all(|sent| (40..200).contains(sent)),
            "{:?}",
            ids.sent
        );
    }

    /// X10: another secret, other numbers from the first on.
    #[test]
    fn first_identifications_depend_on_the_secret() {
        let firsts: HashSet<u16> = (0..100)
            .map(|secret| identifications(secret).next(SERVER, UDP))
            .collect();
        assert!(firsts.len() > 95, "{} different of 100", firsts.len());
    }
}
