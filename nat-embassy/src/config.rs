//! What is chosen when the router is built, and what a lease changes later.

use core::net::Ipv4Addr;

use nat_core::Cidr;

/// What is chosen when the router is built. [`Config::new`] gives the defaults; then set the fields
/// that differ.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Config {
    /// The configuration of the NAT. Its MTUs are lowered to what the drivers carry. Its external
    /// addresses are further addresses, in force while there is an [`Outside`], whose own
    /// address is the primary one.
    pub nat: nat_core::Config,
    /// The static configuration of the outside; `None` until
    /// [`Control::set_outside`](crate::Control::set_outside) or
    /// [`Control::follow`](crate::Control::follow) brings one.
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
    /// The primary external address of the NAT, with the prefix of the outside network: what lies
    /// in it is on-link.
    pub address: Cidr,
    /// Where packets for all other networks go. Without one they are dropped and counted as
    /// [`FrameDrop::NoRoute`](crate::FrameDrop::NoRoute). An outside without a link header needs
    /// none.
    pub gateway: Option<Ipv4Addr>,
}

impl Outside {
    /// The neighbour that a packet for `destination` is handed to.
    pub(crate) fn next_hop(&self, destination: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.address.contains(destination) {
            Some(destination)
        } else {
            self.gateway
        }
    }
}
