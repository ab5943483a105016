//! What holds of the sessions after every step, found out by comparing each with each.

use std::collections::{BTreeMap, BTreeSet};

use core::net::{Ipv4Addr, SocketAddrV4};

use etherparse::IpNumber;
use nat_core::{
    Config, ExplicitMapping, Mapping, MappingRequest, PortRange, Protocol, SessionInfo,
    SessionProtocol, SessionState,
};

use super::operation::forwarded_ports;
use super::setting::HOSTS;
use super::world::*;

/// The capacities of a tiny world.
const MAPPINGS: usize = 8;
const SESSIONS: usize = 12;
const HOST_PLACES: usize = 4;

/// A mapping as the sessions show it; where ports overlap, each session has its own.
type MappingKey = (u8, SocketAddrV4, SocketAddrV4, Option<SocketAddrV4>);

pub(crate) fn check(world: &World, before: &[SessionInfo]) {
    world.check_tables();
    let sessions = world.sessions();
    check_external_endpoints(world.nat.config(), &sessions);
    check_dynamic_ports(world, &sessions);
    check_forwarded_ports(world, &sessions);
    check_limits(world.nat.config(), &sessions);
    check_pairing(world, before, &sessions);
}

fn check_external_endpoints(config: &Config, sessions: &[SessionInfo]) {
    let independent = config.mapping == Mapping::EndpointIndependent;
    for (index, one) in sessions.iter().enumerate() {
        for other in &sessions[index + 1..] {
            let same_protocol = one.protocol == other.protocol;
            let same_external = same_protocol && one.external == other.external;
            let same_inside = same_protocol && one.inside == other.inside;
            let same_remote = one.remote == other.remote;
            assert!(
                !(same_external && same_remote),
                "two sessions of one answer:\n{one:?}\n{other:?}"
            );
            if independent && is_translated(one) && is_translated(other) {
                assert_eq!(
                    same_external, same_inside,
                    "one inside endpoint, one external:\n{one:?}\n{other:?}"
                );
            }
        }
    }
}

fn is_translated(session: &SessionInfo) -> bool {
    session.inside != session.external || !HOSTS.contains(session.inside.ip())
}

/// Dynamic ports are in the range, have the parity, and belong to no other host; none is reserved
/// for the router.
fn check_dynamic_ports(world: &World, sessions: &[SessionInfo]) {
    let config = world.nat.config();
    for session in sessions.iter().filter(|session| is_translated(session)) {
        let SessionInfo {
            protocol,
            inside,
            external,
            ..
        } = *session;
        assert!(
            !is_reserved(config, protocol, external.port()),
            "a reserved port: {session:?}"
        );
        // What a host has asked for keeps its port when that ends.
        if session.is_static || world.was_explicit(session) {
            continue;
        }
        assert!(
            candidates(config, protocol, inside.port()).contains(&external.port()),
            "a wrong port: {session:?}"
        );
        assert!(
            !is_excluded(config, protocol, external.port()),
            "an excluded port: {session:?}"
        );
        let draining: Vec<_> = world.nat.draining_addresses().collect();
        let foreign = config.one_to_one.iter().any(|rule| {
            rule.external == *external.ip()
                && rule.inside != *inside.ip()
                && !draining.contains(external.ip())
        });
        assert!(!foreign, "the address of another host: {session:?}");
    }
}

/// A port that a forward keeps is its target's.
fn check_forwarded_ports(world: &World, sessions: &[SessionInfo]) {
    for session in sessions.iter().filter(|session| is_translated(session)) {
        let Some(protocol) = forwardable(session.protocol) else {
            continue;
        };
        for (external, inside) in forwarded_ports(&world.nat, protocol) {
            if session.external == external {
                assert!(
                    session.inside == inside && session.is_static,
                    "a forward's port: {session:?}"
                );
            }
        }
    }
}

/// A host gets no port that is another's, or that no host may ask for (RFC 6887 section 11.3).
pub(crate) fn check_granted(world: &World, request: &MappingRequest, mapping: &ExplicitMapping) {
    let config = world.nat.config();
    let port = mapping.external_port;
    let protocol = match mapping.protocol {
        Protocol::Tcp => SessionProtocol::Tcp,
        Protocol::Udp => SessionProtocol::Udp,
    };
    assert!(!request.only_suggested || request.suggested_port == Some(port));
    assert_eq!(
        (mapping.protocol, mapping.inside),
        (request.protocol, request.inside)
    );
    assert!(config.explicit_ports.contains(port));
    assert!(!is_reserved(config, protocol, port) && !is_excluded(config, protocol, port));
    let address = mapping
        .external_address
        .unwrap_or_else(|| world.nat.external_addresses()[0]);
    for (external, inside) in forwarded_ports(&world.nat, mapping.protocol) {
        assert_eq!(
            external == at(address, port),
            inside == mapping.inside,
            "{mapping:?}"
        );
    }
    for session in world.sessions() {
        if session.protocol == protocol && is_translated(&session) {
            let here = session.external == at(address, port);
            assert_eq!(
                here,
                session.inside == mapping.inside,
                "{mapping:?}, {session:?}"
            );
        }
    }
}

fn check_limits(config: &Config, sessions: &[SessionInfo]) {
    let limits = &config.limits;
    let most =
        |limit: Option<u16>, room: usize| limit.map_or_else(|| room.div_ceil(2), usize::from);
    let within =
        |count: usize, limit: Option<u16>| limit.is_none_or(|limit| count <= usize::from(limit));
    for host in HOSTS {
        let own: Vec<_> = sessions
            .iter()
            .filter(|session| *session.inside.ip() == host)
            .collect();
        assert!(
            own.len() <= most(limits.sessions_per_host, SESSIONS),
            "sessions of {host}: {own:#?}"
        );
        let is_half_open = |session: &SessionInfo| {
            matches!(
                session.state,
                SessionState::InsideSyn | SessionState::OutsideSyn
            )
        };
        let half_open = own.iter().filter(|session| is_half_open(session)).count();
        let most_half_open = limits
            .half_open_per_host
            .map_or(SESSIONS.div_ceil(4), usize::from);
        assert!(
            half_open <= most_half_open,
            "half-open sessions of {host}: {own:#?}"
        );
        let mut mappings: BTreeMap<MappingKey, usize> = BTreeMap::new();
        for session in own {
            *mappings.entry(mapping_key(config, session)).or_insert(0) += 1;
        }
        assert!(
            mappings.len() <= most(limits.mappings_per_host, MAPPINGS),
            "mappings of {host}: {mappings:#?}"
        );
        for (protocol, limit) in [
            (SessionProtocol::Tcp, limits.tcp_mappings_per_host),
            (SessionProtocol::Udp, limits.udp_mappings_per_host),
            (SessionProtocol::Icmp, limits.icmp_mappings_per_host),
        ] {
            let count = mappings
                .keys()
                .filter(|mapping| mapping.0 == protocol as u8)
                .count();
            assert!(
                within(count, limit),
                "{protocol:?} mappings of {host}: {mappings:#?}"
            );
        }
        assert!(
            mappings
                .values()
                .all(|count| within(*count, limits.sessions_per_mapping)),
            "{mappings:#?}"
        );
    }
}

fn mapping_key(config: &Config, session: &SessionInfo) -> MappingKey {
    let remote = (config.mapping == Mapping::AddressAndPortDependent).then_some(session.remote);
    (
        session.protocol as u8,
        session.inside,
        session.external,
        remote,
    )
}

/// A host whose port is drawn gets it on the address that it has drawn others on (RFC 4787 REQ-2).
fn check_pairing(world: &World, before: &[SessionInfo], sessions: &[SessionInfo]) {
    let config = world.nat.config();
    let drawn = |host: Ipv4Addr, sessions: &[SessionInfo]| -> BTreeSet<Ipv4Addr> {
        let own = sessions
            .iter()
            .filter(|session| *session.inside.ip() == host && !session.is_static)
            .filter(|session| !world.was_explicit(session));
        let active = world.nat.external_addresses();
        own.map(|session| *session.external.ip())
            .filter(|address| active.contains(address))
            .collect()
    };
    let ruled = |host| {
        config.dmz_host == Some(host) || config.one_to_one.iter().any(|rule| rule.inside == host)
    };
    // A mapping lives on if one of its sessions is evicted for another one of it.
    let lives = |session: &&SessionInfo| {
        sessions
            .iter()
            .any(|other| mapping_key(config, other) == mapping_key(config, session))
    };
    let before: Vec<_> = before.iter().filter(lives).copied().collect();
    for host in HOSTS.into_iter().filter(|host| !ruled(*host)) {
        let (had, has) = (drawn(host, &before), drawn(host, sessions));
        assert!(
            had.is_empty() || has.is_subset(&had),
            "{host} had {had:?}, and has {has:?}"
        );
    }
}

/// Whether there is an address that the sender of `packet` may have, and no port of it is left.
pub(crate) fn check_exhausted(world: &World, packet: &Packet) {
    let config = world.nat.config();
    // By the engine's clock, which never goes back.
    let overdue = world
        .nat
        .poll_timeout()
        .is_some_and(|due| due <= world.engine_time());
    if overdue || config.mapping == Mapping::AddressAndPortDependent || waits(config) {
        return;
    }
    let protocol = match packet.ip.protocol {
        IpNumber::ICMP => SessionProtocol::Icmp,
        IpNumber::TCP => SessionProtocol::Tcp,
        _ => SessionProtocol::Udp,
    };
    let host = *packet.source().ip();
    let foreign = |address| {
        config
            .one_to_one
            .iter()
            .any(|rule| rule.external == address && rule.inside != host)
    };
    let open: Vec<_> = world
        .nat
        .external_addresses()
        .iter()
        .filter(|address| !foreign(**address))
        .collect();
    let sessions = world.sessions();
    let forwarded_ports = forwardable(protocol)
        .map(|protocol| forwarded_ports(&world.nat, protocol))
        .unwrap_or_default();
    let closed = |address: Ipv4Addr, port: u16| {
        is_reserved(config, protocol, port)
            || is_excluded(config, protocol, port)
            || forwarded_ports
                .iter()
                .any(|(external, _)| *external == at(address, port))
    };
    let taken = |address: Ipv4Addr, port: u16| {
        let endpoint = at(address, port);
        closed(address, port)
            || sessions
                .iter()
                .any(|session| session.protocol == protocol && session.external == endpoint)
    };
    let ports = candidates(config, protocol, packet.source().port());
    // A host that has a port of this kind already, on whichever address, leaves one to each of the
    // others that there may be, but no more than half.
    let is_low = |port: u16| port < 1024 && protocol != SessionProtocol::Icmp;
    let has_own = sessions.iter().any(|session| {
        let of_host = *session.inside.ip() == host
            && session.protocol == protocol
            && !session.is_static
            && !world.was_explicit(session);
        of_host && is_low(session.inside.port()) == is_low(packet.source().port())
    });
    let full = |address: Ipv4Addr| {
        let free = ports.iter().filter(|port| !taken(address, **port)).count();
        let open = ports.iter().filter(|port| !closed(address, **port)).count();
        free == 0 || has_own && free <= (HOST_PLACES - 1).min(open / 2)
    };
    assert!(
        open.is_empty() || open.iter().any(|address| full(**address)),
        "ports are left for {packet:?}"
    );
}

/// Whether freed ports wait.
fn waits(config: &Config) -> bool {
    config.quarantine.delay != secs(0) || config.quarantine.tcp_delay != secs(0)
}

/// The external ports that an inside port may get (RFC 4787 REQ-3a, REQ-4).
fn candidates(config: &Config, protocol: SessionProtocol, inside: u16) -> Vec<u16> {
    let query = protocol == SessionProtocol::Icmp;
    let range: PortRange = if inside < 1024 && !query {
        config.low_ports
    } else {
        config.ports
    };
    let any = query || !config.port_parity;
    (range.first()..=range.last())
        .filter(|port| any || port % 2 == inside % 2)
        .collect()
}

fn is_reserved(config: &Config, protocol: SessionProtocol, port: u16) -> bool {
    let reserved = config
        .reserved_ports
        .is_some_and(|range| range.contains(port));
    protocol != SessionProtocol::Icmp && reserved
        || protocol == SessionProtocol::Udp && config.dhcp_client && port == 68
}

fn is_excluded(config: &Config, protocol: SessionProtocol, port: u16) -> bool {
    protocol != SessionProtocol::Icmp && config.excluded_ports.contains(port)
}

fn forwardable(protocol: SessionProtocol) -> Option<Protocol> {
    match protocol {
        SessionProtocol::Icmp => None,
        SessionProtocol::Tcp => Some(Protocol::Tcp),
        SessionProtocol::Udp => Some(Protocol::Udp),
    }
}
