//! The configuration of the router when it is built, and the part that a lease changes later.

use core::net::Ipv4Addr;

use nat_core::Cidr;

/// The configuration of the router. [`Config::new`] gives the defaults; then set the fields that
/// differ.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Config {
    /// The configuration of the NAT. Its MTUs are lowered to those of the drivers. Its external
    /// addresses are secondary ones, used while there is an [`Outside`]; the address of the
    /// `Outside` is the primary one.
    pub nat: nat_core::Config,
    /// The static configuration of the outside; `None` until
    /// [`Control::set_outside`](crate::Control::set_outside) or
    /// [`Control::follow`](crate::Control::follow) sets one.
    pub outside: Option<Outside>,
}

impl Config {
    /// The configuration of a router with this NAT and no outside address yet.
    pub const fn new(nat: nat_core::Config) -> Self {
        Self { nat, outside: None }
    }
}

/// How the router reaches the outside: a DHCP lease or a static configuration.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Outside {
    /// The primary external address of the NAT, with the prefix length of the outside network. The
    /// addresses of that network are on-link.
    pub address: Cidr,
    /// The next hop to all other networks. Without one, packets to them are dropped and counted as
    /// [`FrameDrop::NoRoute`](crate::FrameDrop::NoRoute). A medium without link headers needs no
    /// gateway.
    pub gateway: Option<Ipv4Addr>,
}

impl Outside {
    /// The neighbour that gets a packet for `destination`.
    pub(crate) fn next_hop(&self, destination: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.address.contains(destination) {
            Some(destination)
        } else {
            self.gateway
        }
    }
}
