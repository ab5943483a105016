//! What the engine tells of its mappings, held against what it has.

use core::net::SocketAddrV4;
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};

use nat_core::{Event, EventHook, Instant, MappingEvent, Nat, SessionProtocol};

struct Hook(Sender<Event>);

impl EventHook for Hook {
    fn on_event(&mut self, event: &Event) {
        self.0.send(*event).expect("the world listens");
    }
}

/// Protocol, inside endpoint, external endpoint, and whether it is a port forward.
type Mapping = (u8, SocketAddrV4, SocketAddrV4, bool);

/// The mappings there are according to the events alone.
pub(crate) struct Chronicle {
    told: Receiver<Event>,
    live: BTreeSet<Mapping>,
    untaken: Vec<Event>,
    latest: Instant,
}

impl Chronicle {
    /// Listens to `nat`.
    pub(crate) fn of(nat: &mut Nat<'static>) -> Self {
        let (hook, told) = channel();
        nat.set_event_hook(Box::leak(Box::new(Hook(hook))));
        Self { told, live: BTreeSet::new(), untaken: Vec::new(), latest: Instant::from_millis(0) }
    }

    /// All that was heard since the last time.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.untaken)
    }

    /// Hears what was told by calls since the last one that was checked, none of them later than `now`.
    #[track_caller]
    pub(crate) fn hear(&mut self, now: Instant) {
        while let Ok(event) = self.told.try_recv() {
            match event {
                Event::MappingCreated(mapping) => {
                    assert!(self.live.insert(key(&mapping)), "created twice: {mapping:?}");
                }
                Event::MappingDeleted(mapping) => {
                    assert!(self.live.remove(&key(&mapping)), "deleted, and was not there: {mapping:?}");
                }
                Event::SessionRefused(_) => {}
                other => panic!("unknown: {other:?}"),
            }
            let at = event.at();
            assert!(self.latest <= at && at <= now, "{event:?} between {:?} and {now:?}", self.latest);
            self.latest = at;
            self.untaken.push(event);
        }
    }

    /// Hears what a call at `now` has told, and compares with what `nat` has after it.
    #[track_caller]
    pub(crate) fn check(&mut self, nat: &Nat<'_>, now: Instant) {
        self.latest = self.latest.max(now);
        self.hear(self.latest);
        let of_sessions = nat.sessions().map(|s| (s.protocol as u8, s.inside, s.external, s.forwarded));
        let mut mappings: BTreeSet<Mapping> = of_sessions.chain(forwards(nat)).collect();
        if nat.poll_timeout().is_some_and(|due| due <= self.latest) {
            // Sessions that are overdue are not listed, but their mappings are not deleted yet.
            mappings.extend(self.live.iter().filter(|mapping| !mapping.3).copied());
        }
        assert_eq!(self.live, mappings, "the events tell of the mappings on the left");
    }
}

fn key(mapping: &MappingEvent) -> Mapping {
    (mapping.protocol as u8, mapping.inside, mapping.external, mapping.forwarded)
}

/// The mappings of port forwards, which need no session.
fn forwards(nat: &Nat<'_>) -> Vec<Mapping> {
    let Some(primary) = nat.external_addresses().first() else { return Vec::new() };
    let forwards = nat.forwards().map(|forward| {
        let protocol = match forward.protocol {
            nat_core::Protocol::Tcp => SessionProtocol::Tcp,
            nat_core::Protocol::Udp => SessionProtocol::Udp,
        };
        let inside = SocketAddrV4::new(forward.inside_address, forward.inside_port);
        (protocol as u8, inside, SocketAddrV4::new(*primary, forward.external_port), true)
    });
    forwards.collect()
}
