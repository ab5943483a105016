//! Which external port a new mapping gets.

use crate::DropReason;
use crate::config::{Config, MAX_PORT_RANGES, PortRange, PortSet};
use crate::explicit_mapping::MAX_EXPLICIT_MAPPINGS;
use crate::policy::PortPicker;
use crate::policy::plain_ports::enough;
use crate::port_forward::MAX_PORT_FORWARDS;
use crate::state::{
    ExternalPort, InsideTuple, MappingKind, NewMapping, Origin, OutsideTuple, Parity, PortClass,
    PortPool, Ports, Proto,
};
use crate::table::{SlotIndex, Vacancy, Width};

use super::shortage::PortWanted;
use super::{Request, View};
use crate::nat::DHCP_CLIENT;
use crate::nat::view::{Policy, is_reserved};

/// Ports tried for a new session where they overlap. While a destination has used less than 99 in
/// 100 of them, the chance that all of these are taken is below 1 in 30,000.
const OVERLAPPING_TRIES: usize = 1024;

/// What a search for a port draws and finds out.
pub(crate) struct PortSearch<'p> {
    pub(crate) picker: &'p mut PortPicker,
    /// Whether no port was found.
    pub(crate) failed: bool,
    /// Whether quarantine entries that are over were counted as ports that wait, where that matters:
    /// the caller releases them and decides again.
    pub(crate) counted_overdue: bool,
}

impl<'p> PortSearch<'p> {
    pub(crate) fn new(picker: &'p mut PortPicker) -> Self {
        Self {
            picker,
            failed: false,
            counted_overdue: false,
        }
    }
}

/// An external port that was drawn.
struct Drawn<W> {
    external: u8,
    port: u16,
    /// The room in the index of external endpoints, if the port is free now.
    room: Option<Vacancy>,
    /// The session that ends to make room, with the port if none was free.
    evicted: Option<SlotIndex<W>>,
}

/// A mapping whose port was drawn, the room for it and the session that ends, as in [`Drawn`].
type DrawnMapping<W> = (NewMapping, Option<Vacancy>, Option<SlotIndex<W>>);

/// The ports of an external address from which mappings draw.
#[derive(Clone, Copy)]
struct OpenRange<'r> {
    pool: PortPool,
    /// Those that no mapping draws.
    closed: ClosedPorts<'r>,
}

impl<W: Width> View<'_, W> {
    /// Draws the external port of a new mapping: a free one, or else that of a session that makes
    /// room.
    #[inline(always)]
    pub(super) fn draw_mapping(
        self,
        request: &Request<'_, '_, W>,
        evicted: Option<SlotIndex<W>>,
        search: &mut PortSearch<'_>,
    ) -> Result<DrawnMapping<W>, DropReason> {
        let Drawn {
            external,
            port,
            room,
            evicted,
        } = match self.draw_at_once(request, evicted, search) {
            Some(drawn) => drawn,
            None => self.draw(*request, evicted, search)?,
        };
        let mapping = NewMapping {
            external,
            external_port: port,
            kind: MappingKind::Dynamic,
            pairs: self.pairs(request),
        };
        Ok((mapping, room, evicted))
    }

    /// The first port that is drawn, where the configuration is plain, and if that port is free.
    /// Mostly it is. `None` says nothing.
    #[inline(always)]
    fn draw_at_once(
        self,
        request: &Request<'_, '_, W>,
        evicted: Option<SlotIndex<W>>,
        search: &mut PortSearch<'_>,
    ) -> Option<Drawn<W>> {
        let (policy, tuple) = (&self.policy, request.tuple);
        let (proto, inside) = (tuple.proto, tuple.inside.endpoint);
        let class = PortClass::of(proto, inside.port);
        let ports = policy.plain_ports.as_ref()?.get(class as usize)?;
        let (external, address) = policy.pool.only()?;
        // The application may add port forwards at any time.
        if policy.port_forwards.has_forwards() || self.ports_taken_at_most() >= ports.enough {
            return None;
        }
        let port = ports.at(search.picker.pick_below(ports.count));
        let closed = ClosedPorts {
            policy,
            proto,
            address,
        };
        if closed.contains(port) {
            return None;
        }
        let outside = OutsideTuple {
            proto,
            external,
            external_port: port,
            remote: tuple.remote,
        };
        Some(Drawn {
            external,
            port,
            room: Some(self.room_for_port(&outside)?),
            evicted,
        })
    }

    /// The same in any configuration, and where that port is not free. Notes a failure in `search`.
    #[inline(never)]
    fn draw(
        self,
        request: Request<'_, '_, W>,
        evicted: Option<SlotIndex<W>>,
        search: &mut PortSearch<'_>,
    ) -> Result<Drawn<W>, DropReason> {
        // First, for a reason of its own: without an address, it is not ports that are missing.
        if self.policy.pool.primary().is_none() {
            return Err(DropReason::AddressMissing);
        }
        let drawn = self.draw_on_any(&request, evicted, search);
        // Where the table of hosts is full, the host has no block to search: no search has failed.
        search.failed = matches!(&drawn, Err(reason) if *reason != DropReason::HostTableFull);
        drawn
    }

    #[inline(always)]
    fn draw_on_any(
        self,
        request: &Request<'_, '_, W>,
        evicted: Option<SlotIndex<W>>,
        search: &mut PortSearch<'_>,
    ) -> Result<Drawn<W>, DropReason> {
        const NONE_LEFT: DropReason = DropReason::PortsExhausted;
        let leaving = evicted.and_then(|session| self.drawn_until_end(session));
        let leaving = leaving.map(|mapping| mapping.external);
        let first = self
            .choose_external(request, leaving, search)
            .ok_or(NONE_LEFT)?;
        let mut external = first;
        // Two rounds at most: what the second address lacks is final.
        loop {
            match self.draw_from(external, request, evicted, search) {
                Err(NONE_LEFT) if external == first => {
                    let other = self.other_external(*request, first, leaving);
                    external = other.ok_or(NONE_LEFT)?;
                }
                drawn => return drawn,
            }
        }
    }

    /// The same from one external address.
    #[inline(always)]
    fn draw_from(
        self,
        external: u8,
        request: &Request<'_, '_, W>,
        evicted: Option<SlotIndex<W>>,
        search: &mut PortSearch<'_>,
    ) -> Result<Drawn<W>, DropReason> {
        let tuple = request.tuple;
        let pool = self.port_pool(tuple.proto, external, tuple.inside.endpoint.port);
        let wanted = PortWanted {
            ports: self.candidates(tuple, &pool)?,
            pool,
            remote: tuple.remote,
        };
        let (port, room, evicted) = match self.choose_port(request, &wanted, evicted, search) {
            // `evicted` is given up for the session found here, which frees the port and also all
            // that the new session lacks. One session at most ends for another.
            Err(DropReason::PortsExhausted) => {
                let (session, port) = self
                    .find_evictable_for_port(*request, wanted)
                    .ok_or(DropReason::PortsExhausted)?;
                (port, None, Some(session))
            }
            chosen => {
                let (port, room) = chosen?;
                (port, Some(room), evicted)
            }
        };
        Ok(Drawn {
            external,
            port,
            room,
            evicted,
        })
    }

    /// Draws a port that is free, and finds the room for it in the index. The session in `evicted`
    /// ends before the new mapping begins.
    #[inline(always)]
    fn choose_port(
        self,
        request: &Request<'_, '_, W>,
        wanted: &PortWanted,
        evicted: Option<SlotIndex<W>>,
        search: &mut PortSearch<'_>,
    ) -> Result<(u16, Vacancy), DropReason> {
        let PortWanted { pool, ports, .. } = wanted;
        // After a start it is unknown which ports have just been used, so none is given out yet.
        self.check_start(pool.proto)?;
        let policy = &self.policy;
        let address = policy.pool.address(pool.external, self.clock.now());
        let address = address.ok_or(DropReason::AddressMissing)?;
        let closed = ClosedPorts {
            policy,
            proto: pool.proto,
            address,
        };
        let range = OpenRange {
            pool: *pool,
            closed,
        };
        let overlapping = self.tables.overlapping();
        // Without this, a host that fills the range would have every later packet search all of it
        // in vain. A block is short, and where ports overlap the number of tries is limited.
        let counted = !overlapping && policy.config.port_blocks.is_none();
        if counted && !self.is_half_left(&range, ports.count()) {
            let left = self.is_any_left(*request, range, evicted, search);
            if !left {
                return Err(DropReason::PortsExhausted);
            }
        }
        let tries = if overlapping {
            OVERLAPPING_TRIES
        } else {
            ports.count()
        };
        // A closed port is found without the hash that the index needs, so that is asked first.
        let free = |port| {
            let outside = OutsideTuple {
                proto: pool.proto,
                external: pool.external,
                external_port: port,
                remote: wanted.remote,
            };
            let open = !closed.contains(port);
            open.then(|| self.room_for_port(&outside)).flatten()
        };
        let drawn = search.picker.pick(*ports, tries, free);
        drawn.ok_or(DropReason::PortsExhausted)
    }

    /// The room in the index for an external port that is neither in use nor in quarantine.
    #[inline(always)]
    fn room_for_port(self, outside: &OutsideTuple) -> Option<Vacancy> {
        let waiting = ExternalPort {
            proto: outside.proto,
            external: outside.external,
            port: outside.external_port,
        };
        // One walk over the bucket says both whether the port is in use and whether there is room.
        let room = self.tables.room_for_outside(outside)?;
        (!self.quarantine.contains(waiting, self.tick())).then_some(room)
    }

    /// The external ports that a new mapping has the choice of: those of its host's block, or those
    /// for its inside port.
    fn candidates(self, tuple: &InsideTuple, pool: &PortPool) -> Result<Ports, DropReason> {
        let config = &self.policy.config;
        if config.port_blocks.is_none() {
            return Ok(pool.ports(config));
        }
        let number = self.tables.host_number(tuple.inside);
        let number = number.ok_or(DropReason::HostTableFull)?;
        let block = config.block(number).ok_or(DropReason::PortsExhausted)?;
        Ok(Ports::new(block, pool.parity))
    }

    /// Whether a port of `range` is left for a host.
    #[inline(never)]
    fn is_any_left(
        self,
        request: Request<'_, '_, W>,
        range: OpenRange<'_>,
        evicted: Option<SlotIndex<W>>,
        search: &mut PortSearch<'_>,
    ) -> bool {
        let (config, pool) = (&self.policy.config, &range.pool);
        let mut left = |open: usize| {
            let reserved = self.reserved_ports(&request, &range, open, evicted);
            self.has_free_port(pool, open.saturating_sub(reserved), search)
        };
        // Few ports are closed. Mostly a port is left even if all of these were of this pool, and
        // then they need not be counted.
        let at_least = pool.ports(config).count();
        let at_least = at_least.saturating_sub(range.closed.at_most());
        left(at_least) || left(open_ports(config, pool, &range.closed.collect()))
    }

    /// Whether more than half of the ports of `range`, which has so many, would be left even if all
    /// mappings and the whole quarantine had ports of it. A no says nothing.
    fn is_half_left(self, range: &OpenRange<'_>, ports: usize) -> bool {
        self.ports_taken_at_most() < enough(ports, range.closed.at_most())
    }

    /// No fewer ports than are taken, of whichever range.
    #[inline(always)]
    fn ports_taken_at_most(self) -> usize {
        let mapped = self.tables.mappings_in_use();
        mapped.saturating_add(self.quarantine.ports_waiting())
    }

    fn ports_taken(self, pool: &PortPool) -> usize {
        let in_use = self.tables.ports_in_use(pool);
        in_use.saturating_add(self.quarantine.count(pool))
    }

    /// Whether any port of `pool`, of which `open` may be used, is neither in use nor in quarantine.
    fn has_free_port(self, pool: &PortPool, open: usize, search: &mut PortSearch<'_>) -> bool {
        let taken = self.ports_taken(pool);
        // Only here can an overdue entry decide, so only here is it worth a second decision.
        if taken >= open && self.quarantine.next_deadline(self.tick()) == Some(0) {
            search.counted_overdue = true;
        }
        taken < open
    }

    /// Ports of `range` that a host must leave to others, of so many that are `open`. The router
    /// itself need not, nor the host that has the address to itself.
    fn reserved_ports(
        self,
        request: &Request<'_, '_, W>,
        range: &OpenRange<'_>,
        open: usize,
        evicted: Option<SlotIndex<W>>,
    ) -> usize {
        let owner = (self.policy.port_forwards).one_to_one_host(range.closed.address);
        if owner.is_some() || request.tuple.inside.origin == Origin::Router {
            return 0;
        }
        let leaving = evicted.and_then(|session| self.drawn_until_end(session));
        self.tables
            .reserved_ports(request.host, &range.pool, open, leaving)
    }

    /// The external ports for an inside port. An identifier of ICMP queries has neither class nor
    /// parity.
    fn port_pool(self, proto: Proto, external: u8, inside_port: u16) -> PortPool {
        let parity = proto != Proto::Icmp && self.policy.config.port_parity;
        PortPool {
            proto,
            external,
            class: PortClass::of(proto, inside_port),
            parity: parity.then(|| Parity::of(inside_port)),
        }
    }

    /// Refuses new mappings for a while after a start, where that is configured.
    #[inline(always)]
    fn check_start(self, proto: Proto) -> Result<(), DropReason> {
        let rules = &self.policy.config.quarantine;
        let delay = if proto == Proto::Tcp {
            rules.tcp_delay
        } else {
            rules.delay
        };
        if rules.after_start && self.clock.running() < delay {
            Err(DropReason::Quarantine)
        } else {
            Ok(())
        }
    }
}

/// The ports of an external address that no mapping of a protocol draws: those that the router
/// reserves, those that are excluded, and those that port forwards and explicit mappings reserve.
///
/// They are asked about port by port. As a set they are collected only where few ports are left,
/// because to build it takes 1,200 instructions on a Cortex-M4.
#[derive(Clone, Copy)]
struct ClosedPorts<'p> {
    policy: &'p Policy,
    proto: Proto,
    address: u32,
}

/// As many ranges as there can be closed ports.
type ClosedSet = PortSet<{ MAX_PORT_RANGES + MAX_PORT_FORWARDS + MAX_EXPLICIT_MAPPINGS + 2 }>;

impl<'p> ClosedPorts<'p> {
    #[inline(always)]
    fn contains(self, port: u16) -> bool {
        let config = &self.policy.config;
        config.is_excluded(self.proto, port)
            || is_reserved(config, self.proto, port)
            || self.policy.port_forwards.has_forwards()
                && self.forwarded().any(|ports| ports.contains(port))
    }

    /// No fewer than there are, without looking at each range.
    fn at_most(self) -> usize {
        if self.proto == Proto::Icmp {
            return 0;
        }
        let closed = self.policy.closed_ports;
        self.forwarded()
            .map(PortRange::count)
            .fold(closed, usize::saturating_add)
    }

    fn collect(self) -> ClosedSet {
        closed_ports(&self.policy.config, self.proto, self.forwarded())
    }

    fn forwarded(self) -> impl Iterator<Item = PortRange> + use<'p> {
        let Policy {
            port_forwards,
            pool,
            ..
        } = self.policy;
        let forwards = self.proto != Proto::Icmp;
        let ports = forwards.then(|| port_forwards.reserved_ports(self.proto, self.address, pool));
        ports.into_iter().flatten()
    }
}

/// All closed ports as one set, so that ports which are closed twice count once.
fn closed_ports(
    config: &Config,
    proto: Proto,
    forwarded: impl Iterator<Item = PortRange>,
) -> ClosedSet {
    if proto == Proto::Icmp {
        return ClosedSet::EMPTY;
    }
    // A copy of what is sorted already: to insert range by range would cost several times as much.
    let mut closed: ClosedSet = config.excluded_ports.widened();
    let dhcp = (proto == Proto::Udp && config.dhcp_client)
        .then(|| PortRange::new(DHCP_CLIENT, DHCP_CLIENT))
        .flatten();
    for range in config
        .reserved_ports
        .into_iter()
        .chain(dhcp)
        .chain(forwarded)
    {
        // `ClosedSet` has room for all ranges of all three kinds, even if none can be merged.
        let _there_is_room = closed.insert(range);
    }
    closed
}

/// How many ports of `pool` are not `closed`.
fn open_ports(config: &Config, pool: &PortPool, closed: &ClosedSet) -> usize {
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

    use core::net::{Ipv4Addr, SocketAddrV4};
    use std::vec::Vec;

    use super::*;
    use crate::policy::plain_ports::{PlainPorts, closed_at_most};
    use crate::policy::{Pool, PortForwards};
    use crate::{Cidr, PortForward, Protocol};

    const EXTERNAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);

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

    fn policy(random: &mut fastrand::Rng) -> Policy {
        let mut config =
            Config::new(Cidr::new(Ipv4Addr::new(192, 168, 1, 1), 24).expect("a prefix length"));
        config.dhcp_client = random.bool();
        config.reserved_ports = random.bool().then(|| range(random, 58, 12));
        config.excluded_ports = PortSet::EMPTY;
        for _ in 0..random.usize(..6) {
            let excluded = range(random, 58, 14);
            config
                .excluded_ports
                .insert(excluded)
                .expect("room for six");
        }
        let pool = Pool::new(&[EXTERNAL]);
        let mut port_forwards = PortForwards::new(&config);
        for n in 0..random.u8(..4) {
            let ports = range(random, 60, 14);
            let inside = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 2 + n), 80);
            let protocol = [Protocol::Tcp, Protocol::Udp][random.usize(..2)];
            let mut forward = PortForward::new(protocol, ports.first(), inside);
            forward.ports = ports.count() as u16;
            // Those that meet another one are refused.
            let _added = port_forwards.add(forward, &pool).is_ok();
        }
        let closed_ports = closed_at_most(&config);
        Policy {
            closed_ports,
            plain_ports: PlainPorts::of(&config, closed_ports),
            config,
            pool,
            port_forwards,
        }
    }

    /// R5: a port that is asked about alone is closed exactly if it is in the set that is counted,
    /// and there are never more than the estimate.
    #[test]
    fn a_port_is_closed_exactly_if_it_is_in_the_set() {
        let mut random = fastrand::Rng::with_seed(8);
        let mut forwarded = 0;
        for _ in 0..2000 {
            let policy = policy(&mut random);
            for proto in [Proto::Icmp, Proto::Tcp, Proto::Udp] {
                let closed = ClosedPorts {
                    policy: &policy,
                    proto,
                    address: EXTERNAL.to_bits(),
                };
                let set = closed.collect();
                forwarded += closed.forwarded().count();
                for port in 50..100 {
                    assert_eq!(
                        closed.contains(port),
                        set.contains(port),
                        "{proto:?} {port}"
                    );
                }
                assert!(set.count() <= closed.at_most(), "{proto:?}");
            }
        }
        assert!(forwarded > 2000, "{forwarded} port forwards");
    }
}
