//! Whether a new session may be, and where it goes. Decides first; then nothing can fail.

use crate::config::{Config, MAX_PORT_RANGES, PortRange, PortSet};
use crate::policy::port_forwards::StaticMapping;
use crate::port_forward::MAX_PORT_FORWARDS;
use crate::session_info::SessionState;
use crate::state::tcp::Tcp;
use crate::state::{
    Endpoint, ExternalPort, Host, Inside, InsideTuple, Mapping, MappingEnds, MappingKind,
    NewMapping, NewSession, Origin, OutsideTuple, Parity, PortClass, PortPool, Ports, Proto,
    Tokens,
};
use crate::table::{SlotIndex, Width};
use crate::{DropReason, Filtering, Nat};

mod limits;
mod shortage;

use super::DHCP_CLIENT;
use shortage::{PortWanted, Shortage};

/// The number that no external address has.
const NO_EXTERNAL: u8 = u8::MAX;

/// Ports tried for a new session where they overlap. While a destination has used less than 99 in
/// 100 of them, the chance that all of these are taken is below 1 in 30,000.
const OVERLAPPING_TRIES: usize = 1024;

/// A session from inside that was decided on and can be made: nothing can fail any more, as long as
/// the tables stay as they were.
pub(super) struct Reservation<W> {
    inside: Inside,
    proto: Proto,
    /// Its mapping, if that is there already.
    mapping: Option<SlotIndex<W>>,
    new_mapping: Option<NewMapping>,
    session: NewSession<W>,
    /// The session that ends to make room for it.
    evicted: Option<SlotIndex<W>>,
    tokens: Option<Tokens>,
    external: Endpoint,
}

/// What a session needs that is being decided on.
struct Request<'r, W> {
    tuple: &'r InsideTuple,
    state: SessionState,
    shortage: Shortage<W>,
    /// The session that is not to end.
    keep: Option<SlotIndex<W>>,
}

impl<W: Width> Nat<'_, W> {
    /// Whether `mapping` lets `address` in from ports that no session of it names: one that a rule
    /// has opened, and what the filter says of others (RFC 4787 REQ-8).
    pub(super) fn admits(&self, mapping: SlotIndex<W>, address: u32) -> bool {
        let Some(proto) = self.tables.mapping(mapping).map(|mapping| mapping.proto()) else {
            return false;
        };
        self.is_forwarded(mapping)
            || match self.filtering(proto) {
                Filtering::AddressAndPortDependent => false,
                Filtering::AddressDependent => {
                    !self.has_expiry_backlog() && self.tables.has_permission(mapping, address)
                }
                Filtering::EndpointIndependent => !self.has_expiry_backlog(),
            }
    }

    /// The filter of a protocol (RFC 5382 REQ-3b).
    fn filtering(&self, proto: Proto) -> Filtering {
        let Config {
            filtering,
            tcp_filtering,
            ..
        } = self.config;
        match proto {
            Proto::Tcp => tcp_filtering.unwrap_or(filtering),
            Proto::Icmp | Proto::Udp => filtering,
        }
    }

    /// Whether a mapping is that of a port forward, of one-to-one translation, or of the DMZ host,
    /// and does not drain.
    pub(super) fn is_forwarded(&self, mapping: SlotIndex<W>) -> bool {
        let rule = || {
            let (external, inside) = (
                self.external_endpoint(mapping)?,
                self.inside_endpoint(mapping)?,
            );
            let mapping = self
                .tables
                .mapping(mapping)
                .filter(|mapping| !mapping.is_untranslated())?;
            Some(self.follows_rule(mapping.proto(), inside, external))
        };
        rule().unwrap_or(false)
    }

    pub(super) fn follows_rule(&self, proto: Proto, inside: Inside, external: Endpoint) -> bool {
        let fixed = self
            .forwards
            .external_of(proto, inside.endpoint, &self.pool);
        inside.origin == Origin::Host && fixed.is_some_and(|fixed| fixed.external == external)
    }

    /// The number of the external address, and the external endpoint, that a rule gives to a new
    /// mapping; `None` without a rule, or where another mapping has it.
    pub(super) fn static_mapping(&self, tuple: &InsideTuple) -> Option<(u8, StaticMapping)> {
        let InsideTuple {
            proto,
            inside,
            remote,
            untranslated,
        } = *tuple;
        let rule = self
            .forwards
            .external_of(proto, inside.endpoint, &self.pool);
        let fixed = rule.filter(|_| inside.origin == Origin::Host && !untranslated)?;
        let external = fixed.external;
        let number = self.external_number(external.address)?;
        let outside = OutsideTuple {
            proto,
            external: number,
            external_port: external.port,
            remote,
        };
        let free = !self.is_reserved(proto, external.port)
            && self.tables.mapping_of_outside(&outside).is_none();
        free.then_some((number, fixed))
    }

    /// Whether sessions are overdue that nobody has ended yet. Then a mapping may look alive that
    /// is not, so the filter stays shut until [`Nat::handle_timeout`], or enough packets, have
    /// ended them.
    pub(super) fn has_expiry_backlog(&self) -> bool {
        self.tables.next_deadline(self.tick()) == Some(0)
    }

    /// Decides whether the session of a packet from inside may be, with its mapping if there is
    /// none yet, and which other session of the same host ends to make room for it, if need be;
    /// never `keep`. Changes nothing.
    pub(super) fn reserve(
        &mut self,
        tuple: &InsideTuple,
        mapping: Option<SlotIndex<W>>,
        begin: Tcp,
        keep: Option<SlotIndex<W>>,
    ) -> Result<Reservation<W>, DropReason> {
        let Inside { origin, endpoint } = tuple.inside;
        let permission = self.needs_permission(tuple, mapping);
        let shortage = self.find_shortage(tuple, mapping, (begin.state, permission));
        let request = Request {
            tuple,
            state: begin.state,
            shortage,
            keep,
        };
        let mut evicted =
            match self.find_evictable(tuple.inside, &request.shortage, begin.state, keep)? {
                None => self.find_finished(tuple.inside, mapping.is_none(), keep),
                needed => needed,
            };
        let tokens = match origin {
            Origin::Router => None,
            Origin::Host => self.check_rates(
                self.tables.host(origin, endpoint.address),
                mapping.is_none(),
            )?,
        };
        let (new_mapping, external) = match mapping {
            // Its address may have drained, and nobody has taken it away yet.
            Some(mapping) => (None, self.external_endpoint(mapping)),
            None => {
                let new = self.choose_mapping(&request, &mut evicted)?;
                (Some(new), self.external_of(&new))
            }
        };
        let external = external.ok_or(DropReason::AddressMissing)?;
        let link = mapping
            .or_else(|| self.mapping_after(evicted))
            .ok_or(DropReason::MappingTableFull)?;
        let session = NewSession {
            mapping: link,
            remote: tuple.remote,
            begin,
            permission,
        };
        self.tables.check_session(&session)?;
        let (inside, proto) = (tuple.inside, tuple.proto);
        Ok(Reservation {
            inside,
            proto,
            mapping,
            new_mapping,
            session,
            evicted,
            tokens,
            external,
        })
    }

    /// Makes the session that was decided on, before anything else has changed. Returns its
    /// external endpoint.
    pub(super) fn commit(&mut self, reservation: Reservation<W>) -> Endpoint {
        let Reservation {
            inside,
            proto,
            mapping,
            new_mapping,
            session,
            evicted,
            tokens,
            external,
        } = reservation;
        self.evict(evicted, mapping);
        if let Some(new) = &new_mapping {
            self.add_mapping(new);
            self.pair(inside, new.external);
            self.stats.mappings_created = self.stats.mappings_created.wrapping_add(1);
            self.assign_block(new);
            self.events().created(&MappingEnds::from(new));
        }
        self.tables.add_session(&session, self.tick());
        self.take_tokens(inside, tokens);
        self.stats.sessions_created = self.stats.sessions_created.wrapping_add(1);
        if proto == Proto::Tcp {
            self.count_state(None, session.begin.state);
        }
        external
    }

    /// The link that a new mapping gets once the session that makes room has ended, which may be
    /// the last of its own.
    fn mapping_after(&self, evicted: Option<SlotIndex<W>>) -> Option<SlotIndex<W>> {
        let ending = evicted
            .and_then(|link| self.tables.session(link))
            .map(|session| session.mapping);
        let last = |link: &SlotIndex<W>| {
            self.tables
                .mapping(*link)
                .is_some_and(|mapping| mapping.sessions.get() == 1)
        };
        ending.filter(last).or_else(|| self.tables.next_mapping())
    }

    /// The external endpoint of a mapping to be.
    fn external_of(&self, new: &NewMapping) -> Option<Endpoint> {
        if new.tuple.untranslated {
            return Some(new.tuple.inside.endpoint);
        }
        Some(Endpoint {
            address: self.pool.address(new.external, self.now)?,
            port: new.external_port,
        })
    }

    /// Gives a host whose external address is gone the one of its new mapping (RFC 4787 REQ-2).
    fn pair(&mut self, inside: Inside, external: u8) {
        let host = self.tables.host(inside.origin, inside.endpoint.address);
        if external != NO_EXTERNAL && host.is_some_and(|host| !self.pool.is_active(host.external()))
        {
            self.tables.set_host_external(inside, external);
        }
    }

    /// Whether sessions of this mapping give leave to every port of their remote address. ICMP has
    /// no ports, and what a rule has opened is open to all.
    fn needs_permission(&self, tuple: &InsideTuple, mapping: Option<SlotIndex<W>>) -> bool {
        let open = mapping.map_or_else(
            || self.static_mapping(tuple).is_some(),
            |mapping| self.is_forwarded(mapping),
        );
        self.filtering(tuple.proto) == Filtering::AddressDependent
            && tuple.proto != Proto::Icmp
            && !open
    }

    /// Chooses the mapping of a new session. Where no port is left, the session in `evicted`
    /// becomes one whose port that is.
    fn choose_mapping(
        &mut self,
        request: &Request<'_, W>,
        evicted: &mut Option<SlotIndex<W>>,
    ) -> Result<NewMapping, DropReason> {
        let tuple = *request.tuple;
        let fixed = self.static_mapping(&tuple);
        let kind = fixed.map_or(MappingKind::Dynamic, |(_, fixed)| fixed.rule.into());
        let (external, external_port) = if tuple.untranslated {
            (NO_EXTERNAL, 0)
        } else if let Some((number, fixed)) = fixed {
            (number, fixed.external.port)
        } else {
            self.pool.primary().ok_or(DropReason::AddressMissing)?;
            self.draw(request, evicted)
                .inspect_err(|reason| self.count_port_error(*reason))?
        };
        let new = NewMapping {
            tuple,
            external,
            external_port,
            kind,
        };
        self.tables.check_mapping(&new)?;
        Ok(new)
    }

    /// Draws an external port: a free one, or else that of a session which makes room.
    fn draw(
        &mut self,
        request: &Request<'_, W>,
        evicted: &mut Option<SlotIndex<W>>,
    ) -> Result<(u8, u16), DropReason> {
        let inside = request.tuple.inside;
        let leaving = evicted
            .and_then(|session| self.drawn_until_end(session))
            .map(|mapping| mapping.external);
        let first = self
            .choose_external(inside, leaving)
            .ok_or(DropReason::PortsExhausted)?;
        match self.draw_from(first, request, evicted) {
            Err(DropReason::PortsExhausted) => {
                let other = self
                    .other_external(inside, first, leaving)
                    .ok_or(DropReason::PortsExhausted)?;
                self.draw_from(other, request, evicted)
            }
            drawn => drawn,
        }
    }

    /// The same from the external address of a number.
    fn draw_from(
        &mut self,
        external: u8,
        request: &Request<'_, W>,
        evicted: &mut Option<SlotIndex<W>>,
    ) -> Result<(u8, u16), DropReason> {
        let Request {
            tuple,
            state,
            shortage,
            keep,
        } = request;
        let pool = self.port_pool(tuple.proto, external, tuple.inside.endpoint.port);
        let ports = self.candidates(tuple, &pool)?;
        match self.choose_port(tuple, &pool, ports, *evicted) {
            Err(DropReason::PortsExhausted) => {
                let wanted = PortWanted {
                    pool,
                    ports,
                    remote: tuple.remote,
                };
                let found =
                    self.find_evictable_for_port(tuple.inside, shortage, *state, (&wanted, *keep));
                let (link, port) = found.ok_or(DropReason::PortsExhausted)?;
                *evicted = Some(link);
                Ok((external, port))
            }
            port => Ok((external, port?)),
        }
    }

    /// Another external address than `first` from which a host draws ports at present. One mapping
    /// with a port drawn from `leaving` ends before its next one begins, so it does not count.
    pub(super) fn other_external(
        &self,
        inside: Inside,
        first: u8,
        leaving: Option<u8>,
    ) -> Option<u8> {
        let host = self.tables.host(inside.origin, inside.endpoint.address)?;
        let draws = |number: u8| host.dynamic_on(number) > usize::from(leaving == Some(number));
        let mut others = self
            .pool
            .active()
            .filter(|(number, _)| *number != first && draws(*number));
        let open = |address: u32| {
            self.forwards
                .one_to_one_host(address)
                .is_none_or(|owner| owner == inside.endpoint.address)
        };
        others
            .find(|(_, address)| open(*address))
            .map(|(number, _)| number)
    }

    /// The mapping of `session`, if it has drawn its port and ends with that session.
    fn drawn_until_end(&self, session: SlotIndex<W>) -> Option<&Mapping<W>> {
        let mapping = self.tables.mapping(self.tables.session(session)?.mapping)?;
        Some(mapping).filter(|mapping| mapping.is_dynamic() && mapping.sessions.get() == 1)
    }

    fn count_port_error(&mut self, reason: DropReason) {
        if reason == DropReason::HostTableFull {
            return;
        }
        self.stats.tcp.port_errors = self.stats.tcp.port_errors.wrapping_add(1);
    }

    /// The number of the external address that a host's next mapping gets: that of the rule which
    /// names the host, or else one from which it draws ports already, as long as a mapping of
    /// that kind lives (RFC 4787 REQ-2). A host has several of these only after a drain was
    /// taken back, until the mappings on all but one have ended. One mapping with a port drawn
    /// from `leaving` ends before the new one begins, so it does not count. `None` if each address
    /// stands for one other host.
    fn choose_external(&mut self, inside: Inside, leaving: Option<u8>) -> Option<u8> {
        let Inside { origin, endpoint } = inside;
        let Self {
            tables,
            forwards,
            pool,
            ports,
            ..
        } = self;
        let dmz = || {
            pool.primary()
                .filter(|_| forwards.is_dmz_host(endpoint.address))
        };
        let own = match origin {
            Origin::Router => Some(endpoint.address),
            Origin::Host => forwards.one_to_one_address(endpoint.address).or_else(dmz),
        };
        let open = |address: u32| {
            forwards
                .one_to_one_host(address)
                .is_none_or(|host| host == endpoint.address)
        };
        let find = |wanted: &dyn Fn(u8, u32) -> bool| {
            pool.active()
                .find(|(number, address)| wanted(*number, *address))
        };
        let own = own.and_then(|own| find(&|_, address| address == own && open(address)));
        let known = tables.host(origin, endpoint.address);
        let paired = |host: &Host<W>| {
            let ending = |number| usize::from(leaving == Some(number));
            let drawn =
                find(&|number, address| host.dynamic_on(number) > ending(number) && open(address));
            drawn.or_else(|| find(&|number, address| number == host.external() && open(address)))
        };
        own.or_else(|| known.and_then(paired))
            .map(|(number, _)| number)
            .or_else(|| {
                let candidates = || pool.active().filter(|(_, address)| open(*address));
                let count = candidates().count();
                let entry = if count <= 1 {
                    0
                } else {
                    ports.pick_below(count as u32) as usize
                };
                candidates().nth(entry).map(|(number, _)| number)
            })
    }

    /// Draws a port that is free now. The session in `evicted` ends before the new mapping begins.
    fn choose_port(
        &mut self,
        tuple: &InsideTuple,
        pool: &PortPool,
        ports: Ports,
        evicted: Option<SlotIndex<W>>,
    ) -> Result<u16, DropReason> {
        let InsideTuple {
            proto,
            inside,
            remote,
            ..
        } = *tuple;
        let external = pool.external;
        self.check_start(proto)?;
        let address = self
            .pool
            .address(external, self.now)
            .ok_or(DropReason::AddressMissing)?;
        let closed = closed_ports(
            &self.config,
            proto,
            self.forwards.kept(proto, address, &self.pool),
        );
        // Without this, whoever fills the range would have every later packet search all of it in
        // vain.
        if !self.tables.overlapping()
            && self.config.port_blocks.is_none()
            && !self.may_draw(inside, pool, (address, &closed), evicted)
        {
            return Err(DropReason::PortsExhausted);
        }
        let tick = self.tick();
        let Self {
            tables,
            ports: picker,
            quarantine,
            ..
        } = self;
        let free = |port| {
            let tuple = OutsideTuple {
                proto,
                external,
                external_port: port,
                remote,
            };
            !closed.contains(port)
                && tables.mapping_of_outside(&tuple).is_none()
                && tables.check_outside(&tuple).is_ok()
                && !quarantine.contains(
                    ExternalPort {
                        proto,
                        external,
                        port,
                    },
                    tick,
                )
        };
        // How many ports a destination has used up nobody counts where they overlap, so the search
        // has an end.
        let tries = if tables.overlapping() {
            OVERLAPPING_TRIES
        } else {
            ports.count()
        };
        picker
            .pick(ports, tries, free)
            .ok_or(DropReason::PortsExhausted)
    }

    /// The external ports that a new mapping has the choice of: those of its host's block, or those
    /// that are for its inside port.
    fn candidates(&self, tuple: &InsideTuple, pool: &PortPool) -> Result<Ports, DropReason> {
        if self.config.port_blocks.is_none() {
            return Ok(pool.ports(&self.config));
        }
        let number = self
            .tables
            .host_number(tuple.inside)
            .ok_or(DropReason::HostTableFull)?;
        let block = self
            .config
            .block(number)
            .ok_or(DropReason::PortsExhausted)?;
        Ok(Ports::new(block, pool.parity))
    }

    /// Whether a port of `pool` on `address` is left for a host, where those that are `closed` are
    /// nobody's.
    fn may_draw(
        &mut self,
        inside: Inside,
        pool: &PortPool,
        (address, closed): (u32, &ClosedPorts),
        evicted: Option<SlotIndex<W>>,
    ) -> bool {
        let left = |nat: &mut Self, open: usize| {
            let kept = nat.kept_ports(inside, pool, (address, open), evicted);
            nat.has_free_port(pool, open.saturating_sub(kept))
        };
        // Few ports are closed: mostly one is left even if all of these were of this pool, and then
        // nobody need count them.
        let at_least = pool
            .ports(&self.config)
            .count()
            .saturating_sub(closed.count());
        left(self, at_least) || left(self, open_ports(&self.config, pool, closed))
    }

    /// Ports of `pool` on `address`, where so many are `open`, that a host must leave to others.
    /// The router itself, and the host that an address stands for, need not.
    fn kept_ports(
        &self,
        inside: Inside,
        pool: &PortPool,
        (address, open): (u32, usize),
        evicted: Option<SlotIndex<W>>,
    ) -> usize {
        if inside.origin == Origin::Router || self.forwards.one_to_one_host(address).is_some() {
            return 0;
        }
        let leaving = evicted.and_then(|session| self.drawn_until_end(session));
        self.tables.kept_ports(inside, pool, open, leaving)
    }

    /// The external ports that are for an inside port. An identifier of ICMP queries has neither
    /// class nor parity.
    fn port_pool(&self, proto: Proto, external: u8, inside_port: u16) -> PortPool {
        let parity =
            (proto != Proto::Icmp && self.config.port_parity).then(|| Parity::of(inside_port));
        PortPool {
            proto,
            external,
            class: PortClass::of(proto, inside_port),
            parity,
        }
    }

    pub(super) fn is_reserved(&self, proto: Proto, port: u16) -> bool {
        is_reserved(&self.config, proto, port)
    }
}

fn is_reserved(config: &Config, proto: Proto, port: u16) -> bool {
    proto != Proto::Icmp
        && config
            .reserved_ports
            .is_some_and(|range| range.contains(port))
        || proto == Proto::Udp && config.dhcp_client && port == DHCP_CLIENT
}

/// Ports of an external address that no mapping draws, of one protocol.
type ClosedPorts = PortSet<{ MAX_PORT_RANGES + MAX_PORT_FORWARDS + 2 }>;

/// The ports that no mapping of `proto` draws: those that the router keeps, those that are
/// excluded, and those that port forwards have `kept`. The search and the count of free ports both
/// go by this set, so that they agree.
fn closed_ports(
    config: &Config,
    proto: Proto,
    kept: impl Iterator<Item = PortRange>,
) -> ClosedPorts {
    if proto == Proto::Icmp {
        return ClosedPorts::EMPTY;
    }
    // A copy of what is in order already: to insert range by range would cost a new flow several
    // times all else.
    let mut closed: ClosedPorts = config.excluded_ports.widened();
    let dhcp = PortRange::new(DHCP_CLIENT, DHCP_CLIENT)
        .filter(|_| proto == Proto::Udp && config.dhcp_client);
    for range in config.reserved_ports.into_iter().chain(dhcp).chain(kept) {
        let _there_is_room = closed.insert(range);
    }
    closed
}

/// How many ports of `pool` are not `closed`.
fn open_ports(config: &Config, pool: &PortPool, closed: &ClosedPorts) -> usize {
    let range = pool.class.range(config);
    let shared = closed
        .ranges()
        .filter_map(|closed| closed.intersection(range));
    let count = shared
        .map(|shared| Ports::new(shared, pool.parity).count())
        .fold(0, usize::saturating_add);
    pool.ports(config).count().saturating_sub(count)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::net::Ipv4Addr;
    use std::vec::Vec;

    use crate::Cidr;

    use super::*;

    fn range(random: &mut fastrand::Rng, first: u16, count: u16) -> PortRange {
        let first = first + random.u16(..count);
        PortRange::new(first, first + random.u16(..count)).expect("a range")
    }

    /// R5: a search is begun exactly if a port is left: as many are open as are neither reserved,
    /// nor excluded, nor kept by a port forward, however these meet.
    #[test]
    fn open_ports_are_those_that_are_not_closed() {
        let mut config =
            Config::new(Cidr::new(Ipv4Addr::new(192, 168, 1, 1), 24).expect("a prefix length"));
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..3000 {
            (config.low_ports, config.ports) =
                (range(&mut random, 60, 12), range(&mut random, 66, 12));
            config.reserved_ports = random.bool().then(|| range(&mut random, 58, 12));
            config.dhcp_client = random.bool();
            config.excluded_ports = PortSet::FILTERED;
            if random.bool() {
                config.excluded_ports = PortSet::EMPTY;
                for _ in 0..random.usize(..6) {
                    config
                        .excluded_ports
                        .insert(range(&mut random, 58, 14))
                        .expect("room for six");
                }
            }
            let kept: Vec<_> = (0..random.usize(..4))
                .map(|_| range(&mut random, 60, 14))
                .collect();
            let proto = [Proto::Icmp, Proto::Tcp, Proto::Udp][random.usize(..3)];
            let kept = if proto == Proto::Icmp {
                Vec::new()
            } else {
                kept
            };
            let closed = closed_ports(&config, proto, kept.iter().copied());
            for class in [PortClass::Low, PortClass::High] {
                for parity in [None, Some(Parity::Even), Some(Parity::Odd)] {
                    let pool = PortPool {
                        proto,
                        external: 0,
                        class,
                        parity,
                    };
                    let ports = pool.ports(&config);
                    let is_open = |port: u16| {
                        let excluded = proto != Proto::Icmp && config.excluded_ports.contains(port);
                        !is_reserved(&config, proto, port)
                            && !excluded
                            && !kept.iter().any(|kept| kept.contains(port))
                    };
                    let open: Vec<_> = (0..ports.count() as u32)
                        .map(|at| ports.at(at))
                        .filter(|port| is_open(*port))
                        .collect();
                    assert!(
                        open.iter().all(|port| !closed.contains(*port)),
                        "{pool:?}, {config:?}"
                    );
                    assert_eq!(
                        open_ports(&config, &pool, &closed),
                        open.len(),
                        "{pool:?}, {kept:?}, {config:?}"
                    );
                }
            }
        }
    }
}
