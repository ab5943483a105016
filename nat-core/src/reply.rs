//! What the router answers itself, as a value that the caller emits.

use core::net::Ipv4Addr;

use crate::DropReason;

/// One answer to a packet that was not forwarded: an ICMP error, or a TCP RST toward the inside.
///
/// It goes back out of the side that the packet came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reply {
    reason: DropReason,
    kind: ReplyKind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum ReplyKind {
    IcmpError { source: u32 },
}

impl Reply {
    /// The longest answer in bytes (RFC 1812 section 4.3.2.3).
    pub const MAX_LEN: usize = 576;

    /// Why the packet was not forwarded.
    pub const fn reason(&self) -> DropReason {
        self.reason
    }

    /// Whether the answer is a TCP RST; else it is an ICMP error.
    pub const fn is_reset(&self) -> bool {
        false
    }

    /// The address that the answer goes to: the source of the packet it answers.
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::UNSPECIFIED
    }

    /// Writes the answer, an IPv4 datagram, to the start of `buffer`, and returns its length in bytes.
    ///
    /// `packet` is the buffer that [`Nat::process`](crate::Nat::process) got, as that call left it. `None`, with `buffer`
    /// in an unspecified state, if `buffer` is too short: [`Reply::MAX_LEN`] bytes always suffice.
    pub fn emit(&self, _packet: &[u8], _buffer: &mut [u8]) -> Option<usize> {
        None
    }
}
