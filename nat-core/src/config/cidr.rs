//! Networks.

use core::net::Ipv4Addr;

/// An address with the length of its network prefix, such as `192.168.77.1/24`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Cidr {
    address: Ipv4Addr,
    prefix_len: u8,
}

impl Cidr {
    /// The address `address` in a network of `prefix_len` leading bits, 0 to 32; `None` for more.
    pub const fn new(address: Ipv4Addr, prefix_len: u8) -> Option<Self> {
        if prefix_len > 32 { None } else { Some(Self { address, prefix_len }) }
    }

    /// The address.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The length of the network prefix in bits, 0 to 32.
    pub const fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Whether `address` is of this network.
    pub const fn contains(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) & self.mask() == 0
    }

    /// The network's directed broadcast address; `None` where the prefix leaves no room for one (RFC 3021).
    pub const fn broadcast(&self) -> Option<Ipv4Addr> {
        if self.prefix_len >= 31 { None } else { Some(Ipv4Addr::from_bits(self.address.to_bits() | !self.mask())) }
    }

    /// The network's own address; `None` where the prefix leaves no room for one (RFC 3021).
    pub const fn network(&self) -> Option<Ipv4Addr> {
        if self.prefix_len >= 31 { None } else { Some(Ipv4Addr::from_bits(self.address.to_bits() & self.mask())) }
    }

    /// Whether `address` can be one of a host in this network.
    pub(crate) fn is_host(&self, address: Ipv4Addr) -> bool {
        let host_bits = address.to_bits() & !self.mask();
        self.contains(address) && (self.prefix_len >= 31 || host_bits != 0 && host_bits != !self.mask())
    }

    const fn mask(&self) -> u32 {
        match u32::MAX.checked_shl(32_u32.wrapping_sub(self.prefix_len as u32)) {
            Some(mask) => mask,
            None => 0,
        }
    }
}

impl core::fmt::Display for Cidr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}
