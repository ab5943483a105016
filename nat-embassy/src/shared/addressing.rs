//! Which addresses the router has, which are neighbours, and where packets go next.

use core::net::Ipv4Addr;

use nat_core::{Cidr, Side, Width};

use super::Inner;
use crate::config::Outside;
use crate::dhcp;
use crate::stats::FrameDrop;

impl<W: Width> Inner<'_, W> {
    /// The network on `side`; `None` outside while there is no address there.
    pub(crate) fn network(&self, side: Side) -> Option<Cidr> {
        match side {
            Side::Inside => Some(self.nat.config().inside),
            Side::Outside => self.outside.map(|outside| outside.address),
        }
    }

    /// The router's addresses on `side`. The first is the sender of ARP queries.
    pub(crate) fn local_addresses(&self, side: Side) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let inside = (side == Side::Inside).then(|| self.nat.config().inside.address());
        let in_force = side == Side::Outside && self.outside.is_some();
        let outside: &[_] = if in_force {
            self.nat.external_addresses()
        } else {
            &[]
        };
        inside.into_iter().chain(outside.iter().copied())
    }

    /// The number of [`Self::local_addresses`].
    pub(crate) fn local_address_count(&self, side: Side) -> usize {
        match side {
            Side::Inside => 1,
            Side::Outside => self
                .outside
                .map_or(0, |_| self.nat.external_addresses().len()),
        }
    }

    /// Whether `address` is one of the router's on `side`.
    pub(crate) fn is_local(&self, side: Side, address: Ipv4Addr) -> bool {
        self.local_addresses(side).any(|local| local == address)
    }

    /// Whether `address`, seen from `side`, is a multicast or broadcast address, or the directed
    /// broadcast address of the network there.
    pub(crate) fn is_multicast_or_broadcast(&self, side: Side, address: Ipv4Addr) -> bool {
        let directed = self.network(side).and_then(|network| network.broadcast());
        address.is_broadcast() || address.is_multicast() || directed == Some(address)
    }

    /// Whether `address` can be that of a neighbour on `side`. The sender address of an ARP probe
    /// cannot: it is unspecified (RFC 5227).
    pub(crate) fn is_neighbour(&self, side: Side, address: Ipv4Addr) -> bool {
        if address.is_unspecified() || self.is_multicast_or_broadcast(side, address) {
            return false;
        }
        let on_link = self
            .network(side)
            .is_some_and(|network| network.contains(address) && network.network() != Some(address));
        let gateway = self.outside.and_then(|outside| outside.gateway);
        on_link || (side == Side::Outside && gateway == Some(address))
    }

    /// The neighbour on `side` that gets a packet for `destination`.
    pub(crate) fn next_hop(&self, side: Side, destination: Ipv4Addr) -> Option<Ipv4Addr> {
        match side {
            Side::Inside => Some(destination),
            Side::Outside => self.outside?.next_hop(destination),
        }
    }

    /// The neighbour that the outside stack sends a datagram for `destination` to. For a gateway
    /// that is in none of its networks, the stack uses its own address instead.
    pub(crate) fn stack_next_hop(&self, destination: Ipv4Addr) -> Option<Ipv4Addr> {
        let Outside {
            address: network,
            gateway,
        } = self.outside?;
        if network.contains(destination) {
            return Some(destination);
        }
        let gateway = gateway?;
        if network.contains(gateway) {
            Some(gateway)
        } else {
            Some(network.address())
        }
    }

    /// Checks that packets may leave by `side`. Outside, they may not while the configuration is
    /// suspended and the sessions wait for it.
    pub(crate) fn check_configured(&self, side: Side) -> Result<(), FrameDrop> {
        if self.network(side).is_some() {
            Ok(())
        } else {
            Err(FrameDrop::NoRoute)
        }
    }

    /// Whether a datagram that came `from` a side is for the DHCP client on the outside stack.
    pub(crate) fn is_to_dhcp_client(&self, from: Side, datagram: &[u8]) -> bool {
        from == Side::Outside && self.nat.config().dhcp_client && dhcp::is_to_client(datagram)
    }
}
