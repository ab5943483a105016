//! The UDP header, RFC 768.

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::Delta;

#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    source_port: U16,
    destination_port: U16,
    length: U16,
    checksum: U16,
}

impl Header {
    pub(crate) const LEN: usize = size_of::<Self>();

    pub(crate) fn source_port(&self) -> u16 {
        self.source_port.get()
    }

    pub(crate) fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }

    /// The length of header and payload in bytes, from the header.
    pub(crate) fn length(&self) -> u16 {
        self.length.get()
    }

    /// The checksum; zero means that there is none.
    pub(crate) fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Sets the port. Returns the change for the checksum.
    pub(crate) fn set_source_port(&mut self, port: u16) -> Delta {
        let old = core::mem::replace(&mut self.source_port, U16::new(port));
        Delta::default().and_u16(old.get(), port)
    }

    /// Sets the port. Returns the change for the checksum.
    pub(crate) fn set_destination_port(&mut self, port: u16) -> Delta {
        let old = core::mem::replace(&mut self.destination_port, U16::new(port));
        Delta::default().and_u16(old.get(), port)
    }

    /// Updates the checksum. A datagram without one stays without (RFC 3022 section 4.1). A result
    /// of zero is sent as `0xffff` (RFC 768), because zero means that there is no checksum.
    pub(crate) fn update_checksum(&mut self, delta: Delta) {
        if self.checksum.get() != 0 {
            let updated = delta.apply(self.checksum.get());
            self.checksum = U16::new(if updated == 0 { 0xffff } else { updated });
        }
    }
}
