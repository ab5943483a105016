//! Changes of the tables as they happen: counted, and reported to the application's hook.

use core::net::Ipv4Addr;

use crate::event::{Event, EventHook, MappingEvent, PortBlock, Refusal};
use crate::state::{
    Blocks, Ended, Endpoint, ExternalPort, InsideTuple, MappingEnds, MappingKind, NewMapping,
    QuarantineTable, SessionTables,
};
use crate::table::Width;
use crate::{DropReason, Instant, Nat};

use super::record::Record;
use super::view::{Policy, State};

/// Counts and reports changes of the tables.
pub(super) struct EventSink<'n, 't, W: Width> {
    policy: &'n Policy,
    record: &'n mut Record<'t>,
    /// Where freed ports wait. `None` where ports overlap: then the remote endpoint distinguishes
    /// sessions.
    quarantine: Option<&'n mut QuarantineTable<'t, W>>,
    at: Instant,
}

impl<'t, W: Width> Nat<'t, W> {
    /// Reports to `hook` from now on every mapping that begins or ends, and every session that is
    /// refused by a limit or a full table: once each, in order, before the call that causes it
    /// returns.
    ///
    /// Every deletion follows the creation of the same mapping, so a hook that was set when the NAT
    /// was built knows which mappings there are. A port forward has a mapping as long as it has
    /// sessions. When the NAT itself is dropped, nothing is reported.
    ///
    /// Refusals come as fast as a host sends. A hook that logs them should limit its rate.
    pub fn set_event_hook(&mut self, hook: &'t mut (dyn EventHook + Send)) {
        self.record.hook = Some(hook);
    }

    /// Stops reporting events.
    pub fn clear_event_hook(&mut self) {
        self.record.hook = None;
    }

    /// The tables, and the sink for their changes.
    pub(super) fn tables_and_events(
        &mut self,
    ) -> (&mut SessionTables<'t, W>, EventSink<'_, 't, W>) {
        let State {
            policy,
            tables,
            quarantine,
            clock,
        } = &mut self.state;
        let events = EventSink {
            policy,
            record: &mut self.record,
            quarantine: (!tables.overlapping()).then_some(quarantine),
            at: clock.now(),
        };
        (tables, events)
    }

    pub(super) fn events(&mut self) -> EventSink<'_, 't, W> {
        self.tables_and_events().1
    }

    /// Reports that a packet got no session.
    pub(super) fn emit_refusal(&mut self, tuple: &InsideTuple, reason: DropReason) {
        let Some(hook) = self.record.hook() else {
            return;
        };
        let (protocol, inside) = (
            tuple.proto.into(),
            Ipv4Addr::from_bits(tuple.inside.endpoint.address),
        );
        hook.on_event(&Event::SessionRefused(Refusal {
            at: self.state.clock.now(),
            reason,
            protocol,
            inside,
        }));
    }
}

impl<W: Width> EventSink<'_, '_, W> {
    /// A mapping has begun with the session `first`.
    #[inline(always)]
    pub(super) fn created(&mut self, first: &InsideTuple, new: NewMapping) {
        // Most programs have no hook. Without one, the ends need not be put together.
        if self.record.hook.is_some() {
            self.emit(&new.ends(first), Event::MappingCreated);
        }
    }

    /// A mapping has ended. Its external address still has its number.
    fn deleted(&mut self, ends: &MappingEnds) {
        self.emit(ends, Event::MappingDeleted);
        // The port of a port forward is free only when the forward is removed.
        if ends.kind != MappingKind::PortForward && !ends.untranslated {
            self.freed(ExternalPort {
                proto: ends.proto,
                external: ends.external,
                port: ends.external_port,
            });
        }
    }

    /// A mapping is reported anew, because a rule has opened or closed it.
    pub(super) fn changed(&mut self, before: &MappingEnds, after: &MappingEnds) {
        self.emit(before, Event::MappingDeleted);
        self.emit(after, Event::MappingCreated);
    }

    /// An external port is no longer in use.
    pub(super) fn freed(&mut self, port: ExternalPort) {
        let Some(quarantine) = self.quarantine.as_deref_mut() else {
            return;
        };
        if self.policy.config.is_excluded(port.proto, port.port) {
            // No dynamic mapping gets it, and a static mapping may use it at any time.
            return;
        }
        let let_go = quarantine.insert(port, self.at.as_millis() as u32);
        let early = &mut self.record.stats.ports_released_early;
        *early = early.wrapping_add(let_go);
    }

    /// A session has ended, and maybe its mapping.
    pub(super) fn ended(&mut self, ended: Ended) {
        self.record.count_ended(ended);
        self.left(ended);
    }

    /// The same by its timer.
    pub(super) fn expired(&mut self, ended: Ended) {
        self.record.count_expired(ended);
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

    /// A host has lost blocks of ports. Their external addresses still have their numbers.
    pub(super) fn released(&mut self, blocks: Blocks) {
        self.emit_blocks(blocks, Event::BlockReleased);
    }

    fn emit_blocks(&mut self, blocks: Blocks, event: fn(PortBlock) -> Event) {
        let Some(hook) = self.record.hook() else {
            return;
        };
        let Some(ports) = self.policy.config.block(blocks.number) else {
            return;
        };
        let inside = Ipv4Addr::from_bits(blocks.inside);
        for external in blocks
            .externals
            .numbers()
            .filter_map(|number| self.policy.pool.any_address(number))
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
        let Some(hook) = self.record.hook() else {
            return;
        };
        let MappingEnds {
            proto,
            inside,
            external,
            external_port,
            kind,
            untranslated,
        } = *ends;
        let external = match self.policy.pool.any_address(external) {
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
            is_static: kind.is_static(),
        }));
    }
}
