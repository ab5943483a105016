//! Where a packet goes, by its addresses.

use core::net::Ipv4Addr;

use crate::packet::Datagram;
use crate::state::{Origin, Proto};
use crate::table::Width;
use crate::wire::addresses::{is_martian, is_multicast_or_broadcast, is_unicast};
use crate::wire::ipv4;
use crate::{DropReason, Side};

use crate::nat::view::receiver::Target;
use crate::nat::view::{Location, View};
use crate::nat::{DHCP_CLIENT, DHCP_SERVER};

/// What becomes of a packet.
pub(crate) enum Route {
    /// The router's own stack on this side gets it.
    Local(Side),
    Translated(Path),
    /// It leaves by the outside as it is.
    Untouched,
}

/// The path of a packet that is translated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path {
    /// From inside to the external address of this number: it is sent back inside.
    Hairpin(u8),
    /// From outside to the inside.
    Inbound(Target),
    /// From inside, or from the router's outside stack, to the outside.
    Outbound(Origin),
}

impl Path {
    /// The side that the packet came from.
    pub(crate) fn arrival(self) -> Side {
        match self {
            Self::Hairpin(_) | Self::Outbound(_) => Side::Inside,
            Self::Inbound(_) => Side::Outside,
        }
    }
}

impl<W: Width> View<'_, W> {
    /// The route of a packet from inside, or from the router's own outside stack.
    pub(crate) fn route_outbound(
        self,
        datagram: &Datagram<'_>,
        origin: Origin,
    ) -> Result<Route, DropReason> {
        match origin {
            Origin::Host => {
                if self.is_for_inside_stack(datagram)? {
                    self.check_inside_ping(datagram)?;
                    return Ok(Route::Local(Side::Inside));
                }
            }
            Origin::Router => {
                // Before the source is checked: a client without a lease sends from 0.0.0.0 (RFC
                // 2131 section 4.1).
                if self.is_dhcp_request(datagram) {
                    return Ok(Route::Untouched);
                }
                if self.external_number(datagram.ip.source()).is_none() {
                    return Err(DropReason::SpoofedSource);
                }
            }
        }
        let path = self.path_out(datagram.ip.destination(), origin)?;
        Ok(Route::Translated(path))
    }

    /// Whether a packet of a host to an address that [`View::is_only_outside`] is translated, by
    /// its addresses: for the fast path, which asks less than [`View::route_outbound`].
    pub(crate) fn is_plain_way_out(self, source: u32, destination: u32) -> bool {
        is_unicast(source) && self.is_inside_host(source) && is_unicast(destination)
    }

    fn path_out(self, destination: u32, origin: Origin) -> Result<Path, DropReason> {
        // `is_unicast` excludes these too. They come first for a drop reason of their own.
        if is_multicast_or_broadcast(destination) {
            return Err(DropReason::Broadcast);
        }
        if !is_unicast(destination) {
            return Err(DropReason::Martian);
        }
        match (self.locate(destination), origin) {
            (Location::External(external), Origin::Host) => Ok(Path::Hairpin(external)),
            (Location::External(_), Origin::Router) => Err(DropReason::Hairpin),
            // Inside hosts reach each other without the router. Where the networks overlap, the
            // packet may be for an outside host with such an address (RFC 4787 REQ-7).
            (Location::Inside, _) if !self.networks_overlap() => Err(DropReason::InsideDestination),
            (Location::Inside | Location::Outside, _) => Ok(Path::Outbound(origin)),
        }
    }

    /// Whether a packet of a host is for the router. Refuses one whose source is no inside host's.
    fn is_for_inside_stack(self, datagram: &Datagram<'_>) -> Result<bool, DropReason> {
        let (source, destination) = (datagram.ip.source(), datagram.ip.destination());
        // First, for its own drop reason: such a source is mostly spoofed as well.
        if source == destination {
            return Err(DropReason::Land);
        }
        // Before the source is checked, which a client may not have yet.
        if self.is_dhcp_question(datagram) {
            return Ok(true);
        }
        if !is_unicast(source) {
            return Err(DropReason::Martian);
        }
        if !self.is_inside_host(source) {
            return Err(DropReason::SpoofedSource);
        }
        let (inside, destination) = (&self.policy.config.inside, Ipv4Addr::from_bits(destination));
        let router = destination == inside.address() || Some(destination) == inside.broadcast();
        Ok(router && inside.contains(destination) || destination.is_broadcast())
    }

    /// Whether a packet from inside is a DHCP client's to the router's DHCP server, by broadcast.
    ///
    /// A client has no address, or has one of another network, from which it goes on to ask until a
    /// server refuses that address (RFC 2131 section 4.3.2, REBINDING).
    fn is_dhcp_question(self, datagram: &Datagram<'_>) -> bool {
        let source = Ipv4Addr::from_bits(datagram.ip.source());
        let of_a_client =
            source.is_unspecified() || source.is_link_local() || is_unicast(source.to_bits());
        Ipv4Addr::from_bits(datagram.ip.destination()).is_broadcast()
            && datagram.udp_ports() == Some((DHCP_CLIENT, DHCP_SERVER))
            && of_a_client
            && source != self.policy.config.inside.address()
    }

    /// Whether a packet of the router's own is its DHCP client's (RFC 2131).
    fn is_dhcp_request(self, datagram: &Datagram<'_>) -> bool {
        if !self.policy.config.dhcp_client
            || datagram.udp_ports() != Some((DHCP_CLIENT, DHCP_SERVER))
        {
            return false;
        }
        let source = datagram.ip.source();
        // A client that extends its lease sends from the address of the lease.
        Ipv4Addr::from_bits(source).is_unspecified() || self.external_number(source).is_some()
    }

    /// The route of a packet from outside.
    pub(crate) fn route_inbound(self, datagram: &Datagram<'_>) -> Result<Route, DropReason> {
        let ip = &datagram.ip;
        if ip.source() == ip.destination() {
            return Err(DropReason::Land);
        }
        if !is_unicast(ip.source()) {
            return Err(DropReason::Martian);
        }
        // This comes before the source is checked: until the router has an address, its DHCP server
        // may have any, even one of the inside network.
        if self.is_dhcp_answer(datagram) {
            return Ok(Route::Local(Side::Outside));
        }
        self.check_outside_source(ip)?;
        let target = self.target(ip.destination())?;
        Ok(Route::Translated(Path::Inbound(target)))
    }

    fn target(self, destination: u32) -> Result<Target, DropReason> {
        let location = self.locate(destination);
        if let Location::External(external) = location {
            return Ok(Target::External(external));
        }
        if is_multicast_or_broadcast(destination) {
            return Err(DropReason::Broadcast);
        }
        if is_martian(destination) {
            return Err(DropReason::Martian);
        }
        // Without untranslated networks, no host outside may send to an inside address.
        let untranslated = !self.policy.config.untranslated.is_empty();
        if untranslated && self.is_inside_host(destination) {
            return Ok(Target::Untranslated);
        }
        Err(match location {
            Location::Inside => DropReason::InsideDestination,
            Location::External(_) | Location::Outside => DropReason::NotForUs,
        })
    }

    /// Refuses a source that cannot be outside: an external address, or one of the inside network.
    /// Where the networks overlap, of the latter only those that stand for all hosts are refused
    /// (RFC 4787 REQ-7).
    fn check_outside_source(self, ip: &ipv4::Header) -> Result<(), DropReason> {
        let source = Ipv4Addr::from_bits(ip.source());
        let refused = match self.locate(ip.source()) {
            Location::External(_) => true,
            Location::Inside => {
                !self.networks_overlap() || !self.policy.config.inside.is_host(source)
            }
            Location::Outside => false,
        };
        if refused {
            Err(DropReason::Martian)
        } else {
            Ok(())
        }
    }

    /// Whether a packet is a DHCP server's to the router's client, by broadcast or to the address
    /// that it offers (RFC 2131 section 4.1).
    ///
    /// It may come from any port: section 4.1 says only which port servers send to, and some relays
    /// send from others. One to an inside address that is not from the server's port belongs to an
    /// untranslated session.
    fn is_dhcp_answer(self, datagram: &Datagram<'_>) -> bool {
        let Some((from, to)) = datagram.udp_ports() else {
            return false;
        };
        if !self.is_dhcp_client_port(Proto::Udp, to) {
            return false;
        }
        let destination = Ipv4Addr::from_bits(datagram.ip.destination());
        let inside = self.policy.config.inside.contains(destination);
        let reaches = destination.is_broadcast() || is_unicast(destination.to_bits());
        // A server outside has no external address of the router.
        let genuine = self.external_number(datagram.ip.source()).is_none();
        (from == DHCP_SERVER || !inside) && reaches && genuine
    }
}
