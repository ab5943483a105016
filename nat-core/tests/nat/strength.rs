//! How much the longest tests do: all of it only where `ATTACKS_FULL` is set, as `.ci/run attacks`
//! does.

use core::ops::RangeInclusive;

fn is_full() -> bool {
    std::env::var_os("ATTACKS_FULL").is_some()
}

/// The packets of a flood that has `all` at full strength: else a quarter, which still fills every
/// table that it meets.
pub(crate) fn packets(all: u32) -> u32 {
    if is_full() { all } else { all / 4 }
}

/// The runs of a random test that has `all` at full strength: else a quarter. Such a test counts
/// what its runs have reached, so that it fails if they are too few.
pub(crate) fn runs(all: u64) -> u64 {
    if is_full() { all } else { all / 4 }
}

/// Whether an attack by every number sends this one: at full strength each, else one in 16.
pub(crate) fn is_sent(number: u16) -> bool {
    is_full() || number.is_multiple_of(16)
}

/// Those of the external ports `all` that an attack tries: at full strength each, else one in 16
/// and `used`, which is one that a session has.
pub(crate) fn ports(all: RangeInclusive<u16>, used: u16) -> impl Iterator<Item = u16> {
    all.filter(move |port| is_sent(*port) || *port == used)
}
