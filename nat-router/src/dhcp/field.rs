//! Where the fields of a message are (RFC 2131 section 2, figure 1), for tests that read or change
//! single bytes.

use core::ops::{Range, RangeFrom};

pub(super) const OP: usize = 0;
pub(super) const HTYPE: usize = 1;
pub(super) const HLEN: usize = 2;
/// The first byte of the flags, which has the broadcast flag at the top.
pub(super) const FLAGS: usize = 10;
pub(super) const GIADDR: Range<usize> = 24..28;
pub(super) const CHADDR: Range<usize> = 28..44;
pub(super) const SNAME: Range<usize> = 44..108;
pub(super) const FILE: Range<usize> = 108..236;
pub(super) const MAGIC_COOKIE: Range<usize> = 236..240;
pub(super) const OPTIONS: RangeFrom<usize> = 240..;

/// The broadcast flag, in the byte [`FLAGS`].
pub(super) const BROADCAST: u8 = 0x80;

/// Writes `bytes` at the begin of `field`.
pub(super) fn write(message: &mut [u8], field: &Range<usize>, bytes: &[u8]) {
    message[field.clone()][..bytes.len()].copy_from_slice(bytes);
}
