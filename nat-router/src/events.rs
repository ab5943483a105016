//! The events of the NAT: the number of mappings, and a log line for each refused session.

use core::sync::atomic::{AtomicU32, Ordering};

use nat_core::{Event, EventHook, Refusal, SessionProtocol};

use crate::log::warning;
use crate::log_limiter::LogLimiter;

/// The number of mappings. Only the [`EventSink`] writes it, so a load and a store are enough: some
/// CPUs with atomic loads and stores have no atomic read-modify-write instructions.
pub(crate) struct MappingCount {
    now: AtomicU32,
    most: AtomicU32,
}

impl MappingCount {
    pub(crate) const fn new() -> Self {
        Self {
            now: AtomicU32::new(0),
            most: AtomicU32::new(0),
        }
    }

    /// The mappings now, and the most there have been.
    pub(crate) fn get(&self) -> (u32, u32) {
        (
            self.now.load(Ordering::Relaxed),
            self.most.load(Ordering::Relaxed),
        )
    }

    fn set(&self, count: u32) {
        self.now.store(count, Ordering::Relaxed);
        if count > self.most.load(Ordering::Relaxed) {
            self.most.store(count, Ordering::Relaxed);
        }
    }
}

/// The NAT's event hook.
pub(crate) struct EventSink<'d> {
    mappings: &'d MappingCount,
    limiter: LogLimiter,
}

impl<'d> EventSink<'d> {
    pub(crate) const fn new(mappings: &'d MappingCount) -> Self {
        Self {
            mappings,
            limiter: LogLimiter::new(1),
        }
    }

    fn log_refusal(&mut self, refusal: &Refusal) {
        let Some(suppressed) = self.limiter.allow(refusal.at.as_millis()) else {
            return;
        };
        let protocol = match refusal.protocol {
            SessionProtocol::Icmp => "ICMP",
            SessionProtocol::Tcp => "TCP",
            SessionProtocol::Udp => "UDP",
        };
        warning!(
            "refused {} session of {}: {} ({} more suppressed)",
            protocol,
            refusal.inside,
            refusal.reason.as_str(),
            suppressed
        );
    }
}

impl EventHook for EventSink<'_> {
    fn on_event(&mut self, event: &Event) {
        let (count, _) = self.mappings.get();
        match event {
            Event::MappingCreated(_) => self.mappings.set(count.saturating_add(1)),
            Event::MappingDeleted(_) => self.mappings.set(count.saturating_sub(1)),
            Event::SessionRefused(refusal) => self.log_refusal(refusal),
            _ => {}
        }
    }
}
