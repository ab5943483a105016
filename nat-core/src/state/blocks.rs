//! Port blocks: a range of external ports for each host (RFC 6888 REQ-14).

use crate::config::MAX_EXTERNAL_ADDRESSES;

/// A set of external addresses, by their numbers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Externals(Bits);

#[cfg(not(feature = "sixteen-addresses"))]
type Bits = u8;
#[cfg(feature = "sixteen-addresses")]
type Bits = u16;

const _: () = assert!(MAX_EXTERNAL_ADDRESSES <= Bits::BITS as usize);

impl Externals {
    pub(crate) const NONE: Self = Self(0);

    /// The address with this number; the empty set if no address can have it.
    pub(crate) fn of(number: u8) -> Self {
        const ONE: Bits = 1;
        Self(ONE.checked_shl(u32::from(number)).unwrap_or(0))
    }

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    pub(crate) fn numbers(self) -> impl Iterator<Item = u8> {
        (0..MAX_EXTERNAL_ADDRESSES as u8).filter(move |number| self.contains(Self::of(*number)))
    }
}

/// The blocks that one host gets or gives up: the same ports on each of some external addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Blocks {
    /// The host's address.
    pub(crate) inside: u32,
    /// The number of the host, which is also the number of its block.
    pub(crate) number: u32,
    pub(crate) externals: Externals,
}
