//! The side from which a record arrived at the router.

use core::net::Ipv4Addr;

use nat_core::{Cidr, Side};

use super::link::{Mac, Stations};
use super::tally::Skipped;

/// The bytes of an IPv4 header without options.
pub(crate) const MIN_HEADER: usize = 20;

/// How the side of a capture's records is found.
pub(crate) enum Direction {
    /// All are of one side. Records without link header have all arrived at the router.
    One { side: Side, addresses: Addresses },
    /// They are of both sides.
    Both(BothSides),
}

/// The addresses of the LAN and the router.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// The network of the LAN.
    pub(crate) lan: Cidr,
    /// The router's address in it.
    pub(crate) router: Ipv4Addr,
    pub(crate) external: Vec<Ipv4Addr>,
}

/// Both sides, distinguished by IPv4 addresses, or by MAC addresses if there are any.
pub(crate) struct BothSides {
    addresses: Addresses,
    /// The MAC addresses of inside hosts.
    lan_macs: Vec<Mac>,
    /// Whether a packet to an external address was seen. Then the capture shows the outside too, and
    /// packets from there to LAN hosts were sent by the captured router.
    sees_outside: bool,
}

/// How a packet arrived at the router.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Arrival {
    pub(crate) from: Side,
    /// Whether it is translated already, and addressed to a LAN host: a capture taken inside shows
    /// packets from outside like this.
    pub(crate) to_host: bool,
}

impl Direction {
    /// The side of a packet with a link header, or without one if `raw`.
    pub(crate) fn sort(
        &mut self,
        raw: bool,
        stations: Stations,
        packet: &[u8],
    ) -> Result<Arrival, Skipped> {
        match self {
            Self::One { side, .. } if raw => Ok(Arrival {
                from: *side,
                to_host: false,
            }),
            Self::One { side, addresses } => addresses.arrives(*side, packet),
            Self::Both(both) => both.sort(stations, packet),
        }
    }
}

impl Addresses {
    fn is_of_router(&self, address: Ipv4Addr) -> bool {
        address == self.router || self.external.contains(&address)
    }

    /// A capture of a wire also has the packets that the router itself sends.
    fn arrives(&self, side: Side, packet: &[u8]) -> Result<Arrival, Skipped> {
        let (source, _) = endpoints(packet).ok_or(Skipped::Short)?;
        let arrives = match side {
            Side::Inside => self.lan.contains(source) && source != self.router,
            Side::Outside => !self.external.contains(&source),
        };
        if arrives {
            Ok(Arrival {
                from: side,
                to_host: false,
            })
        } else {
            Err(Skipped::NotArrived)
        }
    }
}

impl BothSides {
    pub(crate) fn new(addresses: Addresses, lan_macs: Vec<Mac>) -> Self {
        Self {
            addresses,
            lan_macs,
            sees_outside: false,
        }
    }

    fn sort(&mut self, stations: Stations, packet: &[u8]) -> Result<Arrival, Skipped> {
        let (source, destination) = endpoints(packet).ok_or(Skipped::Short)?;
        if self.addresses.is_of_router(source) {
            return Err(Skipped::SentByRouter);
        }
        match self
            .side(stations, source, destination)
            .ok_or(Skipped::NeitherSide)?
        {
            Side::Inside if self.is_between_hosts(source, destination) => Err(Skipped::WithinLan),
            Side::Inside => Ok(Arrival {
                from: Side::Inside,
                to_host: false,
            }),
            Side::Outside => self.arrives_outside(destination),
        }
    }

    fn arrives_outside(&mut self, destination: Ipv4Addr) -> Result<Arrival, Skipped> {
        let to_router = self.addresses.external.contains(&destination);
        self.sees_outside |= to_router;
        if self.sees_outside && self.addresses.lan.contains(destination) {
            return Err(Skipped::SentByRouter);
        }
        Ok(Arrival {
            from: Side::Outside,
            to_host: !to_router,
        })
    }

    fn side(&self, stations: Stations, source: Ipv4Addr, destination: Ipv4Addr) -> Option<Side> {
        if self.lan_macs.is_empty() {
            self.side_by_address(source, destination)
        } else {
            self.side_by_mac(stations)
        }
    }

    fn side_by_address(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Option<Side> {
        let Addresses { lan, external, .. } = &self.addresses;
        if lan.contains(source) {
            return Some(Side::Inside);
        }
        (lan.contains(destination) || external.contains(&destination)).then_some(Side::Outside)
    }

    /// If a header has no destination, packets from other interfaces are from outside.
    fn side_by_mac(&self, stations: Stations) -> Option<Side> {
        let from = stations.from?;
        if self.lan_macs.contains(&from) {
            return Some(Side::Inside);
        }
        stations
            .to
            .is_none_or(|to| self.lan_macs.contains(&to))
            .then_some(Side::Outside)
    }

    /// Packets between hosts do not pass the router, but broadcasts and multicasts reach it.
    fn is_between_hosts(&self, source: Ipv4Addr, destination: Ipv4Addr) -> bool {
        let Addresses { lan, router, .. } = &self.addresses;
        let to_host = lan.contains(destination)
            && Some(destination) != lan.broadcast()
            && destination != *router;
        lan.contains(source) && to_host
    }
}

/// Source and destination of a packet whose header was captured.
pub(crate) fn endpoints(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let header: &[u8; MIN_HEADER] = packet.first_chunk()?;
    let [.., a, b, c, d, e, f, g, h] = *header;
    Some((Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: [u8; 4] = [192, 168, 77, 10];
    const PEER: [u8; 4] = [192, 168, 77, 11];
    const ROUTER: [u8; 4] = [192, 168, 77, 1];
    const EXTERNAL: [u8; 4] = [198, 51, 100, 77];
    const SERVER: [u8; 4] = [203, 0, 113, 5];

    fn both(lan_macs: &[Mac]) -> BothSides {
        let lan = Cidr::new(ROUTER.into(), 24).unwrap();
        let addresses = Addresses {
            lan,
            router: ROUTER.into(),
            external: vec![EXTERNAL.into()],
        };
        BothSides::new(addresses, lan_macs.to_vec())
    }

    fn packet(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        [&[0x45; 12][..], &source, &destination].concat()
    }

    fn arrival(from: Side, to_host: bool) -> Result<Arrival, Skipped> {
        Ok(Arrival { from, to_host })
    }

    #[test]
    fn addresses_distinguish_the_sides() {
        let mut both = both(&[]);
        let mut sort =
            |source, destination| both.sort(Stations::default(), &packet(source, destination));
        assert_eq!(sort(HOST, SERVER), arrival(Side::Inside, false));
        assert_eq!(sort(HOST, ROUTER), arrival(Side::Inside, false));
        assert_eq!(sort(HOST, EXTERNAL), arrival(Side::Inside, false));
        assert_eq!(
            sort(HOST, [192, 168, 77, 255]),
            arrival(Side::Inside, false)
        );
        assert_eq!(sort(HOST, PEER), Err(Skipped::WithinLan));
        assert_eq!(sort(ROUTER, HOST), Err(Skipped::SentByRouter));
        assert_eq!(sort(EXTERNAL, SERVER), Err(Skipped::SentByRouter));
        assert_eq!(sort(SERVER, [8, 8, 8, 8]), Err(Skipped::NeitherSide));
        assert_eq!(sort([0; 4], [255; 4]), Err(Skipped::NeitherSide));
        assert_eq!(
            sort(SERVER, HOST),
            arrival(Side::Outside, true),
            "taken inside"
        );
        assert_eq!(sort(SERVER, EXTERNAL), arrival(Side::Outside, false));
        assert_eq!(
            sort(SERVER, HOST),
            Err(Skipped::SentByRouter),
            "taken on both sides"
        );
    }

    #[test]
    fn mac_addresses_distinguish_the_sides_if_there_are_any() {
        let (host, other) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let mut both = both(&[host]);
        let mut sort = |from, to, source, destination| {
            both.sort(Stations { from, to }, &packet(source, destination))
        };
        let elsewhere = [10, 9, 8, 7];
        assert_eq!(
            sort(Some(host), Some(other), elsewhere, SERVER),
            arrival(Side::Inside, false)
        );
        assert_eq!(
            sort(Some(other), Some(host), HOST, EXTERNAL),
            arrival(Side::Outside, false),
            "a forged source"
        );
        assert_eq!(
            sort(Some(other), Some(other), HOST, SERVER),
            Err(Skipped::NeitherSide)
        );
        assert_eq!(
            sort(Some(other), None, SERVER, EXTERNAL),
            arrival(Side::Outside, false),
            "Linux cooked"
        );
        assert_eq!(sort(None, None, HOST, SERVER), Err(Skipped::NeitherSide));
    }

    #[test]
    fn a_packet_without_a_whole_header_has_no_side() {
        let whole = packet(HOST, SERVER);
        assert_eq!(
            both(&[]).sort(Stations::default(), &whole[..19]),
            Err(Skipped::Short)
        );
    }
}
