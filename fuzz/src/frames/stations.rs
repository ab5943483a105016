//! The stations on both sides of the router, and the ports that they use.

use core::net::Ipv4Addr;

use super::world::frames::Station;
use super::world::{GATEWAY, HOST, OTHER_HOST, ROUTER_LAN, ROUTER_WAN, SERVER};

pub(super) const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 200);
pub(super) const LAN: [Station; 4] = [
    HOST,
    OTHER_HOST,
    ROUTER_LAN,
    ([2, 0, 0, 0, 0, 0x0c], Ipv4Addr::new(192, 168, 77, 255)),
];
pub(super) const WAN: [Station; 4] = [
    GATEWAY,
    ROUTER_WAN,
    ([2, 0, 0, 0, 0, 4], OTHER_ADDRESS),
    ([2, 0, 0, 0, 0, 5], SERVER),
];
pub(super) const PORTS: [u16; 8] = [5000, 5001, 53, 67, 68, 80, 4000, 500];
