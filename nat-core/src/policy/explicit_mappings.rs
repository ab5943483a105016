//! The explicit mappings that hosts have asked for. There are few of them and they are searched
//! linearly, like the rules.

use core::net::SocketAddrV4;

use heapless::Vec;

use crate::explicit_mapping::{ExplicitMapping, MAX_EXPLICIT_MAPPINGS};
use crate::features::EXPLICIT_MAPPINGS;
use crate::{Instant, PortForward, Protocol};

/// An explicit mapping, or the memory of one that has ended.
#[derive(Clone, Copy)]
struct Entry {
    forward: PortForward,
    /// When it ends, or has ended.
    ends_at: Instant,
    /// An ended mapping is kept as long as there is room, so that its inside endpoint can have the
    /// same port again while that is in quarantine.
    has_ended: bool,
}

/// The explicit mappings.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct ExplicitMappings {
    entries: Vec<Entry, MAX_EXPLICIT_MAPPINGS>,
}

impl ExplicitMappings {
    pub(crate) const NONE: Self = Self {
        entries: Vec::new(),
    };

    /// None without the feature, so that the compiler leaves out all that is done with them.
    fn entries(&self) -> &[Entry] {
        if EXPLICIT_MAPPINGS {
            &self.entries
        } else {
            &[]
        }
    }

    fn active(&self) -> impl Iterator<Item = &Entry> {
        self.entries().iter().filter(|entry| !entry.has_ended)
    }

    /// The mappings as port forwards.
    pub(crate) fn forwards(&self) -> impl Iterator<Item = &PortForward> {
        self.active().map(|entry| &entry.forward)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ExplicitMapping> {
        self.active().map(Entry::mapping)
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.active().next().is_none()
    }

    /// The mapping of an inside endpoint.
    pub(crate) fn of(&self, protocol: Protocol, inside: SocketAddrV4) -> Option<ExplicitMapping> {
        self.iter()
            .find(|mapping| mapping.protocol == protocol && mapping.inside == inside)
    }

    /// How many mappings the host of an inside endpoint has.
    pub(crate) fn count_of_host(&self, inside: SocketAddrV4) -> usize {
        self.forwards()
            .filter(|forward| forward.inside_address == *inside.ip())
            .count()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.active().count() == MAX_EXPLICIT_MAPPINGS
    }

    /// Whether the last explicit mapping with this external port was that of an inside endpoint,
    /// and ended after `since`.
    pub(crate) fn had(
        &self,
        protocol: Protocol,
        inside: SocketAddrV4,
        port: u16,
        since: Instant,
    ) -> bool {
        self.entries.iter().any(|entry| {
            entry.has_ended
                && entry.is_of(protocol, inside)
                && entry.forward.external_port == port
                && entry.ends_at > since
        })
    }

    /// Stores a mapping in place of that of the same inside endpoint. There must be room for it.
    pub(crate) fn set(&mut self, mapping: &ExplicitMapping) {
        self.entries
            .retain(|entry| !entry.is_of(mapping.protocol, mapping.inside));
        if self.entries.is_full()
            && let Some(ended) = self.entries.iter().position(|entry| entry.has_ended)
        {
            self.entries.remove(ended);
        }
        let _there_is_room = self.entries.push(Entry {
            forward: mapping.as_forward(),
            ends_at: mapping.ends_at,
            has_ended: false,
        });
    }

    /// Ends one mapping for which `ends` at `now`, and returns it.
    pub(crate) fn end_one(
        &mut self,
        now: Instant,
        ends: impl Fn(&ExplicitMapping) -> bool,
    ) -> Option<ExplicitMapping> {
        let ended = self.iter().find(ends)?;
        // Of those that had the port, only the last is remembered.
        self.entries.retain(|entry| {
            !entry.has_ended
                || entry.forward.protocol != ended.protocol
                || entry.forward.external_port != ended.external_port
        });
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| entry.is_of(ended.protocol, ended.inside))?;
        (entry.has_ended, entry.ends_at) = (true, now);
        Some(ended)
    }

    /// When the next mapping ends.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.active().map(|entry| entry.ends_at).min()
    }

    /// Feeds `hasher` with the mappings, their times relative to `now`.
    #[cfg(feature = "audit")]
    pub(crate) fn hash_canonical(&self, now: Instant, hasher: &mut impl core::hash::Hasher) {
        use core::hash::Hash;
        for entry in &self.entries {
            let left = entry.ends_at.saturating_duration_since(now);
            let over = now.saturating_duration_since(entry.ends_at);
            (entry.forward, entry.has_ended, left, over).hash(hasher);
        }
    }
}

impl Entry {
    fn is_of(&self, protocol: Protocol, inside: SocketAddrV4) -> bool {
        let forward = &self.forward;
        forward.protocol == protocol
            && forward.inside_address == *inside.ip()
            && forward.inside_port == inside.port()
    }

    fn mapping(&self) -> ExplicitMapping {
        let forward = &self.forward;
        ExplicitMapping {
            protocol: forward.protocol,
            inside: SocketAddrV4::new(forward.inside_address, forward.inside_port),
            external_address: forward.external_address,
            external_port: forward.external_port,
            ends_at: self.ends_at,
        }
    }
}
