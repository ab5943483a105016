//! The inside endpoint that a packet toward the inside is for.

use crate::DropReason;
use crate::packet::Summary;
use crate::state::{Endpoint, Inside, InsideTuple, Origin, OutsideTuple, Proto};
use crate::table::{SlotIndex, Width};

use super::View;

/// Where a packet from outside is going.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// To the external address of this number.
    External(u8),
    /// To an inside host's own address, which some remote endpoints know.
    Untranslated,
}

/// The inside endpoint that a packet is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiver<W> {
    pub(crate) inside: Inside,
    /// The mapping by which it is found. There is none if a static mapping gives the receiver, and
    /// that has not answered yet.
    pub(crate) mapping: Option<SlotIndex<W>>,
}

impl<W: Width> View<'_, W> {
    pub(crate) fn receiver_of(
        self,
        target: Target,
        summary: &Summary,
    ) -> Result<Receiver<W>, DropReason> {
        match target {
            Target::External(external) => self.receiver_at(&OutsideTuple {
                proto: summary.proto,
                external,
                external_port: summary.destination.port,
                remote: summary.source,
            }),
            Target::Untranslated => self.untranslated_receiver(summary),
        }
    }

    fn untranslated_receiver(self, summary: &Summary) -> Result<Receiver<W>, DropReason> {
        let inside = Inside {
            origin: Origin::Host,
            endpoint: summary.destination,
        };
        let tuple = self.inside_tuple(summary.proto, inside, summary.source);
        let mapping = self.tables.mapping_of_inside(&tuple);
        // The remote endpoint must be one that may see inside addresses, and the inside must have
        // sent first.
        if !tuple.untranslated || mapping.is_none() {
            return Err(DropReason::InsideDestination);
        }
        Ok(Receiver { inside, mapping })
    }

    /// The receiver at an external endpoint.
    pub(crate) fn receiver_at(self, tuple: &OutsideTuple) -> Result<Receiver<W>, DropReason> {
        // Mappings precede rules: others may have ports that the DMZ host would get.
        if let Some(mapping) = self.tables.mapping_of_outside(tuple) {
            let inside = self.inside_endpoint(mapping).ok_or(DropReason::NoMapping)?;
            return Ok(Receiver {
                inside,
                mapping: Some(mapping),
            });
        }
        let endpoint = self.static_receiver(tuple).ok_or(DropReason::NoMapping)?;
        Ok(Receiver {
            inside: Inside {
                origin: Origin::Host,
                endpoint,
            },
            mapping: None,
        })
    }

    /// The inside endpoint that the configuration gives to an external endpoint, if its answer would
    /// leave from there: no other rule precedes for it, and it has no other mapping yet.
    fn static_receiver(self, tuple: &OutsideTuple) -> Option<Endpoint> {
        let OutsideTuple {
            proto,
            external,
            external_port: port,
            remote,
        } = *tuple;
        // Of ICMP, only errors and replies come here, and both need a session.
        if proto == Proto::Icmp {
            return None;
        }
        let policy = &self.policy;
        let address = policy.pool.address(external, self.clock.now())?;
        let external = Endpoint { address, port };
        let endpoint = policy
            .port_forwards
            .inside_of(proto, external, &policy.pool)?;
        let inside = Inside {
            origin: Origin::Host,
            endpoint,
        };
        let known = self.tables.mapping_of_inside(&InsideTuple {
            proto,
            inside,
            remote,
            untranslated: false,
        });
        let open = known.is_none()
            && self.follows_rule(proto, inside, external)
            && !self.is_reserved(proto, port);
        open.then_some(endpoint)
    }
}
