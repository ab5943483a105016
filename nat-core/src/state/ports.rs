//! Sets of ports.

use crate::config::PortRange;

/// Whether a port is even or odd (RFC 4787 REQ-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Parity {
    Even,
    Odd,
}

impl Parity {
    pub(crate) const COUNT: usize = 2;

    pub(crate) fn of(port: u16) -> Self {
        if port.is_multiple_of(2) {
            Self::Even
        } else {
            Self::Odd
        }
    }
}

/// The ports of a range, or those of one parity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ports {
    // 32 bits, because the first port of a parity may be after the range, at 65,536.
    first: u32,
    /// The distance from one port to the next.
    step: u32,
    count: u32,
}

impl Ports {
    pub(crate) fn new(range: PortRange, parity: Option<Parity>) -> Self {
        let (first, last) = (u32::from(range.first()), u32::from(range.last()));
        let Some(parity) = parity else {
            return Self {
                first,
                step: 1,
                // The last port of a `PortRange` is not before its first, so this does not wrap.
                count: last.wrapping_sub(first).wrapping_add(1),
            };
        };
        // The first port of this parity, and every second port from there.
        let first = if Parity::of(range.first()) == parity {
            first
        } else {
            first.wrapping_add(1)
        };
        Self {
            first,
            step: 2,
            // The addition comes first: where no port of the range has this parity, `first` is
            // after `last`, and the count is zero.
            count: last.wrapping_add(2).wrapping_sub(first) / 2,
        }
    }

    pub(crate) fn contains(&self, port: u16) -> bool {
        let Some(above) = u32::from(port).checked_sub(self.first) else {
            return false;
        };
        // The step is 1 or 2. The compiler cannot know that, and a plain division could panic.
        let position = above.checked_div(self.step).unwrap_or(0);
        position < self.count && self.at(position) == port
    }

    pub(crate) fn count(self) -> usize {
        self.count as usize
    }

    /// The port at `position`, which must be below the count.
    pub(crate) fn at(self, position: u32) -> u16 {
        self.first.wrapping_add(position.wrapping_mul(self.step)) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGES: [(u16, u16); 8] = [
        (1024, 65535),
        (65000, 65535),
        (1, 1023),
        (1, 1),
        (65535, 65535),
        (40000, 40063),
        (7, 8),
        (8, 9),
    ];

    fn range(first: u16, last: u16) -> PortRange {
        PortRange::new(first, last).expect("a range")
    }

    /// RFC 4787 REQ-4: the ports of a parity are exactly the ports of the range that have it, each
    /// once.
    #[test]
    fn ports_of_a_parity_are_all_that_have_it() {
        for (first, last) in RANGES {
            for (parity, name) in [
                (None, "any"),
                (Some(Parity::Even), "even"),
                (Some(Parity::Odd), "odd"),
            ] {
                let ports = Ports::new(range(first, last), parity);
                let listed = (0..ports.count).map(|position| ports.at(position));
                let expected = (first..=last)
                    .filter(|port| parity.is_none_or(|parity| parity == Parity::of(*port)));
                assert!(listed.eq(expected), "{name} of {first} to {last}");
            }
        }
    }
}
