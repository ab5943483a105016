//! The rules that let any sender outside in: port forwards, explicit mappings, one-to-one
//! translations, the DMZ host.
//!
//! There are few of them and they are searched linearly, but only for packets that belong to no
//! session.

use core::net::SocketAddrV4;

use heapless::Vec;

use crate::Instant;
use crate::config::{Config, MAX_EXTERNAL_ADDRESSES, PortRange};
use crate::explicit_mapping::ExplicitMapping;
use crate::features::RULES;
use crate::port_forward::{MAX_PORT_FORWARDS, OneToOne, PortForward, PortForwardError, Protocol};
use crate::state::{Endpoint, MappingKind, Proto};

use super::Pool;
use super::explicit_mappings::ExplicitMappings;

/// An external endpoint that a rule gives to an inside endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StaticMapping {
    pub(crate) external: Endpoint,
    pub(crate) rule: Rule,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rule {
    /// Also an explicit mapping.
    PortForward,
    OneToOne,
    /// The endpoint may already belong to a mapping of another host.
    DmzHost,
}

impl From<Rule> for MappingKind {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::PortForward => Self::PortForward,
            Rule::OneToOne | Rule::DmzHost => Self::Rule,
        }
    }
}

/// All rules. Port forwards have precedence over explicit mappings, these over one-to-one
/// translations, and these over the DMZ host.
///
/// A rule is inactive while new mappings cannot have its external address. A change of the primary
/// address can give two port forwards a port in common; then the later one is inactive for that
/// port.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(crate) struct PortForwards {
    forwards: Vec<PortForward, MAX_PORT_FORWARDS>,
    /// What hosts have asked for.
    pub(crate) explicit: ExplicitMappings,
    one_to_one: Vec<OneToOne, MAX_EXTERNAL_ADDRESSES>,
    dmz_host: Option<u32>,
}

impl PortForwards {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            forwards: Vec::new(),
            explicit: ExplicitMappings::NONE,
            one_to_one: config.one_to_one.clone(),
            dmz_host: config.dmz_host.map(|host| host.to_bits()),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &PortForward> {
        self.forwards().iter()
    }

    fn forwards(&self) -> &[PortForward] {
        if RULES { &self.forwards } else { &[] }
    }

    /// The port forwards, and the explicit mappings as such.
    fn all_forwards(&self) -> impl Iterator<Item = &PortForward> {
        self.forwards().iter().chain(self.explicit.forwards())
    }

    fn one_to_one(&self) -> &[OneToOne] {
        if RULES { &self.one_to_one } else { &[] }
    }

    fn dmz_host(&self) -> Option<u32> {
        self.dmz_host.filter(|_| RULES)
    }

    /// Adds a port forward, unless it conflicts with another one.
    pub(crate) fn add(
        &mut self,
        forward: PortForward,
        pool: &Pool,
    ) -> Result<(), PortForwardError> {
        if !RULES {
            return Err(PortForwardError::TooMany);
        }
        let same_protocol = || {
            self.forwards()
                .iter()
                .filter(|other| other.protocol == forward.protocol)
        };
        if same_protocol().any(|other| share_external_port(other, &forward, pool)) {
            return Err(PortForwardError::ExternalPortInUse);
        }
        if same_protocol().any(|other| share_inside_endpoint(other, &forward)) {
            return Err(PortForwardError::InsideEndpointInUse);
        }
        self.forwards
            .push(forward)
            .map_err(|_| PortForwardError::TooMany)
    }

    /// Ends one explicit mapping that has an external port or an inside endpoint of `forward`,
    /// which precedes it.
    pub(crate) fn end_explicit_of(
        &mut self,
        forward: &PortForward,
        pool: &Pool,
        now: Instant,
    ) -> Option<ExplicitMapping> {
        self.explicit.end_one(now, |mapping| {
            let other = mapping.as_forward();
            other.protocol == forward.protocol
                && (share_external_port(&other, forward, pool)
                    || share_inside_endpoint(&other, forward))
        })
    }

    /// Whether a port forward or an explicit mapping of either protocol has an external port for
    /// another inside address than `inside`; of `protocol`, for another inside endpoint.
    ///
    /// The port of the other protocol goes to no other host, so that a service that uses both can
    /// have one number (RFC 6886 section 3.3).
    pub(crate) fn keeps_from(
        &self,
        (protocol, inside): (Protocol, SocketAddrV4),
        external: Endpoint,
        pool: &Pool,
    ) -> bool {
        self.all_forwards().any(|forward| {
            let has_port = address_of(forward, pool) == Some(external.address)
                && external_ports(forward).is_some_and(|ports| ports.contains(external.port));
            let is_other = forward.inside_address != *inside.ip()
                || forward.protocol == protocol && forward.inside_port != inside.port();
            has_port && is_other
        })
    }

    /// Whether a port forward or a one-to-one translation has an inside endpoint.
    pub(crate) fn has_static(&self, protocol: Protocol, inside: SocketAddrV4) -> bool {
        let target = PortForward::new(protocol, 1, inside);
        self.forwards()
            .iter()
            .any(|other| other.protocol == protocol && share_inside_endpoint(other, &target))
            || self.one_to_one_address(inside.ip().to_bits()).is_some()
    }

    /// Removes a port forward. Returns whether it was there.
    pub(crate) fn remove(&mut self, forward: &PortForward) -> bool {
        let position = self.forwards().iter().position(|other| other == forward);
        position
            .map(|position| self.forwards.remove(position))
            .is_some()
    }

    /// The port forwards that are inactive, for all or some of their ports: their external address
    /// is not one of the NAT at present, or an earlier forward has the port on that address.
    pub(crate) fn inactive(&self, pool: &Pool) -> impl Iterator<Item = &PortForward> {
        self.forwards()
            .iter()
            .enumerate()
            .filter(move |(position, forward)| {
                let earlier = self.forwards().get(..*position).unwrap_or_default();
                !is_fully_active(forward, earlier, pool)
            })
            .map(|(_, forward)| forward)
    }

    /// The inside endpoint to which a packet to `external` from any sender is forwarded.
    pub(crate) fn inside_of(
        &self,
        proto: Proto,
        external: Endpoint,
        pool: &Pool,
    ) -> Option<Endpoint> {
        self.all_forwards()
            .find_map(|forward| inside_of_forward(forward, proto, external, pool))
            .or_else(|| self.inside_with_same_port(proto, external, pool))
    }

    /// The inside endpoint by one-to-one translation, or of the DMZ host.
    fn inside_with_same_port(
        &self,
        proto: Proto,
        external: Endpoint,
        pool: &Pool,
    ) -> Option<Endpoint> {
        let Endpoint { address, port } = external;
        let host = match self.one_to_one_host(address) {
            Some(host) => host,
            None if proto != Proto::Icmp && pool.primary() == Some(address) => self.dmz_host()?,
            None => return None,
        };
        Some(Endpoint {
            address: host,
            port,
        })
    }

    /// The external endpoint from which packets of `inside` leave: that of the first rule for
    /// `inside`, if packets to this external endpoint are also forwarded to `inside`. They are not
    /// if another rule has the external endpoint.
    #[inline(always)]
    pub(crate) fn external_of(
        &self,
        proto: Proto,
        inside: Endpoint,
        pool: &Pool,
    ) -> Option<StaticMapping> {
        if self.is_empty() {
            return None;
        }
        self.find_external_of(proto, inside, pool)
    }

    /// Whether there are port forwards or explicit mappings.
    #[inline(always)]
    pub(crate) fn has_forwards(&self) -> bool {
        !(self.forwards.is_empty() && self.explicit.is_empty())
    }

    #[inline(always)]
    fn is_empty(&self) -> bool {
        !self.has_forwards() && self.one_to_one.is_empty() && self.dmz_host.is_none()
    }

    fn find_external_of(
        &self,
        proto: Proto,
        inside: Endpoint,
        pool: &Pool,
    ) -> Option<StaticMapping> {
        let mapping = self.first_rule(proto, inside, pool)?;
        (self.inside_of(proto, mapping.external, pool) == Some(inside)).then_some(mapping)
    }

    fn first_rule(&self, proto: Proto, inside: Endpoint, pool: &Pool) -> Option<StaticMapping> {
        let by_forward = self
            .all_forwards()
            .find_map(|forward| external_of_forward(forward, proto, inside, pool));
        if let Some(external) = by_forward {
            return Some(StaticMapping {
                external,
                rule: Rule::PortForward,
            });
        }
        let (address, rule) = self.address_of_host(proto, inside.address, pool)?;
        let external = Endpoint {
            address,
            port: inside.port,
        };
        Some(StaticMapping { external, rule })
    }

    /// The external address on which a host keeps its ports: by one-to-one translation, or as the
    /// DMZ host.
    fn address_of_host(&self, proto: Proto, inside: u32, pool: &Pool) -> Option<(u32, Rule)> {
        if let Some(address) = self.one_to_one_address(inside)
            && pool.may_give(address)
        {
            return Some((address, Rule::OneToOne));
        }
        if proto != Proto::Icmp && self.is_dmz_host(inside) {
            return Some((pool.primary()?, Rule::DmzHost));
        }
        None
    }

    /// Whether a rule reserves an external endpoint for another inside endpoint. The host `inside`
    /// may use the endpoints of its own one-to-one translation.
    pub(crate) fn reserves(
        &self,
        proto: Proto,
        external: Endpoint,
        inside: u32,
        pool: &Pool,
    ) -> bool {
        let forward = |forward: &PortForward| {
            is_for(forward, proto)
                && address_of(forward, pool) == Some(external.address)
                && external_ports(forward).is_some_and(|ports| ports.contains(external.port))
        };
        self.one_to_one_host(external.address)
            .is_some_and(|host| host != inside)
            || self.all_forwards().any(forward)
    }

    /// The ports that port forwards and explicit mappings reserve on an external address. They may
    /// overlap after a change of the primary address.
    pub(crate) fn reserved_ports(
        &self,
        proto: Proto,
        address: u32,
        pool: &Pool,
    ) -> impl Iterator<Item = PortRange> {
        let here = move |forward: &&PortForward| {
            is_for(forward, proto) && address_of(forward, pool) == Some(address)
        };
        self.all_forwards().filter(here).filter_map(external_ports)
    }

    /// The host to which an external address belongs by one-to-one translation.
    pub(crate) fn one_to_one_host(&self, external: u32) -> Option<u32> {
        let rule = self
            .one_to_one()
            .iter()
            .find(|rule| rule.external.to_bits() == external)?;
        Some(rule.inside.to_bits())
    }

    /// The external address of a host by one-to-one translation.
    pub(crate) fn one_to_one_address(&self, inside: u32) -> Option<u32> {
        let rule = self
            .one_to_one()
            .iter()
            .find(|rule| rule.inside.to_bits() == inside)?;
        Some(rule.external.to_bits())
    }

    pub(crate) fn is_dmz_host(&self, inside: u32) -> bool {
        self.dmz_host() == Some(inside)
    }
}

/// Whether two forwards of the same protocol have an external port in common.
fn share_external_port(one: &PortForward, other: &PortForward, pool: &Pool) -> bool {
    // Two forwards may name one address in different ways: as such, and as the primary one.
    let same_address = one.external_address == other.external_address
        || address_of(one, pool).is_some_and(|address| address_of(other, pool) == Some(address));
    same_address && overlap(external_ports(one), external_ports(other))
}

/// Whether two forwards of the same protocol have an inside endpoint in common.
fn share_inside_endpoint(one: &PortForward, other: &PortForward) -> bool {
    one.inside_address == other.inside_address && overlap(inside_ports(one), inside_ports(other))
}

/// Whether all ports of `forward` are active: its external address is one that new mappings may
/// have, and no `earlier` forward has one of the ports there.
fn is_fully_active(forward: &PortForward, earlier: &[PortForward], pool: &Pool) -> bool {
    let Some(address) = address_of(forward, pool) else {
        return false;
    };
    earlier.iter().all(|other| {
        other.protocol != forward.protocol
            || address_of(other, pool) != Some(address)
            || !overlap(external_ports(other), external_ports(forward))
    })
}

/// The inside endpoint to which `forward` forwards packets to `external`.
fn inside_of_forward(
    forward: &PortForward,
    proto: Proto,
    external: Endpoint,
    pool: &Pool,
) -> Option<Endpoint> {
    if !is_for(forward, proto) || address_of(forward, pool) != Some(external.address) {
        return None;
    }
    let offset = offset_in(external.port, forward.external_port, forward.ports)?;
    Some(Endpoint {
        address: forward.inside_address.to_bits(),
        port: forward.inside_port.checked_add(offset)?,
    })
}

/// The external endpoint from which packets of `inside` leave because of `forward`.
fn external_of_forward(
    forward: &PortForward,
    proto: Proto,
    inside: Endpoint,
    pool: &Pool,
) -> Option<Endpoint> {
    if !is_for(forward, proto) || forward.inside_address.to_bits() != inside.address {
        return None;
    }
    let offset = offset_in(inside.port, forward.inside_port, forward.ports)?;
    Some(Endpoint {
        address: address_of(forward, pool)?,
        port: forward.external_port.checked_add(offset)?,
    })
}

/// The position of `port` among `count` ports from `first` on.
fn offset_in(port: u16, first: u16, count: u16) -> Option<u16> {
    port.checked_sub(first).filter(|offset| *offset < count)
}

fn is_for(forward: &PortForward, proto: Proto) -> bool {
    Proto::from(forward.protocol) == proto
}

/// The external address of a forward; `None` while it is inactive.
fn address_of(forward: &PortForward, pool: &Pool) -> Option<u32> {
    match forward.external_address {
        // A draining address gets no new mapping.
        Some(address) => Some(address.to_bits()).filter(|address| pool.may_give(*address)),
        None => pool.primary(),
    }
}

/// The external ports of a forward; `None` if they are not a valid range.
pub(crate) fn external_ports(forward: &PortForward) -> Option<PortRange> {
    range(forward.external_port, forward.ports)
}

/// The inside ports of a forward; `None` if they are not a valid range.
pub(crate) fn inside_ports(forward: &PortForward) -> Option<PortRange> {
    range(forward.inside_port, forward.ports)
}

fn range(first: u16, count: u16) -> Option<PortRange> {
    PortRange::new(first, first.checked_add(count.checked_sub(1)?)?)
}

fn overlap(one: Option<PortRange>, other: Option<PortRange>) -> bool {
    one.zip(other)
        .is_some_and(|(one, other)| one.intersection(other).is_some())
}
