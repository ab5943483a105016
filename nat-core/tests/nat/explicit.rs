//! Explicit mappings: external ports that hosts ask for (RFC 6887, RFC 6886).

use core::net::SocketAddrV4;

use crate::world::*;
use nat_core::{
    Config, DropReason, Event, ExplicitMapping, Filtering, MAX_EXPLICIT_MAPPINGS, Mapping,
    MappingRequest, MappingRequestError, PortForward, PortForwardError, PortRange, PortSet,
    Protocol, SessionState,
};

use Protocol::{Tcp, Udp};

const HOUR: u64 = 3600;

fn any(protocol: Protocol, inside: SocketAddrV4) -> MappingRequest {
    MappingRequest::new(protocol, inside, secs(HOUR))
}

fn suggesting(protocol: Protocol, inside: SocketAddrV4, port: u16) -> MappingRequest {
    let mut request = any(protocol, inside);
    request.suggested_port = Some(port);
    request
}

fn only(protocol: Protocol, inside: SocketAddrV4, port: u16) -> MappingRequest {
    let mut request = suggesting(protocol, inside, port);
    request.only_suggested = true;
    request
}

#[track_caller]
fn granted(w: &mut World, request: &MappingRequest) -> ExplicitMapping {
    w.request_mapping(request).expect("the mapping is granted")
}

#[track_caller]
fn refused(w: &mut World, request: &MappingRequest) -> MappingRequestError {
    let before: Vec<_> = w.nat.explicit_mappings().collect();
    let error = w.request_mapping(request).expect_err("no mapping");
    assert!(
        w.nat.explicit_mappings().eq(before),
        "what is refused changes nothing"
    );
    error
}

/// PC4, NP2: anyone outside reaches the endpoint, by this protocol and port alone, and answers leave
/// from there.
#[test]
fn the_outside_reaches_an_endpoint_that_has_asked() {
    let mut w = World::new();
    let mapping = granted(&mut w, &suggesting(Tcp, at(H1, 80), 8080));
    assert_eq!(mapping.external_port, 8080);
    assert_eq!(mapping.ends_at, w.now().saturating_add(secs(HOUR)));
    for client in [at(S1, 40000), at(S2, 40001)] {
        let syn = w.inbound(tcp(client, at(N, 8080), SYN).seq(10)).forwarded();
        assert_eq!(syn.destination(), at(H1, 80));
        let answer = w
            .outbound(tcp(at(H1, 80), client, SYN | ACK).seq(90).ack(11))
            .forwarded();
        assert_eq!(answer.source(), at(N, 8080));
    }
    w.inbound(udp(at(S1, 9), at(N, 8080)))
        .dropped(DropReason::NoMapping);
    w.inbound(tcp(at(S1, 9), at(N, 80), SYN))
        .dropped(DropReason::NoMapping);
}

/// NP9: what the endpoint sends by itself leaves from its port.
#[test]
fn the_endpoint_sends_from_the_port_that_it_has_asked_for() {
    let mut w = World::new();
    granted(&mut w, &suggesting(Udp, at(H1, 3074), 3074));
    assert_eq!(w.open_udp(at(H1, 3074), at(S1, 53)), at(N, 3074));
    assert_ne!(w.open_udp(at(H2, 3074), at(S1, 53)).port(), 3074);
}

/// PC7: a mapping needs no traffic, and lasts as long as it was granted; then strangers are filtered
/// and the sessions that there are go on (PC6).
#[test]
fn a_mapping_ends_when_its_time_is_up_and_its_sessions_go_on() {
    let mut w = World::new();
    granted(&mut w, &suggesting(Udp, at(H1, 5000), 5000));
    w.advance(secs(HOUR - 10));
    w.inbound(udp(at(S1, 9), at(N, 5000))).forwarded();
    assert_eq!(w.open_udp(at(H1, 5000), at(S2, 53)), at(N, 5000));
    w.advance(secs(10));
    assert_eq!(w.nat.explicit_mappings().count(), 0);
    w.inbound(udp(at(S1, 9), at(N, 5000)))
        .dropped(DropReason::Filtered);
    w.inbound(udp(at(S2, 53), at(N, 5000))).forwarded();
    assert_eq!(
        w.open_udp(at(H1, 5000), at(S1, 53)),
        at(N, 5000),
        "one inside endpoint, one external"
    );
    w.advance(secs(301));
    w.inbound(udp(at(S2, 53), at(N, 5000)))
        .dropped(DropReason::NoMapping);
}

/// The engine asks to be woken for the end of a mapping that nobody uses.
#[test]
fn the_end_of_a_mapping_wakes_the_engine() {
    let mut w = World::new();
    let mapping = granted(&mut w, &any(Udp, at(H1, 5000)));
    assert_eq!(w.nat.poll_timeout(), Some(mapping.ends_at));
    // Nor does it outlive its time where nobody calls `handle_timeout`.
    w.jump(secs(HOUR));
    w.inbound(udp(at(S1, 9), at(N, 5000)))
        .dropped(DropReason::NoMapping);
}

/// PC5: to ask again lets a mapping last longer, with the same port, whatever port is suggested.
#[test]
fn asking_again_renews_a_mapping() {
    let mut w = World::new();
    let first = granted(&mut w, &suggesting(Tcp, at(H1, 80), 8080));
    w.advance(secs(HOUR / 2));
    let again = granted(&mut w, &suggesting(Tcp, at(H1, 80), 9090));
    assert_eq!(again.external_port, first.external_port);
    assert_eq!(again.ends_at, w.now().saturating_add(secs(HOUR)));
    assert_eq!(
        refused(&mut w, &only(Tcp, at(H1, 80), 9090)),
        MappingRequestError::PortInUse
    );
    assert_eq!(w.nat.explicit_mappings().count(), 1);
}

/// NP4, PC4: an endpoint that has a mapping by its traffic keeps its port, and its sessions go on.
#[test]
fn a_mapping_of_traffic_becomes_explicit_and_its_sessions_go_on() {
    let mut w = World::new();
    let mut connection = w.open_tcp(at(H1, 6881), at(S1, 80));
    let mapping = granted(&mut w, &any(Tcp, at(H1, 6881)));
    assert_eq!(mapping.external_port, connection.external.port());
    assert_eq!(
        w.session(at(H1, 6881), at(S1, 80)).state,
        SessionState::Established
    );
    w.inbound(tcp(at(S2, 9), connection.external, SYN))
        .forwarded();
    // From dynamic to explicit and back, the events tell it.
    let kinds: Vec<_> = w
        .events()
        .into_iter()
        .map(|event| match event {
            Event::MappingCreated(mapping) => ('+', mapping.is_static),
            Event::MappingDeleted(mapping) => ('-', mapping.is_static),
            Event::ExplicitMappingGranted(_) => ('e', true),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [('+', false), ('-', false), ('+', true), ('e', true)]
    );
    assert!(w.end_explicit_mapping(Tcp, at(H1, 6881)).is_some());
    w.inbound(tcp(at(S2, 10), connection.external, SYN))
        .dropped(DropReason::Filtered);
    connection.send_from_outside(&mut w, b"more");
    connection.send_from_inside(&mut w, b"more");
}

/// NP4, PC4: a port that another has is not given; another one is, unless only that one will do.
#[test]
fn a_port_that_is_taken_is_not_given() {
    let mut w = World::new();
    let dynamic = w.open_udp(at(H2, 7000), at(S1, 53)).port();
    let forward = PortForward::new(Udp, 4000, at(H2, 4000));
    w.nat.add_port_forward(forward).expect("a port forward");
    granted(&mut w, &only(Udp, at(H2, 5000), 5000));
    for port in [dynamic, 4000, 5000] {
        assert_eq!(
            refused(&mut w, &only(Udp, at(H1, 80), port)),
            MappingRequestError::PortInUse
        );
        let other = granted(&mut w, &suggesting(Udp, at(H1, 1000 + port % 1000), port));
        assert_ne!(other.external_port, port);
    }
}

/// PC4, R5: no host gets a port of the router, an excluded one, those of PCP itself, or one outside
/// what hosts may ask for.
#[test]
fn ports_that_no_host_may_ask_for_are_not_given() {
    let mut w = World::with(|config| {
        config.reserved_ports = PortRange::new(9000, 9001);
        config.explicit_ports = PortRange::new(5000, 10_000).expect("a range");
        config.excluded_ports = PortSet::EMPTY;
        let excluded = PortRange::new(9100, 9100).expect("a range");
        config.excluded_ports.insert(excluded).expect("room");
    });
    for port in [80, 4999, 5350, 5351, 9000, 9001, 9100, 10_001] {
        assert_eq!(
            refused(&mut w, &only(Udp, at(H1, 7777), port)),
            MappingRequestError::PortInUse,
            "port {port}"
        );
    }
    granted(&mut w, &only(Tcp, at(H1, 7777), 5351));
}

/// NP3: the same port of the other protocol is the same host's.
#[test]
fn a_host_has_a_port_of_both_protocols() {
    let mut w = World::new();
    granted(&mut w, &only(Tcp, at(H1, 80), 8080));
    assert_eq!(
        refused(&mut w, &only(Udp, at(H2, 80), 8080)),
        MappingRequestError::PortInUse
    );
    granted(&mut w, &only(Udp, at(H1, 80), 8080));
}

/// PC9: a host has a quota, and the table an end; both are told apart.
#[test]
fn a_host_has_a_quota_of_explicit_mappings() {
    let mut w = World::new();
    let quota = MAX_EXPLICIT_MAPPINGS as u16 / 4;
    for host in [H1, H2, H3, S1] {
        for n in 0..quota {
            let request = any(Udp, at(host, 5000 + n));
            if host == S1 {
                assert_eq!(refused(&mut w, &request), MappingRequestError::NotInside);
            } else {
                granted(&mut w, &request);
            }
        }
    }
    assert_eq!(
        refused(&mut w, &any(Udp, at(H1, 9000))),
        MappingRequestError::HostLimit
    );
    // What it has can be renewed.
    granted(&mut w, &any(Udp, at(H1, 5000)));
    let mut w = World::with(|config| config.limits.explicit_mappings_per_host = Some(u16::MAX));
    for n in 0..MAX_EXPLICIT_MAPPINGS as u16 {
        granted(&mut w, &any(Udp, at(H1, 5000 + n)));
    }
    assert_eq!(
        refused(&mut w, &any(Udp, at(H2, 5000))),
        MappingRequestError::TooMany
    );
}

/// NP5: what the configuration gives is not the host's to ask for.
#[test]
fn an_endpoint_of_a_rule_gets_no_explicit_mapping() {
    let mut w = World::with(|config| {
        config.external_addresses.push(N2).expect("room");
        let rule = nat_core::OneToOne {
            external: N2,
            inside: H2,
        };
        config.one_to_one.push(rule).expect("room");
    });
    let forward = PortForward::new(Tcp, 4000, at(H1, 80));
    w.nat.add_port_forward(forward).expect("a port forward");
    for inside in [at(H1, 80), at(H2, 80)] {
        assert_eq!(
            refused(&mut w, &any(Tcp, inside)),
            MappingRequestError::Static
        );
    }
    granted(&mut w, &any(Udp, at(H1, 80)));
    for (inside, error) in [
        (at(H1, 0), MappingRequestError::PortZero),
        (at(ROUTER, 80), MappingRequestError::NotInside),
    ] {
        assert_eq!(refused(&mut w, &any(Tcp, inside)), error);
    }
}

/// The configuration precedes: a port forward ends the explicit mappings that it meets.
#[test]
fn a_port_forward_takes_the_place_of_explicit_mappings() {
    let mut w = World::new();
    granted(&mut w, &only(Udp, at(H1, 5000), 4000));
    granted(&mut w, &only(Udp, at(H2, 5000), 4001));
    w.open_udp(at(H1, 5000), at(S1, 53));
    let forward = PortForward::new(Udp, 4000, at(H2, 5000));
    w.nat.add_port_forward(forward).expect("a port forward");
    assert_eq!(w.nat.explicit_mappings().count(), 0);
    assert_eq!(
        w.inbound(udp(at(S1, 53), at(N, 4000)))
            .forwarded()
            .destination(),
        at(H2, 5000)
    );
    assert_eq!(
        w.nat.add_port_forward(forward),
        Err(PortForwardError::ExternalPortInUse)
    );
}

/// PC10: with a new external address a host keeps its port, and hears no more of the old one.
#[test]
fn a_mapping_moves_to_a_new_external_address() {
    let mut w = World::new();
    granted(&mut w, &only(Udp, at(H1, 5000), 4000));
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.set_external_addresses(&[N2]).expect("an address");
    w.inbound(udp(at(S1, 9), at(N2, 4000))).forwarded();
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), at(N2, 4000));
    w.set_external_addresses(&[]).expect("no address");
    assert_eq!(
        refused(&mut w, &any(Udp, at(H2, 5000))),
        MappingRequestError::NoExternalAddress
    );
    assert_eq!(w.nat.explicit_mappings().count(), 1);
}

/// PC11, REQ-8 of RFC 6888: a port that was given up waits, except for the endpoint that had it.
#[test]
fn a_port_that_was_given_up_waits_for_its_endpoint() {
    let mut w = World::quarantining::<64>(|_| ());
    for traffic in [false, true] {
        granted(&mut w, &only(Udp, at(H1, 5000), 4000));
        if traffic {
            w.open_udp(at(H1, 5000), at(S1, 53));
        }
        w.end_explicit_mapping(Udp, at(H1, 5000));
        // The mapping of the traffic has ended too.
        w.clear();
        assert_eq!(
            refused(&mut w, &only(Udp, at(H2, 5000), 4000)),
            MappingRequestError::PortInUse
        );
        granted(&mut w, &only(Udp, at(H1, 5000), 4000));
        w.end_explicit_mapping(Udp, at(H1, 5000));
        w.advance(secs(120));
        granted(&mut w, &only(Udp, at(H2, 5000), 4000));
        w.end_explicit_mapping(Udp, at(H2, 5000));
        w.advance(secs(120));
    }
}

/// Where ports overlap, or hosts have blocks, a port cannot be one endpoint's.
#[test]
fn there_are_no_explicit_mappings_beside_overlapping_ports_or_blocks() {
    let overlapping = |config: &mut Config| config.mapping = Mapping::AddressAndPortDependent;
    let blocks = |config: &mut Config| config.port_blocks = Some(100);
    for change in [overlapping as fn(&mut Config), blocks] {
        let mut w = World::with(change);
        assert_eq!(
            refused(&mut w, &any(Udp, at(H1, 5000))),
            MappingRequestError::NotPossible
        );
    }
}

/// Each filter lets anyone in to an explicit mapping, and shuts again after it.
#[test]
fn an_explicit_mapping_is_open_in_every_filter() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = World::with(|config| config.filtering = filtering);
        let inside = at(H1, 5000);
        let external = w.open_udp(inside, at(S1, 53));
        granted(&mut w, &any(Udp, inside));
        w.inbound(udp(at(ATTACKER, 9), external)).forwarded();
        w.end_explicit_mapping(Udp, inside);
        let stranger = w.inbound(udp(at(ATTACKER, 9), external));
        assert_eq!(
            stranger.is_forwarded(),
            filtering == Filtering::EndpointIndependent,
            "{filtering:?}"
        );
    }
}
