//! Sets of ports.

use heapless::Vec;

use super::PortRange;

/// How many ranges a [`PortSet`] can have by default.
pub const MAX_PORT_RANGES: usize = 40;

/// A set of ports, stored as ranges.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PortSet<const RANGES: usize = MAX_PORT_RANGES> {
    /// In ascending order. No two ranges overlap or are adjacent.
    ranges: Vec<PortRange, RANGES>,
}

/// The set has as many ranges as it can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PortSetFull;

impl core::fmt::Display for PortSetFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("too many ranges of ports")
    }
}

impl core::error::Error for PortSetFull {}

impl PortSet {
    /// Ports that access networks or servers are known to filter. A connection from such a port
    /// fails for no reason that its user can see. Most are ports of services that were abused for
    /// reflected floods: a datagram *from* such a port looks like a reflected one.
    /// `docs/excluded-ports.md` in the repository has the source for each.
    pub const FILTERED: Self = Self {
        ranges: Vec::from_array([
            single(7),
            single(17),
            single(19),
            single(25),
            single(53),
            PortRange {
                first: 67,
                last: 69,
            },
            single(111),
            single(123),
            PortRange {
                first: 135,
                last: 139,
            },
            single(161),
            single(389),
            single(445),
            single(500),
            single(520),
            PortRange {
                first: 1025,
                last: 1030,
            },
            PortRange {
                first: 1433,
                last: 1434,
            },
            single(1900),
            single(3702),
            single(5353),
            single(5355),
            single(10001),
            single(11211),
            single(17185),
            single(20800),
            single(27015),
            single(27960),
        ]),
    };
}

/// Whether all of `one` is below `other`, with at least one port between them.
fn is_below(one: PortRange, other: PortRange) -> bool {
    u32::from(one.last).saturating_add(1) < u32::from(other.first)
}

/// Whether two ranges overlap or are adjacent.
fn touches(one: PortRange, other: PortRange) -> bool {
    !is_below(one, other) && !is_below(other, one)
}

const fn single(port: u16) -> PortRange {
    PortRange {
        first: port,
        last: port,
    }
}

impl<const RANGES: usize> PortSet<RANGES> {
    /// The empty set.
    pub const EMPTY: Self = Self { ranges: Vec::new() };

    /// Adds the ports of a range. Overlapping and adjacent ranges are merged.
    ///
    /// # Errors
    ///
    /// [`PortSetFull`] if the set has as many ranges as it can have. The set is unchanged then.
    pub fn insert(&mut self, range: PortRange) -> Result<(), PortSetFull> {
        // The ranges that the new one overlaps or is adjacent to become part of it.
        let merged = self
            .ranges
            .iter()
            .filter(|other| touches(**other, range))
            .fold(range, |merged, other| PortRange {
                first: merged.first.min(other.first),
                last: merged.last.max(other.last),
            });
        let merges = self.ranges.iter().any(|other| touches(*other, range));
        if self.ranges.is_full() && !merges {
            return Err(PortSetFull);
        }
        self.ranges.retain(|other| !touches(*other, range));
        let position = self.ranges.partition_point(|other| is_below(*other, range));
        self.ranges
            .insert(position, merged)
            .map_err(|_| PortSetFull)
    }

    /// Whether `port` is in the set.
    pub fn contains(&self, port: u16) -> bool {
        // From the last range on: most ports that are asked about were drawn from all above 1023,
        // and are above every range, or above all but a few.
        let mut ranges = self.ranges.iter().rev();
        let nearest = ranges.find(|range| range.first <= port);
        nearest.is_some_and(|range| port <= range.last)
    }

    /// The ranges in ascending order. No two overlap.
    pub fn ranges(&self) -> impl Iterator<Item = PortRange> + '_ {
        self.ranges.iter().copied()
    }

    /// The same ports in a set that can have `MORE` ranges, which must not be fewer.
    pub(crate) fn widened<const MORE: usize>(&self) -> PortSet<MORE> {
        const { assert!(MORE >= RANGES, "a set for more ranges") };
        PortSet {
            ranges: Vec::from_slice(&self.ranges).unwrap_or_default(),
        }
    }

    /// How many ports are in the set.
    pub(crate) fn count(&self) -> usize {
        self.ranges()
            .map(PortRange::count)
            .fold(0, usize::saturating_add)
    }

    /// Whether all ports of `range` are in the set.
    pub(crate) fn covers(&self, range: PortRange) -> bool {
        // No two ranges are adjacent, so one of them has all the ports, or they are not all there.
        self.ranges()
            .any(|own| own.contains(range.first) && own.contains(range.last))
    }
}

impl<const RANGES: usize> Default for PortSet<RANGES> {
    /// The empty set.
    fn default() -> Self {
        Self::EMPTY
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;

    use super::*;

    fn range(first: u16, last: u16) -> PortRange {
        PortRange::new(first, last).expect("a range")
    }

    #[track_caller]
    fn assert_sound<const RANGES: usize>(set: &PortSet<RANGES>) {
        for (low, high) in set.ranges.iter().zip(set.ranges.iter().skip(1)) {
            assert!(
                u32::from(low.last) + 1 < u32::from(high.first),
                "{low:?} and {high:?} meet"
            );
        }
        assert!(
            set.ranges()
                .all(|range| range.first != 0 && range.first <= range.last)
        );
    }

    #[test]
    fn the_filtered_ports_are_in_order() {
        assert_sound(&PortSet::FILTERED);
    }

    /// A set of ranges contains exactly the ports of its ranges, in whatever order they were
    /// inserted. A range that does not fit changes nothing.
    #[test]
    fn a_set_has_the_ports_of_its_ranges() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2000 {
            let base = [1, 40_000, 65_500][random.usize(..3)];
            let (mut set, mut ports) = (PortSet::<6>::EMPTY, BTreeSet::new());
            for _ in 0..random.usize(..12) {
                let first: u16 = base + random.u16(..30);
                let added = range(first, first + random.u16(..5));
                if set.insert(added).is_ok() {
                    ports.extend(added.first..=added.last);
                } else {
                    assert_eq!(set.ranges.len(), 6);
                }
                assert_sound(&set);
                assert!(
                    set.ranges()
                        .flat_map(|range| range.first..=range.last)
                        .eq(ports.iter().copied())
                );
                assert_eq!(
                    (set.count(), set.widened::<9>().ranges().eq(set.ranges())),
                    (ports.len(), true)
                );
                assert!((base..=base + 35).all(|port| set.contains(port) == ports.contains(&port)));
                let some = range(base + 3, base + 3 + random.u16(..9));
                assert_eq!(
                    set.covers(some),
                    (some.first..=some.last).all(|port| ports.contains(&port))
                );
            }
        }
    }
}
