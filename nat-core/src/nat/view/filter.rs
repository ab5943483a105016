//! Which packets may pass without a session, and which endpoints the configuration fixes.

use crate::Filtering;
use crate::policy::port_forwards::StaticMapping;
use crate::state::{Endpoint, Inside, InsideTuple, Origin, OutsideTuple, Proto};
use crate::table::{SlotIndex, Width};

use super::View;

impl<W: Width> View<'_, W> {
    /// Whether `mapping` lets in packets from `address` that match none of its sessions. It does if
    /// a static mapping has opened it, or by the filter (RFC 4787 REQ-8).
    pub(crate) fn admits(self, mapping: SlotIndex<W>, address: u32) -> bool {
        let Some(proto) = self.tables.mapping(mapping).map(|mapping| mapping.proto()) else {
            return false;
        };
        self.is_forwarded(mapping)
            || match self.filtering(proto) {
                // Only a session lets a packet in, and packets of a session are not filtered.
                Filtering::AddressAndPortDependent => false,
                Filtering::AddressDependent => {
                    !self.has_expiry_backlog() && self.tables.has_permission(mapping, address)
                }
                Filtering::EndpointIndependent => !self.has_expiry_backlog(),
            }
    }

    /// The filter of a protocol (RFC 5382 REQ-3b).
    pub(crate) fn filtering(self, proto: Proto) -> Filtering {
        let config = &self.policy.config;
        match proto {
            Proto::Tcp => config.tcp_filtering.unwrap_or(config.filtering),
            Proto::Icmp | Proto::Udp => config.filtering,
        }
    }

    /// Whether sessions are overdue that have not been ended yet.
    ///
    /// Then a mapping may look alive that is not. So the filter lets no unknown sender in until
    /// [`Nat::handle_timeout`](crate::Nat::handle_timeout), or enough packets, have ended them.
    pub(crate) fn has_expiry_backlog(self) -> bool {
        self.tables.next_deadline(self.tick()) == Some(0)
    }

    /// Whether a mapping is that of a port forward, of one-to-one translation or of the DMZ host,
    /// and its address does not drain.
    pub(crate) fn is_forwarded(self, mapping: SlotIndex<W>) -> bool {
        let ends = self
            .external_endpoint(mapping)
            .zip(self.inside_endpoint(mapping));
        let (Some((external, inside)), Some(mapping)) = (ends, self.tables.mapping(mapping)) else {
            return false;
        };
        !mapping.is_untranslated() && self.follows_rule(mapping.proto(), inside, external)
    }

    /// Whether the configuration gives `external` to `inside`.
    pub(crate) fn follows_rule(self, proto: Proto, inside: Inside, external: Endpoint) -> bool {
        let fixed = self.rule_of(proto, inside);
        fixed.is_some_and(|fixed| fixed.external == external)
    }

    /// The number of the external address and the external endpoint that the configuration gives to
    /// a new mapping. `None` if it gives none, or if another mapping has the endpoint.
    #[inline(always)]
    pub(crate) fn static_mapping(self, tuple: &InsideTuple) -> Option<(u8, StaticMapping)> {
        let InsideTuple {
            proto,
            inside,
            remote,
            untranslated,
        } = *tuple;
        if untranslated {
            return None;
        }
        let fixed = self.rule_of(proto, inside)?;
        let external = self.external_number(fixed.external.address)?;
        let outside = OutsideTuple {
            proto,
            external,
            external_port: fixed.external.port,
            remote,
        };
        // The router keeps its ports against every rule. Of the others, an earlier mapping may have
        // one that the DMZ host would get.
        let free = !self.is_reserved(proto, fixed.external.port)
            && self.tables.mapping_of_outside(&outside).is_none();
        free.then_some((external, fixed))
    }

    /// What the configuration says of an inside endpoint. It says nothing of the router's own.
    #[inline(always)]
    pub(crate) fn rule_of(self, proto: Proto, inside: Inside) -> Option<StaticMapping> {
        if inside.origin != Origin::Host {
            return None;
        }
        let policy = &self.policy;
        policy
            .port_forwards
            .external_of(proto, inside.endpoint, &policy.pool)
    }

    /// The external endpoint that a sender has, or that a static mapping will give to it.
    pub(crate) fn sender_endpoint(self, tuple: &InsideTuple) -> Option<Endpoint> {
        match self.tables.mapping_of_inside(tuple) {
            Some(mapping) => self.external_endpoint(mapping),
            None => self.static_mapping(tuple).map(|(_, fixed)| fixed.external),
        }
    }

    /// The external endpoint through which the remote end may have sent first, without a session.
    /// `expected` says that it waits for an answer of this sender.
    pub(crate) fn open_endpoint(
        self,
        tuple: &InsideTuple,
        mapping: Option<SlotIndex<W>>,
        expected: bool,
    ) -> Option<Endpoint> {
        match mapping {
            Some(mapping) if expected || self.admits(mapping, tuple.remote.address) => {
                self.external_endpoint(mapping)
            }
            Some(_) => None,
            // The configuration opens the endpoint to all, also before it has a mapping.
            None => self.static_mapping(tuple).map(|(_, fixed)| fixed.external),
        }
    }
}
