//! Counts of a capture's records, and of those that were skipped.

use core::fmt;
use std::collections::BTreeMap;

use super::link::Kind;

/// Why a record is not given to the NAT.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Skipped {
    /// It carries no IPv4.
    Link(Kind),
    /// It ends within its IPv4 header.
    Short,
    /// It comes from an address of the router, whose packets the replay makes itself.
    SentByRouter,
    /// It goes from a host of the LAN to another.
    WithinLan,
    /// It is neither from the LAN, nor to the LAN or the router.
    NeitherSide,
    /// It did not arrive at the router on the side of the capture.
    NotArrived,
    /// The file has too little information about it.
    Unusable(&'static str),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(kind) => kind.fmt(f),
            Self::Short => f.write_str("shorter than an IPv4 header"),
            Self::SentByRouter => f.write_str("sent by the router"),
            Self::WithinLan => f.write_str("between hosts of the LAN"),
            Self::NeitherSide => f.write_str("of neither side (check --lan and --lan-mac)"),
            Self::NotArrived => f.write_str("not on their way to the router"),
            Self::Unusable(why) => f.write_str(why),
        }
    }
}

/// The counts of one capture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    records: u64,
    ipv4: u64,
    truncated: u64,
    skipped: BTreeMap<Skipped, u64>,
}

impl Tally {
    /// Counts a record that the NAT processes, or would process if it were not truncated.
    pub(crate) fn arrived(&mut self, truncated: bool) {
        self.records += 1;
        self.ipv4 += 1;
        self.truncated += u64::from(truncated);
    }

    pub(crate) fn skipped(&mut self, why: Skipped) {
        self.records += 1;
        self.ipv4 += u64::from(!matches!(why, Skipped::Link(_) | Skipped::Unusable(_)));
        *self.skipped.entry(why).or_default() += 1;
    }

    /// Whether there were records, but no IPv4 in them.
    pub(crate) fn lacks_ipv4(&self) -> bool {
        self.ipv4 == 0 && self.records > 0
    }

    /// Whether there were records, all with an unsupported link type.
    pub(crate) fn is_foreign(&self) -> bool {
        let foreign = |why: &Skipped| matches!(why, Skipped::Link(Kind::Unsupported(_)));
        self.records > 0 && self.ipv4 == 0 && self.skipped.keys().all(foreign)
    }

    /// The kinds of skipped records, with their numbers.
    pub(crate) fn kinds(&self) -> String {
        let kinds: Vec<String> = self
            .skipped
            .iter()
            .map(|(why, count)| format!("{count} {why}"))
            .collect();
        kinds.join(", ")
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processed = self.records - self.skipped.values().sum::<u64>() - self.truncated;
        write!(f, "{} records, {processed} processed", self.records)?;
        if self.truncated > 0 {
            write!(
                f,
                ", {} truncated in the capture and dropped",
                self.truncated
            )?;
        }
        if !self.skipped.is_empty() {
            write!(f, "; skipped: {}", self.kinds())?;
        }
        Ok(())
    }
}
