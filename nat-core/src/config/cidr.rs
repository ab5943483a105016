//! Networks and addresses in them.

use core::net::Ipv4Addr;

/// An address with the length of its network prefix, such as `192.168.77.1/24`.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Cidr {
    address: u32,
    mask: u32,
}

/// From this mask on, a network has neither a network address nor a broadcast address (RFC 3021).
const POINT_TO_POINT: u32 = 0xffff_fffe;

impl Cidr {
    /// The address `address` in a network with a prefix of `prefix_len` bits, 0 to 32; `None` if
    /// `prefix_len` is larger.
    pub const fn new(address: Ipv4Addr, prefix_len: u8) -> Option<Self> {
        if prefix_len > 32 {
            return None;
        }
        // A shift by 32, for a prefix of 0 bits, would overflow.
        let mask = match u32::MAX.checked_shl(32_u32.wrapping_sub(prefix_len as u32)) {
            Some(mask) => mask,
            None => 0,
        };
        Some(Self {
            address: address.to_bits(),
            mask,
        })
    }

    /// The address.
    pub const fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address)
    }

    /// The length of the network prefix in bits, 0 to 32.
    pub const fn prefix_len(&self) -> u8 {
        self.mask.leading_ones() as u8
    }

    /// Whether `address` is in this network.
    pub const fn contains(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address) & self.mask == 0
    }

    /// The directed broadcast address of the network; `None` if the prefix is too long to have one
    /// (RFC 3021).
    pub const fn broadcast(&self) -> Option<Ipv4Addr> {
        if self.mask >= POINT_TO_POINT {
            None
        } else {
            Some(Ipv4Addr::from_bits(self.address | !self.mask))
        }
    }

    /// The network address; `None` if the prefix is too long to have one (RFC 3021).
    pub const fn network(&self) -> Option<Ipv4Addr> {
        if self.mask >= POINT_TO_POINT {
            None
        } else {
            Some(Ipv4Addr::from_bits(self.address & self.mask))
        }
    }

    /// Whether `address` can be the address of a host in this network.
    pub(crate) fn is_host(&self, address: Ipv4Addr) -> bool {
        let host_bits = address.to_bits() & !self.mask;
        // With two addresses or one, all are those of hosts (RFC 3021).
        self.contains(address)
            && (self.mask >= POINT_TO_POINT || host_bits != 0 && host_bits != !self.mask)
    }
}

impl core::fmt::Display for Cidr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.address(), self.prefix_len())
    }
}

/// The text is not an IPv4 address, a slash and a prefix length of 0 to 32.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ParseCidrError;

impl core::fmt::Display for ParseCidrError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not an IPv4 address with a prefix length, such as 192.168.77.1/24")
    }
}

impl core::error::Error for ParseCidrError {}

impl core::str::FromStr for Cidr {
    type Err = ParseCidrError;

    /// Parses what [`Display`](core::fmt::Display) writes, such as `192.168.77.1/24`.
    fn from_str(text: &str) -> Result<Self, ParseCidrError> {
        let (address, prefix_len) = text.split_once('/').ok_or(ParseCidrError)?;
        let address = address.parse().map_err(|_| ParseCidrError)?;
        // `parse` would accept a sign, which does not belong here.
        let digits = prefix_len.bytes().all(|byte| byte.is_ascii_digit());
        let prefix_len = prefix_len
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or(ParseCidrError)?;
        Self::new(address, prefix_len).ok_or(ParseCidrError)
    }
}

impl core::fmt::Debug for Cidr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Cidr {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}/{}", self.address(), self.prefix_len());
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use super::*;

    #[test]
    fn what_is_written_can_be_read_and_nothing_else() {
        for text in [
            "192.168.77.1/24",
            "0.0.0.0/0",
            "255.255.255.255/32",
            "10.0.0.1/8",
        ] {
            assert_eq!(
                text.parse::<Cidr>().map(|cidr| cidr.to_string()).as_deref(),
                Ok(text)
            );
        }
        for text in [
            "",
            "/",
            "10.0.0.1",
            "10.0.0.1/",
            "10.0.0.1/33",
            "10.0.0.1/+8",
            "10.0.0.1/-1",
            "10.0.0/8",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(ParseCidrError), "{text}");
        }
        for text in [
            "10.0.0.1/8/8",
            " 10.0.0.1/8",
            "10.0.0.1/8 ",
            "10.0.0.1/256",
            "010.0.0.1/8",
            "::1/64",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(ParseCidrError), "{text}");
        }
    }
}
