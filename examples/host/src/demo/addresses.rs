//! The machines of the demo's network, and their addresses.

use core::net::Ipv4Addr;

/// An Ethernet address.
pub(super) type Mac = [u8; 6];

/// A host or server with an address of its own.
#[derive(Clone, Copy)]
pub(super) struct Machine {
    pub(super) name: &'static str,
    pub(super) mac: Mac,
    pub(super) address: Ipv4Addr,
}

/// Both networks of the demo have 256 addresses.
pub(super) const PREFIX_LEN: u8 = 24;

/// The first LAN host.
pub(super) const HOST1: Machine = machine("host1", 0x10, Ipv4Addr::new(192, 168, 77, 10));
/// The second LAN host.
pub(super) const HOST2: Machine = machine("host2", 0x11, Ipv4Addr::new(192, 168, 77, 11));
/// The provider: its DHCP server leases addresses and names this machine as gateway; it also
/// answers DNS.
pub(super) const ISP: Machine = machine("isp", 0x20, Ipv4Addr::new(198, 51, 100, 1));
/// The server that the LAN hosts connect to.
pub(super) const WEB: Machine = machine("web", 0x21, Ipv4Addr::new(198, 51, 100, 80));
/// An address outside to which no LAN host has sent anything.
pub(super) const STRANGER: Machine = machine("stranger", 0x66, Ipv4Addr::new(203, 0, 113, 66));
/// The router as the LAN sees it.
pub(super) const ROUTER: Machine = machine("router", 0x01, Ipv4Addr::new(192, 168, 77, 1));

/// The router's network interface on the WAN. Its address there comes from the lease.
pub(super) const ROUTER_WAN_MAC: Mac = [0x02, 0, 0, 0, 0, 0x02];
/// The address that the provider leases first.
pub(super) const FIRST_LEASE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
/// The address that the provider leases after the link was down.
pub(super) const SECOND_LEASE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 142);

/// The DNS name of [`WEB`].
pub(super) const WEB_NAME: &str = "www.example.com";

const fn machine(name: &'static str, mac_end: u8, address: Ipv4Addr) -> Machine {
    Machine {
        name,
        mac: [0x02, 0, 0, 0, 0, mac_end],
        address,
    }
}
