//! Explicit mappings: what hosts ask for with PCP, NAT-PMP or UPnP.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::event::ExplicitMappingEvent;
use crate::state::{
    Endpoint, ExternalPort, Inside, InsideTuple, Mapping, MappingEnds, MappingKind, Origin,
    OutsideTuple, Ports, Proto,
};
use crate::table::{SlotIndex, Width};
use crate::{
    Event, ExplicitMapping, Instant, MAX_EXPLICIT_MAPPINGS, MappingRequest, MappingRequestError,
    Nat, PortForward, Protocol, Timeouts,
};

use super::view::{Policy, State, View, is_reserved};

/// The ports of NAT-PMP and PCP. No host gets them, or others outside would talk to it as to a
/// client or a server of the router (RFC 6887 section 11.3).
const PORT_CONTROL: [u16; 2] = [5350, 5351];

impl<W: Width> Nat<'_, W> {
    /// Gives an inside endpoint an explicit mapping at `now`, or lets the one that it has last
    /// longer. Returns the mapping, whose external port may be another than the suggested one.
    ///
    /// The inside endpoint gets, in this order: the port of its explicit mapping; the suggested port;
    /// that of the mapping that its traffic has opened, whose sessions go on; a port with the number
    /// of the inside port; any port of [`Config::explicit_ports`](crate::Config::explicit_ports).
    /// Where it gets another port than that of its traffic, its sessions end.
    ///
    /// Its external address is the primary one, or that on which its host's other mappings are (RFC
    /// 4787 REQ-2). Where the primary address changes, its port stays the same.
    ///
    /// # Errors
    ///
    /// See [`MappingRequestError`]. Then nothing has changed.
    pub fn request_mapping(
        &mut self,
        request: &MappingRequest,
        now: Instant,
    ) -> Result<ExplicitMapping, MappingRequestError> {
        self.advance(now, 0);
        let asked = Asked::new(self.view(), request)?;
        let port = self.choose_explicit_port(&asked)?;
        let lifetime = request.lifetime.clamp(Timeouts::MIN, Timeouts::MAX);
        let millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let now = self.state.clock.now().as_millis();
        let mapping = ExplicitMapping {
            protocol: request.protocol,
            inside: request.inside,
            external_address: asked.external_address,
            external_port: port,
            ends_at: Instant::from_millis(now.saturating_add(millis)),
        };
        self.begin_explicit(&asked, &mapping);
        Ok(mapping)
    }

    /// Ends the explicit mapping of an inside endpoint at `now`. Sessions through it go on until
    /// they end by themselves, and nobody else may send to the external port any more. Returns the
    /// mapping, if there was one.
    pub fn end_explicit_mapping(
        &mut self,
        protocol: Protocol,
        inside: SocketAddrV4,
        now: Instant,
    ) -> Option<ExplicitMapping> {
        self.advance(now, 0);
        self.end_one_explicit(|mapping| mapping.protocol == protocol && mapping.inside == inside)
    }

    /// The explicit mappings, in no particular order, as of the latest time that the engine has been
    /// given.
    pub fn explicit_mappings(&self) -> impl Iterator<Item = ExplicitMapping> + '_ {
        self.state.policy.port_forwards.explicit.iter()
    }

    /// Ends the explicit mappings whose time is up.
    pub(super) fn end_explicit_overdue(&mut self) {
        let now = self.state.clock.now();
        while self
            .end_one_explicit(|mapping| mapping.ends_at <= now)
            .is_some()
        {}
    }

    /// Ends the explicit mappings that have an endpoint of a port forward, which has just been added.
    pub(super) fn end_explicit_of(&mut self, forward: &PortForward) {
        loop {
            let State { policy, clock, .. } = &mut self.state;
            let (forwards, now) = (&mut policy.port_forwards, clock.now());
            let ended = forwards.end_explicit_of(forward, &policy.pool, now);
            let Some(mapping) = ended else { return };
            self.explicit_ended(&mapping);
        }
    }

    fn end_one_explicit(
        &mut self,
        ends: impl Fn(&ExplicitMapping) -> bool,
    ) -> Option<ExplicitMapping> {
        let now = self.state.clock.now();
        let explicit = &mut self.state.policy.port_forwards.explicit;
        let mapping = explicit.end_one(now, ends)?;
        self.explicit_ended(&mapping);
        Some(mapping)
    }

    /// Leaves the sessions of an explicit mapping that has ended on their own.
    fn explicit_ended(&mut self, mapping: &ExplicitMapping) {
        let of_traffic = self.view().mapping_of(mapping.protocol, mapping.inside);
        match of_traffic.filter(|(_, open)| open.kind() == MappingKind::PortForward) {
            // The port waits in quarantine once the last session has ended.
            Some((link, _)) => self.set_mapping_kind(link, MappingKind::Former),
            None => self.hold_ports_of(&mapping.as_forward()),
        }
        self.emit_explicit(mapping, Event::ExplicitMappingEnded);
    }

    fn choose_explicit_port(&mut self, asked: &Asked<'_>) -> Result<u16, MappingRequestError> {
        let view = View(&self.state);
        let MappingRequest {
            inside,
            suggested_port,
            only_suggested,
            ..
        } = *asked.request;
        let is_wanted = |port: &u16| !only_suggested || Some(*port) == suggested_port;
        let free = |port: &u16| view.may_have(asked, *port);
        let open = view.open_port(asked);
        let first = asked.current.map(|current| current.external_port);
        // One inside endpoint has one external port.
        if only_suggested && first.is_some() && first != suggested_port {
            return Err(MappingRequestError::PortInUse);
        }
        let mut preferred = [first, suggested_port, open, Some(inside.port())]
            .into_iter()
            .flatten()
            .filter(is_wanted);
        if let Some(port) = preferred.find(free) {
            return Ok(port);
        }
        if only_suggested {
            return Err(MappingRequestError::PortInUse);
        }
        let ports = Ports::new(view.policy.config.explicit_ports, None);
        let drawn = self
            .ports
            .pick(ports, ports.count(), |port| free(&port).then_some(()));
        let (port, ()) = drawn.ok_or(MappingRequestError::NoPort)?;
        Ok(port)
    }

    fn begin_explicit(&mut self, asked: &Asked<'_>, mapping: &ExplicitMapping) {
        self.state.policy.port_forwards.explicit.set(mapping);
        let port = asked.external_port(mapping.external_port);
        let of_traffic = self.view().mapping_of(mapping.protocol, mapping.inside);
        match of_traffic.map(|(link, open)| (link, ExternalPort::from(open))) {
            Some((link, open)) if open == port => {
                self.set_mapping_kind(link, MappingKind::PortForward);
            }
            Some(_) => self.end_target(&mapping.as_forward()),
            None => {}
        }
        self.state.quarantine.release(port);
        self.emit_explicit(mapping, Event::ExplicitMappingGranted);
    }

    /// Changes how a mapping has its external port, while its sessions go on.
    fn set_mapping_kind(&mut self, link: SlotIndex<W>, kind: MappingKind) {
        let before = self.view().ends_of(link);
        self.state.tables.set_mapping_kind(link, kind);
        let after = self.view().ends_of(link);
        if let Some((before, after)) = before.zip(after)
            && before.kind.is_static() != after.kind.is_static()
        {
            self.events().changed(&before, &after);
        }
    }

    fn emit_explicit(
        &mut self,
        mapping: &ExplicitMapping,
        event: fn(ExplicitMappingEvent) -> Event,
    ) {
        let at = self.state.clock.now();
        if let Some(hook) = self.record.hook() {
            let mapping = *mapping;
            hook.on_event(&event(ExplicitMappingEvent { at, mapping }));
        }
    }
}

#[cfg(feature = "audit")]
impl<W: Width> Nat<'_, W> {
    /// Whether each explicit mapping has its port to itself, and what its inside endpoint sends
    /// leaves from there.
    pub(super) fn audit_explicit(&self) -> Result<(), &'static str> {
        let (view, explicit) = (self.view(), &self.state.policy.port_forwards.explicit);
        for mapping in explicit.iter() {
            let same = explicit.iter().filter(|other| {
                let same_port = other.external_port == mapping.external_port
                    && other.external_address == mapping.external_address;
                other.protocol == mapping.protocol && (same_port || other.inside == mapping.inside)
            });
            if same.count() != 1 {
                return Err("two explicit mappings have an endpoint in common");
            }
            if mapping.ends_at <= view.clock.now() {
                return Err("an explicit mapping has its time up");
            }
            let open = view.mapping_of(mapping.protocol, mapping.inside);
            let leaves_elsewhere = open.is_some_and(|(_, open)| {
                open.kind() == MappingKind::PortForward
                    && open.external_port != mapping.external_port
            });
            if leaves_elsewhere {
                return Err("traffic leaves from another port than that of its explicit mapping");
            }
        }
        Ok(())
    }
}

/// A request that can be granted if there is a port for it.
struct Asked<'r> {
    request: &'r MappingRequest,
    /// The explicit mapping that the inside endpoint has.
    current: Option<ExplicitMapping>,
    /// `None` for the primary address.
    external_address: Option<Ipv4Addr>,
    /// The number of the external address, and the address.
    external: (u8, u32),
}

impl<'r> Asked<'r> {
    fn new<W: Width>(
        view: View<'_, W>,
        request: &'r MappingRequest,
    ) -> Result<Self, MappingRequestError> {
        let MappingRequest {
            protocol, inside, ..
        } = *request;
        view.check_inside(protocol, inside)?;
        let explicit = &view.policy.port_forwards.explicit;
        let current = explicit.of(protocol, inside);
        if current.is_none() {
            view.check_explicit_room(inside)?;
        }
        let kept = current.and_then(|current| view.external_of_explicit(&current));
        let external = kept.or_else(|| view.external_for(*inside.ip()));
        let (number, address) = external.ok_or(MappingRequestError::NoExternalAddress)?;
        let is_primary = view.policy.pool.primary() == Some(address);
        Ok(Self {
            request,
            current,
            external_address: (!is_primary).then_some(Ipv4Addr::from_bits(address)),
            external: (number, address),
        })
    }

    fn external_port(&self, port: u16) -> ExternalPort {
        ExternalPort {
            proto: Proto::from(self.request.protocol),
            external: self.external.0,
            port,
        }
    }
}

impl<'v, W: Width> View<'v, W> {
    fn check_inside(
        self,
        protocol: Protocol,
        inside: SocketAddrV4,
    ) -> Result<(), MappingRequestError> {
        let config = &self.policy.config;
        if MAX_EXPLICIT_MAPPINGS == 0 {
            return Err(MappingRequestError::TooMany);
        }
        if self.tables.overlapping() || config.port_blocks.is_some() {
            return Err(MappingRequestError::NotPossible);
        }
        if inside.port() == 0 {
            return Err(MappingRequestError::PortZero);
        }
        if !self.is_inside_host(inside.ip().to_bits()) {
            return Err(MappingRequestError::NotInside);
        }
        if self.policy.port_forwards.has_static(protocol, inside) {
            return Err(MappingRequestError::Static);
        }
        Ok(())
    }

    /// Checks that one explicit mapping more can begin.
    fn check_explicit_room(self, inside: SocketAddrV4) -> Result<(), MappingRequestError> {
        let explicit = &self.policy.port_forwards.explicit;
        let limit = self.policy.config.limits.explicit_mappings_per_host;
        let limit = limit.map_or(MAX_EXPLICIT_MAPPINGS / 4, usize::from);
        if explicit.count_of_host(inside) >= limit {
            return Err(MappingRequestError::HostLimit);
        }
        if explicit.is_full() {
            return Err(MappingRequestError::TooMany);
        }
        Ok(())
    }

    /// The number and the address that an explicit mapping is on.
    fn external_of_explicit(self, mapping: &ExplicitMapping) -> Option<(u8, u32)> {
        let pool = &self.policy.pool;
        let address = match mapping.external_address {
            Some(address) => address.to_bits(),
            None => pool.primary()?,
        };
        pool.active().find(|(_, active)| *active == address)
    }

    /// The number and the address that a host's next explicit mapping is on: those of its other
    /// mappings, or the primary one. No other host may own it.
    fn external_for(self, host: Ipv4Addr) -> Option<(u8, u32)> {
        let policy = &self.policy;
        let known = self.tables.host(Origin::Host, host.to_bits());
        let paired = known.map(|host| host.external());
        let mut active = policy.pool.active();
        let paired = active.find(|(number, _)| Some(*number) == paired);
        let (number, address) = paired.or_else(|| policy.pool.active().next())?;
        let owner = policy.port_forwards.one_to_one_host(address);
        owner.is_none().then_some((number, address))
    }

    /// The mapping that the traffic of an inside endpoint has opened.
    fn mapping_of(
        self,
        protocol: Protocol,
        inside: SocketAddrV4,
    ) -> Option<(SlotIndex<W>, &'v Mapping<W>)> {
        let endpoint = Endpoint {
            address: inside.ip().to_bits(),
            port: inside.port(),
        };
        let origin = Origin::Host;
        let link = self.tables.mapping_of_inside(&InsideTuple {
            proto: protocol.into(),
            inside: Inside { origin, endpoint },
            // Ports do not overlap, so one mapping is for all remote endpoints.
            remote: ANY_REMOTE,
            untranslated: false,
        })?;
        Some((link, self.0.tables.mapping(link)?))
    }

    fn ends_of(self, link: SlotIndex<W>) -> Option<MappingEnds> {
        let mapping = self.tables.mapping(link)?;
        let inside = self.tables.inside(mapping)?;
        Some(MappingEnds::of(mapping, inside.endpoint))
    }

    /// The external port that the traffic of the inside endpoint has opened, on the address that the
    /// explicit mapping will be on.
    fn open_port(self, asked: &Asked<'_>) -> Option<u16> {
        let (_, open) = self.mapping_of(asked.request.protocol, asked.request.inside)?;
        let open = ExternalPort::from(open);
        (open.external == asked.external.0).then_some(open.port)
    }

    /// Whether the inside endpoint may have this external port.
    fn may_have(self, asked: &Asked<'_>, port: u16) -> bool {
        let Asked {
            request,
            external: (number, address),
            ..
        } = *asked;
        let (proto, config) = (Proto::from(request.protocol), &self.policy.config);
        let is_closed = config.is_excluded(proto, port)
            || is_reserved(config, proto, port)
            || proto == Proto::Udp && PORT_CONTROL.contains(&port);
        config.explicit_ports.contains(port)
            && !is_closed
            && !self.is_kept_from(asked, Endpoint { address, port })
            && !self.belongs_to_other(asked, number, port)
            && !self.waits_for_other(asked, port)
    }

    fn is_kept_from(self, asked: &Asked<'_>, external: Endpoint) -> bool {
        let policy = &self.policy;
        let wanted = (asked.request.protocol, asked.request.inside);
        policy
            .port_forwards
            .keeps_from(wanted, external, &policy.pool)
    }

    /// Whether the traffic of another inside endpoint has opened this external port.
    fn belongs_to_other(self, asked: &Asked<'_>, external: u8, external_port: u16) -> bool {
        let MappingRequest {
            protocol, inside, ..
        } = *asked.request;
        let holder = self.tables.mapping_of_outside(&OutsideTuple {
            proto: protocol.into(),
            external,
            external_port,
            remote: ANY_REMOTE,
        });
        let own = self.mapping_of(protocol, inside).map(|(link, _)| link);
        holder.is_some() && holder != own
    }

    /// Whether the port is in quarantine, and another inside endpoint had it.
    fn waits_for_other(self, asked: &Asked<'_>, port: u16) -> bool {
        let MappingRequest {
            protocol, inside, ..
        } = *asked.request;
        let Policy {
            port_forwards,
            config,
            ..
        } = &self.policy;
        let delay = config.quarantine.delay.max(config.quarantine.tcp_delay);
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let since = self.clock.now().as_millis().saturating_sub(delay);
        let since = Instant::from_millis(since);
        self.quarantine
            .contains(asked.external_port(port), self.tick())
            && !port_forwards.explicit.had(protocol, inside, port, since)
    }
}

/// For look-ups that do not depend on the remote endpoint.
const ANY_REMOTE: Endpoint = Endpoint {
    address: 0,
    port: 0,
};
