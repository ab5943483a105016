//! A frame to transmit, and what becomes of a received one.

use nat_core::{Reply, Side};
use zerocopy::IntoBytes;

use crate::FrameDrop;
use crate::ethernet::{EtherType, Header};
use crate::ipv4;

/// Memory for one packet that the router makes: an ICMP reply or an ARP packet.
pub(crate) type ReplyBuffer = [u8; Reply::MAX_LEN];

/// What becomes of a frame: another frame to transmit because of it, nothing, or a drop. The drop
/// is counted on the side it names.
pub(crate) type Disposition<'a> = Result<Option<TxFrame<'a>>, (Side, FrameDrop)>;

/// A frame to transmit.
pub(crate) struct TxFrame<'a> {
    /// The side whose driver gets it.
    pub(crate) to: Side,
    /// Absent on a medium without link headers.
    pub(crate) header: Option<Header>,
    /// What follows the header.
    pub(crate) body: &'a [u8],
    /// Whether the driver computes ICMP checksums, so that the field must be zero.
    pub(crate) clear_icmp_checksum: bool,
}

impl TxFrame<'_> {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.body.len() + self.header.map_or(0, |_| Header::LEN)
    }

    /// Writes it to `buffer`, which must be [`Self::len`] bytes long.
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
        if self.clear_icmp_checksum && self.is_ipv4() {
            ipv4::clear_icmp_checksum(body);
        }
    }

    fn is_ipv4(&self) -> bool {
        self.header
            .is_none_or(|header| header.ethertype() == EtherType::IPV4)
    }
}
