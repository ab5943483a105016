//! Ranges of ports.

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PortRange {
    pub(super) first: u16,
    pub(super) last: u16,
}

impl PortRange {
    /// The ports `first` to `last`; `None` if `first` is 0 or greater than `last`.
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first == 0 || first > last {
            None
        } else {
            Some(Self { first, last })
        }
    }

    /// The lowest port.
    pub const fn first(&self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(&self) -> u16 {
        self.last
    }

    /// How many ports the range has.
    pub(crate) fn count(self) -> usize {
        usize::from(self.last.saturating_sub(self.first)).saturating_add(1)
    }

    /// The ports that are in both ranges.
    pub(crate) const fn intersection(&self, other: Self) -> Option<Self> {
        let first = if self.first > other.first {
            self.first
        } else {
            other.first
        };
        let last = if self.last < other.last {
            self.last
        } else {
            other.last
        };
        Self::new(first, last)
    }

    /// Whether `port` is in the range.
    pub const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}
