//! Who a packet toward the inside is for.

use crate::packet::Summary;
use crate::state::{Endpoint, Inside, InsideTuple, Origin, OutsideTuple, Proto};
use crate::table::{SlotIndex, Width};
use crate::{DropReason, Nat};

/// Where a packet from outside is going.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// To the external address of this number.
    External(u8),
    /// To an inside host's own address, from where it is known.
    Untranslated,
}

/// The inside endpoint that a packet is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiver<W> {
    pub(crate) inside: Inside,
    /// The mapping by which it is found. Without one it is named by a port forward, one-to-one
    /// translation, or as the DMZ host, and has not answered yet.
    pub(crate) mapping: Option<SlotIndex<W>>,
}

impl<W: Width> Nat<'_, W> {
    pub(crate) fn receiver_of(
        &self,
        target: Target,
        summary: &Summary,
    ) -> Result<Receiver<W>, DropReason> {
        let Summary {
            proto,
            source,
            destination,
            ..
        } = *summary;
        match target {
            Target::External(external) => self.receiver_at(&OutsideTuple {
                proto,
                external,
                external_port: destination.port,
                remote: source,
            }),
            Target::Untranslated => {
                let inside = Inside {
                    origin: Origin::Host,
                    endpoint: destination,
                };
                let tuple = self.inside_tuple(proto, inside, source);
                let mapping = self
                    .tables
                    .mapping_of_inside(&tuple)
                    .filter(|_| tuple.untranslated);
                let mapping = mapping.ok_or(DropReason::InsideDestination)?;
                Ok(Receiver {
                    inside,
                    mapping: Some(mapping),
                })
            }
        }
    }

    /// Who is behind an external endpoint.
    pub(crate) fn receiver_at(&self, tuple: &OutsideTuple) -> Result<Receiver<W>, DropReason> {
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

    pub(crate) fn inside_endpoint(&self, mapping: SlotIndex<W>) -> Option<Inside> {
        self.tables.inside(self.tables.mapping(mapping)?)
    }

    /// The inside endpoint that a rule names, if its answer would leave from where the packet has
    /// come to: no other rule comes first for it, and no mapping that it has already.
    fn static_receiver(&self, tuple: &OutsideTuple) -> Option<Endpoint> {
        let OutsideTuple {
            proto,
            external,
            external_port: port,
            remote,
        } = *tuple;
        // Of ICMP, only errors and replies come here, and they answer something.
        let address = self
            .pool
            .address(external, self.now)
            .filter(|_| proto != Proto::Icmp)?;
        let external = Endpoint { address, port };
        let endpoint = self.forwards.inside_of(proto, external, &self.pool)?;
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
