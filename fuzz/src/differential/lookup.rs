//! What the ends of a packet become, according to the sessions and port forwards that the NAT
//! lists.

use core::net::{Ipv4Addr, SocketAddrV4};

use etherparse::IpNumber;
use nat_core::{Cidr, Nat, Protocol, SessionInfo, SessionProtocol};

#[derive(Default)]
pub(super) struct Lookup {
    /// As they are after the packet first, then those before it.
    sessions: Vec<SessionInfo>,
    /// Protocol, external endpoint and target of each port forward.
    forwards: Vec<(IpNumber, SocketAddrV4, SocketAddrV4)>,
    external: Vec<Ipv4Addr>,
    inside: Option<Cidr>,
    /// What the MSS is lowered to.
    pub(super) clamp: Option<u16>,
}

impl Lookup {
    /// Notes how things stand. What was noted last counts first.
    pub(super) fn note(&mut self, nat: &Nat<'_>) {
        let before = core::mem::take(&mut self.sessions);
        self.sessions = nat.sessions().chain(before).collect();
        self.external = nat.external_addresses().to_vec();
        let config = nat.config();
        self.inside = Some(config.inside);
        self.clamp = config
            .mss_clamp
            .then(|| config.inside_mtu.min(config.outside_mtu) - 40);
        let primary = self.external[0];
        let forward = |forward: nat_core::PortForward| {
            let protocol = if forward.protocol == Protocol::Tcp {
                IpNumber::TCP
            } else {
                IpNumber::UDP
            };
            let external = SocketAddrV4::new(primary, forward.external_port);
            (
                protocol,
                external,
                SocketAddrV4::new(forward.inside_address, forward.inside_port),
            )
        };
        self.forwards = nat.port_forwards().map(forward).collect();
    }

    /// The external endpoint of what `inside` sends to `remote`.
    pub(super) fn external(
        &self,
        protocol: IpNumber,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Option<SocketAddrV4> {
        let of_inside = || self.of(protocol).filter(|session| session.inside == inside);
        let exact = of_inside().find(|session| session.remote == remote);
        let found = exact
            .or_else(|| of_inside().next())
            .map(|session| session.external);
        let forwarded = || {
            self.forwards
                .iter()
                .find(|(of, _, target)| (*of, *target) == (protocol, inside))
        };
        found.or_else(|| forwarded().map(|(_, external, _)| *external))
    }

    /// The inside endpoint of what comes to `external` from `remote`.
    pub(super) fn inside(
        &self,
        protocol: IpNumber,
        external: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Option<SocketAddrV4> {
        let of_external = || {
            self.of(protocol)
                .filter(|session| session.external == external)
        };
        let exact = of_external().find(|session| session.remote == remote);
        let found = exact
            .or_else(|| of_external().next())
            .map(|session| session.inside);
        let forwarded = || {
            self.forwards
                .iter()
                .find(|(of, forwarded, _)| (*of, *forwarded) == (protocol, external))
        };
        found.or_else(|| forwarded().map(|(_, _, target)| *target))
    }

    pub(super) fn is_external(&self, address: Ipv4Addr) -> bool {
        self.external.contains(&address)
    }

    pub(super) fn is_inside(&self, address: Ipv4Addr) -> bool {
        self.inside.is_some_and(|inside| inside.contains(address))
    }

    fn of(&self, protocol: IpNumber) -> impl Iterator<Item = &SessionInfo> {
        let protocol = match protocol {
            IpNumber::ICMP => Some(SessionProtocol::Icmp),
            IpNumber::TCP => Some(SessionProtocol::Tcp),
            IpNumber::UDP => Some(SessionProtocol::Udp),
            _ => None,
        };
        self.sessions
            .iter()
            .filter(move |session| Some(session.protocol) == protocol)
    }
}
