//! Changes of the tables, told as they happen: to the counters, and to the application's hook.

use core::net::Ipv4Addr;

use crate::event::{Event, EventHook, MappingEvent, PortBlock, Refusal};
use crate::packet::Summary;
use crate::policy::Pool;
use crate::state::{
    Blocks, Ended, Endpoint, ExternalPort, MappingEnds, MappingKind, QuarantineTable, SessionTables,
};
use crate::table::Width;
use crate::{Config, DropReason, Instant, Nat, Stats};

use super::{count_ended, count_expired};

/// Whom the engine tells of events.
pub(super) type Hook<'t> = Option<&'t mut (dyn EventHook + Send)>;

/// Where changes of the tables are told.
pub(super) struct EventSink<'n, 't, W: Width> {
    config: &'n Config,
    stats: &'n mut Stats,
    hook: &'n mut Hook<'t>,
    pool: &'n Pool,
    /// Where freed ports wait; not where they overlap, because then the remote endpoint tells
    /// sessions apart.
    quarantine: Option<&'n mut QuarantineTable<'t, W>>,
    at: Instant,
}

impl<'t, W: Width> Nat<'t, W> {
    /// Tells `hook` from now on of every mapping that begins or ends, and of every session that is
    /// refused for want of room: once each, in order, before the call returns that brings it
    /// about.
    ///
    /// Every deletion follows the creation of the same mapping, so whoever has listened since the
    /// NAT was built knows which mappings there are. A port forward has a mapping as long as it
    /// has sessions. Nothing is told when the NAT itself is dropped.
    ///
    /// Refusals come as fast as a host sends; a hook that writes them down had better have a limit
    /// of its own.
    pub fn set_event_hook(&mut self, hook: &'t mut (dyn EventHook + Send)) {
        self.hook = Some(hook);
    }

    /// Tells nobody of events from now on.
    pub fn clear_event_hook(&mut self) {
        self.hook = None;
    }

    /// The tables, and where their changes are told.
    pub(super) fn tables_and_events(
        &mut self,
    ) -> (&mut SessionTables<'t, W>, EventSink<'_, 't, W>) {
        let Self {
            config,
            tables,
            stats,
            hook,
            pool,
            quarantine,
            now,
            ..
        } = self;
        let quarantine = Some(quarantine).filter(|_| !tables.overlapping());
        (
            tables,
            EventSink {
                config,
                stats,
                hook,
                pool,
                quarantine,
                at: *now,
            },
        )
    }

    pub(super) fn events(&mut self) -> EventSink<'_, 't, W> {
        self.tables_and_events().1
    }

    /// Tells that a packet got no session.
    pub(super) fn emit_refusal(&mut self, summary: &Summary, reason: DropReason) {
        let Some(hook) = &mut self.hook else { return };
        let (protocol, inside) = (
            summary.proto.into(),
            Ipv4Addr::from_bits(summary.source.address),
        );
        hook.on_event(&Event::SessionRefused(Refusal {
            at: self.now,
            reason,
            protocol,
            inside,
        }));
    }
}

impl<W: Width> EventSink<'_, '_, W> {
    /// A mapping has begun.
    pub(super) fn created(&mut self, ends: &MappingEnds) {
        self.emit(ends, Event::MappingCreated);
    }

    /// A mapping has ended, while the external addresses still were what they had been for it.
    fn deleted(&mut self, ends: &MappingEnds) {
        self.emit(ends, Event::MappingDeleted);
        // The port of a port forward is not free before the forward is gone.
        if ends.kind != MappingKind::PortForward && !ends.untranslated {
            self.freed(ExternalPort {
                proto: ends.proto,
                external: ends.external,
                port: ends.external_port,
            });
        }
    }

    /// An external port is for others from now on.
    pub(super) fn freed(&mut self, port: ExternalPort) {
        let Some(quarantine) = self.quarantine.as_deref_mut() else {
            return;
        };
        if self.config.is_excluded(port.proto, port.port) {
            // No mapping draws it, and a rule may have it at any time.
            return;
        }
        let let_go = quarantine.insert(port, self.at.as_millis() as u32);
        self.stats.ports_released_early = self.stats.ports_released_early.wrapping_add(let_go);
    }

    /// A session has ended, and maybe its mapping.
    pub(super) fn ended(&mut self, ended: Ended) {
        count_ended(self.stats, ended);
        self.left(ended);
    }

    /// The same by its timer.
    pub(super) fn expired(&mut self, ended: Ended) {
        count_expired(self.stats, ended);
        self.left(ended);
    }

    fn left(&mut self, ended: Ended) {
        if let Some(mapping) = ended.mapping {
            self.deleted(&mapping);
        }
        if let Some(blocks) = ended.blocks {
            self.released(blocks);
        }
    }

    /// A host has got a block of ports.
    pub(super) fn assigned(&mut self, blocks: Blocks) {
        self.emit_blocks(blocks, Event::BlockAssigned);
    }

    /// A host has lost blocks of ports, while the external addresses still were what they had been
    /// for them.
    pub(super) fn released(&mut self, blocks: Blocks) {
        self.emit_blocks(blocks, Event::BlockReleased);
    }

    fn emit_blocks(&mut self, blocks: Blocks, event: fn(PortBlock) -> Event) {
        let Some(hook) = self.hook else { return };
        let Some(ports) = self.config.block(blocks.number) else {
            return;
        };
        let inside = Ipv4Addr::from_bits(blocks.inside);
        for external in blocks
            .externals
            .numbers()
            .filter_map(|number| self.pool.any_address(number))
        {
            hook.on_event(&event(PortBlock {
                at: self.at,
                inside,
                external: Ipv4Addr::from_bits(external),
                ports,
            }));
        }
    }

    fn emit(&mut self, ends: &MappingEnds, event: fn(MappingEvent) -> Event) {
        let Some(hook) = self.hook else { return };
        let MappingEnds {
            proto,
            inside,
            external,
            external_port,
            kind,
            untranslated,
        } = *ends;
        let external = match self.pool.any_address(external) {
            _ if untranslated => inside,
            Some(address) => Endpoint {
                address,
                port: external_port,
            },
            None => return,
        };
        hook.on_event(&event(MappingEvent {
            at: self.at,
            protocol: proto.into(),
            inside: inside.into(),
            external: external.into(),
            port_forward: kind != MappingKind::Dynamic,
        }));
    }
}
