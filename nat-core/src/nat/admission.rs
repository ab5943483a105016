//! Whether a new session may be, and where it goes. Decides first; then nothing can fail.

use crate::config::{Config, PortRange};
use crate::packet::Summary;
use crate::state::tcp::Tcp;
use crate::state::{ExternalPort, Inside, NewMapping, NewSession, Origin, Parity, PortClass, PortPool, Ports, Proto};
use crate::table::{Link, Width};
use crate::{DropReason, Filtering, Nat};

use super::DHCP_CLIENT;

/// Inside ports below this get external ports below it (RFC 4787 REQ-3a).
const FIRST_HIGH_PORT: u16 = 1024;

impl<W: Width> Nat<'_, W> {
    /// Whether `mapping` lets `address` in from ports that no session of it names: one that is a port forward, and what
    /// the filter says of others (RFC 4787 REQ-8).
    pub(super) fn admits(&self, mapping: Link<W>, address: u32) -> bool {
        let Some(proto) = self.flows.mapping(mapping).map(|mapping| mapping.proto()) else { return false };
        self.is_port_forward(Some(mapping))
            || match self.filtering(proto) {
                Filtering::AddressAndPortDependent => false,
                Filtering::AddressDependent => !self.is_behind() && self.flows.has_leave(mapping, address),
                Filtering::EndpointIndependent => !self.is_behind(),
            }
    }

    /// The filter of a protocol (RFC 5382 REQ-3b).
    fn filtering(&self, proto: Proto) -> Filtering {
        let Config { filtering, tcp_filtering, .. } = self.config;
        match proto {
            Proto::Tcp => tcp_filtering.unwrap_or(filtering),
            Proto::Icmp | Proto::Udp => filtering,
        }
    }

    /// Whether sessions are overdue that nobody has ended yet. Then a mapping may look alive that is not, so the filter
    /// stays shut until [`Nat::handle_timeout`], or enough packets, have ended them.
    pub(super) fn is_behind(&self) -> bool {
        self.flows.next_deadline(self.tick()) == Some(0)
    }

    /// Makes the session of a packet from inside, and its mapping if there is none yet. Returns the mapping.
    pub(super) fn admit(
        &mut self,
        summary: &Summary,
        mapping: Option<Link<W>>,
        begin: Tcp,
        origin: Origin,
    ) -> Result<Link<W>, DropReason> {
        let tokens = self.check_limits(summary, mapping, origin)?;
        let leave = self.needs_leave(summary.proto, mapping);
        let new_mapping = match mapping {
            Some(_) => None,
            None => Some(self.choose_mapping(summary, origin)?),
        };
        let mapping = mapping.or_else(|| self.flows.next_mapping()).ok_or(DropReason::MappingTableFull)?;
        let new_session = NewSession { mapping, remote: summary.destination, begin, leave };
        self.flows.check_session(&new_session)?;

        if let Some(new) = new_mapping {
            self.add_mapping(&new).ok_or(DropReason::MappingTableFull)?;
            self.stats.mappings_created = self.stats.mappings_created.wrapping_add(1);
        }
        self.flows.add_session(&new_session, self.tick()).ok_or(DropReason::SessionTableFull)?;
        self.take_tokens(summary, tokens);
        self.stats.sessions_created = self.stats.sessions_created.wrapping_add(1);
        if summary.proto == Proto::Tcp {
            self.count_state(None, begin.state);
        }
        Ok(mapping)
    }

    /// Whether sessions of this mapping give leave to every port of their remote address. ICMP has no ports, and a port
    /// forward is open to all.
    fn needs_leave(&self, proto: Proto, mapping: Option<Link<W>>) -> bool {
        let port_forward =
            mapping.and_then(|link| self.flows.mapping(link)).is_some_and(|mapping| mapping.is_port_forward());
        self.filtering(proto) == Filtering::AddressDependent && proto != Proto::Icmp && !port_forward
    }

    fn choose_mapping(&mut self, summary: &Summary, origin: Origin) -> Result<NewMapping, DropReason> {
        let endpoint = summary.source;
        let external = self.choose_external(origin, endpoint.address);
        let port = self.choose_port(summary.proto, external, endpoint.port);
        let external_port = port.inspect_err(|_| {
            self.stats.tcp.port_errors = self.stats.tcp.port_errors.wrapping_add(1);
        })?;
        let inside = Inside { origin, endpoint };
        let new = NewMapping { proto: summary.proto, inside, external, external_port, port_forward: false };
        self.flows.check_mapping(&new)?;
        Ok(new)
    }

    /// The number of the external address that a host's mappings get: always the same one (RFC 4787 REQ-2).
    fn choose_external(&mut self, origin: Origin, address: u32) -> u8 {
        let known = self.flows.host(origin, address).map(|host| host.external);
        let own = self.external_number(address).filter(|_| origin == Origin::Router);
        known.or(own).unwrap_or_else(|| {
            let count = self.config.external_addresses.len() as u32;
            if count <= 1 { 0 } else { self.ports.pick_below(count) as u8 }
        })
    }

    fn choose_port(&mut self, proto: Proto, external: u8, inside_port: u16) -> Result<u16, DropReason> {
        self.check_start(proto)?;
        let pool = self.port_pool(proto, external, inside_port);
        // Without this, whoever fills the range would have every later packet search all of it in vain.
        if !self.has_free_port(&pool, open_ports(&self.config, &pool)) {
            return Err(DropReason::PortsExhausted);
        }
        let tick = self.tick();
        let Self { config, flows, ports, quarantine, .. } = self;
        let picked = ports.pick(pool.ports(config), |port| {
            !is_reserved(config, proto, port)
                && flows.mapping_of_external(proto, external, port).is_none()
                && flows.check_external(proto, external, port).is_ok()
                && !quarantine.contains(ExternalPort { proto, external, port }, tick)
        });
        picked.ok_or(DropReason::PortsExhausted)
    }

    /// The external ports that are for an inside port. An identifier of ICMP queries has neither class nor parity.
    fn port_pool(&self, proto: Proto, external: u8, inside_port: u16) -> PortPool {
        let port = Some(inside_port).filter(|_| proto != Proto::Icmp);
        let low = port.is_some_and(|port| port < FIRST_HIGH_PORT);
        let class = if low { PortClass::Low } else { PortClass::High };
        let parity = port.filter(|_| self.config.port_parity).map(Parity::of);
        PortPool { proto, external, class, parity }
    }
}

/// How many ports of `pool` mappings can have: all that the router does not keep for itself.
fn open_ports(config: &Config, pool: &PortPool) -> usize {
    let range = pool.class.range(config);
    let reserved = config.reserved_ports.filter(|_| pool.proto != Proto::Icmp);
    let shared = reserved
        .and_then(|reserved| PortRange::new(reserved.first().max(range.first()), reserved.last().min(range.last())));
    let dhcp = PortRange::new(DHCP_CLIENT, DHCP_CLIENT).filter(|_| {
        pool.proto == Proto::Udp
            && config.dhcp_client
            && range.contains(DHCP_CLIENT)
            && !reserved.is_some_and(|reserved| reserved.contains(DHCP_CLIENT))
    });
    let count = |range: Option<PortRange>| range.map_or(0, |range| Ports::new(range, pool.parity).count());
    pool.ports(config).count().saturating_sub(count(shared)).saturating_sub(count(dhcp))
}

fn is_reserved(config: &Config, proto: Proto, port: u16) -> bool {
    proto != Proto::Icmp && config.reserved_ports.is_some_and(|range| range.contains(port))
        || proto == Proto::Udp && config.dhcp_client && port == DHCP_CLIENT
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use crate::Cidr;

    use super::*;

    /// R5: a search is begun exactly if a port is left: as many are open as are not reserved.
    #[test]
    fn open_ports_are_those_that_are_not_reserved() {
        let mut config = Config::new(Cidr::new(Ipv4Addr::new(192, 168, 1, 1), 24).expect("a prefix length"));
        config.low_ports = PortRange::new(66, 71).expect("a range");
        for reserved in [None, Some((1, 60)), Some((60, 67)), Some((68, 68)), Some((69, 69)), Some((70, 2000))] {
            config.reserved_ports = reserved.and_then(|(first, last)| PortRange::new(first, last));
            config.dhcp_client = !config.dhcp_client;
            for (proto, class) in [Proto::Icmp, Proto::Tcp, Proto::Udp]
                .into_iter()
                .flat_map(|proto| [(proto, PortClass::Low), (proto, PortClass::High)])
            {
                for parity in [None, Some(Parity::Even), Some(Parity::Odd)] {
                    let pool = PortPool { proto, external: 0, class, parity };
                    let ports = pool.ports(&config);
                    let open = (0..ports.count() as u32).filter(|at| !is_reserved(&config, proto, ports.at(*at)));
                    assert_eq!(open_ports(&config, &pool), open.count(), "{pool:?}, {reserved:?}");
                }
            }
        }
    }
}
