//! What a driver carries, as it says when the router is built.

use embassy_net_driver::{Checksum, Driver, HardwareAddress};

use crate::ethernet::{Header, Mac};

/// What kind of frames a driver carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Medium {
    /// Ethernet frames. The driver's station has this address.
    Ethernet(Mac),
    /// IP datagrams without a link header.
    Ip,
    /// A medium that IPv4 is not forwarded over. Its link counts as down.
    Unsupported,
}

impl Medium {
    pub(crate) fn of(address: HardwareAddress) -> Self {
        match address {
            HardwareAddress::Ethernet(address) => Self::Ethernet(Mac::new(address)),
            HardwareAddress::Ip => Self::Ip,
            _ => Self::Unsupported,
        }
    }

    /// The length of the link header in bytes.
    pub(crate) const fn header_len(self) -> usize {
        match self {
            Self::Ethernet(_) => Header::LEN,
            Self::Ip | Self::Unsupported => 0,
        }
    }
}

/// The properties of a driver that do not change while the router runs, and its first address.
pub(crate) struct Properties {
    /// Some drivers learn their address only when they run, so it is read again in each pass.
    pub(crate) address: HardwareAddress,
    /// The longest frame in bytes, link header included.
    pub(crate) max_frame: usize,
    /// Whether the device computes ICMP checksums when it sends. The checksum field must then be
    /// zero before: the STM32, for one, adds the field's value to the sum.
    pub(crate) fills_icmp_checksum: bool,
}

impl Properties {
    pub(crate) fn of(driver: &impl Driver) -> Self {
        let capabilities = driver.capabilities();
        Self {
            address: driver.hardware_address(),
            max_frame: capabilities.max_transmission_unit,
            fills_icmp_checksum: matches!(
                capabilities.checksum.icmpv4,
                Checksum::Rx | Checksum::None
            ),
        }
    }

    /// The longest datagram in bytes. The driver's own limit includes the link header.
    pub(crate) fn ip_mtu(&self) -> u16 {
        let header = Medium::of(self.address).header_len();
        u16::try_from(self.max_frame.saturating_sub(header)).unwrap_or(u16::MAX)
    }
}
