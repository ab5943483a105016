//! What every decision is made on: the configuration, the tables and the time, read-only.

mod filter;
pub(super) mod receiver;

use core::net::Ipv4Addr;
use core::ops::Deref;

use crate::config::Config;
use crate::packet::Summary;
use crate::policy::plain_ports::PlainPorts;
use crate::policy::{Pool, PortForwards};
use crate::state::{
    Endpoint, Inside, InsideTuple, Origin, PortClass, Proto, QuarantineTable, SessionTables,
};
use crate::table::{SlotIndex, Width};
use crate::{Nat, Side};

use super::DHCP_CLIENT;
use super::clock::Clock;

/// What decisions depend on. Packets change the tables and the quarantine, and only in `commit`.
pub(super) struct State<'t, W: Width> {
    pub(super) policy: Policy,
    pub(super) tables: SessionTables<'t, W>,
    /// External ports that wait before they are used again.
    pub(super) quarantine: QuarantineTable<'t, W>,
    pub(super) clock: Clock,
}

/// What the application has configured. Packets never change it.
pub(super) struct Policy {
    pub(super) config: Config,
    /// How many ports no mapping draws because of the configuration, at most.
    pub(super) closed_ports: usize,
    /// The ports that mappings draw from, if the configuration is plain.
    pub(super) plain_ports: Option<[PlainPorts; PortClass::COUNT]>,
    /// The external addresses.
    pub(super) pool: Pool,
    pub(super) port_forwards: PortForwards,
}

/// The engine's state for look-ups and decisions. A view is a shared reference, so nothing that is
/// given one can change the tables.
#[derive(Clone, Copy)]
pub(super) struct View<'v, W: Width>(pub(super) &'v State<'v, W>);

impl<'v, W: Width> Deref for View<'v, W> {
    type Target = State<'v, W>;

    #[inline(always)]
    fn deref(&self) -> &State<'v, W> {
        self.0
    }
}

/// The session of a packet, as the tables have it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup<W> {
    Live(Live<W>),
    /// Its time is up. The next commit that needs its slot, its port or its key ends it.
    Expired(SlotIndex<W>),
    /// There is no session. There may be a mapping for it.
    None(Option<SlotIndex<W>>),
}

/// A live session and its mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live<W> {
    pub(super) mapping: SlotIndex<W>,
    pub(super) session: SlotIndex<W>,
}

/// Where an address belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Location {
    /// It is the external address with this number.
    External(u8),
    /// It is in the inside network.
    Inside,
    Outside,
}

impl<W: Width> Nat<'_, W> {
    #[inline(always)]
    pub(super) fn view(&self) -> View<'_, W> {
        View(&self.state)
    }
}

impl<W: Width> View<'_, W> {
    /// The time in milliseconds modulo 2^32, as the tables store deadlines.
    #[inline(always)]
    pub(super) fn tick(self) -> u32 {
        self.clock.tick()
    }

    /// The number of an external address.
    #[inline(always)]
    pub(super) fn external_number(self, address: u32) -> Option<u8> {
        self.policy.pool.number(address, self.clock.now())
    }

    /// Where an address belongs, as far as addresses alone say: where the networks overlap, an
    /// inside address may be one outside too.
    pub(super) fn locate(self, address: u32) -> Location {
        if self.is_only_outside(address) {
            return Location::Outside;
        }
        match self.external_number(address) {
            Some(number) => Location::External(number),
            None if self.is_in_inside_network(address) => Location::Inside,
            // It was external, and has drained.
            None => Location::Outside,
        }
    }

    /// Whether an address is outside, and has never been external. Most are.
    #[inline(always)]
    pub(super) fn is_only_outside(self, address: u32) -> bool {
        !self.is_in_inside_network(address) && !self.policy.pool.has(address)
    }

    #[inline(always)]
    fn is_in_inside_network(self, address: u32) -> bool {
        (self.policy.config.inside).contains(Ipv4Addr::from_bits(address))
    }

    /// Whether an external address is in the inside network, as when a DHCP server outside uses the
    /// same private network (RFC 4787 REQ-7). Then only the side that a packet came from shows whose
    /// an address is.
    pub(super) fn networks_overlap(self) -> bool {
        self.policy.pool.touches(&self.policy.config.inside)
    }

    /// Whether an address can be that of an inside host.
    pub(super) fn is_inside_host(self, address: u32) -> bool {
        let (host, inside) = (Ipv4Addr::from_bits(address), &self.policy.config.inside);
        inside.is_host(host) && host != inside.address()
    }

    /// The MTU of the link of a side.
    #[inline(always)]
    pub(super) fn mtu(self, side: Side) -> u16 {
        match side {
            Side::Inside => self.policy.config.inside_mtu,
            Side::Outside => self.policy.config.outside_mtu,
        }
    }

    /// Whether an external port belongs to the router's DHCP client.
    #[inline(always)]
    pub(super) fn is_dhcp_client_port(self, proto: Proto, port: u16) -> bool {
        is_dhcp_client_port(&self.policy.config, proto, port)
    }

    /// Whether the router keeps an external port for itself.
    pub(super) fn is_reserved(self, proto: Proto, port: u16) -> bool {
        is_reserved(&self.policy.config, proto, port)
    }

    /// The ends of the session that a packet from inside belongs to.
    pub(super) fn outbound_tuple(self, summary: &Summary, origin: Origin) -> InsideTuple {
        let endpoint = summary.source;
        self.inside_tuple(
            summary.proto,
            Inside { origin, endpoint },
            summary.destination,
        )
    }

    #[inline(always)]
    pub(super) fn inside_tuple(
        self,
        proto: Proto,
        inside: Inside,
        remote: Endpoint,
    ) -> InsideTuple {
        InsideTuple {
            proto,
            inside,
            remote,
            untranslated: self.is_untranslated(proto, inside.origin, remote),
        }
    }

    /// Whether packets between an inside endpoint of `origin` and `remote` are not translated.
    #[inline(always)]
    pub(super) fn is_untranslated(self, proto: Proto, origin: Origin, remote: Endpoint) -> bool {
        !self.policy.config.untranslated.is_empty()
            && self.is_in_untranslated_network(proto, origin, remote)
    }

    fn is_in_untranslated_network(self, proto: Proto, origin: Origin, remote: Endpoint) -> bool {
        let port = (proto != Proto::Icmp).then_some(remote.port);
        // An external address is the router's own, even if it is in an untranslated network.
        origin == Origin::Host
            && self.policy.config.is_untranslated(remote.address, port)
            && self.external_number(remote.address).is_none()
    }

    /// The session of a packet from inside.
    pub(super) fn find_session(self, tuple: &InsideTuple) -> Lookup<W> {
        let Some(mapping) = self.tables.mapping_of_inside(tuple) else {
            return Lookup::None(None);
        };
        let Some(session) = self.tables.find_session(mapping, tuple.remote) else {
            return Lookup::None(Some(mapping));
        };
        if self.tables.is_live(session, self.tick()) {
            Lookup::Live(Live { mapping, session })
        } else {
            Lookup::Expired(session)
        }
    }

    /// The live session of `mapping` with `remote`.
    #[inline(always)]
    pub(super) fn live_session(
        self,
        mapping: SlotIndex<W>,
        remote: Endpoint,
    ) -> Option<SlotIndex<W>> {
        self.tables.live_session(mapping, remote, self.tick())
    }

    /// The external endpoint of a mapping; `None` once its address has drained.
    pub(super) fn external_endpoint(self, mapping: SlotIndex<W>) -> Option<Endpoint> {
        let mapping = self.tables.mapping(mapping)?;
        if mapping.is_untranslated() {
            return self.tables.inside(mapping).map(|inside| inside.endpoint);
        }
        Some(Endpoint {
            address: self
                .policy
                .pool
                .address(mapping.external, self.clock.now())?,
            port: mapping.external_port,
        })
    }

    pub(super) fn inside_endpoint(self, mapping: SlotIndex<W>) -> Option<Inside> {
        self.tables.inside(self.tables.mapping(mapping)?)
    }

    /// The external address of a host with one-to-one translation.
    pub(super) fn own_address(self, inside: u32) -> Option<u32> {
        let address = self.policy.port_forwards.one_to_one_address(inside)?;
        // A rule for an address that is not there at present has no effect.
        self.external_number(address).map(|_| address)
    }
}

#[inline(always)]
fn is_dhcp_client_port(config: &Config, proto: Proto, port: u16) -> bool {
    proto == Proto::Udp && port == DHCP_CLIENT && config.dhcp_client
}

/// Whether the router keeps an external port for itself.
pub(super) fn is_reserved(config: &Config, proto: Proto, port: u16) -> bool {
    let reserved = config.reserved_ports;
    proto != Proto::Icmp && reserved.is_some_and(|range| range.contains(port))
        || is_dhcp_client_port(config, proto, port)
}
