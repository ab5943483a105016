//! A frame on its way into the transmit buffer of a driver.

use nat_core::Side;
use zerocopy::IntoBytes;

use crate::ethernet::{EtherType, Header};
use crate::ipv4;

/// A frame to transmit.
pub(crate) struct Outgoing<'a> {
    /// The side whose driver gets it.
    pub(crate) to: Side,
    /// Absent on a medium without link headers.
    pub(crate) header: Option<Header>,
    /// What follows the header.
    pub(crate) body: &'a [u8],
    /// Whether the driver computes ICMP checksums, and needs zero in their place.
    pub(crate) clear_icmp_checksum: bool,
}

impl Outgoing<'_> {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.body.len() + self.header.map_or(0, |_| Header::LEN)
    }

    /// Writes it to `buffer`, which is as long as [`Self::len`] says.
    pub(crate) fn write(&self, buffer: &mut [u8]) {
        let header = self.header.as_ref().map_or(&[][..], Header::as_bytes);
        let Some((head, rest)) = buffer.split_at_mut_checked(header.len()) else {
            return;
        };
        head.copy_from_slice(header);
        let Some(body) = rest.get_mut(..self.body.len()) else {
            return;
        };
        body.copy_from_slice(self.body);
        if self.clear_icmp_checksum
            && self
                .header
                .is_none_or(|header| header.ethertype() == EtherType::IPV4)
        {
            ipv4::clear_icmp_checksum(body);
        }
    }
}
