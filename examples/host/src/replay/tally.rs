//! What was in a capture, and what of it was not judged.

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
    /// It comes from an address of the router: the replay's own router sends in its place.
    SentByRouter,
    /// It goes from a host of the LAN to another.
    WithinLan,
    /// It neither comes from the LAN nor goes there or to the router.
    NeitherSide,
    /// It did not arrive at the router on the side that the capture is of.
    NotArrived,
    /// The file does not say enough of it.
    Unusable(&'static str),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(kind) => kind.fmt(f),
            Self::Short => f.write_str("shorter than an IPv4 header"),
            Self::SentByRouter => f.write_str("sent by the router"),
            Self::WithinLan => f.write_str("between hosts of the LAN"),
            Self::NeitherSide => f.write_str("of neither side (compare --lan and --lan-mac)"),
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
    cut: u64,
    skipped: BTreeMap<Skipped, u64>,
}

impl Tally {
    /// Counts a record that the NAT gets, or would get if it were not cut.
    pub(crate) fn judged(&mut self, cut: bool) {
        self.records += 1;
        self.ipv4 += 1;
        self.cut += u64::from(cut);
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

    /// Whether there were records, and every one has a link header of a kind that is not known.
    pub(crate) fn is_foreign(&self) -> bool {
        let foreign = |why: &Skipped| matches!(why, Skipped::Link(Kind::Unsupported(_)));
        self.records > 0 && self.ipv4 == 0 && self.skipped.keys().all(foreign)
    }

    /// The kinds of records that were not judged, with their numbers.
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
        let judged = self.records - self.skipped.values().sum::<u64>() - self.cut;
        write!(f, "{} records, {judged} judged", self.records)?;
        if self.cut > 0 {
            write!(f, ", {} cut when captured and so dropped", self.cut)?;
        }
        if !self.skipped.is_empty() {
            write!(f, "; left out: {}", self.kinds())?;
        }
        Ok(())
    }
}
