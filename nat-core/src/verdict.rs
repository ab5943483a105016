//! What happens to a packet.

use core::net::Ipv4Addr;

use crate::{DropReason, Reply, Side};

/// What the caller does with a packet that [`Nat::process`](crate::Nat::process) has processed.
///
/// Exhaustive on purpose: every adapter must handle a new verdict, so it should not compile before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a packet is lost, uncounted, if its verdict is not carried out"]
pub enum Verdict {
    /// Discard the packet. It has changed nothing in the tables.
    Drop(DropReason),
    /// Send the first `len` bytes of the buffer out of side `to`: they hold the translated
    /// datagram.
    Forward {
        /// The side to send it out of.
        to: Side,
        /// The datagram's destination address. Send it to the next hop for this address.
        destination: Ipv4Addr,
        /// The length of the datagram in bytes, link padding left out.
        len: usize,
    },
    /// Send the first `len` bytes of the buffer, the translated datagram, out of side `to` in
    /// fragments: see [`Fragmenter`](crate::Fragmenter).
    Fragment {
        /// The side to send it out of.
        to: Side,
        /// The datagram's destination address. Send it to the next hop for this address.
        destination: Ipv4Addr,
        /// The length of the datagram in bytes, link padding left out.
        len: usize,
        /// The largest fragment, in bytes.
        mtu: u16,
    },
    /// Discard the packet, a fragment. The engine has kept a copy, which waits for the datagram's
    /// first fragment: see [`Nat::release`](crate::Nat::release).
    Hold,
    /// Hand the first `len` bytes of the buffer to the router's own stack on side `side`.
    ///
    /// A ping from inside to an external address goes to the outside stack if
    /// [`Config::outside_ping`](crate::Config::outside_ping) is set. Send its reply to the inside
    /// directly, without the NAT.
    Local {
        /// The side whose stack the packet is for.
        side: Side,
        /// The length of the datagram in bytes, link padding left out.
        len: usize,
    },
    /// Discard the packet and send exactly one answer back out of the side it came from: see
    /// [`Reply::emit`].
    Reject(Reply),
}

impl From<DropReason> for Verdict {
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason)
    }
}
