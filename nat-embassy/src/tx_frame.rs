//! A frame to transmit, and what becomes of a received one.

use nat_core::{Reply, Side};
use zerocopy::IntoBytes;

use crate::FrameDrop;
use crate::ethernet::Header;
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
    /// The link header, if it is not the start of `body`, and the medium has link headers.
    pub(crate) header: Option<Header>,
    /// What follows the header.
    pub(crate) body: &'a [u8],
    /// Where in `body` the datagram is, if the driver computes ICMP checksums, so that the field
    /// must be zero.
    pub(crate) fills_icmp_checksum_at: Option<usize>,
}

impl TxFrame<'_> {
    /// Its length in bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.body.len() + self.header.as_ref().map_or(0, |_| Header::LEN)
    }

    /// Writes it to `buffer`, which must be [`Self::len`] bytes long.
    #[inline]
    pub(crate) fn write(&self, buffer: &mut [u8]) {
        let rest = match &self.header {
            None => buffer,
            Some(header) => {
                let Some((head, rest)) = buffer.split_at_mut_checked(Header::LEN) else {
                    return;
                };
                head.copy_from_slice(header.as_bytes());
                rest
            }
        };
        let Some(body) = rest.get_mut(..self.body.len()) else {
            return;
        };
        body.copy_from_slice(self.body);
        if let Some(at) = self.fills_icmp_checksum_at {
            ipv4::clear_icmp_checksum(body.get_mut(at..).unwrap_or_default());
        }
    }
}
