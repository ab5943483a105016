extern crate std;

use std::boxed::Box;

use core::net::Ipv4Addr;

use crate::session_info::SessionState;
use crate::state::tcp::Tcp;
use crate::state::{
    Endpoint, EvictionList, EvictionRank, Inside, NewMapping, NewSession, Sequences, Tables,
};
use crate::state::{ExternalPort, Host, MappingKind, Origin, PermissionMut, PortClass};
use crate::table::{Count, ExpiryList, HashKey, Slot};
use crate::{Cidr, Config};

use super::*;

const NOW: u32 = 0xffff_f000;
const REMOTE: Endpoint = Endpoint {
    address: 0xc633_640a,
    port: 80,
};

fn config() -> Config {
    Config::new(Cidr::new(Ipv4Addr::new(192, 168, 1, 1), 24).expect("a prefix length"))
}

fn tuple(port: u16) -> InsideTuple {
    let endpoint = Endpoint {
        address: 0xc0a8_010a,
        port,
    };
    InsideTuple {
        proto: Proto::Tcp,
        inside: Inside {
            origin: Origin::Host,
            endpoint,
        },
        remote: REMOTE,
        untranslated: false,
    }
}

/// One host with two mappings: one with two half-open sessions and a permission, one with an
/// established session.
fn tables() -> (SessionTables<'static, u16>, [SlotIndex<u16>; 3]) {
    let tables = Box::leak(Box::new(Tables::<8, 16, 4>::new()));
    let mut tables = SessionTables::new(
        tables,
        HashKey::new([
            0x6b1e_93d5,
            0xa24f_0c87,
            0x3d95_e61b,
            0xf078_2ac9,
            0x51c3_7a2f,
        ]),
        &config(),
    );
    let mappings = [5000, 5001].map(|port| {
        let new = NewMapping {
            external: 0,
            external_port: port,
            kind: MappingKind::Dynamic,
            pairs: false,
        };
        let first = tuple(port);
        let room = tables.room_for_mapping(&first, new, None).expect("room");
        tables.add_mapping(&first, new, room).expect("room")
    });
    let other = Endpoint { port: 81, ..REMOTE };
    let sessions = [
        (mappings[0], REMOTE, SessionState::InsideSyn, true),
        (mappings[0], other, SessionState::OutsideSyn, true),
        (mappings[1], REMOTE, SessionState::Established, false),
    ];
    let links = sessions.map(|(mapping, remote, state, permission)| {
        let begin = Tcp::new(state, Sequences::NONE);
        let room = tables.room_for_session(mapping, remote, permission);
        let new = NewSession {
            mapping,
            remote,
            begin: &begin,
            permission,
            room: room.expect("room"),
        };
        tables.add_session(&new, NOW).expect("room")
    });
    (tables, links)
}

#[test]
fn tables_in_order_pass() {
    let (mut tables, links) = tables();
    assert_eq!(tables.audit(NOW), Ok(()));
    for link in links {
        tables.end_session(link).expect("a session");
        assert_eq!(tables.audit(NOW), Ok(()));
    }
}

/// What the audit reports about tables into which `fault` was planted.
fn planted(
    fault: impl FnOnce(&mut SessionTables<'static, u16>, [SlotIndex<u16>; 3]),
) -> Result<(), Fault> {
    let (mut tables, links) = tables();
    fault(&mut tables, links);
    tables.audit(NOW)
}

/// The only host.
fn host<'f>(tables: &'f mut SessionTables<'static, u16>) -> &'f mut Host<u16> {
    tables.host_mut(Origin::Host, 0xc0a8_010a).expect("a host")
}

fn slot<'f>(
    tables: &'f mut SessionTables<'static, u16>,
    link: SlotIndex<u16>,
) -> &'f mut Session<u16> {
    tables.sessions.get_mut(link).expect("a session")
}

#[test]
fn a_session_in_the_list_of_another_class_is_found() {
    let state = planted(|tables, [session, ..]| {
        slot(tables, session).state = SessionState::Established;
    });
    assert_eq!(state, Err("a slot in a list of another class"));
    let none = planted(|tables, _| {
        tables.expiry[TimeoutClass::TcpPartiallyOpen as usize] = ExpiryList::EMPTY;
    });
    assert_eq!(none, Err("a session in no list"));
    let out_of_order = planted(|tables, [session, ..]| {
        slot(tables, session).set_deadline(NOW.wrapping_add(300_000));
    });
    assert_eq!(out_of_order, Err("a list is not in order of deadline"));
    let late = planted(|tables, [_, session, _]| {
        slot(tables, session).set_deadline(NOW.wrapping_add(300_000));
    });
    assert_eq!(late, Err("a session outlives its class"));
    let unranked = planted(|tables, _| {
        *host(tables)
            .eviction_list_mut(EvictionRank::InsideSyn)
            .expect("a rank") = EvictionList::EMPTY;
    });
    assert_eq!(unranked, Err("an evictable session is in no list"));
}

#[test]
fn a_counter_that_is_wrong_is_found() {
    let mapping = planted(|tables, _| {
        let link = tables.mapping_of_inside(&tuple(5000)).expect("a mapping");
        tables
            .mappings
            .get_mut(link)
            .expect("a mapping")
            .sessions
            .increment();
    });
    assert_eq!(mapping, Err("the sessions of a mapping"));
    assert_eq!(
        planted(|tables, _| host(tables).sessions.decrement()),
        Err("the sessions of a host")
    );
    assert_eq!(
        planted(|tables, _| host(tables).half_open = Count::ZERO),
        Err("the half-open sessions of a host")
    );
    assert_eq!(
        planted(|tables, _| host(tables).add_mapping(Proto::Udp)),
        Err("the mappings of a host")
    );
    let dynamic = planted(|tables, _| host(tables).add_dynamic(3));
    assert_eq!(dynamic, Err("the dynamic mappings of a host on an address"));
}

#[test]
fn a_port_counter_that_is_wrong_is_found() {
    let port = ExternalPort {
        proto: Proto::Tcp,
        external: 0,
        port: 5000,
    };
    assert_eq!(
        planted(|tables, _| tables.ports.remove(port)),
        Err("the ports in use")
    );
    let reserved = planted(|tables, _| {
        *host(tables)
            .reserved_ports_mut(Proto::Tcp, PortClass::High)
            .expect("a count") += 1;
    });
    assert_eq!(reserved, Err("the reserved ports of a host"));
    let taken = planted(|tables, _| {
        let mut host = Host::<u16>::new(Origin::Host, 0, 0);
        let port = (Proto::Udp, 0, PortClass::Low);
        assert!(tables.port_quotas.take(&mut host, port));
    });
    assert_eq!(taken, Err("the reserved ports that are taken"));
}

#[test]
fn a_quota_that_is_wrong_is_found() {
    let mappings = planted(|tables, _| tables.quotas.add_mapping(0));
    assert_eq!(mappings, Err("the mappings that are reserved for hosts"));
    let half_open = planted(|tables, _| {
        let mut of_no_host = Count::<u16>::ZERO;
        tables
            .quotas
            .change_state(&mut of_no_host, None, Some(SessionState::InsideSyn));
    });
    assert_eq!(half_open, Err("the half-open sessions of all"));
    assert_eq!(
        planted(|tables, _| tables.quotas.add_host(Origin::Router)),
        Err("the addresses of the router")
    );
}

#[test]
fn a_permission_with_too_many_references_is_found() {
    let permission = planted(|tables, [session, ..]| {
        let link = slot(tables, session).mapping;
        let permission = tables
            .find_permission(link, REMOTE.address)
            .expect("a permission");
        let slot = slot(tables, permission);
        let mut permission = PermissionMut::of(slot).expect("a permission");
        permission.add_reference();
    });
    assert_eq!(permission, Err("the references of a permission"));
}

#[test]
fn an_index_that_misses_a_slot_is_found() {
    let lost = planted(|tables, [session, ..]| {
        let link = slot(tables, session).mapping;
        let hash = tables.remote_hash(link, REMOTE);
        tables
            .sessions_by_remote
            .remove(&mut tables.sessions, hash, session);
    });
    assert_eq!(lost, Err("the number of slots in an index"));
    let freed = planted(|tables, [.., session]| tables.sessions.remove(session));
    assert_eq!(freed, Err("a free slot in an index"));
    let moved = planted(|tables, [session, ..]| {
        let mapping = slot(tables, session).mapping;
        let apart = |port: &u16| {
            !tables.remotes_collide(
                mapping,
                [
                    REMOTE,
                    Endpoint {
                        port: *port,
                        ..REMOTE
                    },
                ],
            )
        };
        let port = (1000..).find(apart).expect("a port of another bucket");
        slot(tables, session).remote_port = port;
    });
    assert_eq!(moved, Err("a session that is not found"));
    let vanished = planted(|tables, [session, ..]| {
        *slot(tables, session) = Session::FREE;
    });
    assert_eq!(vanished, Err("the number of slots in use"));
}
