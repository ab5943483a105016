//! The rules by which the outside may send first: port forwards, one-to-one translation, the DMZ
//! host.
//!
//! They are few and are gone through one by one, but only for packets that no session expects.

use heapless::Vec;

use crate::config::{Config, MAX_EXTERNAL_ADDRESSES, PortRange};
use crate::port_forward::{MAX_PORT_FORWARDS, OneToOne, PortForward, PortForwardError};
use crate::state::{Endpoint, MappingKind, Proto};

use super::Pool;

/// An external endpoint that a rule gives to an inside endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StaticMapping {
    pub(crate) external: Endpoint,
    pub(crate) rule: Rule,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rule {
    PortForward,
    OneToOne,
    /// Others may have the endpoint before.
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

/// The rules. Where two could apply, port forwards come first, then one-to-one translation, then
/// the DMZ host. Those on an address that new mappings cannot get rest. Of two port forwards that
/// come to have a port in common, since the primary address has changed, the later one rests for
/// that port.
pub(crate) struct PortForwards {
    forwards: Vec<PortForward, MAX_PORT_FORWARDS>,
    one_to_one: Vec<OneToOne, MAX_EXTERNAL_ADDRESSES>,
    dmz_host: Option<u32>,
}

impl PortForwards {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            forwards: Vec::new(),
            one_to_one: config.one_to_one.clone(),
            dmz_host: config.dmz_host.map(|host| host.to_bits()),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &PortForward> {
        self.forwards.iter()
    }

    /// Adds a port forward that meets no other.
    pub(crate) fn add(
        &mut self,
        forward: PortForward,
        pool: &Pool,
    ) -> Result<(), PortForwardError> {
        let alike = || {
            self.forwards
                .iter()
                .filter(|other| other.protocol == forward.protocol)
        };
        let same_address = |other: &&PortForward| {
            other.external_address == forward.external_address
                || address_of(other, pool)
                    .is_some_and(|address| address_of(&forward, pool) == Some(address))
        };
        if alike()
            .filter(same_address)
            .any(|other| meet(external_ports(other), external_ports(&forward)))
        {
            return Err(PortForwardError::ExternalPortInUse);
        }
        let same_host = |other: &&PortForward| other.inside_address == forward.inside_address;
        if alike()
            .filter(same_host)
            .any(|other| meet(inside_ports(other), inside_ports(&forward)))
        {
            return Err(PortForwardError::InsideEndpointInUse);
        }
        self.forwards
            .push(forward)
            .map_err(|_| PortForwardError::TooMany)
    }

    /// Removes a port forward. Whether there was one.
    pub(crate) fn remove(&mut self, forward: &PortForward) -> bool {
        let position = self.forwards.iter().position(|other| other == forward);
        position
            .map(|position| self.forwards.remove(position))
            .is_some()
    }

    /// The port forwards that rest, wholly or for some of their ports: their external address is
    /// none at present, or an earlier one has the port there.
    pub(crate) fn inactive(&self, pool: &Pool) -> impl Iterator<Item = &PortForward> {
        self.forwards
            .iter()
            .enumerate()
            .filter(move |(entry, forward)| {
                let Some(address) = address_of(forward, pool) else {
                    return true;
                };
                let mut earlier = self
                    .forwards
                    .iter()
                    .take(*entry)
                    .filter(|other| other.protocol == forward.protocol);
                earlier.any(|other| {
                    address_of(other, pool) == Some(address)
                        && meet(external_ports(other), external_ports(forward))
                })
            })
            .map(|(_, forward)| forward)
    }

    /// The inside endpoint that whoever sends to `external` reaches first.
    pub(crate) fn inside_of(
        &self,
        proto: Proto,
        external: Endpoint,
        pool: &Pool,
    ) -> Option<Endpoint> {
        let forward = |forward: &PortForward| {
            let here =
                is_for(forward, proto) && address_of(forward, pool) == Some(external.address);
            let distance = external
                .port
                .checked_sub(forward.external_port)
                .filter(|_| here)?;
            let port = forward
                .inside_port
                .checked_add(distance)
                .filter(|_| distance < forward.ports)?;
            Some(Endpoint {
                address: forward.inside_address.to_bits(),
                port,
            })
        };
        self.forwards.iter().find_map(forward).or_else(|| {
            let host = self.one_to_one_host(external.address);
            let dmz = || {
                self.dmz_host
                    .filter(|_| proto != Proto::Icmp && pool.primary() == Some(external.address))
            };
            host.or_else(dmz).map(|address| Endpoint {
                address,
                port: external.port,
            })
        })
    }

    /// The external endpoint from which `inside` sends. It is one by which `inside` is reached: no
    /// other rule has it.
    pub(crate) fn external_of(
        &self,
        proto: Proto,
        inside: Endpoint,
        pool: &Pool,
    ) -> Option<StaticMapping> {
        let fixed = self.first_rule(proto, inside, pool)?;
        (self.inside_of(proto, fixed.external, pool) == Some(inside)).then_some(fixed)
    }

    fn first_rule(&self, proto: Proto, inside: Endpoint, pool: &Pool) -> Option<StaticMapping> {
        let forward = |forward: &PortForward| {
            let here = is_for(forward, proto) && forward.inside_address.to_bits() == inside.address;
            let distance = inside
                .port
                .checked_sub(forward.inside_port)
                .filter(|_| here)?;
            let port = forward
                .external_port
                .checked_add(distance)
                .filter(|_| distance < forward.ports)?;
            Some(Endpoint {
                address: address_of(forward, pool)?,
                port,
            })
        };
        if let Some(external) = self.forwards.iter().find_map(forward) {
            return Some(StaticMapping {
                external,
                rule: Rule::PortForward,
            });
        }
        if let Some(address) = self
            .one_to_one_address(inside.address)
            .filter(|address| pool.may_give(*address))
        {
            return Some(StaticMapping {
                external: Endpoint {
                    address,
                    port: inside.port,
                },
                rule: Rule::OneToOne,
            });
        }
        let dmz = proto != Proto::Icmp && self.is_dmz_host(inside.address);
        let external = Endpoint {
            address: pool.primary().filter(|_| dmz)?,
            port: inside.port,
        };
        Some(StaticMapping {
            external,
            rule: Rule::DmzHost,
        })
    }

    /// Whether an external endpoint is kept for the inside endpoint that a rule names, other than
    /// by one-to-one translation for the host `inside` itself.
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
            || self.forwards.iter().any(forward)
    }

    /// The ports that port forwards keep on an external address. Ranges may meet where the primary
    /// address has changed since they were added.
    pub(crate) fn reserved_ports(
        &self,
        proto: Proto,
        address: u32,
        pool: &Pool,
    ) -> impl Iterator<Item = PortRange> {
        let here = move |forward: &&PortForward| {
            is_for(forward, proto) && address_of(forward, pool) == Some(address)
        };
        self.forwards.iter().filter(here).filter_map(external_ports)
    }

    /// Whether an external address stands for one host.
    pub(crate) fn one_to_one_host(&self, external: u32) -> Option<u32> {
        let rule = self
            .one_to_one
            .iter()
            .find(|rule| rule.external.to_bits() == external)?;
        Some(rule.inside.to_bits())
    }

    /// The external address of a host that has one for itself.
    pub(crate) fn one_to_one_address(&self, inside: u32) -> Option<u32> {
        let rule = self
            .one_to_one
            .iter()
            .find(|rule| rule.inside.to_bits() == inside)?;
        Some(rule.external.to_bits())
    }

    pub(crate) fn is_dmz_host(&self, inside: u32) -> bool {
        self.dmz_host == Some(inside)
    }
}

fn is_for(forward: &PortForward, proto: Proto) -> bool {
    Proto::from(forward.protocol) == proto
}

/// The external address of a forward; `None` while it rests.
fn address_of(forward: &PortForward, pool: &Pool) -> Option<u32> {
    let named = forward.external_address.map(|address| address.to_bits());
    named
        .filter(|address| pool.may_give(*address))
        .or_else(|| pool.primary().filter(|_| named.is_none()))
}

/// The external ports of a forward; `None` if they are no range.
pub(crate) fn external_ports(forward: &PortForward) -> Option<PortRange> {
    range(forward.external_port, forward.ports)
}

/// The inside ports of a forward; `None` if they are no range.
pub(crate) fn inside_ports(forward: &PortForward) -> Option<PortRange> {
    range(forward.inside_port, forward.ports)
}

fn range(first: u16, count: u16) -> Option<PortRange> {
    PortRange::new(first, first.checked_add(count.checked_sub(1)?)?)
}

fn meet(one: Option<PortRange>, other: Option<PortRange>) -> bool {
    one.zip(other)
        .is_some_and(|(one, other)| one.intersection(other).is_some())
}
