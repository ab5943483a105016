//! What the NAT tells while it judges: how many mappings there are, and which sessions it refuses.

use core::sync::atomic::{AtomicU32, Ordering};

use nat_core::{Event, EventHook, Refusal, SessionProtocol};

use crate::log::warning;
use crate::pace::Pace;

/// How many mappings there are. Only the [`Recorder`] writes it, so a load and a store are enough:
/// not every CPU that has these can do both at once.
pub(crate) struct Journal {
    mappings: AtomicU32,
    most: AtomicU32,
}

impl Journal {
    pub(crate) const fn new() -> Self {
        Self {
            mappings: AtomicU32::new(0),
            most: AtomicU32::new(0),
        }
    }

    /// Mappings there are now, and the most there have been.
    pub(crate) fn mappings(&self) -> (u32, u32) {
        (
            self.mappings.load(Ordering::Relaxed),
            self.most.load(Ordering::Relaxed),
        )
    }

    fn set_mappings(&self, count: u32) {
        self.mappings.store(count, Ordering::Relaxed);
        if count > self.most.load(Ordering::Relaxed) {
            self.most.store(count, Ordering::Relaxed);
        }
    }
}

/// The NAT's event hook.
pub(crate) struct Recorder<'d> {
    journal: &'d Journal,
    pace: Pace,
}

impl<'d> Recorder<'d> {
    pub(crate) const fn new(journal: &'d Journal) -> Self {
        Self {
            journal,
            pace: Pace::new(1),
        }
    }

    fn tell(&mut self, refusal: &Refusal) {
        let Some(untold) = self.pace.allow(refusal.at.as_millis()) else {
            return;
        };
        let protocol = match refusal.protocol {
            SessionProtocol::Icmp => "ICMP",
            SessionProtocol::Tcp => "TCP",
            SessionProtocol::Udp => "UDP",
        };
        warning!(
            "refused {} session of {}: {} ({} more untold)",
            protocol,
            refusal.inside,
            refusal.reason.as_str(),
            untold
        );
    }
}

impl EventHook for Recorder<'_> {
    fn on_event(&mut self, event: &Event) {
        let mappings = self.journal.mappings().0;
        match event {
            Event::MappingCreated(_) => self.journal.set_mappings(mappings.saturating_add(1)),
            Event::MappingDeleted(_) => self.journal.set_mappings(mappings.saturating_sub(1)),
            Event::SessionRefused(refusal) => self.tell(refusal),
            _ => {}
        }
    }
}
