//! Whether the tables agree with each other: what is counted or linked as it changes, against what
//! a walk finds.
//!
//! For tests only: the time is quadratic in the number of sessions.

use crate::config::MAX_EXTERNAL_ADDRESSES;
use crate::state::host::ByAddress;
use crate::state::mapping::ByInside;
use crate::state::port_use::PortUse;
use crate::state::session::ByRemote;
use crate::state::{
    ExternalPort, Host, InsideTuple, Mapping, MappingKind, Origin, OutsideTuple, PortClass, Proto,
    Session, TimeoutClass, is_half_open,
};
use crate::table::audit::{Fault, audit_list, ensure};
use crate::table::{SlotIndex, Width};

use super::{SessionTables, any_port};

impl<W: Width> SessionTables<'_, W> {
    /// Whether all that is said of the tables at `now` is so.
    pub(crate) fn audit(&self, now: u32) -> Result<(), Fault> {
        self.hosts.audit::<ByAddress<W>>()?;
        self.mappings.audit::<ByInside<W>>()?;
        self.sessions.audit::<ByRemote<W>>()?;
        self.audit_indexes()?;
        self.audit_lists(now)?;
        self.audit_host_lists()?;
        self.sessions
            .iter()
            .try_for_each(|(link, session)| self.audit_session(link, session))?;
        self.mappings
            .iter()
            .try_for_each(|(link, mapping)| self.audit_mapping(link, mapping))?;
        self.hosts
            .iter()
            .try_for_each(|(link, host)| self.audit_host(link, host))?;
        self.audit_ports()?;
        self.audit_shares()
    }

    /// How many TCP sessions there are in a state that `is_meant`.
    pub(crate) fn count_tcp(&self, is_meant: impl Fn(&Session<W>) -> bool) -> usize {
        let tcp = |session: &Session<W>| self.proto_of(session) == Some(Proto::Tcp);
        self.sessions
            .iter()
            .filter(|(_, session)| !session.is_permission() && tcp(session) && is_meant(session))
            .count()
    }

    fn proto_of(&self, session: &Session<W>) -> Option<Proto> {
        self.mappings.get(session.mapping).map(Mapping::proto)
    }

    fn audit_indexes(&self) -> Result<(), Fault> {
        let translated = self
            .mappings
            .iter()
            .filter(|(_, mapping)| !mapping.is_untranslated())
            .count();
        self.hosts_by_address
            .audit(&self.hosts, self.hosts.iter().count())?;
        self.mappings_by_inside
            .audit(&self.mappings, self.mappings.iter().count())?;
        self.mappings_by_external
            .audit(&self.mappings, translated)?;
        self.sessions_by_remote
            .audit(&self.sessions, self.sessions.iter().count())
    }

    /// Each session is in the list of its class and in no other, and none of them ends later than
    /// its class does.
    fn audit_lists(&self, now: u32) -> Result<(), Fault> {
        let mut listed = 0_usize;
        for (number, (list, lifetime)) in self.expiry.iter().zip(self.lifetimes).enumerate() {
            let belongs = |session: &Session<W>| {
                let class =
                    |proto| TimeoutClass::of(proto, session.state, session.remote_port) as usize;
                !session.is_permission() && self.proto_of(session).map(class) == Some(number)
            };
            listed = listed.wrapping_add(audit_list(list, &self.sessions, belongs, |session| {
                session.deadline
            })?);
            let last = self.sessions.get(list.last());
            let left = last.map_or(0, |session| session.deadline.wrapping_sub(now));
            ensure(
                left <= lifetime || left > i32::MAX as u32,
                "a session outlives its class",
            )?;
        }
        let sessions = self
            .sessions
            .iter()
            .filter(|(_, session)| !session.is_permission())
            .count();
        ensure(listed == sessions, "a session in no list")
    }

    fn audit_session(&self, link: SlotIndex<W>, session: &Session<W>) -> Result<(), Fault> {
        ensure(
            self.mappings.is_in_use(session.mapping),
            "a session without a mapping",
        )?;
        if session.is_permission() {
            return self.audit_permission(link, session);
        }
        let remote = session.remote();
        ensure(
            self.find_session(session.mapping, remote) == Some(link),
            "a session that is not found",
        )?;
        let mapping = self
            .mappings
            .get(session.mapping)
            .ok_or("a session without a mapping")?;
        let (proto, untranslated) = (mapping.proto(), mapping.is_untranslated());
        let inside = self.inside(mapping).ok_or("a mapping without a host")?;
        let tuple = InsideTuple {
            proto,
            inside,
            remote,
            untranslated,
        };
        ensure(
            self.mapping_of_inside(&tuple) == Some(session.mapping),
            "a mapping that is not found from inside",
        )?;
        // That no other has the same endpoint is not for the tables to say.
        let Mapping {
            external,
            external_port,
            ..
        } = *mapping;
        let hash = self.outside_hash(&OutsideTuple {
            proto,
            external,
            external_port,
            remote,
        });
        let found = self
            .mappings_by_external
            .has(&self.mappings, hash, session.mapping);
        ensure(
            found != untranslated,
            "a mapping that is not found from outside",
        )
    }

    fn audit_permission(&self, link: SlotIndex<W>, permission: &Session<W>) -> Result<(), Fault> {
        let (mapping, address) = (permission.mapping, permission.remote_address);
        ensure(
            permission.remote() == any_port(address),
            "a permission for one port",
        )?;
        ensure(
            self.find_permission(mapping, address) == Some(link),
            "a permission that is not found",
        )?;
        let holds = |session: &Session<W>| {
            session.mapping == mapping
                && session.remote_address == address
                && !session.is_permission()
        };
        let holders = self
            .sessions
            .iter()
            .filter(|(_, session)| holds(session))
            .count();
        ensure(
            (1..=holders).contains(&(permission.deadline as usize)),
            "a permission that nobody holds",
        )
    }

    fn audit_mapping(&self, link: SlotIndex<W>, mapping: &Mapping<W>) -> Result<(), Fault> {
        ensure(
            self.hosts.is_in_use(mapping.host),
            "a mapping without a host",
        )?;
        let own = |session: &Session<W>| session.mapping == link && !session.is_permission();
        let sessions = self
            .sessions
            .iter()
            .filter(|(_, session)| own(session))
            .count();
        ensure(sessions != 0, "a mapping without a session")?;
        ensure(
            sessions == mapping.sessions.get(),
            "the sessions of a mapping",
        )
    }

    fn audit_host(&self, link: SlotIndex<W>, host: &Host<W>) -> Result<(), Fault> {
        ensure(
            self.find_host(host.origin(), host.address) == Some(link),
            "a host that is not found",
        )?;
        for proto in [Proto::Icmp, Proto::Tcp, Proto::Udp] {
            let own = |mapping: &Mapping<W>| mapping.host == link && mapping.proto() == proto;
            let mappings = self
                .mappings
                .iter()
                .filter(|(_, mapping)| own(mapping))
                .count();
            ensure(
                mappings == host.mappings_of(proto),
                "the mappings of a host",
            )?;
        }
        for external in 0..MAX_EXTERNAL_ADDRESSES as u8 {
            let own = |mapping: &Mapping<W>| {
                mapping.host == link && mapping.is_dynamic() && mapping.external == external
            };
            let drawn = self
                .mappings
                .iter()
                .filter(|(_, mapping)| own(mapping))
                .count();
            ensure(
                drawn == host.dynamic_on(external),
                "the drawn ports of a host on an address",
            )?;
        }
        for (proto, class) in proto_classes() {
            let own = |mapping: &Mapping<W>| {
                mapping.host == link && mapping.has_reserved_port_of(proto, class)
            };
            let kept = self
                .mappings
                .iter()
                .filter(|(_, mapping)| own(mapping))
                .count();
            ensure(
                kept == usize::from(host.reserved_ports(proto, class)),
                "the kept ports of a host",
            )?;
        }
        let is_own = |session: &Session<W>| {
            !session.is_permission()
                && self
                    .mappings
                    .get(session.mapping)
                    .is_some_and(|mapping| mapping.host == link)
        };
        let own = || self.sessions.iter().filter(|(_, session)| is_own(session));
        ensure(
            own().count() == host.sessions.get(),
            "the sessions of a host",
        )?;
        let half_open = own()
            .filter(|(_, session)| is_half_open(session.state))
            .count();
        ensure(
            half_open == host.half_open.get(),
            "the half-open sessions of a host",
        )
    }

    fn audit_ports(&self) -> Result<(), Fault> {
        let mut ports = PortUse::like(&self.ports);
        let drawn = |mapping: &Mapping<W>| {
            !mapping.is_untranslated() && mapping.kind() != MappingKind::PortForward
        };
        let mappings = self
            .mappings
            .iter()
            .filter(|(_, mapping)| !self.overlapping && drawn(mapping));
        mappings.for_each(|(_, mapping)| ports.add(ExternalPort::from(mapping)));
        ensure(ports.counts_like(&self.ports), "the ports in use")?;
        for (proto, class) in proto_classes() {
            for external in 0..MAX_EXTERNAL_ADDRESSES as u8 {
                let kept = |mapping: &Mapping<W>| {
                    mapping.external == external && mapping.has_reserved_port_of(proto, class)
                };
                let taken = self
                    .mappings
                    .iter()
                    .filter(|(_, mapping)| kept(mapping))
                    .count();
                ensure(
                    taken == self.port_quotas.taken(proto, external, class),
                    "the kept ports that are taken",
                )?;
            }
        }
        Ok(())
    }

    fn audit_shares(&self) -> Result<(), Fault> {
        let quotas = &self.quotas;
        let kept = |count: fn(&Host<W>) -> usize| {
            // What a host has beyond its share is not taken from what is kept.
            let shares_of_hosts = self
                .hosts
                .iter()
                .map(|(_, host)| count(host).min(quotas.per_host()));
            let taken = shares_of_hosts.fold(0, usize::saturating_add);
            quotas
                .per_host()
                .saturating_mul(self.hosts.capacity())
                .saturating_sub(taken)
        };
        ensure(
            quotas.reserved_mappings() == kept(Host::mappings),
            "the mappings that are kept for hosts",
        )?;
        ensure(
            quotas.reserved_sessions() == kept(|host| host.sessions.get()),
            "the sessions that are kept for hosts",
        )?;
        let half_open = self.count_tcp(|session| is_half_open(session.state));
        ensure(
            quotas.half_open() == half_open,
            "the half-open sessions of all",
        )?;
        let routers = self
            .hosts
            .iter()
            .filter(|(_, host)| host.origin() == Origin::Router)
            .count();
        ensure(quotas.routers() == routers, "the addresses of the router")
    }
}

fn proto_classes() -> impl Iterator<Item = (Proto, PortClass)> {
    let protos = [Proto::Icmp, Proto::Tcp, Proto::Udp].into_iter();
    protos.flat_map(|proto| PortClass::ALL.map(|class| (proto, class)))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::boxed::Box;

    use core::net::Ipv4Addr;

    use crate::session_info::SessionState;
    use crate::state::tcp::Tcp;
    use crate::state::{
        Endpoint, EvictionList, EvictionRank, Inside, NewMapping, NewSession, Sequences, Tables,
    };
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

    /// Two mappings of a host: one with two half-open sessions and a leave, one with an established
    /// one.
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
                tuple: tuple(port),
                external: 0,
                external_port: port,
                kind: MappingKind::Dynamic,
            };
            tables.add_mapping(&new).expect("room")
        });
        let other = Endpoint { port: 81, ..REMOTE };
        let sessions = [
            (mappings[0], REMOTE, SessionState::InsideSyn, true),
            (mappings[0], other, SessionState::OutsideSyn, true),
            (mappings[1], REMOTE, SessionState::Established, false),
        ];
        let links = sessions.map(|(mapping, remote, state, permission)| {
            let begin = Tcp::new(state, Sequences::NONE);
            tables
                .add_session(
                    &NewSession {
                        mapping,
                        remote,
                        begin,
                        permission,
                    },
                    NOW,
                )
                .expect("room")
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

    /// What the audit says of tables into which a fault was planted.
    fn planted(
        fault: impl FnOnce(&mut SessionTables<'static, u16>, [SlotIndex<u16>; 3]),
    ) -> Result<(), Fault> {
        let (mut tables, links) = tables();
        fault(&mut tables, links);
        tables.audit(NOW)
    }

    #[test]
    fn a_session_in_the_list_of_another_class_is_found() {
        let state = planted(|tables, [session, ..]| {
            tables.sessions.get_mut(session).expect("a session").state = SessionState::Established;
        });
        assert_eq!(state, Err("a slot in a list of another class"));
        let none = planted(|tables, _| {
            tables.expiry[TimeoutClass::TcpPartiallyOpen as usize] = ExpiryList::EMPTY;
        });
        assert_eq!(none, Err("a session in no list"));
        let out_of_order = planted(|tables, [session, ..]| {
            tables
                .sessions
                .get_mut(session)
                .expect("a session")
                .deadline = NOW.wrapping_add(300_000);
        });
        assert_eq!(out_of_order, Err("a list is not in order of deadline"));
        let late = planted(|tables, [_, session, _]| {
            tables
                .sessions
                .get_mut(session)
                .expect("a session")
                .deadline = NOW.wrapping_add(300_000);
        });
        assert_eq!(late, Err("a session outlives its class"));
        let unranked = planted(|tables, _| {
            let host = tables.host_mut(Origin::Host, 0xc0a8_010a).expect("a host");
            *host
                .eviction_list_mut(EvictionRank::InsideSyn)
                .expect("a rank") = EvictionList::EMPTY;
        });
        assert_eq!(
            unranked,
            Err("a session that may make room stands in no list")
        );
    }

    #[test]
    fn a_counter_that_is_wrong_is_found() {
        fn host<'f>(tables: &'f mut SessionTables<'static, u16>) -> &'f mut Host<u16> {
            tables.host_mut(Origin::Host, 0xc0a8_010a).expect("a host")
        }
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
        let port = ExternalPort {
            proto: Proto::Tcp,
            external: 0,
            port: 5000,
        };
        assert_eq!(
            planted(|tables, _| tables.ports.remove(port)),
            Err("the ports in use")
        );
        let kept = planted(|tables, _| tables.quotas.add_mapping(0));
        assert_eq!(kept, Err("the mappings that are kept for hosts"));
        let half_open = planted(|tables, _| {
            let mut of_nobody = Count::<u16>::ZERO;
            tables
                .quotas
                .change_state(&mut of_nobody, None, Some(SessionState::InsideSyn));
        });
        assert_eq!(half_open, Err("the half-open sessions of all"));
        assert_eq!(
            planted(|tables, _| tables.quotas.add_host(Origin::Router)),
            Err("the addresses of the router")
        );
        let drawn = planted(|tables, _| host(tables).add_dynamic(3));
        assert_eq!(drawn, Err("the drawn ports of a host on an address"));
        let kept = planted(|tables, _| {
            *host(tables)
                .reserved_ports_mut(Proto::Tcp, PortClass::High)
                .expect("a count") += 1;
        });
        assert_eq!(kept, Err("the kept ports of a host"));
        let taken = planted(|tables, _| tables.port_quotas.take(Proto::Udp, 0, PortClass::Low));
        assert_eq!(taken, Err("the kept ports that are taken"));
        let permission = planted(|tables, [session, ..]| {
            let link = tables
                .sessions
                .get(session)
                .map(|session| session.mapping)
                .expect("a session");
            let permission = tables
                .find_permission(link, REMOTE.address)
                .expect("a permission");
            tables
                .sessions
                .get_mut(permission)
                .expect("a permission")
                .deadline = 3;
        });
        assert_eq!(permission, Err("a permission that nobody holds"));
    }

    #[test]
    fn an_index_that_misses_a_slot_is_found() {
        let lost = planted(|tables, [session, ..]| {
            let link = tables
                .sessions
                .get(session)
                .map(|session| session.mapping)
                .expect("a session");
            let hash = tables.remote_hash(link, REMOTE);
            tables
                .sessions_by_remote
                .remove(&mut tables.sessions, hash, session);
        });
        assert_eq!(lost, Err("the number of slots in an index"));
        let freed = planted(|tables, [.., session]| tables.sessions.remove(session));
        assert_eq!(freed, Err("a free slot in an index"));
        let moved = planted(|tables, [session, ..]| {
            let mapping = tables
                .sessions
                .get(session)
                .map(|session| session.mapping)
                .expect("a session");
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
            tables
                .sessions
                .get_mut(session)
                .expect("a session")
                .remote_port = port;
        });
        assert_eq!(moved, Err("a session that is not found"));
        let vanished = planted(|tables, [session, ..]| {
            *tables.sessions.get_mut(session).expect("a session") = Session::FREE;
        });
        assert_eq!(vanished, Err("the number of slots in use"));
    }
}
