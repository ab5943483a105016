//! Compares the events of the engine with its mappings.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};

use nat_core::{
    Event, EventHook, ExplicitMapping, Instant, Mapping as Mode, MappingEvent, Nat, PortBlock,
    PortRange, Protocol, SessionInfo, SessionProtocol,
};

struct Hook(Sender<Event>);

impl EventHook for Hook {
    fn on_event(&mut self, event: &Event) {
        self.0.send(*event).expect("the world listens");
    }
}

/// Protocol, inside endpoint, external endpoint, and whether it is a port forward.
type Mapping = (u8, SocketAddrV4, SocketAddrV4, bool);

/// Inside and external address, and the ports.
type Block = (Ipv4Addr, Ipv4Addr, PortRange);

/// The mappings and blocks there are according to the events alone.
pub(crate) struct Chronicle {
    reported: Receiver<Event>,
    /// And how many of each: where external ports overlap, one for each remote endpoint.
    live: BTreeMap<Mapping, usize>,
    blocks: Vec<Block>,
    /// The explicit mappings that have been granted: protocol, inside endpoint, external port.
    explicit: BTreeSet<(u8, SocketAddrV4, u16)>,
    untaken: Vec<Event>,
    latest: Instant,
}

impl Chronicle {
    /// Listens to `nat`.
    pub(crate) fn of(nat: &mut Nat<'static>) -> Self {
        let (hook, reported) = channel();
        nat.set_event_hook(Box::leak(Box::new(Hook(hook))));
        Self {
            reported,
            live: BTreeMap::new(),
            blocks: Vec::new(),
            explicit: BTreeSet::new(),
            untaken: Vec::new(),
            latest: Instant::from_millis(0),
        }
    }

    /// Whether an explicit mapping has ever given its external port to the inside endpoint of
    /// `session`.
    pub(crate) fn was_explicit(&self, session: &SessionInfo) -> bool {
        let key = (
            session.protocol as u8,
            session.inside,
            session.external.port(),
        );
        self.explicit.contains(&key)
    }

    /// All events since the last check.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.untaken)
    }

    /// How many events have not been taken yet.
    pub(crate) fn count(&self) -> usize {
        self.untaken.len()
    }

    /// All events but the first `before` are of the time `now`.
    #[track_caller]
    pub(crate) fn check_time(&self, before: usize, now: Instant) {
        assert!(
            self.untaken[before..].iter().all(|event| event.at() == now),
            "{:?} at {now:?}",
            self.untaken
        );
    }

    /// Takes the events of calls since the last check, none of them later than `now`.
    #[track_caller]
    pub(crate) fn hear(&mut self, now: Instant) {
        while let Ok(event) = self.reported.try_recv() {
            match event {
                Event::MappingCreated(mapping) => {
                    *self.live.entry(key(&mapping)).or_insert(0) += 1;
                }
                Event::MappingDeleted(mapping) => {
                    let count = self
                        .live
                        .get_mut(&key(&mapping))
                        .expect("what is deleted was there");
                    *count -= 1;
                    self.live.retain(|_, count| *count > 0);
                }
                Event::SessionRefused(_) => {}
                Event::BlockAssigned(block) => {
                    let (_, external, ports) = block_key(&block);
                    let free = |of: &Block| {
                        of.1 != external
                            || of.2.last() < ports.first()
                            || ports.last() < of.2.first()
                    };
                    assert!(
                        self.blocks.iter().all(free),
                        "{block:?} is another's: {:?}",
                        self.blocks
                    );
                    self.blocks.push(block_key(&block));
                }
                Event::BlockReleased(block) => {
                    let index = self
                        .blocks
                        .iter()
                        .position(|other| *other == block_key(&block));
                    self.blocks
                        .remove(index.expect("what is released was assigned"));
                }
                Event::ExplicitMappingGranted(granted) => {
                    let ExplicitMapping {
                        protocol,
                        inside,
                        external_port,
                        ..
                    } = granted.mapping;
                    let protocol = match protocol {
                        Protocol::Tcp => SessionProtocol::Tcp,
                        Protocol::Udp => SessionProtocol::Udp,
                    };
                    self.explicit
                        .insert((protocol as u8, inside, external_port));
                }
                Event::ExplicitMappingEnded(_) => {}
                other => panic!("unknown: {other:?}"),
            }
            let at = event.at();
            assert!(
                self.latest <= at && at <= now,
                "{event:?} between {:?} and {now:?}",
                self.latest
            );
            self.latest = at;
            self.untaken.push(event);
        }
    }

    /// Takes the events of a call at `now`, and compares them with the mappings of `nat` after it.
    #[track_caller]
    pub(crate) fn check(&mut self, nat: &Nat<'_>, now: Instant) {
        self.latest = self.latest.max(now);
        self.hear(self.latest);
        let of_sessions = nat
            .sessions()
            .map(|s| (s.protocol as u8, s.inside, s.external, s.is_static));
        let mut mappings = BTreeMap::new();
        for mapping in of_sessions {
            let count = mappings.entry(mapping).or_insert(0);
            *count = if nat.config().mapping == Mode::AddressAndPortDependent {
                *count + 1
            } else {
                1
            };
        }
        if nat.poll_timeout().is_some_and(|due| due <= self.latest) {
            // Sessions that are overdue are not listed, but their mappings are not deleted yet.
            for (mapping, count) in &self.live {
                mappings
                    .entry(*mapping)
                    .and_modify(|listed| *listed = *count)
                    .or_insert(*count);
            }
        }
        assert_eq!(
            self.live, mappings,
            "the events report the mappings on the left"
        );
        self.check_blocks(nat);
    }

    /// Every port that was drawn is of the block which the events alone give to its host, and no
    /// host without a mapping has one.
    #[track_caller]
    fn check_blocks(&self, nat: &Nat<'_>) {
        if nat.config().port_blocks.is_none() {
            assert_eq!(self.blocks, [], "blocks are not configured");
            return;
        }
        for (_, inside, external, _) in self
            .live
            .keys()
            .filter(|mapping| !mapping.3 && mapping.1 != mapping.2)
        {
            let of_port =
                |block: &&Block| block.1 == *external.ip() && block.2.contains(external.port());
            let owner = self.blocks.iter().find(of_port).map(|block| block.0);
            assert_eq!(
                owner,
                Some(*inside.ip()),
                "whose {external} is, according to {:?}",
                self.blocks
            );
        }
        for (host, ..) in &self.blocks {
            assert!(
                self.live.keys().any(|mapping| mapping.1.ip() == host),
                "{host} has no mapping, but a block"
            );
        }
    }
}

fn block_key(block: &PortBlock) -> Block {
    (block.inside, block.external, block.ports)
}

fn key(mapping: &MappingEvent) -> Mapping {
    (
        mapping.protocol as u8,
        mapping.inside,
        mapping.external,
        mapping.is_static,
    )
}
